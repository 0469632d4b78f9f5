//! Opens every part in its order, and hands it to the engine.
//!
//! ```text
//!  leases ─┬─▶ snapshot ─▶ layer ─┬─▶ image ──┐
//!          │             registry ┘           │
//!          ├─▶ volume ────────────────────────┼─▶ engine (recovers: exits, networks, restart policies)
//!          │   network ───────────────────────┤
//!          └─  supervisor (finds its shims) ──┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tierce_engine::{Engine, Parts};
use tierce_store::Leases;
use tierce_supervisor::{Custody, Remote, RemoteConfig, Supervisor};
use tierce_task::{TaskControl, Tasks};

use crate::runtimes::Runtimes;
use crate::settings::{Elsewhere, Settings};
use crate::{identity, old_layouts, registry};

/// How long a start waits for the supervisor: it may be started at the same moment.
const WAIT_FOR_SUPERVISOR: Duration = Duration::from_secs(30);
/// How long it is waited for in silence.
const SILENCE: Duration = Duration::from_secs(1);
/// How long whoever looks after the containers may take to end.
const WAIT_FOR_CUSTODY: Duration = Duration::from_secs(2);

/// What is open, as far as it is needed afterwards.
pub(crate) struct Opened {
    pub(crate) engine: Arc<Engine>,
    /// For what a reload changes.
    pub(crate) reach: Arc<tierce_image::Reach>,
    /// Containers are this daemon's alone as long as it has this.
    _custody: Option<Custody>,
    /// Puts rules back that others take away.
    _watching: tierce_network::Watching,
}

/// Opens the engine. Everything that an earlier daemon left running is found again.
pub(crate) async fn open(settings: &Settings) -> Result<Opened> {
    old_layouts::tell(&settings.data_root);
    let open_files = tierce_sys::descriptors::raise_limit();
    let running = open_supervisor(settings, open_files).await?;
    let leases = Arc::new(Leases::default());
    let (layers, driver) = open_layers(settings)?;
    let client = registry::client(&settings.document)?;
    let client = tierce_registry::Client::new(client).context("open the registry client")?;
    let mut parallel = tierce_image::Parallel::default();
    registry::limit_transfers(&settings.document, &mut parallel)?;
    let reach = tierce_image::Reach::new(client, parallel);
    let config = tierce_image::Config::new(&settings.data_root, &driver);
    let images = tierce_image::Images::open(config, Arc::clone(&layers), Arc::clone(&reach), Arc::clone(&leases))
        .context("open the image store")?;
    let volumes = tierce_volume::Volumes::open(settings.data_root.join("volumes"), Arc::clone(&leases))
        .context("open the volumes")?;
    let networks = tierce_network::Controller::open(network(settings)?).context("open the networks")?;
    let parts = Parts {
        images,
        layers,
        networks: Arc::clone(&networks),
        volumes: Arc::new(volumes),
        leases,
        tasks: running.tasks,
        control: running.control,
    };
    let engine = Engine::open(engine(settings)?, parts)
        .await
        .context("open the engine")?;
    // From here on: rules and bridges are as they shall be.
    let watching = tierce_network::watch(&networks).context("watch the networks")?;
    Ok(Opened {
        engine: Arc::new(engine),
        reach,
        _custody: running.custody,
        _watching: watching,
    })
}

/// What runs containers. The engine does not know whether it is in this process.
struct Running {
    tasks: Arc<dyn Tasks>,
    control: Arc<dyn TaskControl>,
    custody: Option<Custody>,
}

async fn open_supervisor(settings: &Settings, open_files: u64) -> Result<Running> {
    if let Some(config) = supervisor_elsewhere(settings).await {
        return open_remote(settings, config.clone()).await;
    }
    let custody = Custody::take(&settings.exec_root, WAIT_FOR_CUSTODY)?;
    if !settings.shim.is_file() {
        bail!(
            "find the shim: {} is no file; name it with --shim",
            settings.shim.display()
        );
    }
    let mut config = tierce_supervisor::Config::new(&settings.exec_root, &settings.shim);
    config.open_files = Some(open_files);
    let supervisor = Supervisor::open(config).context("open the supervisor")?;
    let found = supervisor.recover().await;
    tracing::debug!(count = found.len(), "found containers of an earlier daemon");
    Ok(Running {
        tasks: Arc::clone(&supervisor) as _,
        control: supervisor,
        custody: Some(custody),
    })
}

/// Where the supervisor is, if it is a process of its own. Whoever replaces dockerd leaves its command line as it is, with
/// the socket of containerd, which is no supervisor of ours and is not needed.
async fn supervisor_elsewhere(settings: &Settings) -> Option<&RemoteConfig> {
    let Elsewhere {
        remote: config,
        may_be_containerd,
    } = settings.supervisor.as_ref()?;
    if !may_be_containerd {
        return Some(config);
    }
    let refusal = match Remote::open(config.clone(), SILENCE).await {
        Ok(_) => return Some(config),
        Err(refusal) if config.address.exists() => refusal.to_string(),
        Err(_) => "nothing is there".to_owned(),
    };
    tracing::warn!(
        address = %config.address.display(),
        refusal,
        "--containerd names no tierce-supervisor and has no effect: this daemon looks after its containers itself"
    );
    None
}

/// The supervisor in a process of its own. It may come up after this one.
async fn open_remote(settings: &Settings, config: RemoteConfig) -> Result<Running> {
    let address = config.address.clone();
    let remote = open_patiently(config)
        .await
        .context("use the supervisor (--containerd)")?;
    // It has custody of what it serves before it serves, so that only now it can be said whose the containers here are.
    // Those of nobody would be taken for dead, and started a second time, on the same layers.
    if let Ok(_free) = Custody::take(&settings.exec_root, Duration::ZERO)
        && let tasks = settings.exec_root.join("tasks")
        && std::fs::read_dir(&tasks).is_ok_and(|mut entries| entries.next().is_some())
    {
        bail!(
            "containers in {} run, and no supervisor looks after them: have the one at {} do so with --state {}, or \
             leave --containerd out",
            tasks.display(),
            address.display(),
            settings.exec_root.display()
        );
    }
    Ok(Running {
        tasks: Arc::clone(&remote) as _,
        control: remote,
        custody: None,
    })
}

/// Waits for the supervisor, and says so if that takes long.
async fn open_patiently(config: RemoteConfig) -> tierce_task::Result<Arc<Remote>> {
    let address = config.address.clone();
    let mut opening = std::pin::pin!(Remote::open(config, WAIT_FOR_SUPERVISOR));
    if let Ok(opened) = tokio::time::timeout(SILENCE, &mut opening).await {
        return opened;
    }
    tracing::warn!(
        address = %address.display(),
        seconds = WAIT_FOR_SUPERVISOR.as_secs(),
        "waiting for the supervisor; containers run on"
    );
    opening.await
}

/// The layer store and the name of its storage driver.
fn open_layers(settings: &Settings) -> Result<(Arc<tierce_layer::Store>, String)> {
    let document = &settings.document;
    let options = document.storage_opts.clone().unwrap_or_default();
    let chosen = tierce_snapshot::drivers::open(&settings.data_root, document.storage_driver.as_deref(), &options)
        .context("open the storage driver")?;
    let driver = chosen.driver.name().to_owned();
    tracing::info!(driver, reason = chosen.reason, "storage driver");
    let layerdb = settings.data_root.join("image").join(&driver).join("layerdb");
    let layers = tierce_layer::Store::open(&layerdb, chosen.driver).context("open the layer store")?;
    Ok((Arc::new(layers), driver))
}

fn network(settings: &Settings) -> Result<tierce_network::Config> {
    let (document, network) = (&settings.document, &settings.network);
    let mut config = tierce_network::Config::new(&settings.data_root, &settings.exec_root);
    let bridge = &mut config.bridge;
    bridge.address = network.address;
    bridge.allocation = network.allocation;
    bridge.gateway = network.gateway;
    bridge.ipv6.clone_from(&network.ipv6);
    set(
        &mut bridge.name,
        document.bridge.clone().filter(|name| !name.is_empty()),
    );
    set(&mut bridge.mtu, network.mtu);
    set(&mut bridge.icc, document.icc);
    set(&mut bridge.masquerade, document.ip_masq);
    set(&mut config.pools, network.pools.clone());
    set(&mut config.table, document.firewall_table.clone());
    set(&mut config.veth_prefix, document.interface_prefix.clone());
    set(&mut config.host.forward, document.ip_forward);
    set(&mut config.relay, document.userland_proxy);
    set(&mut config.host.obey_firewall, document.firewall_obey_host);
    config.publish_address = network.publish_address;
    config.default_options = document.default_network_opts.clone().unwrap_or_default();
    if document.iptables == Some(false) {
        config.firewall.ipv4 = tierce_network::FirewallChoice::None;
    }
    if document.ip6tables == Some(false) {
        config.firewall.ipv6 = tierce_network::FirewallChoice::None;
    }
    set(&mut config.firewall.direct_routing, document.allow_direct_routing);
    if !config.pools.iter().any(|pool| pool.base.addr().is_ipv6()) {
        let own = identity::of(&settings.data_root)?;
        config.pools.push(tierce_network::Pool::unique_local(&own));
    }
    Ok(config)
}

fn engine(settings: &Settings) -> Result<tierce_engine::Config> {
    let document = &settings.document;
    let mut config = tierce_engine::Config::new(&settings.data_root, &settings.exec_root);
    config.runtimes = Runtimes::new(document, &settings.workshop)?.write()?;
    config.cgroup_parent = document.cgroup_parent.clone().filter(|parent| !parent.is_empty());
    config.systemd_cgroup = settings.systemd_cgroup;
    set(&mut config.log_driver, document.log_driver.clone());
    set(&mut config.log_options, document.log_opts.clone());
    set(&mut config.init, document.init);
    config.init_program = document
        .init_path
        .clone()
        .filter(|path| !path.as_os_str().is_empty())
        .or_else(|| tierce_engine::init_program(Some(&settings.own_init)));
    set(&mut config.shm_size, settings.isolation.shm_size);
    config.presets = presets(settings);
    config.cdi_directories = document.cdi_directories();
    Ok(config)
}

/// What containers get that do not say.
fn presets(settings: &Settings) -> tierce_engine::Presets {
    let (document, isolation) = (&settings.document, settings.isolation.clone());
    let servers = document.dns.iter().flatten().map(ToString::to_string);
    tierce_engine::Presets {
        ulimits: isolation.ulimits,
        ipc_mode: isolation.ipc_mode,
        cgroupns_mode: isolation.cgroupns_mode,
        seccomp: isolation.seccomp.filter(|profile| profile != "builtin"),
        no_new_privileges: isolation.no_new_privileges,
        dns: servers.collect(),
        dns_options: document.dns_opts.clone().unwrap_or_default(),
        dns_search: document.dns_search.clone().unwrap_or_default(),
        host_gateway: settings.network.host_gateway.clone(),
    }
}

/// Takes over a value that was given.
fn set<T>(target: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *target = value;
    }
}
