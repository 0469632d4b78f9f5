//! The calling side of ttrpc, for many concurrent calls over one connection.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message;
use tierce_fault::Kind;
use tierce_task::frame::{Decoder, FLAG_REMOTE_CLOSED, Frame, KIND_DATA, KIND_RESPONSE};
use tierce_task::messages::{Empty, Envelope, Request, Response};
use tierce_task::method::{Method, SERVICE_V2, SERVICE_V3};
use tierce_task::{Error, Result, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

/// Who waits for the answers to one call.
#[derive(Debug)]
enum Waiter {
    One(oneshot::Sender<Response>),
    Many(mpsc::UnboundedSender<Envelope>),
}

#[derive(Debug, Default)]
struct Calls {
    waiting: HashMap<u32, Waiter>,
    last: u32,
    closed: bool,
}

/// A connection to one shim. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    container: Arc<str>,
    service: &'static str,
    calls: Arc<Mutex<Calls>>,
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    closed: watch::Receiver<bool>,
}

fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// Connects to the shim of `container`; `version` is that of the protocol it speaks.
    pub(crate) async fn connect(container: &str, socket: &Path, version: u32) -> Result<Self> {
        let stream = UnixStream::connect(socket).await.map_err(|error| Error::Disconnected {
            verb: "reach",
            container: container.to_owned(),
            cause: format!("cannot connect to {}: {error}", socket.display()),
        })?;
        let (reader, writer) = stream.into_split();
        let calls = Arc::new(Mutex::new(Calls::default()));
        let (tell_closed, closed) = watch::channel(false);
        tokio::spawn(receive(reader, calls.clone(), tell_closed));
        Ok(Self {
            container: container.into(),
            service: if version == 2 { SERVICE_V2 } else { SERVICE_V3 },
            calls,
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            closed,
        })
    }

    /// Calls a method and waits for its answer, at most `limit` (`None`: as long as it takes).
    pub(crate) async fn call<M: Message + Default>(
        &self,
        verb: &'static str,
        method: Method,
        argument: &impl Message,
        limit: Option<Duration>,
    ) -> Result<M> {
        let work = async {
            let (sender, receiver) = oneshot::channel();
            let stream = self.send(verb, method, argument, limit, Waiter::One(sender)).await?;
            let forget = Forget {
                calls: &self.calls,
                stream,
            };
            let response = receiver
                .await
                .map_err(|_| self.disconnected(verb, "the connection was closed"))?;
            drop(forget);
            decode(response)
        };
        match limit {
            None => work.await,
            Some(after) => tokio::time::timeout(after, work).await.unwrap_or_else(|_| {
                Err(Error::Timeout {
                    verb,
                    container: self.container.to_string(),
                    after,
                })
            }),
        }
    }

    /// Events of the shim, until the connection ends or the shim says that it has none.
    pub(crate) async fn events(&self) -> Result<mpsc::UnboundedReceiver<Envelope>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.send("watch", Method::Events, &Empty {}, None, Waiter::Many(sender))
            .await?;
        Ok(receiver)
    }

    /// Resolves when the connection is gone.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.clone();
        // An error means that the reader is gone, and with it the connection.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    async fn send(
        &self,
        verb: &'static str,
        method: Method,
        argument: &impl Message,
        limit: Option<Duration>,
        waiter: Waiter,
    ) -> Result<u32> {
        let request = Request {
            service: self.service.to_owned(),
            method: method.name().to_owned(),
            payload: argument.encode_to_vec(),
            timeout_nano: limit.map_or(0, |limit| i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX)),
            metadata: Vec::new(),
        };
        let stream = {
            let mut calls = lock(&self.calls);
            if calls.closed {
                return Err(self.disconnected(verb, "the connection was closed"));
            }
            let stream = calls.last + 1;
            calls.last += 2;
            calls.waiting.insert(stream, waiter);
            stream
        };
        let mut frame = Frame::request(stream, &request);
        frame.flags = FLAG_REMOTE_CLOSED;
        let mut bytes = Vec::new();
        frame.encode(&mut bytes)?;
        let written = self.writer.lock().await.write_all(&bytes).await;
        written.map_err(|error| {
            lock(&self.calls).waiting.remove(&stream);
            self.disconnected(verb, &error.to_string())
        })?;
        Ok(stream)
    }

    fn disconnected(&self, verb: &'static str, cause: &str) -> Error {
        Error::Disconnected {
            verb,
            container: self.container.to_string(),
            cause: cause.to_owned(),
        }
    }
}

/// Forgets a call that nobody waits for any more.
struct Forget<'a> {
    calls: &'a Mutex<Calls>,
    stream: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(self.calls).waiting.remove(&self.stream);
    }
}

fn decode<M: Message + Default>(response: Response) -> Result<M> {
    if let Some(status) = response.status.filter(|status| status.code != 0) {
        return Err(Error::Refused {
            kind: status::kind_of_code(status.code),
            message: status.message,
        });
    }
    M::decode(&response.payload[..]).map_err(|error| Error::Malformed {
        what: "answer of a shim",
        cause: error.to_string(),
    })
}

/// Whether an error says that the shim does not know the method.
pub(crate) fn is_unimplemented(error: &Error) -> bool {
    tierce_fault::Fault::kind(error) == Kind::NotImplemented
}

async fn receive(mut reader: OwnedReadHalf, calls: Arc<Mutex<Calls>>, closed: watch::Sender<bool>) {
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; 8192];
    'connection: while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        decoder.push(&buffer[..count]);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => hand_over(&calls, &frame),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "a shim does not follow the protocol");
                    break 'connection;
                }
            }
        }
    }
    {
        let mut calls = lock(&calls);
        calls.closed = true;
        calls.waiting.clear();
    }
    closed.send_replace(true);
}

fn hand_over(calls: &Mutex<Calls>, frame: &Frame) {
    let mut calls = lock(calls);
    match frame.kind {
        KIND_RESPONSE => {
            let Some(Waiter::One(sender)) = calls.waiting.remove(&frame.stream) else {
                return;
            };
            if let Ok(response) = Response::decode(&frame.payload[..]) {
                // The caller may have given up meanwhile.
                let _ = sender.send(response);
            }
        }
        KIND_DATA => {
            let Some(Waiter::Many(sender)) = calls.waiting.get(&frame.stream) else {
                return;
            };
            if let Ok(envelope) = Envelope::decode(&frame.payload[..]) {
                let _ = sender.send(envelope);
            }
        }
        _ => {}
    }
}
