//! `checkpoint`: a running container's processes are written to files, by CRIU.

use super::Globals;
use super::delete::destroy;
use crate::argv::{Arguments, Piece};
use crate::checkpoint::settings::{self, Directories, ImageSettings};
use crate::checkpoint::{account, criu, external};
use crate::error::{Doing, Error};
use crate::log;
use crate::state::{Home, Record};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use tierce_criu::{Features, Kind, Options, Switch, Text};
use tierce_oci::runtime::{Linux, Spec, Status};
use tierce_sys::Cause;

/// CRIU's log of a dump.
const LOG: &str = "dump.log";

/// From this version on CRIU notifies that lazy pages can be served.
const NOTIFIES_STATUS: u32 = 31_500;

/// How to checkpoint a container.
#[derive(Debug, Default)]
pub struct CheckpointOptions {
    /// The container.
    pub id: String,
    /// Directory of all containers' states (`--root`).
    pub root: PathBuf,
    /// Where to, and what is switched on.
    pub images: ImageSettings,
    /// ImageSettings of an earlier pre-dump, relative to those that are written.
    pub parent: Option<PathBuf>,
    /// Only the memory is written, and the container goes on.
    pub pre_dump: bool,
    /// Where memory is sent to instead of files: address and port.
    pub page_server: Option<(String, u16)>,
    /// A descriptor that gets a byte once lazy pages can be served.
    pub status: Option<OwnedFd>,
}

/// Writes a running container's processes to files. Unless it is left running, it is deleted then.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Status`] for one that does not run; [`Error::Program`] without CRIU;
/// [`Error::Step`] with CRIU's answer when it cannot do it (the container goes on then).
pub fn checkpoint(mut options: CheckpointOptions) -> Result<(), Error> {
    let home = Home::of(&options.root, &options.id)?;
    let record = home.load()?;
    let status = super::state::status(&home, &record)?;
    if matches!(status, Status::Creating | Status::Created | Status::Stopped) {
        return Err(Error::Status(format!(
            "Container cannot be checkpointed in {status} state"
        )));
    }
    let directories = options.images.open(true)?;
    check_parent(&options.images.directory, options.parent.as_deref())?;
    let version = criu::version()?;
    let spec = home.config()?;
    dump(&mut options, &directories, &record, &spec, version)?;
    if options.pre_dump || options.images.has(Switch::LeaveRunning) {
        return Ok(());
    }
    if let Err(error) = destroy(&home, &record) {
        log::warn(&error.to_string());
    }
    Ok(())
}

fn dump(
    options: &mut CheckpointOptions,
    directories: &Directories,
    record: &Record,
    spec: &Spec,
    version: u32,
) -> Result<(), Error> {
    let linux = spec.linux.clone().unwrap_or_default();
    let configuration = record.annotations.get("org.criu.config").map(String::as_str);
    let mut request = options.images.options(directories, LOG, configuration);
    request.pid(record.pid);
    request.text(Text::Root, &record.rootfs.display().to_string());
    let groups = &record.cgroup_paths;
    if let Some(group) = groups.unified().or_else(|| groups.controller("freezer")) {
        request.text(Text::FreezeCgroup, &group.display().to_string());
    }
    if let Some((address, port)) = &options.page_server {
        request.page_server(address, *port);
    }
    if let Some(parent) = &options.parent {
        request.text(Text::ParentImage, &parent.display().to_string());
        request.switch(Switch::TrackMemory);
    }
    external::namespaces_for_dump(&mut request, &linux)?;
    let kind = if options.pre_dump { Kind::PreDump } else { Kind::Dump };
    check_features(options, &mut request, version)?;
    if kind == Kind::Dump {
        name_outside(&mut request, options, record, spec, &linux)?;
    }
    let status = &mut options.status;
    let mut notified = |script: &str, _pid, _files| {
        if script == "status-ready"
            && let Some(status) = status.take()
        {
            rustix::io::write(&status, &[0]).doing(|| "write to --status-fd".into())?;
        }
        Ok(())
    };
    criu::Criu::start(&criu::Seat::default())
        .and_then(|criu| criu::serve(criu, kind, &request, &mut notified))
        .inspect_err(|_| account::tell(&options.images.log(LOG)))
}

fn check_parent(images: &Path, parent: Option<&Path>) -> Result<(), Error> {
    let Some(parent) = parent else { return Ok(()) };
    if parent.is_absolute() {
        return Err(Error::Usage("--parent-path must be relative".into()));
    }
    let path = images.join(parent);
    let cause = match rustix::fs::stat(&path) {
        Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() => return Ok(()),
        Ok(_) => Errno::NOTDIR,
        Err(error) => error,
    };
    Err(Error::Usage(format!(
        "invalid --parent-path: stat {}: {}",
        path.display(),
        Cause(cause)
    )))
}

/// Asks for the features that are needed, and sees to the descriptor that hears when lazy pages can be served.
fn check_features(options: &CheckpointOptions, request: &mut Options, version: u32) -> Result<(), Error> {
    let lazy = options.images.has(Switch::LazyPages);
    if options.pre_dump || lazy {
        criu::require_features(Features {
            memory_tracking: options.pre_dump.then_some(true),
            lazy_pages: lazy.then_some(true),
        })?;
    }
    if let Some(status) = options.status.as_ref().filter(|_| lazy && version < NOTIFIES_STATUS) {
        request.status_descriptor(std::os::fd::AsRawFd::as_raw_fd(status));
    }
    Ok(())
}

/// Names to CRIU what of the container lies outside of it; a pre-dump, which looks at memory only, needs none of it.
fn name_outside(
    request: &mut Options,
    options: &CheckpointOptions,
    record: &Record,
    spec: &Spec,
    linux: &Linux,
) -> Result<(), Error> {
    let rootfs = external::Rootfs::open(&record.rootfs)?;
    let home = Home::of(&options.root, &options.id)?;
    let mounts = external::mounts(&rootfs, spec, linux, record, home.path())?;
    external::name_for_dump(request, &mounts, &external::masks(record.pid, linux)?);
    external::keep_streams(record.pid, &options.images.directory)
}

/// Takes the descriptor of `--status-fd`, which must be one that can be written.
fn status_descriptor(number: i32) -> Result<Option<OwnedFd>, Error> {
    if number == -1 {
        return Ok(None);
    }
    let wrong = |cause: String| Error::Usage(format!("invalid --status-fd argument {number}: {cause}"));
    let copy = tierce_sys::descriptors::duplicate(number).map_err(|error| wrong(Cause(error).to_string()))?;
    let flags = rustix::fs::fcntl_getfl(copy.as_fd()).map_err(|error| wrong(Cause(error).to_string()))?;
    if !flags.intersects(OFlags::WRONLY | OFlags::RDWR) {
        return Err(wrong("not writable".into()));
    }
    Ok(Some(copy))
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let mut options = CheckpointOptions {
        root: globals.root.clone(),
        ..CheckpointOptions::default()
    };
    let mut words = Vec::new();
    while let Some(piece) = arguments.next()? {
        let flag = match piece {
            Piece::Word(word) => {
                words.push(word);
                continue;
            }
            Piece::Flag(flag) => flag,
        };
        let images = &mut options.images;
        match flag.as_str() {
            "leave-running" => images.switch(Switch::LeaveRunning, arguments)?,
            "tcp-skip-in-flight" => images.switch(Switch::TcpSkipInFlight, arguments)?,
            "link-remap" => images.switch(Switch::LinkRemap, arguments)?,
            "parent-path" => options.parent = Some(arguments.path()?).filter(|path| !path.as_os_str().is_empty()),
            "pre-dump" => options.pre_dump = arguments.truth()?,
            "page-server" => options.page_server = Some(settings::page_server(&arguments.value()?)?),
            "status-fd" => options.status = status_descriptor(arguments.number()?)?,
            name => {
                if !images.flag(name, arguments)? {
                    return arguments.unknown();
                }
            }
        }
    }
    (options.id, _) = super::container_id("checkpoint", words, 0)?;
    checkpoint(options)?;
    Ok(0)
}
