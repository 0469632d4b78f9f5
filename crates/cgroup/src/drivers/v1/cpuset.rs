//! The one controller whose new groups are unusable: no CPUs, no memory nodes. They inherit their parent's.

use crate::{Result, file};
use std::path::Path;

const FILES: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// Makes a group and gives it, and parents that have none, the CPUs and nodes of the group above.
pub(super) fn create(directory: &Path) -> Result<()> {
    if !file::make_directory(directory)? {
        return Ok(());
    }
    let Some(parent) = directory.parent() else {
        return Ok(());
    };
    // A new group has nothing to be read (or, by `cgroup.clone_children`, what is written now). Parents have something
    // in the common case; those made here are as empty as the group itself.
    for (value, name) in inherit(parent)?.iter().zip(FILES) {
        file::write(directory, name, value.trim())?;
    }
    Ok(())
}

/// The values of a group, first inherited where it has none. The root always has some.
fn inherit(directory: &Path) -> Result<[String; 2]> {
    let own = read(directory)?;
    let Some(parent) = directory.parent() else {
        return Ok(own);
    };
    // Above the root there is no such file.
    if own.iter().all(|value| !value.trim().is_empty()) || !file::exists(&parent.join(FILES[0])) {
        return Ok(own);
    }
    let mut values = inherit(parent)?;
    for ((value, own), name) in values.iter_mut().zip(own).zip(FILES) {
        if own.trim().is_empty() {
            file::write(directory, name, value.trim())?;
        } else {
            *value = own;
        }
    }
    Ok(values)
}

fn read(directory: &Path) -> Result<[String; 2]> {
    Ok([file::read(directory, FILES[0])?, file::read(directory, FILES[1])?])
}
