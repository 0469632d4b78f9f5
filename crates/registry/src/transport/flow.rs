//! The body of an upload: pieces that come while it is sent.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A body whose pieces come through a channel. Its end is the channel's; an error in it breaks the request off.
pub(crate) struct Flow {
    /// What comes before the pieces.
    head: Option<Bytes>,
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    motion: Arc<Motion>,
    /// Its length, where that must be announced.
    length: Option<u64>,
}

#[derive(Default)]
struct Motion {
    /// How often the connection asked for more.
    asked: AtomicU64,
    /// Whether it waits for the next piece.
    hungry: AtomicBool,
}

/// Tells whether a [`Flow`] goes on.
pub(crate) struct FlowWatch {
    motion: Arc<Motion>,
    seen: u64,
}

impl Flow {
    pub(crate) fn new(head: Bytes, pieces: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self {
            head: Some(head).filter(|head| !head.is_empty()),
            pieces,
            motion: Arc::default(),
            length: None,
        }
    }

    /// Announces the length, and sends no chunks.
    pub(crate) fn of_length(self, length: u64) -> Self {
        Self {
            length: Some(length),
            ..self
        }
    }

    pub(crate) fn watch(&self) -> FlowWatch {
        FlowWatch {
            motion: self.motion.clone(),
            seen: 0,
        }
    }
}

impl FlowWatch {
    /// Whether the other side took something since the last call, or would if there were something: a slow source is
    /// no stalled peer.
    pub(crate) fn moved(&mut self) -> bool {
        let asked = self.motion.asked.load(Ordering::Relaxed);
        let before = std::mem::replace(&mut self.seen, asked);
        before != asked || self.motion.hungry.load(Ordering::Relaxed)
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = match self.head.take() {
            Some(head) => Poll::Ready(Some(Ok(head))),
            None => self.pieces.poll_recv(context),
        };
        self.motion.asked.fetch_add(1, Ordering::Relaxed);
        self.motion.hungry.store(polled.is_pending(), Ordering::Relaxed);
        polled.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    // Asked before the first piece only, to choose the form of the request.
    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
