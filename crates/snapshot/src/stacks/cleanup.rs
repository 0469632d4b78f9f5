//! Taking snapshots away.

use super::{LINK, LINKS, Stacks};
use crate::{CacheId, Error, tree};
use std::fs;
use std::io;

impl Stacks {
    /// Removes a snapshot in any state. The short name goes first, for it is found through the directory. A removal that
    /// is cut short is repeated by whoever keeps the record of the snapshot.
    ///
    /// # Errors
    /// File errors.
    pub(crate) fn remove(&self, id: &CacheId) -> Result<(), Error> {
        let dir = self.dir(id);
        match self.read_record(id, LINK) {
            Ok(Some(link)) => {
                let path = self.root.join(LINKS).join(link);
                match fs::remove_file(&path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(Error::io("remove the short name", &path)(error)),
                }
            }
            // Half made: the short name may be there while the record is not, or is empty after a power loss.
            Ok(None) | Err(Error::Corrupt { .. }) if dir.exists() => self.remove_short_names_of(id)?,
            Ok(None) | Err(Error::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        tree::remove(&dir)
    }

    fn remove_short_names_of(&self, id: &CacheId) -> Result<(), Error> {
        let links = self.root.join(LINKS);
        let target = format!("../{id}/diff");
        for name in tree::names(&links)? {
            let path = links.join(name);
            if fs::read_link(&path).is_ok_and(|found| found.as_os_str() == target.as_str()) {
                fs::remove_file(&path).map_err(Error::io("remove the short name", &path))?;
            }
        }
        Ok(())
    }
}
