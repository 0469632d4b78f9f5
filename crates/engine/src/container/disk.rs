//! A container's directory: the two documents that survive.
//!
//! ```text
//! DR/containers/<id>/config.v2.json     the record
//! DR/containers/<id>/hostconfig.json    the host configuration
//! ```
//!
//! They are dockerd's, and dockerd must be able to start what is written here. It knows no runtime `tierce`; so on disk
//! ours has the name of dockerd's default, `runc`, and the real runc, where somebody asked for it, the other name that
//! dockerd has for it. A container of dockerd, which says `runc` because nobody asked for anything, is run by ours here.

use super::context::Snapshot;
use super::half_made;
use super::record::Record;
use crate::error::{Error, Result};
use crate::parts::Rootfs;
use std::path::{Path, PathBuf};
use tierce_fsops::Durability;
use tierce_oci::container::HostConfig;

/// Name of the record's file.
pub(super) const RECORD: &str = "config.v2.json";
/// Name of the host configuration's file.
pub(super) const HOST_CONFIG: &str = "hostconfig.json";

/// Name of our runtime.
const OURS: &str = "tierce";
/// dockerd's names of its runtime.
const RUNC: [&str; 2] = ["runc", "io.containerd.runc.v2"];

/// Writes both documents.
///
/// - `default_runtime`: the one of containers that name none.
/// - `durable`: they must survive a power cut when this returns.
pub(super) fn write(directory: &Path, snapshot: &Snapshot, default_runtime: &str, durable: bool) -> Result<()> {
    let encode = |path: &Path, value: serde_json::Result<Vec<u8>>| match value {
        // As Go's encoder ends a document.
        Ok(bytes) => Ok([&bytes[..], b"\n"].concat()),
        Err(source) => Err(Error::Record {
            path: path.to_owned(),
            source,
        }),
    };
    let mut host_config = HostConfig::clone(&snapshot.host_config);
    let runtime = stored_runtime(&host_config.runtime, default_runtime).to_owned();
    host_config.runtime = runtime;
    let host_path = directory.join(HOST_CONFIG);
    let host_config = encode(&host_path, tierce_store::to_json(&host_config))?;
    // The host configuration hardly ever changes after creation.
    if std::fs::read(&host_path).ok().as_deref() != Some(&host_config) {
        write_file(&host_path, &host_config, durable)?;
    }
    let path = directory.join(RECORD);
    let record = encode(&path, tierce_store::to_json(&*snapshot.record))?;
    write_file(&path, &record, durable)
}

fn write_file(path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
    let durability = if durable {
        Durability::Power
    } else {
        Durability::Process
    };
    tierce_fsops::write_atomic_with(path, bytes, 0o600, durability).map_err(Error::below)
}

/// What was found below `DR/containers`.
#[derive(Default)]
pub(super) struct Found {
    /// Directory and documents of each container.
    pub(super) whole: Vec<(PathBuf, Record, HostConfig)>,
    /// Directories whose documents cannot be read.
    pub(super) damaged: Vec<PathBuf>,
}

/// Reads every container's documents; what cannot be read is reported and left alone, unless it was never whole.
pub(super) fn read_all(directory: &Path, default_runtime: &str, rootfs: &dyn Rootfs) -> Result<Found> {
    tierce_fsops::create_dir_all(directory, 0o710).map_err(Error::below)?;
    let mut found = Found::default();
    for entry in std::fs::read_dir(directory).map_err(Error::file("list", directory))? {
        let path = entry.map_err(Error::file("list", directory))?.path();
        if !path.is_dir() {
            continue;
        }
        match read(&path) {
            Ok((record, mut host_config)) => {
                let runtime = known_runtime(&host_config.runtime, default_runtime).to_owned();
                host_config.runtime = runtime;
                found.whole.push((path, record, host_config));
            }
            Err(_) if half_made::is(&path, rootfs) => half_made::remove(&path, rootfs),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a container record cannot be read and is left alone");
                found.damaged.push(path);
            }
        }
    }
    Ok(found)
}

fn read(directory: &Path) -> Result<(Record, HostConfig)> {
    fn parse<T: serde::de::DeserializeOwned>(path: PathBuf) -> Result<T> {
        let bytes = std::fs::read(&path).map_err(Error::file("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Record { path, source })
    }
    let record: Record = parse(directory.join(RECORD))?;
    if directory.file_name().and_then(|name| name.to_str()) != Some(&record.id) {
        return Err(Error::Conflict(format!(
            "read container record: it says it is of container {}",
            record.id
        )));
    }
    Ok((record, parse(directory.join(HOST_CONFIG))?))
}

/// The names on disk of ours and of the real runc. Where runc is this daemon's default too, `runc` stays runc.
fn names(default_runtime: &str) -> (&'static str, &'static str) {
    let [first, second] = RUNC;
    if default_runtime == first {
        (second, first)
    } else {
        (first, second)
    }
}

fn stored_runtime<'a>(runtime: &'a str, default_runtime: &str) -> &'a str {
    let (ours, real) = names(default_runtime);
    match runtime {
        OURS => ours,
        "runc" => real,
        other => other,
    }
}

fn known_runtime<'a>(stored: &'a str, default_runtime: &'a str) -> &'a str {
    let (ours, real) = names(default_runtime);
    match stored {
        "" => default_runtime,
        name if name == ours => OURS,
        name if name == real => "runc",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_have_names_on_disk_that_dockerd_knows() {
        for default in ["tierce", "crun", "runc"] {
            for runtime in ["tierce", "runc", "crun"] {
                let stored = stored_runtime(runtime, default);
                assert_ne!(stored, "tierce");
                assert_eq!(known_runtime(stored, default), runtime, "{default}");
            }
        }
        assert_eq!(stored_runtime("tierce", "tierce"), "runc");
        assert_eq!(known_runtime("", "crun"), "crun");
    }
}
