//! Two data roots, name by name and byte by byte, but for what is random or tells the time.
//!
//! Names and contents become patterns: digests that occur in one root only (containers, cache ids, images made there),
//! short names, times. Then both roots are the same multiset of patterns, or the difference is told.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// What is known to differ, each with its reason.
const KNOWN: [(&str, &str); 14] = [
    ("buildkit", "dockerd's builder has a store of its own"),
    ("plugins", "dockerd's plugins"),
    ("runtimes", "wrappers of runtimes with arguments"),
    ("swarm", "dockerd's cluster"),
    ("tmp", "room for what is under way"),
    ("tierced.lock", "our lock"),
    ("engine-id", "random"),
    (
        "volumes/backingFsBlockDev",
        "dockerd's device node for quotas; made when wanted",
    ),
    (
        "volumes/metadata.db",
        "pages as the database came to be; its entries are compared by what both daemons tell",
    ),
    ("network/files/local-kv.db", "as above"),
    ("/work/work", "the kernel's scratch space"),
    ("/resolv.conf", "until there is a name server of networks (issue 6)"),
    (
        "/hosts",
        "dockerd takes the address of an ended container out at once, this program at its next start",
    ),
    (
        "/committed",
        "dockerd marks a layer when the first one is put on top of it, this program when it is made",
    ),
];

/// One name of a tree.
struct Entry {
    path: String,
    kind: String,
    content: String,
}

/// Lines `- pattern` for what only the first root has, and `+ pattern` for what only the second has.
pub(crate) fn differences(one: &Path, other: &Path) -> Vec<String> {
    let (first, second) = (entries(one), entries(other));
    let (tokens, others) = (tokens(&first), tokens(&second));
    let common: HashSet<&str> = tokens.intersection(&others).map(String::as_str).collect();
    let mut counts = BTreeMap::<String, i64>::new();
    for (entries, root, step) in [(&first, one, -1), (&second, other, 1)] {
        for entry in entries {
            *counts.entry(pattern(entry, root, &common)).or_default() += step;
        }
    }
    counts.retain(|_, count| *count != 0);
    let line = |(pattern, count): (&String, &i64)| {
        format!("{} {} × {pattern}", if *count < 0 { '-' } else { '+' }, count.abs())
    };
    counts.iter().map(line).collect()
}

fn entries(root: &Path) -> Vec<Entry> {
    let mut found = Vec::new();
    walk(root, root, &mut found);
    assert!(found.len() > 200, "{} is nearly empty", root.display());
    found
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<Entry>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let known = |(part, _): &(&str, &str)| match part.strip_prefix('/') {
            Some(end) => name.ends_with(end),
            None => name == *part,
        };
        if KNOWN.iter().any(known) {
            continue;
        }
        let metadata = path.symlink_metadata().unwrap();
        let kind = metadata.file_type();
        let letter = match () {
            () if kind.is_dir() => "directory",
            () if kind.is_file() => "file",
            () if kind.is_symlink() => "link",
            () if kind.is_fifo() => "fifo",
            () => "device",
        };
        let mode = metadata.mode() & 0o7777;
        found.push(Entry {
            kind: format!("{letter} {mode:04o} {}:{}", metadata.uid(), metadata.gid()),
            content: content(&path, &name, &metadata),
            path: name,
        });
        if kind.is_dir() {
            walk(root, &path, found);
        }
    }
}

/// What a file holds, as far as it is the store's. Of what is in layers: size, links, times that came with the layer.
fn content(path: &Path, name: &str, metadata: &fs::Metadata) -> String {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        return fs::read_link(path).unwrap().to_string_lossy().into_owned();
    }
    if name.starts_with("overlay2") && name.contains("/diff/") || name.contains("/_data/") {
        let of_image = metadata.mtime() < 1_750_000_000;
        let time = if of_image {
            metadata.mtime_nsec() + metadata.mtime()
        } else {
            0
        };
        let size = if kind.is_file() { metadata.size() } else { 0 };
        // The kernel links whiteouts to each other as it likes.
        let links = if kind.is_file() { metadata.nlink() } else { 0 };
        return format!("{size} bytes, {links} links, device {:x}, time {time}", metadata.rdev());
    }
    if !kind.is_file() {
        return String::new();
    }
    let bytes = fs::read(path).unwrap();
    if path.extension().is_none_or(|extension| extension != "gz") {
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// Words of hexadecimal digits, as long as an id in its long or short form.
fn tokens(entries: &[Entry]) -> HashSet<String> {
    let texts = entries.iter().flat_map(|entry| [&entry.path, &entry.content]);
    let words = texts.flat_map(|text| words(text));
    words.filter(|word| is_id(word)).map(str::to_owned).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
}

fn is_id(word: &str) -> bool {
    matches!(word.len(), 12 | 64) && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn pattern(entry: &Entry, root: &Path, common: &HashSet<&str>) -> String {
    let path = mask(&entry.path, root, common);
    // The archive of a layer made here holds its times.
    let made_here = path.ends_with("tar-split.json.gz") && path.contains("<id>");
    let content = if made_here {
        "…".to_owned()
    } else {
        mask(&entry.content, root, common)
    };
    format!("{path} {} {content}", entry.kind)
}

/// The text with its accidents replaced.
fn mask(text: &str, root: &Path, common: &HashSet<&str>) -> String {
    let text = text.replace(&*root.to_string_lossy(), "<root>");
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = &rest[..end];
        if let Some(length) = time(rest) {
            masked.push_str("<time>");
            rest = &rest[length..];
            continue;
        }
        if is_id(word) && !common.contains(word) {
            masked.push_str("<id>");
        } else if word.len() == 26 && word.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')) {
            masked.push_str("<short name>");
        } else {
            masked.push_str(word);
        }
        rest = &rest[end..];
        let mut characters = rest.chars();
        masked.extend(characters.next());
        rest = characters.as_str();
    }
    // The program that made an image; ours does not call itself Docker.
    match (masked.find(r#""docker_version":""#), masked.find(r#","history":"#)) {
        (Some(start), Some(end)) if start < end => [&masked[..start], &masked[end + 1..]].concat(),
        _ => masked,
    }
}

/// Length of the time at the beginning of a text: `2026-11-29T08:30:14.788819902Z`.
fn time(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let begins = bytes.len() > 19 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[10] == b'T';
    if !begins || text.starts_with("0001-01-01") {
        return None;
    }
    let end = bytes.iter().take(31).position(|byte| *byte == b'Z')?;
    Some(end + 1)
}
