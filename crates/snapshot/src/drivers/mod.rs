//! The one list of storage drivers, and the choice among them.

pub mod btrfs;
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

/// Drivers that are served, in the order in which the automatic choice tries them.
const SERVED: [(&str, Open); 3] = [
    (overlay2::NAME, |root, options| {
        Ok(Arc::new(overlay2::Overlay2::open(root, options)?))
    }),
    (btrfs::NAME, |root, options| {
        Ok(Arc::new(btrfs::Btrfs::open(root, options)?))
    }),
    (vfs::NAME, |root, options| Ok(Arc::new(vfs::Vfs::open(root, options)?))),
];

/// Drivers that Docker has or had, and why they are refused.
const UNSERVED: [(&str, &str); 6] = [
    (
        "zfs",
        "it is not built yet; use overlay2 (OpenZFS 2.2 and later carry it) or vfs",
    ),
    (
        "fuse-overlayfs",
        "it is not built yet; use overlay2 (Linux 5.11 and later carry it rootless) or vfs",
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
/// An explicit choice that cannot be used is an error and never falls back to another driver. The automatic choice
/// keeps to the driver whose directory `image/<name>` is there already (so that a daemon started anew sees its images),
/// else takes the first that works: `overlay2`, then `vfs`. Switching hides the images of the other drivers and never
/// destroys them.
///
/// - `data_root`: absolute path; created when missing.
/// - `options`: `--storage-opt` values, `<driver>.<key>=<value>`.
///
/// # Errors
/// [`Error::UnknownDriver`], [`Error::UnservedDriver`], [`Error::Unusable`] with the check that failed and the command
/// that mends it, [`Error::Option`].
pub fn open(data_root: &Path, choice: Option<&str>, options: &[String]) -> Result<Chosen, Error> {
    if let Some(name) = choice.filter(|name| !name.is_empty()) {
        let (name, open) = served(name)?;
        return Ok(Chosen {
            driver: open(data_root, options)?,
            reason: format!("{name} was asked for"),
        });
    }
    for (name, open) in SERVED {
        if data_root.join("image").join(name).is_dir() {
            let driver = open(data_root, options)?;
            return Ok(Chosen {
                driver,
                reason: format!("{} holds images of {name}", data_root.display()),
            });
        }
    }
    let mut refusals = Vec::new();
    for (name, open) in SERVED {
        match open(data_root, options) {
            Ok(driver) if refusals.is_empty() => {
                return Ok(Chosen {
                    driver,
                    reason: format!("{name} works here and is the first choice"),
                });
            }
            Ok(driver) => {
                return Ok(Chosen {
                    driver,
                    reason: format!("{name} works here; {}", refusals.join("; ")),
                });
            }
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
        for name in ["zfs", "fuse-overlayfs", "devicemapper", "overlay", "aufs"] {
            let error = open(&root, Some(name), &[]).unwrap_err();
            assert!(matches!(error, Error::UnservedDriver { .. }), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let error = open(&root, Some("zip"), &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown storage driver \"zip\": choose one of overlay2, btrfs, vfs"
        );
    }

    #[test]
    fn row_041_the_automatic_choice_is_overlay2_with_a_reason_and_keeps_to_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let chosen = match open(dir.path(), None, &[]) {
            Ok(chosen) => chosen,
            Err(error) => panic!("{error}"),
        };
        if chosen.driver.name() != "overlay2" {
            println!("skipped: overlay2 does not work here: {}", chosen.reason);
            return;
        }
        assert!(chosen.reason.contains("first choice"), "{}", chosen.reason);
        std::fs::create_dir_all(dir.path().join("image/vfs")).unwrap();
        let chosen = open(dir.path(), None, &[]).unwrap();
        assert_eq!(chosen.driver.name(), "vfs");
        assert!(chosen.reason.contains("holds images of vfs"), "{}", chosen.reason);
    }

    #[test]
    fn a_misspelt_storage_option_is_an_error_and_changes_no_driver() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(dir.path(), None, &["overlay2.sise=1G".to_owned()]).unwrap_err();
        assert!(matches!(error, Error::Option { .. }), "{error}");
    }
}
