//! Honest and hostile layers on a real file system.

use super::{Applied, Target, apply};
use crate::tar::{Entry, EntryKind, Writer};
use crate::{Error, Limits, tar_split};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A layer's root with something precious beside it.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::in_directory(tempfile::tempdir().unwrap())
    }

    /// A place in memory, for tests that make thousands: ext4 looks for inodes the longer the more of them were freed in
    /// the last seconds, which is most of the time there.
    fn in_memory() -> Self {
        Self::in_directory(
            tempfile::tempdir_in("/dev/shm")
                .or_else(|_| tempfile::tempdir())
                .unwrap(),
        )
    }

    fn in_directory(dir: tempfile::TempDir) -> Self {
        fs::create_dir_all(dir.path().join("deep/er/root")).unwrap();
        fs::write(dir.path().join("precious"), "untouched").unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        Self { dir }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("deep/er/root")
    }

    fn split(&self) -> PathBuf {
        self.dir.path().join("deep/tar-split.json.gz")
    }

    pub(crate) fn apply(&self, archive: &[u8], limits: &Limits) -> Result<Applied, Error> {
        let target = Target {
            directory: &self.root(),
            tar_split: &self.split(),
            aside: &self.dir.path().join("deep/aside"),
            user_xattr: false,
        };
        apply(archive, &target, limits)
    }

    fn assemble(&self) -> Result<Vec<u8>, Error> {
        let mut archive = Vec::new();
        tar_split::assemble(&self.split(), &self.root(), &mut archive)?;
        Ok(archive)
    }

    /// Nothing but the root (and our own files beside it) has changed.
    fn assert_contained(&self) {
        assert_eq!(
            fs::read_to_string(self.dir.path().join("precious")).unwrap(),
            "untouched"
        );
        assert_eq!(self.dir.path().join("precious").metadata().unwrap().nlink(), 1);
        assert!(fs::read_dir(self.dir.path().join("outside")).unwrap().next().is_none());
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["deep", "outside", "precious"]);
        assert_eq!(fs::read_dir(self.dir.path().join("deep/er")).unwrap().count(), 1);
    }
}

/// Builds archives in one expression.
#[derive(Default)]
pub(crate) struct Archive(Vec<(Entry, Vec<u8>)>);

impl Archive {
    fn add(mut self, name: &str, kind: EntryKind, change: impl FnOnce(&mut Entry)) -> Self {
        let mut entry = Entry::new(name.into(), kind);
        entry.mode = 0o755;
        change(&mut entry);
        self.0.push((entry, Vec::new()));
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        let mut archive = self.add(name, EntryKind::File, |entry| {
            entry.size = content.len() as u64;
            entry.mode = 0o644;
        });
        archive.0.last_mut().unwrap().1 = content.into();
        archive
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.add(name, EntryKind::Directory, |_| {})
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.add(name, EntryKind::Symlink, |entry| entry.link = target.into())
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.add(name, EntryKind::HardLink, |entry| entry.link = target.into())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (entry, content) in &self.0 {
            writer.begin(entry).unwrap();
            writer.write_content(content).unwrap();
        }
        writer.finish().unwrap()
    }
}

/// An archive with its first header changed, and the checksum right again.
fn patched(archive: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut archive = archive.to_vec();
    change(&mut archive[..512]);
    archive[148..156].fill(b' ');
    let sum: u32 = archive[..512].iter().map(|&byte| u32::from(byte)).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive
}

/// Builds an archive, given the path of a directory outside.
type Build = fn(&str) -> Archive;

fn archive() -> Archive {
    Archive::default()
}

#[test]
fn row_014_a_layer_with_everything_is_unpacked_and_rebuilt_bit_for_bit() {
    let place = Place::new();
    let archive = archive()
        .dir("./")
        .add("etc/", EntryKind::Directory, |entry| {
            entry.mode = 0o2750;
            (entry.uid, entry.gid) = (12, 34);
            entry.mtime = (1_000_000_000, 123_456_789);
        })
        .file("etc/passwd", "root")
        .add("bin/su", EntryKind::File, |entry| {
            entry.mode = 0o4755;
            (entry.uid, entry.gid) = (1000, 1001);
            entry.mtime = (-5, 7);
            entry.xattrs.push((b"user.note".to_vec(), b"\0\xff".to_vec()));
            let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            entry
                .xattrs
                .push((b"security.capability".to_vec(), capability.to_vec()));
        })
        .add("bin/sudo", EntryKind::HardLink, |entry| {
            entry.link = b"bin/su".to_vec();
            entry.mode = 0o4755;
            (entry.uid, entry.gid) = (1000, 1001);
            entry.mtime = (-5, 7);
        })
        .symlink("bin/sh", "../../../../../../bin/busybox")
        .symlink("lib", "/usr/lib")
        .add("dev/null", EntryKind::CharDevice, |entry| {
            entry.device = (1, 3);
            entry.mode = 0o666;
        })
        .add("dev/loop0", EntryKind::BlockDevice, |entry| entry.device = (7, 0))
        .add("run/pipe", EntryKind::Fifo, |entry| entry.mode = 0o622)
        .file(&format!("{}/name", "long".repeat(40)), "x")
        .file("empty", "");
    let mut bytes = archive.bytes();
    bytes.extend([0; 700]);
    let applied = place.apply(&bytes, &Limits::default()).unwrap();
    let root = place.root();
    let look = |name: &str| root.join(name).symlink_metadata().unwrap();
    let etc = look("etc");
    assert_eq!((etc.mode() & 0o7777, etc.uid(), etc.gid()), (0o2750, 12, 34));
    assert_eq!((etc.mtime(), etc.mtime_nsec()), (1_000_000_000, 123_456_789));
    let su = look("bin/su");
    assert_eq!(
        (su.mode() & 0o7777, su.uid(), su.gid(), su.nlink()),
        (0o4755, 1000, 1001, 2)
    );
    assert_eq!((su.mtime(), su.mtime_nsec()), (-5, 7));
    let mut value = [0; 64];
    assert_eq!(
        rustix::fs::getxattr(root.join("bin/su"), "user.note", &mut value[..]).unwrap(),
        2
    );
    assert_eq!(
        rustix::fs::getxattr(root.join("bin/su"), "security.capability", &mut value[..]).unwrap(),
        20
    );
    assert_eq!(fs::read_link(root.join("lib")).unwrap().to_str(), Some("/usr/lib"));
    assert_eq!(
        (look("dev/null").rdev(), look("dev/null").mode() & 0o777),
        (rustix::fs::makedev(1, 3), 0o666)
    );
    assert!(look("dev/loop0").file_type().is_block_device() && look("run/pipe").file_type().is_fifo());
    assert_eq!(
        look("etc/passwd").gid(),
        0,
        "the directory's set-group-id bit comes last"
    );
    assert_eq!(applied.diff_id.0, tierce_oci::Digest::sha256_of(&bytes));
    assert_eq!(applied.size, 4 + 1 + 29 + 8);
    assert_eq!(place.assemble().unwrap(), bytes);
}

#[test]
fn row_010_gzip_and_zstd_give_the_same_diff_id() {
    let plain = archive().file("f", &"text ".repeat(100_000)).bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let mut ids = Vec::new();
    for stream in [&plain, &gzip, &zstd] {
        let place = Place::new();
        ids.push(place.apply(stream, &Limits::default()).unwrap().diff_id);
        assert_eq!(place.assemble().unwrap(), plain);
    }
    assert!(ids.iter().all(|id| id.0 == tierce_oci::Digest::sha256_of(&plain)));
    for cut in [gzip.len() / 2, gzip.len() - 3] {
        let error = Place::new().apply(&gzip[..cut], &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::Decompress { format: "gzip", .. }), "{error}");
    }
    let error = Place::new()
        .apply(&zstd[..zstd.len() - 3], &Limits::default())
        .unwrap_err();
    assert!(matches!(error, Error::Decompress { format: "zstd", .. }), "{error}");
    let error = Place::new()
        .apply(b"\xFD7zXZ\0garbage", &Limits::default())
        .unwrap_err();
    assert!(error.to_string().contains("xz"), "{error}");
}

#[test]
fn row_051_whiteout_is_char_device_0_0() {
    let place = Place::new();
    let bytes = archive()
        .file("bin/.wh.echo", "")
        .file(".wh.top", "content nobody needs")
        .bytes();
    place.apply(&bytes, &Limits::default()).unwrap();
    for name in ["bin/echo", "top"] {
        let metadata = place.root().join(name).symlink_metadata().unwrap();
        assert!(metadata.file_type().is_char_device() && metadata.rdev() == 0, "{name}");
    }
    assert_eq!(place.assemble().unwrap(), bytes);
}

#[test]
fn row_052_opaque_directories_and_whiteouts_of_the_layers_own_entries() {
    let place = Place::new();
    let bytes = archive()
        .dir("a/")
        .file("a/.wh..wh..opq", "")
        .file("a/new", "1")
        .file("own", "stays")
        .file(".wh.own", "")
        .dir("dir/")
        .file("dir/f", "stays")
        .file(".wh.dir", "")
        .file(".wh.later", "")
        .file("later", "stays")
        .file(".wh.later-dir", "")
        .file("later-dir/f", "stays")
        .bytes();
    place.apply(&bytes, &Limits::default()).unwrap();
    let root = place.root();
    let opaque = |name: &str| tierce_snapshot::tree::is_opaque(&root.join(name), c"trusted.overlay.opaque");
    assert!(opaque("a") && opaque("dir") && opaque("later-dir"));
    for name in ["own", "dir/f", "later", "later-dir/f"] {
        assert_eq!(fs::read_to_string(root.join(name)).unwrap(), "stays", "{name}");
    }
    assert!(!root.join("a/.wh..wh..opq").exists());
    assert_eq!(place.assemble().unwrap(), bytes);
}

#[test]
fn row_053_aufs_records_are_not_unpacked_but_rebuilt() {
    let place = Place::new();
    let bytes = archive()
        .dir(".wh..wh.plnk/")
        .file(".wh..wh.plnk/1.2", "x")
        .file(".wh..wh.aufs", "y")
        .hard_link("f", "/.wh..wh.plnk/1.2")
        .bytes();
    let applied = place.apply(&bytes, &Limits::default()).unwrap();
    let names: Vec<_> = fs::read_dir(place.root()).unwrap().collect();
    assert_eq!((names.len(), applied.size), (1, 1));
    assert_eq!(fs::read_to_string(place.root().join("f")).unwrap(), "x");
    assert_eq!(place.assemble().unwrap(), bytes);
}

#[test]
fn sparse_files_keep_their_holes_and_their_archive() {
    let records = "22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n27 GNU.sparse.size=2097152\n26 GNU.sparse.numblocks=2\n\
                   39 GNU.sparse.map=4096,512,1048576,512\n";
    let bytes = archive().file("x", records).file("f", &"z".repeat(1024)).bytes();
    let old = patched(&bytes[1024..], |header| {
        header[156] = b'S';
        header[257..265].copy_from_slice(b"ustar  \0");
        for (index, number) in [4096_u64, 512, 1 << 20, 512].iter().enumerate() {
            header[386 + 12 * index..398 + 12 * index].copy_from_slice(format!("{number:011o}\0").as_bytes());
        }
        header[483..495].copy_from_slice(format!("{:011o}\0", 2 << 20).as_bytes());
    });
    let error = Place::new().apply(&old, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("--format=pax"), "{error}");
    let bytes = patched(&bytes, |header| header[156] = b'x');
    let place = Place::new();
    let applied = place.apply(&bytes, &Limits::default()).unwrap();
    let content = fs::read(place.root().join("f")).unwrap();
    assert_eq!((content.len(), applied.size), (2 << 20, 2 << 20));
    assert!(content[4096..4608].iter().all(|&byte| byte == b'z') && content[..4096].iter().all(|&byte| byte == 0));
    assert!(
        place.root().join("f").metadata().unwrap().blocks() * 512 < 1 << 20,
        "the holes are holes"
    );
    assert_eq!(place.assemble().unwrap(), bytes);
    let tight = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    assert!(matches!(Place::new().apply(&bytes, &tight), Err(Error::Limit { .. })));
}

#[test]
fn repeated_names_keep_the_last_and_the_archive_is_still_rebuilt() {
    let place = Place::new();
    let bytes = archive()
        .file("f", "first")
        .hard_link("g", "f")
        .file("f", "second")
        .file("./f", "third!")
        .dir("d/")
        .dir("d/")
        .file("d/x", "in the tree")
        .file("d", "was a directory")
        .file("s", "was a file")
        .symlink("s", "elsewhere")
        .file("e", "was not empty")
        .file("e", "")
        .bytes();
    let applied = place.apply(&bytes, &Limits::default()).unwrap();
    let read = |name: &str| fs::read_to_string(place.root().join(name)).unwrap();
    assert_eq!(
        (&*read("f"), &*read("g"), &*read("d"), &*read("e")),
        ("third!", "first", "was a directory", "")
    );
    assert_eq!(applied.size, 6 + 5 + 15 + 9);
    assert_eq!(place.assemble().unwrap(), bytes);
}

#[test]
fn links_inside_the_layer_are_followed_inside_the_layer() {
    let place = Place::new();
    let bytes = archive()
        .symlink("lib", "/usr/lib")
        .file("lib/so", "through an absolute link")
        .symlink("up", "../../../../usr")
        .file("up/bin/x", "through too many ..")
        .symlink("gone", "no/where")
        .file("gone/f", "through a link to nothing")
        .bytes();
    place.apply(&bytes, &Limits::default()).unwrap();
    for name in ["usr/lib/so", "usr/bin/x", "no/where/f"] {
        assert!(place.root().join(name).is_file(), "{name}");
    }
    place.assert_contained();
    assert_eq!(place.assemble().unwrap(), bytes);
}

#[test]
fn hostile_layers_are_refused_with_a_reason_and_reach_nothing() {
    let outside = |place: &Place| place.dir.path().join("outside").to_str().unwrap().to_owned();
    let cases: [(&str, Build, &str); 13] = [
        (
            "hard link up",
            |_| archive().hard_link("l", "../../../precious"),
            "not in the layer",
        ),
        (
            "hard link to nothing",
            |_| archive().hard_link("l", "/etc/passwd"),
            "not in the layer",
        ),
        (
            "hard link by symlink",
            |out| archive().symlink("s", out).hard_link("l", "s/../precious"),
            "not in the layer",
        ),
        (
            "hard link to root",
            |_| archive().hard_link("l", "."),
            "the layer's root",
        ),
        (
            "hard link to a directory",
            |_| archive().dir("d").hard_link("l", "d"),
            "directory",
        ),
        ("whiteout of dot dot", |_| archive().file("a/.wh...", ""), "no name"),
        ("whiteout of dot", |_| archive().file("a/.wh..", ""), "no name"),
        ("whiteout of nothing", |_| archive().file(".wh.", ""), "no name"),
        (
            "hard link to itself",
            |_| archive().file("f", "x").hard_link("./f", "a/../f"),
            "to itself",
        ),
        (
            "file as directory",
            |_| archive().file("f", "x").file("f/g", "y"),
            "no directory",
        ),
        (
            "link loop",
            |_| archive().symlink("a", "b").symlink("b", "a").file("a/f", "x"),
            "Too many levels",
        ),
        (
            "device",
            |_| archive().add("d", EntryKind::CharDevice, |entry| entry.device = (1 << 13, 0)),
            "no device",
        ),
        (
            "kind",
            |_| archive().add("d", EntryKind::Unknown(b'Z'), |_| {}),
            "unknown kind",
        ),
    ];
    for (name, build, expected) in cases {
        let place = Place::new();
        let error = place
            .apply(&build(&outside(&place)).bytes(), &Limits::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{name}: {error}");
        place.assert_contained();
    }
}

#[test]
fn hostile_layers_that_make_sense_inside_stay_inside() {
    let cases: [(&str, Build); 10] = [
        ("dot dot", |_| archive().file("../precious", "x")),
        ("dot dot inside", |_| archive().file("a/../../../precious", "x")),
        ("directory above", |_| archive().dir("../../outside/").dir("..")),
        ("in a whiteout", |_| archive().file(".wh.a/b", "x")),
        ("absolute", |out| archive().file(&format!("{out}/f"), "x")),
        ("parent is a link outside", |out| {
            archive().symlink("a", out).file("a/f", "x")
        }),
        ("directory over a link", |out| {
            archive().symlink("a", out).dir("a/").file("a/f", "x")
        }),
        ("file over a link", |out| {
            archive().symlink("a", &format!("{out}/f")).file("a", "x")
        }),
        ("whiteout through a link", |out| {
            archive().symlink("a", &format!("{out}/..")).file("a/.wh.precious", "")
        }),
        ("opaque through a link", |out| {
            archive().symlink("a", out).file("a/.wh..wh..opq", "")
        }),
    ];
    for (name, build) in cases {
        let place = Place::new();
        let out = place.dir.path().join("outside").to_str().unwrap().to_owned();
        let bytes = build(&out).bytes();
        place
            .apply(&bytes, &Limits::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        place.assert_contained();
        let mut value = [0; 8];
        let opaque = rustix::fs::getxattr(&*out, "trusted.overlay.opaque", &mut value[..]);
        assert!(opaque.is_err(), "{name}");
        assert_eq!(place.assemble().unwrap(), bytes, "{name}");
    }
}

#[test]
fn a_directory_that_replaces_a_link_is_where_later_entries_go() {
    let place = Place::new();
    let bytes = archive()
        .symlink("d", "elsewhere")
        .file("d/x", "behind the link")
        .dir("d/")
        .file("d/y", "in the directory")
        .bytes();
    place.apply(&bytes, &Limits::default()).unwrap();
    assert!(place.root().join("elsewhere/x").is_file() && place.root().join("d/y").is_file());
    assert!(!place.root().join("elsewhere/y").exists());
    assert_eq!(place.assemble().unwrap(), bytes);
}

/// The way to the parent makes what the entry replaces.
#[test]
fn an_entry_in_place_of_a_directory_on_the_way_to_it_comes_to_an_end() {
    for build in [
        |archive: Archive| archive.file("c/d", "x"),
        |archive: Archive| archive.symlink("c/d", "x"),
        |archive: Archive| archive.add("c/d", EntryKind::Fifo, |_| {}),
    ] {
        let place = Place::new();
        let bytes = build(archive().symlink("c", "d/..")).bytes();
        place.apply(&bytes, &Limits::default()).unwrap();
        assert!(!place.root().join("d").is_dir());
        assert_eq!(place.assemble().unwrap(), bytes);
    }
}

#[test]
fn owners_are_numbers_as_the_kernel_takes_them() {
    let place = Place::new();
    let owner = |uid: u64| move |entry: &mut Entry| (entry.uid, entry.gid) = (uid, uid);
    let bytes = archive()
        .add("nobody", EntryKind::File, owner(u64::from(u32::MAX - 1)))
        .add("beyond", EntryKind::File, owner((1 << 33) + 5))
        .add("unchanged", EntryKind::File, owner(u64::from(u32::MAX)))
        .bytes();
    place.apply(&bytes, &Limits::default()).unwrap();
    let uid = |name: &str| place.root().join(name).metadata().unwrap().uid();
    assert_eq!(
        (uid("nobody"), uid("beyond"), uid("unchanged")),
        (u32::MAX - 1, 5, rustix::process::geteuid().as_raw())
    );
}

/// As Docker and containerd do it; a capability is not lost on the way.
#[test]
fn row_018_a_hard_links_own_attributes_count() {
    let place = Place::new();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let bytes = archive()
        .add("f", EntryKind::File, |entry| {
            entry.uid = 7;
            entry.xattrs = vec![(b"security.capability".to_vec(), capability.to_vec())];
        })
        .add("same", EntryKind::HardLink, |entry| {
            entry.link = b"f".to_vec();
            entry.uid = 7;
        })
        .file("g", "x")
        .add("other", EntryKind::HardLink, |entry| {
            entry.link = b"/g".to_vec();
            (entry.uid, entry.mode, entry.mtime) = (8, 0o4711, (9, 1));
        })
        .symlink("s", "g")
        .hard_link("t", "s")
        .bytes();
    place.apply(&bytes, &Limits::default()).unwrap();
    let look = |name: &str| place.root().join(name).symlink_metadata().unwrap();
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(place.root().join("f"), "security.capability", &mut value[..]);
    assert_eq!(length, Ok(20), "kept");
    let g = look("g");
    assert_eq!(
        (g.uid(), g.mode() & 0o7777, g.mtime(), g.mtime_nsec()),
        (8, 0o4711, 9, 1)
    );
    assert!(look("t").is_symlink() && look("t").ino() == look("s").ino());
    assert_eq!(place.assemble().unwrap(), bytes);
}

#[test]
fn bombs_and_lies_about_sizes_meet_limits() {
    let limits = Limits {
        bytes: 1 << 20,
        entries: 10,
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..100 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = gzip.finish().unwrap();
    let error = Place::new().apply(&bomb, &limits).unwrap_err();
    assert!(matches!(error, Error::Limit { limit: 1_048_576, .. }), "{error}");
    let lie = archive().add("f", EntryKind::File, |_| {}).bytes();
    let lie = patched(&lie, |header| {
        header[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0]);
    });
    let error = Place::new().apply(&lie, &Limits::default()).unwrap_err();
    assert!(
        error.to_string().contains("says that it has 1125899906842624 bytes"),
        "{error}"
    );
    let many = (0..11)
        .fold(archive(), |archive, n| archive.file(&format!("f{n}"), ""))
        .bytes();
    assert!(matches!(
        Place::new().apply(&many, &limits),
        Err(Error::Limit { unit: "entries", .. })
    ));
}

#[test]
fn a_depth_of_1500_is_unpacked_and_a_name_beyond_the_kernels_limit_is_refused() {
    let place = Place::new();
    let deep = "d/".repeat(1500) + "f";
    place
        .apply(&archive().file(&deep, "x").bytes(), &Limits::default())
        .unwrap();
    let long = "d/".repeat(2100) + "f";
    let error = Place::new()
        .apply(&archive().file(&long, "x").bytes(), &Limits::default())
        .unwrap_err();
    assert!(error.to_string().contains("longer than 4095 bytes"), "{error}");
    let component = "n".repeat(300);
    let error = Place::new()
        .apply(&archive().file(&component, "x").bytes(), &Limits::default())
        .unwrap_err();
    assert!(error.to_string().contains("File name too long"), "{error}");
}

#[test]
fn attributes_that_steer_overlay_are_dropped() {
    let place = Place::new();
    let bytes = archive()
        .add("d/", EntryKind::Directory, |entry| {
            for name in ["trusted.overlay.redirect", "trusted.overlay.opaque", "user.kept"] {
                entry.xattrs.push((name.into(), b"y".to_vec()));
            }
        })
        .bytes();
    place.apply(&bytes, &Limits::default()).unwrap();
    let mut list = vec![0; 1000];
    let length = rustix::fs::listxattr(place.root().join("d"), &mut list).unwrap();
    assert_eq!(&list[..length], b"user.kept\0");
}

#[test]
fn a_stream_that_fails_is_told_from_a_bad_layer() {
    struct Failing(usize);
    impl std::io::Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            if self.0 > 3 {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::ConnectionReset,
                    "the registry hung up",
                ));
            }
            let header = archive().file("f", &"x".repeat(4000)).bytes();
            let count = buffer.len().min(512);
            buffer[..count].copy_from_slice(&header[..count]);
            Ok(count)
        }
    }
    let place = Place::new();
    let target = Target {
        directory: &place.root(),
        tar_split: &place.split(),
        aside: &place.dir.path().join("aside"),
        user_xattr: false,
    };
    let error = apply(Failing(0), &target, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the layer: the registry hung up");
    assert_eq!(tierce_fault::Fault::kind(&error), tierce_fault::Kind::Unavailable);
}

/// Parts of names that lead anywhere.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("c".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just(String::new()),
        Just(".wh.a".to_owned()),
        Just(".wh..wh..opq".to_owned()),
        Just("outside".to_owned()),
        Just("precious".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(300), ..ProptestConfig::default() })]

    #[test]
    fn no_archive_escapes_and_every_accepted_one_is_rebuilt(
        entries in proptest::collection::vec(
            (0_u8..7, proptest::collection::vec(part(), 1..5), proptest::collection::vec(part(), 1..6), 0_usize..900),
            1..14,
        ),
    ) {
        let place = Place::in_memory();
        let mut built = archive();
        for (kind, name, link, size) in entries {
            let (name, link) = (name.join("/"), link.join("/"));
            built = match kind {
                0 | 1 => built.file(&name, &"x".repeat(size)),
                2 => built.dir(&name),
                3 => built.symlink(&name, &link),
                4 => built.symlink(&name, &format!("{}/{link}", place.dir.path().display())),
                5 => built.hard_link(&name, &link),
                _ => built.add(&name, EntryKind::Fifo, |_| {}),
            };
        }
        let bytes = built.bytes();
        let result = place.apply(&bytes, &Limits::default());
        place.assert_contained();
        if let Ok(applied) = result {
            prop_assert_eq!(applied.diff_id.0, tierce_oci::Digest::sha256_of(&bytes));
            prop_assert_eq!(applied.size, tierce_snapshot::tree::size(&place.root()).unwrap());
            prop_assert_eq!(place.assemble().unwrap(), bytes);
        }
    }
}

/// What the tests of other modules need.
pub(crate) fn unpack(directory: &Path, bytes: &[u8]) -> Applied {
    let beside = tempfile::tempdir_in(directory.parent().unwrap()).unwrap();
    let target = Target {
        directory,
        tar_split: &beside.path().join("split"),
        aside: &beside.path().join("aside"),
        user_xattr: false,
    };
    apply(bytes, &target, &Limits::default()).unwrap()
}
