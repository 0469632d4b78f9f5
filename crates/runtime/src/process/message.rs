//! What parent and child say to each other, one message a datagram: a tag byte and what belongs to it.
//!
//! ```text
//! parent                                 child
//!    │ (ids mapped, group made)            │ joins, mounts
//!    ├── Go (+ fds) ──────────────────────>│
//!    │<──────────────────── Source ────────┤ only for bind sources that the child cannot open itself
//!    ├── Source (+ fd) ───────────────────>│
//!    │<───────────────────── Hooks ────────┤ mounts done, root not changed yet
//!    ├── HooksDone ───────────────────────>│
//!    │<───────────── Terminal (+ fd) ──────┤ only with a terminal
//!    │<──────────────────── Limits ────────┤ only where a hard limit is to be raised
//!    ├── LimitsDone ──────────────────────>│
//!    │<───────────── Listener (+ fd) ──────┤ only with seccomp notifications; from here on a filter may be in force
//!    │<───────────────────── Ready ────────┤ nothing but execve is left
//!    │                                     │ waits for the fifo, or
//!    ├── Start ───────────────────────────>│
//!    │<───────────── (closed by execve) ───┤
//!         at any time: Failed (kind, text)
//! ```
//!
//! What comes after `Listener` is written and read by plain write(2) and read(2), for the filter may know nothing else.

use std::borrow::Cow;
use tierce_fault::Kind;

/// Longest datagram; longer error texts are cut.
pub(crate) const LONGEST: usize = 8192;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// To the child: ids are mapped; with the files by which it enters its control group (v1).
    Go,
    /// To the parent: open the source of the mount at this position; and the answer, with the descriptor.
    Source(u32),
    /// To the parent: run the hooks of this moment.
    Hooks,
    /// To the child: they succeeded.
    HooksDone,
    /// To the parent, with a descriptor: the terminal's master side.
    Terminal,
    /// To the parent: the filter's notifications, as a descriptor that comes along, or, where the filter does not let
    /// one be sent, by the child's number of it.
    Listener(i32),
    /// To the parent: everything is prepared.
    Ready,
    /// To the parent: set the limits, the child may not.
    Limits,
    /// To the child: they are set.
    LimitsDone,
    /// To the child: execute the program.
    Start,
    /// To the parent, from the process in between: the pid of the process it made.
    Pid(i32),
    /// To the parent: it failed, and will end.
    Failed {
        /// What kind of failure.
        kind: Kind,
        /// The account of it.
        text: String,
    },
}

/// The kinds by the byte that stands for them.
const KINDS: [Kind; 13] = [
    Kind::Internal,
    Kind::NotFound,
    Kind::Conflict,
    Kind::Invalid,
    Kind::NotModified,
    Kind::Unauthorized,
    Kind::Forbidden,
    Kind::NotImplemented,
    Kind::Unavailable,
    Kind::Exhausted,
    Kind::Timeout,
    Kind::Cancelled,
    Kind::DataLoss,
];

impl Message {
    /// The datagram.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Go => vec![0],
            Self::Hooks => vec![1],
            Self::HooksDone => vec![2],
            Self::Terminal => vec![3],
            Self::Listener(number) => [&[4][..], &number.to_le_bytes()].concat(),
            Self::Ready => vec![5],
            Self::Start => vec![6],
            Self::Limits => vec![9],
            Self::LimitsDone => vec![10],
            Self::Source(position) => [&[11][..], &position.to_le_bytes()].concat(),
            Self::Pid(pid) => [&[7][..], &pid.to_le_bytes()].concat(),
            Self::Failed { kind, text } => {
                let kind = KINDS.iter().position(|known| known == kind).unwrap_or(0) as u8;
                [&[8, kind][..], shortened(text).as_bytes()].concat()
            }
        }
    }

    /// Reads a datagram; `None` for one that no peer of ours sends.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0] => Self::Go,
            [1] => Self::Hooks,
            [2] => Self::HooksDone,
            [3] => Self::Terminal,
            [4, number @ ..] => Self::Listener(i32::from_le_bytes(number.try_into().ok()?)),
            [5] => Self::Ready,
            [6] => Self::Start,
            [9] => Self::Limits,
            [10] => Self::LimitsDone,
            [11, position @ ..] => Self::Source(u32::from_le_bytes(position.try_into().ok()?)),
            [7, pid @ ..] => Self::Pid(i32::from_le_bytes(pid.try_into().ok()?)),
            [8, kind, text @ ..] => {
                let kind = *KINDS.get(usize::from(*kind))?;
                Self::Failed {
                    kind,
                    text: String::from_utf8_lossy(text).into_owned(),
                }
            }
            _ => return None,
        })
    }
}

/// A text that fits a datagram: the verb and object at its beginning and the cause at its end are kept.
fn shortened(text: &str) -> Cow<'_, str> {
    const HALF: usize = LONGEST / 2 - 8;
    if text.len() <= 2 * HALF {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (
        text.floor_char_boundary(HALF),
        text.ceil_char_boundary(text.len() - HALF),
    );
    Cow::Owned(format!("{}…{}", &text[..head], &text[tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_failure_keeps_its_cause() {
        let text = format!("open {}: no such file or directory", "ä/".repeat(9000));
        let kind = Kind::NotFound;
        let datagram = Message::Failed { kind, text }.encode();
        assert!(datagram.len() <= LONGEST);
        let Some(Message::Failed { text, .. }) = Message::decode(&datagram) else {
            panic!("{datagram:?}");
        };
        assert!(text.starts_with("open ä/") && text.ends_with(": no such file or directory"));
    }

    proptest::proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..32)) {
            let _ = Message::decode(&bytes);
        }

        #[test]
        fn failures_survive_the_way(kind in 0..KINDS.len(), text in ".{0,200}") {
            let message = Message::Failed { kind: KINDS[kind], text };
            proptest::prop_assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn all_others_survive_the_way() {
        use Message::{Go, Hooks, HooksDone, Limits, LimitsDone, Listener, Pid, Ready, Source, Start, Terminal};
        for message in [
            Go,
            Hooks,
            HooksDone,
            Terminal,
            Listener(11),
            Ready,
            Start,
            Limits,
            LimitsDone,
            Pid(77),
            Source(3),
        ] {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }
}
