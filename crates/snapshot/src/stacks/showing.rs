//! From records on disk to mount values.

use super::making::id_of_target;
use super::{COMMITTED, DIFF, LINK, LOWER, MERGED, Stacks, WORK};
use crate::{CacheId, Error, Layout, Mount, tree};
use std::fs;
use std::path::PathBuf;

impl Stacks {
    /// The mount of a snapshot; its mount point is made.
    ///
    /// A committed snapshot, or one without parents, needs another form: overlay wants a lower directory, and a lone
    /// directory is mounted as itself.
    ///
    /// - `kind`: file system type of the union.
    /// - `more`: options besides the directories.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`]; file errors.
    pub(crate) fn mounts(&self, id: &CacheId, kind: &str, more: Vec<String>) -> Result<Vec<Mount>, Error> {
        let dir = self.dir(id);
        let Some(link) = self.read_record(id, LINK)? else {
            return Err(self.not_found(id));
        };
        let lower = self.read_record(id, LOWER)?;
        let target = dir.join(MERGED);
        tree::make_dir(tree::open(&dir)?, MERGED, 0o700).map_err(Error::io("create the directory", &target))?;
        let committed = dir.join(COMMITTED).exists();
        let Some(lower) = lower else {
            let access = if committed { "ro" } else { "rw" };
            let options = vec![access.to_owned(), "rbind".to_owned()];
            let source = dir.join(DIFF).to_string_lossy().into_owned();
            return Ok(vec![Mount {
                kind: "bind".to_owned(),
                source,
                target,
                options,
            }]);
        };
        let absolute = |short: &str| format!("{}/{short}", self.root.display());
        let mut lowers: Vec<String> = lower.split(':').map(absolute).collect();
        let mut options = Vec::with_capacity(8);
        if committed {
            lowers.insert(0, absolute(&format!("l/{link}")));
            options.push("ro".to_owned());
        }
        options.push(format!("lowerdir={}", lowers.join(":")));
        if !committed {
            options.push(format!("upperdir={}", dir.join(DIFF).display()));
            options.push(format!("workdir={}", dir.join(WORK).display()));
        }
        options.extend(more);
        Ok(vec![Mount {
            kind: kind.to_owned(),
            source: "overlay".to_owned(),
            target,
            options,
        }])
    }

    /// The directories of a snapshot and of what is below it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`]; file errors.
    pub(crate) fn layout(&self, id: &CacheId) -> Result<Layout, Error> {
        let dir = self.dir(id);
        if self.read_record(id, LINK)?.is_none() {
            return Err(self.not_found(id));
        }
        let lowers = match self.read_record(id, LOWER)? {
            Some(lower) => lower
                .split(':')
                .map(|short| self.lower_dir(short))
                .collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        Ok(Layout::Overlay {
            upper: dir.join(DIFF),
            lowers,
            work: dir.join(WORK),
            merged: dir.join(MERGED),
            union: self.union,
        })
    }

    /// Where a short name leads.
    fn lower_dir(&self, short: &str) -> Result<PathBuf, Error> {
        let path = self.root.join(short);
        let target = fs::read_link(&path).map_err(Error::io("read the link", &path))?;
        let Some(id) = id_of_target(&target) else {
            let what = format!("it leads to {} instead of ../<id>/diff", target.display());
            return Err(Error::Corrupt { path, what });
        };
        Ok(self.dir(&id).join(DIFF))
    }
}
