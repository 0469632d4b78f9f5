//! Connections that may be used again.

use super::connect::Sender;
use crate::url::Origin;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Idle (or soon idle) connections kept for each origin.
const MOST_KEPT: usize = 4;

/// A connection is put back as soon as the head of its answer is there, and is taken again only when hyper says that
/// the body was read to its end. One whose body was dropped half-way closes itself.
#[derive(Default)]
pub(crate) struct Pool {
    kept: Mutex<HashMap<Origin, Vec<Sender>>>,
}

impl Pool {
    pub(crate) fn take(&self, origin: &Origin) -> Option<Sender> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = kept.get_mut(origin)?;
        senders.retain(|sender| !sender.is_closed());
        let ready = senders.iter().position(Sender::is_ready)?;
        Some(senders.swap_remove(ready))
    }

    pub(crate) fn put(&self, origin: Origin, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        let senders = kept.entry(origin).or_default();
        if senders.len() < MOST_KEPT {
            senders.push(sender);
        }
    }
}
