//! Making a process, and leaving one of ours behind that stands in for it.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{FileType, Mode};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use tierce_sys::daemon::{Side, fork};
use tierce_sys::exec::exit_now;
use tierce_task::messages::{
    Any, CreateTaskRequest, CreateTaskResponse, DeleteRequest, DeleteResponse, Empty, ExecProcessRequest, StartRequest,
    StartResponse, WaitRequest,
};
use tierce_task::method::Method;

use crate::argv::Arguments;
use crate::error::{Error, Result, file, kernel};
use crate::other::Other;
use crate::relay::{self, Ends, Names};

/// What a process is said to have ended with whose shim has died.
const LOST: u32 = 137;

/// Makes the container; its init waits for its start.
pub(crate) fn create(arguments: &Arguments, other: &Other) -> Result<u8> {
    let made = other
        .start(&arguments.bundle)
        .and_then(|()| leave(arguments, other, "", &[]));
    if made.is_err() {
        other.end(true);
    }
    made
}

/// Makes and starts a further process.
pub(crate) fn exec(arguments: &Arguments, other: &Other) -> Result<u8> {
    let document = fs::read(&arguments.process).map_err(file("read", &arguments.process))?;
    // Numbers of processes come again, and what an earlier one left may still be there.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let id = format!("e{}-{}", std::process::id(), now.unwrap_or_default().as_nanos());
    leave(arguments, other, &id, &document)
}

/// Leaves a process behind that makes another and stands in for it, and writes down the numbers of both.
fn leave(arguments: &Arguments, other: &Other, exec: &str, document: &[u8]) -> Result<u8> {
    let terminal = match &arguments.console_socket {
        None => None,
        Some(path) => Some(hand_over_terminal(path)?),
    };
    let (mut hear, mut tell) = std::io::pipe().map_err(kernel("make a pipe"))?;
    match fork().map_err(kernel("fork"))? {
        Side::Child => {
            drop(hear);
            let code = stand_in(other, exec, document, terminal, &mut tell).unwrap_or_else(|error| {
                // The parent is gone once it has heard of a success.
                let _ = tell.write_all(format!("error: {error}").as_bytes());
                1
            });
            exit_now(i32::try_from(code).unwrap_or(1))
        }
        Side::Parent { pid: stand_in } => {
            drop((tell, terminal));
            let mut said = String::new();
            hear.read_to_string(&mut said).map_err(kernel("hear of the process"))?;
            let Ok(pid) = said.parse::<u32>() else {
                let text = said
                    .strip_prefix("error: ")
                    .unwrap_or("the process that stands in has died");
                return Err(Error::Usage(text.to_owned()));
            };
            if let Some(path) = &arguments.pid_file {
                fs::write(path, format!("{pid} {stand_in}")).map_err(file("write", path))?;
            }
            Ok(0)
        }
    }
}

/// In the process that stays: makes the other one, says its number, and goes on until it has ended.
fn stand_in(
    other: &Other,
    exec: &str,
    document: &[u8],
    terminal: Option<OwnedFd>,
    tell: &mut std::io::PipeWriter,
) -> Result<u32> {
    rustix::process::setsid().map_err(kernel("begin a session"))?;
    let directory = other.bundle().join(format!("streams-{exec}"));
    fs::create_dir_all(&directory).map_err(file("create directory", &directory))?;
    let wanted = match &terminal {
        Some(_) => [true, true, false],
        None => [
            is_wanted(rustix::stdio::stdin()),
            is_wanted(rustix::stdio::stdout()),
            is_wanted(rustix::stdio::stderr()),
        ],
    };
    let lived = live(other, exec, document, &directory, wanted, terminal, tell);
    if !exec.is_empty() {
        let request = DeleteRequest {
            id: other.id.clone(),
            exec_id: exec.to_owned(),
        };
        // It may not have come to be; where the shim has died it is gone with it.
        let _deleted: Result<DeleteResponse> = other.call(Method::Delete, &request);
    }
    let _ = fs::remove_dir_all(&directory);
    lived
}

/// From the making of a process to its end.
fn live(
    other: &Other,
    exec: &str,
    document: &[u8],
    directory: &Path,
    wanted: [bool; 3],
    terminal: Option<OwnedFd>,
    tell: &mut std::io::PipeWriter,
) -> Result<u32> {
    let names = Names::make(directory, wanted)?;
    let ends = Ends::open(&names, terminal)?;
    let signals = relay::watch_signals()?;
    let pid = make(other, exec, document, &names, ends.terminal.is_some())?;
    let wait = WaitRequest {
        id: other.id.clone(),
        exec_id: exec.to_owned(),
    };
    let waiting = other.begin(Method::Wait, &wait)?;
    tell.write_all(pid.to_string().as_bytes())
        .map_err(kernel("tell of the process"))?;
    // Its closing is what the parent waits for.
    *tell = std::io::pipe().map_err(kernel("make a pipe"))?.1;
    Ok(relay::run(other, exec, ends, waiting, &signals).unwrap_or(LOST))
}

fn make(other: &Other, exec: &str, document: &[u8], names: &Names, terminal: bool) -> Result<u32> {
    if exec.is_empty() {
        let request = CreateTaskRequest {
            id: other.id.clone(),
            bundle: other.bundle().display().to_string(),
            terminal,
            stdin: names.stdin.clone(),
            stdout: names.stdout.clone(),
            stderr: names.stderr.clone(),
            ..CreateTaskRequest::default()
        };
        let made: CreateTaskResponse = other.call(Method::Create, &request)?;
        return Ok(made.pid);
    }
    let request = ExecProcessRequest {
        id: other.id.clone(),
        exec_id: exec.to_owned(),
        terminal,
        stdin: names.stdin.clone(),
        stdout: names.stdout.clone(),
        stderr: names.stderr.clone(),
        spec: Some(Any {
            type_url: "types.containerd.io/opencontainers/runtime-spec/1/Process".to_owned(),
            value: document.to_vec(),
        }),
        ..ExecProcessRequest::default()
    };
    other.call::<Empty>(Method::Exec, &request)?;
    let request = StartRequest {
        id: other.id.clone(),
        exec_id: exec.to_owned(),
    };
    let started: StartResponse = other.call(Method::Start, &request)?;
    Ok(started.pid)
}

/// Whether anybody is at the other end of a stream: our shim gives the null device where there is nobody.
fn is_wanted(stream: BorrowedFd<'_>) -> bool {
    let null = rustix::fs::stat("/dev/null").map(|stat| stat.st_rdev);
    let stat = rustix::fs::fstat(stream);
    !stat.is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && null == Ok(stat.st_rdev)
    })
}

/// Makes a terminal, sends its master side to our shim, and gives the other one.
fn hand_over_terminal(path: &Path) -> Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).map_err(kernel("make a terminal"))?;
    unlockpt(&master).map_err(kernel("unlock the terminal"))?;
    let name = ptsname(&master, Vec::new()).map_err(kernel("name the terminal"))?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let ours = rustix::fs::open(name, flags, Mode::empty()).map_err(kernel("open the terminal"))?;
    let socket = UnixStream::connect(path).map_err(file("connect to", path))?;
    tierce_sys::passing::send(socket.as_fd(), b"/dev/pts", &[master.as_fd()]).map_err(kernel("send the terminal"))?;
    Ok(ours)
}
