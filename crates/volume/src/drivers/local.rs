//! The local driver: a directory below `DR/volumes`, with an optional file system mounted on it
//! (`--opt type=tmpfs --opt device=… --opt o=…`). Source: moby `daemon/volume/local/local_unix.go`.

use crate::{Driver, Error};
use rustix::mount::{MountFlags, UnmountFlags};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Mount options, as Docker persists them in `opts.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Options {
    #[serde(rename = "MountType")]
    kind: String,
    #[serde(rename = "MountOpts")]
    words: String,
    #[serde(rename = "MountDevice")]
    device: String,
    #[serde(rename = "Quota")]
    quota: serde_json::Value,
}

impl Options {
    fn parse(name: &str, options: &BTreeMap<String, String>) -> Result<Option<Self>, Error> {
        let invalid = |why: String| Error::InvalidOption {
            name: name.to_owned(),
            why,
        };
        if options.is_empty() {
            return Ok(None);
        }
        let mut parsed = Self {
            quota: serde_json::json!({ "Size": 0 }),
            ..Self::default()
        };
        for (key, value) in options {
            match key.as_str() {
                "type" => value.clone_into(&mut parsed.kind),
                "o" => value.clone_into(&mut parsed.words),
                "device" => value.clone_into(&mut parsed.device),
                "size" => return Err(invalid("quota size requested but no quota support".to_owned())),
                _ => return Err(invalid(format!("invalid option: {key:?}"))),
            }
        }
        if parsed.device.is_empty() {
            return Err(invalid("missing required option: \"device\"".to_owned()));
        }
        if parsed.kind.is_empty() && !parsed.words.split(',').any(|word| matches!(word, "bind" | "rbind")) {
            return Err(invalid("missing required option: \"type\"".to_owned()));
        }
        Ok(Some(parsed))
    }
}

/// The driver.
#[derive(Debug)]
pub(super) struct Local {
    root: PathBuf,
    /// How often each volume with options is mounted by this daemon.
    uses: Mutex<HashMap<String, usize>>,
}

impl Local {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            uses: Mutex::default(),
        }
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn options(&self, name: &str) -> Result<Option<Options>, Error> {
        let path = self.directory(name).join("opts.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::File {
                verb: "read",
                path,
                source: io::Error::other(error),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read", path)(error)),
        }
    }
}

impl Driver for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn create(&self, name: &str, options: &BTreeMap<String, String>) -> Result<(), Error> {
        let options = Options::parse(name, options)?;
        let directory = self.directory(name);
        let data = directory.join("_data");
        // Only root may look into the directory; the volume's own root is open, as Docker makes it.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o701)
            .create(&directory)
            .map_err(Error::file("create", &directory))?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&data)
            .map_err(Error::file("create", &data))?;
        if let Some(options) = options {
            let bytes = serde_json::to_vec(&options).unwrap_or_default();
            tierce_fsops::write_atomic(&directory.join("opts.json"), &bytes, 0o600)?;
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let directory = self.directory(name);
        let data = directory.join("_data");
        if is_mount_point(&data) {
            rustix::mount::unmount(&data, UnmountFlags::empty()).map_err(Error::file("unmount", &data))?;
        }
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", directory)(error)),
            _ => Ok(()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory(name).join("_data")
    }

    fn mount(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path(name);
        let Some(options) = self.options(name)? else {
            return Ok(path);
        };
        // Held over the mount: two containers that start at once must not mount twice.
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = uses.entry(name.to_owned()).or_default();
        // Still mounted from before a restart of the daemon: adopted.
        if *count == 0 && !is_mount_point(&path) {
            mount(&options, &path)?;
        }
        *count += 1;
        Ok(path)
    }

    fn unmount(&self, name: &str) -> Result<(), Error> {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = uses.get_mut(name) else { return Ok(()) };
        *count = count.saturating_sub(1);
        if *count > 0 {
            return Ok(());
        }
        uses.remove(name);
        let path = self.path(name);
        if !is_mount_point(&path) {
            return Ok(());
        }
        rustix::mount::unmount(&path, UnmountFlags::DETACH).map_err(Error::file("unmount", path))
    }
}

/// Whether something is mounted on the directory: its device or its root differs from its parent's.
fn is_mount_point(path: &Path) -> bool {
    let Ok(here) = rustix::fs::statx(
        rustix::fs::CWD,
        path,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        rustix::fs::StatxFlags::MNT_ID,
    ) else {
        return false;
    };
    let Some(parent) = path.parent() else { return true };
    match rustix::fs::statx(
        rustix::fs::CWD,
        parent,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        rustix::fs::StatxFlags::MNT_ID,
    ) {
        Ok(above) if here.stx_mnt_id != 0 => here.stx_mnt_id != above.stx_mnt_id,
        // Kernels before 5.8 do not tell mount ids.
        _ => match (fs::metadata(path), fs::metadata(parent)) {
            (Ok(here), Ok(above)) => here.dev() != above.dev(),
            _ => false,
        },
    }
}

fn mount(options: &Options, target: &Path) -> Result<(), Error> {
    let (flags, data) = split_options(&options.words);
    let data_c = std::ffi::CString::new(data.clone()).unwrap_or_default();
    rustix::mount::mount(
        options.device.as_str(),
        target,
        options.kind.as_str(),
        flags,
        data_c.as_c_str(),
    )
    .map_err(|source| Error::Mount {
        device: options.device.clone(),
        target: target.to_owned(),
        flags: options.words.clone(),
        data,
        source: source.into(),
    })
}

/// Splits fstab-like options into flags and what the file system itself understands.
fn split_options(text: &str) -> (MountFlags, String) {
    let mut flags = MountFlags::empty();
    let mut data = Vec::new();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        match word {
            "defaults" | "rw" | "suid" | "dev" | "exec" | "async" => {}
            "ro" => flags |= MountFlags::RDONLY,
            "nosuid" => flags |= MountFlags::NOSUID,
            "nodev" => flags |= MountFlags::NODEV,
            "noexec" => flags |= MountFlags::NOEXEC,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "dirsync" => flags |= MountFlags::DIRSYNC,
            "noatime" => flags |= MountFlags::NOATIME,
            "nodiratime" => flags |= MountFlags::NODIRATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "strictatime" => flags |= MountFlags::STRICTATIME,
            "bind" => flags |= MountFlags::BIND,
            "rbind" => flags |= MountFlags::BIND | MountFlags::REC,
            other => data.push(other),
        }
    }
    (flags, data.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn options_are_checked_once() {
        assert_eq!(Options::parse("v", &map(&[])).unwrap(), None);
        let tmpfs = Options::parse("v", &map(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")])).unwrap();
        assert_eq!(tmpfs.unwrap().kind, "tmpfs");
        assert!(Options::parse("v", &map(&[("device", "/x"), ("o", "bind")])).is_ok());
        assert!(Options::parse("v", &map(&[("device", "/x")])).is_err());
        assert!(Options::parse("v", &map(&[("type", "nfs")])).is_err());
        let error = Options::parse("v", &map(&[("colour", "red")])).unwrap_err();
        assert_eq!(error.to_string(), "create v: invalid option: \"colour\"");
    }

    #[test]
    fn flags_and_data_are_split() {
        let (flags, data) = split_options("ro,noexec,size=1m,uid=5");
        assert_eq!(flags, MountFlags::RDONLY | MountFlags::NOEXEC);
        assert_eq!(data, "size=1m,uid=5");
    }

    #[test]
    fn a_bind_volume_shows_the_other_directory_while_it_is_used() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("file"), "x").unwrap();
        let local = Local::new(&directory.path().join("volumes"));
        let device = other.to_string_lossy().into_owned();
        local
            .create("v", &map(&[("device", &device), ("o", "bind"), ("type", "none")]))
            .unwrap();
        let path = match local.mount("v") {
            Ok(path) => path,
            Err(Error::Mount { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                println!("skipped: mounting is not permitted here");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        local.mount("v").unwrap();
        assert!(path.join("file").exists());
        local.unmount("v").unwrap();
        assert!(path.join("file").exists());
        local.unmount("v").unwrap();
        assert!(!path.join("file").exists());
        local.remove("v").unwrap();
        assert!(other.join("file").exists());
    }
}
