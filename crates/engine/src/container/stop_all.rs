//! The daemon ends and takes its containers with it (`--live-restore=false`).

use super::context::{Container, Context};
use super::requests::Stop;
use super::stop;
use std::sync::Arc;
use std::time::Duration;

/// How long the daemon's end waits for changes of containers that are under way.
const SETTLING: Duration = Duration::from_secs(5);

/// Stops every container that runs, all at once. They count as not stopped by a user: their restart policies apply when
/// the daemon is back.
///
/// * `limit`: how long it may take altogether; `None`: as long as it takes.
pub(crate) async fn stop_all(context: &Arc<Context>, limit: Option<Duration>) {
    let all = context.all().into_iter().map(|container| {
        let context = Arc::clone(context);
        tokio::spawn(async move { stop_one(&context, &container).await })
    });
    let all: Vec<_> = all.collect();
    let stopped = async {
        for one in all {
            // A panic has been told already.
            let _ = one.await;
        }
    };
    match limit {
        None => stopped.await,
        Some(limit) => {
            if tokio::time::timeout(limit, stopped).await.is_err() {
                tracing::error!(?limit, "some containers did not stop in time and are left running");
            }
        }
    }
}

/// Waits for the changes of containers that are under way, such as an end that is not written down yet. One that hangs
/// does not hold up the daemon's end.
pub(crate) async fn settle(context: &Arc<Context>) {
    let settled = async {
        for container in context.all() {
            drop(container.transition().await);
        }
    };
    if tokio::time::timeout(SETTLING, settled).await.is_err() {
        tracing::warn!("a change of a container is still under way");
    }
}

async fn stop_one(context: &Arc<Context>, container: &Arc<Container>) {
    if !container.snapshot().record.state.is_alive() {
        return;
    }
    if let Err(error) = stop::stop_if_running(context, container, &Stop::default()).await {
        tracing::warn!(container = %container.id, %error, "could not be stopped with the daemon");
    }
}
