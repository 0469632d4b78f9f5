//! TLS in front of a connection.
//!
//! ```text
//!  client ══TLS══▶ pump ──socket pair──▶ server
//! ```
//!
//! The server sees a plain socket whatever the client speaks, so that connections which leave HTTP (attach, exec) need
//! to know nothing of TLS. The end of either direction is passed on by itself, which interactive streams rely on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How much of a request without TLS is taken.
const LONGEST_REFUSED: u64 = 1 << 20;
/// Beginnings of requests that came without TLS. Source: Go's `tlsRecordHeaderLooksLikeHTTP`.
const PLAIN: [&[u8; 5]; 6] = [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO", b"DELET"];
/// What dockerd answers them.
const REFUSAL: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// The server's end of a client's connection; keys are agreed on meanwhile. A client that is refused is seen by the
/// server as one that said nothing.
pub(crate) fn accept(client: TcpStream, config: Arc<rustls::ServerConfig>) -> io::Result<UnixStream> {
    let (far, near) = UnixStream::pair()?;
    tokio::spawn(async move {
        if let Err(error) = pump(client, config, far).await {
            tracing::debug!(%error, "a connection with TLS ended early");
        }
    });
    Ok(near)
}

async fn pump(client: TcpStream, config: Arc<rustls::ServerConfig>, mut server: UnixStream) -> io::Result<()> {
    let agreed = tokio::time::timeout(HANDSHAKE, async {
        if looks_plain(&client).await? {
            refuse(client).await?;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the client does not speak TLS",
            ));
        }
        TlsAcceptor::from(config).accept(client).await
    });
    let mut client = agreed.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// Tells a client that speaks no TLS so, and takes what it still sends: a connection that is closed with unread bytes
/// would be reset, and the client would not see the answer.
async fn refuse(mut client: TcpStream) -> io::Result<()> {
    client.write_all(REFUSAL).await?;
    client.shutdown().await?;
    let mut rest = client.take(LONGEST_REFUSED);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
}

async fn looks_plain(client: &TcpStream) -> io::Result<bool> {
    let mut beginning = [0; 5];
    let length = client.peek(&mut beginning).await?;
    Ok(PLAIN
        .iter()
        .any(|plain| length > 0 && plain.starts_with(&beginning[..length])))
}
