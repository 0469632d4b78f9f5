//! The called side.

use crate::framing::{Decoder, MAX_MESSAGE, frame};
use crate::{Status, sending::send_all};
use async_trait::async_trait;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response, StatusCode};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Connections at once. An engine has one, a command of `ctr` has one.
const MOST_CONNECTIONS: usize = 256;
/// Bytes of requests that are under way, over all connections.
const MOST_BYTES: usize = 4 * MAX_MESSAGE;
/// Calls that one connection may have at once.
const MOST_CALLS: u32 = 4096;
/// Longest head of a request.
const MOST_METADATA: u32 = 64 << 10;
/// How long a connection may take to say that it speaks HTTP/2.
const GREETING: Duration = Duration::from_secs(10);
/// After a connection could not be accepted, for lack of descriptors mostly.
const PAUSE: Duration = Duration::from_millis(100);

/// A call that came in.
#[derive(Debug)]
pub struct Request {
    /// `/package.Service/Method`.
    pub method: String,
    /// What the caller sent besides.
    pub metadata: HeaderMap,
    /// The encoded argument.
    pub message: Bytes,
}

/// What a call gives.
#[derive(Debug)]
pub enum Answer {
    /// One encoded message.
    One(Vec<u8>),
    /// Encoded messages until the sender is gone.
    Many(mpsc::Receiver<Vec<u8>>),
}

/// What is served.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Whether a call of this method is carried out to its end, also when the caller goes away. Others are dropped then.
    fn outlives_caller(&self, method: &str) -> bool;

    /// Answers a call.
    async fn call(&self, request: Request) -> Result<Answer, Status>;
}

/// Serves every connection to `listener`, for ever. One too many is closed at once, so that its caller is told.
pub async fn serve<S: Service>(listener: UnixListener, service: Arc<S>) {
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let served = Served {
        service,
        bytes: Arc::new(Semaphore::new(MOST_BYTES)),
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
                    tracing::warn!(limit = MOST_CONNECTIONS, "a connection too many is closed");
                    continue;
                };
                let served = served.clone();
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, served).await {
                        tracing::debug!(%error, "a connection broke");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What all connections share.
#[derive(Debug)]
struct Served<S> {
    service: Arc<S>,
    /// How many bytes of requests may still be taken in.
    bytes: Arc<Semaphore>,
}

impl<S> Clone for Served<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            bytes: Arc::clone(&self.bytes),
        }
    }
}

async fn connection<S: Service>(stream: UnixStream, served: Served<S>) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(MOST_CALLS)
        .max_header_list_size(MOST_METADATA);
    let greeting = tokio::time::timeout(GREETING, builder.handshake::<_, Bytes>(stream)).await;
    let mut connection = greeting.map_err(|_| h2::Error::from(Reason::SETTINGS_TIMEOUT))??;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        let served = served.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(&served, request, respond).await {
                tracing::debug!(%error, "a call was not answered to its end");
            }
        });
    }
    Ok(())
}

async fn answer<S: Service>(
    served: &Served<S>,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, body) = request.into_parts();
    let kind = head.headers.get("content-type").map(http::HeaderValue::as_bytes);
    if !kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        respond.send_response(response, true)?;
        return Ok(());
    }
    let outcome = match read(body, &served.bytes).await {
        // Its bytes count for as long as the call is under way.
        Ok((message, _share)) => {
            let request = Request {
                method: head.uri.path().to_owned(),
                metadata: head.headers,
                message,
            };
            match carry_out(&served.service, request, &mut respond).await {
                Some(outcome) => outcome,
                None => return Ok(()),
            }
        }
        Err(status) => Err(status),
    };
    let mut response = Response::new(());
    let kind = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    let mut stream = respond.send_response(response, false)?;
    let status = match outcome {
        Ok(answer) => write(&mut stream, answer).await?,
        Err(status) => Some(status),
    };
    stream.send_trailers(Status::trailers(status.as_ref()))
}

/// `None`: the caller is gone, and nobody else wants it.
async fn carry_out<S: Service>(
    service: &Arc<S>,
    request: Request,
    respond: &mut SendResponse<Bytes>,
) -> Option<Result<Answer, Status>> {
    if service.outlives_caller(&request.method) {
        let service = Arc::clone(service);
        let work = tokio::spawn(async move { service.call(request).await });
        let cut_short = |error| {
            Err(Status::new(
                Status::INTERNAL,
                format!("the work was cut short: {error}"),
            ))
        };
        return Some(work.await.unwrap_or_else(cut_short));
    }
    tokio::select! {
        outcome = service.call(request) => Some(outcome),
        _ = poll_fn(|context| respond.poll_reset(context)) => None,
    }
}

/// The one message of a request, and its bytes' share of what all requests may have.
async fn read(mut body: RecvStream, budget: &Arc<Semaphore>) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Status> {
    let mut decoder = Decoder::default();
    let (mut message, mut share) = (None, None::<OwnedSemaphorePermit>);
    while let Some(bytes) = body.data().await {
        let bytes = bytes.map_err(|error| Status::new(Status::INTERNAL, error.to_string()))?;
        // Only fails for more than was received.
        let _ = body.flow_control().release_capacity(bytes.len());
        let more = Arc::clone(budget)
            .try_acquire_many_owned(bytes.len() as u32)
            .map_err(|_| too_much())?;
        match &mut share {
            Some(share) => share.merge(more),
            None => share = Some(more),
        }
        decoder.push(&bytes);
        while let Some(next) = decoder.next_message()? {
            if message.replace(next).is_some() {
                let text = "the request has more than one message";
                return Err(Status::new(Status::UNIMPLEMENTED, text));
            }
        }
    }
    message
        .filter(|_| decoder.is_empty())
        .map(|message| (message, share))
        .ok_or_else(|| Status::new(Status::INTERNAL, "the request has no whole message"))
}

fn too_much() -> Status {
    let text = format!("requests of more than {MOST_BYTES} bytes are under way: try again when some are answered");
    Status::new(Status::RESOURCE_EXHAUSTED, text)
}

/// Writes the messages; gives a status when one cannot be sent.
async fn write(stream: &mut SendStream<Bytes>, answer: Answer) -> Result<Option<Status>, h2::Error> {
    match answer {
        Answer::One(message) => match frame(&message) {
            Ok(framed) => send_all(stream, framed, false).await.map(|()| None),
            Err(status) => Ok(Some(status)),
        },
        Answer::Many(mut messages) => loop {
            let message = tokio::select! {
                message = messages.recv() => message,
                // The caller is gone.
                reset = poll_fn(|context| stream.poll_reset(context)) => return Err(reset?.into()),
            };
            let Some(message) = message else { return Ok(None) };
            match frame(&message) {
                Ok(framed) => send_all(stream, framed, false).await?,
                Err(status) => return Ok(Some(status)),
            }
        },
    }
}
