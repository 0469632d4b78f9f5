//! Lines that were cut into pieces: what tells a reader that they belong together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Stream;

/// Tells cut lines of one process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A piece of a cut line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The line's.
    pub(crate) id: String,
    /// Of the piece, from 1.
    pub(crate) ordinal: u32,
    /// Whether the line ends with it.
    pub(crate) last: bool,
}

/// The cut lines of both streams that are not complete yet.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    open: [Option<(String, u32, SystemTime)>; 2],
}

impl Pieces {
    /// What to tell of an entry's text that a newline ended, or not, and its time: that of the line's first piece.
    /// `None`: it is a whole line.
    pub(crate) fn next(&mut self, stream: Stream, newline: bool, at: SystemTime) -> (Option<Piece>, SystemTime) {
        let open = &mut self.open[stream as usize];
        if open.is_none() && newline {
            return (None, at);
        }
        let (id, ordinal, first) = open.take().unwrap_or_else(|| (new_id(at), 1, at));
        if !newline {
            *open = Some((id.clone(), ordinal + 1, first));
        }
        let last = newline;
        (Some(Piece { id, ordinal, last }), first)
    }
}

/// 64 hex digits, as Docker's; they need to differ, not to be secret.
fn new_id(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:032x}{:016x}{number:016x}", since.as_nanos(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_line_share_id_and_time_and_are_counted() {
        let (mut pieces, out) = (Pieces::default(), Stream::Stdout);
        let at = |second| UNIX_EPOCH + std::time::Duration::from_secs(second);
        assert_eq!(pieces.next(out, true, at(0)), (None, at(0)));
        let (first, time) = pieces.next(out, false, at(1));
        let first = first.unwrap();
        assert_eq!((first.ordinal, first.last, first.id.len(), time), (1, false, 64, at(1)));
        assert_eq!(pieces.next(Stream::Stderr, true, at(2)).0, None);
        let (last, time) = pieces.next(out, true, at(3));
        let last = last.unwrap();
        assert_eq!((last.ordinal, last.last, time), (2, true, at(1)));
        assert_eq!(last.id, first.id);
        assert_eq!(pieces.next(out, true, at(4)).0, None);
    }
}
