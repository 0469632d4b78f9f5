//! Accepting clients and driving their connections.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Peer, handle};
use crate::{Certificate, Hub};

/// Most connections of one listener; further clients wait.
const MOST_CONNECTIONS: usize = 1024;
/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);
/// How long a client may take to agree on a key.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long requests under way may take when the hub is to end.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

impl Hub {
    /// Serves the clients of a listener, with TLS if there is a certificate, until `stop` is ready. Then requests under
    /// way get some time to end.
    pub async fn serve(self, listener: TcpListener, certificate: Option<Certificate>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let (ending, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&listener, &places) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            let (hub, certificate, ended) = (self.clone(), certificate.clone(), ending.subscribe());
            connections.spawn(async move {
                hub.connection(stream, certificate, ended).await;
                drop(place);
            });
        }
        drop(listener);
        // Nobody listens when there are no connections.
        let _ = ending.send(true);
        let ended = timeout(LAST_REQUESTS, async {
            while connections.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!("requests that took too long are cut off");
        }
    }

    async fn connection(self, stream: TcpStream, certificate: Option<Certificate>, ended: watch::Receiver<bool>) {
        let Ok(address) = stream.peer_addr() else { return };
        // Answers are written whole; waiting for more only makes the next request wait.
        let _ = stream.set_nodelay(true);
        let mut peer = Peer {
            address: address.ip(),
            secure: false,
        };
        let Some(Certificate(acceptor)) = certificate else {
            return self.drive(stream, peer, ended).await;
        };
        peer.secure = true;
        match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.drive(stream, peer, ended).await,
            Ok(Err(error)) => tracing::debug!(%error, %address, "no TLS with a client"),
            Err(_) => tracing::debug!(%address, "a client took too long to agree on a key"),
        }
    }

    /// Speaks HTTP on a connection until it ends.
    async fn drive<S>(self, stream: S, peer: Peer, mut ended: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| {
            let parts = Arc::clone(&self.0);
            async move { Ok::<_, Infallible>(handle(parts, peer, request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let over = async {
            // An error would mean that nobody accepts any more, and then it is over too.
            let _ = ended.wait_for(|ended| *ended).await;
        };
        let result = tokio::select! {
            result = &mut connection => result,
            () = over => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "connection ended early");
        }
    }
}

/// The next client, when there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            // A client that left before it was accepted is nothing; too many open files pass with time.
            tracing::warn!(%error, "could not accept a client");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
