//! Standard streams, and what else a program inherits from whoever executes it.

use super::{Hold, Init, Role};
use crate::error::{Doing, Error};
use rustix::fs::{FileType, Gid, Mode, OFlags, Uid, makedev};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// The mask of file modes of a process whose document names none.
const DEFAULT_MASK: u32 = 0o022;

/// SIGHUP, SIGINT, SIGQUIT, SIGTERM.
const ENDING: [i32; 4] = [1, 2, 3, 15];

/// Puts the terminal, or the given streams, on 0, 1 and 2, and gives them to the user who will run there.
pub(super) fn streams(init: &mut Init<'_>) -> Result<(), Error> {
    if let Some(slave) = init.terminal.take() {
        rustix::process::ioctl_tiocsctty(&slave).doing(|| "make the terminal the controlling one".into())?;
        for number in 0..3 {
            tierce_sys::descriptors::place(slave.as_fd(), number).doing(|| "place the terminal".into())?;
        }
    } else {
        for (number, stream) in [&init.stdio.stdin, &init.stdio.stdout, &init.stdio.stderr]
            .into_iter()
            .enumerate()
        {
            if let Some(stream) = stream {
                tierce_sys::descriptors::place(stream.as_fd(), number as i32)
                    .doing(|| format!("place stream {number}"))?;
            }
        }
    }
    if matches!(init.role, Role::First(_)) {
        own_null_device()?;
    }
    let user = &init.program.process.user;
    if user.uid != 0 {
        own(user.uid)?;
    }
    Ok(())
}

/// Puts the container's null device in the place of the host's: a stream that is a file of the host's `/dev` could not be
/// checkpointed. Where the container's is not the null device, the stream stays as it is.
fn own_null_device() -> Result<(), Error> {
    let null = makedev(1, 3);
    let is_null = |stream: BorrowedFd<'_>| {
        rustix::fs::fstat(stream).is_ok_and(|stat| {
            stat.st_rdev == null && FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        })
    };
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let mut own = None;
    for (number, stream) in (0..).zip(streams) {
        if !is_null(stream) {
            continue;
        }
        if own.is_none() {
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            own = rustix::fs::open("/dev/null", flags, Mode::empty()).ok();
        }
        let Some(file) = own.as_ref().filter(|file| is_null(file.as_fd())) else {
            return Ok(());
        };
        tierce_sys::descriptors::place(file.as_fd(), number).doing(|| format!("place stream {number}"))?;
    }
    Ok(())
}

/// Lets a user reopen its own streams (`/dev/stdout`).
fn own(uid: u32) -> Result<(), Error> {
    for number in 0..3 {
        let Ok(stream) = tierce_sys::descriptors::duplicate(number) else {
            continue;
        };
        let Ok(stat) = rustix::fs::fstat(&stream) else { continue };
        if stat.st_uid == uid || stat.st_rdev == makedev(1, 3) {
            continue;
        }
        match rustix::fs::fchown(&stream, Some(Uid::from_raw(uid)), None::<Gid>) {
            // A stream that cannot be given away (read-only, foreign, unmapped) still works.
            Ok(()) | Err(Errno::INVAL | Errno::PERM | Errno::ROFS | Errno::NOSYS) => {}
            Err(error) => return Err(error).doing(|| format!("give stream {number} to user {uid}")),
        }
    }
    Ok(())
}

/// Nothing of the runtime's reaches the program: every descriptor but the streams, those to be preserved, and those
/// that are still spoken on (which close at execve), is closed. It must be so already when the working directory is
/// entered and the program looked up: a path like /proc/self/fd/7/bin/sh would lead to the host (CVE-2024-21626).
/// Signals have their defaults, and the mask is the document's.
pub(super) fn inheritance(init: &mut Init<'_>) -> Result<(), Error> {
    let kept = init.program.preserve_fds;
    (init.root, init.procfs) = (None, None);
    let mut spoken_on = vec![init.channel.number()];
    if let Hold::Fifo { fifo, answer } = &init.hold {
        spoken_on.extend(
            [Some(fifo), answer.as_ref()]
                .into_iter()
                .flatten()
                .map(AsRawFd::as_raw_fd),
        );
    }
    tierce_sys::descriptors::close_from_except(3 + kept, &mut spoken_on).doing(|| "close_range".into())?;
    for number in (3..).take(kept as usize) {
        tierce_sys::descriptors::inherit(number).doing(|| format!("preserve descriptor {number}"))?;
    }
    tierce_sys::signals::reset();
    if matches!(init.hold, Hold::Fifo { .. }) {
        // Whoever stops a container that waits for its start expects that it ends.
        tierce_sys::signals::end_on(&ENDING);
    }
    rustix::process::umask(Mode::from_raw_mode(
        init.program.process.user.umask.unwrap_or(DEFAULT_MASK),
    ));
    Ok(())
}
