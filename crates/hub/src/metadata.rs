//! What the operator says of repositories: descriptions, stars, and which are private.
//!
//! `ROOT/repositories.json`, read again when it changes:
//!
//! ```json
//! {"team/app": {"description": "What it is", "stars": 3, "official": true}, "team/secret": {"private": true}}
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Deserialize;
use tierce_fsops as fsops;

use crate::store::Name;

/// What is said of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Entry {
    /// In place of what its image says.
    pub(crate) description: String,
    /// How many like it.
    pub(crate) stars: u64,
    /// Whether the operator stands for it.
    pub(crate) official: bool,
    /// Whether only users may pull it; no search lists it then.
    pub(crate) private: bool,
}

type Entries = BTreeMap<String, Entry>;

/// The file, as it was read last.
#[derive(Debug)]
pub(crate) struct Metadata {
    path: PathBuf,
    read: Mutex<(Option<SystemTime>, Arc<Entries>)>,
}

impl Metadata {
    /// Reads the file; where there is none, nothing is said.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let changed = changed(path);
        Ok(Self {
            read: Mutex::new((changed, Arc::new(load(path)?))),
            path: path.to_owned(),
        })
    }

    /// What is said of a repository.
    pub(crate) fn of(&self, name: &Name) -> Entry {
        self.entries().get(name.as_str()).cloned().unwrap_or_default()
    }

    /// Whether only users may pull a repository.
    pub(crate) fn is_private(&self, name: &Name) -> bool {
        self.entries().get(name.as_str()).is_some_and(|entry| entry.private)
    }

    fn entries(&self) -> Arc<Entries> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = changed(&self.path);
        if read.0 != changed {
            read.0 = changed;
            match load(&self.path) {
                Ok(entries) => read.1 = Arc::new(entries),
                // What is private must not become public by a slip of the pen.
                Err(error) => tracing::error!("{error:#}; what the file said before goes on to hold"),
            }
        }
        Arc::clone(&read.1)
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn load(path: &Path) -> Result<Entries> {
    let Some(bytes) = fsops::read_if_exists(path)? else {
        return Ok(Entries::new());
    };
    serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))
}
