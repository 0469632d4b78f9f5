//! One entry between its lengths.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::partial::Piece;
use crate::{Entry, Stream};

/// Bytes of a length.
pub(super) const LENGTH: usize = 4;

/// `LogEntry` of `entry.proto`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct LogEntry {
    #[prost(string, tag = "1")]
    source: String,
    #[prost(int64, tag = "2")]
    time_nano: i64,
    #[prost(bytes = "vec", tag = "3")]
    line: Vec<u8>,
    #[prost(bool, tag = "4")]
    partial: bool,
    #[prost(message, optional, tag = "5")]
    piece: Option<PartialLogEntryMetadata>,
}

/// `PartialLogEntryMetadata` of `entry.proto`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct PartialLogEntryMetadata {
    #[prost(bool, tag = "1")]
    last: bool,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(int32, tag = "3")]
    ordinal: i32,
}

/// Appends an entry with its lengths to `out`.
pub(super) fn encode(stream: Stream, at: SystemTime, text: &[u8], piece: Option<Piece>, out: &mut Vec<u8>) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let entry = LogEntry {
        source: stream.name().to_owned(),
        time_nano: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        line: text.to_vec(),
        partial: piece.is_some(),
        piece: piece.map(|piece| PartialLogEntryMetadata {
            last: piece.last,
            id: piece.id,
            ordinal: piece.ordinal as i32,
        }),
    };
    let length = (entry.encoded_len() as u32).to_be_bytes();
    out.extend_from_slice(&length);
    entry.encode_raw(out);
    out.extend_from_slice(&length);
}

/// The entry in a record with its lengths.
pub(super) fn decode(record: &[u8]) -> Option<Entry> {
    let message = record.get(LENGTH..record.len().checked_sub(LENGTH)?)?;
    let entry = LogEntry::decode(message).ok()?;
    let mut line = entry.line;
    if !entry.partial || entry.piece.is_some_and(|piece| piece.last) {
        line.push(b'\n');
    }
    Some(Entry {
        stream: if entry.source == "stderr" {
            Stream::Stderr
        } else {
            Stream::Stdout
        },
        time: UNIX_EPOCH + Duration::from_nanos(u64::try_from(entry.time_nano).unwrap_or(0)),
        line,
        attributes: BTreeMap::new(),
    })
}
