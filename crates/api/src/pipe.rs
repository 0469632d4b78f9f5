//! Bodies between asynchronous HTTP and work that reads or writes as it goes: archives in and out.
//!
//! Bounded channels join the two sides, so that a slow one slows the other down instead of filling memory.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, stream};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::request::Unread;

const PIECE: usize = 128 << 10;
const PIECES: usize = 8;

/// The body of a request, to be read where blocking is allowed. What is not read is taken in and thrown away, so that
/// the client is not cut off in the middle of sending and gets to see the answer.
pub(crate) fn inlet(body: Unread) -> Inlet {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let Some(mut body) = body.take() else { return };
        let mut wanted = true;
        while let Some(frame) = body.frame().await {
            let piece = match frame {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => Ok(data),
                    Err(_) => continue,
                },
                Err(error) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, error)),
            };
            let broken = piece.is_err();
            wanted = wanted && sender.send(piece).await.is_ok();
            if broken {
                return;
            }
        }
    });
    Inlet {
        pieces,
        current: Bytes::new(),
    }
}

/// Reads a request's body.
pub(crate) struct Inlet {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Inlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Runs work that writes, on a thread for that, and gives what it writes. When the work fails, the stream ends with an
/// error: the connection breaks off, and the client does not take a part for the whole.
pub(crate) fn outlet<E: std::fmt::Display>(
    work: impl FnOnce(&mut Outlet) -> Result<(), E> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut outlet = Outlet {
            buffer: BytesMut::with_capacity(PIECE),
            sender,
        };
        let done = work(&mut outlet)
            .map_err(|error| error.to_string())
            .and_then(|()| outlet.flush().map_err(|error| error.to_string()));
        if let Err(error) = done
            && !outlet.sender.is_closed()
        {
            tracing::error!(error, "an answer breaks off");
            drop(outlet.sender.blocking_send(Err(io::Error::other(error))));
        }
    });
    stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    })
}

/// Takes what goes into an answer's body.
pub(crate) struct Outlet {
    buffer: BytesMut,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == PIECE {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(PIECE)).freeze();
        self.sender
            .blocking_send(Ok(piece))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
