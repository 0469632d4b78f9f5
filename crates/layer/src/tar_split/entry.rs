//! One line of the file, read back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::borrow::Cow;

/// A line as it is written.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type")]
    pub(super) kind: u8,
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) name_raw: Cow<'a, str>,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(borrow, default)]
    pub(super) payload: Option<Cow<'a, str>>,
}

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes of the archive.
    Raw(Vec<u8>),
    /// Content of an unpacked file.
    Content { name: Vec<u8>, size: u64, crc: u64 },
}

/// Decodes a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(line: &[u8]) -> Result<Part, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let decode = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
    let payload = line.payload.as_deref().map(decode).transpose()?.unwrap_or_default();
    match line.kind {
        2 => Ok(Part::Raw(payload)),
        1 => {
            let name = if line.name_raw.is_empty() {
                line.name.into_owned().into_bytes()
            } else {
                decode(&line.name_raw)?
            };
            let crc = match <[u8; 8]>::try_from(payload.as_slice()) {
                Ok(bytes) => u64::from_be_bytes(bytes),
                Err(_) if line.size == 0 => 0,
                Err(_) => return Err("a file's checksum is not 8 bytes long".to_owned()),
            };
            Ok(Part::Content {
                name,
                size: line.size,
                crc,
            })
        }
        other => Err(format!("unknown type {other}")),
    }
}
