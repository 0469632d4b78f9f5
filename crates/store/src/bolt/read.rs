//! From the bytes of a file to buckets. The file may be damaged: every place is checked before it is read.

use super::{
    BRANCH, BUCKET_HEADER, Bucket, ELEMENT, Entry, IS_BUCKET, LEAF, MAGIC, META_LENGTH, PAGE_HEADER, PAGE_SIZE,
    VERSION, checksum,
};

/// More levels than any tree of pages and buckets has; a damaged file may lead in circles.
const DEEPEST: usize = 32;
/// More pages of 1 KiB than bbolt's page sizes allow.
const LARGEST_PAGE: usize = 1 << 24;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) root: Bucket,
    pub(super) page_size: usize,
    pub(super) transaction: u64,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            root: Bucket::default(),
            page_size: PAGE_SIZE,
            transaction: 0,
        }
    }
}

type Result<T> = std::result::Result<T, String>;

/// Reads the newest state of a database.
pub(super) fn read(bytes: &[u8]) -> Result<Contents> {
    let first = Meta::read(bytes);
    // The first page tells where the second is; without it, the sizes are tried.
    let second = match &first {
        Ok(meta) => Meta::at(bytes, meta.page_size),
        Err(_) => (10..=24)
            .map(|shift| Meta::at(bytes, 1 << shift))
            .find(Result::is_ok)
            .unwrap_or_else(|| Err("neither meta page is valid".to_owned())),
    };
    let meta = match (first, second) {
        (Ok(first), Ok(second)) if second.transaction > first.transaction => second,
        (Ok(meta), _) | (Err(_), Ok(meta)) => meta,
        (Err(error), Err(_)) => return Err(error),
    };
    let file = File {
        bytes,
        page_size: meta.page_size,
    };
    // No page is reached twice, so a tree without circles has no more pages than the file.
    let mut pages = bytes.len() / meta.page_size + 1;
    let mut root = Bucket {
        sequence: meta.sequence,
        ..Bucket::default()
    };
    file.tree(meta.root, &mut root, DEEPEST, &mut pages)?;
    Ok(Contents {
        root,
        page_size: meta.page_size,
        transaction: meta.transaction,
    })
}

/// A meta page that has been checked.
#[derive(Debug)]
struct Meta {
    page_size: usize,
    root: u64,
    sequence: u64,
    transaction: u64,
}

impl Meta {
    fn at(bytes: &[u8], offset: usize) -> Result<Self> {
        Self::read(bytes.get(offset..).unwrap_or_default())
    }

    /// From the bytes that begin with the meta page.
    fn read(bytes: &[u8]) -> Result<Self> {
        let body = bytes.get(PAGE_HEADER..).unwrap_or_default();
        if u32_at(body, 0)? != MAGIC {
            return Err("it is no bolt database".to_owned());
        }
        let version = u32_at(body, 4)?;
        if version != VERSION {
            return Err(format!("version {version} of bolt's format is not known"));
        }
        let page_size = u32_at(body, 8)? as usize;
        if !page_size.is_power_of_two() || !(1024..=LARGEST_PAGE).contains(&page_size) {
            return Err(format!("pages of {page_size} bytes are impossible"));
        }
        let sum = u64_at(body, META_LENGTH)?;
        if sum != checksum(&body[..META_LENGTH]) {
            return Err("the checksum of a meta page is wrong".to_owned());
        }
        Ok(Self {
            page_size,
            root: u64_at(body, 16)?,
            sequence: u64_at(body, 24)?,
            transaction: u64_at(body, 48)?,
        })
    }
}

struct File<'a> {
    bytes: &'a [u8],
    page_size: usize,
}

impl File<'_> {
    /// Reads the tree of pages below `page` into a bucket.
    fn tree(&self, page: u64, into: &mut Bucket, depth: usize, pages: &mut usize) -> Result<()> {
        if *pages == 0 || depth == 0 {
            return Err("its pages lead in circles".to_owned());
        }
        *pages -= 1;
        let bytes = usize::try_from(page)
            .ok()
            .and_then(|page| page.checked_mul(self.page_size))
            .and_then(|offset| self.bytes.get(offset..))
            .ok_or_else(|| format!("page {page} is not in the file"))?;
        self.page(bytes, into, depth, pages)
    }

    /// Reads one page; `bytes` begin with it and may go on beyond its end, as overflow pages do.
    fn page(&self, bytes: &[u8], into: &mut Bucket, depth: usize, pages: &mut usize) -> Result<()> {
        let kind = u16_at(bytes, 8)?;
        let count = usize::from(u16_at(bytes, 10)?);
        for index in 0..count {
            let start = PAGE_HEADER + index * ELEMENT;
            let element = bytes.get(start..).unwrap_or_default();
            match kind {
                BRANCH => self.tree(u64_at(element, 8)?, into, depth - 1, pages)?,
                LEAF => {
                    let flags = u32_at(element, 0)?;
                    let position = u32_at(element, 4)? as usize;
                    let (key, value) = (u32_at(element, 8)? as usize, u32_at(element, 12)? as usize);
                    let key = slice(element, position, key)?;
                    let value = slice(element, position + key.len(), value)?;
                    let entry = if flags & IS_BUCKET == 0 {
                        Entry::Value(value.to_vec())
                    } else {
                        Entry::Bucket(self.bucket(value, depth, pages)?)
                    };
                    into.entries.insert(key.to_vec(), entry);
                }
                _ => return Err(format!("a page of kind {kind:#x} stands where a tree should be")),
            }
        }
        Ok(())
    }

    /// Reads a bucket from the value that stands for it.
    fn bucket(&self, value: &[u8], depth: usize, pages: &mut usize) -> Result<Bucket> {
        let mut bucket = Bucket {
            sequence: u64_at(value, 8)?,
            ..Bucket::default()
        };
        if depth == 0 {
            return Err("its buckets are too deep".to_owned());
        }
        match u64_at(value, 0)? {
            0 => {
                let page = value.get(BUCKET_HEADER..).unwrap_or_default();
                self.page(page, &mut bucket, depth - 1, pages)?;
            }
            root => self.tree(root, &mut bucket, depth - 1, pages)?,
        }
        Ok(bucket)
    }
}

fn slice(bytes: &[u8], start: usize, length: usize) -> Result<&[u8]> {
    start
        .checked_add(length)
        .and_then(|end| bytes.get(start..end))
        .ok_or_else(|| "an element reaches beyond the file".to_owned())
}

fn array<const N: usize>(bytes: &[u8], start: usize) -> Result<[u8; N]> {
    let bytes = slice(bytes, start, N)?;
    bytes.try_into().map_err(|_| "an element is cut off".to_owned())
}

fn u16_at(bytes: &[u8], start: usize) -> Result<u16> {
    array(bytes, start).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], start: usize) -> Result<u32> {
    array(bytes, start).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], start: usize) -> Result<u64> {
    array(bytes, start).map(u64::from_le_bytes)
}
