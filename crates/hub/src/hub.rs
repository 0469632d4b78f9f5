//! A hub that runs: the store, who may use it, and what its operator says of the repositories.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::access::Access;
use crate::metadata::Metadata;
use crate::store::{Keep, Store};

/// How long what no manifest lists is kept, unless told otherwise.
const LEASE: Duration = Duration::from_hours(24);
/// How often the hub looks for what nobody needs any more, at the rarest.
const RAREST_SWEEP: Duration = Duration::from_secs(30);

/// How a hub is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of all that it has.
    pub root: PathBuf,
    /// What stays how long.
    pub keep: Keep,
    /// The users, a file of `htpasswd -B`; without one everybody may do everything.
    pub users: Option<PathBuf>,
    /// Whether those who are no users may pull.
    pub anonymous_pull: bool,
    /// Longest blob that is taken, in bytes.
    pub longest_blob: u64,
}

impl Settings {
    /// A hub for everybody, with defaults, in a directory.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            keep: Keep {
                lease: LEASE,
                untagged: true,
            },
            users: None,
            anonymous_pull: false,
            longest_blob: u64::MAX,
        }
    }
}

/// A registry with search. Cheap to clone; one serves any number of listeners.
#[derive(Clone)]
pub struct Hub(pub(crate) Arc<Parts>);

/// What answering takes.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) access: Access,
    pub(crate) metadata: Metadata,
    pub(crate) longest_blob: u64,
}

impl Hub {
    /// Opens the store, which mends what a crash left, and reads users and metadata.
    ///
    /// # Errors
    /// When another hub has the root, a file is not what it should be, or the disk says no.
    pub fn open(settings: &Settings) -> Result<Self> {
        let store = Store::open(&settings.root, settings.keep).context("open the store")?;
        let metadata = Metadata::open(&settings.root.join("repositories.json"))?;
        let access = Access::open(settings.users.as_deref(), settings.anonymous_pull)?;
        Ok(Self(Arc::new(Parts {
            store,
            access,
            metadata,
            longest_blob: settings.longest_blob,
        })))
    }

    /// Removes what nobody needs any more, again and again.
    pub async fn sweep(self, lease: Duration) {
        let pause = RAREST_SWEEP.min(lease / 4).max(Duration::from_millis(50));
        loop {
            tokio::time::sleep(pause).await;
            let parts = Arc::clone(&self.0);
            match tokio::task::spawn_blocking(move || parts.store.sweep()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "could not remove what nobody needs any more"),
                Err(error) => tracing::error!(%error, "the sweep ended early"),
            }
        }
    }
}
