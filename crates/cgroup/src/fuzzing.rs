//! Doors for the fuzz targets (`fuzz/`): the texts of the kernel and the messages of a bus. Not part of the library's
//! interface.

use crate::hierarchy::{Hierarchies, parse_membership};
use crate::path::GroupPath;
use crate::{dbus, stats};

/// Files below `/sys/fs/cgroup` and `/proc`, and the path of a group as a document names it.
pub fn texts(text: &str) {
    let _ = stats::ranges(text);
    let _ = stats::number(text);
    let _ = stats::parse_rdma(text);
    let _ = stats::flat_keyed(text).count();
    let _ = parse_membership(text);
    let _ = Hierarchies::parse(text).mode();
    if let Ok(path) = GroupPath::parse(text) {
        let place = path.within(std::path::Path::new("/sys/fs/cgroup"), None);
        assert!(place.starts_with("/sys/fs/cgroup") && !text.contains('\0'));
        assert!(place.components().all(|part| part != std::path::Component::ParentDir));
    }
}

/// A message of systemd, or of whoever sits on its bus.
pub fn dbus(bytes: &[u8]) {
    dbus::read(bytes);
}
