//! From buckets to the bytes of a file, from the leaves up.

use super::{
    BRANCH, Bucket, ELEMENT, Entry, FREE_LIST, IS_BUCKET, LEAF, MAGIC, META, META_LENGTH, PAGE_HEADER, VERSION,
    checksum,
};

/// bbolt maps, and grows its files to, no less.
const SMALLEST_FILE: usize = 32 * 1024;
/// Page of the free list, which is empty; those before it are the meta pages.
const FREE_LIST_PAGE: u64 = 2;
/// A page with fewer keys would make no tree narrower; larger ones overflow into the pages behind, as bbolt's.
const FEWEST_KEYS: usize = 2;
/// bbolt counts a page's elements in 16 bits, with one value for "more".
const MOST_KEYS: usize = 0xFFFE;

/// The whole file, as of `transaction` and the one after it.
pub(super) fn write(root: &Bucket, page_size: usize, transaction: u64) -> Vec<u8> {
    let mut file = File {
        page_size,
        bytes: vec![0; 2 * page_size],
    };
    file.append(FREE_LIST, &[]);
    let root = (file.bucket(root), root.sequence);
    let end = file.next_page();
    for transaction in [transaction, transaction + 1] {
        // As bbolt's: each second transaction has the same page, so that a torn write leaves the other.
        let number = transaction % 2;
        let start = if number == 0 { 0 } else { page_size };
        let meta = meta(number, page_size, root, end, transaction);
        file.bytes[start..start + meta.len()].copy_from_slice(&meta);
    }
    let length = file.bytes.len().max(SMALLEST_FILE);
    file.bytes.resize(length, 0);
    file.bytes
}

/// A file in the making.
struct File {
    page_size: usize,
    bytes: Vec<u8>,
}

/// What stands in a page: a key with its value, or with the page below.
struct Item {
    key: Vec<u8>,
    flags: u32,
    value: Vec<u8>,
    /// In a branch only.
    below: u64,
}

impl Item {
    fn length(&self) -> usize {
        ELEMENT + self.key.len() + self.value.len()
    }
}

impl File {
    fn next_page(&self) -> u64 {
        (self.bytes.len() / self.page_size) as u64
    }

    /// Appends a page, with those that it overflows into; gives its number.
    fn append(&mut self, kind: u16, items: &[Item]) -> u64 {
        let number = self.next_page();
        let length = PAGE_HEADER + items.iter().map(Item::length).sum::<usize>();
        let pages = length.div_ceil(self.page_size);
        self.bytes.extend(page(number, kind, items, pages - 1));
        self.bytes.resize((number as usize + pages) * self.page_size, 0);
        number
    }

    /// Appends the pages of a bucket; gives the one that is its root.
    fn bucket(&mut self, bucket: &Bucket) -> u64 {
        let items = self.items(bucket);
        self.tree(LEAF, items)
    }

    fn items(&mut self, bucket: &Bucket) -> Vec<Item> {
        let mut items = Vec::with_capacity(bucket.entries.len());
        for (key, entry) in &bucket.entries {
            let (flags, value) = match entry {
                Entry::Value(value) => (0, value.clone()),
                Entry::Bucket(bucket) => (IS_BUCKET, self.nested(bucket)),
            };
            items.push(Item {
                key: key.clone(),
                flags,
                value,
                below: 0,
            });
        }
        items
    }

    /// The value that stands for a bucket in its parent's leaf.
    fn nested(&mut self, bucket: &Bucket) -> Vec<u8> {
        let plain = bucket.entries.values().all(|entry| matches!(entry, Entry::Value(_)));
        if plain {
            let items = self.items(bucket);
            let length = PAGE_HEADER + items.iter().map(Item::length).sum::<usize>();
            if length <= self.page_size / 4 {
                let mut value = bucket_header(0, bucket.sequence);
                value.extend(page(0, LEAF, &items, 0));
                return value;
            }
        }
        let root = self.bucket(bucket);
        bucket_header(root, bucket.sequence)
    }

    /// Appends items as pages, and branches above them until one page is left; gives that one.
    fn tree(&mut self, kind: u16, items: Vec<Item>) -> u64 {
        let mut above = Vec::new();
        for items in self.runs(items) {
            above.push(Item {
                below: self.append(kind, &items),
                key: items.into_iter().next().map(|item| item.key).unwrap_or_default(),
                flags: 0,
                value: Vec::new(),
            });
        }
        match above.as_slice() {
            [only] => only.below,
            _ => self.tree(BRANCH, above),
        }
    }

    /// Cuts items into what fits into a page each; at least one run, which may be empty.
    fn runs(&self, items: Vec<Item>) -> Vec<Vec<Item>> {
        let mut runs = vec![Vec::new()];
        let mut length = PAGE_HEADER;
        for item in items {
            let full = length + item.length() > self.page_size;
            let run = runs.last().map_or(0, Vec::len);
            if (full && run >= FEWEST_KEYS) || run >= MOST_KEYS {
                runs.push(Vec::new());
                length = PAGE_HEADER;
            }
            length += item.length();
            if let Some(run) = runs.last_mut() {
                run.push(item);
            }
        }
        runs
    }
}

/// A page up to its last used byte.
fn page(number: u64, kind: u16, items: &[Item], overflow: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(number.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(short(items.len()).to_le_bytes());
    bytes.extend(word(overflow).to_le_bytes());
    let mut data = PAGE_HEADER + items.len() * ELEMENT;
    for item in items {
        // Counted from the element itself.
        let position = word(data - bytes.len()).to_le_bytes();
        let key = word(item.key.len()).to_le_bytes();
        if kind == BRANCH {
            bytes.extend([position, key].concat());
            bytes.extend(item.below.to_le_bytes());
        } else {
            let value = word(item.value.len()).to_le_bytes();
            bytes.extend([item.flags.to_le_bytes(), position, key, value].concat());
        }
        data += item.key.len() + item.value.len();
    }
    for item in items {
        bytes.extend_from_slice(&item.key);
        bytes.extend_from_slice(&item.value);
    }
    bytes
}

fn bucket_header(root: u64, sequence: u64) -> Vec<u8> {
    [root.to_le_bytes(), sequence.to_le_bytes()].concat()
}

fn meta(number: u64, page_size: usize, root: (u64, u64), end: u64, transaction: u64) -> Vec<u8> {
    let mut bytes = page(number, META, &[], 0);
    for word in [MAGIC, VERSION, word(page_size), 0] {
        bytes.extend(word.to_le_bytes());
    }
    for long in [root.0, root.1, FREE_LIST_PAGE, end, transaction] {
        bytes.extend(long.to_le_bytes());
    }
    let sum = checksum(&bytes[PAGE_HEADER..PAGE_HEADER + META_LENGTH]);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// A length as the format has it. Databases of 4 GiB are not written here: their values are labels of volumes.
fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn short(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
