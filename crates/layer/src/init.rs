//! What Docker puts between an image and a container.

use std::ffi::CStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tierce_snapshot::{Layout, tree};

/// Places in the container that the engine mounts over, or that programs look for: they must exist, whatever the image
/// has, and must not be created in the container's own layer.
const PLACES: [(&str, Place); 10] = [
    ("dev/pts", Place::Directory),
    ("dev/shm", Place::Directory),
    ("proc", Place::Directory),
    ("sys", Place::Directory),
    (".dockerenv", Place::File),
    ("etc/resolv.conf", Place::File),
    ("etc/hosts", Place::File),
    ("etc/hostname", Place::File),
    ("dev/console", Place::File),
    ("etc/mtab", Place::LinkTo("/proc/mounts")),
];

enum Place {
    Directory,
    /// Empty, mode 0755.
    File,
    LinkTo(&'static str),
}

/// Fills an init layer as Docker does (moby `daemon/initlayer/setup_unix.go`): empty mount points for `/etc/hostname`,
/// `/etc/hosts`, `/etc/resolv.conf`, `/dev/console`, `/dev/pts`, `/dev/shm`, `/proc`, `/sys`, the mark `/.dockerenv`,
/// and the link `/etc/mtab`.
///
/// Directories that the image has stay as they are: those that are written into get the image's mode, owner and
/// attributes, as a copy-up by the kernel would give them. Whatever else the image has at such a place is covered; its
/// links are not followed.
///
/// # Errors
/// File errors.
pub fn docker_init_layer(layout: &Layout) -> io::Result<()> {
    let (root, below): (&Path, &[PathBuf]) = match layout {
        Layout::Tree { root } => (root, &[]),
        Layout::Overlay { upper, lowers, .. } => (upper, lowers),
    };
    for (name, place) in &PLACES {
        let name = Path::new(name);
        if directory_below(below, name).is_some()
            || root.join(name).symlink_metadata().is_ok_and(|found| found.is_dir())
        {
            continue;
        }
        if let Some(parent) = name.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            directory(root, parent, below)?;
        }
        let path = root.join(name);
        clear(&path)?;
        match place {
            Place::Directory => DirBuilder::new().mode(0o755).create(&path)?,
            Place::File => File::create_new(&path)?.set_permissions(fs::Permissions::from_mode(0o755))?,
            Place::LinkTo(target) => symlink(target, &path)?,
        }
    }
    Ok(())
}

/// Makes a directory of the layer, like the image's if it has one there.
fn directory(root: &Path, name: &Path, below: &[PathBuf]) -> io::Result<()> {
    let path = root.join(name);
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    clear(&path)?;
    DirBuilder::new().mode(0o755).create(&path)?;
    match directory_below(below, name) {
        Some(image) => tree::copy_up(&image, &path).map_err(io::Error::other),
        None => Ok(()),
    }
}

/// The directory that the image shows at a place, in the topmost layer that has something there. No link is followed.
fn directory_below(layers: &[PathBuf], name: &Path) -> Option<PathBuf> {
    for layer in layers {
        let mut path = layer.clone();
        let mut parts = name.iter();
        loop {
            // A link or a whiteout on the way hides what is below, as does the place itself.
            match path.symlink_metadata() {
                Ok(found) if !found.is_dir() => return None,
                Ok(_) => {}
                Err(_) => break,
            }
            let Some(part) = parts.next() else { return Some(path) };
            let missing = path.join(part).symlink_metadata().is_err();
            if missing && OPAQUE.iter().any(|attribute| tree::is_opaque(&path, attribute)) {
                return None;
            }
            path.push(part);
        }
    }
    None
}

/// What hides the same directory of the layers below, for root's containers and for those without root.
const OPAQUE: [&CStr; 2] = [c"trusted.overlay.opaque", c"user.overlay.opaque"];

/// Takes away what is no directory.
fn clear(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn tree_at(root: &Path) -> Layout {
        Layout::Tree { root: root.to_owned() }
    }

    #[test]
    fn row_063_the_init_layer_has_dockers_places() {
        let dir = tempfile::tempdir().unwrap();
        docker_init_layer(&tree_at(dir.path())).unwrap();
        for name in [
            "etc/hostname",
            "etc/hosts",
            "etc/resolv.conf",
            "dev/console",
            ".dockerenv",
        ] {
            let metadata = dir.path().join(name).metadata().unwrap();
            assert!(metadata.is_file() && metadata.len() == 0, "{name}");
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o755, "{name}");
        }
        for name in ["dev/pts", "dev/shm", "proc", "sys"] {
            assert!(dir.path().join(name).is_dir(), "{name}");
        }
        assert_eq!(
            fs::read_link(dir.path().join("etc/mtab")).unwrap().to_str(),
            Some("/proc/mounts")
        );
        docker_init_layer(&tree_at(dir.path())).unwrap();
    }

    #[test]
    fn an_images_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("etc")).unwrap();
        docker_init_layer(&tree_at(dir.path())).unwrap();
        assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
        assert!(dir.path().join("etc/hosts").is_file());
    }

    #[test]
    fn row_063_directories_of_the_image_keep_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["upper", "top", "middle", "bottom"].map(|name| dir.path().join(name));
        for name in &names {
            fs::create_dir(name).unwrap();
        }
        let [upper, top, middle, bottom] = names;
        // The topmost layer with the directory says what it is like.
        for (layer, mode) in [(&middle, 0o2751), (&bottom, 0o777)] {
            fs::create_dir(layer.join("etc")).unwrap();
            fs::set_permissions(layer.join("etc"), fs::Permissions::from_mode(mode)).unwrap();
        }
        let is_root = std::os::unix::fs::chown(middle.join("etc"), Some(5), Some(6)).is_ok();
        fs::write(bottom.join("etc/hosts"), "of the image").unwrap();
        fs::create_dir_all(bottom.join("etc/hostname")).unwrap();
        fs::create_dir_all(bottom.join("dev/pts")).unwrap();
        symlink("etc", bottom.join("sys")).unwrap();
        fs::create_dir(bottom.join("proc")).unwrap();
        fs::write(top.join("proc"), "hides the directory").unwrap();
        let layout = Layout::Overlay {
            upper: upper.clone(),
            lowers: vec![top, middle, bottom],
            work: dir.path().join("work"),
            merged: dir.path().join("merged"),
            union: tierce_snapshot::Union::Kernel,
        };
        docker_init_layer(&layout).unwrap();
        let etc = upper.join("etc").metadata().unwrap();
        assert_eq!(etc.mode() & 0o7777, 0o2751);
        assert!(!is_root || (etc.uid(), etc.gid()) == (5, 6));
        assert_eq!(fs::read(upper.join("etc/hosts")).unwrap(), b"", "a file is covered");
        assert!(!upper.join("etc/hostname").exists(), "a directory stays");
        assert!(!upper.join("dev/pts").exists() && upper.join("dev/shm").is_dir());
        assert!(
            upper.join("sys").symlink_metadata().unwrap().is_dir(),
            "a link is covered"
        );
        assert!(upper.join("proc").is_dir());
    }
}
