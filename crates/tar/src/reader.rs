//! Reading an archive entry by entry, while keeping all bytes that are not file content (for tar-split).

use super::header::{self, Block, Refusal};
use super::{BLOCK, Entry, EntryKind, Error, Source, Sparse, pax, sparse};

/// Longest extended header or long name (Go: `maxSpecialFileSize`).
const MAX_EXTENSION: u64 = 1 << 20;

/// Most bytes of extended headers before one entry.
const MAX_EXTENSIONS: usize = 4 << 20;

/// An archive being read.
pub struct Reader<S> {
    source: S,
    offset: u64,
    /// Bytes that are not content, since they were last taken.
    raw: Vec<u8>,
    /// Content of the current entry that was not read yet.
    remaining: u64,
    /// Bytes behind the content, up to the next block.
    padding: u64,
}

/// What extended headers say about the entry that follows.
#[derive(Default)]
struct Extensions {
    pax: Vec<u8>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<S: Source> Reader<S> {
    /// Begins to read.
    pub fn new(source: S) -> Self {
        Self {
            source,
            offset: 0,
            raw: Vec::new(),
            remaining: 0,
            padding: 0,
        }
    }

    /// Headers, padding and end marks since the last call.
    pub fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }

    /// The next entry, `None` at the end mark (or at the end of the stream between two entries, as Go accepts it).
    ///
    /// Content that was not read is skipped, and is not among the raw bytes.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, S::Error> {
        while self.remaining > 0 {
            let count = self.content()?.len();
            self.consume(count);
        }
        let padding = std::mem::take(&mut self.padding);
        // A stream that ends in the padding has ended behind the file, as for Go.
        if self.copy_raw(padding)? < padding {
            return Ok(None);
        }
        let mut extensions = Extensions::default();
        loop {
            let Some(block) = self.header()? else { return Ok(None) };
            header::check(&block).map_err(|reason| self.refuse(reason))?;
            match header::type_flag(&block) {
                b'x' => {
                    extensions.pax = self.extension(&block)?;
                    // Also where no entry follows.
                    pax::Records::parse(&extensions.pax).map_err(|reason| self.refuse(reason))?;
                }
                b'g' => {
                    // Records for all later entries are kept for tar-split and otherwise ignored, as Docker does. They
                    // are an entry to Go, so that extended headers before them concern no other.
                    let content = self.extension(&block)?;
                    pax::Records::parse(&content).map_err(|reason| self.refuse(reason))?;
                    extensions = Extensions::default();
                }
                b'L' => extensions.long_name = Some(header::text(&self.extension(&block)?).to_vec()),
                b'K' => extensions.long_link = Some(header::text(&self.extension(&block)?).to_vec()),
                _ => return self.entry(&block, extensions).map(Some),
            }
            if self.raw.len() > MAX_EXTENSIONS {
                return Err(self.refuse("too many extended headers"));
            }
        }
    }

    /// Content of the current entry at hand; empty when all was read.
    pub fn content(&mut self) -> Result<&[u8], S::Error> {
        if self.remaining == 0 {
            return Ok(&[]);
        }
        let offset = self.offset;
        let bytes = self.source.fill()?;
        if bytes.is_empty() {
            return Err(S::Error::from(Error::Truncated { offset, what: "a file" }));
        }
        let count = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[..count])
    }

    /// Marks content as read.
    pub fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.remaining -= count as u64;
        self.offset += count as u64;
    }

    /// Whatever follows the end mark, in pieces; empty at the end of the stream.
    pub fn trailer(&mut self) -> Result<&[u8], S::Error> {
        self.source.fill()
    }

    /// Marks bytes of the trailer as read.
    pub fn consume_trailer(&mut self, count: usize) {
        self.source.consume(count);
        self.offset += count as u64;
    }

    fn refuse(&self, reason: Refusal) -> S::Error {
        S::Error::from(Error::Invalid {
            offset: self.offset,
            reason,
        })
    }

    /// A header block; `None` at the end.
    fn header(&mut self) -> Result<Option<Block>, S::Error> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block != [0; BLOCK] {
            return Ok(Some(block));
        }
        match self.block()? {
            None => Ok(None),
            Some(second) if second == [0; BLOCK] => Ok(None),
            Some(_) => Err(self.refuse("one empty block between entries")),
        }
    }

    /// One block, kept as raw bytes; `None` when the stream has ended before it.
    fn block(&mut self) -> Result<Option<Block>, S::Error> {
        if self.source.fill()?.is_empty() {
            return Ok(None);
        }
        let start = self.raw.len();
        if self.copy_raw(BLOCK as u64)? < BLOCK as u64 {
            return Err(self.truncated("a header"));
        }
        let mut block = [0; BLOCK];
        block.copy_from_slice(&self.raw[start..]);
        Ok(Some(block))
    }

    fn truncated(&self, what: &'static str) -> S::Error {
        S::Error::from(Error::Truncated {
            offset: self.offset,
            what,
        })
    }

    /// Keeps so many bytes as raw ones; how many there were before the stream's end.
    fn copy_raw(&mut self, wanted: u64) -> Result<u64, S::Error> {
        let mut count = wanted;
        while count > 0 {
            let bytes = self.source.fill()?;
            if bytes.is_empty() {
                break;
            }
            let taken = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
            self.raw.extend_from_slice(&bytes[..taken]);
            self.source.consume(taken);
            self.offset += taken as u64;
            count -= taken as u64;
        }
        Ok(wanted - count)
    }

    /// The content of an extended header.
    fn extension(&mut self, block: &Block) -> Result<Vec<u8>, S::Error> {
        let size = header::size(block).map_err(|reason| self.refuse(reason))?;
        if size > MAX_EXTENSION {
            return Err(self.refuse("an extended header of more than 1 MiB"));
        }
        let start = self.raw.len();
        if self.copy_raw(size.next_multiple_of(BLOCK as u64))? < size {
            return Err(self.truncated("an extended header"));
        }
        // At most 1 MiB, checked above.
        Ok(self.raw[start..start + size as usize].to_vec())
    }

    /// Puts together the header and what came before it.
    fn entry(&mut self, block: &Block, extensions: Extensions) -> Result<Entry, S::Error> {
        let mut entry = header::parse(block).map_err(|reason| self.refuse(reason))?;
        let mut size = header::signed_size(block).map_err(|reason| self.refuse(reason))?;
        let records = pax::Records::parse(&extensions.pax).map_err(|reason| self.refuse(reason))?;
        records
            .apply(&mut entry, &mut size)
            .map_err(|reason| self.refuse(reason))?;
        // GNU's names are stronger than those of PAX, unless they are empty.
        if let Some(name) = extensions.long_name.filter(|name| !name.is_empty()) {
            entry.name = name;
        }
        if let Some(link) = extensions.long_link.filter(|link| !link.is_empty()) {
            entry.link = link;
        }
        // A name from an extended header may make a directory of an old header.
        if header::type_flag(block) == 0 && entry.name.ends_with(b"/") {
            entry.kind = EntryKind::Directory;
        }
        // What has no content may say anything of its size.
        if entry.kind.has_content() {
            entry.size = u64::try_from(size).map_err(|_| self.refuse("negative size"))?;
        }
        self.remaining = entry.size;
        self.padding = entry.size.next_multiple_of(BLOCK as u64) - entry.size;
        let map = if header::type_flag(block) == b'S' {
            Some(self.old_sparse(block)?)
        } else {
            match records.sparse(&mut entry).map_err(|reason| self.refuse(reason))? {
                Some((_, _)) if !entry.kind.has_content() => {
                    return Err(self.refuse("a sparse file that is no file"));
                }
                Some((map, true)) => Some(self.content_map(map)?),
                Some((map, false)) => Some(map),
                None => None,
            }
        };
        if let Some(mut map) = map {
            sparse::check(&mut map, self.remaining).map_err(|reason| self.refuse(reason))?;
            entry.size = self.remaining;
            entry.sparse = Some(map);
        }
        Ok(entry)
    }

    fn old_sparse(&mut self, block: &Block) -> Result<Sparse, S::Error> {
        let (mut map, mut more) = sparse::old_header(block).map_err(|reason| self.refuse(reason))?;
        let mut length = 0;
        while more {
            length += BLOCK as u64;
            let block = self.block_of_map(length)?;
            more = sparse::old_extension(&block, &mut map).map_err(|reason| self.refuse(reason))?;
        }
        Ok(map)
    }

    /// A block of the map of a sparse file, which is so long with it.
    fn block_of_map(&mut self, length: u64) -> Result<Block, S::Error> {
        if length > MAX_EXTENSION {
            return Err(self.refuse("a map of a sparse file of more than 1 MiB"));
        }
        match self.block()? {
            Some(block) => Ok(block),
            None => Err(self.truncated("the map of a sparse file")),
        }
    }

    /// The map of form 1.0 is content, but not content of the file: it goes to the raw bytes.
    fn content_map(&mut self, mut map: Sparse) -> Result<Sparse, S::Error> {
        let mut reader = sparse::ContentMap::default();
        let mut length = 0;
        loop {
            let rest = self.remaining.checked_sub(BLOCK as u64);
            let rest = rest.ok_or_else(|| self.refuse("malformed map of a sparse file"))?;
            length += BLOCK as u64;
            let block = self.block_of_map(length)?;
            self.remaining = rest;
            if let Some(pieces) = reader.add(&block).map_err(|reason| self.refuse(reason))? {
                map.pieces = pieces;
                return Ok(map);
            }
        }
    }
}
