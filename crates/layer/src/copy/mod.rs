//! Files into and out of a container's root, for `docker cp`.
//!
//! The root is given as a [`Beneath`]: that of a container that runs (with whatever is mounted in it), or a
//! [`MountedRoot`](crate::MountedRoot) of one that does not. Programs of the container may move and replace everything at
//! any moment; every name is resolved beneath the root by the kernel at the moment of its use, so that it is the
//! container's own files that are read or written, whichever.

mod unpack;

pub use crate::diff::pack_resource;
pub use unpack::{Unpacking, unpack};

use rustix::fs::{Mode, OFlags, ResolveFlags, Stat, fstat, readlinkat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use tierce_fsops::Beneath;

/// Links followed in one name: the kernel's own limit.
const MAX_LINKS: usize = 40;

/// What is at a path.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its attributes; those of the link where it is one.
    pub stat: Stat,
    /// Where a link leads, with all further links resolved, as far as it leads anywhere.
    pub link_target: Option<PathBuf>,
}

/// Looks at a path; with a last `/` or `/.` at what a link leads to.
///
/// # Errors
/// Those of openat2(2).
pub fn look(root: &Beneath, path: &Path) -> Result<Found, Errno> {
    let file = root.open(path, OFlags::PATH | OFlags::NOFOLLOW)?;
    let stat = fstat(&file)?;
    let is_link = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink;
    let link_target = is_link.then(|| resolve(root, path)).transpose()?;
    Ok(Found { stat, link_target })
}

/// The absolute path without links that a path means now; what does not exist is taken by its letters.
///
/// For messages and comparisons: whoever opens the result resolves it beneath the root again.
///
/// # Errors
/// `ELOOP` for too many links; those of openat2(2).
pub fn resolve(root: &Beneath, path: &Path) -> Result<PathBuf, Errno> {
    let mut rest: VecDeque<OsString> = names(path).map(OsStr::to_owned).collect();
    let mut reached = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            reached.pop();
            continue;
        }
        let next = reached.join(&name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let file = match root.open_with(next.as_os_str().as_bytes(), flags, Mode::empty(), ResolveFlags::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                reached = next;
                continue;
            }
            Err(error) => return Err(error),
        };
        match readlinkat(&file, c"", Vec::new()) {
            Ok(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    reached = PathBuf::from("/");
                }
                for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(name.to_owned());
                }
            }
            // No link.
            Err(Errno::NOENT | Errno::INVAL) => reached = next,
            Err(error) => return Err(error),
        }
    }
    Ok(reached)
}

/// The names of a path, `..` among them.
fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(Component::as_os_str)
}

#[cfg(test)]
mod tests;
