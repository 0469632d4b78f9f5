//! Parsing documents so that an error names the member: `serde_json` tells a line and a column, and a `config.json` is
//! one line of ten thousand bytes.

use crate::Error;
use serde::de::DeserializeOwned;

/// Longest name of a place in an error text; documents are strangers'.
const LONGEST: usize = 256;

/// Reads a document; `document` is its name for the error text.
///
/// # Errors
/// [`Error::Json`] with the member, line and column.
pub fn parse<T: DeserializeOwned>(document: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Json {
        document: document.to_owned(),
        place: place(bytes, &source),
        source,
    })
}

/// An object or array that is open at some byte.
enum Open {
    /// With the key of the member, and whether the next string is a key.
    Object(Option<String>, bool),
    /// With the position of the element.
    Array(usize),
}

/// The member at which the parser stopped, as `linux.mounts[3].type: `; empty at the top.
fn place(bytes: &[u8], error: &serde_json::Error) -> String {
    let line: usize = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let read = &bytes[..bytes.len().min(line.saturating_add(error.column()))];
    let mut text = String::new();
    for open in open_at_end(read) {
        match open {
            Open::Object(Some(key), _) if text.is_empty() => text = key,
            Open::Object(Some(key), _) => {
                text.push('.');
                text += &key;
            }
            Open::Object(None, _) => {}
            Open::Array(position) => text.extend(["[", &position.to_string(), "]"]),
        }
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
            text += "…";
            break;
        }
    }
    if text.is_empty() { text } else { text + ": " }
}

/// What is open at the end of the beginning of a document.
fn open_at_end(read: &[u8]) -> Vec<Open> {
    let mut open = Vec::new();
    let mut bytes = read.iter().enumerate();
    while let Some((start, byte)) = bytes.next() {
        match (byte, open.last_mut()) {
            (b'{', _) => open.push(Open::Object(None, true)),
            (b'[', _) => open.push(Open::Array(0)),
            (b'}' | b']', _) => drop(open.pop()),
            (b',', Some(Open::Array(position))) => *position += 1,
            (b',', Some(Open::Object(key, expected))) => (*key, *expected) = (None, true),
            (b'"', last) => {
                let mut escaped = false;
                let end = bytes.find(|(_, byte)| {
                    let ends = **byte == b'"' && !escaped;
                    escaped = **byte == b'\\' && !escaped;
                    ends
                });
                if let (Some((end, _)), Some(Open::Object(key, expected @ true))) = (end, last) {
                    let text = String::from_utf8_lossy(&read[start + 1..end]);
                    (*key, *expected) = (Some(text.escape_debug().to_string()), false);
                }
            }
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Spec;

    fn error(text: &str) -> String {
        match parse::<Spec>("config.json", text.as_bytes()) {
            Ok(_) => panic!("{text} is a document"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_error_names_the_member() {
        let cases = [
            (
                r#"{"ociVersion": 3}"#,
                "parse config.json: ociVersion: invalid type: integer `3`",
            ),
            (
                r#"{"ociVersion": "1", "root": {"readonly": true}}"#,
                "parse config.json: root: missing field `path`",
            ),
            (
                "{\"ociVersion\": \"1\",\n \"mounts\": [{\"destination\": \"/a,]}\\\"\"},\n {\"destination\": [1]}]}",
                "parse config.json: mounts[1].destination: invalid type: sequence",
            ),
            (
                r#"{"ociVersion": "1", "linux": {"namespaces": [{"type": "pid"}, {"type": "pad"}]}}"#,
                "parse config.json: linux.namespaces[1].type: unknown variant `pad`",
            ),
            (
                r#"{"ociVersion": "1", "linux": {"resources": {"memory": {"limit": "1"}}}}"#,
                "parse config.json: linux.resources.memory.limit: invalid type: string",
            ),
            (
                r#"{"ociVersion": "1", "process": {"user": {"uid": -1}}}"#,
                "process.user.uid: invalid value: integer `-1`",
            ),
            (r#"{"ociVersion": "1","#, "parse config.json: EOF while parsing"),
            ("", "parse config.json: EOF while parsing a value at line 1 column 0"),
        ];
        for (text, wanted) in cases {
            assert!(error(text).contains(wanted), "{text}: {}", error(text));
        }
    }

    #[test]
    fn nesting_ends_in_an_error_of_bounded_length() {
        let text = format!("{{\"ociVersion\": {}", "[".repeat(100_000));
        assert!(error(&text).len() < 600);
        let text = format!("{{\"a\": {}", "{\"a\": ".repeat(100_000));
        assert!(error(&text).len() < 600);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::sample::select(b"{}[]\",:\\a1 \n\xff".to_vec()), 0..60)) {
            let _ = parse::<Spec>("config.json", &bytes);
        }
    }
}
