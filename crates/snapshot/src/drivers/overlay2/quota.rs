//! Limits of containers' layers by project quota.
//!
//! Each limited layer's directory has a project id of its own, found in the directories themselves: nothing else needs
//! to be written down. Ids begin above the one of the driver's directory (Docker does the same, so both may use one data
//! root).

use super::NAME;
use crate::{Error, options, tree};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tierce_sys::project_quota;

/// Project quotas of one file system.
#[derive(Debug)]
pub(super) struct Quota {
    root: PathBuf,
    /// Limit of containers that name none.
    default: Option<u64>,
    /// The file system keeps limits.
    works: bool,
    /// The project id that was given last; `None` before the first.
    last: Mutex<Option<u32>>,
}

impl Quota {
    /// Looks whether the file system of `root` keeps limits.
    ///
    /// # Errors
    /// [`Error::Option`] when there is a `default` and it does not; file errors.
    pub(super) fn open(root: &Path, backing: &str, default: Option<u64>) -> Result<Self, Error> {
        let works = project_quota::is_enforced(tree::open(root)?);
        if let (Some(size), false) = (default, works) {
            let reason = format!(
                "{backing} at {} keeps no project quotas; mount it with -o prjquota (ext4 needs tune2fs -O project -Q \
                 prjquota DEVICE before), Linux 5.14 or newer",
                root.display()
            );
            return Err(options::refuse(NAME, &format!("overlay2.size={size}"), reason));
        }
        Ok(Self {
            root: root.to_owned(),
            default,
            works,
            last: Mutex::new(None),
        })
    }

    /// The limit of a container that names `size`, or none.
    ///
    /// # Errors
    /// [`Error::StorageOption`] when the file system keeps no limits.
    pub(super) fn size(&self, size: Option<u64>) -> Result<Option<u64>, Error> {
        if size.is_some() && !self.works {
            // Docker's words, and Docker's condition but for ext4, which can do it as well.
            let text = "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";
            return Err(Error::StorageOption(text.to_owned()));
        }
        Ok(size.or(self.default).filter(|size| *size > 0))
    }

    /// Limits what will be made in the empty directory `dir`.
    ///
    /// # Errors
    /// File errors.
    pub(super) fn limit(&self, dir: &Path, size: u64) -> Result<(), Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let project = match *last {
            Some(last) => last + 1,
            None => self.greatest()? + 1,
        };
        let at = tree::open(dir)?;
        // The limit comes first: what an earlier layer of this id had must not hold for a moment.
        project_quota::limit(&at, project, size).map_err(Error::io("set the quota of", dir))?;
        project_quota::set_project(&at, project).map_err(Error::io("set the project of", dir))?;
        *last = Some(project);
        Ok(())
    }

    /// The greatest project id among the driver's directory and those in it.
    fn greatest(&self) -> Result<u32, Error> {
        let project = |dir: &Path| tree::open(dir).ok().and_then(|dir| project_quota::project(dir).ok());
        let names = tree::names(&self.root)?;
        let inside = names.iter().filter_map(|name| project(&self.root.join(name)));
        Ok(inside.chain(project(&self.root)).max().unwrap_or(0))
    }
}
