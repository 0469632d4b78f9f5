//! The bundle of services, and how it is opened.

use crate::container::checkpoint::Checkpoints;
use crate::container::context::Context;
use crate::container::{Containers, recover, stop_all};
use crate::error::Result;
use crate::exec::Execs;
use crate::image::Images;
use crate::network::Networks;
use crate::parts::{ImageSource, Rootfs, Sandboxes};
use crate::presets::Presets;
use crate::runtimes::Runtimes;
use crate::system::System;
use crate::volume::Volumes;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tierce_events::Events;
use tierce_store::Leases;
use tierce_task::{TaskControl, Tasks};

/// What the daemon's configuration says about containers.
#[derive(Debug, Clone)]
pub struct Config {
    /// Data root (`DR`).
    pub data_root: PathBuf,
    /// Exec root (`ER`).
    pub exec_root: PathBuf,
    /// The runtimes that containers may choose at first; see [`System::set_runtimes`].
    pub runtimes: Runtimes,
    /// Parent control group of containers that name none (`/docker`, or `system.slice` with systemd).
    pub cgroup_parent: Option<String>,
    /// Whether control groups are made by systemd.
    pub systemd_cgroup: bool,
    /// Log driver of containers that name none.
    pub log_driver: String,
    /// Its options.
    pub log_options: BTreeMap<String, String>,
    /// The program that is pid 1 of containers with `--init`.
    pub init_program: Option<PathBuf>,
    /// Whether containers get it unless they say otherwise.
    pub init: bool,
    /// Bytes of /dev/shm of containers that do not say.
    pub shm_size: i64,
    /// Seconds from the stop signal to SIGKILL of containers that do not say.
    pub stop_timeout: i64,
    /// The host's resolver file.
    pub host_resolv_conf: PathBuf,
    /// Where documents of the container device interface are, the strongest last; none: there are no such devices.
    pub cdi_directories: Vec<PathBuf>,
    /// What containers get that do not say.
    pub presets: Presets,
}

impl Config {
    /// Docker's defaults below two roots.
    pub fn new(data_root: impl Into<PathBuf>, exec_root: impl Into<PathBuf>) -> Self {
        Self {
            data_root: data_root.into(),
            exec_root: exec_root.into(),
            runtimes: Runtimes::default(),
            cgroup_parent: None,
            systemd_cgroup: false,
            log_driver: "json-file".to_owned(),
            log_options: BTreeMap::new(),
            init_program: tierce_spec::init_program(None),
            init: false,
            shm_size: 64 << 20,
            stop_timeout: 10,
            host_resolv_conf: PathBuf::from("/etc/resolv.conf"),
            cdi_directories: tierce_spec::cdi::DIRECTORIES.map(PathBuf::from).to_vec(),
            presets: Presets::default(),
        }
    }
}

/// The rooms below, opened by the composition root.
pub struct Parts {
    /// The image store.
    pub images: Arc<tierce_image::Images>,
    /// The layer store.
    pub layers: Arc<tierce_layer::Store>,
    /// The network controller, not restored yet.
    pub networks: Arc<tierce_network::Controller>,
    /// The volumes.
    pub volumes: Arc<tierce_volume::Volumes>,
    /// Who holds what; the same table that images and volumes look at.
    pub leases: Arc<Leases>,
    /// What runs containers, recovered already.
    pub tasks: Arc<dyn Tasks>,
    /// Its controls; usually the same object.
    pub control: Arc<dyn TaskControl>,
}

/// The services. Each is cheap to clone and used alone.
pub struct Engine {
    /// Containers.
    pub containers: Containers,
    /// Their checkpoints.
    pub checkpoints: Checkpoints,
    /// Exec instances.
    pub execs: Execs,
    /// Images.
    pub images: Images,
    /// Networks.
    pub networks: Networks,
    /// Volumes.
    pub volumes: Volumes,
    /// The daemon itself.
    pub system: System,
    /// What happened.
    pub events: Arc<Events>,
    context: Arc<Context>,
}

impl Engine {
    /// Loads every container record, finds out what happened while no daemon looked, and goes on from there: exits are
    /// recorded, leases and networks restored, containers started again as their policies say (in the background).
    /// Records that cannot be read are logged and left alone.
    ///
    /// # Errors
    /// When the container directory cannot be read or the networks cannot be restored.
    pub async fn open(config: Config, parts: Parts) -> Result<Self> {
        let images: Arc<dyn ImageSource> = Arc::new(crate::adapters::ImageStore(Arc::clone(&parts.images)));
        let rootfs: Arc<dyn Rootfs> = Arc::new(crate::adapters::LayerStore(Arc::clone(&parts.layers)));
        let sandboxes: Arc<dyn Sandboxes> = Arc::new(crate::adapters::NetworkController(Arc::clone(&parts.networks)));
        let context = Arc::new(Context::new(
            config,
            images,
            rootfs,
            sandboxes,
            Arc::clone(&parts.volumes),
            Arc::clone(&parts.leases),
            parts.tasks,
            parts.control,
        ));
        recover::recover(&context).await?;
        Ok(Self {
            containers: Containers {
                context: Arc::clone(&context),
            },
            checkpoints: Checkpoints {
                context: Arc::clone(&context),
            },
            execs: Execs {
                context: Arc::clone(&context),
            },
            images: Images::new(parts.images, Arc::clone(&context)),
            networks: Networks::new(parts.networks, Arc::clone(&context)),
            volumes: Volumes::new(Arc::clone(&context)),
            system: System::new(Arc::clone(&context)),
            events: Arc::clone(&context.events),
            context,
        })
    }

    /// The daemon is going down and takes its containers with it, within `limit` (`None`: as long as it takes).
    pub async fn stop_containers(&self, limit: Option<Duration>) {
        self.context.daemon.shutting_down.store(true, Ordering::Relaxed);
        stop_all::stop_all(&self.context, limit).await;
    }

    /// The daemon is going down: containers live on, and nothing is restarted any more by this process. Changes of
    /// containers that are under way come to their end, if they do so soon. Packet filter rules and bridges go when no
    /// container is left that needs them.
    pub async fn shut_down(&self) {
        self.context.daemon.shutting_down.store(true, Ordering::Relaxed);
        stop_all::settle(&self.context).await;
        if let Err(error) = self.networks.shut_down() {
            tracing::warn!(%error, "the networks could not be taken down completely");
        }
        if let Err(error) = self.context.volumes.flush() {
            tracing::warn!(%error, "labels of anonymous volumes could not be written down");
        }
    }
}
