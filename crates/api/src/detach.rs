//! Detach keys: the key sequence that leaves an attached terminal without ending its process.
//!
//! Source: moby `daemon/container/stream/attach.go` and moby/term `ascii.go`, `proxy.go`.

use crate::status::Failure;

/// A key sequence, and how much of it was typed.
#[derive(Debug, Clone)]
pub(crate) struct DetachKeys {
    sequence: Vec<u8>,
    typed: usize,
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`: single characters and `ctrl-` with a letter or one of `@ [ \ ] ^ _`. Empty = that default.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if text.is_empty() {
            return Ok(Self {
                sequence: vec![0x10, 0x11],
                typed: 0,
            });
        }
        let sequence = text.split(',').map(key).collect::<Option<Vec<u8>>>();
        match sequence {
            Some(sequence) => Ok(Self { sequence, typed: 0 }),
            None => Err(Failure::invalid(format!("Invalid detach keys ({text}) provided"))),
        }
    }

    /// Passes typed bytes on into `onward`; true = the sequence is complete, and the rest is not passed on.
    ///
    /// The beginning of a sequence is held back until it is clear whether it goes on.
    pub(crate) fn filter(&mut self, typed: &[u8], onward: &mut Vec<u8>) -> bool {
        for &byte in typed {
            if self.sequence.get(self.typed) == Some(&byte) {
                self.typed += 1;
                if self.typed == self.sequence.len() {
                    return true;
                }
                continue;
            }
            onward.extend_from_slice(&self.sequence[..self.typed]);
            self.typed = usize::from(self.sequence.first() == Some(&byte));
            if self.typed == 0 {
                onward.push(byte);
            }
        }
        false
    }
}

/// The byte of one key.
fn key(text: &str) -> Option<u8> {
    if let [byte] = text.as_bytes() {
        return Some(*byte);
    }
    match text.strip_prefix("ctrl-")?.as_bytes() {
        [letter] if letter.is_ascii_lowercase() => Some(letter - b'a' + 1),
        [b'@'] => Some(0),
        [b'['] => Some(27),
        [b'\\'] => Some(28),
        [b']'] => Some(29),
        [b'^'] => Some(30),
        [b'_'] => Some(31),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(keys: &str, chunks: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut keys = DetachKeys::parse(keys).unwrap();
        let mut onward = Vec::new();
        let detached = chunks.iter().any(|chunk| keys.filter(chunk, &mut onward));
        (onward, detached)
    }

    #[test]
    fn the_sequence_detaches_and_everything_else_passes() {
        assert_eq!(run("", &[b"ls\r", b"\x10\x11rest"]), (b"ls\r".to_vec(), true));
        assert_eq!(run("", &[b"\x10", b"\x11"]), (Vec::new(), true));
        assert_eq!(run("", &[b"\x10x\x11"]), (b"\x10x\x11".to_vec(), false));
        assert_eq!(run("", &[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        assert_eq!(run("ctrl-a,a,b", &[b"\x01a", b"c"]), (b"\x01ac".to_vec(), false));
        assert_eq!(run("ctrl-[", &[b"\x1b"]), (Vec::new(), true));
    }

    #[test]
    fn unknown_keys_are_refused() {
        for bad in ["ctrl-", "ctrl-1", "ab", "a,,b", "ctrl-A"] {
            assert!(DetachKeys::parse(bad).is_err(), "{bad}");
        }
    }
}
