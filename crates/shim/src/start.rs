//! `start`: leaves a server behind, and prints where it listens.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::{getpid, set_child_subreaper, setsid, umask};
use tierce_fault::Kind;
use tierce_sys::daemon::{Side, fork};
use tierce_sys::descriptors;
use tierce_task::bootstrap::Bootstrap;

use crate::argv::Arguments;
use crate::error::{Doing, Error, Result};
use crate::serve::{Identity, Listeners, OOM_SCORE, Shim};

/// Names the directory of the sockets.
const SOCKETS: &str = "TIERCE_SOCKETS";
/// Says how many files a container may have open: the daemon itself takes more than it was given.
const OPEN_FILES: &str = "TIERCE_OPEN_FILES";
/// Where sockets are when nobody says otherwise.
const DEFAULT_SOCKETS: &str = "/run/tierce/s";
/// Address of containerd's event service; set by containerd.
const EVENTS: &str = "TTRPC_ADDRESS";
/// How long a shim waits for the first wish of whoever started it.
const UNASKED: Duration = Duration::from_secs(20);
/// What the kernel shall think of killing the shim: only after everything else but the most essential.
const SPARED: &str = "-998";

/// The sockets of a shim: a function of who asks and for which container, short enough for the kernel.
pub(crate) fn identity(arguments: &Arguments) -> Identity {
    let mut hasher = DefaultHasher::new();
    (&arguments.address, &arguments.namespace, &arguments.id).hash(&mut hasher);
    let directory = std::env::var_os(SOCKETS).map_or_else(|| PathBuf::from(DEFAULT_SOCKETS), PathBuf::from);
    let name = format!("{:016x}", hasher.finish());
    Identity {
        id: arguments.id.clone(),
        namespace: arguments.namespace.clone(),
        task_socket: directory.join(format!("{name}.task")),
        io_socket: directory.join(format!("{name}.io")),
        oom_score: None,
    }
}

/// Forks the server; the caller's half prints and returns, the other serves and then ends the process.
pub(crate) fn start(arguments: &Arguments) -> Result<()> {
    let identity = identity(arguments);
    let listeners = Listeners {
        task: listen(&identity.task_socket)?,
        io: listen(&identity.io_socket)?,
        unasked_until: Instant::now() + UNASKED,
    };
    match fork().doing(|| "fork the server".into())? {
        Side::Parent { pid } => {
            let bundle = arguments.bundle.clone().unwrap_or_else(|| PathBuf::from("."));
            let file = bundle.join("shim.pid");
            fs::write(&file, pid.to_string()).on("write", &file)?;
            let bootstrap = Bootstrap::ttrpc(&identity.task_socket).to_json();
            io::stdout()
                .write_all(bootstrap.as_bytes())
                .doing(|| "print where the shim listens".into())
        }
        Side::Child => {
            let code = i32::from(serve(identity, listeners).is_err());
            std::process::exit(code)
        }
    }
}

fn listen(path: &Path) -> Result<UnixListener> {
    if let Some(directory) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.on("create directory", directory)?;
    }
    if UnixStream::connect(path).is_ok() {
        return Err(Error::refused(
            Kind::Conflict,
            "a shim is already running for this container",
        ));
    }
    let _ = fs::remove_file(path);
    let old = umask(Mode::RWXG | Mode::RWXO);
    let bound = UnixListener::bind(path);
    umask(old);
    let listener = bound.on("listen on", path)?;
    listener.set_nonblocking(true).on("listen on", path)?;
    Ok(listener)
}

fn serve(mut identity: Identity, listeners: Listeners) -> Result<()> {
    // Away from the terminal, the directory and the pipes of whoever started us.
    setsid().doing(|| "begin a session".into())?;
    std::env::set_current_dir("/").doing(|| "enter /".into())?;
    let null = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .doing(|| "open /dev/null".into())?;
    for number in 0..3 {
        descriptors::place(null.as_fd(), number).doing(|| "let go of the standard streams".into())?;
    }
    drop(null);
    if let Some(limit) = std::env::var(OPEN_FILES).ok().and_then(|text| text.parse().ok()) {
        descriptors::set_limit(limit).doing(|| "limit open files".into())?;
    }
    set_child_subreaper(Some(getpid())).doing(|| "become a sub-reaper".into())?;
    let score = fs::read_to_string(OOM_SCORE).unwrap_or_default();
    // Needs a capability that nested or rootless daemons do not have.
    if fs::write(OOM_SCORE, SPARED).is_ok() {
        identity.oom_score = Some(score);
    }
    let sockets = [identity.task_socket.clone(), identity.io_socket.clone()];
    let served = Shim::new(identity, listeners, std::env::var(EVENTS).ok()).and_then(Shim::run);
    for socket in sockets {
        let _ = fs::remove_file(socket);
    }
    served
}
