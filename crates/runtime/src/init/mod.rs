//! The child's half: an ordered list of steps from a fresh clone to `execve`. The order is the contract, and tested:
//! what needs the host comes before the root changes, what needs privilege before it is given up.

mod capabilities;
mod console;
mod directory;
mod exec;
mod hooks;
mod limits;
mod lsm;
mod masked;
mod mounts;
mod names;
mod namespaces;
mod pivot;
mod scheduling;
mod seccomp;
mod session;
mod stdio;
pub(crate) mod sysctl;
mod user;

use crate::error::{Doing, Error};
use crate::failpoint;
use crate::options::Stdio;
use crate::process::channel::Channel;
use crate::process::message::Message;
use crate::program::Program;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use tierce_cgroup::resctrl::Class;
use tierce_fault::Fault;
use tierce_oci::runtime::{Linux, NamespaceKind, Spec, State};
use tierce_rootfs::beneath::Root;
use tierce_rootfs::cgroup::View;
use tierce_rootfs::device::Node;
use tierce_rootfs::plan::MountPlan;
use tierce_rootfs::proc::Procfs;
use tierce_sys::exec::StringArray;
use tierce_sys::mount_attributes::Propagation;
use tierce_sys::namespaces::Kinds;

/// A container, decided: everything that its first process needs besides its [`Program`].
#[derive(Debug)]
pub(crate) struct Container {
    /// The document.
    pub(crate) spec: Spec,
    /// Its Linux part.
    pub(crate) linux: Linux,
    /// The root file system on the host, absolute.
    pub(crate) rootfs: PathBuf,
    /// Its namespaces.
    pub(crate) namespaces: crate::namespaces::Namespaces,
    /// Its mounts, in order.
    pub(crate) mounts: Vec<MountPlan>,
    /// Whether whoever starts it can open more than its root: bind sources are asked for then.
    pub(crate) may_ask: bool,
    /// Its device nodes; `None` where `/dev` is the host's.
    pub(crate) nodes: Option<Vec<Node>>,
    /// Its class of cache and memory bandwidth.
    pub(crate) class: Option<Class>,
    /// Its view of the control groups.
    pub(crate) view: View,
    /// Propagation of its root.
    pub(crate) propagation: Option<(Propagation, bool)>,
    /// Change the root by moving mounts.
    pub(crate) no_pivot: bool,
}

/// Which process is made.
#[derive(Debug)]
pub(crate) enum Role<'a> {
    /// A container's first.
    First(&'a Container),
    /// A further one, in the namespaces of these kinds of the process that the descriptor stands for.
    Further {
        /// The container's first process.
        init: &'a OwnedFd,
        /// In which kinds it differs from the host.
        kinds: Kinds,
        /// Those of them in which the process is already.
        entered: Kinds,
    },
}

/// What the prepared process waits for before it executes its program.
#[derive(Debug)]
pub(crate) enum Hold {
    /// A byte in the container's fifo, written by `start`.
    Fifo {
        /// The end to read from.
        fifo: OwnedFd,
        /// Where a failure after that byte is told; only with hooks that may fail then.
        answer: Option<OwnedFd>,
    },
    /// The parent's word.
    Channel,
}

/// A process that prepares itself.
pub(crate) struct Init<'a> {
    /// First or further.
    pub(crate) role: Role<'a>,
    /// What it will execute.
    pub(crate) program: &'a Program,
    /// The container's state, for hooks.
    pub(crate) state: &'a State,
    /// Its streams.
    pub(crate) stdio: &'a Stdio,
    /// Name of the new session keyring; `None` keeps the old one.
    pub(crate) keyring: Option<CString>,
    /// What it waits for at last.
    pub(crate) hold: Hold,
    /// To the parent.
    pub(crate) channel: Channel,
    /// Whether the parent said Go.
    pub(crate) gone: bool,
    /// The container's root, once there is one.
    pub(crate) root: Option<Root>,
    /// A trustworthy procfs, once one was needed.
    pub(crate) procfs: Option<Procfs>,
    /// Mounts that become read-only when all else is done.
    pub(crate) read_only_later: Vec<OwnedFd>,
    /// The slave side of its terminal.
    pub(crate) terminal: Option<OwnedFd>,
    /// Whether it is in its working directory.
    pub(crate) entered: bool,
    /// What `execve` will take, once it is known.
    pub(crate) launch: Option<Launch<'a>>,
}

/// Everything that `execve` takes, laid out beforehand: a filter may forbid even to ask for memory.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    path: CString,
    arguments: StringArray<'a>,
    environment: StringArray<'a>,
}

/// One step.
pub(crate) struct Step {
    /// Its name, for the test of the order and for traces.
    pub(crate) name: &'static str,
    run: fn(&mut Init<'_>) -> Result<(), Error>,
}

macro_rules! steps {
    ($($name:literal => $run:path),+ $(,)?) => { &[$(Step { name: $name, run: $run }),+] };
}

/// From clone to execve, for a container's first process.
pub(crate) const FIRST: &[Step] = steps![
    "join namespaces" => namespaces::join,
    "become root of the user namespace" => namespaces::become_root,
    "session" => session::session,
    "keyring" => session::keyring,
    "host and domain name" => names::names,
    "loopback" => names::loopback,
    "cgroup namespace" => namespaces::cgroup,
    "root file system" => mounts::root,
    "mounts" => mounts::mounts,
    "devices" => mounts::devices,
    "hooks before the root changes" => hooks::before_pivot,
    "terminal" => console::first,
    "working directory exists" => directory::make,
    "kernel parameters" => sysctl::sysctl,
    "security labels" => lsm::labels,
    "read-only paths" => masked::read_only_paths,
    "masked paths" => masked::masked_paths,
    "read-only root" => masked::read_only_root,
    "change root" => pivot::pivot,
    "root propagation" => pivot::propagation,
    "scheduling" => scheduling::scheduling,
    "streams" => stdio::streams,
    "inheritance" => stdio::inheritance,
    "working directory as root" => directory::enter_as_root,
    "limits" => limits::limits,
    "no new privileges" => seccomp::no_new_privileges,
    "seccomp while privileged" => seccomp::while_privileged,
    "bounding set" => capabilities::bounding,
    "user" => user::user,
    "capabilities" => capabilities::sets,
    "working directory" => directory::enter_as_user,
    "find the program" => exec::find,
    "seccomp without privileges" => seccomp::without_privileges,
    "report and wait" => exec::wait,
    "hooks before the program" => hooks::before_program,
];

/// From clone to execve, for a further process.
pub(crate) const FURTHER: &[Step] = steps![
    "join namespaces" => namespaces::join,
    "become root of the user namespace" => namespaces::become_root,
    "in the control group" => namespaces::await_go,
    "session" => session::session,
    "keyring" => session::keyring,
    "terminal" => console::further,
    "security labels" => lsm::labels,
    "scheduling" => scheduling::scheduling,
    "streams" => stdio::streams,
    "inheritance" => stdio::inheritance,
    "working directory as root" => directory::enter_as_root,
    "limits" => limits::limits,
    "no new privileges" => seccomp::no_new_privileges,
    "seccomp while privileged" => seccomp::while_privileged,
    "bounding set" => capabilities::bounding,
    "user" => user::user,
    "capabilities" => capabilities::sets,
    "working directory" => directory::enter_as_user,
    "find the program" => exec::find,
    "seccomp without privileges" => seccomp::without_privileges,
    "report and wait" => exec::wait,
];

impl Init<'_> {
    /// The whole life of the child. Returns only when it failed and said so.
    pub(crate) fn run(mut self) {
        // The process still has the runtime's image: nobody in the container may open it through /proc (CVE-2019-5736)
        // or trace it. Execve clears this. A parent without privilege could not map the child's ids then, so its child
        // waits for that, alone in its namespaces (`namespaces::become_root`).
        let mapped_by_owner = matches!(self.role, Role::First(container)
            if container.namespaces.is_new(NamespaceKind::User) && !container.may_ask);
        if !mapped_by_owner {
            let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
        }
        let steps = match self.role {
            Role::First(_) => FIRST,
            Role::Further { .. } => FURTHER,
        };
        let failed = steps
            .iter()
            .find_map(|step| self.take(step).err().map(|error| (step.name, error)));
        let (step, error) = failed.unwrap_or_else(|| ("", exec::execute(&self)));
        let failure = Message::Failed {
            kind: error.kind(),
            text: error.to_string(),
        };
        // As under runc, a further process counts as started when nothing but its program's execution is left.
        let started = step.is_empty() && matches!(self.role, Role::Further { .. });
        if started || self.channel.send(&failure).is_err() {
            // Nobody waits any more: the container was started, and its own error stream is where it shows, unless
            // `start` reads the answer.
            let _ = match &self.hold {
                Hold::Fifo {
                    answer: Some(answer), ..
                } => rustix::io::write(answer, error.to_string().as_bytes()),
                _ if step.is_empty() => rustix::io::write(rustix::stdio::stderr(), format!("{error}\n").as_bytes()),
                _ => rustix::io::write(rustix::stdio::stderr(), format!("{step}: {error}\n").as_bytes()),
            };
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), Error> {
        (step.run)(self)?;
        failpoint::step(matches!(self.role, Role::First(_)), step)
    }

    /// Waits for the parent's Go, once, and enters the control group.
    pub(crate) fn await_go(&mut self) -> Result<(), Error> {
        if self.gone {
            return Ok(());
        }
        for door in self.channel.expect(&Message::Go)? {
            rustix::io::write(&door, b"0").doing(|| "enter the control group".into())?;
        }
        self.gone = true;
        Ok(())
    }

    /// Asks the parent for the source of a bind mount.
    fn ask_source(&self, position: usize) -> Result<OwnedFd, Error> {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        self.channel.send(&Message::Source(position))?;
        match self.channel.receive()? {
            Some((Message::Source(_), mut files)) if files.len() == 1 => Ok(files.remove(0)),
            Some((Message::Failed { kind, text }, _)) => Err(Error::Step { kind, text }),
            other => Err(Error::Invalid(format!("expected a bind source but got {other:?}"))),
        }
    }

    /// The container whose first process this is.
    pub(crate) fn container(&self) -> Result<&Container, Error> {
        match self.role {
            Role::First(container) => Ok(container),
            Role::Further { .. } => Err(Error::Invalid("a further process has no container to prepare".into())),
        }
    }

    /// The container's root.
    pub(crate) fn root(&self) -> Result<&Root, Error> {
        self.root
            .as_ref()
            .ok_or_else(|| Error::Invalid("the root file system has not been prepared".into()))
    }

    /// A trustworthy procfs.
    pub(crate) fn procfs(&mut self) -> Result<&Procfs, Error> {
        match &mut self.procfs {
            Some(procfs) => Ok(procfs),
            none => Ok(none.insert(Procfs::open()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(steps: &[Step], name: &str) -> usize {
        steps
            .iter()
            .position(|step| step.name == name)
            .unwrap_or_else(|| panic!("no step {name:?}"))
    }

    fn in_order(steps: &[Step], names: &[&str]) {
        let positions: Vec<_> = names.iter().map(|name| position(steps, name)).collect();
        assert!(positions.is_sorted(), "{names:?} are at {positions:?}");
    }

    #[test]
    fn kernel_parameters_are_set_before_proc_is_read_only_and_masks_come_after_all_mounts() {
        in_order(
            FIRST,
            &[
                "mounts",
                "kernel parameters",
                "read-only paths",
                "masked paths",
                "change root",
            ],
        );
    }

    #[test]
    fn the_group_is_entered_before_the_cgroup_namespace_and_that_is_made_before_mounts() {
        in_order(FIRST, &["cgroup namespace", "mounts"]);
        in_order(FURTHER, &["in the control group", "user"]);
    }

    #[test]
    fn privileges_fall_in_the_only_order_that_works() {
        for steps in [FIRST, FURTHER] {
            in_order(
                steps,
                &[
                    "inheritance",
                    // Talks to the parent, which a filter may forbid.
                    "limits",
                    "no new privileges",
                    "seccomp while privileged",
                    "bounding set",
                    "user",
                    "capabilities",
                    "working directory",
                    "find the program",
                    "seccomp without privileges",
                    // Once this is said nobody is sure to hear of a listener any more.
                    "report and wait",
                ],
            );
        }
    }
}
