//! What pull, push and load tell while they work, in the words of Docker's progress stream.

use crate::Published;
use std::borrow::Cow;
use std::sync::Arc;

/// Receives the messages of one operation. Called from several tasks at once; must not block.
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

/// A [`Progress`] that lets only output through: `--quiet`.
pub struct OutputOnly(Arc<dyn Progress>);

impl OutputOnly {
    /// Tells `progress` what is output.
    pub fn over(progress: Arc<dyn Progress>) -> Arc<dyn Progress> {
        Arc::new(Self(progress))
    }
}

impl Progress for OutputOnly {
    fn report(&self, message: Message) {
        if message.output {
            self.0.report(message);
        }
    }
}

/// One line of the stream that `POST /images/create` and its like answer with.
///
/// The members are those of Docker's `JSONMessage`: `status` (or `stream`), `id`, `progressDetail`, `aux`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `id`: the tag for the first line, the first twelve characters of a digest for a layer's lines: of the blob's in a
    /// pull, of the archive's in a push or load.
    pub id: Option<String>,
    /// `status`: "Pulling fs layer", "Downloading", "Status: Downloaded newer image for …".
    pub status: Cow<'static, str>,
    /// `progressDetail`.
    pub detail: Detail,
    /// Whether the text is output (`stream`), which clients print as it is, and no status.
    pub output: bool,
    /// `aux`: what a push has put there; such a line has no status.
    pub published: Option<Published>,
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
    /// A line about the whole.
    pub fn plain(status: impl Into<Cow<'static, str>>) -> Self {
        Self {
            id: None,
            status: status.into(),
            detail: Detail::Absent,
            output: false,
            published: None,
        }
    }

    /// Output of its own line.
    pub fn output(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            output: true,
            ..Self::plain(text)
        }
    }

    /// What a push has put at the registry.
    pub fn published(published: Published) -> Self {
        Self {
            published: Some(published),
            detail: Detail::Empty,
            ..Self::plain("")
        }
    }

    /// A line about the whole under an id (the tag).
    pub fn of(id: impl Into<String>, status: impl Into<Cow<'static, str>>) -> Self {
        Self {
            id: Some(id.into()),
            ..Self::plain(status)
        }
    }

    /// A milestone of the layer with this short id.
    pub fn milestone(id: impl Into<String>, status: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: Detail::Empty,
            ..Self::of(id, status)
        }
    }

    /// How far the layer with this short id is.
    pub fn amount(id: impl Into<String>, status: &'static str, current: u64, total: u64) -> Self {
        Self {
            detail: Detail::Amount { current, total },
            ..Self::of(id, status)
        }
    }
}
