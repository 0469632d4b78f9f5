//! The called side.

use crate::framing::{Decoder, frame};
use crate::{Status, sending::send_all};
use async_trait::async_trait;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Response, StatusCode};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// Calls that one connection may have at once.
const MOST_CALLS: u32 = 4096;
/// Longest head of a request.
const MOST_METADATA: u32 = 64 << 10;
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

/// Serves every connection to `listener`, for ever.
pub async fn serve<S: Service>(listener: UnixListener, service: Arc<S>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, service).await {
                        tracing::debug!(%error, "a connection broke");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection<S: Service>(stream: UnixStream, service: Arc<S>) -> Result<(), h2::Error> {
    let mut connection = h2::server::Builder::new()
        .max_concurrent_streams(MOST_CALLS)
        .max_header_list_size(MOST_METADATA)
        .handshake::<_, Bytes>(stream)
        .await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            if let Err(error) = answer(&service, request, respond).await {
                tracing::debug!(%error, "a call was not answered to its end");
            }
        });
    }
    Ok(())
}

async fn answer<S: Service>(
    service: &Arc<S>,
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
    let outcome = match read(body).await {
        Ok(message) => {
            let request = Request {
                method: head.uri.path().to_owned(),
                metadata: head.headers,
                message,
            };
            match carry_out(service, request, &mut respond).await {
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

/// The one message of a request.
async fn read(mut body: RecvStream) -> Result<Bytes, Status> {
    let mut decoder = Decoder::default();
    let mut message = None;
    while let Some(bytes) = body.data().await {
        let bytes = bytes.map_err(|error| Status::new(Status::INTERNAL, error.to_string()))?;
        // Only fails for more than was received.
        let _ = body.flow_control().release_capacity(bytes.len());
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
        .ok_or_else(|| Status::new(Status::INTERNAL, "the request has no whole message"))
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
