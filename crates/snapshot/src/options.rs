//! `--storage-opt` values: those of the daemon (`overlay2.size=10G`) and those of one container (`size=10G`).

use crate::Error;
use std::collections::BTreeMap;

/// Drivers that have or had options of their own, by which the daemon's options begin.
const PREFIXES: [&str; 9] = [
    "overlay2",
    "overlay",
    "btrfs",
    "zfs",
    "dm",
    "vfs",
    "fuse-overlayfs",
    "aufs",
    "windowsfilter",
];

/// The daemon's options for `driver`: `(key, value)`, the key in lower case with the driver's name before it.
///
/// Options of other drivers are left out, so that the same options serve whatever the automatic choice takes.
///
/// # Errors
/// [`Error::Option`] for one that is not `key=value`, or is nobody's.
pub(crate) fn own<'a>(driver: &'static str, options: &'a [String]) -> Result<Vec<(String, &'a str)>, Error> {
    let mut found = Vec::new();
    for option in options {
        let Some((key, value)) = option.split_once('=') else {
            return Err(refuse(driver, option, "it must be key=value"));
        };
        let key = key.trim().to_ascii_lowercase();
        match key.split_once('.') {
            Some((prefix, _)) if prefix == driver => found.push((key, value.trim())),
            Some((prefix, _)) if PREFIXES.contains(&prefix) => {}
            _ => return Err(refuse(driver, option, "unknown option")),
        }
    }
    Ok(found)
}

/// An error about one of the daemon's options.
pub(crate) fn refuse(driver: &'static str, option: &str, reason: impl Into<String>) -> Error {
    Error::Option {
        driver,
        option: option.to_owned(),
        reason: reason.into(),
    }
}

/// The size in a daemon's option.
///
/// # Errors
/// [`Error::Option`].
pub(crate) fn size(driver: &'static str, key: &str, value: &str) -> Result<u64, Error> {
    tierce_oci::parse_bytes(value)
        .map(i64::unsigned_abs)
        .map_err(|reason| refuse(driver, &format!("{key}={value}"), reason))
}

/// The most that a container may write, from its `--storage-opt` values (`HostConfig.StorageOpt`).
///
/// # Errors
/// [`Error::StorageOption`] for another option than `size`, and for a size that is none.
pub fn container_size(options: &BTreeMap<String, String>) -> Result<Option<u64>, Error> {
    let mut size = None;
    for (key, value) in options {
        if !key.eq_ignore_ascii_case("size") {
            return Err(Error::StorageOption(format!("Unknown option {key}")));
        }
        let bytes = tierce_oci::parse_bytes(value).map_err(Error::StorageOption)?;
        size = Some(bytes.unsigned_abs());
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::{container_size, own};
    use std::collections::BTreeMap;

    #[test]
    fn a_driver_gets_its_own_options_and_nobodys_are_refused() {
        let options = |list: &[&str]| list.iter().map(|&option| option.to_owned()).collect::<Vec<_>>();
        let list = options(&["Overlay2.Size= 10G", "btrfs.min_space=1G"]);
        assert_eq!(own("overlay2", &list).unwrap(), [("overlay2.size".to_owned(), "10G")]);
        for bad in ["overlay2.size", "size=1G", "zip.size=1G"] {
            assert!(own("overlay2", &options(&[bad])).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_container_has_a_size_and_no_other_option() {
        let map = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(container_size(&BTreeMap::new()).unwrap(), None);
        assert_eq!(container_size(&map("size", "1.5g")).unwrap(), Some(1_610_612_736));
        let error = |key: &str, value: &str| container_size(&map(key, value)).unwrap_err().to_string();
        assert_eq!(error("inodes", "7"), "Unknown option inodes");
        assert_eq!(error("size", "much"), "invalid size: 'much'");
    }
}
