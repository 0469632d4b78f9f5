//! Where groups are: the specification's path, and the map that a state document keeps.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The directories of one container's group: controller → directory, the v2 one under the empty name.
///
/// This is `cgroup_paths` of runc's `state.json`, so that foreign tools find the groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Paths(BTreeMap<String, PathBuf>);

impl Paths {
    /// The v2 directory that has all controllers; `None` on v1, and on a hybrid machine, whose v2 directory has none.
    pub fn unified(&self) -> Option<&Path> {
        self.controller("").filter(|_| self.0.len() == 1)
    }

    /// The v2 directory without controllers that stands beside those of v1 on a hybrid machine.
    pub fn beside(&self) -> Option<&Path> {
        self.controller("").filter(|_| self.0.len() > 1)
    }

    /// The v1 directory of a controller (`memory`, `name=systemd`).
    pub fn controller(&self, name: &str) -> Option<&Path> {
        self.0.get(name).map(PathBuf::as_path)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.0.iter().map(|(name, path)| (name.as_str(), path.as_path()))
    }

    /// Each directory once: controllers that are mounted together share one.
    pub(crate) fn directories(&self) -> Vec<&Path> {
        let mut directories: Vec<&Path> = self.0.values().map(PathBuf::as_path).collect();
        directories.sort_unstable();
        directories.dedup();
        directories
    }

    /// A directory whose `cgroup.procs` shows all processes of the container.
    pub(crate) fn processes(&self) -> Option<&Path> {
        ["devices", "freezer", "memory", ""]
            .iter()
            .find_map(|name| self.controller(name))
            .or_else(|| self.0.values().next().map(PathBuf::as_path))
    }
}

impl<S: Into<String>> FromIterator<(S, PathBuf)> for Paths {
    fn from_iter<I: IntoIterator<Item = (S, PathBuf)>>(iter: I) -> Self {
        Self(iter.into_iter().map(|(name, path)| (name.into(), path)).collect())
    }
}

/// `linux.cgroupsPath`, cleaned: below the root of the hierarchy, or below the group of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupPath {
    pub(crate) absolute: bool,
    /// Without a leading slash, without `.` and `..`, never empty.
    pub(crate) inner: PathBuf,
}

impl GroupPath {
    /// `..` goes up to the root and no further, as in a path that is cleaned by its text alone.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let invalid = || Error::Path(text.to_owned());
        if text.contains('\0') {
            return Err(invalid());
        }
        let mut inner = PathBuf::new();
        for component in Path::new(text).components() {
            match component {
                Component::Normal(name) => inner.push(name),
                Component::ParentDir => {
                    inner.pop();
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        if inner.as_os_str().is_empty() {
            return Err(invalid());
        }
        Ok(Self {
            absolute: text.starts_with('/'),
            inner,
        })
    }

    /// The group's directory in a hierarchy mounted at `mountpoint`, in which this process is in group `own`.
    pub(crate) fn within(&self, mountpoint: &Path, own: Option<&str>) -> PathBuf {
        match own {
            Some(own) if !self.absolute => mountpoint.join(own.trim_start_matches('/')).join(&self.inner),
            _ => mountpoint.join(&self.inner),
        }
    }
}
