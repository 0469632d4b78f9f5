//! The system call filter of a process: compiled by the parent, loaded by the child.
//!
//! The descriptor by which an agent answers notifications exists only once the filter is in force, and the agent knows
//! nothing of it yet: any notified call that stands between hangs the start for ever. So the child makes one call only,
//! of which the profile is known to let it through: sendmsg(2) with the descriptor, or else write(2) with its number,
//! by which the parent fetches a copy (pidfd_getfd(2), which a parent without privilege may not). A profile that
//! notifies `write` is refused.

use crate::error::{Doing, Error};
use crate::log;
use crate::process::channel::Channel;
use crate::process::message::Message;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tierce_oci::runtime::{Action, Seccomp, State};
use tierce_sys::seccomp::Instruction;

/// A compiled filter.
#[derive(Debug)]
pub(crate) struct Filter {
    instructions: Vec<Instruction>,
    flags: u32,
    listener: Option<Listener>,
}

/// Who answers notifications.
#[derive(Debug)]
struct Listener {
    /// The agent's socket.
    path: PathBuf,
    /// What goes along with the descriptor.
    metadata: String,
    /// Whether the child may send the descriptor itself.
    may_send: bool,
}

impl Filter {
    /// Compiles a document's profile.
    ///
    /// # Errors
    /// [`Error::Seccomp`]; [`Error::Invalid`] for notifications without a listener.
    pub(crate) fn compile(profile: &Seccomp) -> Result<Self, Error> {
        let native = tierce_seccomp::Architecture::native()
            .ok_or_else(|| Error::Unsupported("seccomp: this machine's architecture is not known".into()))?;
        let program = tierce_seccomp::compile(profile, native)?;
        let listener = if program.notifies() {
            if profile.listener_path.as_os_str().is_empty() {
                return Err(Error::Invalid("seccomp listenerPath is not set".into()));
            }
            Some(Listener {
                path: profile.listener_path.clone(),
                metadata: profile.listener_metadata.clone(),
                may_send: lets_through(profile, "sendmsg"),
            })
        } else {
            None
        };
        log::debug(|| format!("seccomp filter flags: {}", program.flags.0));
        let instructions = program
            .filter
            .iter()
            .map(|one| Instruction {
                code: one.code,
                jt: one.jt,
                jf: one.jf,
                k: one.k,
            })
            .collect();
        Ok(Self {
            instructions,
            flags: program.flags.0,
            listener,
        })
    }

    /// Loads the filter for the calling process. The notification descriptor, if there is one, goes to the parent.
    pub(crate) fn load(&self, channel: &Channel) -> Result<(), Error> {
        let loaded =
            tierce_sys::seccomp::load(&self.instructions, self.flags).doing(|| "load the seccomp filter".into())?;
        let (Some(notifications), Some(listener)) = (loaded, &self.listener) else {
            return Ok(());
        };
        let message = Message::Listener(notifications.as_raw_fd());
        if listener.may_send {
            return channel.send_with(&message, &[notifications.as_fd()]);
        }
        // Kept open for the parent to fetch; close-on-exec.
        std::mem::forget(notifications);
        channel.send(&message)
    }

    /// Hands the notification descriptor to the listener, as the specification says: with the container's process
    /// state (`config-linux.md#containerprocessstate`).
    pub(crate) fn hand_over(&self, notifications: &OwnedFd, state: &State, pid: i32) -> Result<(), Error> {
        let Some(Listener { path, metadata, .. }) = &self.listener else {
            return Ok(());
        };
        let mut document = serde_json::json!({
            "ociVersion": state.oci_version,
            "fds": ["seccompFd"],
            "pid": pid,
            "state": state,
        });
        if !metadata.is_empty() {
            document["metadata"] = metadata.as_str().into();
        }
        let connecting = || {
            let path = path.display();
            format!("failed to connect with seccomp agent specified in the seccomp profile: dial unix {path}")
        };
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .doing(connecting)?;
        rustix::net::connect(&socket, &address(path).doing(connecting)?).doing(connecting)?;
        tierce_sys::passing::send(
            socket.as_fd(),
            document.to_string().as_bytes(),
            &[notifications.as_fd()],
        )
        .doing(|| format!("cannot send seccomp fd to {}", path.display()))?;
        Ok(())
    }
}

/// A path that begins with `@` is a name in the abstract space, as everywhere in Go.
fn address(path: &Path) -> Result<SocketAddrUnix, rustix::io::Errno> {
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name),
        _ => SocketAddrUnix::new(path),
    }
}

/// Whether a profile lets a call through whatever its arguments.
fn lets_through(profile: &Seccomp, call: &str) -> bool {
    let through = |action| matches!(action, Action::Allow | Action::Log);
    let mut rules = profile
        .syscalls
        .iter()
        .filter(|rule| rule.names.iter().any(|name| name == call))
        .peekable();
    if rules.peek().is_none() {
        return through(profile.default_action);
    }
    rules.all(|rule| through(rule.action) && rule.args.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(default: &str, rules: &serde_json::Value) -> Seccomp {
        serde_json::from_value(serde_json::json!({"defaultAction": default, "syscalls": rules})).expect("a profile")
    }

    #[test]
    fn the_descriptor_is_sent_only_where_nothing_can_stop_it() {
        let rule = |action: &str| serde_json::json!([{"names": ["bind", "sendmsg"], "action": action}]);
        let conditional = serde_json::json!([{"names": ["sendmsg"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]);
        for (default, rules, expected) in [
            ("SCMP_ACT_ALLOW", serde_json::json!([]), true),
            ("SCMP_ACT_ERRNO", serde_json::json!([]), false),
            ("SCMP_ACT_ERRNO", rule("SCMP_ACT_ALLOW"), true),
            ("SCMP_ACT_ALLOW", rule("SCMP_ACT_NOTIFY"), false),
            ("SCMP_ACT_ERRNO", conditional, false),
        ] {
            assert_eq!(
                lets_through(&profile(default, &rules), "sendmsg"),
                expected,
                "{default} {rules}"
            );
        }
    }

    #[test]
    fn notifications_need_a_listener_and_cannot_be_had_of_write() {
        let text = |name: &str| {
            let rules = serde_json::json!([{"names": [name], "action": "SCMP_ACT_NOTIFY"}]);
            Filter::compile(&profile("SCMP_ACT_ALLOW", &rules)).map_err(|error| error.to_string())
        };
        assert_eq!(
            text("mkdir").map(|_| ()),
            Err("seccomp listenerPath is not set".to_owned())
        );
        assert!(text("write").is_err_and(|text| text.contains("SCMP_ACT_NOTIFY cannot be used for the write syscall")));
    }
}
