//! The program: `tierce-dns SOCKET`. Goes into the background when it listens at the socket.

use crate::control;
use rustix::fs::Mode;
use rustix::process::{setsid, umask};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use tierce_sys::daemon::{Side, fork};
use tierce_sys::descriptors;

/// More are never needed.
const MOST_DESCRIPTORS: usize = 1 << 20;

/// Listens at `socket`, leaves a server behind in the background, and returns. Nobody but the same user can speak to it.
///
/// # Errors
/// When it cannot listen there. What fails later ends the server, and with it its connections: the engine starts another.
pub fn run(socket: &Path) -> io::Result<()> {
    // Left behind by a server that was killed: whoever starts us has tried to connect.
    let _ = std::fs::remove_file(socket);
    let old = umask(Mode::RWXG | Mode::RWXO);
    let listener = UnixListener::bind(socket);
    umask(old);
    let listener = listener?;
    match fork()? {
        Side::Parent { .. } => Ok(()),
        Side::Child => {
            let code = i32::from(serve(listener, socket).is_err());
            std::process::exit(code)
        }
    }
}

fn serve(listener: UnixListener, socket: &Path) -> io::Result<()> {
    // Away from the terminal, the directory and the pipes of whoever started us.
    setsid()?;
    std::env::set_current_dir("/")?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for number in 0..3 {
        descriptors::place(null.as_fd(), number)?;
    }
    drop(null);
    let descriptors = raise_descriptors();
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(control::serve(listener, socket, descriptors))
}

/// Takes as many descriptors as may be had (two for each sandbox, one for each question), and says how many.
fn raise_descriptors() -> usize {
    descriptors::raise_limit();
    usize::try_from(descriptors::limit()).map_or(MOST_DESCRIPTORS, |limit| limit.min(MOST_DESCRIPTORS))
}
