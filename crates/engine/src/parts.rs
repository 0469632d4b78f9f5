//! What the engine asks of the image, layer and network rooms when it makes and runs containers.
//!
//! Three narrow seams, cut by the role of the asker: the container verbs need a handful of the operations that those
//! rooms offer, and tests run the verbs over parts in memory. The real parts are joined on in [`crate::adapters`].
//! All are synchronous; the engine calls them on blocking threads.

use crate::container::requests::Difference;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tierce_fault::BoxFault;
use tierce_network::{Connect, Join, Network, Sandbox};
use tierce_oci::ChainId;
use tierce_oci::container::Config;
use tierce_snapshot::Layout;

/// What a container needs to know of its image.
#[derive(Debug, Clone, Default)]
pub struct ImageFacts {
    /// `sha256:…`
    pub id: String,
    /// The chain of all its layers; `None` when it has none.
    pub chain: Option<ChainId>,
    /// What it says of its containers.
    pub config: Config,
    /// `linux`
    pub os: String,
    /// `amd64`
    pub architecture: String,
    /// `v8`, or empty.
    pub variant: String,
}

/// Names to images.
pub trait ImageSource: Send + Sync {
    /// The image that a name, id, id prefix or digest means; kind `NotFound` when there is none.
    fn resolve(&self, name: &str) -> Result<ImageFacts, BoxFault>;

    /// Ids of the image and of all images made from it, for the `ancestor` filter; empty when the name is unknown.
    fn descendants(&self, name: &str) -> Vec<String>;
}

/// Disk use of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Bytes that the container added.
    pub own: u64,
    /// Bytes of its image's layers.
    pub image: u64,
}

/// A container's root file system, ready to be mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootMount {
    /// Where the shim mounts it.
    pub target: PathBuf,
    /// What it mounts there.
    pub mounts: Vec<tierce_task::Mount>,
}

/// The containers' own layers.
pub trait Rootfs: Send + Sync {
    /// Name of the storage driver.
    fn driver(&self) -> String;

    /// Facts about the storage driver, in the order of `docker info`.
    fn status(&self) -> Vec<(String, String)>;

    /// Makes the container's own layer, with the init layer between it and the image.
    ///
    /// - `options`: the container's `--storage-opt` values.
    fn create(
        &self,
        container: &str,
        parent: Option<&ChainId>,
        options: &BTreeMap<String, String>,
    ) -> Result<(), BoxFault>;

    /// How its root is mounted.
    fn mount(&self, container: &str) -> Result<RootMount, BoxFault>;

    /// Where its files lie on the host.
    fn layout(&self, container: &str) -> Result<Layout, BoxFault>;

    /// Where the files of an image lie on the host.
    fn image(&self, chain: &ChainId) -> Result<Layout, BoxFault>;

    /// How many bytes it takes.
    fn usage(&self, container: &str) -> Result<DiskUse, BoxFault>;

    /// What the container changed.
    fn changes(&self, container: &str) -> Result<Vec<Difference>, BoxFault>;

    /// Removes the container's own layer; a layer that is not there is no error.
    fn remove(&self, container: &str) -> Result<(), BoxFault>;
}

/// Network namespaces with their endpoints; the network room's own values.
pub trait Sandboxes: Send + Sync {
    /// The network of that name, id or id prefix; kind `NotFound` when there is none.
    fn network(&self, name: &str) -> Result<Arc<Network>, BoxFault>;

    /// Makes and pins the namespace, joins the networks, publishes the ports; on failure nothing is left.
    fn join(&self, wish: Join) -> Result<Arc<Sandbox>, BoxFault>;

    /// Connects a container that runs to one more network; on failure nothing is left.
    fn connect(&self, wish: Connect) -> Result<Arc<Sandbox>, BoxFault>;

    /// Disconnects a container that runs from a network; after a failure it is not in that network any more either.
    fn disconnect(&self, wish: Connect) -> Result<Arc<Sandbox>, BoxFault>;

    /// The sandbox of a container, if it has one.
    fn sandbox(&self, container: &str) -> Option<Arc<Sandbox>>;

    /// Lets a container that runs answer to another name; one that has no sandbox has none.
    fn rename(&self, container: &str, name: &str) -> Result<(), BoxFault>;

    /// Ends a link between containers; one that is not there is no error.
    fn unlink(&self, container: &str, linked: &str) -> Result<(), BoxFault>;

    /// Undoes a join; one that was never made is no error.
    fn leave(&self, container: &str) -> Result<(), BoxFault>;

    /// After a daemon start: takes back what these running containers hold, and frees everything else. Returns what
    /// could not be mended.
    fn restore(&self, alive: &[String]) -> Result<Vec<String>, BoxFault>;
}
