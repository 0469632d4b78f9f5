//! The protocol of a shim's I/O socket.
//!
//! ```text
//! client → shim   {"process":"","stdin":true,"stdout":true,"stderr":true}\n
//! shim → client   ok <nanoseconds since 1970>\n  or   error: <why>\n  (and the shim hangs up)
//! client → shim   bytes of standard input; shutting down the writing half ends this client's share of it
//! shim → client   with a terminal: its raw bytes; else frames of 8 bytes header and payload:
//!                 | stream (0 stdin, 1 stdout, 2 stderr) | 0 0 0 | length u32 BE |
//! ```
//! The process sees end-of-file when a client ends its share of an exec's input or of that of a container created with
//! `stdin_once`; otherwise its input stays open for the next client until [`crate::TaskControl::close_stdin`]. A
//! terminal has no end-of-file other than the character its user types.
//!
//! The frames are those of Docker's attach stream, so that nobody between client and shim has to touch them. Whoever
//! connects before the process is started misses nothing; whoever comes later gets what comes from then on: what the log
//! has with a later time than that of the answer, so that log and stream join without a gap or a repetition. The shim
//! hangs up when the process has ended and everything was delivered. A client that does not read holds the process up
//! after 1 MiB (Docker's behaviour): output is never dropped while somebody is attached.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Longest request line that a shim accepts.
pub const MAX_REQUEST: usize = 4096;
/// Bytes that wait for one client before the process is held up.
pub const CLIENT_BUFFER: usize = 1 << 20;

/// What a client wants; the first line it sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The exec's id; empty for the init.
    #[serde(default)]
    pub process: String,
    /// The client sends standard input.
    #[serde(default)]
    pub stdin: bool,
    /// The client wants standard output (or the terminal).
    #[serde(default)]
    pub stdout: bool,
    /// The client wants standard error.
    #[serde(default)]
    pub stderr: bool,
}

impl Attach {
    /// The request line with its newline.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads a request line, with or without its newline.
    pub fn parse(line: &[u8]) -> Result<Self> {
        serde_json::from_slice(line).map_err(|error| Error::Malformed {
            what: "attach request",
            cause: error.to_string(),
        })
    }
}

/// The line by which a shim takes a client in: output that is logged after `now` goes there, too.
pub fn accepted(now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("ok {}\n", since.as_nanos())
}

/// Reads a shim's answer: from when on the client gets the output. Shims of older builds do not tell.
///
/// # Errors
/// The shim's refusal, as it says it.
pub fn parse_answer(line: &str) -> std::result::Result<Option<SystemTime>, &str> {
    let line = line.trim_end();
    match line.strip_prefix("ok") {
        Some("") => Ok(None),
        Some(rest) => {
            let time = rest.trim_start().parse().map(Duration::from_nanos);
            time.map(|since| Some(SystemTime::UNIX_EPOCH + since)).map_err(|_| line)
        }
        None => Err(line),
    }
}

/// Which standard stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// Standard output, or a terminal.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
}

/// The 8 bytes before a payload of `length` bytes.
pub fn header(stream: Stream, length: u32) -> [u8; 8] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines_round_trip_and_default_to_nothing() {
        let attach = Attach {
            process: "e1".into(),
            stdin: true,
            stdout: true,
            stderr: false,
        };
        let line = attach.to_line();
        assert!(line.ends_with("}\n"));
        assert_eq!(Attach::parse(line.as_bytes()).unwrap(), attach);
        assert!(!Attach::parse(b"{}").unwrap().stdout);
        assert!(Attach::parse(b"GET / HTTP/1.1").is_err());
    }

    #[test]
    fn answers_tell_from_when_on_output_comes_or_why_none_does() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_764_536_400_123_456_789);
        assert_eq!(parse_answer(&accepted(now)), Ok(Some(now)));
        assert_eq!(parse_answer("ok\n"), Ok(None), "a shim of an older build");
        for refusal in ["error: no such process", "ok then", "", "ok -1"] {
            assert_eq!(parse_answer(refusal), Err(refusal));
        }
    }

    #[test]
    fn headers_are_those_of_docker() {
        assert_eq!(header(Stream::Stderr, 0x0102), [2, 0, 0, 0, 0, 0, 1, 2]);
    }
}
