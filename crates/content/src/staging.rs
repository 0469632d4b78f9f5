//! The directory of unfinished blobs.

use crate::{Error, Ingest};
use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tierce_oci::Digest;

const SUFFIX: &str = "part";
/// Smaller blobs are not staged: to ask for them again costs less than to write them down.
const WORTH_STAGING: u64 = 4 << 20;
/// Unfinished blobs that nobody asked for in this time are removed.
const EXPIRY: Duration = Duration::from_hours(7 * 24);

/// Unfinished blobs, by digest. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Staging {
    directory: PathBuf,
    /// Digests that an ingest writes now. A second ingest of the same blob works without a file.
    busy: Arc<Mutex<HashSet<Digest>>>,
}

/// The exclusive use of one staging file.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    digest: Digest,
    busy: Arc<Mutex<HashSet<Digest>>>,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.digest);
    }
}

impl Staging {
    /// Opens the staging area in `directory`, which is made when it is not there, and removes what expired.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        tierce_fsops::create_dir_all(directory, 0o700)?;
        let staging = Self {
            directory: directory.to_owned(),
            busy: Arc::default(),
        };
        staging.expire(SystemTime::now())?;
        Ok(staging)
    }

    fn expire(&self, now: SystemTime) -> Result<(), Error> {
        for name in tierce_fsops::names(&self.directory)? {
            let path = self.directory.join(name);
            let touched = path.metadata().and_then(|metadata| metadata.modified());
            let age = touched.ok().and_then(|touched| now.duration_since(touched).ok());
            let is_part = path.extension().is_some_and(|extension| extension == SUFFIX);
            if is_part && age.is_some_and(|age| age > EXPIRY) {
                tracing::info!(path = %path.display(), "removing an unfinished blob that nobody asked for again");
                tierce_fsops::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Begins, or takes up again, the ingest of the blob `digest` of `size` bytes.
    ///
    /// # Errors
    /// [`Error::Unsupported`]; [`Error::File`] when the staging file cannot be opened.
    pub fn ingest(&self, digest: &Digest, size: u64) -> Result<Ingest, Error> {
        if !digest.is_sha256() {
            return Err(Error::Unsupported(digest.clone()));
        }
        let part = if size < WORTH_STAGING { None } else { self.part(digest)? };
        Ok(Ingest::new(digest.clone(), size, part))
    }

    fn part(&self, digest: &Digest) -> Result<Option<Part>, Error> {
        if !self
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(digest.clone())
        {
            return Ok(None);
        }
        let path = self.directory.join(format!("{}.{SUFFIX}", digest.hex()));
        // The name is free of separators, the directory ours alone: 0700.
        let opened = File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        match opened {
            Ok(file) => Ok(Some(Part {
                file,
                path,
                digest: digest.clone(),
                busy: self.busy.clone(),
            })),
            Err(source) => {
                self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
                Err(Error::Source {
                    digest: digest.clone(),
                    source,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_parts_expire() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(directory.path()).unwrap();
        std::fs::write(directory.path().join("aa.part"), b"x").unwrap();
        std::fs::write(directory.path().join("other"), b"x").unwrap();
        staging.expire(SystemTime::now()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
        staging
            .expire(SystemTime::now() + EXPIRY + Duration::from_secs(5))
            .unwrap();
        assert!(!directory.path().join("aa.part").exists());
        assert!(directory.path().join("other").exists());
    }
}
