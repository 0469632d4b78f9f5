//! The body of a request that comes while it is sent: archives for `load`, `import` and `cp`.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

const PIECE: usize = 128 << 10;
const PIECES: usize = 8;

/// An archive on its way to the daemon.
#[derive(Debug)]
pub struct Upload(mpsc::Receiver<io::Result<Bytes>>);

impl Upload {
    /// Sends what a reader gives. It is read on a thread of its own, which ends with the reader or the request.
    pub fn from_reader(mut reader: impl Read + Send + 'static) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES);
        std::thread::spawn(move || {
            let mut buffer = vec![0; PIECE];
            loop {
                let piece = match reader.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => Ok(Bytes::copy_from_slice(&buffer[..count])),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = piece.is_err();
                if sender.blocking_send(piece).is_err() || failed {
                    return;
                }
            }
        });
        Self(pieces)
    }

    /// Sends what `work` writes, on a thread of its own. When it fails, the request breaks off.
    pub fn from_writer(work: impl FnOnce(&mut UploadWriter) -> io::Result<()> + Send + 'static) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES);
        std::thread::spawn(move || {
            let mut writer = UploadWriter {
                sender,
                piece: Vec::with_capacity(PIECE),
            };
            let done = work(&mut writer).and_then(|()| writer.flush());
            if let Err(error) = done {
                // Nobody listens when it is the request that has ended.
                let _ = writer.sender.blocking_send(Err(error));
            }
        });
        Self(pieces)
    }
}

/// Where the archive of [`Upload::from_writer`] is written to.
#[derive(Debug)]
pub struct UploadWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for UploadWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender
            .blocking_send(Ok(piece.into()))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
