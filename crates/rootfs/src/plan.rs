//! Mounts as values: what the document asks for, checked and sorted, before any of it is done.

use super::beneath::clean;
use super::options::{self, AttributeChange, Flags};
use crate::error::Error;
use std::path::{Path, PathBuf};
use tierce_oci::runtime::{IdMapping, Linux, Mount, Spec};
use tierce_sys::mount_attributes::{Attributes, Propagation};

/// Mappings of users and of groups.
pub type Mappings<'a> = (&'a [IdMapping], &'a [IdMapping]);

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A path of the host.
    Bind {
        /// Absolute path.
        source: PathBuf,
        /// With the mounts below it.
        recursive: bool,
    },
    /// A new instance of a file system.
    New {
        /// Its type.
        kind: String,
        /// What is shown as its source; a device for those that have one.
        source: String,
    },
    /// The container's own view of the control groups.
    ControlGroups,
}

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPlan {
    /// Where: absolute, clean, inside the container.
    pub destination: PathBuf,
    /// What.
    pub what: What,
    /// What the plain options say of the mount itself.
    pub flags: Flags,
    /// Attributes of the mount and all below it.
    pub recursive: AttributeChange,
    /// Propagation changes, in order, and whether they are recursive.
    pub propagation: Vec<(Propagation, bool)>,
    /// The file system's own options: name, value.
    pub data: Vec<(String, Option<String>)>,
    /// Options that every file system knows: `sync`, `lazytime`, ….
    pub switches: Vec<String>,
    /// Whether an existing mount is changed instead of a new one made.
    pub remount: bool,
    /// Whether a new tmpfs first gets a copy of what it hides.
    pub copy_up: bool,
    /// Whether ids are translated, and if so recursively.
    pub idmap: Option<bool>,
    /// The translation of users; empty: the container's.
    pub uid_mappings: Vec<IdMapping>,
    /// The translation of groups.
    pub gid_mappings: Vec<IdMapping>,
}

impl MountPlan {
    /// Sorts one mount of a document. Relative sources start at the bundle.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty destination, the root itself, or a bind mount without source.
    pub fn of(mount: &Mount, bundle: &Path, label: &str) -> Result<Self, Error> {
        if mount.destination.as_os_str().is_empty() {
            return Err(Error::Invalid("mount destination is empty".into()));
        }
        let destination = clean(&mount.destination);
        if destination == Path::new("/") {
            return Err(Error::Invalid(format!(
                "mount destination {} is the root directory itself: change root.path instead",
                mount.destination.display()
            )));
        }
        let kind = mount.kind.as_deref().unwrap_or_default();
        let source = mount.source.as_deref().unwrap_or(Path::new(""));
        let mut plan = Self {
            destination,
            what: match kind {
                "cgroup" | "cgroup2" => What::ControlGroups,
                "bind" | "rbind" | "none" | "" => What::Bind {
                    source: source.to_owned(),
                    recursive: kind == "rbind",
                },
                _ => What::New {
                    kind: kind.to_owned(),
                    source: source.to_string_lossy().into_owned(),
                },
            },
            flags: Flags::default(),
            recursive: AttributeChange::default(),
            propagation: Vec::new(),
            data: Vec::new(),
            switches: Vec::new(),
            remount: false,
            copy_up: false,
            idmap: None,
            uid_mappings: mount.uid_mappings.clone(),
            gid_mappings: mount.gid_mappings.clone(),
        };
        for option in &mount.options {
            options::sort(&mut plan, option);
        }
        plan.finish(source, bundle, label)
    }

    /// Turns the plan into a bind mount, whatever the type said (as mount(8) and runc do).
    pub(crate) fn make_bind(&mut self, recursive: bool) {
        let (before, source) = match &self.what {
            What::Bind { source, recursive } => (*recursive, source.clone()),
            What::New { source, .. } => (false, PathBuf::from(source)),
            What::ControlGroups => (false, PathBuf::new()),
        };
        self.what = What::Bind {
            source,
            recursive: before || recursive,
        };
    }

    fn finish(mut self, source: &Path, bundle: &Path, label: &str) -> Result<Self, Error> {
        if !self.uid_mappings.is_empty() || !self.gid_mappings.is_empty() {
            self.idmap.get_or_insert(false);
        }
        match &mut self.what {
            What::Bind { source: from, .. } => {
                if source.as_os_str().is_empty() {
                    return Err(Error::Invalid(format!(
                        "bind mount at {} has no source",
                        self.destination.display()
                    )));
                }
                *from = bundle.join(source);
                // They are for whoever mounts a file system, and this one is mounted: the kernel would ignore them.
                self.data.clear();
            }
            What::New { kind, .. } => {
                if self.idmap.is_some() {
                    return Err(self.invalid("id-mapped mounts are only supported for bind-mounts"));
                }
                if !label.is_empty() && !matches!(kind.as_str(), "proc" | "sysfs" | "mqueue") {
                    self.data.push(("context".into(), Some(label.to_owned())));
                }
            }
            What::ControlGroups => {}
        }
        Ok(self)
    }

    fn invalid(&self, reason: &str) -> Error {
        Error::Invalid(format!("invalid mount {}: {reason}", self.destination.display()))
    }

    /// Whether it becomes read-only after everything else was made: files are still put into `/dev`, and mount targets
    /// into any tmpfs.
    pub fn is_read_only_later(&self) -> bool {
        let filled = match &self.what {
            What::New { kind, .. } => kind == "tmpfs" || self.destination == Path::new("/dev"),
            What::Bind { .. } | What::ControlGroups => false,
        };
        filled && !self.remount && self.flags.has(Attributes::READ_ONLY)
    }

    /// The mappings of its ids: its own, or else the container's. `None` where it keeps its ids, or takes a joined user
    /// namespace's.
    ///
    /// # Errors
    /// [`Error::Invalid`] where ids are to be mapped and nothing says how.
    pub fn mappings<'a>(&'a self, linux: &'a Linux, joined: bool) -> Result<Option<Mappings<'a>>, Error> {
        let (uids, gids) = (&self.uid_mappings, &self.gid_mappings);
        if self.idmap.is_none() {
            return Ok(None);
        }
        let (uids, gids) = match (uids.is_empty() && gids.is_empty(), joined) {
            (false, _) => (uids, gids),
            (true, false) => (&linux.uid_mappings, &linux.gid_mappings),
            (true, true) => return Ok(None),
        };
        if uids.is_empty() || gids.is_empty() {
            return Err(self.invalid("id-mapped mounts must have both uid and gid mappings specified"));
        }
        Ok(Some((uids, gids)))
    }
}

/// All mounts of a document, in its order. A destination below the root's own path on the host means the same place
/// inside, as under runc.
///
/// # Errors
/// As [`MountPlan::of`].
pub fn mounts(spec: &Spec, bundle: &Path, rootfs: &Path) -> Result<Vec<MountPlan>, Error> {
    let label = spec.linux.as_ref().map_or("", |linux| linux.mount_label.as_str());
    let plan = |mount| {
        let mut plan = MountPlan::of(mount, bundle, label)?;
        if let Ok(inside) = plan.destination.strip_prefix(rootfs) {
            plan.destination = Path::new("/").join(inside);
        }
        Ok(plan)
    };
    spec.mounts.iter().map(plan).collect()
}

/// Whether the runtime fills `/dev` with nodes and links: not where the host's directory is bound there.
pub fn fills_devices(mounts: &[MountPlan]) -> bool {
    !mounts
        .iter()
        .any(|plan| plan.destination == Path::new("/dev") && matches!(plan.what, What::Bind { .. }))
}
