//! Trees that go through an archive and back, and archives that want out.

use super::*;
use crate::pack;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use tierce_tar::Writer;

struct Room {
    _directory: tempfile::TempDir,
    outside: PathBuf,
    inside: PathBuf,
}

/// A directory to unpack in, with a file beside it that must stay as it is.
fn room() -> Room {
    let directory = tempfile::tempdir().unwrap();
    let outside = directory.path().to_owned();
    let inside = outside.join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(outside.join("precious"), "untouched").unwrap();
    Room {
        _directory: directory,
        outside,
        inside,
    }
}

impl Room {
    fn is_untouched(&self) -> bool {
        fs::read(self.outside.join("precious")).unwrap() == b"untouched"
            && fs::read_dir(&self.outside).unwrap().count() == 2
    }
}

fn entry(name: &str, kind: EntryKind, link: &str) -> Entry {
    let mut entry = Entry::new(name.into(), kind);
    entry.link = link.into();
    entry.mode = 0o755;
    entry
}

fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for entry in entries {
        writer.begin(entry).unwrap();
        writer.write_content(&vec![b'x'; entry.size as usize]).unwrap();
    }
    writer.finish().unwrap()
}

fn file(name: &str) -> Entry {
    let mut file = entry(name, EntryKind::File, "");
    file.size = 3;
    file
}

#[test]
fn row_086_a_tree_comes_back_as_it_went() {
    let room = room();
    let tree = room.inside.join("tree");
    fs::create_dir_all(tree.join("empty")).unwrap();
    fs::create_dir(tree.join("locked")).unwrap();
    fs::write(tree.join("locked/file"), "content").unwrap();
    fs::hard_link(tree.join("locked/file"), tree.join("other-name")).unwrap();
    symlink("../../anywhere", tree.join("link")).unwrap();
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&tree.join("locked/file"), 0o640);
    mode(&tree.join("locked"), 0o555);
    let packed = pack(&tree, b"tree", Vec::new()).unwrap();
    let rename = Rename {
        old: b"tree".to_vec(),
        new: b"copy".to_vec(),
    };
    unpack(&*packed, &room.inside, Some(&rename)).unwrap();
    let copy = room.inside.join("copy");
    assert_eq!(fs::read(copy.join("locked/file")).unwrap(), b"content");
    assert_eq!(fs::read_link(copy.join("link")).unwrap(), Path::new("../../anywhere"));
    let metadata = |path: &str| fs::metadata(copy.join(path)).unwrap();
    assert_eq!(metadata("locked/file").ino(), metadata("other-name").ino());
    assert_eq!(metadata("locked/file").mode() & 0o7777, 0o640);
    assert_eq!(metadata("locked").mode() & 0o7777, 0o555);
    assert!(metadata("empty").is_dir());
    for name in ["locked", "locked/file", "empty"] {
        let (one, other) = (fs::metadata(tree.join(name)).unwrap(), metadata(name));
        assert_eq!(
            (one.mtime(), one.mtime_nsec()),
            (other.mtime(), other.mtime_nsec()),
            "{name}"
        );
    }
    // The content of a directory alone.
    let packed = pack(&tree, b".", Vec::new()).unwrap();
    let into = room.inside.join("into");
    fs::create_dir(&into).unwrap();
    unpack(&*packed, &into, None).unwrap();
    assert!(into.join("locked/file").is_file() && !into.join("tree").exists());
}

#[test]
fn what_was_there_is_replaced_and_not_written_through() {
    let room = room();
    symlink("../precious", room.inside.join("a")).unwrap();
    fs::hard_link(room.outside.join("precious"), room.inside.join("b")).unwrap();
    unpack(&*archive(&[file("a"), file("b")]), &room.inside, None).unwrap();
    assert!(room.is_untouched());
    assert_eq!(fs::read(room.inside.join("a")).unwrap(), b"xxx");
    assert_eq!(fs::read(room.inside.join("b")).unwrap(), b"xxx");
}

#[test]
fn hostile_entries_do_not_lead_out() {
    let link = |name, target| entry(name, EntryKind::Symlink, target);
    let hard = |name, target| entry(name, EntryKind::HardLink, target);
    let directory = |name| entry(name, EntryKind::Directory, "");
    for entries in [
        vec![file("../escaped")],
        vec![file("a/../../escaped")],
        vec![link("out", ".."), file("out/escaped")],
        vec![link("out", "/"), directory("out"), file("out/escaped")],
        vec![link("out", "."), link("out2", "out/.."), file("out2/escaped")],
        vec![hard("name", "../precious"), file("name")],
        vec![link("way", ".."), hard("name", "way/precious")],
        vec![hard("name", "not-in-the-archive")],
        vec![entry("odd", EntryKind::Unknown(b'7'), "")],
    ] {
        let room = room();
        assert!(unpack(&*archive(&entries), &room.inside, None).is_err(), "{entries:?}");
        assert!(room.is_untouched(), "{entries:?}");
    }
    // An absolute name starts at the destination.
    let room = room();
    unpack(&*archive(&[file("/precious")]), &room.inside, None).unwrap();
    assert!(room.is_untouched() && room.inside.join("precious").exists());
}

#[test]
fn directories_and_files_do_not_replace_each_other() {
    let room = room();
    fs::create_dir(room.inside.join("dir")).unwrap();
    fs::write(room.inside.join("file"), "").unwrap();
    let over = |entry: Entry| unpack(&*archive(&[entry]), &room.inside, None).unwrap_err().to_string();
    assert!(over(file("dir")).contains("cannot overwrite directory with non-directory"));
    assert!(over(entry("file", EntryKind::Directory, "")).contains("cannot overwrite non-directory with directory"));
}

#[test]
fn a_strangers_program_gets_no_privileges() {
    let room = room();
    let mine = u64::from(rustix::process::geteuid().as_raw());
    let mut theirs = file("theirs");
    (theirs.mode, theirs.uid, theirs.gid) = (0o6755, mine + 1, 1 << 20);
    theirs.xattrs = vec![(b"security.capability".to_vec(), vec![1, 0, 0, 2])];
    let mut own = file("own");
    (own.mode, own.uid) = (0o4755, mine);
    unpack(&*archive(&[theirs, own]), &room.inside, None).unwrap();
    let mode = |name: &str| fs::metadata(room.inside.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("theirs"), mode("own")), (0o755, 0o4755));
    let mut value = [0; 64];
    assert!(rustix::fs::lgetxattr(room.inside.join("theirs"), "security.capability", &mut value).is_err());
}

#[test]
fn a_truncated_archive_is_an_error() {
    let room = room();
    assert!(unpack(&archive(&[file("a")])[..514], &room.inside, None).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_made_outside_whatever_the_archive_says(
        entries in proptest::collection::vec(
            (0..4_usize, "(/|\\.\\./)?[ab](/([ab]|\\.\\.|\\.)){0,2}", "(/|\\.\\./)?([ab]|\\.\\.)(/[ab])?"),
            0..8,
        )
    ) {
        let room = room();
        let kinds = [EntryKind::File, EntryKind::Directory, EntryKind::Symlink, EntryKind::HardLink];
        let entries: Vec<Entry> = entries
            .iter()
            .map(|(kind, name, link)| match kinds[*kind] {
                EntryKind::File => file(name),
                kind => entry(name, kind, link),
            })
            .collect();
        // One after another, so that those after a refused one are tried too.
        for entry in &entries {
            let _ = unpack(&*archive(std::slice::from_ref(entry)), &room.inside, None);
        }
        let _ = unpack(&*archive(&entries), &room.inside, None);
        prop_assert!(room.is_untouched());
    }
}
