//! `POST /containers/{id}/attach` and `GET /containers/{id}/attach/ws`

use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt;
use tierce_engine::container::Attached;
use tierce_engine::requests::Attach;
use tokio::net::UnixStream;

use super::logs::{Decoration, encoded};
use crate::detach::DetachKeys;
use crate::frames::Frames;
use crate::hijack::stream_head;
use crate::relay::{Relay, hung_up};
use crate::router::Outcome;
use crate::routes::Call;
use crate::server::Socket;
use crate::status::Failure;
use crate::websocket::{self, Form};

/// Attaches to a container: the connection leaves HTTP and carries its streams. On a container that does not run yet the
/// head is sent at once and the streams come with its start.
pub(super) async fn attach(call: Call) -> Outcome {
    let (attached, relay) = begin(&call, false).await?;
    let head = stream_head(
        &call.head.headers,
        !attached.tty && call.speaks(42),
        call.facts.experimental,
    );
    call.hijacker
        .take(move |socket: Socket, early: Bytes| async move {
            if socket.write_head(&head).await.is_ok() {
                carry(socket, early, attached, relay).await;
            }
        })
        .await
}

/// The same for clients that speak WebSocket, such as browsers: both output streams as one, without frames.
pub(super) async fn attach_websocket(call: Call) -> Outcome {
    // A container that is not there is told of to whoever asks.
    let (attached, relay) = begin(&call, !call.speaks(42)).await?;
    let head = websocket::accept(&call.head.headers)?;
    let form = Form {
        binary: call.speaks(28),
        framed: !attached.tty,
    };
    call.hijacker
        .take(move |socket: Socket, early: Bytes| async move {
            let (inner, served) = match UnixStream::pair() {
                Ok(pair) => pair,
                Err(error) => {
                    tracing::warn!(%error, "a client could not be attached");
                    return;
                }
            };
            if socket.write_head(&head).await.is_ok() {
                tokio::join!(
                    websocket::bridge(socket, early, inner, form),
                    carry(Socket::Unix(served), Bytes::new(), attached, relay)
                );
            }
        })
        .await
}

/// Reads the request and attaches; to `all` streams where old clients cannot choose.
async fn begin(call: &Call, all: bool) -> Result<(Attached, Relay), Failure> {
    let query = &call.query;
    let request = Attach {
        stdin: all || query.flag("stdin"),
        stdout: all || query.flag("stdout"),
        stderr: all || query.flag("stderr"),
        stream: query.flag("stream"),
        logs: query.flag("logs"),
    };
    let keys = DetachKeys::parse(query.text("detachKeys"))?;
    let attached = call.engine.containers.attach(&call.name, request).await?;
    let relay = Relay {
        stdin: request.stdin,
        detach: attached.tty.then_some(keys),
        frames: Frames::Kept,
    };
    Ok((attached, relay))
}

/// Sends what was logged and then carries the streams until they end.
async fn carry(socket: Socket, early: Bytes, attached: Attached, relay: Relay) {
    if let Some(logs) = attached.logs {
        let mut chunks = pin!(encoded(logs, Decoration::default()));
        while let Some(chunk) = chunks.next().await {
            if socket.write_whole(&chunk).await.is_err() {
                return;
            }
        }
    }
    let Some(stream) = attached.stream else { return };
    let process = tokio::select! {
        process = stream.connected() => process,
        () = hung_up(&socket) => None,
    };
    if let Some(process) = process {
        let end = relay.run(socket, early, process, attached.end.reached()).await;
        tracing::debug!(?end, "attached client left");
    }
}
