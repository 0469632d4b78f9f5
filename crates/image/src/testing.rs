//! What the tests of this room stand on: a data root, and an ear for progress.

use crate::{Config, Images, Message, Parallel, Progress, Reach};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tierce_oci::{ChainId, ImageConfig, ImageId, Reference};
use tierce_registry::{Client, Timeouts};
use tierce_store::Leases;
use tierce_testkit::layout::{ImageLayout, Layer};

/// An image store on a data root of its own, with the driver vfs, which works anywhere.
pub(crate) struct Stage {
    pub(crate) images: Arc<Images>,
    pub(crate) layers: Arc<tierce_layer::Store>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) root: tempfile::TempDir,
}

pub(crate) fn registry_config() -> tierce_registry::Config {
    tierce_registry::Config {
        certificate_directories: Vec::new(),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            stall: Duration::from_millis(800),
            pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(50),
        },
        attempts: 3,
        ..tierce_registry::Config::default()
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    /// Opens the store as after a restart of the daemon.
    pub(crate) fn on(root: tempfile::TempDir) -> Self {
        Self::with(root, registry_config())
    }

    pub(crate) fn with(root: tempfile::TempDir, registry: tierce_registry::Config) -> Self {
        let driver = tierce_snapshot::drivers::open(root.path(), Some("vfs"), &[])
            .unwrap()
            .driver;
        let layers = Arc::new(tierce_layer::Store::open(&root.path().join("image/vfs/layerdb"), driver).unwrap());
        let leases = Arc::new(Leases::default());
        let client = Client::new(registry).unwrap();
        let config = Config::new(root.path(), "vfs");
        let images = Images::open(
            config,
            layers.clone(),
            Reach::new(client, Parallel::default()),
            leases.clone(),
        )
        .unwrap();
        Self {
            images,
            layers,
            leases,
            root,
        }
    }

    /// Makes an image of these layers from their archives, without any registry.
    pub(crate) fn image(&self, layers: &[Layer], name: &str) -> ImageId {
        let mut below = None;
        for layer in layers {
            let (ingest, applied) = self.images.layers.unpack(&*layer.blob).unwrap();
            self.images.layers.register(ingest, below.as_ref()).unwrap();
            below = Some(ChainId::of(below.as_ref(), &applied.diff_id));
        }
        let raw = ImageLayout::config(layers, ("linux", "amd64")).to_string();
        let config = ImageConfig::from_json(raw.as_bytes()).unwrap();
        let id = self.images.records.insert(raw.as_bytes(), &config).unwrap();
        self.images
            .tag(&id.to_string(), &Reference::parse(name).unwrap())
            .unwrap();
        id
    }

    pub(crate) fn reopen(self) -> Self {
        let Self {
            images, layers, root, ..
        } = self;
        drop((images, layers));
        Self::on(root)
    }

    pub(crate) fn metadata(&self, path: &str) -> PathBuf {
        self.root.path().join("image/vfs").join(path)
    }

    /// Waits until what a failed or dropped pull leaves is taken back, then checks that nothing is there.
    pub(crate) async fn assert_empty(&self) {
        self.assert_no_debris(|_| false).await;
    }

    /// As [`Self::assert_empty`], but the first bytes of a blob may be staged for the next try.
    pub(crate) async fn assert_empty_but_parts(&self) {
        self.assert_no_debris(|path| path.extension().is_some_and(|extension| extension == "part"))
            .await;
    }

    async fn assert_no_debris(&self, allowed: impl Fn(&Path) -> bool) {
        let debris = || {
            self.debris()
                .into_iter()
                .filter(|path| !allowed(path))
                .collect::<Vec<_>>()
        };
        for _ in 0..200 {
            if debris().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("left behind: {:#?}", debris());
    }

    fn debris(&self) -> Vec<PathBuf> {
        let places = [
            "image/vfs/layerdb/sha256",
            "image/vfs/layerdb/tmp",
            "image/vfs/imagedb/content/sha256",
            "image/vfs/imagedb/metadata/sha256",
            "vfs/dir",
            "tmp/blobs",
            "tmp/work",
        ];
        places
            .iter()
            .flat_map(|place| entries(&self.root.path().join(place)))
            .collect()
    }
}

pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(directory).into_iter().flatten();
    let mut entries: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Keeps all messages.
#[derive(Default)]
pub(crate) struct Ear(Mutex<Vec<Message>>);

impl Progress for Ear {
    fn report(&self, message: Message) {
        self.0.lock().unwrap().push(message);
    }
}

impl Ear {
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.0.lock().unwrap().clone()
    }

    /// The lines as the CLI prints them on no terminal, amounts left out.
    pub(crate) fn lines(&self) -> Vec<String> {
        let milestones = self
            .messages()
            .into_iter()
            .filter(|message| !matches!(message.detail, crate::Detail::Amount { .. }));
        milestones
            .map(|message| match message.id {
                Some(id) => format!("{id}: {}", message.status),
                None => message.status.into_owned(),
            })
            .collect()
    }
}

macro_rules! or_skip {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(reason) => {
                println!("skipped: {reason}");
                return;
            }
        }
    };
}
pub(crate) use or_skip;
