//! A session with a process: standard streams, window size, signals, detaching.

use crate::error::Error;
use crate::stdin::{self, Input};
use crate::terminal::{self, RawMode};
use tierce_api_types::stdcopy::StreamKind;
use tierce_client::{Client, Demultiplexer, Hijacked, HijackedReader, HijackedWriter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whose streams these are.
pub(crate) enum Target {
    /// A container's first process.
    Container(String),
    /// An exec, by its id.
    Exec(String),
}

/// How to talk to a process.
pub(crate) struct Session<'a> {
    pub(crate) target: Target,
    /// It has a terminal.
    pub(crate) tty: bool,
    /// It gets our input.
    pub(crate) stdin: bool,
    /// Signals sent to us are passed on to it.
    pub(crate) forward_signals: bool,
    /// What ends the session but not the process; empty: the default.
    pub(crate) detach_keys: &'a str,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The process closed its output.
    Closed,
    /// The user typed the detach keys.
    Detached,
}

impl Finish {
    pub(crate) fn is_detached(self) -> bool {
        self == Self::Detached
    }
}

/// Signals that make no sense to pass on: the kernel's own, and those of the terminal and of children.
const FORWARDED: [i32; 8] = [1, 2, 3, 10, 12, 15, 18, 28];
const SIGWINCH: i32 = 28;

impl Session<'_> {
    /// Copies both ways until the process ends or the user detaches.
    pub(crate) async fn run(&self, client: &Client, stream: Hijacked) -> Result<Finish, Error> {
        let keys = stdin::parse_keys(self.detach_keys)?;
        let (reader, writer) = stream.split();
        let _raw = if self.tty && self.stdin { RawMode::enter() } else { None };
        let output = async {
            if self.tty {
                copy_raw(reader).await
            } else {
                copy_frames(reader).await
            }
        };
        let input = self.copy_input(writer, keys);
        let follow = self.follow_terminal_and_signals(client);
        tokio::pin!(output, input, follow);
        tokio::select! {
            ended = &mut output => ended.map(|()| Finish::Closed),
            () = &mut input => Ok(Finish::Detached),
            () = &mut follow => output.await.map(|()| Finish::Closed),
        }
    }

    /// Ends only when the user detaches.
    async fn copy_input(&self, mut writer: HijackedWriter, keys: Vec<u8>) {
        if self.stdin {
            let mut input = stdin::read(self.tty.then_some(keys));
            while let Some(event) = input.recv().await {
                match event {
                    Input::Detach => return,
                    Input::Bytes(bytes) => {
                        // A process that does not read any more is no failure of the session.
                        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                            break;
                        }
                    }
                }
            }
            let _ = writer.shutdown().await;
        }
        std::future::pending::<()>().await;
    }

    async fn follow_terminal_and_signals(&self, client: &Client) {
        if self.tty && terminal::stdout_is_terminal() {
            self.resize(client).await;
        }
        let Ok(mut window) = signal(SignalKind::window_change()) else {
            return;
        };
        let mut forwarded: Vec<(i32, Signal)> = FORWARDED
            .into_iter()
            .filter(|number| self.forward_signals && *number != SIGWINCH)
            .filter_map(|number| Some((number, signal(SignalKind::from_raw(number)).ok()?)))
            .collect();
        loop {
            tokio::select! {
                _ = window.recv() => if self.tty { self.resize(client).await },
                number = first_signal(&mut forwarded) => self.forward(client, number).await,
            }
        }
    }

    async fn resize(&self, client: &Client) {
        let Some((rows, columns)) = terminal::size() else {
            return;
        };
        // The process may not have started yet; a size is not worth failing for, but worth a few tries.
        for _ in 0..10 {
            let result = match &self.target {
                Target::Container(id) => client.containers().resize(id, rows, columns).await,
                Target::Exec(id) => client.execs().resize(id, rows, columns).await,
            };
            if result.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn forward(&self, client: &Client, number: i32) {
        if let Target::Container(id) = &self.target {
            // The container may have ended meanwhile.
            let _ = client.containers().kill(id, &number.to_string()).await;
        }
    }
}

async fn first_signal(signals: &mut [(i32, Signal)]) -> i32 {
    std::future::poll_fn(|context| {
        for (number, signal) in signals.iter_mut() {
            if signal.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*number);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

async fn copy_raw(mut reader: HijackedReader) -> Result<(), Error> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(count) => write_out(&buffer[..count])?,
        }
    }
}

async fn copy_frames(mut reader: HijackedReader) -> Result<(), Error> {
    let mut frames = Demultiplexer::new();
    let mut buffer = vec![0; 32 * 1024];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(count) => write_frames(&mut frames, &buffer[..count])?,
        }
    }
}

/// Takes in a piece of a multiplexed stream and writes what is complete to where it belongs.
pub(crate) fn write_frames(frames: &mut Demultiplexer, bytes: &[u8]) -> Result<(), Error> {
    use std::io::Write as _;
    frames.push(bytes);
    while let Some(frame) = frames.next_frame()? {
        match frame.kind {
            StreamKind::Stdin | StreamKind::Stdout => write_out(&frame.payload)?,
            StreamKind::Stderr | StreamKind::SystemError => std::io::stderr()
                .write_all(&frame.payload)
                .map_err(|error| Error::failed(format!("write to standard error: {error}")))?,
        }
    }
    Ok(())
}

/// Writes to standard output at once.
pub(crate) fn write_out(bytes: &[u8]) -> Result<(), Error> {
    use std::io::Write as _;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::failed(format!("write to standard output: {error}")))
}
