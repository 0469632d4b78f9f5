//! The container's terminal: a pseudo-terminal of the container's own devpts.
//!
//! Both sides come from the multiplexer that is opened beneath the root and checked to be one on a devpts, and the slave
//! side is asked of the master (TIOCGPTPEER), not opened by a name that an image could have laid elsewhere
//! (CVE-2025-52565).

use super::Init;
use crate::error::{Doing, Error};
use crate::process::message::Message;
use rustix::fs::{Mode, OFlags, makedev};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_rootfs::beneath::Root;
use tierce_rootfs::{bind, device, mount};

/// `DEVPTS_SUPER_MAGIC` of linux/magic.h.
const DEVPTS_MAGIC: i64 = 0x1cd1;

/// Makes the terminal of the first process and binds it to `/dev/console`.
pub(super) fn first(init: &mut Init<'_>) -> Result<(), Error> {
    if !init.program.process.terminal {
        return Ok(());
    }
    let slave = make(init)?;
    let root = init.root()?;
    let path = Path::new("/dev/console");
    // Nothing but a plain file or node there: a link would have the terminal cover whatever it leads to.
    let target = match root.open_without_links(path, OFlags::PATH) {
        Err(Errno::NOENT) => root.make_file(path)?,
        result => result.doing(|| "open /dev/console of the container".into())?,
    };
    let tree = bind::clone_of(slave.as_fd(), false).doing(|| "bind the terminal to /dev/console".into())?;
    mount::attach(tree.as_fd(), target.as_fd())?;
    init.terminal = Some(slave);
    Ok(())
}

/// Makes the terminal of a further process.
pub(super) fn further(init: &mut Init<'_>) -> Result<(), Error> {
    if !init.program.process.terminal {
        return Ok(());
    }
    let directory = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .doing(|| "open /".into())?;
    init.root = Some(Root::new(directory));
    init.terminal = Some(make(init)?);
    Ok(())
}

/// Opens a new pair, sends the master side to the parent and returns the slave side.
fn make(init: &Init<'_>) -> Result<OwnedFd, Error> {
    let root = init.root()?;
    let doing = || "open /dev/pts/ptmx of the container".to_owned();
    let master = device::open_terminal(root, Path::new("/dev/pts/ptmx")).doing(doing)?;
    let stat = rustix::fs::fstat(&master).doing(doing)?;
    let on_devpts = rustix::fs::fstatfs(&master).doing(doing)?.f_type as i64 == DEVPTS_MAGIC;
    if !on_devpts || stat.st_rdev != makedev(5, 2) {
        return Err(Error::Invalid(
            "/dev/pts/ptmx of the container is not a terminal multiplexer".into(),
        ));
    }
    rustix::pty::unlockpt(&master).doing(|| "unlock the terminal".into())?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).doing(|| "open the terminal's slave side".into())?;
    // The modes stay the kernel's, ONLCR included, as runc leaves them for whoever takes the master: clients of Docker
    // see "\r\n".
    if let Some(size) = init.program.process.console_size {
        let size = Winsize {
            ws_row: size.height.try_into().unwrap_or(u16::MAX),
            ws_col: size.width.try_into().unwrap_or(u16::MAX),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&slave, size).doing(|| "set the terminal's size".into())?;
    }
    init.channel.send_with(&Message::Terminal, &[master.as_fd()])?;
    Ok(slave)
}
