//! The stream of messages of a pull, push, load or import: one JSON document a line.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tierce_api_types::progress::ProgressMessage;
use tierce_engine::image::{Detail, Message, Progress};
use tokio::sync::mpsc;

use crate::convert;
use crate::reply::{Reply, progress_line};
use crate::router::Outcome;
use crate::status::Failure;

/// So many messages may wait for a slow client before amounts are left out, as the next tells the newer state.
const QUEUE: usize = 1024;

/// Runs an operation and answers with what it reports. What goes wrong before the first message is an ordinary refusal;
/// after it, the last message tells. The operation is dropped with the client's connection.
pub(super) async fn answer<F, Fut, T>(operation: F) -> Outcome
where
    F: FnOnce(Arc<dyn Progress>) -> Fut,
    Fut: Future<Output = Result<T, tierce_engine::Error>> + Send + 'static,
    T: Send + 'static,
{
    let mut messages = begin(operation);
    match messages.next().await {
        Some(Err(failure)) => Err(failure),
        first => {
            let first = first.and_then(Result::ok);
            Ok(Reply::stream("application/json", lines(first, messages)))
        }
    }
}

/// The same, but all that goes wrong is told by the last message. An operation that tells nothing on its way has ended when
/// the answer begins: clients may leave then.
pub(super) async fn answer_in_stream<F, Fut, T>(operation: F) -> Reply
where
    F: FnOnce(Arc<dyn Progress>) -> Fut,
    Fut: Future<Output = Result<T, tierce_engine::Error>> + Send + 'static,
    T: Send + 'static,
{
    let mut messages = begin(operation);
    let first = messages.next().await.map(in_stream);
    Reply::stream("application/json", lines(first, messages))
}

/// A failure that is told as a message.
fn in_stream(message: Result<ProgressMessage, Failure>) -> ProgressMessage {
    message.unwrap_or_else(|failure| ProgressMessage::failure(failure.message))
}

fn begin<F, Fut>(operation: F) -> Messages<Fut>
where
    F: FnOnce(Arc<dyn Progress>) -> Fut,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting: Arc<AtomicUsize> = Arc::default();
    let reporter = Arc::new(Reporter {
        sender,
        waiting: Arc::clone(&waiting),
    });
    Messages {
        receiver,
        waiting,
        operation: Some(Box::pin(operation(reporter))),
        failure: None,
    }
}

/// Takes messages to the client's stream. Never waits.
struct Reporter {
    sender: mpsc::UnboundedSender<Message>,
    waiting: Arc<AtomicUsize>,
}

impl Progress for Reporter {
    fn report(&self, message: Message) {
        let expendable = matches!(message.detail, Detail::Amount { .. });
        if expendable && self.waiting.load(Ordering::Relaxed) >= QUEUE {
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // A closed queue means a client that left.
        let _ = self.sender.send(message);
    }
}

/// A running operation with what it reports.
struct Messages<F> {
    receiver: mpsc::UnboundedReceiver<Message>,
    waiting: Arc<AtomicUsize>,
    operation: Option<Pin<Box<F>>>,
    failure: Option<Failure>,
}

impl<T, F: Future<Output = Result<T, tierce_engine::Error>>> Messages<F> {
    /// The next message; when all are told, the failure of an operation that failed, and then `None`.
    async fn next(&mut self) -> Option<Result<ProgressMessage, Failure>> {
        if let Some(operation) = &mut self.operation {
            tokio::select! {
                biased;
                Some(message) = self.receiver.recv() => return Some(Ok(self.told(message))),
                outcome = operation => {
                    self.failure = outcome.err().map(Failure::from);
                    // With the operation goes the sending side, so the queue has an end.
                    self.operation = None;
                }
            }
        }
        match self.receiver.recv().await {
            Some(message) => Some(Ok(self.told(message))),
            None => self.failure.take().map(Err),
        }
    }

    fn told(&self, message: Message) -> ProgressMessage {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        convert::image::progress(message)
    }
}

fn lines<T, F>(first: Option<ProgressMessage>, messages: Messages<F>) -> impl Stream<Item = Bytes> + Send
where
    F: Future<Output = Result<T, tierce_engine::Error>> + Send,
{
    stream::unfold((first, messages), |(first, mut messages)| async move {
        let message = match first {
            Some(message) => message,
            None => in_stream(messages.next().await?),
        };
        Some((progress_line(&message), (None, messages)))
    })
}
