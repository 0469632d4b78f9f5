//! `restore`: a container from a bundle and from the files of a checkpoint, by CRIU.

use super::create::{record, write_pid_file};
use super::delete::destroy;
use super::foreground::{self, Foreground};
use super::{Globals, create};
use crate::argv::Arguments;
use crate::bundle::{self, Bundle};
use crate::checkpoint::aside::Aside;
use crate::checkpoint::settings::{Directories, ImageSettings};
use crate::checkpoint::{account, criu, external};
use crate::error::{Doing, Error};
use crate::init::Container;
use crate::options::{Console, CreateOptions, Created};
use crate::process::parent::{self, live};
use crate::state::{Home, Record, start_time};
use crate::terminal;
use crate::{group, guard, namespaces, notify};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use tierce_cgroup::Manager;
use tierce_criu::{Kind, Options, Switch, Text};
use tierce_fault::Fault;
use tierce_hooks::Place;
use tierce_oci::runtime::{NamespaceKind, Status};
use tierce_rootfs::{mount, propagation};
use tierce_sys::clone::{Flags, Fork};

/// CRIU's log of a restore.
const LOG: &str = "restore.log";

/// Directory in the state directory at which CRIU sees the root file system as a mount.
const ROOT: &str = "criu-root";

/// From this version on CRIU changes the profile of a security module rightly.
const CHANGES_PROFILES: u32 = 31_600;

/// What a restore takes besides what `create` does.
#[derive(Debug, Default)]
pub struct RestoreOptions {
    /// Where from, and what is switched on.
    pub images: ImageSettings,
    /// Profile of a security module, `TYPE:NAME`.
    pub lsm_profile: Option<String>,
    /// Label of mounts.
    pub lsm_mount_context: Option<String>,
}

/// What exists of a container that is being restored; dropped before it is complete, it takes everything back.
struct Unfinished {
    home: Home,
    group: Option<Box<dyn Manager>>,
    process: Option<OwnedFd>,
    complete: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.complete {
            return;
        }
        // The error that led here is what the caller hears; each of these goes on whatever the one before it met.
        if let Some(process) = &self.process {
            let _ = tierce_sys::signals::send(process.as_fd(), 9);
            let _ = rustix::process::waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED);
        }
        if let Some(group) = &self.group {
            let _ = group.kill_all();
            let _ = group.delete();
        }
        let _ = self.home.remove();
    }
}

/// Restores a container. It runs when this returns, and is a child of the caller.
///
/// # Errors
/// Any of [`Error`]; nothing is left behind then.
pub fn restore(options: &CreateOptions, restoring: &RestoreOptions) -> Result<Created, Error> {
    let bundle = bundle::read(&options.bundle)?;
    let (container, program) = bundle::decide(&bundle, options)?;
    options.console.check(program.process.terminal)?;
    let socket = options.console.connect()?;
    let version = criu::version()?;
    let labels = labels(restoring, version)?;
    let home = Home::create(&options.root, &options.id)?;
    let mut unfinished = Unfinished {
        home,
        group: None,
        process: None,
        complete: false,
    };
    let driver = group::driver(options.systemd_cgroup);
    let group = group::open(&options.id, &container, driver)?;
    if let Some(group) = &group {
        group.refuse_occupied()?;
    }
    let mut record = record(options, &bundle, &container, (driver, group.as_deref()));
    unfinished.group = group;
    if options.notify_socket.is_some() {
        notify::make_directory(unfinished.home.path())?;
    }
    make_mount_points(&container)?;
    let plan = Plan {
        options,
        images: &restoring.images,
        labels,
        socket,
        container: &container,
        bundle: &bundle,
    };
    let terminal = serve(&mut unfinished, &plan, &mut record)?;
    if let Some(path) = &options.pid_file {
        write_pid_file(path, record.pid)?;
    }
    let pidfd = unfinished.process.take().ok_or(Error::NotRunning)?;
    unfinished.complete = true;
    Ok(Created {
        pid: record.pid,
        pidfd,
        terminal,
    })
}

/// What is restored, decided.
struct Plan<'a> {
    options: &'a CreateOptions,
    images: &'a ImageSettings,
    labels: Vec<(Text, &'a str)>,
    socket: Option<OwnedFd>,
    container: &'a Container,
    bundle: &'a Bundle,
}

/// The labels of a security module that were asked for.
fn labels(restoring: &RestoreOptions, version: u32) -> Result<Vec<(Text, &str)>, Error> {
    let known = [
        ("--lsm-profile", Text::LsmProfile, &restoring.lsm_profile),
        (
            "--lsm-mount-context",
            Text::LsmMountContext,
            &restoring.lsm_mount_context,
        ),
    ];
    let mut labels = Vec::new();
    for (flag, field, value) in known {
        let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else {
            continue;
        };
        if version < CHANGES_PROFILES {
            return Err(Error::Unsupported(format!("{flag} requires at least CRIU 3.16")));
        }
        labels.push((field, value));
    }
    Ok(labels)
}

/// Makes what `create` would make in the root file system and in bind sources: the places that mounts cover. CRIU does
/// not. A process in a mount namespace of its own mounts as `create` does and ends, so that nothing of it shows.
fn make_mount_points(container: &Container) -> Result<(), Error> {
    let (ours, theirs) = crate::process::channel::Channel::pair()?;
    let fork = tierce_sys::clone::fork(Flags::NEW_MOUNT, None).doing(|| "clone for the mount points".into())?;
    let Fork::Parent { pidfd, .. } = fork else {
        live(|| {
            let surroundings = mount::Surroundings {
                groups: &container.view,
                ask: &|_| Err(Error::Unsupported("nobody is there to open a source".into()).into_step()),
                may_ask: false,
            };
            // Places are the same whoever owns what will be there.
            let mut plans = container.mounts.clone();
            for plan in &mut plans {
                plan.idmap = None;
            }
            let made = propagation::prepare(&container.rootfs, container.propagation)
                .and_then(|root| mount::apply(&root, &plans, &surroundings));
            if let Err(error) = made {
                // Without a parent to hear it the failure does not matter.
                let _ = theirs.send(&crate::process::message::Message::Failed {
                    kind: error.kind(),
                    text: error.to_string(),
                });
            }
        })
    };
    drop(theirs);
    let said = ours.receive();
    let _ = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    match said? {
        Some((crate::process::message::Message::Failed { kind, text }, _)) => Err(Error::Step {
            kind,
            text: format!("create criu restore mountpoints: {text}"),
        }),
        _ => Ok(()),
    }
}

/// The request, besides what the place of the root and the control groups is. Returns with it the descriptors that must
/// be left to CRIU.
fn request(
    plan: &Plan<'_>,
    directories: &Directories,
    record: &Record,
    home: &Path,
) -> Result<(Options, Vec<OwnedFd>), Error> {
    let (spec, linux) = (&plan.bundle.spec, &plan.container.linux);
    let configuration = spec.annotations.get("org.criu.config").map(String::as_str);
    let mut request = plan.images.options(directories, LOG, configuration);
    for (field, label) in &plan.labels {
        request.text(*field, label);
    }
    for switch in [Switch::EvasiveDevices, Switch::RestoreSibling] {
        request.switch(switch);
    }
    let inherited = external::namespaces_for_restore(&mut request, linux)?;
    let rootfs = external::Rootfs::open(&plan.container.rootfs)?;
    let mounts = external::mounts(&rootfs, spec, linux, record, home)?;
    external::name_for_restore(&mut request, &mounts, linux);
    external::inherit_streams(&mut request, &plan.images.directory)?;
    Ok((request, inherited))
}

/// Has CRIU restore the processes, in the container's control group. Returns the terminal's master side, where it is the
/// caller's.
fn serve(unfinished: &mut Unfinished, plan: &Plan<'_>, record: &mut Record) -> Result<Option<OwnedFd>, Error> {
    let (mut doors, mut group_directory) = (Vec::new(), None);
    if let Some(group) = unfinished.group.as_ref().filter(|group| group.precedes_processes()) {
        group.create()?;
        group.set(&group::resources(&plan.container.linux))?;
        group_directory = group.directory()?;
        doors = group::doors(group.as_ref())?;
    }
    let place = unfinished.home.path().join(ROOT);
    std::fs::create_dir(&place).doing(|| format!("mkdir {}", place.display()))?;
    let place = std::fs::canonicalize(&place).doing(|| format!("resolve {}", place.display()))?;
    let aside = Aside::step(&plan.container.rootfs, &place)?;
    let directories = plan.images.open(false)?;
    let (mut request, inherited) = request(plan, &directories, record, unfinished.home.path())?;
    let criu = criu::Criu::start(&criu::Seat {
        stdio: Some(&plan.options.stdio),
        inherited: &inherited,
        group: group_directory.as_ref().map(AsFd::as_fd),
        doors: &doors,
    })?;
    drop(aside);
    if doors.is_empty() && group_directory.is_none() {
        // systemd makes a group around a process: CRIU, whose children the restored ones are.
        group::settle(&mut unfinished.group, plan.container, criu.pid)?;
    }
    request.text(Text::Root, &place.display().to_string());
    for (controller, path) in tierce_cgroup::of_pid(criu.pid.cast_unsigned())? {
        request.cgroup_root(&controller, &path);
    }
    let mut terminal = None;
    let mut notified = |script: &str, pid: i32, mut files: Vec<OwnedFd>| match script {
        "setup-namespaces" => set_up_namespaces(plan, record, pid),
        "orphan-pts-master" => {
            terminal = hand_over(plan, files.pop())?;
            Ok(())
        }
        "post-restore" => {
            unfinished.process = Some(adopt(&unfinished.home, plan.bundle, record, pid)?);
            Ok(())
        }
        _ => Ok(()),
    };
    criu::serve(criu, Kind::Restore, &request, &mut notified).inspect_err(|_| account::tell(&plan.images.log(LOG)))?;
    std::fs::remove_dir(&place).doing(|| format!("remove {}", place.display()))?;
    Ok(terminal)
}

/// The namespaces exist: those hooks run that `create` would run now, and the loopback interface is set up, which is all
/// that a new network namespace gets from the runtime.
fn set_up_namespaces(plan: &Plan<'_>, record: &Record, pid: i32) -> Result<(), Error> {
    if let Some(lists) = &plan.container.spec.hooks {
        let mut state = record.document(Status::Creating);
        state.pid = Some(pid);
        let place = Place::bundle(&plan.bundle.path);
        tierce_hooks::run("prestart", &lists.prestart, &state, &place)?;
        tierce_hooks::run("createRuntime", &lists.create_runtime, &state, &place)?;
    }
    if plan.container.namespaces.is_new(NamespaceKind::Network) {
        set_loopback_up(pid)?;
    }
    Ok(())
}

fn set_loopback_up(pid: i32) -> Result<(), Error> {
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    let namespace = rustix::fs::open(
        &path,
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .doing(|| format!("open {}", path.display()))?;
    let fork = tierce_sys::clone::fork(Flags::NONE, None).doing(|| "clone to set lo up".into())?;
    let Fork::Parent { pidfd, .. } = fork else {
        live(|| {
            // A namespace without a loopback interface in it is still one to restore into.
            let _ = tierce_sys::namespaces::join(namespace.as_fd(), namespaces::bit(NamespaceKind::Network))
                .and_then(|()| tierce_sys::interface::set_up("lo"));
        })
    };
    rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)
        .map(drop)
        .doing(|| "wait for lo".into())
}

fn hand_over(plan: &Plan<'_>, master: Option<OwnedFd>) -> Result<Option<OwnedFd>, Error> {
    match (&plan.options.console, master) {
        (Console::Socket(_), Some(master)) => parent::send_terminal(plan.socket.as_ref(), &master).map(|()| None),
        (Console::Foreground, Some(master)) => terminal::prepare(&master).map(|()| Some(master)),
        (_, master) => Ok(master),
    }
}

/// The processes exist and are about to run: the first one is the container's.
fn adopt(home: &Home, bundle: &Bundle, record: &mut Record, pid: i32) -> Result<OwnedFd, Error> {
    let process = Pid::from_raw(pid).ok_or(Error::NotRunning)?;
    let pidfd = rustix::process::pidfd_open(process, PidfdFlags::empty()).doing(|| format!("pidfd_open {pid}"))?;
    record.pid = pid;
    record.start_time = start_time(pid).unwrap_or(0);
    let time = namespaces::file_name(NamespaceKind::Time);
    let link = |pid: &str| std::fs::read_link(Path::new("/proc").join(pid).join("ns").join(time)).ok();
    // CRIU restores into a time namespace, so that clocks go on where they were.
    if link("self") != link(&pid.to_string()) && !record.namespaces.iter().any(|name| name == time) {
        record.namespaces.push(time.to_owned());
    }
    home.keep_config(&bundle.bytes)?;
    home.save(record)?;
    Ok(pidfd)
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let mut detach = false;
    let mut restoring = RestoreOptions::default();
    let mut options = create::flags("restore", globals, arguments, |flag, arguments| {
        match flag {
            "detach" | "d" => detach = arguments.truth()?,
            "no-subreaper" => drop(arguments.truth()?),
            "lsm-profile" => restoring.lsm_profile = Some(arguments.value()?),
            "lsm-mount-context" => restoring.lsm_mount_context = Some(arguments.value()?),
            name => return restoring.images.flag(name, arguments),
        }
        Ok(true)
    })?;
    guard::begin(options.preserve_fds)?;
    options.console = options.console.of_command(detach)?;
    let foreground = if detach { None } else { Some(Foreground::enter()) };
    let created = restore(&options, &restoring)?;
    let Some(foreground) = foreground else { return Ok(0) };
    let code = foreground::wait(&foreground, &created, None)?;
    let home = Home::of(&globals.root, &options.id)?;
    match home.load() {
        Ok(record) => destroy(&home, &record)?,
        // Somebody else deleted it while it ran.
        Err(Error::NotFound) => {}
        Err(error) => return Err(error),
    }
    Ok(code)
}
