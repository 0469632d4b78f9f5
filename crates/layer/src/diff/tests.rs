//! Changes packed and unpacked again.

use super::{pack_changes, pack_tree};
use crate::apply::tests::{Place, unpack};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use std::fs::{self, FileTimes, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tierce_snapshot::{Layout, Union, tree};

fn upper(root: &Path) -> Layout {
    Layout::Overlay {
        upper: root.into(),
        lowers: Vec::new(),
        work: root.into(),
        merged: root.into(),
        union: Union::Kernel,
    }
}

#[test]
fn row_018_066_everything_survives_packing_and_unpacking() {
    let from = Place::new().root();
    let place = Place::new();
    fs::create_dir_all(&from).unwrap();
    let (from, to) = (tempfile::tempdir().unwrap(), place.root());
    let root = from.path();
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/f"), "content").unwrap();
    fs::set_permissions(root.join("d/f"), Permissions::from_mode(0o4711)).unwrap();
    setxattr(root.join("d/f"), "user.key", b"value", XattrFlags::empty()).unwrap();
    fs::hard_link(root.join("d/f"), root.join("z")).unwrap();
    symlink("d/f", root.join("link")).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 987_654_321);
    fs::File::open(root.join("d/f"))
        .unwrap()
        .set_times(FileTimes::new().set_modified(time))
        .unwrap();
    rustix::fs::chown(root.join("d"), Some(rustix::fs::Uid::from_raw(5_000_000)), None).unwrap();
    mknodat(CWD, root.join("gone"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    fs::create_dir(root.join("opaque")).unwrap();
    setxattr(root.join("opaque"), "trusted.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let archive = pack_changes(&upper(root), None, false, Vec::new()).unwrap();
    let applied = unpack(&to, &archive);
    assert_eq!(applied.archive_size, archive.len() as u64);
    let look = |name: &str| to.join(name).symlink_metadata().unwrap();
    let file = look("d/f");
    assert_eq!(
        (file.mode() & 0o7777, file.nlink(), look("z").ino()),
        (0o4711, 2, file.ino())
    );
    assert_eq!((file.mtime(), file.mtime_nsec()), (1_234_567_890, 987_654_321));
    assert_eq!(look("d").uid(), 5_000_000);
    let mut value = [0; 16];
    assert_eq!(
        rustix::fs::getxattr(to.join("d/f"), "user.key", &mut value[..]).unwrap(),
        5
    );
    assert!(tree::is_whiteout(&look("gone")) && look("fifo").file_type().is_fifo());
    assert!(tree::is_opaque(&to.join("opaque"), c"trusted.overlay.opaque"));
    assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("d/f"));
    assert!(!to.join("socket").exists());
    let again = pack_changes(&upper(&to), None, false, Vec::new()).unwrap();
    assert!(archive == again, "packing is reproducible");
}

#[test]
fn row_037_a_whole_tree_has_no_whiteouts() {
    let from = tempfile::tempdir().unwrap();
    mknodat(
        CWD,
        from.path().join("null"),
        FileType::CharacterDevice,
        Mode::empty(),
        0,
    )
    .unwrap();
    fs::write(from.path().join("f"), "x").unwrap();
    let archive = pack_tree(from.path(), Vec::new()).unwrap();
    let place = Place::new();
    unpack(&place.root(), &archive);
    assert!(
        place
            .root()
            .join("null")
            .symlink_metadata()
            .unwrap()
            .file_type()
            .is_char_device()
    );
}
