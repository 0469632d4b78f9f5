//! Files out of and into a container, whether it runs or not (`docker cp`).
//!
//! A container that runs is entered by the root directory of its first process: what is mounted in it is there. The root
//! of one that does not is mounted for the time, with its volumes and host paths, where nobody sees it
//! ([`tierce_layer::MountedRoot`]). Either way each name is resolved beneath that root at the moment of its use.
//!
//! Source of rules and texts: moby `daemon/archive_unix.go`, `daemon/archive.go`.

use super::context::{Container, Context, Snapshot, blocking};
use super::prepare::{self, Held};
use super::root;
use crate::error::{Error, Result};
use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierce_fsops::Root;
use tierce_layer::copy::{self, Unpacking};
use tierce_layer::{Access, Bind, MountedRoot};
use tierce_lifecycle::Status;
use tierce_spec::user;

/// What is at a path.
#[derive(Debug, Clone)]
pub struct PathStat {
    /// Last part of the path.
    pub name: String,
    /// Bytes of a file.
    pub size: i64,
    /// Kind and permissions, as the kernel has them in `st_mode`.
    pub mode: u32,
    /// When it was changed last.
    pub modified: Timestamp,
    /// Where a link leads in the end.
    pub link_target: Option<PathBuf>,
}

/// How an archive is unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extract {
    /// Refuse to replace a directory by something else, and the other way round.
    pub keep_kinds: bool,
    /// Everything belongs to the container's user, whatever the archive says.
    pub to_user: bool,
}

/// A file or directory about to be written as an archive.
pub struct Archiving {
    /// What it is.
    pub stat: PathStat,
    place: Place,
    path: String,
    mounts: Vec<PathBuf>,
}

impl Archiving {
    /// Writes the archive; waits for the disk.
    pub fn write(self, output: impl Write) -> Result<()> {
        // The root's entries have no name before theirs.
        let name = if self.stat.name == "/" { "" } else { &self.stat.name };
        let root = self.place.root().beneath();
        copy::pack_resource(root, Path::new(&self.path), name.as_bytes(), &self.mounts, output)
            .map(drop)
            .map_err(Error::below)
    }
}

/// See [`super::Containers::stat_path`].
pub(crate) async fn stat(context: &Arc<Context>, name: &str, path: &str) -> Result<PathStat> {
    let container = context.find(name)?;
    let place = for_reading(context, &container).await?;
    let (name, path) = (name.to_owned(), path.to_owned());
    blocking(move || look(&place, &absolute(&path), &name)).await
}

/// See [`super::Containers::archive`].
pub(crate) async fn archive(context: &Arc<Context>, name: &str, path: &str) -> Result<Archiving> {
    let container = context.find(name)?;
    let place = for_reading(context, &container).await?;
    let (name, path) = (name.to_owned(), absolute(path));
    let snapshot = container.snapshot();
    let mounts = snapshot.record.mount_points.keys().map(PathBuf::from).collect();
    let archiving = blocking(move || {
        let stat = look(&place, &path, &name)?;
        Ok(Archiving {
            stat,
            place,
            path,
            mounts,
        })
    })
    .await?;
    context.publish(&snapshot.record, "archive-path", &[]);
    Ok(archiving)
}

/// See [`super::Containers::extract`].
pub(crate) async fn extract(
    context: &Arc<Context>,
    name: &str,
    path: &str,
    request: Extract,
    input: impl Read + Send + 'static,
) -> Result<()> {
    let container = context.find(name)?;
    // The root of a container that does not run is mounted twice if it starts meanwhile: it must wait. One that runs is
    // not held up.
    let mut held = None;
    let mut root = running(&container)?;
    if root.is_none() {
        held = Some(container.transition().await);
        root = running(&container)?;
    }
    let place = match root {
        Some(root) => Place::Running(root),
        None => mounted(context, &container, true).await?,
    };
    let (asked, name, snapshot) = (path.to_owned(), name.to_owned(), container.snapshot());
    let same = Arc::clone(&snapshot);
    blocking(move || unpack(&place, &same, &asked, &name, request, input)).await?;
    drop(held);
    context.publish(&snapshot.record, "extract-to-dir", &[]);
    Ok(())
}

fn unpack(
    place: &Place,
    snapshot: &Snapshot,
    asked: &str,
    name: &str,
    request: Extract,
    input: impl Read + Send,
) -> Result<()> {
    let root = place.root();
    let path = absolute(asked);
    let directory = root.beneath().open(Path::new(&path), OFlags::PATH | OFlags::DIRECTORY);
    directory.map_err(|error| match error {
        Errno::NOTDIR => Error::Invalid("extraction point is not a directory".to_owned()),
        error => not_there(error, asked, name),
    })?;
    let resolved = copy::resolve(root.beneath(), Path::new(&path)).map_err(|error| not_there(error, asked, name))?;
    check_writable(snapshot, &resolved)?;
    let owner = if request.to_user && !snapshot.record.config.user.is_empty() {
        let user = user::resolve_in(root, &snapshot.record.config.user, &[])?;
        Some((user.uid, user.gid))
    } else {
        None
    };
    let how = Unpacking {
        owner,
        keep_kinds: request.keep_kinds,
        ..Unpacking::default()
    };
    copy::unpack(root.beneath(), &resolved, input, &how).map_err(Error::below)
}

/// Refuses what the container itself could not write to, in dockerd's words.
fn check_writable(snapshot: &Snapshot, path: &Path) -> Result<()> {
    let points = snapshot.record.mount_points.values();
    let nearest = points
        .filter(|point| path.starts_with(&point.destination))
        .max_by_key(|point| point.destination.len());
    match nearest {
        Some(point) if point.rw => Ok(()),
        Some(_) => Err(Error::Invalid("mounted volume is marked read-only".to_owned())),
        None if snapshot.host_config.readonly_rootfs => {
            Err(Error::Invalid("container rootfs is marked read-only".to_owned()))
        }
        None => Ok(()),
    }
}

fn look(place: &Place, path: &str, container: &str) -> Result<PathStat> {
    let found =
        copy::look(place.root().beneath(), Path::new(path)).map_err(|error| not_there(error, path, container))?;
    let stat = found.stat;
    let modified = Timestamp::new(stat.st_mtime as i64, stat.st_mtime_nsec as i32).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(PathStat {
        name: base_name(path).to_owned(),
        size: stat.st_size as i64,
        mode: stat.st_mode,
        modified,
        link_target: found.link_target,
    })
}

fn not_there(error: Errno, path: &str, container: &str) -> Error {
    if error == Errno::NOENT {
        return Error::NotFound(format!("Could not find the file {path} in container {container}"));
    }
    // The kernel's words as Go has them.
    let said = std::io::Error::from(error).to_string().to_lowercase();
    let words = said.split(" (os error").next().unwrap_or_default();
    Error::Internal(format!("lstat {path}: {words}"))
}

/// An absolute, clean path that keeps what a last `/` or `/.` says: that a link is to be followed.
fn absolute(path: &str) -> String {
    let cleaned = tierce_fsops::clean(Path::new(path)).to_string_lossy().into_owned();
    let separator = if cleaned == "/" { "" } else { "/" };
    if base_name(path) == "." {
        format!("{cleaned}{separator}.")
    } else if path.ends_with('/') {
        format!("{cleaned}{separator}")
    } else {
        cleaned
    }
}

/// The last part of a path as Go has it: `.` of nothing, `/` of the root, and whatever stands before last slashes.
fn base_name(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    match path.trim_end_matches('/') {
        "" => "/",
        path => path.rsplit('/').next().unwrap_or(path),
    }
}

/// A container's root, as long as it is needed.
enum Place {
    Running(Root),
    Mounted(
        MountedRoot,
        #[expect(dead_code, reason = "held until the root is given up")] HeldVolumes,
    ),
}

impl Place {
    fn root(&self) -> &Root {
        match self {
            Self::Running(root) => root,
            Self::Mounted(mounted, _) => mounted.root(),
        }
    }

    /// Whether all is there that a container has from its first start on: what is mounted in it, its working directory.
    fn is_complete(&self, working_directory: &str) -> bool {
        let Self::Mounted(root, _) = self else { return true };
        let is_there = |path: &str| copy::look(root.root().beneath(), Path::new(path)).is_ok();
        root.missing().is_empty() && (working_directory.is_empty() || is_there(working_directory))
    }
}

/// Volumes that are mounted on the host for the time.
struct HeldVolumes {
    context: Arc<Context>,
    held: Held,
}

impl Drop for HeldVolumes {
    fn drop(&mut self) {
        for name in &self.held.volumes {
            if let Err(error) = self.context.volumes.unmount(name) {
                tracing::warn!(volume = name, %error, "a volume stays mounted");
            }
        }
    }
}

async fn for_reading(context: &Arc<Context>, container: &Arc<Container>) -> Result<Place> {
    if let Some(root) = running(container)? {
        return Ok(Place::Running(root));
    }
    let place = mounted(context, container, false).await?;
    let record = Arc::clone(&container.snapshot().record);
    let (place, complete) = blocking(move || {
        let complete = place.is_complete(&record.config.working_dir);
        Ok((place, complete))
    })
    .await?;
    if complete {
        return Ok(place);
    }
    drop(place);
    // What the image does not have, such as a volume's place, is made when it is first mounted, which takes a writable root.
    let transition = container.transition().await;
    if let Some(root) = running(container)? {
        return Ok(Place::Running(root));
    }
    drop(mounted(context, container, true).await?);
    drop(transition);
    mounted(context, container, false).await
}

/// The root of a container's first process; `None` when it does not run.
pub(super) fn running(container: &Container) -> Result<Option<Root>> {
    let snapshot = container.snapshot();
    let state = &snapshot.record.state;
    if !matches!(state.status(), Status::Running | Status::Paused) || state.pid == 0 {
        return Ok(None);
    }
    let path = PathBuf::from(format!("/proc/{}/root", state.pid));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
        Err(error) => return Err(Error::file("open", &path)(error.into())),
    };
    // The process may have ended, and another have its number: what was opened is the container's only if the process is.
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", state.pid)).unwrap_or_default();
    Ok(groups.contains(&container.id).then(|| Root::of(opened, &path)))
}

/// Mounts the root of a container that does not run.
async fn mounted(context: &Arc<Context>, container: &Arc<Container>, write: bool) -> Result<Place> {
    let (context, container) = (Arc::clone(context), Arc::clone(container));
    blocking(move || {
        let snapshot = container.snapshot();
        let mut held = HeldVolumes {
            context: Arc::clone(&context),
            held: Held::default(),
        };
        let binds = binds(&context, &snapshot, &mut held.held)?;
        let layout = root::layout(&context, &snapshot.record)?;
        let options = union_options(&context, &container.id)?;
        let access = if write { Access::Write(&options) } else { Access::Read };
        let root = MountedRoot::open(&layout, access, &binds, &container.directory).map_err(Error::below)?;
        let working_directory = Path::new(&snapshot.record.config.working_dir);
        if write && working_directory.is_absolute() {
            // The start says why where it cannot be.
            let _made = root
                .root()
                .beneath()
                .make_directories(working_directory, Mode::from_raw_mode(0o755));
        }
        Ok(Place::Mounted(root, held))
    })
    .await
}

/// What the storage driver says of the mount of a root besides its directories.
fn union_options(context: &Context, id: &str) -> Result<Vec<String>> {
    let mounts = context.rootfs.mount(id).map_err(Error::below)?.mounts;
    let options = mounts.into_iter().filter(|mount| mount.kind == "overlay");
    let directories = ["lowerdir=", "upperdir=", "workdir="];
    Ok(options
        .flat_map(|mount| mount.options)
        .filter(|option| !directories.iter().any(|name| option.starts_with(name)))
        .collect())
}

/// Volumes and host paths of a container, and the files that it has from the engine, those nearer to the root first.
fn binds(context: &Context, snapshot: &Snapshot, held: &mut Held) -> Result<Vec<Bind>> {
    let record = &snapshot.record;
    let mut binds = Vec::new();
    for point in record.mount_points.values() {
        let bind = prepare::bind(context, point, held)?;
        if !bind.union.is_empty() {
            // Nobody copies files out of another image by this container, and none can be put there.
            continue;
        }
        binds.push(Bind {
            source: bind.source,
            destination: bind.destination.into(),
            read_only: bind.read_only,
            flat: bind.non_recursive,
        });
    }
    for (source, destination) in [
        (&record.hostname_path, "/etc/hostname"),
        (&record.hosts_path, "/etc/hosts"),
        (&record.resolv_conf_path, "/etc/resolv.conf"),
    ] {
        if !record.mount_points.contains_key(destination) && Path::new(source).is_file() {
            binds.push(Bind {
                source: source.into(),
                destination: destination.into(),
                read_only: false,
                flat: true,
            });
        }
    }
    binds.sort_by_key(|bind| bind.destination.components().count());
    Ok(binds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_what_their_end_says() {
        for (given, path, name) in [
            ("etc", "/etc", "etc"),
            ("/etc/", "/etc/", "etc"),
            ("/etc/.", "/etc/.", "."),
            ("/a/../b", "/b", "b"),
            ("/../..", "/", ".."),
            ("/", "/", "/"),
            (".", "/.", "."),
        ] {
            assert_eq!((absolute(given).as_str(), base_name(given)), (path, name), "{given}");
        }
    }
}
