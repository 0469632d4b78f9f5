//! Parts in memory for the tests of the verbs.

use crate::container::context::{Container, Context};
use crate::container::record::Record;
use crate::container::requests::Difference;
use crate::container::{Containers, recover};
use crate::engine::Config;
use crate::exec::Execs;
use crate::parts::{DiskUse, ImageFacts, ImageSource, RootMount, Rootfs, Sandboxes};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tierce_fault::{BoxFault, Fault, Kind};
use tierce_network::{Connect, Join, Network, Sandbox};
use tierce_oci::ChainId;
use tierce_oci::container::{Config as ContainerConfig, Empty, HostConfig, StrSlice};
use tierce_snapshot::Layout;
use tierce_task::memory::MemoryTasks;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String, Kind);

impl Fault for Refusal {
    fn kind(&self) -> Kind {
        self.1
    }
}

struct OneImage;

impl ImageSource for OneImage {
    fn resolve(&self, name: &str) -> Result<ImageFacts, BoxFault> {
        if name == "missing" {
            return Err(Refusal(format!("No such image: {name}:latest"), Kind::NotFound).into());
        }
        let config = ContainerConfig {
            cmd: (name != "bare").then(|| StrSlice(vec!["sh".into()])),
            volumes: (name == "withvolume").then(|| [("/data".to_owned(), Empty::default())].into()),
            ..ContainerConfig::default()
        };
        Ok(ImageFacts {
            id: format!("sha256:{}", "ab".repeat(32)),
            config,
            os: "linux".into(),
            architecture: "amd64".into(),
            ..ImageFacts::default()
        })
    }

    fn descendants(&self, _name: &str) -> Vec<String> {
        vec![format!("sha256:{}", "ab".repeat(32))]
    }
}

/// Plain directories as roots.
pub(crate) struct Directories {
    root: PathBuf,
}

impl Rootfs for Directories {
    fn driver(&self) -> String {
        "memory".into()
    }

    fn status(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn create(
        &self,
        container: &str,
        _parent: Option<&ChainId>,
        _options: &BTreeMap<String, String>,
    ) -> Result<(), BoxFault> {
        let etc = self.root.join(container).join("etc");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(etc.join("passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        let data = self.root.join(container).join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("seed"), "from the image").unwrap();
        Ok(())
    }

    fn mount(&self, container: &str) -> Result<RootMount, BoxFault> {
        Ok(RootMount {
            target: self.root.join(container),
            mounts: Vec::new(),
        })
    }

    fn layout(&self, container: &str) -> Result<Layout, BoxFault> {
        Ok(Layout::Tree {
            root: self.root.join(container),
        })
    }

    fn image(&self, _chain: &ChainId) -> Result<Layout, BoxFault> {
        Ok(Layout::Tree {
            root: self.root.join("image"),
        })
    }

    fn usage(&self, _container: &str) -> Result<DiskUse, BoxFault> {
        Ok(DiskUse { own: 1, image: 2 })
    }

    fn changes(&self, _container: &str) -> Result<Vec<Difference>, BoxFault> {
        Ok(Vec::new())
    }

    fn remove(&self, container: &str) -> Result<(), BoxFault> {
        let _gone = std::fs::remove_dir_all(self.root.join(container));
        Ok(())
    }
}

/// Remembers who joined.
#[derive(Default)]
pub(crate) struct NoNetwork {
    pub(crate) joined: Mutex<BTreeSet<String>>,
}

impl Sandboxes for NoNetwork {
    fn network(&self, name: &str) -> Result<Arc<Network>, BoxFault> {
        Err(Refusal(format!("network {name} not found"), Kind::NotFound).into())
    }

    fn join(&self, wish: Join) -> Result<Arc<Sandbox>, BoxFault> {
        if let Some(missing) = wish.attachments.iter().find(|attachment| attachment.network == "nonet") {
            return Err(Refusal(format!("network {} not found", missing.network), Kind::NotFound).into());
        }
        self.joined.lock().unwrap().insert(wish.container.clone());
        Ok(Arc::new(Sandbox {
            id: wish.container.clone(),
            container: wish.container,
            name: wish.name,
            key: Some("/run/netns/x".into()),
            endpoints: Vec::new(),
            ports: Vec::new(),
            exposed: Vec::new(),
            links: wish.links,
            name_server: None,
            changing: None,
            wishes: Vec::new(),
        }))
    }

    fn connect(&self, wish: Connect) -> Result<Arc<Sandbox>, BoxFault> {
        Err(Refusal(format!("network {} not found", wish.attachment.network), Kind::NotFound).into())
    }

    fn disconnect(&self, wish: Connect) -> Result<Arc<Sandbox>, BoxFault> {
        self.connect(wish)
    }

    fn sandbox(&self, _container: &str) -> Option<Arc<Sandbox>> {
        None
    }

    fn rename(&self, _container: &str, _name: &str) -> Result<(), BoxFault> {
        Ok(())
    }

    fn unlink(&self, _container: &str, _linked: &str) -> Result<(), BoxFault> {
        Ok(())
    }

    fn leave(&self, container: &str) -> Result<(), BoxFault> {
        self.joined.lock().unwrap().remove(container);
        Ok(())
    }

    fn restore(&self, alive: &[String]) -> Result<Vec<String>, BoxFault> {
        *self.joined.lock().unwrap() = alive.iter().cloned().collect();
        Ok(Vec::new())
    }
}

/// An engine over parts in memory; drop it and open another one on the same directory for a restart of the daemon.
pub(crate) struct Bench {
    pub(crate) containers: Containers,
    pub(crate) execs: Execs,
    pub(crate) context: Arc<Context>,
    pub(crate) tasks: Arc<MemoryTasks>,
    pub(crate) network: Arc<NoNetwork>,
}

impl Bench {
    pub(crate) async fn open(directory: &std::path::Path, tasks: &Arc<MemoryTasks>) -> Self {
        let network = Arc::new(NoNetwork::default());
        let context = Arc::new(make_context(directory, tasks, &network));
        recover::recover(&context).await.unwrap();
        Self {
            containers: Containers {
                context: Arc::clone(&context),
            },
            execs: Execs {
                context: Arc::clone(&context),
            },
            context,
            tasks: Arc::clone(tasks),
            network,
        }
    }
}

fn make_context(directory: &std::path::Path, tasks: &Arc<MemoryTasks>, network: &Arc<NoNetwork>) -> Context {
    let leases = Arc::new(tierce_store::Leases::default());
    let volumes = tierce_volume::Volumes::open(directory.join("volumes"), Arc::clone(&leases)).unwrap();
    Context::new(
        Config::new(directory, directory.join("run")),
        Arc::new(OneImage),
        Arc::new(Directories {
            root: directory.join("roots"),
        }),
        Arc::clone(network) as Arc<dyn Sandboxes>,
        Arc::new(volumes),
        leases,
        Arc::clone(tasks) as Arc<dyn tierce_task::Tasks>,
        Arc::clone(tasks) as Arc<dyn tierce_task::TaskControl>,
    )
}

/// A context without containers, and the directory it lives in.
pub(crate) fn context() -> (Context, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let context = make_context(directory.path(), &Arc::new(MemoryTasks::new()), &Arc::default());
    (context, directory)
}

/// The same, under a name that tells its use.
pub(crate) use context as testing_context;

/// Puts a container that dockerd wrote into the table.
pub(crate) fn insert_fixture(context: &Context, name: &str) {
    let read = |suffix: &str| {
        std::fs::read_to_string(format!(
            "{}/tests/fixtures/{name}.{suffix}.json",
            env!("CARGO_MANIFEST_DIR")
        ))
        .unwrap()
    };
    let record: Record = serde_json::from_str(&read("config.v2")).unwrap();
    let host_config: HostConfig = serde_json::from_str(&read("hostconfig")).unwrap();
    context.reserve_name(&record.name, &record.id).unwrap();
    context.insert(Arc::new(Container::new(PathBuf::from("/nowhere"), record, host_config)));
}
