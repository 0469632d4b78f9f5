//! From the bytes of a pipe to lines, and pieces of lines that are too long.

use crate::Stream;

/// Longest text of one entry; longer lines are cut into pieces of this size, as Docker does.
pub const MAX_PIECE: usize = 16 * 1024;

/// Unfinished lines of standard output and standard error.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pending: [Vec<u8>; 2],
}

impl Lines {
    /// Cuts `bytes` into entries and hands on each: its text without newline, and whether one ended it. What is left of
    /// the last line stays pending.
    pub(crate) fn cut(&mut self, stream: Stream, mut bytes: &[u8], mut entry: impl FnMut(&[u8], bool)) {
        let pending = &mut self.pending[stream as usize];
        if !pending.is_empty() {
            let room = MAX_PIECE - pending.len();
            let end = find_newline(&bytes[..bytes.len().min(room)]);
            let taken = end.unwrap_or(room.min(bytes.len()));
            pending.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken + usize::from(end.is_some())..];
            if end.is_none() && pending.len() < MAX_PIECE {
                return;
            }
            entry(pending, end.is_some());
            pending.clear();
        }
        while !bytes.is_empty() {
            let window = &bytes[..bytes.len().min(MAX_PIECE)];
            if let Some(end) = find_newline(window) {
                entry(&window[..end], true);
                bytes = &bytes[end + 1..];
            } else if window.len() == MAX_PIECE {
                entry(window, false);
                bytes = &bytes[MAX_PIECE..];
            } else {
                pending.extend_from_slice(window);
                return;
            }
        }
    }

    /// The stream has ended: what is left of a line without newline.
    pub(crate) fn finish(&mut self, stream: Stream) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.pending[stream as usize]);
        (!rest.is_empty()).then_some(rest)
    }
}

/// Where the first newline of `bytes` is.
fn find_newline(bytes: &[u8]) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<32>();
    let without = blocks
        .iter()
        .take_while(|block| block.iter().fold(0, |found, &byte| found | u8::from(byte == b'\n')) == 0);
    let start = without.count() * 32;
    bytes[start..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn newlines_are_found(text in prop::collection::vec(prop_oneof![20 => Just(b'a'), 1 => Just(b'\n')], 0..200)) {
            prop_assert_eq!(find_newline(&text), text.iter().position(|&byte| byte == b'\n'));
        }

        /// However the bytes come, the entries are the same, none is too long, and nothing is lost.
        #[test]
        fn the_cuts_do_not_matter(text in proptest::collection::vec(prop_oneof![9 => Just(b'x'), 1 => Just(b'\n')], 0..200),
                                  long in 0usize..3, step in 1usize..40_000) {
            let mut text = text;
            text.extend(std::iter::repeat_n(b'y', long * MAX_PIECE + 7));
            let entries = |step: usize| {
                let (mut lines, mut entries) = (Lines::default(), Vec::new());
                for piece in text.chunks(step) {
                    lines.cut(Stream::Stdout, piece, |text, newline| entries.push((text.to_vec(), newline)));
                }
                entries.extend(lines.finish(Stream::Stdout).map(|rest| (rest, false)));
                entries
            };
            let (whole, pieces) = (entries(usize::MAX), entries(step));
            prop_assert!(whole.iter().all(|(text, _)| text.len() <= MAX_PIECE));
            let join = |entries: &[(Vec<u8>, bool)]| entries.iter().fold(Vec::new(), |mut all, (text, newline)| {
                all.extend_from_slice(text);
                all.extend(newline.then_some(b'\n'));
                all
            });
            prop_assert_eq!(join(&whole), text.clone());
            prop_assert_eq!(whole, pieces);
        }
    }
}
