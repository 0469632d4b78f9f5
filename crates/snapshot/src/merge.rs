//! Changes become a whole tree, for drivers without union mounts.
//!
//! A staged layer holds changes with overlay's marks: whiteouts (character device 0:0) and opaque directories. [`settle`]
//! makes a tree of a bottom layer's, where there is nothing to hide; [`merge`] moves a layer's into a copy of its
//! parent, so that it looks as a union mount would.

use crate::Error;
use crate::tree::{self, copy_attributes, copy_entry, is_opaque, is_whiteout, names, remove, xattrs};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Moves the changes in `layer` into the tree `onto`. What is left of `layer` is to be thrown away.
///
/// Files are renamed. Where they cannot be (another subvolume of a btrfs), they are made anew and share their content
/// with the old ones.
///
/// - `opaque`: attribute of directories that hide what lies below them.
///
/// # Errors
/// File errors, with the path.
pub(crate) fn merge(layer: &Path, onto: &Path, opaque: &CStr) -> Result<(), Error> {
    let mut links = HashMap::new();
    Merge {
        opaque,
        links: &mut links,
    }
    .directory(layer, onto)
}

struct Merge<'a> {
    opaque: &'a CStr,
    /// First new name of files with several, by their old inode.
    links: &'a mut HashMap<(u64, u64), PathBuf>,
}

impl Merge<'_> {
    fn directory(&mut self, layer: &Path, onto: &Path) -> Result<(), Error> {
        for name in names(layer)? {
            let (from, to) = (layer.join(&name), onto.join(&name));
            let metadata = from.symlink_metadata().map_err(Error::io("look at", &from))?;
            if is_whiteout(&metadata) {
                remove(&to)?;
                continue;
            }
            let below_is_dir = to.symlink_metadata().is_ok_and(|below| below.is_dir());
            let merged = metadata.is_dir() && below_is_dir && !is_opaque(&from, self.opaque);
            if !merged {
                remove(&to)?;
            }
            if !metadata.is_dir() {
                self.file(&from, &to)?;
                continue;
            }
            if !merged {
                fs::create_dir(&to).map_err(Error::io("create the directory", &to))?;
            }
            self.directory(&from, &to)?;
        }
        take_attributes(layer, onto, self.opaque)
    }

    fn file(&mut self, from: &Path, to: &Path) -> Result<(), Error> {
        match fs::rename(from, to) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_entry(from, to, self.links),
            Err(error) => Err(Error::io("move into place", to)(error)),
        }
    }
}

/// Gives the directory `onto` owner, mode, times and extended attributes of `layer`, and no others.
fn take_attributes(layer: &Path, onto: &Path, opaque: &CStr) -> Result<(), Error> {
    let own = xattrs(layer)?;
    for (name, _) in xattrs(onto)? {
        if own.iter().all(|(kept, _)| *kept != name) {
            remove_xattr(onto, &name)?;
        }
    }
    let metadata = layer.symlink_metadata().map_err(Error::io("look at", layer))?;
    copy_attributes(layer, &metadata, onto)?;
    remove_xattr(onto, opaque)
}

fn remove_xattr(path: &Path, name: &CStr) -> Result<(), Error> {
    match rustix::fs::removexattr(path, name) {
        Ok(()) | Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => Ok(()),
        Err(error) => Err(Error::io("remove an extended attribute of", path)(error)),
    }
}

/// Takes the marks out of a bottom layer: it has nothing to hide.
///
/// # Errors
/// File errors, with the path.
pub(crate) fn settle(layer: &Path, opaque: &CStr) -> Result<(), Error> {
    let before = layer.symlink_metadata().map_err(Error::io("look at", layer))?;
    let mut changed = false;
    for name in names(layer)? {
        let path = layer.join(name);
        let metadata = path.symlink_metadata().map_err(Error::io("look at", &path))?;
        if is_whiteout(&metadata) {
            tree::remove(&path)?;
            changed = true;
        } else if metadata.is_dir() {
            settle(&path, opaque)?;
        }
    }
    if is_opaque(layer, opaque) {
        remove_xattr(layer, opaque)?;
    }
    if changed {
        // The directory's time is the layer's, not that of this change.
        copy_attributes(layer, &before, layer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{merge, settle};
    use crate::tree::names;
    use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    const OPAQUE: &std::ffi::CStr = c"trusted.overlay.opaque";

    #[test]
    fn a_merge_replaces_files_by_directories_and_the_other_way_round() {
        let dir = tempfile::tempdir().unwrap();
        let (layer, tree) = (dir.path().join("layer"), dir.path().join("tree"));
        fs::create_dir_all(tree.join("was-dir/x")).unwrap();
        fs::write(tree.join("was-file"), "").unwrap();
        fs::write(tree.join("kept"), "").unwrap();
        fs::create_dir_all(layer.join("was-file/y")).unwrap();
        fs::write(layer.join("was-dir"), "new").unwrap();
        merge(&layer, &tree, OPAQUE).unwrap();
        assert_eq!(names(&tree).unwrap(), ["kept", "was-dir", "was-file"]);
        assert!(tree.join("was-dir").is_file() && tree.join("was-file/y").is_dir());
    }

    #[test]
    fn a_bottom_layer_loses_its_marks_and_keeps_its_times() {
        let dir = tempfile::tempdir().unwrap();
        let layer = dir.path().join("layer");
        fs::create_dir_all(layer.join("d")).unwrap();
        fs::write(layer.join("d/file"), "x").unwrap();
        mknodat(CWD, layer.join("d/gone"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
        if let Err(error) = setxattr(layer.join("d"), OPAQUE, b"y", XattrFlags::empty()) {
            println!("skipped: no trusted attributes here: {error}");
            return;
        }
        let before = layer.join("d").metadata().unwrap();
        settle(&layer, OPAQUE).unwrap();
        let after = layer.join("d").metadata().unwrap();
        assert_eq!(names(&layer.join("d")).unwrap(), ["file"]);
        assert_eq!(
            (before.mtime(), before.mtime_nsec()),
            (after.mtime(), after.mtime_nsec())
        );
        assert!(!crate::tree::is_opaque(&layer.join("d"), OPAQUE));
    }
}
