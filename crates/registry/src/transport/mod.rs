//! HTTP/1.1 to one origin at a time: connections, TLS, proxies, time limits. Knows nothing of registries.

mod connect;
mod flow;
mod pool;
mod proxy;
mod tls;

pub(crate) use flow::Flow;
pub use proxy::Proxies;

use crate::trust::Trust;
use crate::{Config, Error, Refusal, Url};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Error documents longer than this are cut.
const LONGEST_REFUSAL: usize = 64 << 10;

/// A document that comes drop by drop is given up after so many times the limit on silence.
const LONGEST_DOCUMENT: u32 = 10;

/// What a connection carries up: a document, or a flow.
pub(crate) type Upward = Either<Full<Bytes>, Flow>;

/// What a request that can be sent again has for a body.
#[derive(Clone, Default)]
pub(crate) enum Payload {
    /// Nothing.
    #[default]
    Empty,
    /// A form.
    Form(Bytes),
    /// A document of some type.
    Document(&'static str, Bytes),
    /// A part of a blob.
    Chunk {
        /// Where its first byte belongs.
        first: u64,
        /// The part; not empty.
        bytes: Bytes,
    },
}

impl Payload {
    fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Empty => None,
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::Document(media_type, _) => Some(media_type),
            Self::Chunk { .. } => Some("application/octet-stream"),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Form(bytes) | Self::Document(_, bytes) | Self::Chunk { bytes, .. } => bytes,
        }
    }
}

/// One request.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Media types for `Accept`; none leaves the header out.
    pub(crate) accept: &'static [&'static str],
    /// Value of `Authorization`.
    pub(crate) authorization: Option<String>,
    /// First byte to send, for `Range`.
    pub(crate) from: u64,
    pub(crate) payload: Payload,
}

impl Call {
    pub(crate) fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            accept: &[],
            authorization: None,
            from: 0,
            payload: Payload::Empty,
        }
    }

    /// Whether following a redirect keeps what was asked.
    pub(crate) fn only_reads(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

/// The head of an answer, and its body to be read.
pub(crate) struct Answer {
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// A body under a time limit for each piece.
pub(crate) struct Body {
    incoming: Incoming,
    url: String,
    stall: Duration,
}

impl Answer {
    /// A header as text.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads an error document and makes the error of it.
    pub(crate) async fn into_refusal(mut self) -> Error {
        let allowed = self.body.stall * LONGEST_DOCUMENT;
        let mut document = BytesMut::new();
        let reading = async {
            while let Ok(Some(piece)) = self.body.next().await {
                let room = LONGEST_REFUSAL - document.len();
                document.extend_from_slice(&piece[..piece.len().min(room)]);
                if document.len() == LONGEST_REFUSAL {
                    break;
                }
            }
        };
        // What came until then is what there is.
        let _ = timeout(allowed, reading).await;
        Error::Refused {
            url: self.url.shown(),
            status: self.status,
            refusal: Refusal::from_body(self.status, &document),
            retry_after: crate::retry::retry_after(&self.headers),
        }
    }

    /// Reads a whole body of at most `limit` bytes.
    pub(crate) async fn into_bytes(mut self, object: &str, limit: u64) -> Result<Bytes, Error> {
        let too_large = || Error::TooLarge {
            url: self.url.shown(),
            object: object.to_owned(),
            limit,
        };
        let announced = self
            .header(header::CONTENT_LENGTH)
            .and_then(|text| text.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let allowed = self.body.stall * LONGEST_DOCUMENT;
        let reading = async {
            let mut bytes = BytesMut::new();
            while let Some(piece) = self.body.next().await? {
                if (bytes.len() + piece.len()) as u64 > limit {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(bytes.freeze())
        };
        timeout(allowed, reading).await.map_err(|_| Error::TimedOut {
            url: self.url.shown(),
            waited_for: "reading the whole answer",
            limit: allowed,
        })?
    }
}

impl Body {
    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = timeout(self.stall, self.incoming.frame())
                .await
                .map_err(|_| Error::TimedOut {
                    url: self.url.clone(),
                    waited_for: "waiting for more of the body",
                    limit: self.stall,
                })?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // Trailers are of no use here.
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    return Err(Error::Unreachable {
                        url: self.url.clone(),
                        cause: cause(&error),
                    });
                }
            }
        }
    }
}

/// Sends requests.
pub(crate) struct Transport {
    config: Arc<Config>,
    connector: connect::Connector,
    pool: pool::Pool,
}

impl Transport {
    pub(crate) fn new(config: Arc<Config>, trust: Arc<Trust>) -> Self {
        Self {
            connector: connect::Connector::new(config.clone(), trust),
            pool: pool::Pool::default(),
            config,
        }
    }

    /// Makes one request to the very address given: no redirect is followed, no status is an error.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, Error> {
        let url = &call.url;
        let unreachable = |cause: String| Error::Unreachable {
            url: url.shown(),
            cause,
        };
        let stall = self.config.timeouts.stall;
        // A pooled connection may have been closed by the other side just now; that says nothing about the registry,
        // so such a failure is followed by one attempt on a fresh connection.
        if let Some(mut sender) = self.pool.take(&url.origin())
            && let Ok(Ok(response)) = timeout(stall, sender.send_request(self.document(call, sender.absolute())?)).await
        {
            self.pool.put(url.origin(), sender);
            return Ok(self.answer(call, response));
        }
        let mut sender = self.connector.connect(url).await?;
        let request = self.document(call, sender.absolute())?;
        let response = timeout(stall, sender.send_request(request))
            .await
            .map_err(|_| Error::TimedOut {
                url: url.shown(),
                waited_for: "waiting for the answer",
                limit: stall,
            })?
            .map_err(|error| unreachable(cause(&error)))?;
        self.pool.put(url.origin(), sender);
        Ok(self.answer(call, response))
    }

    /// Makes one request whose body is a flow, which cannot be sent again. The time limit is on the other side taking
    /// more of it, and on the answer once all is taken.
    pub(crate) async fn stream(&self, call: &Call, flow: Flow) -> Result<Answer, Error> {
        let url = &call.url;
        let stall = self.config.timeouts.stall;
        // Not from the pool: a connection that the other side closed just now would take the flow with it.
        let mut sender = self.connector.connect(url).await?;
        let mut watch = flow.watch();
        let request = self.request(call, sender.absolute(), Either::Right(flow))?;
        let response = {
            let mut sending = std::pin::pin!(sender.send_request(request));
            loop {
                match timeout(stall, &mut sending).await {
                    Ok(answered) => break answered,
                    Err(_) if watch.moved() => {}
                    Err(_) => {
                        return Err(Error::TimedOut {
                            url: url.shown(),
                            waited_for: "sending more of the body",
                            limit: stall,
                        });
                    }
                }
            }
        };
        let response = response.map_err(|error| Error::Unreachable {
            url: url.shown(),
            cause: cause(&error),
        })?;
        self.pool.put(url.origin(), sender);
        Ok(self.answer(call, response))
    }

    /// Makes one request and reads its whole answer, following redirects without credentials.
    pub(crate) async fn read(&self, call: Call, object: &str, limit: u64) -> Result<Bytes, Error> {
        self.open(call).await?.into_bytes(object, limit).await
    }

    /// Makes one request, following redirects without credentials; the answer has a status of success.
    pub(crate) async fn open(&self, mut call: Call) -> Result<Answer, Error> {
        for _ in 0..MOST_REDIRECTS {
            let answer = self.call(&call).await?;
            match answer.status {
                200..=299 => return Ok(answer),
                301 | 302 | 303 | 307 | 308 if call.only_reads() => {
                    call = redirected(&call, &answer, false)?;
                }
                _ => return Err(answer.into_refusal().await),
            }
        }
        Err(Error::Redirect {
            url: call.url.shown(),
            target: String::new(),
            cause: "there are too many of them",
        })
    }

    fn answer(&self, call: &Call, response: http::Response<Incoming>) -> Answer {
        let (head, incoming) = response.into_parts();
        Answer {
            url: call.url.clone(),
            status: head.status.as_u16(),
            headers: head.headers,
            body: Body {
                incoming,
                url: call.url.shown(),
                stall: self.config.timeouts.stall,
            },
        }
    }

    fn document(&self, call: &Call, absolute: Option<&HeaderValue>) -> Result<Request<Upward>, Error> {
        let body = Either::Left(Full::new(call.payload.clone().into_bytes()));
        self.request(call, absolute, body)
    }

    fn request(&self, call: &Call, absolute: Option<&HeaderValue>, body: Upward) -> Result<Request<Upward>, Error> {
        let mut builder = Request::builder()
            .method(&call.method)
            .uri(match absolute {
                Some(_) => call.url.to_string(),
                None => call.url.path_and_query().to_owned(),
            })
            .header(header::HOST, call.url.authority())
            .header(header::USER_AGENT, &self.config.user_agent);
        if let Some(proxy_authorization) = absolute.filter(|value| !value.is_empty()) {
            builder = builder.header(header::PROXY_AUTHORIZATION, proxy_authorization);
        }
        for media_type in call.accept {
            builder = builder.header(header::ACCEPT, *media_type);
        }
        if let Some(authorization) = &call.authorization {
            builder = builder.header(header::AUTHORIZATION, authorization);
        }
        if call.from > 0 {
            builder = builder.header(header::RANGE, format!("bytes={}-", call.from));
        }
        if let Payload::Chunk { first, bytes } = &call.payload {
            // The form of the distribution-spec, without a unit.
            let last = first + bytes.len() as u64 - 1;
            builder = builder.header(header::CONTENT_RANGE, format!("{first}-{last}"));
        }
        let content_type = match &body {
            Either::Left(_) => call.payload.content_type(),
            Either::Right(_) => Some("application/octet-stream"),
        };
        if let Some(content_type) = content_type {
            builder = builder.header(header::CONTENT_TYPE, content_type);
        } else if call.method == Method::POST || call.method == Method::PUT {
            // hyper announces no length of an empty body by itself, and servers want one (RFC 9110 §8.6).
            builder = builder.header(header::CONTENT_LENGTH, 0);
        }
        builder.body(body).map_err(|error| Error::Malformed {
            url: call.url.shown(),
            cause: error.to_string(),
        })
    }
}

/// How many redirects of one request are followed.
pub(crate) const MOST_REDIRECTS: usize = 10;

/// The request that a redirect asks for. The credentials stay behind when it leads to another origin, and a redirect
/// from TLS to plain HTTP is refused unless the registry is `insecure`.
pub(crate) fn redirected(call: &Call, answer: &Answer, insecure: bool) -> Result<Call, Error> {
    let refused = |target: &str, cause| Error::Redirect {
        url: call.url.shown(),
        target: target.chars().take(200).collect(),
        cause,
    };
    let location = answer
        .header(header::LOCATION)
        .ok_or_else(|| refused("nowhere", "it has no Location"))?;
    let url = call
        .url
        .join(location)
        .map_err(|_| refused(location, "it leads to no http or https address"))?;
    if call.url.is_secure() && !url.is_secure() && !insecure {
        return Err(refused(&url.shown(), "it leads from TLS to plain HTTP"));
    }
    let same = url.origin() == call.url.origin();
    Ok(Call {
        authorization: call.authorization.clone().filter(|_| same),
        url,
        ..call.clone()
    })
}

/// The innermost cause of an error, in the words that Go programs use where there are such.
pub(crate) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    match innermost.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::UnexpectedEof) => "unexpected EOF".to_owned(),
        Some(std::io::ErrorKind::ConnectionReset) => "connection reset by peer".to_owned(),
        _ if text.contains("connection closed before message completed") => "EOF".to_owned(),
        _ => text,
    }
}
