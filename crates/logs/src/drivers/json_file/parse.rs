//! One line of the file back into an entry.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Entry, Stream, time};

/// The longest line that is looked at: a piece of 16 KiB with every byte escaped, attributes, and room to spare. Longer
/// ones cannot be ours.
pub(super) const MAX_LINE: usize = 1 << 20;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(default)]
    attrs: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// The entry in `line` (without its newline); `None` if it is not one: it is then skipped, as Docker does.
pub(super) fn parse(line: &[u8]) -> Option<Entry> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    Some(Entry {
        stream: if line.stream == "stderr" {
            Stream::Stderr
        } else {
            Stream::Stdout
        },
        time: time::parse(&line.time)?,
        line: line.log.into_owned().into_bytes(),
        attributes: line.attrs.unwrap_or_default(),
    })
}
