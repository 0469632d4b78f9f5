//! Records on disk: a database of the networks, a JSON file of each sandbox.
//!
//! ```text
//! <records>/files/local-kv.db    survives a reboot; written durably
//! <state>/<container id>.json    on a tmpfs, as the kernel objects that it describes; survives the daemon
//! ```
//!
//! The database is libnetwork's, so that dockerd and this program find each other's networks: a bolt file with one
//! bucket, `libnetwork`, whose keys are `docker/network/v1.0/<kind>/<id>/` and whose values are a counter of eight bytes
//! and a document ([`crate::document`]). What is in it of others (networks of other drivers, endpoints that a dockerd
//! left) stays as it is.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tierce_fsops::Durability;
use tierce_store::bolt::{Bucket, Database};

use crate::{Config, Error, Network, Sandbox, document};

/// The bucket of the database.
const BUCKET: &str = "libnetwork";
/// What its keys begin with.
const PREFIX: &str = "docker/network/v1.0";
/// Bytes of a value before its document: how many writes the store had seen.
const COUNTER: usize = 8;

/// Where the records are.
#[derive(Debug)]
pub(crate) struct Records {
    networks: Mutex<Database>,
    sandboxes: PathBuf,
    mtu: u32,
}

impl Records {
    /// Makes the directories and opens the database.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let files = config.records.join("files");
        tierce_fsops::create_dir_all(&files, 0o750)?;
        for directory in [&config.state, &config.netns] {
            tierce_fsops::create_dir_all(directory, 0o700)?;
        }
        Ok(Self {
            networks: Mutex::new(Database::open(&files.join("local-kv.db"), 0o644)?),
            sandboxes: config.state.clone(),
            mtu: config.bridge.mtu,
        })
    }

    /// All networks that this program can serve. The others stay in the database, for whoever can.
    pub(crate) fn networks(&self) -> Vec<Network> {
        let mut database = self.lock();
        let bucket = database.root.bucket(BUCKET);
        let mut networks = Vec::new();
        let prefix = format!("{PREFIX}/network/");
        for (key, value) in bucket.values() {
            let Some(id) = key.strip_prefix(&prefix).map(|id| id.trim_end_matches('/')) else {
                continue;
            };
            let bridge = bucket.get(&key_of("bridge", id)).map(text);
            match document::read(text(value), bridge, self.mtu) {
                Ok(network) => networks.push(network),
                Err(reason) => tracing::warn!(network = id, reason, "a network of this data root is not shown"),
            }
        }
        networks
    }

    /// All sandboxes. A torn or foreign record must not keep the daemon from starting; without it the sandbox is a
    /// stray, and goes.
    pub(crate) fn sandboxes(&self) -> Result<Vec<Sandbox>, Error> {
        let (sandboxes, unreadable) = read_all(&self.sandboxes)?;
        for error in unreadable {
            tracing::warn!(%error, "sandbox is given up");
        }
        Ok(sandboxes)
    }

    /// Writes a network's record. `parent_is_ours`: what its interfaces sit upon was made for it.
    pub(crate) fn save_network(&self, network: &Network, parent_is_ours: bool) -> Result<(), Error> {
        let count = serde_json::json!({ "Count": 0 });
        let documents = [
            ("bridge", document::bridge(network)),
            (network.driver(), document::upper(network, parent_is_ours)),
            ("endpoint_count", Some(count)),
            ("network", Some(document::network(network))),
        ];
        let mut database = self.lock();
        let bucket = database.root.bucket(BUCKET);
        let mut count = last_count(bucket);
        for (kind, document) in documents {
            if let Some(document) = document {
                count += 1;
                put(bucket, &key_of(kind, &network.id), count, &document);
            }
        }
        Ok(database.save()?)
    }

    /// Removes it.
    pub(crate) fn forget_network(&self, network: &Network) -> Result<(), Error> {
        let mut database = self.lock();
        let bucket = database.root.bucket(BUCKET);
        for kind in ["bridge", "endpoint_count", "network", "macvlan", "ipvlan"] {
            bucket.remove(&key_of(kind, &network.id));
        }
        Ok(database.save()?)
    }

    fn lock(&self) -> MutexGuard<'_, Database> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a sandbox's record.
    pub(crate) fn save_sandbox(&self, sandbox: &Sandbox) -> Result<(), Error> {
        // The kernel objects do not outlive a loss of power either.
        write(&file(&self.sandboxes, &sandbox.container), sandbox, Durability::Process)
    }

    /// Removes it.
    pub(crate) fn forget_sandbox(&self, sandbox: &Sandbox) -> Result<(), Error> {
        Ok(tierce_fsops::remove_file(&file(&self.sandboxes, &sandbox.container))?)
    }
}

fn key_of(kind: &str, id: &str) -> String {
    format!("{PREFIX}/{kind}/{id}/")
}

/// The document of a value.
fn text(value: &[u8]) -> &[u8] {
    value.get(COUNTER..).unwrap_or_default()
}

/// The highest count of all values.
fn last_count(bucket: &Bucket) -> u64 {
    let counts = bucket.values().filter_map(|(_, value)| value.first_chunk::<COUNTER>());
    counts.map(|count| u64::from_le_bytes(*count)).max().unwrap_or(0)
}

/// Writes a document with its count.
fn put(bucket: &mut Bucket, key: &str, count: u64, document: &serde_json::Value) {
    let mut value = count.to_le_bytes().to_vec();
    value.extend(tierce_store::to_json(document).unwrap_or_default());
    bucket.put(key, value);
}

fn file(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.json"))
}

fn write(path: &Path, record: &impl Serialize, durability: Durability) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(record).map_err(|cause| Error::Record {
        path: path.to_owned(),
        cause,
    })?;
    Ok(tierce_fsops::write_atomic_with(path, &bytes, 0o600, durability)?)
}

/// All `*.json` files of a directory, and what is wrong with those that cannot be understood.
fn read_all<T: DeserializeOwned>(directory: &Path) -> Result<(Vec<T>, Vec<Error>), Error> {
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for name in tierce_fsops::names(directory)? {
        let path = directory.join(&name);
        if path.extension().is_none_or(|extension| extension != "json") || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match serde_json::from_slice(&tierce_fsops::read(&path)?) {
            Ok(record) => records.push(record),
            Err(cause) => unreadable.push(Error::Record { path, cause }),
        }
    }
    Ok((records, unreadable))
}
