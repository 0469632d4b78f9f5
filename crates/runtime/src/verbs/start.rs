//! `start`: lets the process of a created container execute its program.

use super::Globals;
use crate::argv::Arguments;
use crate::error::{Doing, Error};
use crate::failpoint::{Point, reach};
use crate::notify::Proxy;
use crate::state::Home;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_fault::Kind;
use tierce_hooks::Place;
use tierce_oci::runtime::Status;

/// Starts a created container.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Status`] for one that runs already or has ended.
pub fn start(root: &Path, id: &str) -> Result<(), Error> {
    let home = Home::of(root, id)?;
    let record = home.load()?;
    if !record.is_alive() {
        return Err(Error::Status("cannot start a container that has stopped".into()));
    }
    reach(Point::Loaded)?;
    let fifo = home.open_fifo_once()?;
    reach(Point::Released)?;
    let Some(lists) = &record.hooks else {
        return Ok(());
    };
    if lists.start_container.is_empty() && lists.poststart.is_empty() {
        return Ok(());
    }
    await_program(&fifo)?;
    if let Some(text) = home.take_answer()? {
        return Err(Error::Step {
            kind: Kind::Internal,
            text,
        });
    }
    let place = Place::bundle(&record.bundle);
    let run = tierce_hooks::run("poststart", &lists.poststart, &record.document(Status::Running), &place);
    Ok(run.inspect_err(|_| {
        // The hook's failure is what the caller hears; a process that does not die shows in the state.
        let _ = super::delete::end(&record);
    })?)
}

/// Waits until the process has executed its program, or has ended: either way it does not read the fifo any more.
fn await_program(fifo: &OwnedFd) -> Result<(), Error> {
    loop {
        match rustix::event::poll(&mut [PollFd::new(fifo, PollFlags::empty())], None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).doing(|| "wait for the container's program".into()),
        }
    }
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let id = super::only_id("start", arguments)?;
    let Some(host) = super::notify_socket() else {
        start(&globals.root, &id)?;
        return Ok(0);
    };
    let home = Home::of(&globals.root, &id)?;
    let record = home.load()?;
    // Before the program runs, for it may say at once that it is ready; but not for one that cannot be started.
    let proxy = if home.has_fifo() {
        Proxy::of(home.path(), Some(&host))?
    } else {
        None
    };
    let pidfd = record.pidfd();
    start(&globals.root, &id)?;
    if let Some(proxy) = proxy {
        proxy.attend(pidfd?.as_fd(), record.pid)?;
    }
    Ok(0)
}
