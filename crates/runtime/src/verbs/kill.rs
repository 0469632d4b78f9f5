//! `kill`: a signal for the container's first process, or for all of them.

use super::{Globals, signal};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::state::Home;
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::path::Path;

const SIGKILL: i32 = 9;

/// Sends a signal. With `all`, to every process of the container's control group, which also reaches those that
/// outlived a first process without a pid namespace of its own; SIGKILL goes to all of these in any case, for no end of
/// a namespace takes them along.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::NotRunning`] when there is no process to be told.
pub fn kill(root: &Path, id: &str, signal: i32, all: bool) -> Result<(), Error> {
    let record = Home::of(root, id)?.load()?;
    let group = super::state::group(&record);
    if all {
        if signal == SIGKILL {
            return Ok(group.kill_all()?);
        }
        for pid in group.pids()? {
            match tierce_sys::signals::send_to_pid(pid.cast_signed(), signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error).doing(|| format!("signal {signal} to process {pid}")),
            }
        }
        return Ok(());
    }
    if signal == SIGKILL && !record.owns_pids() && !group.pids()?.is_empty() {
        return Ok(group.kill_all()?);
    }
    let pidfd = record.pidfd()?;
    match tierce_sys::signals::send(pidfd.as_fd(), signal) {
        Err(Errno::SRCH) => return Err(Error::NotRunning),
        result => result.doing(|| "unable to signal init".to_owned())?,
    }
    if signal == SIGKILL && group.frozen().unwrap_or(false) {
        // A frozen process of v1 would die only when thawed.
        group.set_frozen(false)?;
    }
    Ok(())
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut all, mut words) = (false, Vec::new());
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Flag(flag) => match flag.as_str() {
                "all" | "a" => all = arguments.truth()?,
                _ => return arguments.unknown(),
            },
        }
    }
    let (id, rest) = super::container_id("kill", words, 1)?;
    let number = signal::parse(rest.first().map_or("SIGTERM", String::as_str))?;
    kill(&globals.root, &id, number, all)?;
    Ok(0)
}
