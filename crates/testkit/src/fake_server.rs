//! An HTTP/1.1 server that does what a test tells it, well or badly.

use crate::Host;
use crate::host::inside;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, as far as `Content-Length` announced one or it came in chunks.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first byte asked for by `Range: bytes=N-`.
    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A proper answer.
    Answer {
        /// Status code.
        status: u16,
        /// Headers besides `Content-Length`.
        headers: Vec<(String, String)>,
        /// Body.
        body: Vec<u8>,
    },
    /// An answer with `200` that announces `length` bytes, sends `body`, and closes.
    Cut {
        /// The announced length.
        length: usize,
        /// What is sent.
        body: Vec<u8>,
    },
    /// An answer with `200` that announces `length` bytes, sends `body`, and then nothing.
    Stall {
        /// The announced length.
        length: usize,
        /// What is sent.
        body: Vec<u8>,
    },
    /// No answer; the connection stays open.
    Hang,
    /// No answer; the connection is closed.
    Close,
    /// These bytes, whatever they are; then the connection is closed.
    Raw(Vec<u8>),
}

impl Reply {
    /// `200` with a body.
    pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, &[("Content-Type", content_type)], body)
    }

    /// A status with headers and a body.
    pub fn status(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::Answer {
            status,
            headers,
            body: body.into(),
        }
    }

    /// A redirect.
    pub fn redirect(location: &str) -> Self {
        Self::status(307, &[("Location", location)], "")
    }

    /// The bytes of a blob from where the request asks for: `200` or `206`.
    pub fn blob(request: &Received, blob: &[u8]) -> Self {
        match request.range_start() {
            None => Self::ok("application/octet-stream", blob),
            Some(start) => {
                let range = format!("bytes {start}-{}/{}", blob.len() - 1, blob.len());
                Self::status(206, &[("Content-Range", &range)], &blob[start..])
            }
        }
    }
}

type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

/// A server on a loopback port of its own. Ends with its last owner; connections end with it.
pub struct FakeServer {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    acceptor: Option<thread::JoinHandle<()>>,
}

/// A [`FakeServer`] on a host, for the programs there. Must go before its host does.
pub struct HostServer {
    server: Option<FakeServer>,
    host: String,
}

impl HostServer {
    /// Starts a server on a loopback port of the host.
    ///
    /// # Panics
    /// When no loopback port can be had.
    pub fn start(host: &Host, handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let host = host.name().to_owned();
        Self {
            server: Some(inside(&host, || FakeServer::start(handler))),
            host,
        }
    }
}

impl std::ops::Deref for HostServer {
    type Target = FakeServer;

    fn deref(&self) -> &FakeServer {
        // Taken by `drop` only.
        self.server.as_ref().unwrap_or_else(|| panic!("the server has ended"))
    }
}

impl Drop for HostServer {
    fn drop(&mut self) {
        let server = self.server.take();
        inside(&self.host, move || drop(server));
    }
}

impl FakeServer {
    /// Starts a server that answers every request with what `handler` says.
    ///
    /// # Panics
    /// When no loopback port can be had.
    pub fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("cannot listen: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let stopped: Arc<AtomicBool> = Arc::default();
        let handler: Arc<Handler> = Arc::new(handler);
        let connections: Arc<AtomicUsize> = Arc::default();
        let (log, stop, count) = (received.clone(), stopped.clone(), connections.clone());
        let acceptor = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (log, stop, handler) = (log.clone(), stop.clone(), handler.clone());
                thread::spawn(move || drop(serve(stream, &log, &stop, handler.as_ref())));
            }
        });
        Self {
            address,
            received,
            connections,
            stopped,
            acceptor: Some(acceptor),
        }
    }

    /// `127.0.0.1:port`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every request so far that made sense as HTTP, in order.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Method and target of every request so far.
    pub fn trace(&self) -> Vec<String> {
        self.received()
            .iter()
            .map(|request| format!("{} {}", request.method, request.target))
            .collect()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Received>>, stop: &AtomicBool, handler: &Handler) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader)? {
        log.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        match handler(&request) {
            Reply::Answer { status, headers, body } => {
                write_head(&mut writer, status, &headers, body.len())?;
                writer.write_all(&body)?;
            }
            Reply::Cut { length, body } => {
                write_head(&mut writer, 200, &[], length)?;
                return writer.write_all(&body);
            }
            Reply::Stall { length, body } => {
                write_head(&mut writer, 200, &[], length)?;
                writer.write_all(&body)?;
                wait(&mut reader, stop);
                return Ok(());
            }
            Reply::Hang => {
                wait(&mut reader, stop);
                return Ok(());
            }
            Reply::Close => return Ok(()),
            Reply::Raw(bytes) => return writer.write_all(&bytes),
        }
    }
    Ok(())
}

/// Waits until the client goes or the server ends.
fn wait(reader: &mut BufReader<TcpStream>, stop: &AtomicBool) {
    drop(reader.get_ref().set_read_timeout(Some(Duration::from_millis(50))));
    let mut byte = [0];
    while !stop.load(Ordering::SeqCst) {
        match reader.read(&mut byte) {
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            _ => return,
        }
    }
}

fn write_head(writer: &mut TcpStream, status: u16, headers: &[(String, String)], length: usize) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    writer.write_all(head.as_bytes())
}

/// Reads one request; `None` at the end of the connection or of HTTP (a TLS greeting, for example).
fn read_request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Received>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let line = String::from_utf8_lossy(&line).into_owned();
    let mut words = line.split_whitespace();
    let (Some(method), Some(target), Some("HTTP/1.1")) = (words.next(), words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    if headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked")
    {
        body = read_chunks(reader)?;
    }
    Ok(Some(Received {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body,
    }))
}

/// Reads a body in chunks (RFC 9112 §7.1).
fn read_chunks(reader: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        let start = body.len();
        body.resize(start + length, 0);
        reader.read_exact(&mut body[start..])?;
        reader.read_line(&mut String::new())?;
        if length == 0 {
            return Ok(body);
        }
    }
}
