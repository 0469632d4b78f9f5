//! Fan-out of events that loses none and needs no executor.
//!
//! Each subscriber has a queue of its own, without a bound: events are small and rare (a handful per container), and a
//! lost exit would leave a container "running" for ever. Whoever subscribes must read, or drop the receiver.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

use crate::Event;

#[derive(Debug)]
struct Queue<T> {
    events: VecDeque<T>,
    waker: Option<Waker>,
    closed: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            events: VecDeque::new(),
            waker: None,
            closed: false,
        }
    }
}

/// Survives a panic of another holder: the queue is consistent between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands each published event to all subscribers.
#[derive(Debug)]
pub struct EventHub<T = Event> {
    subscribers: Mutex<Vec<Weak<Mutex<Queue<T>>>>>,
}

impl<T> Default for EventHub<T> {
    fn default() -> Self {
        Self {
            subscribers: Mutex::default(),
        }
    }
}

impl<T: Clone> EventHub<T> {
    /// A hub without subscribers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A receiver of everything published from now on.
    pub fn subscribe(&self) -> EventReceiver<T> {
        let queue = Arc::new(Mutex::new(Queue::default()));
        lock(&self.subscribers).push(Arc::downgrade(&queue));
        EventReceiver { queue }
    }

    /// Whether anybody listens.
    pub fn is_watched(&self) -> bool {
        lock(&self.subscribers)
            .iter()
            .any(|subscriber| subscriber.strong_count() > 0)
    }

    /// Gives `event` to every subscriber, and forgets those that went away.
    pub fn publish(&self, event: &T) {
        lock(&self.subscribers).retain(|subscriber| {
            let Some(queue) = subscriber.upgrade() else {
                return false;
            };
            let mut queue = lock(&queue);
            queue.events.push_back(event.clone());
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
            true
        });
    }
}

impl<T> Drop for EventHub<T> {
    fn drop(&mut self) {
        for subscriber in lock(&self.subscribers).drain(..) {
            let Some(queue) = subscriber.upgrade() else { continue };
            let mut queue = lock(&queue);
            queue.closed = true;
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
        }
    }
}

/// One subscriber's side of an [`EventHub`].
#[derive(Debug)]
pub struct EventReceiver<T = Event> {
    queue: Arc<Mutex<Queue<T>>>,
}

impl<T> EventReceiver<T> {
    /// The next event; `None` once the hub is gone and everything was read. Cancel-safe.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| {
            let mut queue = lock(&self.queue);
            if let Some(event) = queue.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            if queue.closed {
                return Poll::Ready(None);
            }
            queue.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The next event if one is there already.
    pub fn try_recv(&mut self) -> Option<T> {
        lock(&self.queue).events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;
    use crate::EventKind;

    fn event(id: &str) -> Event {
        Event {
            container: id.to_owned(),
            exec: None,
            kind: EventKind::OutOfMemory,
        }
    }

    #[test]
    fn every_subscriber_gets_every_event_in_order() {
        let hub = EventHub::new();
        let (mut first, mut second) = (hub.subscribe(), hub.subscribe());
        hub.publish(&event("a"));
        hub.publish(&event("b"));
        for receiver in [&mut first, &mut second] {
            assert_eq!(receiver.try_recv(), Some(event("a")));
            assert_eq!(receiver.try_recv(), Some(event("b")));
            assert_eq!(receiver.try_recv(), None);
        }
    }

    #[test]
    fn a_dropped_hub_ends_the_stream_after_the_last_event() {
        let hub = EventHub::new();
        let mut receiver = hub.subscribe();
        hub.publish(&event("a"));
        drop(hub);
        let mut context = Context::from_waker(Waker::noop());
        let mut next = || std::pin::pin!(receiver.recv()).as_mut().poll(&mut context);
        assert_eq!(next(), Poll::Ready(Some(event("a"))));
        assert_eq!(next(), Poll::Ready(None));
    }

    #[test]
    fn a_dropped_receiver_is_forgotten() {
        let hub = EventHub::new();
        drop(hub.subscribe());
        assert!(!hub.is_watched());
        hub.publish(&event("a"));
        assert!(lock(&hub.subscribers).is_empty());
    }
}
