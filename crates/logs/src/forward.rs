//! Messages on their way to another program: they wait while it is slow or away, and neither the container nor anybody
//! else waits for it without end.
//!
//! What waits is bounded. When the bound is reached, a slow receiver holds the container's output up (`mode=blocking`,
//! Docker's default) or messages are dropped (`mode=non-blocking`). A receiver that is gone never holds anything up:
//! messages beyond the bound are dropped until it is back. Whoever reads the log reads the copy beside it, which has all.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How long to leave a receiver alone after it was slow.
const SLOW: Duration = Duration::from_millis(20);
/// How long to leave one alone that is gone.
const GONE: Duration = Duration::from_secs(1);
/// Bytes that may wait, where nobody says otherwise; Docker's `max-buffer-size`.
pub const BUFFER: u64 = 1_000_000;

/// What becomes of messages that a receiver does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode {
    /// The container is never held up.
    pub non_blocking: bool,
    /// Bytes that may wait.
    pub buffer: u64,
}

impl Default for Mode {
    fn default() -> Self {
        Self {
            non_blocking: false,
            buffer: BUFFER,
        }
    }
}

/// A connection to a receiver.
pub(crate) trait Transport: Send {
    /// Hands a message over without waiting. `WouldBlock`: not now. `InvalidInput`: this one never. Any other error: the
    /// receiver is gone, and the next call tries to find it again.
    fn send(&mut self, message: &[u8]) -> io::Result<()>;
}

/// See the module's description.
pub(crate) struct Forward {
    transport: Box<dyn Transport>,
    mode: Mode,
    waiting: VecDeque<Vec<u8>>,
    bytes: u64,
    /// Not before this.
    retry: Option<Instant>,
    gone: bool,
}

impl Forward {
    pub(crate) fn new(transport: Box<dyn Transport>, mode: Mode) -> Self {
        Self {
            transport,
            mode,
            waiting: VecDeque::new(),
            bytes: 0,
            retry: None,
            gone: false,
        }
    }

    /// Sends a message, now or later.
    pub(crate) fn send(&mut self, message: Vec<u8>, now: Instant) {
        let may_be_dropped = self.mode.non_blocking || self.gone;
        if may_be_dropped && !self.waiting.is_empty() && self.bytes + message.len() as u64 > self.mode.buffer {
            return;
        }
        self.bytes += message.len() as u64;
        self.waiting.push_back(message);
        self.flush(now);
    }

    /// Sends what waits, as far as it is taken.
    pub(crate) fn flush(&mut self, now: Instant) {
        if self.retry.is_some_and(|at| now < at) {
            return;
        }
        self.retry = None;
        while let Some(message) = self.waiting.front() {
            match self.transport.send(message) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.gone = false;
                    self.retry = Some(now + SLOW);
                    return;
                }
                Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                    self.gone = true;
                    self.retry = Some(now + GONE);
                    return;
                }
                Ok(()) | Err(_) => {
                    self.gone = false;
                    self.bytes -= message.len() as u64;
                    self.waiting.pop_front();
                }
            }
        }
    }

    /// When to flush again; `None`: nothing waits.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry
    }

    /// Whether the container is to be held up.
    pub(crate) fn is_full(&self) -> bool {
        !self.mode.non_blocking && !self.gone && self.bytes >= self.mode.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Receiver {
        got: Vec<Vec<u8>>,
        refuses: Option<io::ErrorKind>,
    }

    struct Line(Arc<Mutex<Receiver>>);

    impl Transport for Line {
        fn send(&mut self, message: &[u8]) -> io::Result<()> {
            let mut receiver = self.0.lock().unwrap();
            if let Some(kind) = receiver.refuses {
                return Err(kind.into());
            }
            receiver.got.push(message.to_vec());
            Ok(())
        }
    }

    fn forward(non_blocking: bool, buffer: u64) -> (Forward, Arc<Mutex<Receiver>>) {
        let receiver = Arc::<Mutex<Receiver>>::default();
        let mode = Mode { non_blocking, buffer };
        (Forward::new(Box::new(Line(receiver.clone())), mode), receiver)
    }

    /// Refuses with `kind` while `count` messages are sent, then takes again; gives how many came.
    fn came(forward: &mut Forward, receiver: &Mutex<Receiver>, kind: io::ErrorKind, count: u8) -> usize {
        let now = Instant::now();
        receiver.lock().unwrap().refuses = Some(kind);
        for number in 0..count {
            forward.send(vec![number; 10], now);
        }
        receiver.lock().unwrap().refuses = None;
        forward.flush(forward.retry_at().unwrap_or(now));
        assert_eq!(forward.retry_at(), None);
        receiver.lock().unwrap().got.len()
    }

    #[test]
    fn a_slow_receiver_holds_up_or_loses_as_the_mode_says() {
        let (mut blocking, receiver) = forward(false, 50);
        assert!(!blocking.is_full());
        receiver.lock().unwrap().refuses = Some(io::ErrorKind::WouldBlock);
        for _ in 0..5 {
            blocking.send(vec![0; 10], Instant::now());
        }
        assert!(blocking.is_full());
        let (mut blocking, receiver) = forward(false, 50);
        assert_eq!(came(&mut blocking, &receiver, io::ErrorKind::WouldBlock, 8), 8);
        let (mut non_blocking, receiver) = forward(true, 50);
        assert_eq!(came(&mut non_blocking, &receiver, io::ErrorKind::WouldBlock, 8), 5);
        assert!(!non_blocking.is_full());
    }

    #[test]
    fn a_receiver_that_is_gone_holds_nothing_up_and_an_impossible_message_goes() {
        let (mut gone, receiver) = forward(false, 50);
        assert_eq!(came(&mut gone, &receiver, io::ErrorKind::ConnectionRefused, 8), 5);
        assert!(!gone.is_full());
        let (mut forward, receiver) = forward(false, 50);
        assert_eq!(came(&mut forward, &receiver, io::ErrorKind::InvalidInput, 3), 0);
    }
}
