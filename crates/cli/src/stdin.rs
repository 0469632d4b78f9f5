//! Standard input as a stream, and the keys that detach.
//!
//! Reading a terminal blocks and cannot be given up, so it is done by a thread of its own; the process does not wait
//! for it when it ends.

use crate::error::Error;
use std::io::Read;
use tokio::sync::mpsc;

/// Docker's default: ctrl-p, ctrl-q.
const DEFAULT_DETACH_KEYS: [u8; 2] = [16, 17];
const CHUNK: usize = 32 * 1024;

/// What came from standard input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Bytes for the process.
    Bytes(Vec<u8>),
    /// The user typed the detach keys.
    Detach,
}

/// Reads standard input until its end; with keys, looks for them.
pub(crate) fn read(detach_keys: Option<Vec<u8>>) -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut scanner = detach_keys.map(KeyScanner::new);
        let mut buffer = vec![0; CHUNK];
        let mut stdin = std::io::stdin().lock();
        while let Ok(count @ 1..) = stdin.read(&mut buffer) {
            let (bytes, detach) = match &mut scanner {
                Some(scanner) => scanner.push(&buffer[..count]),
                None => (buffer[..count].to_vec(), false),
            };
            if !bytes.is_empty() && sender.blocking_send(Input::Bytes(bytes)).is_err() {
                return;
            }
            if detach {
                // The receiver ends the session.
                let _ = sender.blocking_send(Input::Detach);
                return;
            }
        }
    });
    receiver
}

/// Parses `ctrl-a,b,ctrl-@`; empty means the default.
pub(crate) fn parse_keys(text: &str) -> Result<Vec<u8>, Error> {
    if text.is_empty() {
        return Ok(DEFAULT_DETACH_KEYS.to_vec());
    }
    let invalid = |key: &str| Error::usage(format!("invalid detach keys ({text}): unknown character: '{key}'"));
    text.split(',')
        .map(|key| match key.strip_prefix("ctrl-") {
            Some(control) => match control.as_bytes() {
                [letter @ b'a'..=b'z'] => Ok(letter - b'a' + 1),
                [b'@'] => Ok(0),
                [symbol @ (b'[' | b'\\' | b']' | b'^' | b'_')] => Ok(symbol - b'[' + 27),
                _ => Err(invalid(key)),
            },
            None => match key.as_bytes() {
                [byte] => Ok(*byte),
                _ => Err(invalid(key)),
            },
        })
        .collect()
}

/// Finds a key sequence in a stream; holds back what may be its beginning.
struct KeyScanner {
    keys: Vec<u8>,
    matched: usize,
}

impl KeyScanner {
    fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// What passes, and whether the sequence is complete.
    fn push(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(bytes.len() + self.matched);
        for byte in bytes {
            if *byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (passed, true);
                }
                continue;
            }
            passed.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(*byte == self.keys[0]);
            if self.matched == 0 {
                passed.push(*byte);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn row_076_detach_keys_are_parsed_as_docker_does() {
        assert_eq!(parse_keys("").unwrap(), [16, 17]);
        assert_eq!(parse_keys("ctrl-a,d").unwrap(), [1, b'd']);
        assert_eq!(parse_keys("ctrl-@,ctrl-[,ctrl-_").unwrap(), [0, 27, 31]);
        assert!(parse_keys("ctrl-A").is_err() && parse_keys("ab").is_err() && parse_keys("a,,b").is_err());
    }

    #[test]
    fn keys_are_found_across_reads_and_only_whole() {
        let mut scanner = KeyScanner::new(vec![16, 17]);
        assert_eq!(scanner.push(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(scanner.push(b"b\x10\x10"), (b"\x10b\x10".to_vec(), false));
        assert_eq!(scanner.push(b"\x11rest"), (vec![], true));
    }

    proptest! {
        #[test]
        fn without_the_keys_nothing_is_lost(bytes in proptest::collection::vec(0u8..16, 0..64), cut in 0usize..64) {
            let mut scanner = KeyScanner::new(vec![16, 17]);
            let cut = cut.min(bytes.len());
            let (mut out, _) = scanner.push(&bytes[..cut]);
            out.extend(scanner.push(&bytes[cut..]).0);
            prop_assert_eq!(out, bytes);
        }
    }
}
