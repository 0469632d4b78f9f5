//! What can go wrong between us and a bus.

use std::io;

/// A conversation on a bus that failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No usable address: what is wrong with it, or where one was looked for.
    #[error("{0}")]
    Address(String),
    /// The socket said no.
    #[error("{verb} {address}: {source}")]
    Socket {
        /// What was tried.
        verb: &'static str,
        /// On which bus.
        address: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The bus does not take us for who we are.
    #[error("authenticate with the bus at {address}: it answered {answer:?}")]
    Rejected {
        /// Which bus.
        address: String,
        /// Its answer.
        answer: String,
    },
    /// Bytes that are no message of the protocol.
    #[error("a message of the bus is malformed: {0}")]
    Malformed(&'static str),
    /// The other side answered a call with an error.
    #[error("{message}")]
    Answer {
        /// Its name (`org.freedesktop.systemd1.UnitExists`).
        name: String,
        /// Its words.
        message: String,
    },
    /// A value of another type than documented.
    #[error("the answer to {0} has an unexpected type")]
    Type(&'static str),
    /// No answer in time.
    #[error("timed out while waiting for {0}")]
    Timeout(String),
}

impl BusError {
    /// Whether the other side answered with the error of this name.
    pub(crate) fn is_answer(&self, wanted: &str) -> bool {
        matches!(self, Self::Answer { name, .. } if name == wanted)
    }
}
