//! `exec`: a further process in a container.

use super::create::{keyring, write_pid_file};
use super::foreground::{self, Foreground};
use super::{Globals, state};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::failpoint::{Point, reach};
use crate::init::{Hold, Init, Role};
use crate::namespaces::{self, Joined, Namespaces};
use crate::options::{Console, Created, ExecOptions};
use crate::process::channel::Channel;
use crate::process::parent::{self, Child, Duties};
use crate::program::Program;
use crate::state::{Home, Record};
use crate::{affinity, group, guard, inherit, subgroup};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_cgroup::{Driver, Manager};
use tierce_oci::runtime::{Capabilities, NamespaceKind, Process, Spec, State, Status};
use tierce_sys::namespaces::Kinds;

/// Executes a process in a running container. It is a child of the caller, and has executed its program when this
/// returns, or was refused that by the kernel: then it says so on its own error stream and ends with 255.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NotRunning`], [`Error::Status`] for a paused one, [`Error::Further`] when the process
/// cannot be prepared; no process is left then.
pub fn exec(options: &ExecOptions) -> Result<Created, Error> {
    Container::open(options)?.exec(options)
}

/// What is kept of the container, read once: parsing it is most of what this verb does outside the kernel.
struct Container {
    home: Home,
    record: Record,
    config: Spec,
}

impl Container {
    fn open(options: &ExecOptions) -> Result<Self, Error> {
        let home = Home::of(&options.root, &options.id)?;
        Ok(Self {
            record: home.load()?,
            config: home.config()?,
            home,
        })
    }

    fn exec(&self, options: &ExecOptions) -> Result<Created, Error> {
        let Self { home, record, config } = self;
        match state::status(home, record)? {
            Status::Running | Status::Created => {}
            Status::Paused if options.ignore_paused => {}
            Status::Paused => {
                return Err(Error::Status(
                    "cannot exec in a paused container (use --ignore-paused to override)".into(),
                ));
            }
            _ => return Err(Error::Status("cannot exec in a stopped container".into())),
        }
        let process = inherit::from_container(options.process.clone(), config.process.as_ref());
        // Further processes get the container's filter, execution domain and memory policy, as under runc.
        let program = Program::of(&process, config.linux.as_ref(), options.preserve_fds)?;
        options.console.check(program.process.terminal)?;
        let socket = options.console.connect()?;
        let state = record.document(Status::Running);
        let mut group = state::group(record);
        if !options.sub_groups.is_empty() {
            group = tierce_cgroup::load(subgroup::below(group.paths(), &options.sub_groups)?, Driver::Cgroupfs);
        }
        let child = launch(options, record, &program, &state, group.as_ref()).map_err(Error::of_further_process)?;
        let finished = reach(Point::Further)
            .and_then(|()| finish(options, &child, &program, &state, group.as_ref(), socket.as_ref()))
            .map_err(Error::of_further_process);
        match finished {
            Ok(terminal) => Ok(Created {
                pid: child.pid,
                pidfd: child.pidfd,
                terminal,
            }),
            Err(error) => {
                child.destroy();
                Err(error)
            }
        }
    }
}

fn launch(
    options: &ExecOptions,
    record: &Record,
    program: &Program,
    state: &State,
    group: &dyn Manager,
) -> Result<Child, Error> {
    let init = record.pidfd()?;
    let kinds = record.kinds();
    let namespaces = first_joined(record, kinds)?;
    let entered = namespaces
        .joined
        .iter()
        .fold(Kinds::NONE, |kinds, joined| kinds | namespaces::bit(joined.kind));
    let keyring = keyring(&record.id, record.no_new_keyring)?;
    let attempt = |directory: Option<&OwnedFd>| {
        let body = |channel: Channel| {
            let init = Init {
                role: Role::Further {
                    init: &init,
                    kinds,
                    entered,
                },
                program,
                state,
                stdio: &options.stdio,
                keyring: keyring.clone(),
                hold: Hold::Channel,
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
        parent::launch(&namespaces, None, directory.map(AsFd::as_fd), body)
    };
    let _lent = affinity::lend(program.schedule.initial_cpus.as_ref())?;
    match attempt(group.directory()?.as_ref()) {
        // The container delegates: its own group has controllers and takes no processes; its init knows where they go.
        Err(Error::Kernel {
            source: Errno::BUSY, ..
        }) if options.sub_groups.is_empty() => attempt(Some(&group_of_init(record)?)),
        Err(Error::Kernel {
            source: Errno::BUSY, ..
        }) => {
            let directory = group.paths().unified().unwrap_or(Path::new("/"));
            Err(subgroup::refused(&directory.join("cgroup.procs"), Errno::BUSY))
        }
        // An ordinary user may not move processes between what belongs to its session and to its systemd, but that
        // systemd may. A container that has no group in truth is no reason to fail.
        Err(Error::Kernel {
            source: Errno::ACCESS | Errno::PERM,
            ..
        }) if !rustix::process::geteuid().is_root() => {
            let child = attempt(None)?;
            let _ = group.enter(child.pid.cast_unsigned());
            Ok(child)
        }
        result => result,
    }
}

/// The namespaces that cannot be joined together with the others: that of pids takes only children, so the parent lends
/// itself for the moment of cloning; and who is not root may do so only after the user namespace was joined, which a
/// process in between does.
fn first_joined(record: &Record, kinds: Kinds) -> Result<Namespaces, Error> {
    let mut namespaces = Namespaces::default();
    let unprivileged = !rustix::process::geteuid().is_root();
    for kind in [NamespaceKind::User, NamespaceKind::Pid] {
        if kinds.contains(namespaces::bit(kind)) && (kind == NamespaceKind::Pid || unprivileged) {
            let name = namespaces::file_name(kind);
            let path = Path::new("/proc").join(record.pid.to_string()).join("ns").join(name);
            let file = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .doing(|| format!("open {}", path.display()))?;
            namespaces.joined.push(Joined { kind, file });
        }
    }
    Ok(namespaces)
}

/// The v2 group that the container's first process is in now.
fn group_of_init(record: &Record) -> Result<OwnedFd, Error> {
    let groups = tierce_cgroup::of_pid(record.pid.cast_unsigned())?;
    let inner = groups.get("").map_or("/", String::as_str).trim_start_matches('/');
    let path = Path::new("/sys/fs/cgroup").join(inner);
    rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .doing(|| format!("open {}", path.display()))
}

fn finish(
    options: &ExecOptions,
    child: &Child,
    program: &Program,
    state: &State,
    group: &dyn Manager,
    socket: Option<&OwnedFd>,
) -> Result<Option<OwnedFd>, Error> {
    if let Some(score) = program.process.oom_score_adj {
        child.set_oom_score(score)?;
    }
    child.go(&group::doors(group)?)?;
    reach(Point::FurtherGone)?;
    let mut no_hooks = || Ok(());
    let mut duties = Duties {
        program,
        console: &options.console,
        socket,
        state,
        hooks: &mut no_hooks,
        sources: None,
    };
    let terminal = child.await_ready(&mut duties)?;
    reach(Point::FurtherReady)?;
    if let Some(path) = &options.pidfd_socket {
        child.send_descriptor(path)?;
    }
    if let Some(path) = &options.pid_file {
        write_pid_file(path, child.pid)?;
    }
    reach(Point::FurtherPidFile)?;
    child.start()?;
    Ok(terminal)
}

/// What the command line says of the process, on top of the container's own.
#[derive(Debug, Default)]
struct Wishes {
    document: Option<std::path::PathBuf>,
    terminal: Option<bool>,
    user: Option<String>,
    groups: Vec<u32>,
    environment: Vec<String>,
    directory: Option<std::path::PathBuf>,
    capabilities: Vec<String>,
    apparmor: Option<String>,
    label: Option<String>,
    no_new_privileges: Option<bool>,
    groups_below: Vec<String>,
    arguments: Vec<String>,
}

fn parse(globals: &Globals, arguments: &mut Arguments) -> Result<(ExecOptions, Wishes, bool), Error> {
    let mut options = ExecOptions {
        root: globals.root.clone(),
        ..ExecOptions::default()
    };
    let (mut wishes, mut detach) = (Wishes::default(), false);
    loop {
        let flag = match arguments.next()? {
            None => return Err(super::misused("exec", "a minimum of 1")),
            Some(Piece::Word(id)) => {
                options.id = id;
                wishes.arguments = arguments.remainder()?;
                return Ok((options, wishes, detach));
            }
            Some(Piece::Flag(flag)) => flag,
        };
        match flag.as_str() {
            "console-socket" => options.console = Console::Socket(arguments.path()?),
            "pid-file" => options.pid_file = Some(arguments.path()?),
            "pidfd-socket" => options.pidfd_socket = Some(arguments.path()?),
            "preserve-fds" => options.preserve_fds = arguments.number()?,
            "ignore-paused" => options.ignore_paused = arguments.truth()?,
            "detach" | "d" => detach = arguments.truth()?,
            "process" | "p" => wishes.document = Some(arguments.path()?),
            "tty" | "t" => wishes.terminal = Some(arguments.truth()?),
            "user" | "u" => wishes.user = Some(arguments.value()?),
            "additional-gids" | "g" => wishes.groups.push(arguments.number()?),
            "env" | "e" => wishes.environment.push(arguments.value()?),
            "cwd" => wishes.directory = Some(arguments.path()?),
            "cap" | "c" => wishes.capabilities.push(arguments.value()?),
            "apparmor" => wishes.apparmor = Some(arguments.value()?),
            "process-label" => wishes.label = Some(arguments.value()?),
            "no-new-privs" => wishes.no_new_privileges = Some(arguments.truth()?),
            "cgroup" => wishes.groups_below.push(arguments.value()?),
            _ => return arguments.unknown(),
        }
    }
}

/// The process that the wishes describe.
fn process(wishes: Wishes, config: &Spec) -> Result<Process, Error> {
    if let Some(path) = &wishes.document {
        let bytes = std::fs::read(path).doing(|| format!("read {}", path.display()))?;
        return Ok(tierce_oci::json::parse(&path.display().to_string(), &bytes)?);
    }
    let mut process = config
        .process
        .clone()
        .ok_or_else(|| Error::Invalid("the container has no process".into()))?;
    if wishes.arguments.is_empty() {
        return Err(Error::Usage("exec args cannot be empty".into()));
    }
    process.args = wishes.arguments;
    process.terminal = wishes.terminal.unwrap_or(false);
    process.env.extend(wishes.environment);
    if let Some(directory) = wishes.directory {
        process.cwd = directory;
    }
    if let Some(user) = wishes.user {
        let wrong = || Error::Usage(format!("exec: invalid user {user:?}: give uid[:gid]"));
        let (uid, gid) = user
            .split_once(':')
            .map_or((user.as_str(), None), |(uid, gid)| (uid, Some(gid)));
        process.user.uid = uid.parse().map_err(|_| wrong())?;
        if let Some(gid) = gid {
            process.user.gid = gid.parse().map_err(|_| wrong())?;
        }
    }
    process.user.additional_gids.extend(wishes.groups);
    if !wishes.capabilities.is_empty() {
        let sets = process.capabilities.get_or_insert_with(Capabilities::default);
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.extend(wishes.capabilities.iter().cloned());
        }
        // Ambient ones must be inheritable; a container without any inheritable capability gets none this way
        // (CVE-2022-29162).
        if !sets.inheritable.is_empty() {
            sets.ambient.extend(wishes.capabilities.iter().cloned());
        }
    }
    if let Some(profile) = wishes.apparmor {
        process.apparmor_profile = profile;
    }
    if let Some(label) = wishes.label {
        process.selinux_label = label;
    }
    if let Some(no_new_privileges) = wishes.no_new_privileges {
        process.no_new_privileges = no_new_privileges;
    }
    Ok(process)
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut options, wishes, detach) = parse(globals, arguments)?;
    guard::begin(options.preserve_fds)?;
    let container = Container::open(&options)?;
    let terminal = wishes.terminal;
    options.sub_groups = subgroup::parse(&wishes.groups_below)?;
    options.process = process(wishes, &container.config)?;
    if let Some(terminal) = terminal {
        options.process.terminal = terminal;
    }
    options.console = options.console.of_command(detach)?;
    let foreground = if detach { None } else { Some(Foreground::enter()) };
    let created = container.exec(&options)?;
    match foreground {
        None => Ok(0),
        Some(foreground) => foreground::wait(&foreground, &created, None),
    }
}
