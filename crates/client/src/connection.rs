//! One request at a time: connect, send, check the status.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, UPGRADE, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tierce_api_types::auth::AuthConfig;
use tierce_api_types::{ApiVersion, ErrorResponse};
use tokio::sync::OnceCell;

use crate::query::Target;
use crate::transport::{self, Stream};
use crate::upload::Upload;
use crate::{Checkpoints, Containers, Endpoint, Error, Execs, Files, Images, Networks, System, Tls, Volumes};

/// Longest body of an answer that is read as one document (an inspect or a list), in bytes.
const MAX_DOCUMENT: usize = 256 * 1024 * 1024;
/// Longest error document, in bytes.
const MAX_ERROR: usize = 1024 * 1024;
/// Most room that is made for an answer before it comes, however long it is said to be.
const MOST_BELIEVED: usize = 4 * 1024 * 1024;

/// A client of one daemon. Cheap to make; holds no connection between calls.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    tls: Option<Tls>,
    headers: Vec<(HeaderName, HeaderValue)>,
    version: OnceCell<ApiVersion>,
}

/// What a connection carries up.
type Upward = Either<Full<Bytes>, Upload>;

/// The body of a request.
#[derive(Debug)]
enum Body {
    /// A JSON document.
    Document(Bytes),
    /// An archive as it comes.
    Archive(Upload),
}

/// A request before it is sent.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    target: Target,
    body: Option<Body>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Call {
    /// A request without a body.
    pub(crate) fn new(method: Method, target: Target) -> Self {
        Self {
            method,
            target,
            body: None,
            headers: Vec::new(),
        }
    }

    /// Puts a JSON document into the body.
    pub(crate) fn json<T: Serialize>(mut self, document: &T) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(document).map_err(|source| Error::Request {
            operation: self.operation(),
            why: source.to_string(),
        })?;
        self.body = Some(Body::Document(bytes.into()));
        Ok(self)
    }

    /// Sends an archive as the body.
    pub(crate) fn archive(mut self, upload: Upload) -> Self {
        self.body = Some(Body::Archive(upload));
        self
    }

    /// Adds registry credentials.
    pub(crate) fn registry_auth(mut self, auth: Option<&AuthConfig>) -> Self {
        if let Some(auth) = auth
            && let Ok(document) = serde_json::to_vec(auth)
            && let Ok(value) = HeaderValue::try_from(URL_SAFE.encode(document))
        {
            self.headers.push((HeaderName::from_static("x-registry-auth"), value));
        }
        self
    }

    /// Asks to turn the connection into a raw stream.
    pub(crate) fn upgrade(mut self) -> Self {
        self.headers.push((CONNECTION, HeaderValue::from_static("Upgrade")));
        self.headers.push((UPGRADE, HeaderValue::from_static("tcp")));
        self
    }

    /// Method and path, for error texts.
    pub(crate) fn operation(&self) -> String {
        let path = self.target.as_str();
        format!(
            "{} {}",
            self.method,
            path.split_once('?').map_or(path, |(path, _)| path)
        )
    }
}

impl Client {
    /// A client of the daemon at `endpoint`; the version is negotiated at the first call.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            tls: None,
            headers: Vec::new(),
            version: OnceCell::new(),
        }
    }

    /// A client that speaks one version and does not negotiate.
    pub fn with_version(endpoint: Endpoint, version: ApiVersion) -> Self {
        Self {
            version: OnceCell::new_with(Some(version)),
            ..Self::new(endpoint)
        }
    }

    /// Speaks TLS, where the daemon listens on TCP.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls;
        self
    }

    /// Sends a header with every request.
    ///
    /// # Errors
    /// [`Error::Request`] for what is no header.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let invalid = |why: String| Error::Request {
            operation: format!("header {name:?}"),
            why,
        };
        self.headers.push((
            HeaderName::try_from(name).map_err(|error| invalid(error.to_string()))?,
            HeaderValue::try_from(value).map_err(|error| invalid(error.to_string()))?,
        ));
        Ok(self)
    }

    /// A connection to the daemon with nothing said on it yet.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub async fn dial(&self) -> Result<Box<dyn Stream>, Error> {
        transport::connect(&self.endpoint, self.tls.as_ref())
            .await
            .map_err(|source| self.unreachable(source))
    }

    /// Where the daemon listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Operations on containers.
    pub fn containers(&self) -> Containers<'_> {
        Containers(self)
    }

    /// The checkpoints of a container, in a directory of the host (empty: the container's own).
    pub fn checkpoints<'a>(&'a self, container: &'a str, directory: &'a str) -> Checkpoints<'a> {
        Checkpoints {
            client: self,
            container,
            directory,
        }
    }

    /// Files of a container.
    pub fn files<'a>(&'a self, container: &'a str) -> Files<'a> {
        Files {
            client: self,
            container,
        }
    }

    /// Operations on execs.
    pub fn execs(&self) -> Execs<'_> {
        Execs(self)
    }

    /// Operations on images.
    pub fn images(&self) -> Images<'_> {
        Images(self)
    }

    /// Operations on networks.
    pub fn networks(&self) -> Networks<'_> {
        Networks(self)
    }

    /// Operations on volumes.
    pub fn volumes(&self) -> Volumes<'_> {
        Volumes(self)
    }

    /// Operations on the daemon itself.
    pub fn system(&self) -> System<'_> {
        System(self)
    }

    /// The version that both sides speak; asks the daemon once.
    ///
    /// A daemon that does not tell speaks the oldest, as Docker's client assumes.
    pub async fn api_version(&self) -> Result<ApiVersion, Error> {
        let negotiate = || async {
            let ping = self.system().ping().await?;
            Ok(ping
                .api_version
                .parse()
                .map_or(ApiVersion::MIN, |theirs: ApiVersion| theirs.min(ApiVersion::MAX)))
        };
        self.version.get_or_try_init(negotiate).await.copied()
    }

    /// Sends a call under the negotiated version and returns a successful answer.
    pub(crate) async fn send(&self, call: Call) -> Result<Response<Incoming>, Error> {
        let version = self.api_version().await?;
        self.send_as(call, &format!("/v{version}")).await
    }

    /// Sends a call with a path prefix and returns a successful answer (or 304); any other status is an error.
    pub(crate) async fn send_as(&self, call: Call, prefix: &str) -> Result<Response<Incoming>, Error> {
        let operation = call.operation();
        let request = self.request(call, prefix)?;
        let stream = self.dial().await?;
        checked(exchange(stream, request).await, operation).await
    }

    /// Sends a call and reads the answer as one document.
    pub(crate) async fn document<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let operation = call.operation();
        let response = self.send(call).await?;
        let body = read_limited(response, MAX_DOCUMENT, &operation).await?;
        serde_json::from_slice(&body).map_err(|source| Error::Decode { operation, source })
    }

    /// Sends a call whose answer has no content; tells whether it changed anything (not 304).
    pub(crate) async fn command(&self, call: Call) -> Result<bool, Error> {
        let operation = call.operation();
        let response = self.send(call).await?;
        let changed = response.status() != hyper::StatusCode::NOT_MODIFIED;
        read_limited(response, MAX_DOCUMENT, &operation).await?;
        Ok(changed)
    }

    fn unreachable(&self, source: std::io::Error) -> Error {
        Error::Connect {
            endpoint: self.endpoint.clone(),
            source,
        }
    }

    fn request(&self, call: Call, prefix: &str) -> Result<Request<Upward>, Error> {
        let operation = call.operation();
        let host = match &self.endpoint {
            // dockerd ignores it, but HTTP/1.1 demands one.
            Endpoint::Unix(_) | Endpoint::Ssh(_) => "docker".to_owned(),
            Endpoint::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Endpoint::Tcp { host, port } => format!("{host}:{port}"),
        };
        let mut builder = Request::builder()
            .method(call.method)
            .uri(format!("{prefix}{}", call.target.as_str()))
            .header(HOST, host)
            .header(USER_AGENT, concat!("tierce/", env!("CARGO_PKG_VERSION")));
        let content_type = match &call.body {
            None => None,
            Some(Body::Document(_)) => Some("application/json"),
            Some(Body::Archive(_)) => Some("application/x-tar"),
        };
        if let Some(content_type) = content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        for (name, value) in self.headers.iter().cloned().chain(call.headers) {
            builder = builder.header(name, value);
        }
        builder
            .body(match call.body {
                None => Either::Left(Full::default()),
                Some(Body::Document(bytes)) => Either::Left(Full::new(bytes)),
                Some(Body::Archive(upload)) => Either::Right(upload),
            })
            .map_err(|source| Error::Request {
                operation,
                why: source.to_string(),
            })
    }
}

/// One request over one connection, which lives on in a task until the answer's body or the upgrade is done with.
async fn exchange(stream: Box<dyn Stream>, request: Request<Upward>) -> Result<Response<Incoming>, hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Its error also reaches whoever reads the answer.
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await
}

/// Turns refusals into errors.
async fn checked(
    response: Result<Response<Incoming>, hyper::Error>,
    operation: String,
) -> Result<Response<Incoming>, Error> {
    let response = response.map_err(|source| Error::Http {
        operation: operation.clone(),
        source,
    })?;
    let status = response.status();
    if status.is_success() || status.is_informational() || status == hyper::StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let body = read_limited(response, MAX_ERROR, &operation).await.unwrap_or_default();
    let message = match serde_json::from_slice::<ErrorResponse>(&body) {
        Ok(document) if !document.message.is_empty() => document.message,
        _ => match String::from_utf8_lossy(&body).trim() {
            "" => format!("{operation}: {status}"),
            text => text.to_owned(),
        },
    };
    Err(Error::Status {
        status: status.as_u16(),
        message,
    })
}

/// Reads a body; its pieces are let go as they come, so that a long one is not in memory twice.
async fn read_limited(response: Response<Incoming>, limit: usize, operation: &str) -> Result<Vec<u8>, Error> {
    let mut body = response.into_body();
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(limit);
    let mut bytes = Vec::with_capacity(announced.min(limit).min(MOST_BELIEVED));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| Error::Http {
            operation: operation.to_owned(),
            source,
        })?;
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() > limit - bytes.len() {
            return Err(Error::Request {
                operation: operation.to_owned(),
                why: format!("read the answer: it has more than {limit} bytes"),
            });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
