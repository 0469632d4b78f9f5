//! Checks of a create or update request, with dockerd's texts. Pure; the host's facts are handed in.
//! Source: moby `daemon/container.go` (`verifyContainerSettings`), `daemon/daemon_unix.go` (`verifyPlatformContainerResources`).

use crate::error::{Error, Result};
use crate::{devices, mount_points, security, signal, tmpfs};
use std::path::Path;
use tierce_oci::container::{Config, Healthcheck, HostConfig, ResourceConfig, RestartPolicy};

/// Least memory of a container: the runtime itself needs some while it starts.
const LEAST_MEMORY: i64 = 6 << 20;
/// Least duration of a health check, in nanoseconds.
const LEAST_HEALTH_DURATION: i64 = 1_000_000;

/// What the host has, as far as limits are checked against it.
#[derive(Debug, Clone, Default)]
pub struct Capacity {
    /// Processors online.
    pub cpus: usize,
    /// Their list, `0-1`.
    pub cpu_list: String,
    /// Memory nodes, `0`.
    pub memory_nodes: String,
    /// What of weights for block devices is not to be had: the words of the notice for the general one and for single ones.
    pub no_block_weights: [Option<&'static str>; 2],
    /// Whether the buffers of TCP can be limited, which only cgroup v1 does.
    pub tcp_buffers: bool,
}

impl Capacity {
    /// Reads it from the host.
    pub fn of_host() -> Self {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let cpu_list = read("/sys/devices/system/cpu/online");
        let listed = parse_list(&cpu_list).map_or(0, |list| list.len());
        Self {
            cpus: if listed == 0 { cpus } else { listed },
            cpu_list,
            memory_nodes: Some(read("/sys/devices/system/node/online"))
                .filter(|list| !list.is_empty())
                .unwrap_or("0".into()),
            no_block_weights: no_block_weights(),
            tcp_buffers: Path::new("/sys/fs/cgroup/memory").is_dir(),
        }
    }

    /// Takes away what the kernel cannot do and dockerd does without; gives its notices.
    pub fn discard(&self, host_config: &mut HostConfig) -> Vec<String> {
        let resources = &mut host_config.resources;
        let [general, single] = self.no_block_weights;
        let mut notices = Vec::new();
        if let Some(notice) = general.filter(|_| resources.blkio_weight > 0) {
            resources.blkio_weight = 0;
            notices.push(notice.to_owned());
        }
        if let Some(notice) = single.filter(|_| resources.blkio_weight_device.iter().any(|list| !list.is_empty())) {
            resources.blkio_weight_device = Some(Vec::new());
            notices.push(notice.to_owned());
        }
        if resources.kernel_memory_tcp > 0 && !self.tcp_buffers {
            resources.kernel_memory_tcp = 0;
            let notice = "Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not mounted. \
                          Limitation discarded.";
            notices.push(notice.to_owned());
        }
        notices
    }
}

/// v1 has weights by either of two schedulers, each with files of its own. v2 has them wherever it has the controller.
fn no_block_weights() -> [Option<&'static str>; 2] {
    let v1 = Path::new("/sys/fs/cgroup/blkio");
    if !v1.exists() {
        return [None, None];
    }
    let scheduled = std::fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten()
        .any(|device| {
            let schedulers = std::fs::read_to_string(device.path().join("queue/scheduler"));
            schedulers.is_ok_and(|names| names.contains("[bfq]"))
        });
    let missing = |file: &str, notice| (!scheduled && !v1.join(file).exists()).then_some(notice);
    [
        missing(
            "blkio.weight",
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
        ),
        missing(
            "blkio.weight_device",
            "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
        ),
    ]
}

fn invalid<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(text.into()))
}

/// Checks a whole request; returns warnings.
pub fn create(config: &Config, host_config: &HostConfig, capacity: &Capacity) -> Result<Vec<String>> {
    check_config(config)?;
    restart_policy(&host_config.restart_policy)?;
    if host_config.auto_remove && !matches!(host_config.restart_policy.name.as_str(), "" | "no") {
        return invalid("can't create 'AutoRemove' container with restart policy");
    }
    modes(host_config)?;
    shared_network(config, host_config)?;
    if host_config.uts_mode == "host" && !config.hostname.is_empty() {
        return invalid("conflicting options: hostname and the UTS mode");
    }
    if !(-1000..=1000).contains(&host_config.oom_score_adj) {
        return invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            host_config.oom_score_adj
        ));
    }
    let isolation = &host_config.isolation;
    if !isolation.is_empty() && !isolation.eq_ignore_ascii_case("default") {
        return invalid(format!(
            "invalid isolation ({isolation}): linux only supports 'default'"
        ));
    }
    if host_config.annotations.iter().flatten().any(|(key, _)| key.is_empty()) {
        return invalid("invalid Annotations: the empty string is not permitted as an annotation key");
    }
    if host_config.shm_size < 0 {
        return invalid("SHM size can not be less than 0");
    }
    for (what, list) in [("CapAdd", &host_config.cap_add), ("CapDrop", &host_config.cap_drop)] {
        security::normalise(list.as_deref().unwrap_or_default())
            .map_err(|error| Error::Invalid(format!("invalid {what}: {error}")))?;
    }
    security::options(host_config.security_opt.as_deref().unwrap_or_default())?;
    for rule in host_config.resources.device_cgroup_rules.as_deref().unwrap_or_default() {
        devices::check_rule(rule)?;
    }
    for text in host_config.tmpfs.iter().flatten().map(|(_, text)| text) {
        tmpfs::check(text)?;
    }
    mount_points::check(host_config)?;
    let mut warnings = resources(&host_config.resources, capacity)?;
    if host_config.mounts.iter().flatten().any(|mount| mount.kind == "image") {
        warnings.push("Image mount is an experimental feature".to_owned());
    }
    if host_config.network_mode == "host"
        && host_config
            .port_bindings
            .as_ref()
            .is_some_and(|ports| !ports.is_empty())
    {
        warnings.push("Published ports are discarded when using host network mode".to_owned());
    }
    Ok(warnings)
}

/// What a container that shares another's network, or the host's, cannot have. Source: moby
/// `daemon/pkg/runconfig/hostconfig.go`, `validateNetMode`.
fn shared_network(config: &Config, host_config: &HostConfig) -> Result<()> {
    let has_links = host_config.links.as_ref().is_some_and(|links| !links.is_empty());
    if host_config.network_mode == "host" && has_links {
        return invalid(
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        );
    }
    let other = match host_config.network_mode.as_str() {
        "container" => "",
        mode => match mode.strip_prefix("container:") {
            Some(other) => other,
            None => return Ok(()),
        },
    };
    if other.is_empty() {
        return invalid("invalid network mode: invalid container format container:<name|id>");
    }
    let filled = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let bindings = host_config.port_bindings.as_ref();
    let publishes = bindings.is_some_and(|ports| !ports.is_empty()) || host_config.publish_all_ports;
    let exposes = config.exposed_ports.as_ref().is_some_and(|ports| !ports.is_empty());
    let conflicts = [
        (!config.hostname.is_empty(), "hostname and the network mode"),
        (
            has_links,
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (filled(&host_config.dns), "dns and the network mode"),
        (
            filled(&host_config.extra_hosts),
            "custom host-to-IP mapping and the network mode",
        ),
        (publishes, "port publishing and the container type network mode"),
        (exposes, "port exposing and the container type network mode"),
    ];
    match conflicts.iter().find(|(holds, _)| *holds) {
        Some((_, what)) => invalid(format!("conflicting options: {what}")),
        None => Ok(()),
    }
}

fn check_config(config: &Config) -> Result<()> {
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            config.working_dir
        ));
    }
    if !config.stop_signal.is_empty() {
        signal::parse(&config.stop_signal)?;
    }
    for entry in config.env.iter().flatten() {
        if entry.is_empty() || entry.starts_with('=') {
            return invalid(format!("invalid environment variable: {entry}"));
        }
        if entry.contains('\0') {
            return invalid(format!("invalid environment variable: {entry:?}"));
        }
    }
    config.healthcheck.as_ref().map_or(Ok(()), healthcheck)
}

fn healthcheck(check: &Healthcheck) -> Result<()> {
    for (name, value) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if value != 0 && value < LEAST_HEALTH_DURATION {
            return invalid(format!("{name} in Healthcheck cannot be less than 1ms"));
        }
    }
    if check.retries < 0 {
        return invalid("Retries in Healthcheck cannot be negative");
    }
    if !matches!(check.on_failure.as_str(), "" | "none" | "kill" | "restart" | "stop") {
        return invalid(format!(
            "invalid action {:?} on failed health checks: it must be none, kill, restart or stop",
            check.on_failure
        ));
    }
    Ok(())
}

/// Checks a restart policy.
pub fn restart_policy(policy: &RestartPolicy) -> Result<()> {
    let limited = policy.maximum_retry_count != 0;
    match policy.name.as_str() {
        "" | "no" | "always" | "unless-stopped" if limited => {
            let mut text = "invalid restart policy: maximum retry count can only be used with 'on-failure'".to_owned();
            if policy.maximum_retry_count < 0 {
                text.push_str(" and cannot be negative");
            }
            invalid(text)
        }
        "on-failure" if policy.maximum_retry_count < 0 => {
            invalid("invalid restart policy: maximum retry count cannot be negative")
        }
        "" | "no" | "always" | "unless-stopped" | "on-failure" => Ok(()),
        other => invalid(format!(
            "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or \
             'unless-stopped'"
        )),
    }
}

fn modes(host_config: &HostConfig) -> Result<()> {
    let of_container = |mode: &str| mode.strip_prefix("container:").is_some_and(|name| !name.is_empty());
    let ipc = host_config.ipc_mode.as_str();
    if !matches!(ipc, "" | "none" | "private" | "shareable" | "host") && !of_container(ipc) {
        return invalid(format!("invalid IPC mode: {ipc}"));
    }
    let pid = host_config.pid_mode.as_str();
    if !matches!(pid, "" | "host") && !of_container(pid) {
        return invalid(format!("invalid PID mode: {pid}"));
    }
    if !matches!(host_config.uts_mode.as_str(), "" | "host") {
        return invalid(format!("invalid UTS mode: {}", host_config.uts_mode));
    }
    if !matches!(host_config.userns_mode.as_str(), "" | "host") {
        return invalid(format!("invalid userns mode: {}", host_config.userns_mode));
    }
    if !matches!(host_config.cgroupns_mode.as_str(), "" | "host" | "private") {
        return invalid(format!("invalid cgroup namespace mode: {}", host_config.cgroupns_mode));
    }
    Ok(())
}

/// Checks limits; returns warnings.
pub fn resources(config: &ResourceConfig, capacity: &Capacity) -> Result<Vec<String>> {
    memory(config)?;
    cpu(config, capacity)?;
    if config.blkio_weight > 0 && !(10..=1000).contains(&config.blkio_weight) {
        return invalid("Range of blkio weight is from 10 to 1000");
    }
    let mut warnings = Vec::new();
    if config.oom_kill_disable == Some(true) && config.memory == 0 {
        warnings.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system \
             running out of resources."
                .to_owned(),
        );
    }
    Ok(warnings)
}

fn memory(config: &ResourceConfig) -> Result<()> {
    let ResourceConfig {
        memory,
        memory_swap: swap,
        memory_reservation: reservation,
        ..
    } = *config;
    if memory != 0 && memory < LEAST_MEMORY {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    if memory > 0 && swap > 0 && swap < memory {
        return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if memory == 0 && swap > 0 {
        return invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    if let Some(swappiness) = config.memory_swappiness
        && !(-1..=100).contains(&swappiness)
    {
        return invalid(format!(
            "Invalid value: {swappiness}, valid memory swappiness range is 0-100"
        ));
    }
    if reservation > 0 && reservation < LEAST_MEMORY {
        return invalid("Minimum memory reservation allowed is 6MB");
    }
    if memory > 0 && reservation > 0 && memory < reservation {
        return invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    Ok(())
}

fn cpu(config: &ResourceConfig, capacity: &Capacity) -> Result<()> {
    if config.nano_cpus > 0 && config.cpu_period > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if config.nano_cpus > 0 && config.cpu_quota > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    let most = i64::try_from(capacity.cpus)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000_000);
    if config.nano_cpus < 0 || config.nano_cpus > most {
        return invalid(format!(
            "range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available",
            capacity.cpus
        ));
    }
    if config.cpu_shares < 0 {
        return invalid(format!(
            "invalid CPU shares ({}): value must be a positive integer",
            config.cpu_shares
        ));
    }
    if config.cpu_period != 0 && !(1_000..=1_000_000).contains(&config.cpu_period) {
        return invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    }
    if config.cpu_quota > 0 && config.cpu_quota < 1_000 {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    set("CPUs", "cpus", &config.cpuset_cpus, &capacity.cpu_list)?;
    set("memory nodes", "mems", &config.cpuset_mems, &capacity.memory_nodes)
}

fn set(what: &str, word: &str, wanted: &str, available: &str) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let Some(list) = parse_list(wanted) else {
        return invalid(format!(
            "Invalid value {wanted} for cpuset {word}: invalid format: {wanted}"
        ));
    };
    let present = parse_list(available).unwrap_or_default();
    if list.iter().any(|number| !present.contains(number)) {
        return invalid(format!(
            "Requested {what} are not available - requested {wanted}, available: {available}"
        ));
    }
    Ok(())
}

/// Reads a list of processors; for the fuzz targets.
pub fn read_list(text: &str) {
    assert!(parse_list(text).is_none_or(|list| list.len() <= 1 << 17));
}

/// Reads the kernel's list form, `0-3,7`. `None` when it is none, or absurdly long.
fn parse_list(text: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        // No machine has more processors than that.
        if last < first || last >= 1 << 16 {
            return None;
        }
        numbers.extend(first..=last);
        if numbers.len() > 1 << 16 {
            return None;
        }
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn capacity() -> Capacity {
        Capacity {
            cpus: 2,
            cpu_list: "0-1".into(),
            memory_nodes: "0".into(),
            no_block_weights: [None, None],
            tcp_buffers: true,
        }
    }

    #[test]
    fn row_130_weights_that_cannot_be_had_are_discarded_with_a_notice() {
        let mut asked = HostConfig::default();
        asked.resources.blkio_weight = 300;
        asked.resources.blkio_weight_device = Some(vec![tierce_oci::container::WeightConfig::default()]);
        asked.resources.kernel_memory_tcp = 1 << 20;
        let mut kept = asked.clone();
        assert_eq!(capacity().discard(&mut kept), Vec::<String>::new());
        assert_eq!(kept, asked);
        let poor = Capacity {
            no_block_weights: [Some("no weight"), Some("no weight_device")],
            tcp_buffers: false,
            ..capacity()
        };
        let buffers = "Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not mounted. \
                       Limitation discarded.";
        assert_eq!(poor.discard(&mut asked), ["no weight", "no weight_device", buffers]);
        assert_eq!(asked.resources.kernel_memory_tcp, 0);
        assert_eq!(
            (
                asked.resources.blkio_weight,
                asked.resources.blkio_weight_device.as_deref()
            ),
            (0, Some(&[][..]))
        );
        assert_eq!(poor.discard(&mut asked), Vec::<String>::new());
    }

    fn refused(edit: impl FnOnce(&mut Config, &mut HostConfig)) -> String {
        let (mut config, mut host_config) = (Config::default(), HostConfig::default());
        edit(&mut config, &mut host_config);
        create(&config, &host_config, &capacity()).unwrap_err().to_string()
    }

    #[test]
    fn every_refusal_has_dockers_words() {
        const M: i64 = 1 << 20;
        let texts = [
            (
                refused(|_, h| h.resources.memory = 5 * M),
                "Minimum memory limit allowed is 6MB",
            ),
            (
                refused(|_, h| h.resources.nano_cpus = 5_000_000_000),
                "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
            ),
            (
                refused(|_, h| h.resources.cpuset_cpus = "9".into()),
                "Requested CPUs are not available - requested 9, available: 0-1",
            ),
            (
                refused(|_, h| h.resources.memory_swap = 10 * M),
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ),
            (
                refused(|_, h| {
                    h.resources.memory = 20 * M;
                    h.resources.memory_swap = 10 * M;
                }),
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            ),
            (
                refused(|_, h| {
                    h.resources.memory = 10 * M;
                    h.resources.memory_reservation = 20 * M;
                }),
                "Minimum memory limit can not be less than memory reservation limit, see usage",
            ),
            (refused(|c, _| c.stop_signal = "FOO".into()), "invalid signal: FOO"),
            (
                refused(|c, _| c.working_dir = "rel".into()),
                "the working directory 'rel' is invalid, it needs to be an absolute path",
            ),
            (
                refused(|_, h| h.oom_score_adj = 5000),
                "Invalid value 5000, range for oom score adj is [-1000, 1000]",
            ),
            (
                refused(|_, h| h.cap_add = Some(tierce_oci::container::StrSlice(vec!["FOO".into()]))),
                "invalid CapAdd: unknown capability: \"CAP_FOO\"",
            ),
            (
                refused(|c, h| {
                    c.hostname = "a".into();
                    h.uts_mode = "host".into();
                }),
                "conflicting options: hostname and the UTS mode",
            ),
            (
                refused(|c, _| {
                    c.healthcheck = Some(Healthcheck {
                        interval: 1000,
                        ..Healthcheck::default()
                    });
                }),
                "Interval in Healthcheck cannot be less than 1ms",
            ),
            (
                refused(|_, h| {
                    h.restart_policy = RestartPolicy {
                        name: "no".into(),
                        maximum_retry_count: 3,
                    }
                }),
                "invalid restart policy: maximum retry count can only be used with 'on-failure'",
            ),
            (
                refused(|_, h| {
                    h.resources.nano_cpus = 500_000_000;
                    h.resources.cpu_quota = 1000;
                }),
                "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
            ),
            (
                refused(|_, h| h.resources.cpuset_mems = "0,".into()),
                "Invalid value 0, for cpuset mems: invalid format: 0,",
            ),
            (
                refused(|_, h| h.isolation = "hyperv".into()),
                "invalid isolation (hyperv): linux only supports 'default'",
            ),
            (
                refused(|_, h| h.resources.cpu_period = 1),
                "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
            ),
            (
                refused(|_, h| h.resources.cpu_quota = 1),
                "CPU cfs quota can not be less than 1ms (i.e. 1000)",
            ),
        ];
        for (ours, theirs) in texts {
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn warnings_are_no_errors() {
        let mut host_config = HostConfig::default();
        host_config.resources.oom_kill_disable = Some(true);
        let warnings = create(&Config::default(), &host_config, &capacity()).unwrap();
        assert!(warnings[0].starts_with("OOM killer is disabled for the container"));
    }

    proptest! {
        #[test]
        fn lists_never_panic_and_stay_small(text in "[0-9,-]{0,20}") {
            if let Some(list) = parse_list(&text) {
                prop_assert!(list.len() <= 2 << 16);
            }
        }
    }

    #[test]
    fn row_152_what_cannot_stand_beside_anothers_network() {
        let refusal = |edit: fn(&mut Config, &mut HostConfig)| {
            let (mut config, mut host_config) = (Config::default(), HostConfig::default());
            host_config.network_mode = "container:x".into();
            edit(&mut config, &mut host_config);
            shared_network(&config, &host_config).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(|c, _| c.hostname = "a".into()),
            "conflicting options: hostname and the network mode"
        );
        assert_eq!(
            refusal(|_, h| h.publish_all_ports = true),
            "conflicting options: port publishing and the container type network mode"
        );
        for nobody in [
            |_: &mut Config, h: &mut HostConfig| h.network_mode = "container:".into(),
            |_: &mut Config, h: &mut HostConfig| h.network_mode = "container".into(),
        ] {
            assert_eq!(
                refusal(nobody),
                "invalid network mode: invalid container format container:<name|id>"
            );
        }
    }
}
