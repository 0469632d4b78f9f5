//! The parent's half: it starts the child, does what only it may do, and hears how the child gets on.

use super::channel::Channel;
use super::message::Message;
use super::source::Sources;
use super::{middle, user_namespace};
use crate::error::{Doing, Error};
use crate::log;
use crate::namespaces::{self, Namespaces};
use crate::options::Console;
use crate::program::Program;
use crate::terminal;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tierce_fault::Fault;
use tierce_oci::runtime::{Linux, NamespaceKind, State};
use tierce_sys::clone::Fork;
use tierce_sys::namespaces::Kinds;

/// A child that prepares itself.
#[derive(Debug)]
pub(crate) struct Child {
    /// Its pid here.
    pub(crate) pid: i32,
    /// A descriptor of it.
    pub(crate) pidfd: OwnedFd,
    channel: Channel,
}

/// Puts the namespaces of later children back to our own when dropped.
#[derive(Debug)]
struct Borrowed {
    own: Vec<(OwnedFd, Kinds)>,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        for (file, kinds) in &self.own {
            // It was ours a moment ago; there is no reason for the kernel to refuse, and no remedy.
            let _ = tierce_sys::namespaces::join(file.as_fd(), *kinds);
        }
    }
}

/// Lets later children be born into the pid namespace that is joined and into a new time namespace; both cannot be
/// entered by a process itself.
fn borrow(joined: &[namespaces::Joined], offsets: Option<&str>) -> Result<Borrowed, Error> {
    let mut borrowed = Borrowed { own: Vec::new() };
    for namespace in joined.iter().filter(|joined| joined.kind == NamespaceKind::Pid) {
        let own = namespaces::own(NamespaceKind::Pid)?;
        tierce_sys::namespaces::join(namespace.file.as_fd(), Kinds::PID)
            .doing(|| "failed to setns into pid namespace".into())?;
        borrowed.own.push((own, Kinds::PID));
    }
    if let Some(offsets) = offsets {
        let own = namespaces::own(NamespaceKind::Time)?;
        tierce_sys::namespaces::unshare(Kinds::TIME).doing(|| "make a time namespace".into())?;
        borrowed.own.push((own, Kinds::TIME));
        if !offsets.is_empty() {
            std::fs::write("/proc/self/timens_offsets", offsets).doing(|| "set timeOffsets".into())?;
        }
    }
    Ok(borrowed)
}

/// The offsets as `/proc/self/timens_offsets` takes them; `None` without a new time namespace.
fn offsets(linux: Option<&Linux>, namespaces: &Namespaces) -> Option<String> {
    namespaces.is_new(NamespaceKind::Time).then(|| {
        linux.map_or_else(String::new, |linux| {
            linux.time_offsets.iter().fold(String::new(), |text, (clock, offset)| {
                text + &format!("{clock} {} {}\n", offset.secs, offset.nanosecs)
            })
        })
    })
}

/// Starts a child in its namespaces; `body` is its whole life. It is a child of this process, also when a process in
/// between was needed.
pub(crate) fn launch(
    namespaces: &Namespaces,
    linux: Option<&Linux>,
    group: Option<BorrowedFd<'_>>,
    body: impl FnOnce(Channel),
) -> Result<Child, Error> {
    let (ours, theirs) = Channel::pair()?;
    let flags = namespaces.clone_flags();
    let offsets = offsets(linux, namespaces);
    if namespaces.needs_middle() {
        let enter = || -> Result<(), Error> {
            // Never undone: the process in between ends.
            std::mem::forget(borrow(&[], offsets.as_deref())?);
            namespaces::join(&namespaces.joined, |_| false)
        };
        let (pid, pidfd, channel) = middle::launch(enter, flags, group, ours, || body(theirs))?;
        log::debug(|| format!("nsexec container setup: process {pid}"));
        return Ok(Child { pid, pidfd, channel });
    }
    let borrowed = borrow(&namespaces.joined, offsets.as_deref())?;
    let fork = tierce_sys::clone::fork(flags, group).doing(|| format!("clone the container process ({flags:?})"))?;
    match fork {
        Fork::Child => {
            std::mem::forget(borrowed);
            drop(ours);
            live(|| body(theirs))
        }
        Fork::Parent { pid, pidfd } => {
            drop(borrowed);
            log::debug(|| format!("nsexec container setup: process {pid}"));
            Ok(Child {
                pid,
                pidfd,
                channel: ours,
            })
        }
    }
}

/// Lives a child's whole life. Not even a defect of ours may let the child return into the caller's code, where it would
/// go on as a second caller.
pub(crate) fn live(life: impl FnOnce()) -> ! {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(life));
    tierce_sys::exec::exit_now(255)
}

/// What the parent does while the child prepares itself.
pub(crate) struct Duties<'a> {
    /// The program that is prepared.
    pub(crate) program: &'a Program,
    /// Where the terminal goes.
    pub(crate) console: &'a Console,
    /// Its socket, connected.
    pub(crate) socket: Option<&'a OwnedFd>,
    /// The container's state, for those who are told of it.
    pub(crate) state: &'a State,
    /// Runs the hooks of the runtime's side.
    pub(crate) hooks: &'a mut dyn FnMut() -> Result<(), Error>,
    /// Opens bind sources for a container's first process.
    pub(crate) sources: Option<Sources<'a>>,
}

impl Child {
    /// Maps the ids of the child's new user namespace.
    pub(crate) fn map_ids(&self, linux: &Linux) -> Result<(), Error> {
        user_namespace::map(self.pid, &linux.uid_mappings, &linux.gid_mappings)
    }

    /// Sets the badness offset. The child may not be able to any more once it is in its user namespace.
    pub(crate) fn set_oom_score(&self, score: i32) -> Result<(), Error> {
        let path = format!("/proc/{}/oom_score_adj", self.pid);
        std::fs::write(&path, score.to_string()).doing(|| format!("write {path}"))
    }

    /// Says that the child's ids are mapped, and hands it the doors of its control group.
    pub(crate) fn go(&self, doors: &[OwnedFd]) -> Result<(), Error> {
        let doors: Vec<BorrowedFd<'_>> = doors.iter().map(AsFd::as_fd).collect();
        self.tell(&Message::Go, &doors)
    }

    /// Says something to the child. That it is gone is no error: it has said why, or its end is seen when it is heard.
    fn tell(&self, message: &Message, files: &[BorrowedFd<'_>]) -> Result<(), Error> {
        match self.channel.send_with(message, files) {
            Err(Error::Kernel {
                source: rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET,
                ..
            }) => Ok(()),
            result => result,
        }
    }

    /// Hears the child until nothing but `execve` is left. Returns the terminal's master side, where it is the
    /// caller's.
    pub(crate) fn await_ready(&self, duties: &mut Duties<'_>) -> Result<Option<OwnedFd>, Error> {
        let mut terminal = None;
        loop {
            match self.channel.receive()? {
                Some((Message::Source(position), _)) => self.send_source(position, duties.sources.as_mut())?,
                Some((Message::Hooks, _)) => {
                    (duties.hooks)()?;
                    self.tell(&Message::HooksDone, &[])?;
                }
                Some((Message::Terminal, mut files)) => match (duties.console, files.pop()) {
                    (Console::Socket(_), Some(master)) => send_terminal(duties.socket, &master)?,
                    (Console::Foreground, Some(master)) => {
                        terminal::prepare(&master)?;
                        terminal = Some(master);
                    }
                    (Console::Return | Console::Foreground | Console::Refuse, master) => terminal = master,
                    (Console::Socket(_), None) => {}
                },
                Some((Message::Listener(number), mut files)) => {
                    let notifications = match files.pop() {
                        Some(sent) => sent,
                        None => self.fetch(number)?,
                    };
                    if let Some(filter) = &duties.program.filter {
                        filter.hand_over(&notifications, duties.state, self.pid)?;
                    }
                }
                Some((Message::Limits, _)) => {
                    self.set_limits(duties.program)?;
                    self.tell(&Message::LimitsDone, &[])?;
                }
                Some((Message::Ready, _)) => {
                    log::debug(|| format!("child process in init(): process {} is prepared", self.pid));
                    log::debug(|| match duties.sources {
                        Some(_) => "init: closing the pipe to signal completion".into(),
                        None => "setns_init: about to exec".into(),
                    });
                    return Ok(terminal);
                }
                Some((Message::Failed { kind, text }, _)) => return Err(Error::Init { kind, text }),
                Some((message, _)) => {
                    return Err(Error::Invalid(format!(
                        "the container process said {message:?} out of turn"
                    )));
                }
                None => {
                    return Err(Error::Init {
                        kind: tierce_fault::Kind::Internal,
                        text: "the container process ended before it was ready (killed by a memory limit?)".into(),
                    });
                }
            }
        }
    }

    /// Lets the child execute its program, and hears whether it could.
    pub(crate) fn start(&self) -> Result<(), Error> {
        self.channel.send(&Message::Start)?;
        match self.channel.receive()? {
            None => Ok(()),
            Some((Message::Failed { kind, text }, _)) => Err(Error::Executed { kind, text }),
            Some((message, _)) => Err(Error::Invalid(format!(
                "the container process said {message:?} out of turn"
            ))),
        }
    }

    /// A copy of the child's descriptor.
    fn fetch(&self, number: i32) -> Result<OwnedFd, Error> {
        rustix::process::pidfd_getfd(&self.pidfd, number, rustix::process::PidfdGetfdFlags::empty())
            .doing(|| "fetch the seccomp listener from the container process".into())
    }

    /// Answers a request for a bind source. A failure goes to the child, which names the mount.
    fn send_source(&self, position: u32, sources: Option<&mut Sources<'_>>) -> Result<(), Error> {
        let found = sources
            .ok_or_else(|| Error::Invalid("this process mounts nothing".into()))
            .and_then(|sources| sources.open(self.pid, position as usize));
        match found {
            Ok(file) => self.channel.send_with(&Message::Source(position), &[file.as_fd()]),
            Err(error) => self.channel.send(&Message::Failed {
                kind: error.kind(),
                text: error.to_string(),
            }),
        }
    }

    fn set_limits(&self, program: &Program) -> Result<(), Error> {
        let pid = rustix::process::Pid::from_raw(self.pid);
        for (resource, limit) in &program.limits {
            rustix::process::prlimit(pid, *resource, *limit).doing(|| {
                format!(
                    "error setting rlimits for ready process: error setting rlimit {resource:?} to {limit:?} \
                     (raising a hard limit needs CAP_SYS_RESOURCE)"
                )
            })?;
        }
        Ok(())
    }

    /// Sends a descriptor of the child to whoever listens on a unix socket.
    pub(crate) fn send_descriptor(&self, socket: &Path) -> Result<(), Error> {
        send_to(socket, "the pidfd", b"pidfd", self.pidfd.as_fd())
    }

    /// Ends the child and collects it; for failures.
    pub(crate) fn destroy(&self) {
        // It may have ended by itself; either way the wait below finds it.
        let _ = tierce_sys::signals::send(self.pidfd.as_fd(), 9);
        let _ = rustix::process::waitid(
            rustix::process::WaitId::PidFd(self.pidfd.as_fd()),
            rustix::process::WaitIdOptions::EXITED,
        );
    }
}

/// Sends the master side of a terminal to whoever listens at the other end of the console socket.
pub(crate) fn send_terminal(socket: Option<&OwnedFd>, master: &OwnedFd) -> Result<(), Error> {
    let socket = socket.ok_or_else(|| Error::Invalid("there is no console socket".into()))?;
    tierce_sys::passing::send(socket.as_fd(), b"/dev/ptmx", &[master.as_fd()])
        .map(drop)
        .doing(|| "send the terminal to the console socket".into())
}

/// Sends a descriptor to whoever listens on a unix socket.
fn send_to(path: &Path, what: &str, name: &[u8], file: BorrowedFd<'_>) -> Result<(), Error> {
    let action = || format!("send {what} to socket {}", path.display());
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).doing(action)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path).doing(action)?).doing(action)?;
    tierce_sys::passing::send(socket.as_fd(), name, &[file]).doing(action)?;
    Ok(())
}
