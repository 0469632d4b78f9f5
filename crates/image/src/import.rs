//! An image from a root file system: an archive at hand, or one at an address.

use crate::made::{HistoryEntry, Made};
use crate::pull::blocking;
use crate::under_way::UnderWay;
use crate::{Error, Images, Message, Progress};
use bytes::Bytes;
use std::io::{self, Read};
use std::sync::Arc;
use tierce_oci::container::Config;
use tierce_oci::{ChainId, Digest, ImageConfig, ImageId, Platform, Reference};
use tokio::sync::mpsc;

/// Pieces between the download and the unpacking.
const PIECES: usize = 16;

/// What to make an image of besides the archive.
#[derive(Debug, Clone)]
pub struct Import {
    /// How containers of it run.
    pub config: Config,
    /// Commit message, such as "Imported from -".
    pub message: String,
    /// What the root file system is made for.
    pub platform: Platform,
    /// Name for the image; none leaves it nameless.
    pub name: Option<Reference>,
}

impl Images {
    /// Makes an image of one layer from a tar archive, compressed or not.
    ///
    /// # Errors
    /// [`Error::Layer`] when the archive cannot be unpacked; [`Error::BadTag`], [`Error::OperatingSystem`]; file errors.
    pub fn import(self: &Arc<Self>, archive: impl Read + Send, import: &Import) -> Result<ImageId, Error> {
        if let Some(name) = &import.name {
            crate::tag::check_target(name)?;
        }
        if import.platform.os != "linux" {
            return Err(Error::OperatingSystem {
                os: import.platform.os.clone(),
            });
        }
        let (ingest, applied) = self.layers.unpack(archive)?;
        let created = jiff::Timestamp::now().to_string();
        let mut made = Made::new(&import.platform, &import.config, &created);
        made.comment = &import.message;
        // No container was there; dockerd writes an empty one's configuration.
        let nobody = Config::default();
        made.container_config = Some(&nobody);
        made.history.push(HistoryEntry {
            created: Some(&created),
            author: "",
            created_by: "",
            comment: &import.message,
            empty_layer: false,
        });
        made.rootfs.diff_ids.push(&applied.diff_id);
        let raw = made.to_json()?;
        record_made(self, &raw, Some(ingest), None, import.name.as_ref())
    }

    /// Makes an image from an archive at an `http` or `https` address.
    ///
    /// # Errors
    /// As [`Self::import`]; [`Error::Registry`] when the archive cannot be had.
    pub async fn import_from(
        self: &Arc<Self>,
        address: &str,
        import: Import,
        progress: &Arc<dyn Progress>,
    ) -> Result<ImageId, Error> {
        let mut remote = self.reach.terms().registry.download(address).await?;
        progress.report(Message::plain(format!("Downloading from {address}")));
        let (sender, pieces) = mpsc::channel(PIECES);
        let images = self.clone();
        let unpacking = tokio::spawn(blocking("import an image", move || {
            images.import(Pieces::new(pieces), &import)
        }));
        let mut done = 0;
        loop {
            let piece = match remote.next().await {
                Ok(None) => break,
                Ok(Some(piece)) => Ok(piece),
                // The size is the archive's to tell; the reading side ends with this, and says so.
                Err(error) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, error)),
            };
            done += piece.as_ref().map_or(0, |piece| piece.len() as u64);
            progress.report(Message {
                id: None,
                ..Message::amount("", "Importing", done, remote.length.unwrap_or(0))
            });
            let last = piece.is_err();
            if sender.send(piece).await.is_err() || last {
                break;
            }
        }
        drop(sender);
        unpacking.await.map_err(|error| Error::Task {
            task: "importing an image",
            cause: error.to_string(),
        })?
    }
}

/// Records an image that was made here: its own layer on top of its parent's, its configuration, its parent, its name.
///
/// When that fails, nothing of it stays.
pub(crate) fn record_made(
    images: &Arc<Images>,
    raw: &[u8],
    layer: Option<tierce_layer::Ingest>,
    parent: Option<&ImageId>,
    name: Option<&Reference>,
) -> Result<ImageId, Error> {
    let config = ImageConfig::from_json(raw)?;
    let id = ImageId(Digest::sha256_of(raw));
    let chains = ChainId::stack(&config.rootfs.diff_ids);
    let (under_way, _) = UnderWay::begin(images.clone(), "made").hold(&chains, name.map(|_| &id))?;
    if let Some(ingest) = layer {
        images.layers.register(ingest, chains.iter().rev().nth(1))?;
    }
    {
        let _change = images.change();
        if let Some(parent) = parent {
            images.get(parent)?;
        }
        let is_new = images.records.get(&id).is_none();
        if let Err(error) = record_in_change(images, &id, (raw, &config), parent, name) {
            if is_new {
                // The first error is the one to tell.
                drop(images.records.remove(&id));
            }
            return Err(error);
        }
    }
    under_way.finish()?;
    Ok(id)
}

fn record_in_change(
    images: &Images,
    id: &ImageId,
    (raw, config): (&[u8], &ImageConfig),
    parent: Option<&ImageId>,
    name: Option<&Reference>,
) -> Result<(), Error> {
    images.records.insert(raw, config)?;
    if let Some(parent) = parent {
        images.records.set_parent(id, parent)?;
    }
    match name {
        Some(name) => {
            images
                .records
                .set_last_updated(id, &jiff::Timestamp::now().to_string())?;
            images.names.set(&[(name.clone().with_default_tag(), id.clone())])
        }
        None => images.journal.keep(id),
    }
}

/// The blocking end of the channel.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Pieces {
    fn new(receiver: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self {
            receiver,
            current: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}
