//! Taking a connection out of HTTP, as Go's `http.Hijacker` does for dockerd.
//!
//! A handler asks for it by [`Hijacker::take`] and ends there; the connection's driver in `server` notices, takes the
//! socket with what was already read from hyper, and hands both over. Our own code then writes the head of the answer,
//! so that Docker's `101 UPGRADED` and the bare `200 OK` for clients that did not ask for an upgrade are equally
//! possible (hyper itself upgrades only on request).

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::UPGRADE;

use crate::handle::common_headers;
use crate::router::Outcome;
use crate::server::Socket;

/// What happens to the connection after HTTP.
pub(crate) type Continuation = Box<dyn FnOnce(Socket, Bytes) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// One connection's way out of HTTP.
#[derive(Clone, Default)]
pub(crate) struct Hijacker(Arc<Mutex<Option<Continuation>>>);

impl Hijacker {
    /// Leaves HTTP: `continuation` gets the socket and the bytes that the client sent after the request. Never returns,
    /// since no answer of HTTP's comes any more; the future is dropped with the request.
    pub(crate) async fn take<F, Fut>(&self, continuation: F) -> Outcome
    where
        F: FnOnce(Socket, Bytes) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let continuation: Continuation = Box::new(move |socket, read| Box::pin(continuation(socket, read)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(continuation);
        pending().await
    }

    /// What a handler asked for, if one did.
    pub(crate) fn asked(&self) -> Option<Continuation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The head that begins a hijacked stream. `multiplexed` = output comes in frames and the client knows that content
/// type (API 1.42). Source: moby `daemon/server/router/container/container_routes.go`, `postContainersAttach`.
pub(crate) fn stream_head(request: &HeaderMap, multiplexed: bool, experimental: bool) -> String {
    let mut head = if request.contains_key(UPGRADE) {
        let content_type = if multiplexed {
            "multiplexed-stream"
        } else {
            "raw-stream"
        };
        format!(
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.{content_type}\r\nConnection: Upgrade\r\n\
             Upgrade: tcp\r\n"
        )
    } else {
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n".to_owned()
    };
    for (name, value) in common_headers(experimental) {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn stream_heads_are_dockers() {
        let mut request = HeaderMap::new();
        assert!(stream_head(&request, true, false).starts_with(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\nApi-Version: 1.51\r\n"
        ));
        request.insert(UPGRADE, HeaderValue::from_static("tcp"));
        let head = stream_head(&request, true, false);
        assert!(head.starts_with(
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\n\
             Upgrade: tcp\r\n"
        ));
        assert!(head.ends_with("\r\n\r\n"));
        assert!(stream_head(&request, false, false).contains("vnd.docker.raw-stream"));
    }
}
