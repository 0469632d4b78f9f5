//! Where a container's root is: its own layer above its image, or a directory of the host (`--rootfs`).

use super::context::Context;
use super::record::Record;
use crate::error::{Error, Result};
use crate::parts::RootMount;
use std::path::{Path, PathBuf};
use tierce_snapshot::Layout;

/// Checks a directory that is to be a container's root.
pub(super) fn check(directory: &Path) -> Result<()> {
    let refused = |why: &str| {
        Err(Error::Invalid(format!(
            "invalid rootfs {:?}: {why}",
            directory.display()
        )))
    };
    if !directory.is_absolute() {
        return refused("it needs to be an absolute path");
    }
    match std::fs::canonicalize(directory) {
        Ok(real) if real == Path::new("/") => refused("the host's own root cannot be a container's"),
        Ok(real) if real.is_dir() => Ok(()),
        Ok(_) => refused("not a directory"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => refused("no such file or directory"),
        Err(error) => refused(&error.to_string()),
    }
}

/// Where a container's files lie on the host.
pub(super) fn layout(context: &Context, record: &Record) -> Result<Layout> {
    match directory(record) {
        Some(root) => Ok(Layout::Tree { root }),
        None => context.rootfs.layout(&record.id).map_err(Error::below),
    }
}

/// How a container's root is mounted.
pub(super) fn mount(context: &Context, record: &Record) -> Result<RootMount> {
    let own = context.rootfs.mount(&record.id).map_err(Error::below)?;
    let Some(directory) = directory(record) else {
        return Ok(own);
    };
    check(&directory)?;
    let bind = tierce_task::Mount {
        kind: "bind".to_owned(),
        source: directory.to_string_lossy().into_owned(),
        target: String::new(),
        options: vec!["rbind".to_owned(), "rprivate".to_owned()],
    };
    Ok(RootMount {
        target: own.target,
        mounts: vec![bind],
    })
}

fn directory(record: &Record) -> Option<PathBuf> {
    Some(PathBuf::from(&record.rootfs)).filter(|path| !path.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_119_only_directories_can_be_roots() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("/", place.path().join("host")).unwrap();
        check(place.path()).unwrap();
        for (path, why) in [
            (PathBuf::from("relative"), "it needs to be an absolute path"),
            (place.path().join("file"), "not a directory"),
            (place.path().join("none"), "no such file or directory"),
            (place.path().join("host"), "the host's own root cannot be a container's"),
        ] {
            let text = check(&path).unwrap_err().to_string();
            assert_eq!(text, format!("invalid rootfs {:?}: {why}", path.display()));
        }
    }
}
