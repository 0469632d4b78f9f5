//! `create`: a container whose process is prepared and waits.

use super::Globals;
use crate::argv::{Arguments, Piece};
use crate::bundle::{self, Bundle};
use crate::error::{Doing, Error};
use crate::failpoint::{Point, reach};
use crate::init::{Container, Hold, Init, Role};
use crate::options::{Console, CreateOptions, Created};
use crate::process::channel::Channel;
use crate::process::parent::{self, Child, Duties};
use crate::process::source::Sources;
use crate::program::Program;
use crate::state::{Home, Record, start_time};
use crate::{group, guard, namespaces, network_devices, notify, timestamp};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use tierce_cgroup::resctrl::{self, Class};
use tierce_cgroup::{Driver, Manager, Paths};
use tierce_hooks::Place;
use tierce_oci::runtime::{Hooks, NamespaceKind, State, Status};
use tierce_rootfs::in_place;

/// Makes a container from a bundle. Its process is a child of the caller, prepared up to `execve`, and waits for
/// [`start`](crate::start).
///
/// # Errors
/// Any of [`Error`]; nothing is left behind then.
pub fn create(options: &CreateOptions) -> Result<Created, Error> {
    let made = make(options, Waiting::ForStart)?;
    Ok(Created {
        pid: made.child.pid,
        pidfd: made.child.pidfd,
        terminal: made.terminal,
    })
}

/// What the process waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The verb `start`, perhaps of another process.
    ForStart,
    /// The caller's own word.
    ForCaller,
}

/// A container that was made.
#[derive(Debug)]
pub(crate) struct Made {
    /// Its process.
    pub(crate) child: Child,
    /// Its terminal's master side.
    pub(crate) terminal: Option<OwnedFd>,
    /// Its directory.
    pub(crate) home: Home,
    /// What is kept there of it.
    pub(crate) record: Record,
}

/// What exists of a container that is being made; dropped before it is complete, it takes everything back.
struct Unfinished {
    home: Home,
    group: Option<Box<dyn Manager>>,
    child: Option<Child>,
    /// A class of resctrl, or a monitoring group.
    resctrl: Option<PathBuf>,
    /// For a container that mounts into the caller's own mount namespace.
    mounts: Option<in_place::Undo>,
    complete: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.complete {
            if let Some(mounts) = &mut self.mounts {
                mounts.keep();
            }
            return;
        }
        // The error that led here is what the caller hears; each of these goes on whatever the one before it met.
        if let Some(child) = &self.child {
            child.destroy();
        }
        if let Some(group) = &self.group {
            let _ = group.kill_all();
            let _ = group.delete();
        }
        if let Some(directory) = &self.resctrl {
            let _ = resctrl::remove(directory);
        }
        let _ = self.home.remove();
    }
}

/// Makes a container.
pub(crate) fn make(options: &CreateOptions, waiting: Waiting) -> Result<Made, Error> {
    let bundle = bundle::read(&options.bundle)?;
    let (mut container, program) = bundle::decide(&bundle, options)?;
    options.console.check(program.process.terminal)?;
    if program.absent && waiting == Waiting::ForCaller {
        return Err(Error::Invalid("process property must not be empty".into()));
    }
    let socket = options.console.connect()?;
    let hooks = bundle.spec.hooks.clone().unwrap_or_default();
    reach(Point::Decided)?;
    let home = Home::create(&options.root, &options.id)?;
    let shared = !container.namespaces.has(NamespaceKind::Mount);
    let mut unfinished = Unfinished {
        home,
        group: None,
        child: None,
        resctrl: None,
        mounts: shared.then(|| in_place::Undo::of(&container.rootfs)),
        complete: false,
    };
    reach(Point::Directory)?;
    if options.notify_socket.is_some() {
        notify::make_directory(unfinished.home.path())?;
    }
    let (driver, group) = unoccupied_group(options, &container)?;
    container.view = group::view(&container.mounts, &container.namespaces, group.as_deref())?;
    let mut record = record(options, &bundle, &container, (driver, group.as_deref()));
    unfinished.group = group;
    let result = launch(&mut unfinished, options, &container, &program, waiting, &record).and_then(|()| {
        reach(Point::Cloned)?;
        let child = unfinished.child.as_ref().ok_or(Error::NotRunning)?;
        record.pid = child.pid;
        record.start_time = start_time(child.pid).unwrap_or(0);
        let state = record.document(Status::Creating);
        prepare(&mut unfinished, &container, &program, &mut record, &bundle)?;
        let child = unfinished.child.as_ref().ok_or(Error::NotRunning)?;
        let place = Place::bundle(&bundle.path);
        let mut run_hooks = || hooks_before_pivot(&hooks, &state, &place);
        let mut duties = Duties {
            program: &program,
            console: &options.console,
            socket: socket.as_ref(),
            state: &state,
            hooks: &mut run_hooks,
            sources: Some(Sources::of(&container)),
        };
        let terminal = child.await_ready(&mut duties)?;
        reach(Point::Ready)?;
        announce(options, child)?;
        reach(Point::PidFile)?;
        Ok(terminal)
    });
    let terminal = match result {
        Ok(terminal) => terminal,
        Err(error) => {
            drop(unfinished);
            // The specification runs them also for a container that never came to be.
            super::delete::tell_of_poststop(&hooks, &record);
            return Err(error);
        }
    };
    unfinished.complete = true;
    let child = unfinished.child.take().ok_or(Error::NotRunning)?;
    Ok(Made {
        child,
        terminal,
        home: unfinished.home.clone(),
        record,
    })
}

/// The group that the container will have, in which nobody may be yet.
fn unoccupied_group(
    options: &CreateOptions,
    container: &Container,
) -> Result<(Driver, Option<Box<dyn Manager>>), Error> {
    let driver = group::driver(options.systemd_cgroup);
    let group = group::open(&options.id, container, driver)?;
    if let Some(group) = &group {
        group.refuse_occupied()?;
    }
    Ok((driver, group))
}

/// Tells those who asked which process it is.
fn announce(options: &CreateOptions, child: &Child) -> Result<(), Error> {
    if let Some(path) = &options.pidfd_socket {
        child.send_descriptor(path)?;
    }
    if let Some(path) = &options.pid_file {
        write_pid_file(path, child.pid)?;
    }
    Ok(())
}

/// Runs the hooks of the runtime's side, while the container's namespaces exist and its root has not changed yet.
fn hooks_before_pivot(hooks: &Hooks, state: &State, place: &Place) -> Result<(), Error> {
    reach(Point::BeforeHooks)?;
    // The oldest kind runs when the environment "has been created": what it is told is that, as under crun.
    let created = State {
        status: Status::Created,
        ..state.clone()
    };
    tierce_hooks::run("prestart", &hooks.prestart, &created, place)?;
    tierce_hooks::run("createRuntime", &hooks.create_runtime, state, place)?;
    reach(Point::AfterHooks)
}

/// What is kept, but for what is known only when there is a process.
pub(crate) fn record(
    options: &CreateOptions,
    bundle: &Bundle,
    container: &Container,
    (driver, group): (Driver, Option<&dyn Manager>),
) -> Record {
    let kinds = namespaces::ALL
        .into_iter()
        .filter(|kind| container.namespaces.has(*kind));
    Record {
        id: options.id.clone(),
        oci_version: bundle.spec.oci_version.clone(),
        pid: 0,
        start_time: 0,
        bundle: bundle.path.clone(),
        rootfs: container.rootfs.clone(),
        created: timestamp::now(),
        annotations: bundle.spec.annotations.clone(),
        cgroup_paths: group.map(|group| group.paths().clone()).unwrap_or_default(),
        cgroup_driver: driver,
        resctrl: container
            .class
            .as_ref()
            .and_then(Class::removable)
            .map(Path::to_owned)
            .unwrap_or_default(),
        namespaces: kinds.map(|kind| namespaces::file_name(kind).to_owned()).collect(),
        no_new_keyring: options.no_new_keyring,
        hooks: bundle.spec.hooks.clone(),
    }
}

/// Starts the child. On v2 it is born in its group.
fn launch(
    unfinished: &mut Unfinished,
    options: &CreateOptions,
    container: &Container,
    program: &Program,
    waiting: Waiting,
    record: &Record,
) -> Result<(), Error> {
    let mut directory = None;
    if unfinished.group.as_deref().is_some_and(group::precedes) {
        // Whatever becomes of us, `delete` shall know of the group before there is one.
        unfinished.home.save(record)?;
        group::prepare(&mut unfinished.group, container)?;
        directory = match &unfinished.group {
            Some(group) => group.directory()?,
            None => None,
        };
    } else if let Some(group) = unfinished.group.as_ref().filter(|group| group.precedes_processes())
        && group.paths().beside().is_some()
    {
        unfinished.home.save(record)?;
        directory = group.create_beside();
    }
    reach(Point::Recorded)?;
    let state = &record.document(Status::Creating);
    let keyring = keyring(&options.id, options.no_new_keyring)?;
    let hold = match waiting {
        Waiting::ForStart => Hold::Fifo {
            fifo: unfinished.home.make_fifo()?,
            answer: match &container.spec.hooks {
                Some(hooks) if !hooks.start_container.is_empty() => Some(unfinished.home.make_answer()?),
                _ => None,
            },
        },
        Waiting::ForCaller => Hold::Channel,
    };
    let body = |channel: Channel| {
        let init = Init {
            role: Role::First(container),
            program,
            state,
            stdio: &options.stdio,
            keyring,
            hold,
            channel,
            gone: false,
            root: None,
            procfs: None,
            read_only_later: Vec::new(),
            terminal: None,
            entered: false,
            launch: None,
        };
        init.run();
    };
    let linux = Some(&container.linux);
    unfinished.child = Some(parent::launch(
        &container.namespaces,
        linux,
        directory.as_ref().map(AsFd::as_fd),
        body,
    )?);
    Ok(())
}

/// Name of a container's session keyring, as runc's.
pub(crate) fn keyring(id: &str, keep: bool) -> Result<Option<CString>, Error> {
    if keep {
        return Ok(None);
    }
    CString::new(format!("_ses.{id}"))
        .map(Some)
        .map_err(|_| Error::Id(id.to_owned()))
}

/// What the parent does while the child mounts.
fn prepare(
    unfinished: &mut Unfinished,
    container: &Container,
    program: &Program,
    record: &mut Record,
    bundle: &Bundle,
) -> Result<(), Error> {
    let child = unfinished.child.as_ref().ok_or(Error::NotRunning)?;
    if container.namespaces.is_new(NamespaceKind::User) {
        child.map_ids(&container.linux)?;
    }
    reach(Point::Mapped)?;
    // Before there is a group, for the same reason.
    unfinished.home.save(record)?;
    reach(Point::Saved)?;
    network_devices::move_all(&container.linux.net_devices, &container.namespaces, child.pid)?;
    let doors = group::settle(&mut unfinished.group, container, child.pid)?;
    if unfinished.group.is_none() && record.cgroup_paths != Paths::default() {
        record.cgroup_paths = Paths::default();
        unfinished.home.save(record)?;
    }
    if let Some(class) = &container.class {
        unfinished.resctrl = class.removable().map(Path::to_owned);
        class.enter(child.pid.cast_unsigned())?;
    }
    reach(Point::Grouped)?;
    if let Some(score) = program.process.oom_score_adj {
        child.set_oom_score(score)?;
    }
    child.go(&doors)?;
    reach(Point::Gone)?;
    unfinished.home.keep_config(&bundle.bytes)?;
    reach(Point::Kept)
}

/// Writes the pid file in one step, for others wait for it to appear.
pub(crate) fn write_pid_file(path: &Path, pid: i32) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = path.with_file_name(format!(".{name}"));
    let action = || format!("write pid file {}", path.display());
    std::fs::write(&temporary, pid.to_string())
        .and_then(|()| std::fs::rename(&temporary, path))
        .inspect_err(|_| {
            // Perhaps it was not even made.
            let _ = std::fs::remove_file(&temporary);
        })
        .doing(action)
}

/// Reads the flags that `create` and `run` share; `more` takes those that it knows.
pub(crate) fn flags(
    verb: &str,
    globals: &Globals,
    arguments: &mut Arguments,
    mut more: impl FnMut(&str, &mut Arguments) -> Result<bool, Error>,
) -> Result<CreateOptions, Error> {
    let mut options = CreateOptions {
        root: globals.root.clone(),
        bundle: ".".into(),
        systemd_cgroup: globals.systemd_cgroup,
        ..CreateOptions::default()
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
        match flag.as_str() {
            "bundle" | "b" => options.bundle = arguments.path()?,
            "console-socket" => options.console = Console::Socket(arguments.path()?),
            "pid-file" => options.pid_file = Some(arguments.path()?),
            "pidfd-socket" => options.pidfd_socket = Some(arguments.path()?),
            "no-pivot" => options.no_pivot = arguments.truth()?,
            "no-new-keyring" => options.no_new_keyring = arguments.truth()?,
            "preserve-fds" => options.preserve_fds = arguments.number()?,
            name => {
                if !more(name, arguments)? {
                    return arguments.unknown();
                }
            }
        }
    }
    (options.id, _) = super::container_id(verb, words, 0)?;
    options.listen_fds = listen_fds();
    options.preserve_fds = options.preserve_fds.saturating_add(options.listen_fds);
    options.notify_socket = super::notify_socket();
    Ok(options)
}

/// How many sockets were handed to this very process, by the protocol of sd_listen_fds(3).
fn listen_fds() -> u32 {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    if number("LISTEN_PID") == Some(std::process::id()) {
        number("LISTEN_FDS").unwrap_or(0)
    } else {
        0
    }
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let mut options = flags("create", globals, arguments, |_, _| Ok(false))?;
    guard::begin(options.preserve_fds)?;
    options.console = options.console.of_command(true)?;
    create(&options)?;
    Ok(0)
}
