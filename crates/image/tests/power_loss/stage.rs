//! The images of the tests, where they come from, and the steps.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use tierce_image::{Commit, Config, Images, Parallel, Pull, Reach, Removal, Silent};
use tierce_layer::Boot;
use tierce_oci::{Digest, ImageId, Platform, Reference, media_type};
use tierce_registry::Client;
use tierce_store::Leases;
use tierce_testkit::fake_server::{FakeServer, Received, Reply};
use tierce_testkit::layout::{Compression, ImageLayout, Layer, tar_of};

/// The container that is committed, and its image.
pub(crate) const CONTAINER: &str = "c";
const BASE: &str = "base";

/// Something that a user does, with the image's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Pull(&'static str),
    Load(&'static str),
    Commit(&'static str),
    Remove(&'static str),
}

impl Step {
    pub(crate) fn name(&self) -> &'static str {
        let (Self::Pull(name) | Self::Load(name) | Self::Commit(name) | Self::Remove(name)) = self;
        name
    }
}

/// The rooms over one data root.
pub(crate) struct Store {
    pub(crate) images: Arc<Images>,
    pub(crate) layers: Arc<tierce_layer::Store>,
}

/// A registry and archives; survives what happens to the disk.
pub(crate) struct Stage {
    server: FakeServer,
    runtime: tokio::runtime::Runtime,
    images: HashMap<&'static str, Vec<Layer>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let layer = |seed: u8, compression| {
            let content: Vec<u8> = (0..9000_u32)
                .map(|n| (n.wrapping_mul(u32::from(seed) + 77) >> 3) as u8)
                .collect();
            let files = ["bin/a", "bin/b", "etc/c", "usr/lib/d/e", "usr/lib/f"];
            let files: Vec<_> = files
                .iter()
                .map(|name| (*name, &content[..content.len() / (name.len() - 3)]))
                .collect();
            Layer::of(&files, compression)
        };
        let noise: Vec<u8> = (0..4_300_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761).rotate_left(n % 31) >> 7) as u8)
            .collect();
        let shared = layer(1, Compression::Gzip);
        let images = HashMap::from([
            (BASE, vec![shared.clone()]),
            (
                "one",
                vec![shared.clone(), layer(2, Compression::Zstd), layer(3, Compression::Gzip)],
            ),
            ("two", vec![layer(4, Compression::Gzip), layer(5, Compression::None)]),
            (
                "big",
                vec![
                    layer(4, Compression::Gzip),
                    Layer::of(&[("noise", &noise)], Compression::None),
                ],
            ),
            (
                "loaded",
                vec![shared, layer(6, Compression::None), layer(7, Compression::None)],
            ),
        ]);
        let served: HashMap<String, Served> = images
            .iter()
            .map(|(name, layers)| ((*name).to_owned(), Served::of(layers)))
            .collect();
        let server = FakeServer::start(move |request| {
            let name = request.target.split('/').nth(2).unwrap_or_default();
            served
                .get(name)
                .map_or(Reply::status(404, &[], ""), |served| served.reply(request))
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Self {
            server,
            runtime: runtime.unwrap(),
            images,
        }
    }

    /// Opens everything below `root`, as the daemon does when it starts.
    pub(crate) fn open(&self, root: &Path, boot: Boot) -> Store {
        let driver = tierce_snapshot::drivers::open(root, Some("overlay2"), &[])
            .unwrap()
            .driver;
        let layerdb = root.join("image/overlay2/layerdb");
        let layers = Arc::new(tierce_layer::Store::open_in(&layerdb, driver, boot).unwrap());
        let registry = tierce_registry::Config {
            certificate_directories: Vec::new(),
            ..tierce_registry::Config::default()
        };
        let config = Config::new(root, "overlay2");
        let _inside = self.runtime.enter();
        let images = Images::open(
            config,
            layers.clone(),
            Reach::new(Client::new(registry).unwrap(), Parallel::default()),
            Arc::new(Leases::default()),
        );
        Store {
            images: images.unwrap(),
            layers,
        }
    }

    /// Makes the base image and a container that has changed something.
    pub(crate) fn prepare(&self, store: &Store) {
        self.take(&Step::Load(BASE), store).unwrap();
        let chain = store.images.find(BASE).unwrap().chain_id();
        let layer = store
            .layers
            .create_rw(CONTAINER, chain.as_ref(), None, &mut tierce_layer::docker_init_layer)
            .unwrap();
        let upper = store.layers.driver().diff_dir(&layer.mount_id);
        std::fs::create_dir(upper.join("etc")).unwrap();
        std::fs::write(upper.join("etc/new"), [9; 5000]).unwrap();
        symlink("new", upper.join("etc/link")).unwrap();
    }

    /// What this name leads to where it is not a commit's.
    pub(crate) fn id_of(&self, name: &str) -> Option<ImageId> {
        let layers = self.images.get(name)?;
        let config = ImageLayout::config(layers, ("linux", "amd64")).to_string();
        Some(ImageId(Digest::sha256_of(config.as_bytes())))
    }

    fn reference(&self, step: &Step) -> Reference {
        Reference::parse(&self.full_name(step.name())).unwrap()
    }

    /// The name as it is kept.
    pub(crate) fn full_name(&self, name: &str) -> String {
        if matches!(name, "one" | "two" | "big") {
            format!("{}/{name}:latest", self.server.authority())
        } else {
            format!("{name}:latest")
        }
    }

    pub(crate) fn take(&self, step: &Step, store: &Store) -> Result<(), Box<dyn std::error::Error>> {
        let reference = self.reference(step);
        let _inside = self.runtime.enter();
        match step {
            Step::Pull(_) => {
                let pull = Pull::of(&reference.familiar())?;
                self.runtime.block_on(store.images.pull(pull, Arc::new(Silent)))?;
            }
            Step::Load(name) => {
                let archive = self.archive(name);
                let progress: Arc<dyn tierce_image::Progress> = Arc::new(Silent);
                store.images.load(&*archive, None, &progress)?;
            }
            Step::Commit(_) => {
                let parent = store.images.resolve(BASE)?;
                let commit = Commit {
                    container: CONTAINER.to_owned(),
                    container_config: tierce_oci::container::Config::default(),
                    config: tierce_oci::container::Config::default(),
                    parent: Some(parent),
                    platform: Platform::host(),
                    author: String::new(),
                    comment: String::new(),
                    name: Some(reference),
                };
                store.images.commit(&commit)?;
            }
            Step::Remove(_) => drop(store.images.remove(&reference.familiar(), Removal::default())?),
        }
        Ok(())
    }

    /// Takes a step that was interrupted, and was done or not.
    pub(crate) fn take_again(&self, step: &Step, store: &Store) -> Result<(), Box<dyn std::error::Error>> {
        let done = store.images.find(&self.full_name(step.name())).is_ok();
        match step {
            Step::Remove(_) if !done => return Ok(()),
            // Another commit would be another image, and leave the first one nameless.
            Step::Commit(name) if done => self.take(&Step::Remove(name), store)?,
            _ => {}
        }
        self.take(step, store)
    }

    /// What `save` would write of an image.
    fn archive(&self, name: &str) -> Vec<u8> {
        let layers = &self.images[name];
        let config = ImageLayout::config(layers, ("linux", "amd64")).to_string();
        let names: Vec<String> = (0..layers.len()).map(|index| format!("{index}/layer.tar")).collect();
        let manifest = json!([{
            "Config": "config.json", "RepoTags": [self.full_name(name)], "Layers": names
        }])
        .to_string();
        let mut files = vec![
            ("config.json", config.as_bytes()),
            ("manifest.json", manifest.as_bytes()),
        ];
        files.extend(
            names
                .iter()
                .zip(layers)
                .map(|(name, layer)| (name.as_str(), &*layer.tar)),
        );
        tar_of(&files)
    }
}

/// An image at the registry.
struct Served {
    manifest: Value,
    blobs: HashMap<String, Vec<u8>>,
}

impl Served {
    fn of(layers: &[Layer]) -> Self {
        let config = ImageLayout::config(layers, ("linux", "amd64")).to_string().into_bytes();
        let digest = Digest::sha256_of(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "config": {"mediaType": media_type::OCI_CONFIG, "digest": digest.to_string(), "size": config.len()},
            "layers": layers.iter().map(Layer::descriptor).collect::<Vec<_>>(),
        });
        let blobs = layers
            .iter()
            .map(|layer| (layer.digest().to_string(), layer.blob.clone()));
        Self {
            manifest,
            blobs: blobs.chain([(digest.to_string(), config)]).collect(),
        }
    }

    fn reply(&self, request: &Received) -> Reply {
        if request.target.contains("/manifests/") {
            return Reply::ok(media_type::OCI_MANIFEST, self.manifest.to_string());
        }
        let digest = request.target.rsplit('/').next().unwrap_or_default();
        self.blobs
            .get(digest)
            .map_or(Reply::status(404, &[], ""), |blob| Reply::blob(request, blob))
    }
}
