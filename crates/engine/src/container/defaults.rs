//! What a request leaves open, filled in as dockerd does before it persists the host configuration.
//! Source: moby `daemon/daemon_unix.go` (`adaptContainerSettings`), `daemon/create.go`.

use crate::engine::Config as EngineConfig;
use crate::error::Result;
use tierce_oci::container::{HostConfig, StrSlice};

/// Paths hidden from containers (moby `oci/defaults.go`).
pub(crate) const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// Paths read-only for containers.
pub(crate) const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn or_default(value: &mut String, default: &str) {
    if value.is_empty() {
        default.clone_into(value);
    }
}

fn list(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

/// Whether SELinux's labels would stand in the way of what was asked for (moby `generateSecurityOpt`).
fn shares_with_host(host_config: &HostConfig) -> bool {
    host_config.privileged || host_config.ipc_mode == "host" || host_config.pid_mode == "host"
}

/// Fills a host configuration.
///
/// * `unified_cgroups`: whether the host has control groups v2 only.
pub(crate) fn fill(host_config: &mut HostConfig, config: &EngineConfig, unified_cgroups: bool) -> Result<()> {
    let memory = &mut host_config.resources;
    if memory.memory > 0 && memory.memory_swap == 0 {
        memory.memory_swap = memory.memory.saturating_mul(2);
    }
    memory.oom_kill_disable.get_or_insert(false);
    // Clients say -1 and 0 for "not given"; dockerd persists null.
    memory.memory_swappiness = memory.memory_swappiness.filter(|swappiness| *swappiness != -1);
    memory.pids_limit = memory.pids_limit.filter(|limit| *limit > 0);
    if host_config.shm_size == 0 {
        host_config.shm_size = config.shm_size;
    }
    let presets = &config.presets;
    or_default(
        &mut host_config.ipc_mode,
        presets.ipc_mode.as_deref().unwrap_or("private"),
    );
    or_default(&mut host_config.restart_policy.name, "no");
    if host_config.security_opt.is_none() && shares_with_host(host_config) {
        host_config.security_opt = Some(vec!["label=disable".to_owned()]);
    }
    let suggested = match &presets.cgroupns_mode {
        _ if host_config.privileged && !unified_cgroups => "host",
        Some(mode) => mode,
        None if unified_cgroups => "private",
        None => "host",
    };
    or_default(&mut host_config.cgroupns_mode, suggested);
    if matches!(host_config.network_mode.as_str(), "" | "default") {
        "bridge".clone_into(&mut host_config.network_mode);
    }
    if host_config.log_config.kind.is_empty() {
        host_config.log_config.kind.clone_from(&config.log_driver);
    }
    if host_config.log_config.kind == config.log_driver {
        let options = host_config.log_config.config.get_or_insert_default();
        if options.is_empty() {
            options.clone_from(&config.log_options);
        }
    }
    host_config.log_config.config.get_or_insert_default();
    for names in [&mut host_config.cap_add, &mut host_config.cap_drop] {
        if let Some(given) = names {
            *names = Some(StrSlice(tierce_spec::normalise_capabilities(given)?));
        }
    }
    let options = tierce_spec::security_options(host_config.security_opt.as_deref().unwrap_or_default())?;
    let bare = host_config.privileged || options.bare_system_paths;
    if host_config.masked_paths.is_none() && !bare {
        host_config.masked_paths = Some(list(&MASKED_PATHS));
    }
    if host_config.readonly_paths.is_none() && !bare {
        host_config.readonly_paths = Some(list(&READONLY_PATHS));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_what_dockerd_persists() {
        let mut ours: HostConfig =
            serde_json::from_str(include_str!("../../tests/fixtures/plain.hostconfig.json")).unwrap();
        let theirs = ours.clone();
        // Take away what the client does not send.
        ours.masked_paths = None;
        ours.readonly_paths = None;
        ours.ipc_mode.clear();
        ours.cgroupns_mode.clear();
        ours.network_mode = "default".into();
        ours.shm_size = 0;
        ours.resources.oom_kill_disable = None;
        ours.resources.memory_swappiness = Some(-1);
        ours.resources.pids_limit = Some(0);
        ours.log_config.kind.clear();
        ours.log_config.config = None;
        let config = EngineConfig::new("/dr", "/er");
        fill(&mut ours, &config, false).unwrap();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn swap_is_twice_the_memory() {
        let mut host_config = HostConfig::default();
        host_config.resources.memory = 1 << 26;
        fill(&mut host_config, &EngineConfig::new("/dr", "/er"), true).unwrap();
        assert_eq!(host_config.resources.memory_swap, 1 << 27);
        assert_eq!(host_config.cgroupns_mode, "private");
    }

    #[test]
    fn privileged_containers_share_control_groups_of_version_1_only() {
        let mode = |unified| {
            let mut host_config = HostConfig {
                privileged: true,
                ..HostConfig::default()
            };
            let mut config = EngineConfig::new("/dr", "/er");
            config.presets.cgroupns_mode = Some("private".into());
            fill(&mut host_config, &config, unified).unwrap();
            host_config.cgroupns_mode
        };
        assert_eq!((mode(true).as_str(), mode(false).as_str()), ("private", "host"));
    }
}
