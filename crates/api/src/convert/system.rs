//! The daemon itself.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use jiff::Timestamp;
use serde_json::{Value, json};
use tierce_api_types::ApiVersion;
use tierce_api_types::event::{EventActor, EventMessage};
use tierce_api_types::system as wire;
use tierce_engine::{Event, Info, Subject};

use crate::facts::{Facts, VERSION};
use crate::timestamp::rfc3339;

/// Docker Hub, as clients know it.
const INDEX: &str = "https://index.docker.io/v1/";
/// Before this version `info` told about bridge filters; of late always that there are none.
const WITHOUT_BRIDGE_FILTERS: ApiVersion = ApiVersion::new(1, 50);
/// Before this version `info` told whether the kernel's own memory can be limited.
const WITHOUT_KERNEL_MEMORY: ApiVersion = ApiVersion::new(1, 42);
/// Before this version `info` told about layers that must not be pushed.
const WITHOUT_NONDISTRIBUTABLE: ApiVersion = ApiVersion::new(1, 47);
/// Before this version `info` told which commit of the runtime is expected; ours is always of the same build.
const WITHOUT_EXPECTED: ApiVersion = ApiVersion::new(1, 49);
/// Since this version `info` lists devices.
const WITH_DEVICES: ApiVersion = ApiVersion::new(1, 50);
/// Since this version `info` tells about the firewall.
const WITH_FIREWALL: ApiVersion = ApiVersion::new(1, 49);

/// Versions of the daemon's parts.
pub(crate) fn version(info: &Info, experimental: bool) -> wire::VersionResponse {
    let details = BTreeMap::from([
        ("ApiVersion".to_owned(), ApiVersion::MAX.to_string()),
        ("Arch".to_owned(), go_architecture().to_owned()),
        ("Experimental".to_owned(), experimental.to_string()),
        ("GitCommit".to_owned(), String::new()),
        ("GoVersion".to_owned(), String::new()),
        ("KernelVersion".to_owned(), info.host.kernel.clone()),
        ("MinAPIVersion".to_owned(), ApiVersion::MIN.to_string()),
        ("Os".to_owned(), "linux".to_owned()),
    ]);
    wire::VersionResponse {
        platform: wire::PlatformName {
            name: "Tierce".to_owned(),
        },
        components: vec![wire::ComponentVersion {
            name: "Engine".to_owned(),
            version: VERSION.to_owned(),
            details: Some(details),
        }],
        version: VERSION.to_owned(),
        api_version: ApiVersion::MAX.to_string(),
        min_api_version: ApiVersion::MIN.to_string(),
        os: "linux".to_owned(),
        arch: go_architecture().to_owned(),
        kernel_version: info.host.kernel.clone(),
        experimental,
        ..wire::VersionResponse::default()
    }
}

/// This machine's architecture in Go's words.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What the daemon is and has.
pub(crate) fn info(info: Info, images: usize, facts: &Facts, version: ApiVersion) -> wire::InfoResponse {
    let count = |number: usize| number as u64;
    let bridge_filters = (version < WITHOUT_BRIDGE_FILTERS).then_some(false);
    let devices = info.host.cdi_devices.into_iter().filter(|_| version >= WITH_DEVICES);
    wire::InfoResponse {
        id: facts.id.clone(),
        containers: count(info.containers.total),
        containers_running: count(info.containers.running),
        containers_paused: count(info.containers.paused),
        containers_stopped: count(info.containers.stopped),
        images: count(images),
        driver: info.driver,
        driver_status: info.driver_status.into_iter().map(<[String; 2]>::from).collect(),
        plugins: plugins(&info.volume_drivers, &info.logging.drivers),
        memory_limit: true,
        swap_limit: true,
        cpu_cfs_period: true,
        cpu_cfs_quota: true,
        cpu_shares: true,
        cpu_set: true,
        pids_limit: true,
        ipv4_forwarding: true,
        bridge_nf_iptables: bridge_filters,
        bridge_nf_ip6tables: bridge_filters,
        debug: tracing::enabled!(tracing::Level::DEBUG),
        n_fd: entries("/proc/self/fd"),
        oom_kill_disable: info.cgroup_version == "1",
        kernel_memory_tcp: info.cgroup_version == "1",
        runc_commit: commit_of_runtime(version),
        n_goroutines: entries("/proc/self/task"),
        system_time: rfc3339(Timestamp::now()),
        logging_driver: info.logging.driver,
        log_limits: info.logging.limits.to_owned(),
        cgroup_driver: info.cgroup_driver.to_owned(),
        cgroup_version: info.cgroup_version.to_owned(),
        n_events_listener: count(info.event_watchers),
        kernel_version: info.host.kernel,
        operating_system: info.host.operating_system,
        os_version: info.host.os_version,
        os_type: "linux".to_owned(),
        architecture: info.host.architecture,
        index_server_address: INDEX.to_owned(),
        registry_config: registry_config(facts, version),
        kernel_memory: (version < WITHOUT_KERNEL_MEMORY).then_some(false),
        n_cpu: count(info.host.cpus),
        mem_total: info.host.memory,
        docker_root_dir: info.data_root.display().to_string(),
        http_proxy: facts.http_proxy.clone(),
        https_proxy: facts.https_proxy.clone(),
        no_proxy: facts.no_proxy.clone(),
        name: info.host.hostname,
        server_version: VERSION.to_owned(),
        runtimes: info
            .runtimes
            .into_iter()
            .map(|(name, path)| (name, runtime(path)))
            .collect(),
        default_runtime: info.default_runtime,
        swarm: json!({
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
            "RemoteManagers": null
        }),
        live_restore_enabled: facts.live_restore,
        experimental_build: facts.experimental,
        labels: facts.labels.clone(),
        warnings: Some([facts.warnings.clone(), info.warnings].concat()).filter(|all| !all.is_empty()),
        init_binary: info
            .init_program
            .map_or_else(String::new, |path| path.display().to_string()),
        security_options: info.security_options,
        cdi_spec_dirs: Some(facts.cdi_spec_dirs.clone()),
        discovered_devices: devices.map(discovered).collect(),
        firewall_backend: (version >= WITH_FIREWALL).then(|| wire::FirewallInfo {
            driver: facts.firewall.clone(),
            info: Vec::new(),
        }),
        ..wire::InfoResponse::default()
    }
}

fn discovered(id: String) -> wire::DeviceInfo {
    wire::DeviceInfo {
        source: "cdi".to_owned(),
        id,
    }
}

fn runtime(path: Option<std::path::PathBuf>) -> wire::RuntimeInfo {
    wire::RuntimeInfo {
        path: path.map(|path| path.display().to_string()).unwrap_or_default(),
        status: BTreeMap::new(),
    }
}

fn plugins(volume_drivers: &[&str], log_drivers: &[&str]) -> wire::PluginsInfo {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    wire::PluginsInfo {
        volume: names(volume_drivers),
        network: names(&["bridge", "host", "null"]),
        authorization: None,
        log: names(log_drivers),
    }
}

fn commit_of_runtime(version: ApiVersion) -> wire::CommitId {
    wire::CommitId {
        expected: (version < WITHOUT_EXPECTED).then(String::new),
        ..wire::CommitId::default()
    }
}

fn registry_config(facts: &Facts, version: ApiVersion) -> Value {
    let (ranges, names): (Vec<_>, Vec<_>) = facts
        .insecure_registries
        .iter()
        .partition(|registry| registry.contains('/'));
    let mut indexes = serde_json::Map::new();
    indexes.insert(
        "docker.io".to_owned(),
        json!({"Mirrors": facts.registry_mirrors, "Name": "docker.io", "Official": true, "Secure": true}),
    );
    for name in names {
        indexes.insert(
            name.clone(),
            json!({"Mirrors": [], "Name": name, "Official": false, "Secure": false}),
        );
    }
    let mut all = vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()];
    all.extend(ranges.into_iter().cloned());
    let mut config = json!({
        "IndexConfigs": indexes,
        "InsecureRegistryCIDRs": all,
        "Mirrors": if facts.registry_mirrors.is_empty() { Value::Null } else { json!(facts.registry_mirrors) }
    });
    if version < WITHOUT_NONDISTRIBUTABLE {
        config["AllowNondistributableArtifactsCIDRs"] = Value::Null;
        config["AllowNondistributableArtifactsHostnames"] = Value::Null;
    }
    config
}

fn entries(directory: &str) -> u64 {
    std::fs::read_dir(directory).map_or(0, |entries| entries.count() as u64)
}

/// Something that happened.
pub(crate) fn event(event: Event) -> EventMessage {
    let since = event.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Clients before API 1.22 read these; dockerd sends them to all.
    let legacy = matches!(event.subject, Subject::Container | Subject::Image);
    EventMessage {
        status: legacy.then(|| event.action.clone()),
        id: (legacy && !event.id.is_empty()).then(|| event.id.clone()),
        from: (event.subject == Subject::Container)
            .then(|| event.attributes.get("image").cloned())
            .flatten(),
        kind: event.subject.as_str().to_owned(),
        action: event.action,
        actor: EventActor {
            id: event.id,
            attributes: event.attributes,
        },
        scope: "local".to_owned(),
        time: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        time_nano: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
    }
}
