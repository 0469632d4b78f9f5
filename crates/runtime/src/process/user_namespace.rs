//! Id mappings of user namespaces, see user_namespaces(7).

use crate::error::{Doing, Error};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use tierce_oci::runtime::IdMapping;
use tierce_sys::clone::{Flags, Fork};

/// The mapping as `uid_map` takes it.
fn lines(mappings: &[IdMapping]) -> String {
    mappings.iter().fold(String::new(), |text, one| {
        text + &format!("{} {} {}\n", one.container_id, one.host_id, one.size)
    })
}

/// Writes the mappings of a process that is in a new user namespace. Without privilege the setuid helpers
/// `newuidmap` and `newgidmap` are asked, which know what the user was granted.
pub(crate) fn map(pid: i32, uids: &[IdMapping], gids: &[IdMapping]) -> Result<(), Error> {
    let privileged = rustix::process::geteuid().is_root();
    if !privileged && gids.len() == 1 && gids[0].size == 1 {
        // The kernel lets an unprivileged process map its own group only after giving up setgroups(2).
        let path = format!("/proc/{pid}/setgroups");
        std::fs::write(&path, "deny").doing(|| format!("write {path}"))?;
    }
    for (file, helper, mappings) in [("gid_map", "newgidmap", gids), ("uid_map", "newuidmap", uids)] {
        let path = format!("/proc/{pid}/{file}");
        match std::fs::write(&path, lines(mappings)) {
            Err(error) if !privileged && error.kind() == std::io::ErrorKind::PermissionDenied => {
                ask(helper, pid, mappings)?;
            }
            result => result.doing(|| format!("write {path}"))?,
        }
    }
    Ok(())
}

fn ask(helper: &str, pid: i32, mappings: &[IdMapping]) -> Result<(), Error> {
    let mut command = Command::new(helper);
    command.arg(pid.to_string());
    for one in mappings {
        command.args([one.container_id, one.host_id, one.size].map(|number| number.to_string()));
    }
    let output = command.output().doing(|| format!("execute {helper}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "{helper}: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    )))
}

/// A user namespace with these mappings and no process in it, as idmapped mounts need.
pub(crate) fn detached(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd, Error> {
    let fork = tierce_sys::clone::fork(Flags::NEW_USER, None).doing(|| "make a user namespace for a mount".into())?;
    let Fork::Parent { pid, pidfd } = fork else {
        // The namespace lives as long as its only process; the parent ends it.
        loop {
            let _ = tierce_sys::signals::wait(None);
        }
    };
    let path = format!("/proc/{pid}/ns/user");
    let result = map(pid, uids, gids).and_then(|()| {
        rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).doing(|| format!("open {path}"))
    });
    let _ = tierce_sys::signals::send(pidfd.as_fd(), 9);
    let _ = rustix::process::waitid(
        rustix::process::WaitId::PidFd(pidfd.as_fd()),
        rustix::process::WaitIdOptions::EXITED,
    );
    result
}
