//! The one list of storage drivers, and the choice among them.

pub mod btrfs;
pub mod fuse_overlayfs;
pub mod overlay2;
pub mod vfs;

use crate::{Error, Snapshotter};
use std::path::Path;
use std::sync::Arc;

/// A driver that was opened, and why this one.
pub struct Chosen {
    /// The driver.
    pub driver: Arc<dyn Snapshotter>,
    /// Why it was chosen, for the log.
    pub reason: String,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.driver.name(), self.reason)
    }
}

/// Opens a driver: its data root, and the `--storage-opt` values meant for it.
type Open = fn(&Path, &[String]) -> Result<Arc<dyn Snapshotter>, Error>;

/// Drivers that are served, in the order in which the automatic choice tries them: Docker's
/// (moby `daemon/graphdriver/driver_linux.go`).
const SERVED: [(&str, Open); 4] = [
    (overlay2::NAME, |root, options| {
        Ok(Arc::new(overlay2::Overlay2::open(root, options)?))
    }),
    (fuse_overlayfs::NAME, |root, options| {
        Ok(Arc::new(fuse_overlayfs::FuseOverlayfs::open(root, options)?))
    }),
    (btrfs::NAME, |root, options| {
        Ok(Arc::new(btrfs::Btrfs::open(root, options)?))
    }),
    (vfs::NAME, |root, options| Ok(Arc::new(vfs::Vfs::open(root, options)?))),
];

/// Drivers that Docker has or had, and why they are refused.
const UNSERVED: [(&str, &str); 5] = [
    (
        "zfs",
        "it is not built yet; use overlay2 (OpenZFS 2.2 and later carry it) or vfs",
    ),
    (
        "devicemapper",
        "Docker removed it in version 25; save the images with the old daemon and load them on overlay2",
    ),
    ("overlay", "Docker removed it in version 24; overlay2 replaces it"),
    (
        "aufs",
        "Docker removed it in version 24 and the kernel module is not in Linux; use overlay2",
    ),
    ("windowsfilter", "it serves Windows containers only"),
];

/// Opens the storage driver `choice`, or the best one that works here.
///
/// An explicit choice that cannot be used is an error and never falls back to another driver. The automatic choice is
/// Docker's: the driver that has left something in `<data root>/<name>` (so that a daemon started anew sees its
/// images), whose failure is an error; else the first that works: `overlay2`, `fuse-overlayfs`, `btrfs`, `vfs`. What vfs has
/// left does not count. Switching hides the images of the other drivers and never destroys them; the reason tells.
///
/// - `data_root`: absolute path; created when missing.
/// - `options`: `--storage-opt` values, `<driver>.<key>=<value>`.
///
/// # Errors
/// [`Error::UnknownDriver`], [`Error::UnservedDriver`], [`Error::SeveralDrivers`], [`Error::Unusable`] with the check
/// that failed and the command that mends it, [`Error::Option`].
pub fn open(data_root: &Path, choice: Option<&str>, options: &[String]) -> Result<Chosen, Error> {
    let (driver, mut reason) = choose(data_root, choice.filter(|name| !name.is_empty()), options)?;
    let home = data_root.join(driver.name());
    // vfs has its layers one deeper.
    for directory in [home.join("dir"), home] {
        crate::placement::spread(&directory);
    }
    let hidden = hidden(data_root, driver.name());
    if !hidden.is_empty() {
        reason = format!("{reason}; images of {} are hidden, not gone", hidden.join(", "));
    }
    Ok(Chosen { driver, reason })
}

fn choose(data_root: &Path, choice: Option<&str>, options: &[String]) -> Result<(Arc<dyn Snapshotter>, String), Error> {
    if let Some(name) = choice {
        let (name, open) = served(name)?;
        return Ok((open(data_root, options)?, format!("{name} was asked for")));
    }
    let prior = prior(data_root);
    if let [one] = prior.as_slice() {
        let (name, open) = served(one)?;
        let reason = format!("{} holds what {name} stored", data_root.display());
        return Ok((open(data_root, options)?, reason));
    }
    if !prior.is_empty() {
        return Err(Error::SeveralDrivers {
            root: data_root.to_owned(),
            names: prior.join(", "),
        });
    }
    let mut refusals = Vec::new();
    for (name, open) in SERVED {
        match open(data_root, options) {
            Ok(driver) if refusals.is_empty() => {
                return Ok((driver, format!("{name} works here and is the first choice")));
            }
            Ok(driver) => return Ok((driver, format!("{name} works here; {}", refusals.join("; ")))),
            // A misspelt option must not change the driver silently.
            Err(error @ Error::Option { .. }) => return Err(error),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    Err(Error::Unusable {
        driver: "any",
        root: data_root.to_owned(),
        missing: refusals.join("; "),
    })
}

/// Drivers of today's Docker whose directory in the data root is not empty, in order of preference; without vfs.
fn prior(data_root: &Path) -> Vec<&'static str> {
    let has_something = |name: &&str| {
        let entries = std::fs::read_dir(data_root.join(name));
        entries.is_ok_and(|mut entries| entries.next().is_some())
    };
    let served = SERVED.iter().map(|(name, _)| *name).filter(|name| *name != vfs::NAME);
    served.chain(["zfs"]).filter(has_something).collect()
}

/// Other drivers that have images in the data root.
fn hidden(data_root: &Path, chosen: &str) -> Vec<&'static str> {
    let has_images = |name: &&str| data_root.join("image").join(name).join("repositories.json").is_file();
    let known = SERVED
        .iter()
        .map(|(name, _)| *name)
        .chain(UNSERVED.iter().map(|(name, _)| *name));
    known.filter(|name| *name != chosen).filter(has_images).collect()
}

fn served(name: &str) -> Result<(&'static str, Open), Error> {
    if let Some(&found) = SERVED.iter().find(|(served, _)| *served == name) {
        return Ok(found);
    }
    if let Some((_, reason)) = UNSERVED.iter().find(|(unserved, _)| *unserved == name) {
        return Err(Error::UnservedDriver {
            name: name.to_owned(),
            reason,
        });
    }
    let served = SERVED.map(|(name, _)| name).join(", ");
    Err(Error::UnknownDriver {
        name: name.chars().take(60).collect(),
        served,
    })
}

#[cfg(test)]
mod tests {
    use super::open;
    use crate::Error;
    use std::path::PathBuf;

    #[test]
    fn row_040_known_but_unserved_drivers_are_refused_with_the_reason() {
        let root = PathBuf::from("/nonexistent");
        for name in ["zfs", "devicemapper", "overlay", "aufs"] {
            let error = open(&root, Some(name), &[]).unwrap_err();
            assert!(matches!(error, Error::UnservedDriver { .. }), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let error = open(&root, Some("zip"), &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown storage driver \"zip\": choose one of overlay2, fuse-overlayfs, btrfs, vfs"
        );
    }

    #[test]
    fn row_041_the_automatic_choice_is_overlay2_with_a_reason_and_keeps_to_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let automatic = || open(dir.path(), None, &[]);
        let chosen = automatic().unwrap();
        if chosen.driver.name() != "overlay2" {
            println!("skipped: overlay2 does not work here: {}", chosen.reason);
            return;
        }
        assert!(chosen.reason.contains("first choice"), "{}", chosen.reason);
        let again = automatic().unwrap();
        assert!(again.reason.contains("holds what overlay2 stored"), "{}", again.reason);
        // What vfs has left does not count, as with Docker, and is told.
        std::fs::create_dir_all(dir.path().join("vfs/dir")).unwrap();
        std::fs::create_dir_all(dir.path().join("image/vfs")).unwrap();
        std::fs::write(dir.path().join("image/vfs/repositories.json"), "{}").unwrap();
        let chosen = automatic().unwrap();
        assert_eq!(chosen.driver.name(), "overlay2");
        assert!(
            chosen.reason.ends_with("images of vfs are hidden, not gone"),
            "{}",
            chosen.reason
        );
    }

    #[test]
    fn row_041_what_a_driver_has_left_decides_and_two_must_be_chosen_from() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("btrfs/subvolumes")).unwrap();
        // An empty directory is none.
        std::fs::create_dir_all(dir.path().join("overlay2")).unwrap();
        match open(dir.path(), None, &[]) {
            Ok(chosen) => assert_eq!(chosen.driver.name(), "btrfs"),
            Err(error) => assert!(matches!(error, Error::Unusable { driver: "btrfs", .. }), "{error}"),
        }
        std::fs::create_dir_all(dir.path().join("overlay2/l")).unwrap();
        let error = open(dir.path(), None, &[]).unwrap_err().to_string();
        let expected =
            "contains several valid graphdrivers: overlay2, btrfs; cleanup or explicitly choose storage driver";
        assert!(error.contains(expected), "{error}");
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("zfs/graph")).unwrap();
        let error = open(dir.path(), None, &[]).unwrap_err();
        assert!(matches!(error, Error::UnservedDriver { .. }), "{error}");
    }

    #[test]
    fn a_misspelt_storage_option_is_an_error_and_changes_no_driver() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(dir.path(), None, &["overlay2.sise=1G".to_owned()]).unwrap_err();
        assert!(matches!(error, Error::Option { .. }), "{error}");
    }
}
