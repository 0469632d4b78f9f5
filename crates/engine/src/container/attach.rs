//! `attach`: the bytes flow client ⇄ api ⇄ shim; the engine only connects the two.
//!
//! A client attaches *before* it starts the container, so the stream of a container that does not run is a promise:
//! [`start`](super::start) keeps it between creating the task and starting its program, which is why nothing is missed.

use super::context::{Container, Context, Snapshot, run_to_end};
use super::requests::{Attach, LogRequest, Logs};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tierce_lifecycle::Status;
use tierce_task::attach::{self, Attach as Line};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

/// An attached client's side.
#[derive(Debug)]
pub struct Attached {
    /// Whether the container has a TTY: the stream is raw bytes, otherwise Docker's frames with 8-byte headers.
    pub tty: bool,
    /// What was logged so far, where asked for; to be sent before the stream.
    pub logs: Option<Logs>,
    /// The live stream, where asked for.
    pub stream: Option<PendingStream>,
    /// When the stream is over for the client.
    pub end: End,
}

/// The end of a container's life, or of its attempt to start. As with dockerd an attached client is let go no earlier,
/// also when the program has closed its output long before: whoever asks next finds the exit status, and what the
/// container held is free.
#[derive(Debug)]
pub struct End {
    container: Arc<Container>,
    exits: u64,
}

impl End {
    /// Waits for it. To be asked when the output has ended.
    pub async fn reached(self) {
        // A start may still be under way, or that end be on its way into the record.
        drop(self.container.transition().await);
        let mut changes = self.container.watch();
        let over = |snapshot: &Arc<Snapshot>| {
            !snapshot.record.state.is_alive() || snapshot.exits > self.exits || snapshot.gone
        };
        // It fails when the engine is gone.
        let _ = changes.wait_for(over).await;
    }
}

/// A stream to the shim that exists now or when the container starts.
#[derive(Debug)]
pub struct PendingStream(Pending);

#[derive(Debug)]
enum Pending {
    Connected(Connected),
    Promised(oneshot::Receiver<Connected>),
}

/// A stream to the shim.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: UnixStream,
    /// It has the output that is logged after this time.
    since: SystemTime,
}

impl PendingStream {
    /// The connected stream: bytes written are stdin (shut the write half down for end-of-file), bytes read are output
    /// until its end. `None` when the container was removed, or could not be started.
    pub async fn connected(self) -> Option<UnixStream> {
        match self.0 {
            Pending::Connected(connected) => Some(connected.stream),
            Pending::Promised(receiver) => Some(receiver.await.ok()?.stream),
        }
    }

    /// It has the output that is logged after this time. One that is promised will have all that is still to come.
    fn since(&self) -> SystemTime {
        match &self.0 {
            Pending::Connected(connected) => connected.since,
            Pending::Promised(_) => SystemTime::now(),
        }
    }
}

/// Clients that wait for the task of a container.
#[derive(Debug, Default)]
pub(crate) struct Attachers {
    waiting: Mutex<Vec<(Attach, oneshot::Sender<Connected>)>>,
}

impl Attachers {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Attach, oneshot::Sender<Connected>)>> {
        // The list is consistent between any two statements.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, request: Attach) -> oneshot::Receiver<Connected> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.retain(|(_, sender)| !sender.is_closed());
        waiting.push((request, sender));
        receiver
    }

    /// Lets every waiting client go without a stream.
    pub(crate) fn dismiss(&self) {
        self.lock().clear();
    }

    /// Connects every waiting client to the shim's I/O socket.
    pub(crate) async fn connect_all(&self, io: &Path) {
        let waiting = std::mem::take(&mut *self.lock());
        for (request, sender) in waiting {
            if sender.is_closed() {
                continue;
            }
            match connect(io, "", request).await {
                Ok(connected) => drop(sender.send(connected)),
                Err(error) => tracing::warn!(%error, io = %io.display(), "could not attach a waiting client"),
            }
        }
    }
}

/// Connects to a shim's I/O socket and asks for the streams of one process (`""`: the container's first).
pub(crate) async fn connect(io: &Path, process: &str, request: Attach) -> Result<Connected> {
    let failed = |cause: String| Error::Internal(format!("attach to {}: {cause}", io.display()));
    let mut stream = UnixStream::connect(io)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let line = Line {
        process: process.to_owned(),
        stdin: request.stdin,
        stdout: request.stdout,
        stderr: request.stderr,
    };
    stream
        .write_all(line.to_line().as_bytes())
        .await
        .map_err(|error| failed(error.to_string()))?;
    // Byte by byte up to the newline: whatever follows belongs to the client.
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') && answer.len() < 4096 {
        answer.push(stream.read_u8().await.map_err(|error| failed(error.to_string()))?);
    }
    let since = attach::parse_answer(&String::from_utf8_lossy(&answer))
        .map_err(|refusal| failed(refusal.to_owned()))?
        .unwrap_or_else(SystemTime::now);
    Ok(Connected { stream, since })
}

/// See [`super::Containers::attach`].
pub(crate) async fn attach(context: &Arc<Context>, name: &str, request: Attach) -> Result<Attached> {
    let container = context.find(name)?;
    let snapshot = container.snapshot();
    match snapshot.record.state.status() {
        Status::Paused => {
            return Err(Error::Conflict(format!(
                "container {name} is paused, unpause the container before attach"
            )));
        }
        Status::Restarting => {
            return Err(Error::Conflict(format!(
                "container {name} is restarting, wait until the container is running"
            )));
        }
        _ => {}
    }
    let stream = if request.stream {
        Some(live(context, &container, request).await?)
    } else {
        None
    };
    let logs = if request.logs {
        let wanted = LogRequest {
            stdout: request.stdout,
            stderr: request.stderr,
            // Up to where the stream begins.
            until: stream.as_ref().map(PendingStream::since),
            ..LogRequest::default()
        };
        Some(super::logs::logs(context, name, wanted)?)
    } else {
        None
    };
    if request.stream {
        context.publish(&snapshot.record, "attach", &[]);
    }
    Ok(Attached {
        tty: snapshot.record.config.tty,
        logs,
        stream,
        end: End {
            container,
            exits: snapshot.exits,
        },
    })
}

/// The live stream of a container: at once if it runs, otherwise when it starts.
async fn live(context: &Context, container: &Arc<Container>, request: Attach) -> Result<PendingStream> {
    // Registered first and looked at second: a start in between finds the waiting client.
    let mut receiver = container.attachers.add(request);
    if container.snapshot().record.state.is_alive()
        && let Ok(task) = context.tasks.state(&container.id)
    {
        // It may take over other clients that came at the same time: this one's leaving must not cut it short.
        let container = Arc::clone(container);
        run_to_end(async move {
            container.attachers.connect_all(&task.io).await;
            Ok(())
        })
        .await?;
    }
    Ok(PendingStream(match receiver.try_recv() {
        Ok(connected) => Pending::Connected(connected),
        Err(_) => Pending::Promised(receiver),
    }))
}
