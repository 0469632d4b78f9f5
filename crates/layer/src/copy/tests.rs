//! Files taken out of a root and put into another.

use super::*;
use crate::tar::{Entry, EntryKind, Writer};
use crate::{Access, Bind, Error, MountedRoot};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use tierce_snapshot::{Layout, Union};

fn root(path: &Path) -> Beneath {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Beneath::new(rustix::fs::open(path, flags, Mode::empty()).unwrap())
}

/// An archive of files with content (`Some`) and directories.
fn archive(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, content) in entries {
        let kind = content.map_or(EntryKind::Directory, |_| EntryKind::File);
        let mut entry = Entry::new(name.as_bytes().to_vec(), kind);
        (entry.mode, entry.uid, entry.gid) = (0o750, 7, 8);
        entry.size = content.map_or(0, |text| text.len() as u64);
        writer.begin(&entry).unwrap();
        writer.write_content(content.unwrap_or_default().as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn links_are_resolved_inside_the_root_as_far_as_they_lead() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("a/b")).unwrap();
    for (name, target) in [
        ("abs", "/a"),
        ("up", "../../../a/b"),
        ("broken", "a/none/x"),
        ("loop", "loop"),
    ] {
        symlink(target, place.path().join(name)).unwrap();
    }
    let root = root(place.path());
    let to = |path: &str| resolve(&root, Path::new(path)).map(|path| path.display().to_string());
    assert_eq!(to("abs/b/../b").unwrap(), "/a/b");
    assert_eq!(to("/up").unwrap(), "/a/b");
    assert_eq!(to("broken").unwrap(), "/a/none/x");
    assert_eq!(to("/../..").unwrap(), "/");
    assert_eq!(to("loop"), Err(Errno::LOOP));
    let link = look(&root, Path::new("/abs")).unwrap();
    assert_eq!(link.link_target.as_deref(), Some(Path::new("/a")));
    assert!(
        look(&root, Path::new("/abs/")).unwrap().link_target.is_none(),
        "the directory itself"
    );
    assert_eq!(look(&root, Path::new("/none")).unwrap_err(), Errno::NOENT);
}

#[test]
fn what_is_packed_comes_out_under_its_new_name() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(from.path().join("etc/sub")).unwrap();
    fs::write(from.path().join("etc/sub/file"), "content").unwrap();
    fs::hard_link(from.path().join("etc/sub/file"), from.path().join("etc/z")).unwrap();
    symlink("/etc", from.path().join("link")).unwrap();
    let source = root(from.path());
    for (path, name, expected) in [
        ("/etc", "etc", "etc/sub/file"),
        ("/link/.", ".", "sub/file"),
        ("/", "", "etc/sub/file"),
        ("/etc/sub/file", "renamed", "renamed"),
    ] {
        let packed = pack_resource(&source, Path::new(path), name.as_bytes(), &[], Vec::new()).unwrap();
        let there = to.path().join(path.replace('/', "_"));
        fs::create_dir(&there).unwrap();
        unpack(&root(&there), Path::new("/"), &*packed, &Unpacking::default()).unwrap();
        assert_eq!(fs::read_to_string(there.join(expected)).unwrap(), "content", "{path}");
    }
    let linked = to.path().join("_etc/etc");
    let inode = |name: &str| linked.join(name).metadata().unwrap().ino();
    assert_eq!(inode("sub/file"), inode("z"));
    let link = pack_resource(&source, Path::new("/link"), b"link", &[], Vec::new()).unwrap();
    unpack(&root(to.path()), Path::new("/"), &*link, &Unpacking::default()).unwrap();
    assert_eq!(fs::read_link(to.path().join("link")).unwrap(), Path::new("/etc"));
}

#[test]
fn files_replace_files_and_directories_only_where_that_is_allowed() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("d/x/deep")).unwrap();
    fs::write(place.path().join("d/file"), "old").unwrap();
    fs::write(place.path().join("d/x/deep/f"), "old").unwrap();
    let root = root(place.path());
    let into = |bytes: &[u8], keep_kinds| {
        let how = Unpacking {
            keep_kinds,
            ..Unpacking::default()
        };
        unpack(&root, Path::new("/d"), bytes, &how)
    };
    into(
        &archive(&[("./", None), ("file", Some("new")), ("new/f", Some("1"))]),
        true,
    )
    .unwrap();
    assert_eq!(fs::read_to_string(place.path().join("d/file")).unwrap(), "new");
    assert_eq!(place.path().join("d/file").metadata().unwrap().mode() & 0o777, 0o750);
    let refused = into(&archive(&[("x", Some("file"))]), true).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot overwrite directory \"x\" with non-directory \"/d\""
    );
    let refused = into(&archive(&[("file", None)]), true).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot overwrite non-directory \"file\" with directory \"/d\""
    );
    into(
        &archive(&[("x", Some("file")), (".wh.file", Some("no whiteout"))]),
        false,
    )
    .unwrap();
    assert_eq!(fs::read_to_string(place.path().join("d/x")).unwrap(), "file");
    assert!(place.path().join("d/file").exists() && place.path().join("d/.wh.file").exists());
}

#[test]
fn owners_are_the_archives_or_the_ones_asked_for() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let root = root(place.path());
    let bytes = archive(&[("f", Some("x"))]);
    let owner = || {
        let metadata = place.path().join("f").metadata().unwrap();
        (metadata.uid(), metadata.gid())
    };
    unpack(&root, Path::new("/"), &*bytes, &Unpacking::default()).unwrap();
    assert_eq!(owner(), (7, 8));
    let how = Unpacking {
        owner: Some((1000, 1001)),
        ..Unpacking::default()
    };
    unpack(&root, Path::new("/"), &*bytes, &how).unwrap();
    assert_eq!(owner(), (1000, 1001));
}

#[test]
fn nothing_reaches_the_host_whatever_links_there_are() {
    let place = tempfile::tempdir().unwrap();
    let inside = place.path().join("root");
    fs::create_dir_all(inside.join("d")).unwrap();
    fs::write(place.path().join("precious"), "untouched").unwrap();
    for (name, target) in [("up", "../../.."), ("abs", "/"), ("precious", "../../precious")] {
        symlink(target, inside.join("d").join(name)).unwrap();
    }
    let root = root(&inside);
    let names = ["up/escaped", "abs/escaped", "../../../escaped", "/escaped", "precious"];
    for name in names {
        unpack(
            &root,
            Path::new("/d"),
            &*archive(&[(name, Some("x"))]),
            &Unpacking::default(),
        )
        .unwrap();
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    assert_eq!(fs::read_to_string(place.path().join("precious")).unwrap(), "untouched");
    assert!(inside.join("escaped").exists() && inside.join("d/escaped").exists());
    assert!(
        inside.join("d/precious").symlink_metadata().unwrap().is_file(),
        "replaced, not followed"
    );
    let packed = pack_resource(&root, Path::new("/d"), b"d", &[], Vec::new()).unwrap();
    assert!(!packed.windows(9).any(|bytes| bytes == b"untouched"));
}

#[test]
fn a_mounted_root_shows_binds_and_is_seen_by_nobody() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    for name in ["upper", "lower/data", "work", "volume", "fixed", "here"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    fs::write(path("lower/image"), "image").unwrap();
    fs::write(path("fixed/f"), "fixed").unwrap();
    let layout = Layout::Overlay {
        upper: path("upper"),
        lowers: vec![path("lower")],
        work: path("work"),
        merged: path("merged"),
        union: Union::Kernel,
    };
    let bind = |source: &str, destination: &str, read_only| Bind {
        source: path(source),
        destination: destination.into(),
        read_only,
        flat: false,
    };
    let binds = [bind("volume", "/data", false), bind("fixed", "/made/fixed", true)];
    let reading = match MountedRoot::open(&layout, Access::Read, &binds, &path("here")) {
        Ok(root) => root,
        Err(error) => {
            println!("skipped: no mounts here: {error}");
            return;
        }
    };
    assert_eq!(reading.missing(), [PathBuf::from("/made/fixed")]);
    drop(reading);
    let writing = MountedRoot::open(&layout, Access::Write(&[]), &binds, &path("here")).unwrap();
    let put = |directory: &str| {
        let bytes = archive(&[("new", Some("new"))]);
        unpack(
            writing.root().beneath(),
            Path::new(directory),
            &*bytes,
            &Unpacking::default(),
        )
    };
    put("/").unwrap();
    put("/data").unwrap();
    let Err(Error::Entry { source, .. }) = put("/made/fixed") else {
        panic!("a read-only mount was written to");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    let shows = |mounts: &[PathBuf]| {
        let packed = pack_resource(writing.root().beneath(), Path::new("/"), b"", mounts, Vec::new()).unwrap();
        packed.windows(13).any(|bytes| bytes == b"/made/fixed/f")
    };
    assert!(shows(&["/made/fixed".into()]) && !shows(&[]));
    assert!(path("upper/new").exists() && path("volume/new").exists() && !path("upper/data/new").exists());
    assert_eq!(fs::read_dir(path("here")).unwrap().count(), 0);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(place.path().to_str().unwrap()));
}
