//! Docker's `journald` driver: each entry a message in the journal's native protocol.
//!
//! Fields are Docker's: `MESSAGE`, `PRIORITY`, `CONTAINER_ID`, `CONTAINER_ID_FULL`, `CONTAINER_NAME`, `CONTAINER_TAG`,
//! `IMAGE_NAME`, `SYSLOG_IDENTIFIER`, `SYSLOG_TIMESTAMP`, `CONTAINER_LOG_EPOCH`, `CONTAINER_LOG_ORDINAL`, those of
//! pieces, and the labels and variables that were asked for. Source: moby `daemon/logger/journald`, and
//! <https://systemd.io/JOURNAL_NATIVE_PROTOCOL>.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::forward::{Forward, Mode, Transport};
use crate::lines::Lines;
use crate::partial::{Piece, Pieces};
use crate::{Driver, Stream, time};

/// Where the journal listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Parsed options of the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Where the journal listens.
    pub socket: PathBuf,
    /// Fields of every entry.
    pub fields: BTreeMap<String, String>,
    /// Tells this life of the container from others: `CONTAINER_LOG_EPOCH`.
    pub epoch: String,
    /// What becomes of entries that the journal does not take.
    pub mode: Mode,
}

/// A name of a label or variable as a field of the journal: capital letters, digits, and underscores, none at its start.
pub fn field_name(name: &str) -> String {
    let letters = name.chars().map(|letter| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' => letter.to_ascii_uppercase(),
        _ => '_',
    });
    letters.skip_while(|letter| *letter == '_').collect()
}

/// Sends one container's output.
pub struct Writer {
    lines: Lines,
    pieces: Pieces,
    /// Fields of every entry, encoded.
    fixed: Vec<u8>,
    ordinal: u64,
    forward: Forward,
}

impl Writer {
    /// Connects to the journal.
    pub fn open(options: &Options) -> Result<Self> {
        let mut transport = Journal {
            socket: None,
            path: options.socket.clone(),
        };
        transport.connect().map_err(|_| Error::NoJournal)?;
        let mut fixed = Vec::new();
        for (name, value) in &options.fields {
            field(name, value.as_bytes(), &mut fixed);
        }
        field("CONTAINER_LOG_EPOCH", options.epoch.as_bytes(), &mut fixed);
        Ok(Self {
            lines: Lines::default(),
            pieces: Pieces::default(),
            fixed,
            ordinal: 0,
            forward: Forward::new(Box::new(transport), options.mode),
        })
    }

    fn entry(&mut self, stream: Stream, text: &[u8], newline: bool, at: SystemTime) {
        let (piece, at) = self.pieces.next(stream, newline, at);
        self.ordinal += 1;
        let mut message = Vec::with_capacity(text.len() + self.fixed.len() + 256);
        field("MESSAGE", text, &mut message);
        let priority: &[u8] = if stream == Stream::Stderr { b"3" } else { b"6" };
        field("PRIORITY", priority, &mut message);
        message.extend_from_slice(&self.fixed);
        field(
            "CONTAINER_LOG_ORDINAL",
            self.ordinal.to_string().as_bytes(),
            &mut message,
        );
        field("SYSLOG_TIMESTAMP", time::format(at).as_bytes(), &mut message);
        if let Some(piece) = piece {
            tell_piece(&piece, &mut message);
        }
        self.forward.send(message, Instant::now());
    }
}

fn tell_piece(piece: &Piece, message: &mut Vec<u8>) {
    field("CONTAINER_PARTIAL_ID", piece.id.as_bytes(), message);
    field(
        "CONTAINER_PARTIAL_ORDINAL",
        piece.ordinal.to_string().as_bytes(),
        message,
    );
    field("CONTAINER_PARTIAL_LAST", piece.last.to_string().as_bytes(), message);
    if !piece.last {
        field("CONTAINER_PARTIAL_MESSAGE", b"true", message);
    }
}

/// `NAME=value`, or with the length where the value has newlines.
fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

impl Driver for Writer {
    fn write(&mut self, stream: Stream, bytes: &[u8], at: SystemTime) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.cut(stream, bytes, |text, newline| self.entry(stream, text, newline, at));
        self.lines = lines;
    }

    fn finish(&mut self, stream: Stream, at: SystemTime) {
        if let Some(text) = self.lines.finish(stream) {
            self.entry(stream, &text, false, at);
        }
    }

    fn flush(&mut self, now: Instant) {
        self.forward.flush(now);
    }

    fn retry_at(&self) -> Option<Instant> {
        self.forward.retry_at()
    }

    fn is_full(&self) -> bool {
        self.forward.is_full()
    }
}

/// The journal's socket.
struct Journal {
    socket: Option<UnixDatagram>,
    path: PathBuf,
}

impl Journal {
    fn connect(&mut self) -> io::Result<&UnixDatagram> {
        let socket = connect(&self.path)?;
        Ok(self.socket.insert(socket))
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

impl Transport for Journal {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.connect()?,
        };
        match socket.send(message) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // Larger than the kernel lets through: labels or variables of more than 100 KiB.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => {
                Err(io::ErrorKind::InvalidInput.into())
            }
            Err(error) => {
                self.socket = None;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_what_the_journal_allows() {
        assert_eq!(field_name("com.example.Team-1"), "COM_EXAMPLE_TEAM_1");
        assert_eq!(field_name("__x"), "X");
    }

    #[test]
    fn entries_come_with_dockers_fields_also_after_the_journal_was_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let options = Options {
            socket: path.clone(),
            fields: [("CONTAINER_NAME".to_owned(), "web".to_owned())].into(),
            epoch: "e1".to_owned(),
            mode: Mode::default(),
        };
        let mut writer = Writer::open(&options).unwrap();
        let at = SystemTime::UNIX_EPOCH;
        writer.write(Stream::Stdout, b"hello\n", at);
        let receive = |journal: &UnixDatagram| {
            let mut buffer = vec![0; 65_536];
            let count = journal.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..count].to_vec()).unwrap()
        };
        assert_eq!(
            receive(&journal),
            "MESSAGE=hello\nPRIORITY=6\nCONTAINER_NAME=web\nCONTAINER_LOG_EPOCH=e1\nCONTAINER_LOG_ORDINAL=1\n\
             SYSLOG_TIMESTAMP=1970-01-01T00:00:00Z\n"
        );
        drop(journal);
        std::fs::remove_file(&path).unwrap();
        writer.write(Stream::Stderr, b"kept\n", at);
        assert!(writer.retry_at().is_some());
        let journal = UnixDatagram::bind(&path).unwrap();
        writer.flush(writer.retry_at().unwrap());
        assert!(receive(&journal).starts_with("MESSAGE=kept\nPRIORITY=3\n"));
        assert_eq!(writer.retry_at(), None);
    }

    #[test]
    fn values_with_newlines_have_their_length() {
        let mut out = Vec::new();
        field("LABEL", b"a\nb", &mut out);
        assert_eq!(out, b"LABEL\n\x03\0\0\0\0\0\0\0a\nb\n");
    }

    #[test]
    fn without_a_journal_it_says_so() {
        let options = Options {
            socket: "/nowhere/socket".into(),
            ..Options::default()
        };
        let error = Writer::open(&options).err().unwrap();
        assert_eq!(error.to_string(), "journald is not enabled on this host");
    }
}
