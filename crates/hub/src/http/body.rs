//! Bodies in pieces: none is in memory as a whole, but the small ones.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::StatusCode;
use hyper::body::{Frame, Incoming};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::refusal::{Code, Refusal};
use crate::store::{self, Claim};

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How many bytes are read or written at once; two such pieces are in memory for each body under way.
const PIECE: usize = 1 << 20;
/// How long a client may send nothing.
const PATIENCE: Duration = Duration::from_mins(1);

/// A body that is in memory.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A part of a file. The next piece is read while one is sent.
pub(super) fn file(mut file: File, part: Range<u64>) -> io::Result<Body> {
    file.seek(SeekFrom::Start(part.start))?;
    let reading = Reading {
        left: part.end - part.start,
        ahead: None,
    };
    let pieces = stream::unfold(reading.read(file), |mut reading| async {
        let (file, piece) = match reading.ahead.take()?.await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Some((Err(error), reading)),
            Err(error) => return Some((Err(io::Error::other(error)), reading)),
        };
        Some((Ok(piece), reading.read(file)))
    });
    Ok(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync())
}

/// A file that is sent.
struct Reading {
    left: u64,
    ahead: Option<JoinHandle<io::Result<(File, Bytes)>>>,
}

impl Reading {
    /// Begins to read the next piece, if there is one.
    fn read(mut self, mut file: File) -> Self {
        let length = self.left.min(PIECE as u64);
        if length > 0 {
            self.left -= length;
            self.ahead = Some(spawn_blocking(move || {
                let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or(PIECE));
                file.by_ref().take(length).read_to_end(&mut piece)?;
                if piece.len() as u64 != length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok((file, Bytes::from(piece)))
            }));
        }
        self
    }
}

/// Reads a body that has to be short.
pub(super) async fn short(mut body: Incoming, most: usize) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(data) = next(&mut body).await? {
        if bytes.len() + data.len() > most {
            let message = format!("the body is longer than {most} bytes");
            return Err(Refusal::new(Code::SizeInvalid, message).of_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Writes a body to an upload, at most `most` bytes; returns their number. The next piece comes in while one is
/// written. What arrived stays when the rest does not.
pub(super) async fn receive(mut body: Incoming, claim: Claim, most: u64) -> (Option<Claim>, Result<u64, Refusal>) {
    let mut writer = Writer {
        claim: Some(claim),
        under_way: None,
    };
    let mut received = 0;
    let mut pieces = Vec::new();
    let mut length = 0;
    let outcome = loop {
        match next(&mut body).await {
            Ok(Some(data)) => {
                received += data.len() as u64;
                length += data.len();
                if received > most {
                    let message = format!("the body is longer than {most} bytes");
                    break Err(Refusal::new(Code::SizeInvalid, message).of_status(StatusCode::PAYLOAD_TOO_LARGE));
                }
                pieces.push(data);
                if length >= PIECE {
                    length = 0;
                    if let Err(refusal) = writer.write(std::mem::take(&mut pieces)).await {
                        break Err(refusal);
                    }
                }
            }
            Ok(None) => break Ok(received),
            Err(refusal) => break Err(refusal),
        }
    };
    let written = writer.write(pieces).await;
    let settled = writer.settle().await;
    (
        writer.claim,
        outcome.and_then(|received| written.and(settled).map(|()| received)),
    )
}

/// The one who writes an upload's bytes.
struct Writer {
    /// Absent while it writes.
    claim: Option<Claim>,
    under_way: Option<JoinHandle<(Claim, store::Result<()>)>>,
}

impl Writer {
    /// Begins to write, when what was begun before is done.
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<(), Refusal> {
        self.settle().await?;
        if pieces.is_empty() {
            return Ok(());
        }
        if let Some(mut claim) = self.claim.take() {
            self.under_way = Some(spawn_blocking(move || {
                let outcome = claim.append(&pieces);
                (claim, outcome)
            }));
        }
        Ok(())
    }

    /// Waits until what was begun is done.
    async fn settle(&mut self) -> Result<(), Refusal> {
        let Some(under_way) = self.under_way.take() else {
            return Ok(());
        };
        match under_way.await {
            Ok((claim, outcome)) => {
                self.claim = Some(claim);
                outcome.map_err(Refusal::from)
            }
            Err(error) => Err(Refusal::new(Code::Unknown, format!("writing ended early: {error}"))),
        }
    }
}

/// The next bytes of a body; `None` at its end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        let Ok(frame) = timeout(PATIENCE, body.frame()).await else {
            let message = format!("nothing came for {} s", PATIENCE.as_secs());
            return Err(Refusal::new(Code::BlobUploadInvalid, message).of_status(StatusCode::REQUEST_TIMEOUT));
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                return Err(Refusal::new(
                    Code::BlobUploadInvalid,
                    format!("the body ended early: {error}"),
                ));
            }
            Some(Ok(frame)) => {
                // Trailers are nothing to us.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
