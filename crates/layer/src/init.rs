//! What Docker puts between an image and a container.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

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
/// The directory is either empty (overlay2) or a copy of the image (vfs); what is there stays. A stranger's symbolic
/// link in the way (`/etc` leading elsewhere) is not followed: such a place is left out.
///
/// # Errors
/// File errors.
pub fn docker_init_layer(root: &Path) -> io::Result<()> {
    for (name, place) in &PLACES {
        let path = root.join(name);
        if let Some(parent) = path.parent().filter(|parent| *parent != root) {
            match parent.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(_) => continue,
                Err(_) => directory(parent)?,
            }
        }
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match place {
            Place::Directory => directory(&path)?,
            Place::File => File::create_new(&path)?.set_permissions(fs::Permissions::from_mode(0o755))?,
            Place::LinkTo(target) => symlink(target, &path)?,
        }
    }
    Ok(())
}

fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)
}

#[cfg(test)]
mod tests {
    use super::docker_init_layer;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn row_063_the_init_layer_has_dockers_places() {
        let dir = tempfile::tempdir().unwrap();
        docker_init_layer(dir.path()).unwrap();
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
        docker_init_layer(dir.path()).unwrap();
    }

    #[test]
    fn an_images_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("etc")).unwrap();
        docker_init_layer(dir.path()).unwrap();
        assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
    }
}
