//! The bundle of a container: a directory on tmpfs, so nothing is synced to disk.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tierce_fault::Kind;
use tierce_oci::runtime::Spec;
use tierce_task::bootstrap::Bootstrap;
use tierce_task::{Error, Result, TraceId};

const BOOTSTRAP: &str = "bootstrap.json";
const MADE: &str = "task.json";
const TRACE: &str = "trace";

/// For `map_err`: `verb` on `path` failed.
fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Bundle {
        verb,
        path: path.to_owned(),
        source,
    }
}

/// Refuses ids that could not be a file name.
pub(crate) fn check_id(id: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if id.is_empty() || id.len() > 128 || id.starts_with('.') || !id.bytes().all(allowed) {
        let message = format!("cannot create container {id:?}: an id has only letters, digits, '_', '.' and '-'");
        return Err(Error::Refused {
            kind: Kind::Invalid,
            message,
        });
    }
    Ok(())
}

/// Makes a directory that only root may enter, with its parents.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("create directory", path))
}

/// Makes the bundle and writes the runtime document into it.
pub(crate) fn write(bundle: &Path, spec: &Spec) -> Result<()> {
    make_directory(bundle)?;
    let path = bundle.join("config.json");
    let json = serde_json::to_vec(spec)
        .map_err(io::Error::from)
        .map_err(failed("encode", &path))?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path);
    file.and_then(|mut file| file.write_all(&json))
        .map_err(failed("write", &path))
}

/// The runtime document, as it was written.
pub(crate) fn read_spec(bundle: &Path) -> Result<Vec<u8>> {
    let path = bundle.join("config.json");
    fs::read(&path).map_err(failed("read", &path))
}

/// Keeps where the shim listens.
pub(crate) fn write_bootstrap(bundle: &Path, bootstrap: &Bootstrap) -> Result<()> {
    let path = bundle.join(BOOTSTRAP);
    fs::write(&path, bootstrap.to_json()).map_err(failed("write", &path))
}

/// Where the shim of this bundle listens.
pub(crate) fn read_bootstrap(bundle: &Path) -> Result<Bootstrap> {
    let path = bundle.join(BOOTSTRAP);
    Bootstrap::parse(&fs::read_to_string(&path).map_err(failed("read", &path))?)
}

/// What the shim said of a task when it was made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// Host process id of the init.
    pub(crate) pid: u32,
    /// The shim's I/O socket.
    pub(crate) io: PathBuf,
}

/// Keeps it for a supervisor that comes after a restart and finds the shim silent.
pub(crate) fn write_made(bundle: &Path, made: &Made) -> Result<()> {
    let path = bundle.join(MADE);
    let json = serde_json::to_vec(made).map_err(io::Error::from);
    json.and_then(|json| fs::write(&path, json))
        .map_err(failed("write", &path))
}

/// What the shim said; `None` where the task was never made.
pub(crate) fn read_made(bundle: &Path) -> Option<Made> {
    serde_json::from_slice(&fs::read(bundle.join(MADE)).ok()?).ok()
}

/// Keeps the trace that somebody brought, for a supervisor that comes after a restart.
pub(crate) fn write_trace(bundle: &Path, trace: &TraceId) -> Result<()> {
    let path = bundle.join(TRACE);
    fs::write(&path, trace.as_str()).map_err(failed("write", &path))
}

/// The trace that somebody brought.
pub(crate) fn read_trace(bundle: &Path) -> Option<TraceId> {
    TraceId::parse(&fs::read_to_string(bundle.join(TRACE)).ok()?)
}

/// Removes it; one that is gone is no error.
pub(crate) fn remove(bundle: &Path) -> Result<()> {
    match fs::remove_dir_all(bundle) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", bundle)(error)),
        _ => Ok(()),
    }
}

/// All bundles below a directory.
pub(crate) fn list(tasks: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(tasks).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let id = entry.file_name().into_string().ok()?;
            check_id(&id).ok()?;
            Some((id, entry.path()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_bundle_is_readable_by_root_only_and_removed_without_complaint() {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("tasks/c1");
        write(&bundle, &Spec::default()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&bundle), mode(&bundle.join("config.json"))), (0o700, 0o600));
        write_bootstrap(&bundle, &Bootstrap::ttrpc(Path::new("/s"))).unwrap();
        assert_eq!(read_bootstrap(&bundle).unwrap().socket(), Path::new("/s"));
        assert_eq!(
            list(&directory.path().join("tasks")),
            [("c1".to_owned(), bundle.clone())]
        );
        remove(&bundle).unwrap();
        remove(&bundle).unwrap();
    }

    #[test]
    fn ids_that_leave_the_directory_are_refused() {
        for bad in ["", ".", "..", "a/b", "a b", "\u{e9}"] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
        check_id(&"a".repeat(64)).unwrap();
    }
}
