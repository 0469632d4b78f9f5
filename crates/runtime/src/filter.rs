//! The system call filter of a process: compiled by the parent, loaded by the child.

use crate::error::{Doing, Error};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use tierce_oci::runtime::{Seccomp, State};
use tierce_sys::seccomp::Instruction;

/// A compiled filter.
#[derive(Debug)]
pub(crate) struct Filter {
    instructions: Vec<Instruction>,
    flags: u32,
    /// Where the notification descriptor goes, with the text that goes along.
    listener: Option<(PathBuf, String)>,
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
                return Err(Error::Invalid("seccomp: SCMP_ACT_NOTIFY needs listenerPath".into()));
            }
            Some((profile.listener_path.clone(), profile.listener_metadata.clone()))
        } else {
            None
        };
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

    /// Loads the filter for the calling process; the notification descriptor is returned if there is one.
    pub(crate) fn load(&self) -> Result<Option<OwnedFd>, Error> {
        tierce_sys::seccomp::load(&self.instructions, self.flags).doing(|| "load the seccomp filter".into())
    }

    /// Hands the notification descriptor to the listener, as the specification says: with the container's process
    /// state (`config-linux.md#containerprocessstate`).
    pub(crate) fn hand_over(&self, notifications: &OwnedFd, state: &State, pid: i32) -> Result<(), Error> {
        let Some((path, metadata)) = &self.listener else {
            return Ok(());
        };
        let action = || format!("send the seccomp listener to {}", path.display());
        let document = serde_json::json!({
            "ociVersion": state.oci_version,
            "fds": ["seccompFd"],
            "pid": pid,
            "metadata": metadata,
            "state": state,
        });
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .doing(action)?;
        let address = SocketAddrUnix::new(path).doing(action)?;
        rustix::net::connect(&socket, &address).doing(action)?;
        tierce_sys::passing::send(
            socket.as_fd(),
            document.to_string().as_bytes(),
            &[notifications.as_fd()],
        )
        .doing(action)?;
        Ok(())
    }
}
