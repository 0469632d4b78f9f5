//! Images.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use hyper::StatusCode;
use tierce_api_types::image::{BuildPruned, HistoryItem, ImageDeleted, ImageSummary, ImagesPruned};
use tierce_api_types::progress::ProgressMessage;
use tierce_engine::image::{Credentials, Message, Progress, Pull, Pulled, Removal};
use tokio::sync::mpsc;

use crate::convert;
use crate::reply::{Reply, json_line};
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::status::Failure;

/// How many messages may wait for a slow client; more are dropped, since the next tells the newer state.
const QUEUE: usize = 1024;

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.get("/images/json", list);
    table.post("/images/create", create);
    table.post("/images/prune", prune);
    table.get("/images/{name}/json", inspect);
    table.get("/images/{name}/history", history);
    table.post("/images/{name}/tag", tag);
    table.delete("/images/{name}", remove);
    table.post("/build/prune", |_| async { Reply::json(&BuildPruned::default()) });
}

/// Lists images, the newest first; intermediate ones only with `all`.
async fn list(call: Call) -> Outcome {
    let version = call.version;
    let counted = call.query.flag("shared-size");
    let filters = call.query.filters()?;
    let summaries = call.engine.images.list().await?;
    let shown = convert::image_filters::select(&summaries, &filters, call.query.flag("all"))?;
    let rows: Vec<ImageSummary> = shown
        .into_iter()
        .map(|summary| convert::image::summary(summary, counted, version))
        .collect();
    Reply::json(&rows)
}

async fn inspect(call: Call) -> Outcome {
    let details = call.engine.images.inspect(&call.name).await?;
    Reply::json(&convert::image::inspect(&details, call.version))
}

async fn history(call: Call) -> Outcome {
    let steps = call.engine.images.history(&call.name).await?;
    let items: Vec<HistoryItem> = steps.iter().map(convert::image::history).collect();
    Reply::json(&items)
}

/// Gives an image a further name: 201.
async fn tag(call: Call) -> Outcome {
    let target = convert::image::reference(call.query.text("repo"), call.query.text("tag"))?;
    call.engine.images.tag(&call.name, target.with_default_tag()).await?;
    Ok(Reply::empty().with_status(StatusCode::CREATED))
}

async fn remove(call: Call) -> Outcome {
    let removal = Removal {
        force: call.query.flag("force"),
        keep_parents: call.query.flag("noprune"),
    };
    let removed = call.engine.images.remove(&call.name, removal).await?;
    let items: Vec<ImageDeleted> = removed.iter().map(convert::image::removed).collect();
    Reply::json(&items)
}

async fn prune(call: Call) -> Outcome {
    let pruned = call
        .engine
        .images
        .prune(convert::image_filters::prune(&call.query.filters()?)?)
        .await?;
    let items: Vec<ImageDeleted> = pruned.removed.iter().map(convert::image::removed).collect();
    Reply::json(&ImagesPruned {
        images_deleted: (!items.is_empty()).then_some(items),
        space_reclaimed: pruned.reclaimed,
    })
}

/// Pulls an image. What goes wrong before the first message is an ordinary refusal; after it, the last message tells.
async fn create(call: Call) -> Outcome {
    let query = &call.query;
    if query.optional("fromSrc").is_some() {
        return Err(Failure::not_implemented(
            "POST /images/create: import is not served yet",
        ));
    }
    let name = query.text("fromImage");
    let reference = convert::image::reference(name, query.text("tag"))?;
    let all_tags = reference.tag().is_none() && reference.digest().is_none();
    let platform = query.non_empty("platform").map(|text| text.parse()).transpose();
    let request = Pull {
        reference,
        all_tags,
        platform: platform.map_err(|error: tierce_oci::Error| Failure::invalid(error.to_string()))?,
        credentials: Credentials::from_docker_header(call.header("x-registry-auth"))?,
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let engine = Arc::clone(&call.engine);
    // Dropped with the client's connection, which ends the pull.
    let pull = Box::pin(async move { engine.images.pull(request, Arc::new(Reporter(sender))).await });
    let mut messages = Messages {
        receiver,
        pull: Some(pull),
        failure: None,
    };
    match messages.next().await {
        Some(Err(failure)) => Err(failure),
        first => {
            let first = first.and_then(Result::ok);
            Ok(Reply::stream("application/json", lines(first, messages)))
        }
    }
}

/// Takes messages of a pull to the client's stream. Never waits.
struct Reporter(mpsc::Sender<Message>);

impl Progress for Reporter {
    fn report(&self, message: Message) {
        // A full queue means a client that does not read; a closed one, a client that left.
        let _ = self.0.try_send(message);
    }
}

/// A running pull with what it reports.
struct Messages<F> {
    receiver: mpsc::Receiver<Message>,
    pull: Option<Pin<Box<F>>>,
    failure: Option<Failure>,
}

impl<F: Future<Output = Result<Vec<Pulled>, tierce_engine::Error>>> Messages<F> {
    /// The next message; when all are told, the failure of a pull that failed, and then `None`.
    async fn next(&mut self) -> Option<Result<ProgressMessage, Failure>> {
        if let Some(pull) = &mut self.pull {
            tokio::select! {
                biased;
                Some(message) = self.receiver.recv() => return Some(Ok(convert::image::progress(message))),
                outcome = pull => {
                    self.failure = outcome.err().map(Failure::from);
                    // With the pull goes the sending side, so the queue has an end.
                    self.pull = None;
                }
            }
        }
        match self.receiver.recv().await {
            Some(message) => Some(Ok(convert::image::progress(message))),
            None => self.failure.take().map(Err),
        }
    }
}

fn lines<F>(first: Option<ProgressMessage>, messages: Messages<F>) -> impl Stream<Item = Bytes> + Send
where
    F: Future<Output = Result<Vec<Pulled>, tierce_engine::Error>> + Send,
{
    stream::unfold((first, messages), |(first, mut messages)| async move {
        let message = match first {
            Some(message) => message,
            None => match messages.next().await? {
                Ok(message) => message,
                Err(failure) => ProgressMessage::failure(failure.message),
            },
        };
        Some((json_line(&message), (None, messages)))
    })
}
