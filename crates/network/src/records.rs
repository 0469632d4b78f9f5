//! Records on disk: one JSON file a network, one a sandbox.
//!
//! ```text
//! <records>/<network id>.json    survives a reboot; written durably
//! <state>/<container id>.json    on a tmpfs, as the kernel objects that it describes; survives the daemon
//! ```

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tierce_fsops::Durability;

use crate::{Config, Error, Network, Sandbox};

/// Where the records are.
#[derive(Debug)]
pub(crate) struct Records {
    networks: PathBuf,
    sandboxes: PathBuf,
}

impl Records {
    /// Makes the directories.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        for directory in [&config.records, &config.state, &config.netns] {
            tierce_fsops::create_dir_all(directory, 0o700)?;
        }
        Ok(Self {
            networks: config.records.clone(),
            sandboxes: config.state.clone(),
        })
    }

    /// All networks. One that cannot be understood is an error: guessing would lose a user's network.
    pub(crate) fn networks(&self) -> Result<Vec<Network>, Error> {
        let (networks, mut unreadable) = read_all(&self.networks)?;
        unreadable.pop().map_or(Ok(networks), Err)
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

    /// Writes a network's record.
    pub(crate) fn save_network(&self, network: &Network) -> Result<(), Error> {
        write(&file(&self.networks, &network.id), network, Durability::Power)
    }

    /// Removes it.
    pub(crate) fn forget_network(&self, network: &Network) -> Result<(), Error> {
        Ok(tierce_fsops::remove_file(&file(&self.networks, &network.id))?)
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
