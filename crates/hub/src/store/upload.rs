//! Uploads under way: bytes that arrive in a file of their own, hashed as they come.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tierce_fsops::{self as fsops, PathContext};
use tierce_oci::{Digest, Hasher};

use super::error::{Error, Result};
use super::name::Name;

/// Most uploads at a time.
const MOST_UPLOADS: usize = 4096;
/// Bytes that are read at once where a file has to be hashed again.
const READ: usize = 1 << 20;

/// All uploads under way, by their ids.
#[derive(Debug)]
pub(super) struct Uploads {
    directory: PathBuf,
    table: Mutex<HashMap<String, Arc<Upload>>>,
}

/// One upload. Its file goes with it, unless it became a blob.
#[derive(Debug)]
pub(crate) struct Upload {
    id: String,
    name: Name,
    path: PathBuf,
    /// Bytes that arrived.
    size: AtomicU64,
    /// When somebody last asked for it.
    used: Mutex<Instant>,
    /// Absent while a request writes.
    writing: Mutex<Option<Writing>>,
}

/// What the one who writes has in hand.
#[derive(Debug)]
struct Writing {
    file: File,
    size: u64,
    /// The digest of all bytes so far; `None` when some were taken back, so that the file has to be read again.
    hasher: Option<Hasher>,
}

impl Uploads {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            table: Mutex::default(),
        }
    }

    /// Begins one for a repository; `algorithm` is that of the digest that it will get.
    pub(super) fn begin(&self, name: &Name, algorithm: &str) -> Result<Arc<Upload>> {
        let hasher = Hasher::of(algorithm).ok_or_else(|| Error::Algorithm(algorithm.to_owned()))?;
        let id = random_id()?;
        let path = self.directory.join(&id);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MOST_UPLOADS {
            return Err(Error::TooManyUploads(MOST_UPLOADS));
        }
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .at("make", &path)?;
        let upload = Arc::new(Upload {
            id: id.clone(),
            name: name.clone(),
            path,
            size: AtomicU64::new(0),
            used: Mutex::new(Instant::now()),
            writing: Mutex::new(Some(Writing {
                file,
                size: 0,
                hasher: Some(hasher),
            })),
        });
        table.insert(id, Arc::clone(&upload));
        Ok(upload)
    }

    /// One that is under way in a repository.
    pub(super) fn find(&self, name: &Name, id: &str) -> Result<Arc<Upload>> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let upload = table.get(id).filter(|upload| upload.name == *name);
        let upload = upload.ok_or_else(|| Error::UploadUnknown(shown(id)))?;
        upload.touch();
        Ok(Arc::clone(upload))
    }

    /// Ends one; its bytes go when nobody has it in hand any more.
    pub(super) fn end(&self, upload: &Upload) {
        self.table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&upload.id);
    }

    /// Ends those that nobody asked for since `limit` ago and that nobody writes to.
    pub(super) fn expire(&self, limit: Duration) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|id, upload| {
            let idle = upload.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            let busy = upload.writing.lock().unwrap_or_else(PoisonError::into_inner).is_none();
            let keep = busy || idle < limit;
            if !keep {
                tracing::info!(id, name = %upload.name, "an upload was idle for too long and is dropped");
            }
            keep
        });
    }
}

impl Upload {
    /// Its id, which a stranger cannot guess.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The repository that it is for.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Bytes that arrived so far.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The right to write to it, of one request at a time.
    ///
    /// # Errors
    /// [`Error::UploadBusy`] while another one has it.
    pub(crate) fn claim(self: &Arc<Self>) -> Result<Claim> {
        self.touch();
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match writing.take() {
            Some(writing) => Ok(Claim {
                upload: Arc::clone(self),
                writing: Some(writing),
            }),
            None => Err(Error::UploadBusy(self.id.clone())),
        }
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A blob's file was renamed, so nothing is there; what cannot be removed goes at the next start.
        let _ = fsops::remove_file(&self.path);
    }
}

/// The right to write to an upload; given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    upload: Arc<Upload>,
    /// `None` only when dropped.
    writing: Option<Writing>,
}

impl Claim {
    /// The upload.
    pub(crate) fn upload(&self) -> &Arc<Upload> {
        &self.upload
    }

    /// Writes and hashes more bytes. What was there before stays whatever fails.
    ///
    /// # Errors
    /// When the disk takes no more.
    pub(crate) fn append(&mut self, chunks: &[Bytes]) -> Result<()> {
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        for chunk in chunks {
            writing
                .file
                .write_all_at(chunk, writing.size)
                .at("write", &self.upload.path)?;
            writing.size += chunk.len() as u64;
            self.upload.size.store(writing.size, Ordering::Release);
            if let Some(hasher) = &mut writing.hasher {
                hasher.update(chunk);
            }
        }
        self.upload.touch();
        Ok(())
    }

    /// Takes back everything behind the first `size` bytes.
    pub(crate) fn take_back(&mut self, size: u64) {
        if let Some(writing) = &mut self.writing
            && size < writing.size
        {
            writing.size = size;
            writing.hasher = None;
            self.upload.size.store(size, Ordering::Release);
        }
    }

    /// Brings the bytes to the disk and compares them with a digest; returns their number.
    pub(super) fn settle(&mut self, digest: &Digest) -> Result<u64> {
        let Some(writing) = &mut self.writing else { return Ok(0) };
        let path = &self.upload.path;
        let hasher = match writing.hasher.take() {
            Some(hasher) if hasher.algorithm() == digest.algorithm() => hasher,
            _ => hash(&writing.file, writing.size, digest.algorithm(), path)?,
        };
        let found = hasher.finish();
        if found != *digest {
            return Err(Error::DigestMismatch {
                expected: digest.clone(),
                found,
            });
        }
        // A failed write may have left more.
        writing.file.set_len(writing.size).at("shorten", path)?;
        writing.file.sync_all().at("sync", path)?;
        Ok(writing.size)
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.upload.path
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.upload.touch();
        *self.upload.writing.lock().unwrap_or_else(PoisonError::into_inner) = self.writing.take();
    }
}

/// The digest of the first `size` bytes of a file.
fn hash(file: &File, size: u64, algorithm: &str, path: &std::path::Path) -> Result<Hasher> {
    let mut hasher = Hasher::of(algorithm).ok_or_else(|| Error::Algorithm(algorithm.to_owned()))?;
    let mut buffer = vec![0; READ];
    let mut offset = 0;
    while offset < size {
        let wanted = buffer.len().min(usize::try_from(size - offset).unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer[..wanted], offset).at("read", path)?;
        hasher.update(&buffer[..wanted]);
        offset += wanted as u64;
    }
    Ok(hasher)
}

/// 128 bits, in hexadecimal.
pub(crate) fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// An id as an error shows it; a stranger's may be long.
fn shown(id: &str) -> String {
    id.chars().take(64).collect()
}
