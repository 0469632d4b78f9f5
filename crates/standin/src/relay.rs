//! Between the streams that our shim gave and the other shim's FIFOs, until the process has ended and is silent.
//!
//! Nobody is waited for in between: our shim takes nothing while a client of it takes nothing, and must hear of the end of
//! the process all the same.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr};
use tierce_task::messages::{CloseIoRequest, Empty, KillRequest, ResizePtyRequest, WaitResponse};
use tierce_task::method::Method;

use crate::call::Call;
use crate::error::{Result, file, kernel};
use crate::other::Other;

/// Bytes read at once.
const BUFFER: usize = 64 << 10;
/// How long the outputs may be silent after the process has ended, until nothing more is waited for.
const QUIET: Duration = Duration::from_secs(1);
/// How long others may go on writing after the process has ended, and what it wrote may wait to be taken.
const LINGER: Duration = Duration::from_secs(5);
/// Room in a pipe of ours for what is left at the end, where nobody takes it: our shim does when it sees the end.
const ROOM: usize = 1 << 20;
const SIGHUP: u32 = 1;
const SIGKILL: u32 = 9;
/// Our shim wants the process ended; it cannot signal what is another's child.
const SIGUSR1: u32 = 10;
const SIGWINCH: u32 = 28;

/// A descriptor that tells of signals: that the terminal has another size, that our shim lets go of it first (the end is
/// still to be told), that the process shall be ended.
pub(crate) fn watch_signals() -> Result<OwnedFd> {
    let signals = [SIGHUP, SIGUSR1, SIGWINCH].map(u32::cast_signed);
    tierce_sys::daemon::signal_descriptor(&signals).map_err(kernel("watch signals"))
}

/// Paths of the FIFOs; empty: there is none.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Names {
    /// Makes those that are wanted.
    pub(crate) fn make(directory: &Path, wanted: [bool; 3]) -> Result<Self> {
        let make = |name: &str, wanted: bool| {
            let path = directory.join(name);
            if !wanted {
                return Ok(String::new());
            }
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).map_err(file("make FIFO", &path))?;
            Ok(path.display().to_string())
        };
        let [stdin, stdout, stderr] = wanted;
        Ok(Self {
            stdin: make("stdin", stdin)?,
            stdout: make("stdout", stdout)?,
            stderr: make("stderr", stderr)?,
        })
    }
}

/// What the other shim takes and gives, opened.
#[derive(Debug)]
pub(crate) struct Ends {
    input: Option<OwnedFd>,
    outputs: [Option<OwnedFd>; 2],
    /// Our side of a terminal, instead of the standard streams.
    pub(crate) terminal: Option<OwnedFd>,
}

impl Ends {
    /// Opens them; the other shim need not have done so yet.
    pub(crate) fn open(names: &Names, terminal: Option<OwnedFd>) -> Result<Self> {
        let open = |name: &str, flags: OFlags| {
            if name.is_empty() {
                return Ok(None);
            }
            let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let opened = rustix::fs::open(name, flags, Mode::empty());
            opened.map(Some).map_err(file("open", Path::new(name)))
        };
        if let Some(terminal) = &terminal {
            rustix::process::ioctl_tiocsctty(terminal).map_err(kernel("take the terminal"))?;
            let mut settings = tcgetattr(terminal).map_err(kernel("look at the terminal"))?;
            settings.make_raw();
            tcsetattr(terminal, OptionalActions::Now, &settings).map_err(kernel("prepare the terminal"))?;
        }
        Ok(Self {
            // For reading too: otherwise there would have to be a reader.
            input: open(&names.stdin, OFlags::RDWR)?,
            outputs: [
                open(&names.stdout, OFlags::RDONLY)?,
                open(&names.stderr, OFlags::RDONLY)?,
            ],
            terminal,
        })
    }

    /// Where input comes from.
    fn source(&self) -> BorrowedFd<'_> {
        self.terminal.as_ref().map_or(rustix::stdio::stdin(), AsFd::as_fd)
    }

    /// Where an output goes.
    fn target(&self, index: usize) -> BorrowedFd<'_> {
        match &self.terminal {
            Some(terminal) => terminal.as_fd(),
            None if index == 0 => rustix::stdio::stdout(),
            None => rustix::stdio::stderr(),
        }
    }
}

struct Relay<'a> {
    other: &'a Other,
    exec: &'a str,
    ends: Ends,
    /// Input that the FIFO has not taken yet.
    pending: Vec<u8>,
    /// Outputs that our shim has not taken yet.
    untaken: [Vec<u8>; 2],
    input_has_ended: bool,
    buffer: Vec<u8>,
}

/// What something that is waited for is.
#[derive(Debug, Clone, Copy)]
enum Of {
    End,
    Output(usize),
    Target(usize),
    Source,
    Input,
    Signal,
}

/// Hands on until the process has ended; gives how.
pub(crate) fn run(other: &Other, exec: &str, ends: Ends, mut waiting: Call<'_>, signals: &OwnedFd) -> Result<u32> {
    for index in 0..2 {
        let target = ends.target(index);
        let flags = rustix::fs::fcntl_getfl(target).map_err(kernel("look at an output"))?;
        rustix::fs::fcntl_setfl(target, flags | OFlags::NONBLOCK).map_err(kernel("prepare an output"))?;
    }
    let mut relay = Relay {
        other,
        exec,
        ends,
        pending: Vec::new(),
        untaken: [Vec::new(), Vec::new()],
        input_has_ended: false,
        buffer: vec![0; BUFFER],
    };
    let mut end: Option<(u32, Instant)> = None;
    loop {
        let ready = relay.wait(end.is_none().then_some(&waiting), signals)?;
        if let Some((status, at)) = end
            && (ready.is_empty() || relay.is_done() || at.elapsed() > LINGER)
        {
            return Ok(status);
        }
        for of in ready {
            match of {
                Of::End => {
                    if let Some(answer) = waiting.take::<WaitResponse>()? {
                        end = Some((answer.exit_status, Instant::now()));
                        relay.make_room();
                    }
                }
                Of::Output(index) => relay.output(index),
                Of::Target(index) => relay.hand_on(index),
                Of::Source => relay.input(),
                Of::Input => relay.flush(),
                Of::Signal => relay.on_signal(signals),
            }
        }
    }
}

impl Relay<'_> {
    /// What is ready; nothing when the process has ended and all are silent.
    fn wait(&self, waiting: Option<&Call<'_>>, signals: &OwnedFd) -> Result<Vec<Of>> {
        let ends = &self.ends;
        let mut all = Vec::new();
        if let Some(waiting) = waiting {
            all.push((Of::End, waiting.socket().as_fd(), PollFlags::IN));
        }
        for (index, output) in ends.outputs.iter().enumerate() {
            if !self.untaken[index].is_empty() {
                all.push((Of::Target(index), ends.target(index), PollFlags::OUT));
            } else if let Some(output) = output {
                all.push((Of::Output(index), output.as_fd(), PollFlags::IN));
            }
        }
        if let Some(input) = &ends.input {
            if !self.pending.is_empty() {
                all.push((Of::Input, input.as_fd(), PollFlags::OUT));
            } else if !self.input_has_ended {
                all.push((Of::Source, ends.source(), PollFlags::IN));
            }
        }
        all.push((Of::Signal, signals.as_fd(), PollFlags::IN));
        let mut polled: Vec<PollFd<'_>> = all.iter().map(|(_, fd, flags)| PollFd::new(fd, *flags)).collect();
        let quiet = Timespec::try_from(QUIET).ok().filter(|_| waiting.is_none());
        while let Err(error) = poll(&mut polled, quiet.as_ref()) {
            if error != Errno::INTR {
                return Err(kernel("wait for output")(error));
            }
        }
        let ready = polled
            .iter()
            .zip(&all)
            .filter(|(polled, _)| !polled.revents().is_empty());
        Ok(ready.map(|(_, (of, ..))| *of).collect())
    }

    fn output(&mut self, index: usize) {
        let Some(source) = &self.ends.outputs[index] else {
            return;
        };
        match rustix::io::read(source, &mut self.buffer[..]) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(0) | Err(_) => self.ends.outputs[index] = None,
            Ok(count) => {
                self.untaken[index].extend_from_slice(self.buffer.get(..count).unwrap_or_default());
                self.hand_on(index);
            }
        }
    }

    /// Gives our shim what it takes of an output.
    fn hand_on(&mut self, index: usize) {
        while !self.untaken[index].is_empty() {
            match rustix::io::write(self.ends.target(index), &self.untaken[index]) {
                Ok(count) => drop(self.untaken[index].drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // Nobody hears it any more; it is taken in all the same, so that the process can write.
                Err(_) => self.untaken[index].clear(),
            }
        }
    }

    /// The process has ended: what is left shall not need anybody who takes it.
    fn make_room(&self) {
        for index in 0..2 {
            // A terminal has none to give, and an ordinary user not as much.
            let _ = rustix::pipe::fcntl_setpipe_size(self.ends.target(index), ROOM);
        }
    }

    /// Nothing more can come, and all of it was taken.
    fn is_done(&self) -> bool {
        self.ends.outputs.iter().all(Option::is_none) && self.untaken.iter().all(Vec::is_empty)
    }

    fn input(&mut self) {
        match rustix::io::read(self.ends.source(), &mut self.buffer[..]) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(0) | Err(_) => self.input_has_ended = true,
            Ok(count) => self
                .pending
                .extend_from_slice(self.buffer.get(..count).unwrap_or_default()),
        }
        self.flush();
    }

    /// Hands on what the FIFO takes; after the last of it the input is closed.
    fn flush(&mut self) {
        while let Some(input) = self.ends.input.as_ref().filter(|_| !self.pending.is_empty()) {
            match rustix::io::write(input, &self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.ends.input = None;
                    self.pending.clear();
                }
            }
        }
        if self.input_has_ended && self.ends.input.take().is_some() {
            let request = CloseIoRequest {
                id: self.other.id.clone(),
                exec_id: self.exec.to_owned(),
                stdin: true,
            };
            // A process that has ended takes none.
            let _closed: Result<Empty> = self.other.call(Method::CloseIo, &request);
        }
    }

    /// Takes one signal (signalfd(2): its number comes first) and does what it says.
    fn on_signal(&self, signals: &OwnedFd) {
        let mut signal = [0; 128];
        if rustix::io::read(signals, &mut signal) != Ok(signal.len()) {
            return;
        }
        let [a, b, c, d, ..] = signal;
        match u32::from_ne_bytes([a, b, c, d]) {
            SIGUSR1 => self.kill(),
            SIGWINCH => self.resize(),
            _ => {}
        }
    }

    fn kill(&self) {
        let request = KillRequest {
            id: self.other.id.clone(),
            exec_id: self.exec.to_owned(),
            signal: SIGKILL,
            all: false,
        };
        // It may have ended by itself.
        let _killed: Result<Empty> = self.other.call(Method::Kill, &request);
    }

    fn resize(&self) {
        let terminal = self.ends.terminal.as_ref();
        if let Some(size) = terminal.and_then(|terminal| tcgetwinsize(terminal).ok()) {
            let request = ResizePtyRequest {
                id: self.other.id.clone(),
                exec_id: self.exec.to_owned(),
                width: size.ws_col.into(),
                height: size.ws_row.into(),
            };
            // A process that has ended has no terminal any more.
            let _resized: Result<Empty> = self.other.call(Method::ResizePty, &request);
        }
    }
}
