//! What a container has changed, as `docker diff` tells it.
//!
//! Docker compares the mounted container with its mounted init layer (moby `archive.ChangesDirs`). The same answer comes
//! here from the directories alone: only what is in the container's own directory can have changed.

use crate::Error;
use crate::marks::Marks;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::Metadata;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tierce_snapshot::{Layout, tree};

/// Kind of a change; the numbers are those of Docker's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ChangeKind {
    /// `C`: changed.
    Modified = 0,
    /// `A`: new.
    Added = 1,
    /// `D`: gone.
    Deleted = 2,
}

impl ChangeKind {
    /// The letter that `docker diff` prints.
    pub fn letter(self) -> char {
        match self {
            Self::Modified => 'C',
            Self::Added => 'A',
            Self::Deleted => 'D',
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Absolute path in the container.
    pub path: PathBuf,
}

/// The changes of a snapshot against its parent, sorted by path.
///
/// - `layout`: the container's layer.
/// - `parent`: its parent's layout; needed when the driver keeps whole trees.
/// - `user_xattr`: opaque directories are marked by `user.overlay.opaque`.
///
/// # Errors
/// File errors.
pub fn changes(layout: &Layout, parent: Option<&Layout>, user_xattr: bool) -> Result<Vec<Change>, Error> {
    let marks = Marks::of(layout, user_xattr);
    let mut found = BTreeMap::new();
    let root = Path::new("/");
    match layout {
        Layout::Overlay { upper, lowers, .. } => {
            Comparison {
                marks,
                found: &mut found,
            }
            .upper(upper, lowers, root)?;
        }
        Layout::Tree { root: new } => {
            let old = parent.map(|parent| parent.upper().to_owned());
            Comparison {
                marks,
                found: &mut found,
            }
            .trees(new, old.as_deref(), root)?;
        }
    }
    Ok(found.into_iter().map(|(path, kind)| Change { kind, path }).collect())
}

/// What lower layers have under a name.
enum Below {
    Nothing,
    /// Directories of that name that are merged, topmost first.
    Directories(Vec<PathBuf>),
    Other(PathBuf),
}

struct Comparison<'a> {
    marks: Marks,
    found: &'a mut BTreeMap<PathBuf, ChangeKind>,
}

impl Comparison<'_> {
    fn add(&mut self, kind: ChangeKind, path: &Path) {
        self.found.insert(path.to_owned(), kind);
    }

    /// Lists a directory that is listed by nothing else when something in it is.
    fn add_for_content(&mut self, path: &Path) {
        let behind = (Bound::Excluded(path), Bound::Unbounded);
        // Paths are ordered part by part: what is in a directory comes right behind it.
        let inside = self
            .found
            .range::<Path, _>(behind)
            .next()
            .is_some_and(|(next, _)| next.starts_with(path));
        if inside && !self.found.contains_key(path) {
            self.add(ChangeKind::Modified, path);
        }
    }

    /// Compares an upper directory with what is merged below it.
    fn upper(&mut self, upper: &Path, lowers: &[PathBuf], shown: &Path) -> Result<(), Error> {
        let names = tree::names(upper)?;
        for name in &names {
            if self.marks.is_mark(name) {
                self.mark(name, upper, lowers, shown)?;
                continue;
            }
            let (own, path) = (upper.join(name), shown.join(name));
            let Some(metadata) = look(&own)? else { continue };
            let below = self.below(lowers, name)?;
            if tree::is_whiteout(&metadata) {
                if !matches!(below, Below::Nothing) {
                    self.add(ChangeKind::Deleted, &path);
                }
                continue;
            }
            match &below {
                Below::Nothing => self.add(ChangeKind::Added, &path),
                Below::Directories(dirs) if dirs.first().is_none_or(|old| !same(old, &own, &metadata)) => {
                    self.add(ChangeKind::Modified, &path);
                }
                Below::Other(old) if !same(old, &own, &metadata) => self.add(ChangeKind::Modified, &path),
                Below::Directories(_) | Below::Other(_) => {}
            }
            if !metadata.is_dir() {
                continue;
            }
            let dirs = if let Below::Directories(dirs) = below {
                dirs
            } else {
                Vec::new()
            };
            if self.marks.is_opaque(&own) {
                self.upper(&own, &[], &path)?;
                self.hidden(&own, &dirs, &path)?;
            } else {
                self.upper(&own, &dirs, &path)?;
            }
            self.add_for_content(&path);
        }
        Ok(())
    }

    /// A file that is a mark: something from below is gone, unless it was made anew.
    fn mark(&mut self, name: &OsString, upper: &Path, lowers: &[PathBuf], shown: &Path) -> Result<(), Error> {
        let Some(hidden) = self.marks.hidden_by(name) else {
            return Ok(());
        };
        if look(&upper.join(&hidden))?.is_none() && !matches!(self.below(lowers, &hidden)?, Below::Nothing) {
            self.add(ChangeKind::Deleted, &shown.join(hidden));
        }
        Ok(())
    }

    /// In an opaque directory: entries from below that were not made again are deleted; others have changed.
    fn hidden(&mut self, own: &Path, dirs: &[PathBuf], shown: &Path) -> Result<(), Error> {
        let mut names: BTreeSet<OsString> = BTreeSet::new();
        for dir in dirs {
            names.extend(tree::names(dir)?);
        }
        names.retain(|name| !self.marks.is_mark(name));
        for name in names {
            let below = self.below(dirs, &name)?;
            let path = shown.join(&name);
            match (look(&own.join(&name))?, below) {
                (_, Below::Nothing) => {}
                (Some(metadata), below) if !tree::is_whiteout(&metadata) => {
                    let old = match &below {
                        Below::Directories(dirs) => dirs.first().map(PathBuf::as_path),
                        Below::Other(old) => Some(&**old),
                        Below::Nothing => None,
                    };
                    // It was listed as added, for its directory hides what is below.
                    self.found.remove(&path);
                    if old.is_some_and(|old| !same(old, &own.join(&name), &metadata)) {
                        self.add(ChangeKind::Modified, &path);
                    }
                    if let (true, Below::Directories(dirs)) = (metadata.is_dir(), below) {
                        self.hidden(&own.join(&name), &dirs, &path)?;
                        self.add_for_content(&path);
                    }
                }
                _ => self.add(ChangeKind::Deleted, &path),
            }
        }
        Ok(())
    }

    /// What the merged directories `lowers` show under `name`.
    fn below(&self, lowers: &[PathBuf], name: &OsString) -> Result<Below, Error> {
        let mut dirs = Vec::new();
        for lower in lowers {
            let path = lower.join(name);
            let Some(metadata) = look(&path)? else {
                if self.marks.hides(lower, name) {
                    break;
                }
                continue;
            };
            if tree::is_whiteout(&metadata) {
                break;
            }
            if !metadata.is_dir() {
                if dirs.is_empty() {
                    return Ok(Below::Other(path));
                }
                break;
            }
            let opaque = self.marks.is_opaque(&path);
            dirs.push(path);
            if opaque {
                break;
            }
        }
        Ok(if dirs.is_empty() {
            Below::Nothing
        } else {
            Below::Directories(dirs)
        })
    }

    /// Compares two whole trees.
    fn trees(&mut self, new: &Path, old: Option<&Path>, shown: &Path) -> Result<(), Error> {
        let mut gone: BTreeSet<OsString> = match old {
            Some(old) => tree::names(old)?.into_iter().collect(),
            None => BTreeSet::new(),
        };
        for name in tree::names(new)? {
            let (own, path) = (new.join(&name), shown.join(&name));
            let Some(metadata) = look(&own)? else { continue };
            let old = old.filter(|_| gone.remove(&name)).map(|old| old.join(&name));
            match &old {
                None => self.add(ChangeKind::Added, &path),
                Some(old) if !same(old, &own, &metadata) => self.add(ChangeKind::Modified, &path),
                Some(_) => {}
            }
            if !metadata.is_dir() {
                continue;
            }
            let old = old.filter(|old| old.symlink_metadata().is_ok_and(|old| old.is_dir()));
            self.trees(&own, old.as_deref(), &path)?;
            self.add_for_content(&path);
        }
        for name in gone {
            self.add(ChangeKind::Deleted, &shown.join(name));
        }
        Ok(())
    }
}

/// Metadata of a path, `None` when it is not there (a running container may remove files meanwhile).
fn look(path: &Path) -> Result<Option<Metadata>, Error> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}

/// Docker's `statDifferent`: mode, owner, device; time and size where it is no directory; capabilities.
fn same(old_path: &Path, new_path: &Path, new: &Metadata) -> bool {
    let Ok(old) = old_path.symlink_metadata() else {
        return false;
    };
    // As Docker: archives without fractions of seconds change no time.
    let fraction = |of: &Metadata| Some(of.mtime_nsec()).filter(|&fraction| fraction != 0);
    let same_fraction = match (fraction(&old), fraction(new)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let content = |of: &Metadata| (of.mtime(), of.size());
    (old.mode(), old.uid(), old.gid(), old.rdev()) == (new.mode(), new.uid(), new.gid(), new.rdev())
        && (new.is_dir() || (same_fraction && content(&old) == content(new)))
        && capability(old_path) == capability(new_path)
}

fn capability(path: &Path) -> Option<Vec<u8>> {
    let mut value = [0; 64];
    match rustix::fs::lgetxattr(path.as_os_str().as_bytes(), "security.capability", &mut value[..]) {
        Ok(length) => Some(value[..length].to_vec()),
        Err(Errno::RANGE) => Some(value.to_vec()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
