//! `delete`: everything that a container held is given back.

use super::{Globals, state};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::failpoint::{Point, reach};
use crate::log;
use crate::state::{Home, Record};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_cgroup::resctrl;
use tierce_hooks::Place;
use tierce_oci::runtime::{Hooks, Status};

/// How long a killed process may take to end.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Deletes a container that has stopped, or was created but never started. With `force` also one that runs, and one that
/// does not exist is no error.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Status`] for one that runs; [`Error::Timeout`] when its process does not die.
pub fn delete(root: &Path, id: &str, force: bool) -> Result<(), Error> {
    let home = Home::of(root, id)?;
    let record = match home.load() {
        Ok(record) => record,
        // A directory without a record is what a crash left of a container of which nothing else was made yet. As under
        // runc it goes in any case, and there was no container nevertheless.
        Err(Error::NotFound) => {
            home.remove()?;
            return if force { Ok(()) } else { Err(Error::NotFound) };
        }
        Err(error) => return Err(error),
    };
    match state::status(&home, &record)? {
        Status::Stopped => {}
        // Whoever made it died between its clone and its record; the process, if there is one, is in the group.
        Status::Creating => state::group(&record).kill_all()?,
        Status::Created => end(&record)?,
        Status::Paused | Status::Running if force => end(&record)?,
        status => {
            return Err(Error::Status(format!(
                "cannot delete container {id} that is not stopped: {status}"
            )));
        }
    }
    destroy(&home, &record)
}

/// Kills the first process and waits until it is dead (perhaps a zombie, which its parent takes).
pub(crate) fn end(record: &Record) -> Result<(), Error> {
    let pidfd = match record.pidfd() {
        Ok(pidfd) => pidfd,
        Err(Error::NotRunning) => return Ok(()),
        Err(error) => return Err(error),
    };
    tierce_sys::signals::send(pidfd.as_fd(), 9).doing(|| format!("kill container {}", record.id))?;
    let group = state::group(record);
    if group.frozen().unwrap_or(false) {
        group.set_frozen(false)?;
    }
    await_end(&pidfd, &record.id)
}

fn await_end(pidfd: &OwnedFd, id: &str) -> Result<(), Error> {
    match rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&PATIENCE)) {
        Ok(0) => Err(Error::Timeout(format!(
            "container init of {id} is still running after {} s",
            PATIENCE.tv_sec
        ))),
        result => result
            .doing(|| format!("wait for the end of container {id}"))
            .map(|_| ()),
    }
}

/// Gives back what a container without its first process still holds. Goes on after a failure; the first is reported.
pub(crate) fn destroy(home: &Home, record: &Record) -> Result<(), Error> {
    reach(Point::Ended)?;
    let group = state::group(record);
    // Without a pid namespace of its own, processes may have outlived the first one.
    let killed = if record.owns_pids() { Ok(()) } else { group.kill_all() };
    let deleted = group.delete().and(if record.resctrl.as_os_str().is_empty() {
        Ok(())
    } else {
        resctrl::remove(&record.resctrl)
    });
    reach(Point::GroupDeleted)?;
    let removed = home.remove();
    killed
        .map_err(Error::from)
        .and(deleted.map_err(Error::from))
        .and(removed)?;
    reach(Point::DirectoryRemoved)?;
    if let Some(lists) = &record.hooks {
        tell_of_poststop(lists, record);
    }
    Ok(())
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut force, mut words) = (false, Vec::new());
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Flag(flag) => match flag.as_str() {
                "force" | "f" => force = arguments.truth()?,
                _ => return arguments.unknown(),
            },
        }
    }
    let (id, _) = super::container_id("delete", words, 0)?;
    delete(&globals.root, &id, force)?;
    Ok(0)
}

/// Runs the `poststop` hooks. Their failures are told as warnings and change nothing.
pub(super) fn tell_of_poststop(lists: &Hooks, record: &Record) {
    let state = record.document(Status::Stopped);
    for failure in tierce_hooks::run_all("poststop", &lists.poststop, &state, &Place::default()) {
        log::warn(&failure.to_string());
    }
}
