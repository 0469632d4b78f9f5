//! Archives of other projects' tests, and made ones, are judged as containerd judges them, and give the same trees.
//!
//! `corpus/README.md` says where they come from, how the verdicts were found, and where ours differ and why.

#![allow(clippy::unwrap_used)] // the whole file is a test

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tierce_layer::apply::{Target, apply};
use tierce_layer::archive::Archive;
use tierce_layer::{Limits, decompress, tar_split};

/// Longer content is not read again for its digest: it is holes.
const LONGEST_READ: u64 = 8 << 20;

/// What is known of an archive.
struct Expected {
    verdict: String,
    tree: String,
}

fn expected() -> BTreeMap<String, Expected> {
    let lines = include_str!("corpus/verdicts.tsv").lines();
    let rows = lines.filter(|line| !line.starts_with('#')).map(|line| {
        let [name, verdict, tree] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let (verdict, tree) = (verdict.to_owned(), tree.to_owned());
        (name.to_owned(), Expected { verdict, tree })
    });
    rows.collect()
}

/// All of a tree that a layer carries, one line an entry.
fn listing(root: &Path, now: i64) -> String {
    let mut lines = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for name in tierce_snapshot::tree::names(&directory).unwrap() {
            let path = directory.join(name);
            let metadata = path.symlink_metadata().unwrap();
            lines.push(line(root, &path, &metadata, now));
            if metadata.is_dir() {
                pending.push(path);
            }
        }
    }
    lines.sort();
    lines.concat()
}

fn line(root: &Path, path: &Path, metadata: &Metadata, now: i64) -> String {
    let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii();
    let mut line = format!("{name} {:o} {}:{}", metadata.mode(), metadata.uid(), metadata.gid());
    // Directories that no entry names have the time of unpacking.
    if metadata.mtime() < now {
        let _ = write!(line, " {}.{:09}", metadata.mtime(), metadata.mtime_nsec());
    }
    if !metadata.is_dir() {
        let _ = write!(line, " {} {:x}", metadata.nlink(), metadata.rdev());
    }
    if metadata.is_file() {
        let _ = write!(line, " {}", metadata.len());
        if metadata.len() <= LONGEST_READ {
            let _ = write!(line, " {}", tierce_oci::Digest::sha256_of(&fs::read(path).unwrap()));
        }
    }
    if metadata.is_symlink() {
        let link = fs::read_link(path).unwrap();
        let _ = write!(line, " -> {}", link.as_os_str().as_bytes().escape_ascii());
    }
    let mut list = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(path, &mut list).unwrap();
    let mut names: Vec<_> = list[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    for name in names {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
        let _ = write!(line, " {}={}", name.escape_ascii(), value[..length].escape_ascii());
    }
    line + "\n"
}

/// Unpacks an archive into a directory of `place`; the verdict, the digest of the tree, and why it was refused.
fn judge(place: &Path, archive: &[u8], now: i64) -> (&'static str, String, String) {
    let root = place.join("root");
    fs::create_dir_all(&root).unwrap();
    let target = Target {
        directory: &root,
        tar_split: &place.join("split"),
        aside: &place.join("aside"),
        user_xattr: false,
    };
    match apply(archive, &target, &Limits::default()) {
        Ok(_) => {
            let (mut plain, mut again) = (Vec::new(), Vec::new());
            decompress(archive).unwrap().1.read_to_end(&mut plain).unwrap();
            tar_split::assemble(target.tar_split, &root, &mut again).unwrap();
            assert!(plain == again, "it is not rebuilt bit for bit");
            let tree = tierce_oci::Digest::sha256_of(listing(&root, now).as_bytes());
            ("accepted", tree.hex()[..16].to_owned(), String::new())
        }
        Err(error) => ("refused", "-".to_owned(), error.to_string()),
    }
}

fn has_attributes(directory: &Path) -> bool {
    let set = |name: &str| rustix::fs::setxattr(directory, name, b"x", rustix::fs::XattrFlags::empty());
    set("user.test").is_ok() && set("trusted.test").is_ok()
}

#[test]
fn row_018_archives_of_many_projects_are_judged_as_containerd_judges_them() {
    // The place of the test must not show in the trees.
    let place = tempfile::tempdir().unwrap();
    if !rustix::process::geteuid().is_root() || !has_attributes(place.path()) {
        println!(
            "skipped: needs root, and extended attributes in {}",
            place.path().display()
        );
        return;
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o22));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .cast_signed();
    let mut expected = expected();
    let mut wrong = String::new();
    let mut bundle = Archive::open(&include_bytes!("corpus/cases.tar.zst")[..]).unwrap();
    let mut count = 0;
    while let Some(entry) = bundle.next_entry().unwrap() {
        let name = String::from_utf8(entry.name).unwrap();
        let mut archive = Vec::new();
        bundle.read_to_end(&mut archive).unwrap();
        count += 1;
        let (verdict, tree, error) = judge(&place.path().join(count.to_string()), &archive, now);
        let known = expected.remove(&name);
        if known.is_none_or(|known| known.verdict != verdict || known.tree != tree) {
            let _ = writeln!(wrong, "{name}\t{verdict}\t{tree}\t{error}");
        }
    }
    // Nothing was made beside the places of the archives.
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), count);
    let place = place.keep();
    tierce_snapshot::tree::remove(&place).unwrap();
    assert!(
        wrong.is_empty() && expected.is_empty(),
        "differs from corpus/verdicts.tsv:\n{wrong}"
    );
}
