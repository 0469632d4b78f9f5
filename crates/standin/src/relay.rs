//! Between the streams that our shim gave and the other shim's FIFOs, until the process has ended and is silent.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr};
use tierce_task::messages::{CloseIoRequest, Empty, ResizePtyRequest, WaitResponse};
use tierce_task::method::Method;

use crate::call::Call;
use crate::error::{Result, file, kernel};
use crate::other::Other;

/// Bytes read at once.
const BUFFER: usize = 64 << 10;
/// How long the outputs may be silent after the process has ended, until nothing more is waited for.
const QUIET: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// SIGWINCH, and SIGHUP, which comes when our shim lets go of the terminal first: the end is still to be told.
const OF_TERMINALS: [i32; 2] = [28, 1];

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
    input_has_ended: bool,
    buffer: Vec<u8>,
}

/// What something that is waited for is.
#[derive(Debug, Clone, Copy)]
enum Of {
    End,
    Output(usize),
    Source,
    Input,
    Size,
}

/// Hands on until the process has ended; gives how.
pub(crate) fn run(other: &Other, exec: &str, ends: Ends, mut waiting: Call<'_>) -> Result<u32> {
    let sizes = match &ends.terminal {
        None => None,
        Some(_) => Some(tierce_sys::daemon::signal_descriptor(&OF_TERMINALS).map_err(kernel("watch the terminal"))?),
    };
    let mut relay = Relay {
        other,
        exec,
        ends,
        pending: Vec::new(),
        input_has_ended: false,
        buffer: vec![0; BUFFER],
    };
    let mut status = None;
    loop {
        let ready = relay.wait(status.is_none().then_some(&waiting), sizes.as_ref())?;
        if status.is_some() && (ready.is_empty() || relay.ends.outputs.iter().all(Option::is_none)) {
            break;
        }
        for of in ready {
            match of {
                Of::End => status = waiting.take::<WaitResponse>()?.map(|answer| answer.exit_status),
                Of::Output(index) => relay.output(index),
                Of::Source => relay.input(),
                Of::Input => relay.flush(),
                Of::Size => relay.resize(sizes.as_ref()),
            }
        }
    }
    Ok(status.unwrap_or_default())
}

impl Relay<'_> {
    fn wait(&self, waiting: Option<&Call<'_>>, sizes: Option<&OwnedFd>) -> Result<Vec<Of>> {
        let ends = &self.ends;
        let mut all = Vec::new();
        if let Some(waiting) = waiting {
            all.push((Of::End, waiting.socket().as_fd(), PollFlags::IN));
        }
        for (index, output) in ends.outputs.iter().enumerate() {
            if let Some(output) = output {
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
        if let Some(sizes) = sizes {
            all.push((Of::Size, sizes.as_fd(), PollFlags::IN));
        }
        let mut polled: Vec<PollFd<'_>> = all.iter().map(|(_, fd, flags)| PollFd::new(fd, *flags)).collect();
        let limit = waiting.is_none().then_some(&QUIET);
        match poll(&mut polled, limit) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(kernel("wait for output")(error)),
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
                let mut rest = self.buffer.get(..count).unwrap_or_default();
                while !rest.is_empty() {
                    match rustix::io::write(self.ends.target(index), rest) {
                        Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                        Err(Errno::INTR) => {}
                        // Nobody hears it any more; it is taken in all the same, so that the process can write.
                        Err(_) => break,
                    }
                }
            }
        }
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

    fn resize(&self, sizes: Option<&OwnedFd>) {
        let mut signal = [0; 128];
        let taken = sizes.map(|sizes| rustix::io::read(sizes, &mut signal));
        let size = self
            .ends
            .terminal
            .as_ref()
            .and_then(|terminal| tcgetwinsize(terminal).ok());
        if let (Some(Ok(_)), Some(size)) = (taken, size) {
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
