//! Opening connections: TCP, through a proxy where one is set, with TLS where asked.

use super::Upward;
use super::cause;
use super::proxy::Proxy;
use super::tls::Tls;
use crate::trust::Trust;
use crate::{Config, Error, Url};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A proxy's answer to CONNECT is a line and a few headers.
const LONGEST_PROXY_ANSWER: usize = 16 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The sending half of a connection.
pub(crate) struct Sender {
    inner: http1::SendRequest<Upward>,
    absolute: Option<HeaderValue>,
}

impl Sender {
    pub(crate) async fn send_request(&mut self, request: Request<Upward>) -> hyper::Result<Response<Incoming>> {
        self.inner.send_request(request).await
    }

    /// Set when requests go to a proxy in absolute form: the value of `Proxy-Authorization`, empty for none.
    pub(crate) fn absolute(&self) -> Option<&HeaderValue> {
        self.absolute.as_ref()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }
}

/// Opens connections.
pub(crate) struct Connector {
    config: Arc<Config>,
    tls: Tls,
}

impl Connector {
    pub(crate) fn new(config: Arc<Config>, trust: Arc<Trust>) -> Self {
        Self {
            tls: Tls::new(config.clone(), trust),
            config,
        }
    }

    /// Opens a connection for requests to `url`.
    pub(crate) async fn connect(&self, url: &Url) -> Result<Sender, Error> {
        let limit = self.config.timeouts.connect;
        timeout(limit, self.open(url)).await.map_err(|_| Error::TimedOut {
            url: url.shown(),
            waited_for: "connecting",
            limit,
        })?
    }

    async fn open(&self, url: &Url) -> Result<Sender, Error> {
        let proxy = self.config.proxies.choose(url);
        let mut absolute = None;
        let stream: Box<dyn Stream> = match &proxy {
            None => Box::new(dial(url, url.host(), url.origin().port).await?),
            Some(proxy) => {
                let mut tcp = dial(url, &proxy.host, proxy.port).await?;
                if url.is_secure() {
                    tunnel(&mut tcp, url, proxy).await?;
                } else {
                    absolute = Some(
                        proxy
                            .authorization
                            .clone()
                            .unwrap_or_else(|| HeaderValue::from_static("")),
                    );
                }
                Box::new(tcp)
            }
        };
        let stream = if url.is_secure() {
            let unreachable = |cause: String| Error::Unreachable {
                url: url.shown(),
                cause,
            };
            let (connector, name) = self.tls.connector(url).await?;
            let encrypted = connector
                .connect(name, stream)
                .await
                .map_err(|error| unreachable(format!("tls: {}", cause(&error))))?;
            Box::new(encrypted) as Box<dyn Stream>
        } else {
            stream
        };
        let (inner, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Error::Unreachable {
                url: url.shown(),
                cause: cause(&error),
            })?;
        // Ends by itself when the sender and the body in flight are dropped, or the other side closes.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a registry ended");
            }
        });
        Ok(Sender { inner, absolute })
    }
}

async fn dial(url: &Url, host: &str, port: u16) -> Result<TcpStream, Error> {
    let unreachable = |cause: String| Error::Unreachable {
        url: url.shown(),
        cause,
    };
    let addresses: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| unreachable(format!("dial tcp: lookup {host}: {error}")))?
        .collect();
    let mut last = format!("dial tcp: lookup {host}: no such host");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are small and answered at once.
                stream
                    .set_nodelay(true)
                    .map_err(|error| unreachable(error.to_string()))?;
                return Ok(stream);
            }
            Err(error) => last = format!("dial tcp {address}: connect: {}", spoken(&error)),
        }
    }
    Err(unreachable(last))
}

/// "connection refused" instead of "Connection refused (os error 111)", as Docker's users know it.
fn spoken(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + characters.as_str())
        .unwrap_or_default()
}

/// Asks a proxy for a tunnel (RFC 9110 §9.3.6).
async fn tunnel(tcp: &mut TcpStream, url: &Url, proxy: &Proxy) -> Result<(), Error> {
    let failed = |cause: String| Error::Unreachable {
        url: url.shown(),
        cause: format!("proxy {}:{}: {cause}", proxy.host, proxy.port),
    };
    let host = url.host();
    let target = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let target = format!("{target}:{}", url.origin().port);
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    tcp.write_all(&request)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte: what follows the head belongs to TLS. It is a hundred bytes once a connection.
        let byte = tcp.read_u8().await.map_err(|error| failed(error.to_string()))?;
        answer.push(byte);
        if answer.len() > LONGEST_PROXY_ANSWER {
            return Err(failed("its answer has no end".to_owned()));
        }
    }
    let line = String::from_utf8_lossy(&answer);
    let line = line.lines().next().unwrap_or_default();
    if line.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(failed(format!("it answered {line:?}")))
    }
}
