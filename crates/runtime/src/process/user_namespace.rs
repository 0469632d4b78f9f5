//! Id mappings of user namespaces, see user_namespaces(7).

use super::aside;
use crate::error::{Doing, Error};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use tierce_oci::runtime::IdMapping;
use tierce_sys::clone::{Flags, Fork};
use tierce_sys::namespaces::Kinds;

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

/// The mappings of a user namespace, as they look from ours.
pub(crate) fn mappings_of(namespace: &OwnedFd) -> Result<(Vec<IdMapping>, Vec<IdMapping>), Error> {
    let read = |name: &str| {
        let file = aside::open(|| {
            tierce_sys::namespaces::join(namespace.as_fd(), Kinds::USER)
                .doing(|| "failed to cache mappings for userns: join it".into())?;
            rustix::fs::open(
                format!("/proc/self/{name}"),
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .doing(|| format!("open /proc/self/{name}"))
        })?;
        std::io::read_to_string(std::fs::File::from(file)).doing(|| format!("read {name}"))
    };
    Ok((parse(&read("uid_map")?), parse(&read("gid_map")?)))
}

/// Reads a `uid_map`; lines that are none are left out.
fn parse(text: &str) -> Vec<IdMapping> {
    let number = |word: Option<&str>| word?.parse().ok();
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        Some(IdMapping {
            container_id: number(words.next())?,
            host_id: number(words.next())?,
            size: number(words.next())?,
        })
    };
    text.lines().filter_map(line).collect()
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
