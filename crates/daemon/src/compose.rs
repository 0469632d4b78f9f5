//! Opens every part in its order, and hands it to the engine.
//!
//! ```text
//!  leases ─┬─▶ snapshot ─▶ layer ─┬─▶ image ──┐
//!          │             registry ┘           │
//!          ├─▶ volume ────────────────────────┼─▶ engine (recovers: exits, networks, restart policies)
//!          │   network ───────────────────────┤
//!          └─  supervisor (finds its shims) ──┘
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tierce_api::Facts;
use tierce_engine::{Engine, Parts};
use tierce_store::Leases;
use tierce_supervisor::Supervisor;

use crate::settings::Settings;
use crate::{identity, old_layouts, registry};

/// What the API tells of this daemon.
pub(crate) fn facts(settings: &Settings) -> Result<Facts> {
    let document = &settings.document;
    let firewall = if document.iptables == Some(false) {
        "none"
    } else {
        "nftables"
    };
    let mut facts = Facts {
        id: identity::of(&settings.data_root)?,
        firewall: firewall.to_owned(),
        ..Facts::default()
    };
    registry::facts(document, &mut facts)?;
    Ok(facts)
}

/// Opens the engine. Everything that an earlier daemon left running is found again.
pub(crate) async fn open(settings: &Settings) -> Result<Arc<Engine>> {
    old_layouts::tell(&settings.data_root);
    let supervisor = open_supervisor(settings).await?;
    let leases = Arc::new(Leases::default());
    let (layers, driver) = open_layers(settings)?;
    let client = registry::client(&settings.document)?;
    let client = tierce_registry::Client::new(client).context("open the registry client")?;
    let mut config = tierce_image::Config::new(&settings.data_root, &driver);
    registry::limit_transfers(&settings.document, &mut config)?;
    let images = tierce_image::Images::open(config, Arc::clone(&layers), client, Arc::clone(&leases))
        .context("open the image store")?;
    let volumes = tierce_volume::Volumes::open(settings.data_root.join("volumes"), Arc::clone(&leases))
        .context("open the volumes")?;
    let networks = tierce_network::Controller::open(network(settings)).context("open the networks")?;
    let parts = Parts {
        images,
        layers,
        networks,
        volumes: Arc::new(volumes),
        leases,
        tasks: Arc::clone(&supervisor) as _,
        control: supervisor,
    };
    Engine::open(engine(settings)?, parts)
        .await
        .map(Arc::new)
        .context("open the engine")
}

async fn open_supervisor(settings: &Settings) -> Result<Arc<Supervisor>> {
    if !settings.shim.is_file() {
        bail!(
            "find the shim: {} is no file; name it with --shim",
            settings.shim.display()
        );
    }
    let config = tierce_supervisor::Config::new(&settings.exec_root, &settings.shim);
    let supervisor = Supervisor::open(config).context("open the supervisor")?;
    let found = supervisor.recover().await;
    tracing::debug!(count = found.len(), "found containers of an earlier daemon");
    Ok(supervisor)
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

fn network(settings: &Settings) -> tierce_network::Config {
    let (document, network) = (&settings.document, &settings.network);
    let mut config = tierce_network::Config::new(&settings.data_root, &settings.exec_root);
    let bridge = &mut config.bridge;
    bridge.address = network.address;
    bridge.allocation = network.allocation;
    bridge.gateway = network.gateway;
    set(
        &mut bridge.name,
        document.bridge.clone().filter(|name| !name.is_empty()),
    );
    set(&mut bridge.mtu, document.mtu.filter(|mtu| *mtu > 0));
    set(&mut bridge.icc, document.icc);
    set(&mut bridge.masquerade, document.ip_masq);
    set(&mut config.pools, network.pools.clone());
    set(&mut config.table, document.firewall_table.clone());
    set(&mut config.veth_prefix, document.interface_prefix.clone());
    set(&mut config.ip_forward, document.ip_forward);
    set(&mut config.relay, document.userland_proxy);
    config.publish_address = network.publish_address;
    if document.iptables == Some(false) {
        config.firewall = tierce_network::FirewallChoice::None;
    }
    config
}

fn engine(settings: &Settings) -> Result<tierce_engine::Config> {
    let document = &settings.document;
    let mut config = tierce_engine::Config::new(&settings.data_root, &settings.exec_root);
    for (name, runtime) in document.runtimes.iter().flatten() {
        if !runtime.runtime_args.is_empty() {
            bail!("runtime {name}: arguments for runtimes are not served");
        }
        if let Some(kind) = &runtime.runtime_type {
            bail!("runtime {name}: other shims ({kind}) are not served");
        }
        let path = runtime
            .path
            .clone()
            .with_context(|| format!("runtime {name}: it has no path"))?;
        config.runtimes.insert(name.clone(), Some(found(&path)));
    }
    set(&mut config.default_runtime, document.default_runtime.clone());
    if !config.runtimes.contains_key(&config.default_runtime) {
        bail!("specified default runtime '{}' does not exist", config.default_runtime);
    }
    config.cgroup_parent.clone_from(&document.cgroup_parent);
    config.systemd_cgroup = settings.systemd_cgroup;
    set(&mut config.log_driver, document.log_driver.clone());
    set(&mut config.log_options, document.log_opts.clone());
    set(&mut config.init, document.init);
    config.init_program = document
        .init_path
        .clone()
        .or_else(|| tierce_engine::init_program(Some(&settings.own_init)));
    set(&mut config.shm_size, settings.shm_size);
    set(&mut config.dns, document.dns.clone());
    Ok(config)
}

/// Takes over a value that was given.
fn set<T>(target: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *target = value;
    }
}

/// A program without a slash is looked for in `PATH`, as dockerd does.
fn found(program: &Path) -> PathBuf {
    if program.components().count() > 1 {
        return program.to_owned();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| program.to_owned())
}
