//! `run`: create, start, stay, delete; or, detached, only the first two.

use super::Globals;
use super::create::{Made, Waiting, flags, make};
use super::delete::{delete, destroy};
use super::foreground::{self, Foreground};
use crate::argv::Arguments;
use crate::error::Error;
use crate::failpoint::{Point, reach};
use crate::guard;
use crate::notify::Proxy;
use crate::options::Created;
use std::os::fd::AsFd;
use tierce_hooks::Place;
use tierce_oci::runtime::Status;

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut detach, mut keep) = (false, false);
    let mut options = flags("run", globals, arguments, |flag, arguments| {
        match flag {
            "detach" | "d" => detach = arguments.truth()?,
            "keep" => keep = arguments.truth()?,
            "no-subreaper" => drop(arguments.truth()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    guard::begin(options.preserve_fds)?;
    options.console = options.console.of_command(detach)?;
    let foreground = if detach { None } else { Some(Foreground::enter()) };
    // Nobody else is to start it, so it waits for this process and needs no fifo.
    let Made {
        child,
        terminal,
        home,
        record,
    } = make(&options, Waiting::ForCaller)?;
    let give_up = |error| {
        // The failure is what the caller hears; what is left is taken back as far as possible.
        let _ = delete(&globals.root, &options.id, true);
        Err(error)
    };
    let started = || {
        reach(Point::Made)?;
        let held = home.hold()?;
        let proxy = Proxy::of(home.path(), options.notify_socket.as_deref())?;
        child.start()?;
        if let Some(lists) = &record.hooks {
            let state = record.document(Status::Running);
            tierce_hooks::run("poststart", &lists.poststart, &state, &Place::bundle(&record.bundle))?;
        }
        Ok((held, proxy))
    };
    let (held, proxy) = match started() {
        Ok(started) => started,
        Err(error) => {
            child.destroy();
            return give_up(error);
        }
    };
    let Some(foreground) = foreground else {
        return match proxy {
            Some(proxy) => proxy.attend(child.pidfd.as_fd(), child.pid).map(|()| 0),
            None => Ok(0),
        };
    };
    let created = Created {
        pid: child.pid,
        pidfd: child.pidfd,
        terminal,
    };
    let waited = reach(Point::Started).and_then(|()| foreground::wait(&foreground, &created, proxy));
    let code = match waited.and_then(|code| reach(Point::Waited).map(|()| code)) {
        Ok(code) => code,
        Err(error) => return give_up(error),
    };
    // Somebody else may have deleted it while it ran.
    if !keep && !held.is_removed()? {
        destroy(&home, &record)?;
    }
    Ok(code)
}
