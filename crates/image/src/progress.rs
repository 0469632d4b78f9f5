//! What a pull tells while it works, in the words of Docker's progress stream.

use std::borrow::Cow;

/// Receives the messages of a pull. Called from several tasks at once; must not block.
pub trait Progress: Send + Sync {
    /// Takes one message.
    fn report(&self, message: Message);
}

/// A [`Progress`] that tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _message: Message) {}
}

/// One line of the stream that `POST /images/create` answers with.
///
/// The members are those of Docker's `JSONMessage`: `status`, `id`, `progressDetail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `id`: the tag for the first line, the first twelve characters of the blob's digest for a layer's lines.
    pub id: Option<String>,
    /// `status`: "Pulling fs layer", "Downloading", "Status: Downloaded newer image for …".
    pub status: Cow<'static, str>,
    /// `progressDetail`.
    pub detail: Detail,
}

/// How far a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// The line has no `progressDetail` member.
    #[default]
    Absent,
    /// `"progressDetail":{}`: a milestone of a layer.
    Empty,
    /// Bytes done and bytes in all.
    Amount {
        /// Bytes done.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
}

impl Message {
    /// A line about the whole pull.
    pub fn plain(status: impl Into<Cow<'static, str>>) -> Self {
        Self {
            id: None,
            status: status.into(),
            detail: Detail::Absent,
        }
    }

    /// A line about the whole pull under an id (the tag).
    pub fn of(id: impl Into<String>, status: impl Into<Cow<'static, str>>) -> Self {
        Self {
            id: Some(id.into()),
            status: status.into(),
            detail: Detail::Absent,
        }
    }

    /// A milestone of the layer with this short id.
    pub fn milestone(id: impl Into<String>, status: &'static str) -> Self {
        Self {
            id: Some(id.into()),
            status: Cow::Borrowed(status),
            detail: Detail::Empty,
        }
    }

    /// How far the layer with this short id is.
    pub fn amount(id: impl Into<String>, status: &'static str, current: u64, total: u64) -> Self {
        Self {
            id: Some(id.into()),
            status: Cow::Borrowed(status),
            detail: Detail::Amount { current, total },
        }
    }
}
