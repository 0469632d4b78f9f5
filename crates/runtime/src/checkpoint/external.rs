//! What of a container lies outside of it, and how CRIU is told: bind mounts, masks and devices by a name that is their
//! place in the container, namespaces that were joined, pipes of the standard streams.

use crate::error::{Doing, Error};
use crate::namespaces;
use crate::notify;
use crate::state::Record;
use rustix::fs::{FileType, Mode, OFlags};
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use tierce_criu::{Options, Text};
use tierce_oci::runtime::{Linux, NamespaceKind, Spec};
use tierce_rootfs::beneath::{Root, clean};
use tierce_rootfs::cgroup::View;
use tierce_rootfs::device;
use tierce_rootfs::plan::{self, MountPlan, What};

/// What files hide behind.
const NULL: &str = "/dev/null";

/// The file beside the images that says where the streams led.
const DESCRIPTORS: &str = "descriptors.json";

/// A mount whose source is outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    /// Its place in the container, without links.
    pub(crate) place: String,
    /// Its source on the host.
    pub(crate) source: String,
}

/// The root file system as it lies on the host, to resolve places in it.
#[derive(Debug)]
pub(crate) struct Rootfs {
    root: Root,
    path: PathBuf,
}

impl Rootfs {
    /// Opens it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(path, flags, Mode::empty()).doing(|| format!("open rootfs {}", path.display()))?;
        Ok(Self {
            root: Root::new(directory),
            path: path.to_owned(),
        })
    }

    /// Where a path of the container really is in it. What is missing (mount points inside of other mounts) stays as it
    /// is written.
    fn resolve(&self, path: &Path) -> PathBuf {
        if let Ok(file) = self.root.open(path, OFlags::PATH)
            && let Ok(real) = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
            && let Ok(inner) = real.strip_prefix(&self.path)
        {
            return Path::new("/").join(inner);
        }
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => self.resolve(parent).join(name),
            _ => "/".into(),
        }
    }

    fn external(&self, place: &Path, source: &Path) -> External {
        External {
            place: self.resolve(place).display().to_string(),
            source: source.display().to_string(),
        }
    }
}

/// All external mounts that the document makes, except masks, and the directory of the notify socket in the state
/// directory, if there is one.
///
/// # Errors
/// Those of reading the document's mounts.
pub(crate) fn mounts(
    rootfs: &Rootfs,
    spec: &Spec,
    linux: &Linux,
    record: &Record,
    home: &Path,
) -> Result<Vec<External>, Error> {
    let mut found = Vec::new();
    let directory = notify::directory(home);
    if directory.is_dir() {
        found.push(rootfs.external(Path::new(notify::INSIDE), &directory));
    }
    for plan in plan::mounts(spec, &record.bundle, &record.rootfs)? {
        match &plan.what {
            What::Bind { source, .. } => found.push(rootfs.external(&plan.destination, source)),
            What::ControlGroups => found.extend(groups(rootfs, &plan, record)?),
            What::New { .. } => {}
        }
    }
    // Bound where the container has a user namespace; otherwise CRIU finds no such mounts and does not mind.
    for path in device::nodes(&linux.devices)?.iter().map(device::Node::path) {
        found.push(rootfs.external(path, path));
    }
    Ok(found)
}

/// The container's own directories of the hierarchies, where they are bound; with a cgroup namespace they are mounts of
/// its own.
fn groups(rootfs: &Rootfs, plan: &MountPlan, record: &Record) -> Result<Vec<External>, Error> {
    let namespaced = record
        .namespaces
        .iter()
        .any(|name| name == namespaces::file_name(NamespaceKind::Cgroup));
    if namespaced {
        return Ok(Vec::new());
    }
    if let Some(directory) = record.cgroup_paths.unified() {
        return Ok(vec![rootfs.external(&plan.destination, directory)]);
    }
    let text = std::fs::read_to_string("/proc/self/cgroup").doing(|| "read /proc/self/cgroup".into())?;
    let directories: BTreeMap<String, PathBuf> = record
        .cgroup_paths
        .iter()
        .map(|(name, path)| (name.to_owned(), path.to_owned()))
        .collect();
    let View::Legacy { hierarchies, .. } = View::legacy(false, &text, &directories) else {
        return Ok(Vec::new());
    };
    Ok(hierarchies
        .into_iter()
        .filter_map(|hierarchy| {
            let directory = hierarchy.directory?;
            Some(rootfs.external(&plan.destination.join(hierarchy.name), &directory))
        })
        .collect())
}

/// The files that are hidden in a running container.
///
/// # Errors
/// When one cannot be looked at.
pub(crate) fn masks(pid: i32, linux: &Linux) -> Result<Vec<String>, Error> {
    let directory = format!("/proc/{pid}/root");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&directory, flags, Mode::empty()).doing(|| format!("open {directory}"))?;
    let root = Root::new(root);
    let mut hidden = Vec::new();
    for path in &linux.masked_paths {
        let Ok(file) = root.open(Path::new(path), OFlags::PATH) else {
            continue;
        };
        let stat = rustix::fs::fstat(&file).doing(|| format!("stat {path}"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            hidden.push(clean(Path::new(path)).display().to_string());
        }
    }
    Ok(hidden)
}

/// Names the mounts for a dump.
pub(crate) fn name_for_dump(options: &mut Options, mounts: &[External], masks: &[String]) {
    for mount in mounts {
        options.external_mount(&mount.place, &mount.place);
    }
    for mask in masks {
        options.external_mount(mask, NULL);
    }
}

/// Names the mounts for a restore.
pub(crate) fn name_for_restore(options: &mut Options, mounts: &[External], linux: &Linux) {
    for mount in mounts {
        options.external_mount(&mount.place, &mount.source);
    }
    if !linux.masked_paths.is_empty() {
        options.external_mount(NULL, NULL);
    }
}

/// The name of an external namespace, as runc's, so that either can restore what the other dumped.
fn namespace_key(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "extRootPidNS",
        _ => "extRootNetNS",
    }
}

/// The namespaces that the document joins by path.
fn joined(linux: &Linux) -> impl Iterator<Item = (NamespaceKind, &Path)> {
    linux.namespaces.iter().filter_map(|namespace| {
        let path = namespace.path.as_deref().filter(|path| !path.as_os_str().is_empty())?;
        Some((namespace.kind, path))
    })
}

/// Names network and pid namespaces that were joined for a dump.
///
/// # Errors
/// [`Error::Kernel`] when such a namespace is gone.
pub(crate) fn namespaces_for_dump(options: &mut Options, linux: &Linux) -> Result<(), Error> {
    for (kind, path) in joined(linux) {
        if matches!(kind, NamespaceKind::Network | NamespaceKind::Pid) {
            let stat = rustix::fs::stat(path).doing(|| format!("stat {}", path.display()))?;
            let (name, key) = (namespaces::file_name(kind), namespace_key(kind));
            options.text(Text::External, &format!("{name}[{}]:{key}", stat.st_ino));
        }
    }
    Ok(())
}

/// Names namespaces to join for a restore. The descriptors must be left to CRIU.
///
/// # Errors
/// [`Error::Invalid`] for a namespace that is gone, or of a kind that CRIU cannot join.
pub(crate) fn namespaces_for_restore(options: &mut Options, linux: &Linux) -> Result<Vec<OwnedFd>, Error> {
    let mut files = Vec::new();
    for (kind, path) in joined(linux) {
        match kind {
            NamespaceKind::Network | NamespaceKind::Pid => {
                let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|_| {
                    let name = namespaces::file_name(kind);
                    Error::Invalid(format!("Requested {name} namespace {} does not exist", path.display()))
                })?;
                options.inherit(namespace_key(kind), file.as_raw_fd());
                files.push(file);
            }
            NamespaceKind::Cgroup => {
                return Err(Error::Unsupported(
                    "cannot restore into an existing cgroup namespace: CRIU cannot join one".into(),
                ));
            }
            _ => options.join(namespaces::file_name(kind), &path.display().to_string()),
        }
    }
    Ok(files)
}

/// Writes down where the streams of a container lead, for its restore.
pub(crate) fn keep_streams(pid: i32, images: &Path) -> Result<(), Error> {
    let streams: Vec<String> = (0..3)
        .map(|number| {
            let link = std::fs::read_link(format!("/proc/{pid}/fd/{number}"));
            link.map(|link| link.display().to_string()).unwrap_or_default()
        })
        .collect();
    let path = images.join(DESCRIPTORS);
    let bytes =
        serde_json::to_vec(&streams).map_err(|error| Error::Invalid(format!("write {}: {error}", path.display())))?;
    std::fs::write(&path, bytes).doing(|| format!("write {}", path.display()))
}

/// Has the streams of CRIU take the place of the pipes that the dumped container had.
pub(crate) fn inherit_streams(options: &mut Options, images: &Path) -> Result<(), Error> {
    let path = images.join(DESCRIPTORS);
    let bytes = std::fs::read(&path).doing(|| format!("open {}", path.display()))?;
    let streams: Vec<String> =
        serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("parse {}: {error}", path.display())))?;
    for (number, stream) in (0..3).zip(&streams) {
        if stream.contains("pipe:") {
            options.inherit(stream, number);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_resolved_in_the_rootfs_as_far_as_it_goes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = std::fs::canonicalize(directory.path()).expect("a path");
        std::fs::create_dir_all(path.join("real/conf")).expect("mkdir");
        std::os::unix::fs::symlink("/real/conf", path.join("conf")).expect("link");
        std::os::unix::fs::symlink("../../../../real", path.join("out")).expect("link");
        let rootfs = Rootfs::open(&path).expect("a rootfs");
        for (from, to) in [
            ("/conf", "/real/conf"),
            ("/conf/missing/too", "/real/conf/missing/too"),
            ("/out/conf", "/real/conf"),
            ("/missing", "/missing"),
            ("/", "/"),
        ] {
            assert_eq!(rootfs.resolve(Path::new(from)), Path::new(to), "{from}");
        }
    }
}
