//! `GET /containers/{id}/logs`

use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, stream};
use tierce_api_types::stdcopy::{StreamKind, encode_header};
use tierce_engine::requests::{LogLine, LogRequest, LogSource, Logs};

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;
use crate::status::Failure;
use crate::timestamp;

/// How many lines are sent at once, when so many are there.
const BATCH: usize = 256;

/// What is written before each line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Decoration {
    /// The time.
    pub(super) timestamps: bool,
    /// The attributes of the log driver.
    pub(super) details: bool,
}

/// Reads the log of a container, and with `follow` goes on until the container ends.
pub(super) async fn logs(call: Call) -> Outcome {
    let query = &call.query;
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
    if !stdout && !stderr {
        return Err(Failure::invalid("Bad parameters: you must choose at least one stream"));
    }
    let request = LogRequest {
        stdout,
        stderr,
        follow: query.flag("follow"),
        since: timestamp::parse(query.text("since"))?,
        // For dockerd zero is no end, here alone.
        until: timestamp::parse(query.text("until"))?.filter(|until| *until > UNIX_EPOCH),
        // `all`, nothing and nonsense alike mean all lines.
        tail: query.text("tail").parse().ok(),
    };
    let decoration = Decoration {
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
    };
    let logs = call.engine.containers.logs(&call.name, request)?;
    let multiplexed = !logs.tty && call.speaks(42);
    let content_type = if multiplexed {
        "application/vnd.docker.multiplexed-stream"
    } else {
        "application/vnd.docker.raw-stream"
    };
    Ok(Reply::stream(content_type, encoded(logs, decoration)))
}

/// The lines as they are sent: plain with a terminal, in frames without.
pub(super) fn encoded(logs: Logs, decoration: Decoration) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(logs, move |mut logs| async move {
        let mut batch = Vec::new();
        if logs.lines.recv_many(&mut batch, BATCH).await == 0 {
            return None;
        }
        let mut bytes = BytesMut::new();
        for line in batch {
            match line {
                Ok(line) => append(&line, logs.tty, decoration, &mut bytes),
                Err(error) => {
                    let text = format!("Error grabbing logs: {error}\n");
                    append_payload(StreamKind::SystemError, logs.tty, text.as_bytes(), &mut bytes);
                }
            }
        }
        Some((bytes.freeze(), logs))
    })
}

/// Source: moby `daemon/server/httputils/write_log_stream.go`.
fn append(line: &LogLine, tty: bool, decoration: Decoration, into: &mut BytesMut) {
    let kind = match line.source {
        LogSource::Stdout => StreamKind::Stdout,
        LogSource::Stderr => StreamKind::Stderr,
    };
    if !decoration.timestamps && !decoration.details {
        append_payload(kind, tty, &line.bytes, into);
        return;
    }
    let mut prefix = String::new();
    if decoration.timestamps {
        prefix.push_str(&timestamp::rfc3339_fixed(line.at));
        prefix.push(' ');
    }
    if decoration.details {
        for (index, (name, value)) in line.details.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(prefix, "{comma}{}={}", escaped(name), escaped(value));
        }
        prefix.push(' ');
    }
    let mut payload = prefix.into_bytes();
    payload.extend_from_slice(&line.bytes);
    append_payload(kind, tty, &payload, into);
}

fn append_payload(kind: StreamKind, tty: bool, payload: &[u8], into: &mut BytesMut) {
    if !tty {
        into.put_slice(&encode_header(kind, payload.len() as u32));
    }
    into.put_slice(payload);
}

/// Go's `url.QueryEscape`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn line() -> LogLine {
        LogLine {
            source: LogSource::Stderr,
            at: UNIX_EPOCH + Duration::from_secs(1),
            bytes: b"oops\n".to_vec(),
            details: [("a b".to_owned(), "c=d".to_owned()), ("e".to_owned(), String::new())].into(),
        }
    }

    #[test]
    fn lines_are_framed_and_decorated_as_dockers() {
        let mut bytes = BytesMut::new();
        append(&line(), false, Decoration::default(), &mut bytes);
        assert_eq!(&bytes[..], b"\x02\0\0\0\0\0\0\x05oops\n");
        bytes.clear();
        append(
            &line(),
            true,
            Decoration {
                timestamps: true,
                details: true,
            },
            &mut bytes,
        );
        assert_eq!(&bytes[..], b"1970-01-01T00:00:01.000000000Z a+b=c%3Dd,e= oops\n");
    }
}
