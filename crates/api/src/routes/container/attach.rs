//! `POST /containers/{id}/attach`

use std::future::ready;
use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt;
use tierce_engine::requests::Attach;

use super::logs::{Decoration, encoded};
use crate::detach::DetachKeys;
use crate::hijack::stream_head;
use crate::relay::{Relay, hung_up};
use crate::router::Outcome;
use crate::routes::Call;
use crate::server::Socket;

/// Attaches to a container: the connection leaves HTTP and carries its streams. On a container that does not run yet the
/// head is sent at once and the streams come with its start.
pub(super) async fn attach(call: Call) -> Outcome {
    let query = &call.query;
    let request = Attach {
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        stream: query.flag("stream"),
        logs: query.flag("logs"),
    };
    let keys = DetachKeys::parse(query.text("detachKeys"))?;
    let attached = call.engine.containers.attach(&call.name, request).await?;
    let head = stream_head(&call.head.headers, !attached.tty && call.speaks(42));
    let relay = Relay {
        stdin: request.stdin,
        detach: attached.tty.then_some(keys),
    };
    call.hijacker
        .take(move |socket: Socket, early: Bytes| async move {
            if socket.write_whole(head.as_bytes()).await.is_err() {
                return;
            }
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
                let end = relay.run(socket, early, process, ready(())).await;
                tracing::debug!(?end, "attached client left");
            }
        })
        .await
}
