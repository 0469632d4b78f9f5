//! Images.

use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use futures_util::{Stream, stream};
use hyper::StatusCode;
use tierce_api_types::auth::AuthConfig;
use tierce_api_types::image::{BuildPruned, HistoryItem, ImageDeleted, ImageSummary, ImagesPruned};
use tierce_api_types::progress::ProgressMessage;
use tierce_engine::image::{Message, Progress, PullRequest, Removal};
use tokio::sync::mpsc;

use crate::convert;
use crate::reply::{Reply, json_line};
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::status::Failure;

/// How many messages may wait for a slow client; more are dropped, since the next tells the newer state.
const QUEUE: usize = 1024;

/// base64 of either alphabet's padding habits; clients differ.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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

async fn list(call: Call) -> Outcome {
    let version = call.version;
    let counted = call.query.flag("shared-size");
    let summaries = call.engine.images.list(call.query.flag("all"), &call.query.filters()?).await?;
    let rows: Vec<ImageSummary> =
        summaries.iter().map(|summary| convert::image::summary(summary, counted, version)).collect();
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
    call.engine.images.tag(&call.name, call.query.text("repo"), call.query.text("tag")).await?;
    Ok(Reply::empty().with_status(StatusCode::CREATED))
}

async fn remove(call: Call) -> Outcome {
    let removal = Removal { force: call.query.flag("force"), keep_parents: call.query.flag("noprune") };
    let removed = call.engine.images.remove(&call.name, removal).await?;
    let items: Vec<ImageDeleted> = removed.iter().map(convert::image::removed).collect();
    Reply::json(&items)
}

async fn prune(call: Call) -> Outcome {
    let pruned = call.engine.images.prune(&call.query.filters()?).await?;
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
        return Err(Failure::not_implemented("POST /images/create: import is not served yet"));
    }
    let request = PullRequest {
        name: query.text("fromImage").to_owned(),
        tag: query.text("tag").to_owned(),
        platform: query.text("platform").to_owned(),
        credentials: credentials(call.header("x-registry-auth"))?.map(convert::system::credentials),
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let engine = Arc::clone(&call.engine);
    // Dropped with the client's connection, which ends the pull.
    let pull = Box::pin(async move { engine.images.pull(request, Arc::new(Reporter(sender))).await.map(drop) });
    let mut messages = Messages { receiver, pull: Some(pull), failure: None };
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

impl<F: Future<Output = Result<(), tierce_engine::Error>>> Messages<F> {
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
    F: Future<Output = Result<(), tierce_engine::Error>> + Send,
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

/// Reads `X-Registry-Auth`; nothing, and what cannot be read, is anonymous, as for dockerd.
fn credentials(header: &str) -> Result<Option<AuthConfig>, Failure> {
    if header.is_empty() {
        return Ok(None);
    }
    let plain = header.replace('+', "-").replace('/', "_");
    let document = LENIENT
        .decode(plain.trim())
        .map_err(|error| Failure::invalid(format!("invalid X-Registry-Auth header: {error}")))?;
    let config: AuthConfig = serde_json::from_slice(&document)
        .map_err(|error| Failure::invalid(format!("invalid X-Registry-Auth header: {error}")))?;
    Ok(Some(config).filter(|config| *config != AuthConfig::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_in_each_spelling() {
        let document = r#"{"username":"u","password":"p??>"}"#;
        for alphabet in [&alphabet::URL_SAFE, &alphabet::STANDARD] {
            let header = GeneralPurpose::new(alphabet, GeneralPurposeConfig::new()).encode(document);
            for header in [header.clone(), header.trim_end_matches('=').to_owned()] {
                assert_eq!(credentials(&header).unwrap().unwrap().password, "p??>");
            }
        }
        assert_eq!(credentials("").unwrap(), None);
        assert_eq!(credentials("e30=").unwrap(), None);
        assert!(credentials("!!").is_err());
    }
}
