//! The WebSocket protocol (RFC 6455), as far as a stream of bytes needs it: the handshake, frames in, frames out.
//!
//! [`bridge`] joins a client that speaks it to a plain socket pair, so that whoever serves the stream knows nothing of it:
//!
//! ```text
//! client ══frames══ bridge ──bytes── relay ── process
//! ```

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

use crate::frames::Unframe;
use crate::server::Socket;
use crate::status::Failure;

/// What the key is completed with before it is hashed (RFC 6455, 1.3).
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of output in a frame, at most.
const CHUNK: usize = 32 * 1024;
/// Longest content of a frame that controls the connection (RFC 6455, 5.5).
const MAX_CONTROL: u64 = 125;

/// Kinds of frames.
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Reasons to close (RFC 6455, 7.4).
const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;

/// How output reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// In binary frames; otherwise in frames of text.
    pub(crate) binary: bool,
    /// The stream that comes has Docker's frames, whose headers are left out: a WebSocket has both streams as one.
    pub(crate) framed: bool,
}

/// The head that answers a handshake.
///
/// # Errors
/// When the request is none.
pub(crate) fn accept(request: &HeaderMap) -> Result<String, Failure> {
    let text = |name| {
        request
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let key = text(SEC_WEBSOCKET_KEY);
    if !text(UPGRADE).eq_ignore_ascii_case("websocket") || key.is_empty() {
        return Err(Failure::invalid("not websocket protocol"));
    }
    if text(SEC_WEBSOCKET_VERSION) != "13" {
        return Err(Failure::invalid("missing or bad WebSocket Version"));
    }
    let proof = STANDARD.encode(Sha1::digest(format!("{key}{SUFFIX}")));
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {proof}\r\n\r\n"
    ))
}

/// Carries bytes between a client and one end of a socket pair until both directions have ended, or the client is gone.
/// `early` are bytes of the client that were read already.
pub(crate) async fn bridge(client: Socket, early: Bytes, inner: UnixStream, form: Form) {
    let (from_process, to_process) = inner.into_split();
    let line = Line {
        client: &client,
        writing: Mutex::new(()),
    };
    tokio::select! {
        () = line.input(early, to_process) => {}
        () = line.output(from_process, form) => {}
    }
}

/// The client's connection; a frame is written whole before another begins.
struct Line<'a> {
    client: &'a Socket,
    writing: Mutex<()>,
}

impl Line<'_> {
    async fn send(&self, kind: u8, content: &[u8]) -> io::Result<()> {
        let _turn = self.writing.lock().await;
        self.client.write_whole(&header(kind, content.len())).await?;
        self.client.write_whole(content).await
    }

    async fn close(&self, reason: u16) {
        // A client that is gone needs no farewell.
        let _ = self.send(CLOSE, &reason.to_be_bytes()).await;
        self.client.end_output();
    }

    /// Client to process; ends with the client only. One that closes its direction still gets all output.
    async fn input(&self, early: Bytes, to_process: OwnedWriteHalf) {
        let mut to_process = Some(to_process);
        let mut parser = Parser::default();
        let mut pending = early.to_vec();
        let mut buffer = vec![0; CHUNK];
        loop {
            let (content, events) = match parser.read(&mut pending) {
                Ok(read) => read,
                Err(Malformed) => return self.close(PROTOCOL_ERROR).await,
            };
            pending.clear();
            if let Some(process) = &mut to_process
                && process.write_all(&content).await.is_err()
            {
                // It reads no more, but may still have something to say.
                to_process = None;
            }
            for event in events {
                match event {
                    Event::Ping(content) => {
                        if self.send(PONG, &content).await.is_err() {
                            return;
                        }
                    }
                    // Dropping it is the end of the process' input.
                    Event::Close => to_process = None,
                }
            }
            match self.client.read_some(&mut buffer).await {
                Ok(0) => {
                    drop(to_process);
                    return crate::relay::hung_up(self.client).await;
                }
                Err(_) => return,
                Ok(length) => pending.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// Process to client.
    async fn output(&self, mut from_process: OwnedReadHalf, form: Form) {
        let kind = if form.binary { BINARY } else { TEXT };
        let mut unframe = form.framed.then(Unframe::default);
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = match from_process.read(&mut buffer).await {
                Ok(0) | Err(_) => return self.close(NORMAL).await,
                Ok(length) => length,
            };
            let content = match &mut unframe {
                Some(unframe) => unframe.strip(&buffer[..length]),
                None => buffer[..length].to_vec(),
            };
            if !content.is_empty() && self.send(kind, &content).await.is_err() {
                return;
            }
        }
    }
}

/// The header of a frame from a server: whole, not masked.
fn header(kind: u8, length: usize) -> Vec<u8> {
    let mut header = vec![0x80 | kind];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => header.push(short),
        (_, Ok(medium)) => {
            header.push(126);
            header.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    header
}

/// What a client sent does not keep to the protocol.
#[derive(Debug, PartialEq, Eq)]
struct Malformed;

/// A frame that controls the connection.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Ping(Vec<u8>),
    Close,
}

/// Reads a client's frames, in whatever pieces they come; nothing but headers and control frames is held back.
#[derive(Debug, Default)]
struct Parser {
    /// Bytes of a header that is not complete.
    head: Vec<u8>,
    frame: Option<Frame>,
}

/// A frame whose content is being read.
#[derive(Debug)]
struct Frame {
    kind: u8,
    rest: u64,
    mask: [u8; 4],
    read: usize,
    /// Content of a control frame.
    control: Vec<u8>,
}

impl Parser {
    /// Takes bytes and gives the content of the stream in them, and what happens after it.
    fn read(&mut self, bytes: &mut [u8]) -> Result<(Vec<u8>, Vec<Event>), Malformed> {
        let (mut content, mut events) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < bytes.len() || self.frame.as_ref().is_some_and(|frame| frame.rest == 0) {
            let Some(frame) = &mut self.frame else {
                self.head.push(bytes[at]);
                at += 1;
                self.frame = Frame::parse(&self.head)?;
                if self.frame.is_some() {
                    self.head.clear();
                }
                continue;
            };
            let count = (bytes.len() - at).min(usize::try_from(frame.rest).unwrap_or(usize::MAX));
            let piece = &mut bytes[at..at + count];
            frame.unmask(piece);
            at += count;
            if frame.kind < CLOSE {
                content.extend_from_slice(piece);
            } else {
                frame.control.extend_from_slice(piece);
            }
            if frame.rest == 0 {
                match frame.kind {
                    CLOSE => events.push(Event::Close),
                    PING => events.push(Event::Ping(std::mem::take(&mut frame.control))),
                    _ => {}
                }
                self.frame = None;
            }
        }
        Ok((content, events))
    }
}

impl Frame {
    /// The frame that a header begins; `None` while the header is not complete.
    fn parse(head: &[u8]) -> Result<Option<Self>, Malformed> {
        let &[first, second, ref rest @ ..] = head else {
            return Ok(None);
        };
        let kind = first & 0x0f;
        // Extensions were not agreed on, and clients mask.
        if first & 0x70 != 0 || second & 0x80 == 0 || !matches!(kind, 0 | TEXT | BINARY | CLOSE | PING | PONG) {
            return Err(Malformed);
        }
        let (length, rest) = match second & 0x7f {
            126 => match rest {
                [a, b, rest @ ..] => (u64::from(u16::from_be_bytes([*a, *b])), rest),
                _ => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        if kind >= CLOSE && (length > MAX_CONTROL || first & 0x80 == 0) {
            return Err(Malformed);
        }
        let Ok(mask) = rest.try_into() else { return Ok(None) };
        Ok(Some(Self {
            kind,
            rest: length,
            mask,
            read: 0,
            control: Vec::new(),
        }))
    }

    fn unmask(&mut self, piece: &mut [u8]) {
        for byte in piece.iter_mut() {
            *byte ^= self.mask[self.read % 4];
            self.read += 1;
        }
        self.rest -= piece.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    /// A frame as a client sends it.
    fn masked(first: u8, content: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = header(0, content.len());
        frame[0] = first;
        frame[1] |= 0x80;
        frame.extend_from_slice(&mask);
        frame.extend(content.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        frame
    }

    #[test]
    fn the_handshake_is_the_one_of_the_rfc() {
        let mut request = HeaderMap::new();
        assert!(accept(&request).is_err());
        request.insert(UPGRADE, HeaderValue::from_static("websocket"));
        request.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(accept(&request).is_err(), "no version");
        request.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let head = accept(&request).unwrap();
        assert!(
            head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{head}"
        );
    }

    #[test]
    fn frames_are_read_in_whatever_pieces_they_come() {
        let long = vec![7; 70_000];
        let mut stream = masked(0x02, b"hel");
        stream.extend(masked(0x89, b"p"));
        stream.extend(masked(0x80, b"lo"));
        stream.extend(masked(0x82, &long));
        stream.extend(masked(0x81, b""));
        stream.extend(masked(0x88, &NORMAL.to_be_bytes()));
        for size in [1, 3, 1000, stream.len()] {
            let (mut parser, mut content, mut events) = (Parser::default(), Vec::new(), Vec::new());
            for piece in stream.clone().chunks_mut(size) {
                let (more, happened) = parser.read(piece).unwrap();
                content.extend(more);
                events.extend(happened);
            }
            assert_eq!(content, [b"hello".as_slice(), &long].concat());
            assert_eq!(events, [Event::Ping(b"p".to_vec()), Event::Close]);
        }
    }

    #[test]
    fn what_no_client_may_send_is_refused() {
        let mut unmasked = masked(0x82, b"x");
        unmasked[1] &= 0x7f;
        let extended = masked(0xc2, b"x");
        let unknown = masked(0x83, b"x");
        let long_ping = masked(0x89, &[0; 126]);
        let parted_ping = masked(0x09, b"x");
        for mut frame in [unmasked, extended, unknown, long_ping, parted_ping] {
            assert_eq!(Parser::default().read(&mut frame), Err(Malformed));
        }
    }

    #[tokio::test]
    async fn row_076_bytes_go_both_ways_and_pings_are_answered() {
        let (client, served) = UnixStream::pair().unwrap();
        let (inner, process) = UnixStream::pair().unwrap();
        let form = Form {
            binary: true,
            framed: false,
        };
        let early = Bytes::from(masked(0x82, b"early "));
        let bridge = tokio::spawn(bridge(Socket::Unix(served), early, inner, form));
        let (mut from_server, mut to_server) = client.into_split();
        let (mut from_client, mut to_client) = process.into_split();
        let frames = [masked(0x82, b"late"), masked(0x89, b"?"), masked(0x88, b"")].concat();
        to_server.write_all(&frames).await.unwrap();
        let mut input = Vec::new();
        from_client.read_to_end(&mut input).await.unwrap();
        assert_eq!(input, b"early late");
        let mut pong = [0; 3];
        from_server.read_exact(&mut pong).await.unwrap();
        assert_eq!(&pong, b"\x8a\x01?");
        to_client.write_all(b"output").await.unwrap();
        drop(to_client);
        let mut output = Vec::new();
        from_server.read_to_end(&mut output).await.unwrap();
        assert_eq!(output, b"\x82\x06output\x88\x02\x03\xe8");
        drop(to_server);
        bridge.await.unwrap();
    }
}
