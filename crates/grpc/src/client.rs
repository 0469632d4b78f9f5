//! The calling side: one connection, many calls at once.

use crate::framing::{Decoder, frame};
use crate::{Status, sending::send_all};
use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use prost::Message;
use std::marker::PhantomData;
use std::path::Path;
use tokio::net::UnixStream;
use tokio::sync::watch;

/// Longest head or trailers of an answer.
const MOST_METADATA: u32 = 64 << 10;

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The other side refused.
    #[error(transparent)]
    Refused(#[from] Status),
    /// There is no connection, or it broke; whether the other side did what was asked is not known.
    #[error("{0}")]
    Disconnected(String),
    /// The answer does not follow the protocol.
    #[error("the answer cannot be read: {0}")]
    Malformed(String),
}

/// A connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Channel {
    sender: SendRequest<Bytes>,
    metadata: HeaderMap,
    closed: watch::Receiver<bool>,
}

impl Channel {
    /// Connects to the unix socket at `path`; `metadata` goes with every call.
    ///
    /// # Errors
    /// [`Error::Disconnected`].
    pub async fn connect(path: &Path, metadata: &[(&'static str, &str)]) -> Result<Self, Error> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|error| Error::Disconnected(format!("cannot connect to {}: {error}", path.display())))?;
        let mut headers = HeaderMap::new();
        for (name, value) in metadata {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Error::Malformed(format!("{name}: {value:?} is no header's value")))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let (sender, connection) = h2::client::Builder::new()
            .max_header_list_size(MOST_METADATA)
            .handshake(stream)
            .await
            .map_err(|error| lost(&error))?;
        let (tell, closed) = watch::channel(false);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            tell.send_replace(true);
        });
        Ok(Self {
            sender,
            metadata: headers,
            closed,
        })
    }

    /// Calls a method (`/package.Service/Method`) that answers with one message.
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn call<M: Message + Default>(&self, method: &str, argument: &impl Message) -> Result<M, Error> {
        let answer = self.call_raw(method, argument.encode_to_vec()).await?;
        M::decode(answer).map_err(|error| Error::Malformed(error.to_string()))
    }

    /// The same with encoded messages.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Disconnected`].
    pub async fn call_raw(&self, method: &str, argument: Vec<u8>) -> Result<Bytes, Error> {
        let mut body = self.send(method, &argument).await?;
        let answer = body.next().await?;
        let Some(answer) = answer else {
            return Err(Error::Malformed("it has no message".to_owned()));
        };
        // The status comes after the message, and may be a refusal still.
        while body.next().await?.is_some() {}
        Ok(answer)
    }

    /// Calls a method that answers with a stream of messages.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Disconnected`].
    pub async fn stream<M: Message + Default>(
        &self,
        method: &str,
        argument: &impl Message,
    ) -> Result<Stream<M>, Error> {
        let body = self.send(method, &argument.encode_to_vec()).await?;
        Ok(Stream {
            body,
            message: PhantomData,
        })
    }

    /// Resolves when the connection is gone.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        // An error means that the connection's task is gone, and the connection with it.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Sends a request, and waits for the head of its answer.
    async fn send(&self, method: &str, argument: &[u8]) -> Result<Body, Error> {
        let framed = frame(argument)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://localhost{method}"))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(())
            .map_err(|error| Error::Malformed(error.to_string()))?;
        let metadata = self.metadata.iter().map(|(name, value)| (name.clone(), value.clone()));
        request.headers_mut().extend(metadata);
        let mut sender = self.sender.clone().ready().await.map_err(|error| lost(&error))?;
        let (response, mut stream) = sender.send_request(request, false).map_err(|error| lost(&error))?;
        if let Err(error) = send_all(&mut stream, framed, true).await {
            // A server may refuse before it has read everything: its answer counts.
            tracing::debug!(%error, "a request was not taken whole");
        }
        let (head, receiver) = response.await.map_err(|error| lost(&error))?.into_parts();
        if !head.status.is_success() {
            return Err(Error::Malformed(format!("it is HTTP {}", head.status)));
        }
        Ok(Body {
            receiver,
            early: head.headers.contains_key("grpc-status").then_some(head.headers),
            decoder: Decoder::default(),
        })
    }
}

fn lost(error: &h2::Error) -> Error {
    Error::Disconnected(format!("the connection broke: {error}"))
}

/// An answer that is being read.
#[derive(Debug)]
struct Body {
    receiver: RecvStream,
    /// The status, of an answer that has it in its head.
    early: Option<HeaderMap>,
    decoder: Decoder,
}

impl Body {
    /// The next message; `None` after the last, when the status is a success.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(Some(message));
            }
            match self.receiver.data().await {
                Some(Ok(bytes)) => {
                    // Only fails for more than was received.
                    let _ = self.receiver.flow_control().release_capacity(bytes.len());
                    self.decoder.push(&bytes);
                }
                Some(Err(error)) => return Err(lost(&error)),
                None => return self.end().await,
            }
        }
    }

    async fn end(&mut self) -> Result<Option<Bytes>, Error> {
        let trailers = match self.early.take() {
            Some(head) => Some(head),
            None => self.receiver.trailers().await.map_err(|error| lost(&error))?,
        };
        let trailers = trailers.ok_or_else(|| Error::Disconnected("the answer ended without a status".to_owned()))?;
        Status::read(&trailers)?;
        if self.decoder.is_empty() {
            Ok(None)
        } else {
            Err(Error::Malformed("it ends within a message".to_owned()))
        }
    }
}

/// Messages of one answer.
#[derive(Debug)]
pub struct Stream<M> {
    body: Body,
    message: PhantomData<fn() -> M>,
}

impl<M: Message + Default> Stream<M> {
    /// The next one; `None` when the other side has ended the stream.
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn next(&mut self) -> Result<Option<M>, Error> {
        let message = self.body.next().await?;
        message
            .map(M::decode)
            .transpose()
            .map_err(|error| Error::Malformed(error.to_string()))
    }
}
