//! How registries are reached, and how much at once: what can be changed while the daemon runs.

use std::sync::{Arc, PoisonError, RwLock};

use tierce_registry::Client;
use tokio::sync::Semaphore;

/// How many layers are moved at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parallel {
    /// Downloaded and unpacked (`max-concurrent-downloads`).
    pub downloads: usize,
    /// Uploaded by one push (`max-concurrent-uploads`).
    pub uploads: usize,
}

impl Default for Parallel {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            // Docker's default is 3. A layer keeps about one core busy.
            downloads: cores.max(3),
            uploads: 5,
        }
    }
}

/// How registries are reached, shared by the images and whoever changes it.
pub struct Reach(RwLock<Terms>);

/// What is in force at one moment. Work under way goes on with what it began with.
#[derive(Clone)]
pub(crate) struct Terms {
    /// Asks registries.
    pub(crate) registry: Client,
    /// One permit for each layer that is downloaded.
    pub(crate) downloads: Arc<Semaphore>,
    /// Uploads of one push.
    pub(crate) uploads: usize,
}

impl Terms {
    fn new(registry: Client, parallel: Parallel) -> Self {
        Self {
            registry,
            downloads: Arc::new(Semaphore::new(parallel.downloads.max(1))),
            uploads: parallel.uploads.max(1),
        }
    }
}

impl Reach {
    /// By this client, and so much at once.
    pub fn new(registry: Client, parallel: Parallel) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Terms::new(registry, parallel))))
    }

    /// From now on by this client, and so much at once.
    pub fn change(&self, registry: Client, parallel: Parallel) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Terms::new(registry, parallel);
    }

    /// What is in force now.
    pub(crate) fn terms(&self) -> Terms {
        // The value is replaced as a whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
