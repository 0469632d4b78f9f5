//! What an archive holds: layers unpacked, documents in memory, links as they are.

use super::sniff::{self, Kind};
use crate::hold::Hold;
use crate::{Error, Images, Message, Progress};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tierce_layer::archive::Archive;
use tierce_layer::tar::{Entry, EntryKind};
use tierce_layer::{Applied, Compression, Ingest};
use tierce_oci::{ChainId, DiffId, Digest, Hasher};

/// Longest document; honest ones have some kilobytes.
const LONGEST_DOCUMENT: u64 = 16 << 20;
/// Most bytes of all documents.
const MOST_DOCUMENTS: u64 = 64 << 20;
/// Most entries; an image has some hundred.
const MOST_ENTRIES: usize = 100_000;
/// Longest chain of links that is followed.
const MOST_LINKS: usize = 16;
/// Docker tells the same of one layer at most so often.
const INTERVAL: Duration = Duration::from_millis(100);

/// An entry by its name.
enum Item {
    Document(Vec<u8>),
    /// Unpacked; without the ingest when it was put to use.
    Layer {
        diff_id: DiffId,
        ingest: Option<Ingest>,
    },
    /// Not unpacked, because the layer is here.
    Here(DiffId),
    /// Another name of this entry.
    Link(String),
    /// Could not be unpacked, which matters only if an image needs it.
    Spoilt(Error),
    /// Too long for a document and no layer.
    Foreign,
}

/// The entries of an archive.
pub(super) struct Contents {
    images: Arc<Images>,
    items: BTreeMap<String, Item>,
    /// Digest of an entry's bytes, where its name claims one.
    digests: HashMap<String, Digest>,
    /// Stacks that are here, by the layer on top.
    here: HashMap<DiffId, ChainId>,
    hold: Hold,
    documents: u64,
}

impl Contents {
    /// Reads an archive to its end.
    pub(super) fn read(
        images: &Arc<Images>,
        input: impl Read + Send,
        progress: &Arc<dyn Progress>,
    ) -> Result<Self, Error> {
        let mut contents = Self {
            images: images.clone(),
            items: BTreeMap::new(),
            digests: HashMap::new(),
            here: images.layers.by_diff_id(),
            hold: Hold::of(images, "load", &[])?,
            documents: 0,
        };
        let mut archive = Archive::open(input).map_err(unreadable)?;
        let mut entries = 0;
        while let Some(entry) = archive.next_entry().map_err(unreadable)? {
            entries += 1;
            if entries > MOST_ENTRIES {
                return Err(bad(format!("it has more than {MOST_ENTRIES} entries")));
            }
            let name = cleaned(&entry.name, "")?;
            let item = match entry.kind {
                EntryKind::Directory => continue,
                EntryKind::File if entry.sparse.is_none() => contents.file(&name, &entry, &mut archive, progress)?,
                EntryKind::Symlink => {
                    let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
                    Item::Link(cleaned(&entry.link, parent)?)
                }
                EntryKind::HardLink => Item::Link(cleaned(&entry.link, "")?),
                _ => {
                    return Err(bad(format!(
                        "{name:.100?} is neither a file nor a directory nor a link"
                    )));
                }
            };
            contents.items.insert(name, item);
        }
        archive.drain().map_err(unreadable)?;
        Ok(contents)
    }

    fn file(
        &mut self,
        name: &str,
        entry: &Entry,
        archive: &mut Archive<'_>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Item, Error> {
        let mut head = Vec::new();
        archive
            .by_ref()
            .take(sniff::LOOK as u64)
            .read_to_end(&mut head)
            .map_err(broken)?;
        let Kind::Layer(compression) = sniff::sniff(&head) else {
            return self.document(name, entry.size, head, archive);
        };
        let claimed = claimed(name);
        if let Some(diff_id) = claimed.as_ref().and_then(|digest| self.known(digest)) {
            return Ok(Item::Here(diff_id));
        }
        let mut body = Body {
            head: io::Cursor::new(head),
            archive,
            hasher: claimed.is_some().then(Hasher::default),
            teller: Teller {
                id: short(name),
                progress: progress.clone(),
                total: entry.size,
                done: 0,
                told: None,
            },
        };
        let unpacked = self.images.layers.unpack(&mut body);
        let end = body.finish();
        match unpacked {
            Ok((ingest, Applied { diff_id, .. })) => {
                let digest = end?.filter(|_| compression != Compression::None);
                self.digests
                    .insert(name.to_owned(), digest.unwrap_or_else(|| diff_id.0.clone()));
                Ok(Item::Layer {
                    diff_id,
                    ingest: Some(ingest),
                })
            }
            // An archive that breaks off is not a matter of one layer.
            Err(error) => end.map(|_| Item::Spoilt(error)),
        }
    }

    fn document(&mut self, name: &str, size: u64, head: Vec<u8>, archive: &mut Archive<'_>) -> Result<Item, Error> {
        if size > LONGEST_DOCUMENT {
            return Ok(Item::Foreign);
        }
        self.documents += size;
        if self.documents > MOST_DOCUMENTS {
            return Err(bad(format!("its documents have more than {MOST_DOCUMENTS} bytes")));
        }
        let mut bytes = head;
        archive.read_to_end(&mut bytes).map_err(broken)?;
        if claimed(name).is_some() {
            self.digests.insert(name.to_owned(), Digest::sha256_of(&bytes));
        }
        Ok(Item::Document(bytes))
    }

    /// The layer that a blob holds, if it is here; it is held from now on.
    fn known(&self, digest: &Digest) -> Option<DiffId> {
        let diff_id = DiffId(digest.clone());
        let diff_id = if self.here.contains_key(&diff_id) {
            diff_id
        } else {
            self.images.distribution.diff_id(digest)?
        };
        let chain = self.here.get(&diff_id)?;
        self.hold.add(chain);
        // Removed before it was held, it must be unpacked after all.
        self.images.layers.has(chain).then_some(diff_id)
    }

    /// Whether there is an entry of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.items.contains_key(name)
    }

    /// The document of this name. `what` is how an error calls it.
    pub(super) fn document_of(&self, name: &str) -> Result<&[u8], Error> {
        let name = self.resolve(name)?;
        self.check(&name)?;
        match self.items.get(&name) {
            Some(Item::Document(bytes)) => Ok(bytes),
            Some(_) => Err(bad(format!("{name:.100?} is no document"))),
            None => Err(bad(format!("it does not contain {name:.100?}"))),
        }
    }

    /// Takes the layer of this name, unpacked and not registered.
    pub(super) fn layer(&mut self, name: &str) -> Result<(DiffId, Ingest), Error> {
        let name = self.resolve(name)?;
        self.check(&name)?;
        let diff_id = match self.items.get_mut(&name) {
            Some(Item::Layer { diff_id, ingest }) => match ingest.take() {
                Some(ingest) => return Ok((diff_id.clone(), ingest)),
                None => diff_id.clone(),
            },
            Some(Item::Here(diff_id)) => diff_id.clone(),
            Some(Item::Spoilt(_)) => match self.items.remove(&name) {
                Some(Item::Spoilt(error)) => return Err(error),
                _ => return Err(bad(format!("{name:.100?} is no layer"))),
            },
            Some(_) => return Err(bad(format!("{name:.100?} is no layer"))),
            None => return Err(bad(format!("it does not contain the layer {name:.100?}"))),
        };
        // It is below another image already: once more from there.
        let chain = self.here.get(&diff_id).filter(|chain| self.images.layers.has(chain));
        let chain = chain.ok_or_else(|| bad(format!("the layer {name:.100?} is used up")))?;
        let (ingest, applied) = self.images.layers.unpack_again(chain)?;
        Ok((applied.diff_id, ingest))
    }

    /// Notes that a layer is here now. It is held by whoever registered it, and goes with the image if that fails.
    pub(super) fn registered(&mut self, diff_id: &DiffId, chain: &ChainId) {
        self.here.insert(diff_id.clone(), chain.clone());
    }

    /// The entry that a name leads to.
    fn resolve(&self, name: &str) -> Result<String, Error> {
        let mut name = cleaned(name.as_bytes(), "")?;
        for _ in 0..MOST_LINKS {
            match self.items.get(&name) {
                Some(Item::Link(target)) => name.clone_from(target),
                _ => return Ok(name),
            }
        }
        Err(bad(format!("the links from {name:.100?} have no end")))
    }

    /// Whether an entry whose name is a digest has it.
    fn check(&self, name: &str) -> Result<(), Error> {
        let (Some(claimed), Some(actual)) = (claimed(name), self.digests.get(name)) else {
            return Ok(());
        };
        if claimed == *actual {
            Ok(())
        } else {
            Err(bad(format!("the digest of {name:.100?} is {actual}")))
        }
    }
}

pub(super) fn bad(cause: impl std::fmt::Display) -> Error {
    Error::BadArchive(format!("invalid archive: {cause}"))
}

fn unreadable(error: tierce_layer::Error) -> Error {
    bad(error)
}

fn broken(error: io::Error) -> Error {
    bad(error)
}

/// The digest that a name claims: `blobs/sha256/<hex>`.
fn claimed(name: &str) -> Option<Digest> {
    Digest::from_sha256_hex(name.strip_prefix("blobs/sha256/")?).ok()
}

/// What a layer is called in messages: the first characters of the last part of its name that is long enough.
fn short(name: &str) -> String {
    let parts = name.rsplit('/').map(|part| part.trim_end_matches(".tar"));
    let part = parts.max_by_key(|part| part.len()).unwrap_or(name);
    part.chars().take(12).collect()
}

/// A name beneath the archive's root without `.` and `..`, as a key; `parent` is where a relative one begins.
fn cleaned(name: &[u8], parent: &str) -> Result<String, Error> {
    let text = std::str::from_utf8(name)
        .map_err(|_| bad(format!("the name {:.100?} is no text", name.escape_ascii().to_string())))?;
    let start = if text.starts_with('/') { "" } else { parent };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(text.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(bad(format!("the name {text:.100?} leads out of the archive")));
                }
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The bytes of an entry: the head that was looked at, then the rest.
struct Body<'a, 'b> {
    head: io::Cursor<Vec<u8>>,
    archive: &'a mut Archive<'b>,
    hasher: Option<Hasher>,
    teller: Teller,
}

impl Body<'_, '_> {
    /// Reads what the unpacking has left, and gives the digest of all if it was asked for.
    fn finish(mut self) -> Result<Option<Digest>, Error> {
        io::copy(&mut self, &mut io::sink()).map_err(broken)?;
        self.teller.tell();
        Ok(self.hasher.map(Hasher::finish))
    }
}

impl Read for Body<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.head.read(buffer)?;
        if count == 0 {
            count = self.archive.read(buffer)?;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        self.teller.add(count);
        Ok(count)
    }
}

/// Tells how much of a layer was read.
struct Teller {
    id: String,
    progress: Arc<dyn Progress>,
    total: u64,
    done: u64,
    told: Option<Instant>,
}

impl Teller {
    fn add(&mut self, count: usize) {
        self.done += count as u64;
        if self.told.is_none_or(|told| told.elapsed() >= INTERVAL) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.told = Some(Instant::now());
        self.progress
            .report(Message::amount(&self.id, "Loading layer", self.done, self.total));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_keys_and_cannot_lead_out() {
        let name = |name: &str, parent: &str| cleaned(name.as_bytes(), parent).ok();
        assert_eq!(name("./a//b/./c", "").as_deref(), Some("a/b/c"));
        assert_eq!(name("../x/layer.tar", "y").as_deref(), Some("x/layer.tar"));
        assert_eq!(name("/a", "y").as_deref(), Some("a"));
        assert_eq!(name("../../x", "y"), None);
        assert_eq!(name("a/../..", ""), None);
        assert!(cleaned(b"\xff", "").is_err());
        assert_eq!(short(&format!("blobs/sha256/{}", "ab".repeat(32))), "abababababab");
        assert_eq!(short(&format!("{}/layer.tar", "cd".repeat(32))), "cdcdcdcdcdcd");
    }
}
