//! Accepting clients and driving their connections.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tierce_engine::Engine;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use crate::Listener;
use crate::facts::{Facts, Shared};
use crate::handle::handle;
use crate::hijack::{Continuation, Hijacker};
use crate::metrics;
use crate::router::Router;
use crate::routes;

/// How long a client may take to send the head of a request; dockerd's limit.
const HEAD_TIMEOUT: Duration = Duration::from_mins(5);
/// How many milliseconds a client may take to read the head of a stream before what follows is sent all the same.
const HEAD_PATIENCE: u32 = 100;
/// How long accepting pauses when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The API of one engine. Cheap to clone; one serves any number of listeners.
#[derive(Clone)]
pub struct Server {
    router: Arc<Router>,
    facts: Arc<Shared>,
    /// How many requests wait for the beginning of their answer.
    pending: Arc<watch::Sender<usize>>,
}

impl Server {
    /// The API of `engine`; `facts` are what only the daemon knows of itself.
    pub fn new(engine: &Arc<Engine>, facts: Facts) -> Self {
        let facts = Arc::new(Shared::new(facts));
        let router = Router::new(routes::table(engine, &facts));
        Self {
            facts,
            ..Self::with_router(router)
        }
    }

    pub(crate) fn with_router(router: Router) -> Self {
        Self {
            router: Arc::new(router),
            facts: Arc::default(),
            pending: Arc::new(watch::Sender::new(0)),
        }
    }

    /// A server of nothing but `/metrics`, for Prometheus.
    #[must_use]
    pub fn of_metrics(&self, engine: &Arc<Engine>) -> Self {
        Self {
            facts: Arc::clone(&self.facts),
            ..Self::with_router(Router::new(vec![metrics::route(engine, &self.facts)]))
        }
    }

    /// From now on these are the facts.
    pub fn set_facts(&self, facts: Facts) {
        self.facts.set(facts);
    }

    /// Ready when no request waits for the beginning of its answer. Streams, which may go on for ever, do not count.
    pub async fn idle(&self) {
        // An error would mean that the sender is gone, but it is here.
        let _ = self.pending.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Ready when there were requests, and none has waited for the beginning of its answer for `pause`.
    pub async fn calm(&self, pause: Duration) {
        let mut pending = self.pending.subscribe();
        // Errors would mean that the sender is gone, but it is here.
        let _ = pending.changed().await;
        loop {
            let changed = tokio::time::timeout(pause, pending.changed()).await;
            if changed.is_err() && *pending.borrow() == 0 {
                return;
            }
        }
    }

    /// Serves the clients of one listener, each in a task of its own, until `shutdown` is ready. Connections that exist
    /// then live on as long as the runtime does; see [`Self::idle`].
    pub async fn serve(&self, listener: Listener, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(socket) => {
                    let server = self.clone();
                    tokio::spawn(async move { server.drive(socket).await });
                }
                Err(error) => {
                    // A client that left before it was accepted is nothing; too many open files pass with time.
                    tracing::warn!(%error, "could not accept a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Speaks HTTP on a connection until it ends or a handler takes it out of HTTP.
    async fn drive(self, socket: Socket) {
        let hijacker = Hijacker::default();
        let experimental = self.facts.get().experimental;
        let service = service_fn(|request| {
            let (router, hijacker) = (Arc::clone(&self.router), hijacker.clone());
            let pending = Pending::new(&self.pending);
            Box::pin(async move {
                let response = handle(&router, hijacker, experimental, request).await;
                drop(pending);
                Ok::<_, Infallible>(response)
            })
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // As Go writes them; some scripts look for them with a case.
            .title_case_headers(true)
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(socket), service);
        let continuation: Option<Continuation> = poll_fn(|context| {
            let done = connection.poll_without_shutdown(context);
            // A handler asks inside that poll, so no wake-up is missed.
            if let Some(continuation) = hijacker.asked() {
                return Poll::Ready(Some(continuation));
            }
            done.map(|result| {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended early");
                }
                None
            })
        })
        .await;
        let parts = connection.into_parts();
        let socket = parts.io.into_inner();
        match continuation {
            Some(continuation) => continuation(socket, parts.read_buf).await,
            None => drop(socket),
        }
    }
}

/// One request that waits for the beginning of its answer.
struct Pending(Arc<watch::Sender<usize>>);

impl Pending {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A client's connection.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl Socket {
    /// Reads what there is; 0 = the client sends no more. Beside [`Self::write_whole`] at the same time.
    pub(crate) async fn read_some(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Unix(stream) => {
                    stream.readable().await?;
                    stream.try_read(buffer)
                }
                Self::Tcp(stream) => {
                    stream.readable().await?;
                    stream.try_read(buffer)
                }
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// Writes all bytes. Beside [`Self::read_some`] at the same time.
    pub(crate) async fn write_whole(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self {
                Self::Unix(stream) => {
                    stream.writable().await?;
                    stream.try_write(bytes)
                }
                Self::Tcp(stream) => {
                    stream.writable().await?;
                    stream.try_write(bytes)
                }
            };
            match written {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tells the client that no more output comes; one that left before does not care.
    pub(crate) fn end_output(&self) {
        let descriptor = match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        };
        let _ = rustix::net::shutdown(descriptor, rustix::net::Shutdown::Write);
    }

    /// Writes the head of a stream, and waits until the client has read it or a while is over: clients that read it
    /// through a buffer and then go on with the bare socket would lose what came with it (decision 0014).
    pub(crate) async fn write_head(&self, head: &str) -> io::Result<()> {
        self.write_whole(head.as_bytes()).await?;
        let descriptor = match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        };
        for _ in 0..HEAD_PATIENCE {
            if !matches!(tierce_sys::socket::untaken(descriptor), Ok(1..)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Whether the other side is gone for good, in both directions, as far as the kernel knows.
    pub(crate) async fn is_hung_up(&self) -> bool {
        let ready = match self {
            Self::Unix(stream) => stream.ready(Interest::WRITABLE).await,
            Self::Tcp(stream) => stream.ready(Interest::WRITABLE).await,
        };
        ready.map_or(true, Ready::is_write_closed)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
