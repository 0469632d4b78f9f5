//! `logs`: reads what the shim wrote.
//!
//! A thread reads and a channel with little room carries the lines, so that a client that does not read stops the
//! reading and nothing else.

use super::context::Context;
use super::log_options;
use super::requests::{LogLine, LogRequest, LogSource, Logs};
use crate::error::{Error, Result};
use std::time::Duration;
use tierce_logs::{Next, Query, Reader, Stream};
use tokio::sync::mpsc;

/// How many lines may wait for the client.
const QUEUE: usize = 256;
/// How often a reader that follows looks whether anybody still listens.
const PULSE: Duration = Duration::from_secs(1);

/// See [`super::Containers::logs`].
pub(crate) fn logs(context: &Context, name: &str, request: LogRequest) -> Result<Logs> {
    let container = context.find(name)?;
    let snapshot = container.snapshot();
    if !request.stdout && !request.stderr {
        return Err(Error::Invalid(
            "Bad parameters: you must choose at least one stream".to_owned(),
        ));
    }
    // Where the file is follows from where the container is, as in dockerd: a data root may have been moved.
    let source = log_options::source(&snapshot.host_config.log_config, &container.directory, &container.id)
        .ok_or_else(|| Error::NotImplemented("configured logging driver does not support reading".to_owned()))?;
    let follow = request.follow && snapshot.record.state.running;
    let query = Query {
        since: request.since,
        until: request.until,
        tail: request.tail,
        follow,
    };
    let reader = tierce_logs::drivers::read(&source, &query).map_err(Error::below)?;
    if follow {
        stop_at_end(&container, &reader);
    }
    let (sender, lines) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || read(reader, request, &sender));
    Ok(Logs {
        tty: snapshot.record.config.tty,
        lines,
    })
}

/// Ends a follower when its container ends: the exit is told after everything was logged, so nothing is missed.
fn stop_at_end(container: &super::context::Container, reader: &Reader) {
    let Some(stopper) = reader.stopper() else { return };
    let mut changes = container.watch();
    let exits = changes.borrow().exits;
    tokio::spawn(async move {
        // A closed channel means that the container is gone.
        let _ended = changes
            .wait_for(|snapshot| snapshot.exits > exits || snapshot.gone || !snapshot.record.state.running)
            .await;
        stopper.stop();
    });
}

fn read(mut reader: Reader, request: LogRequest, sender: &mpsc::Sender<Result<LogLine>>) {
    loop {
        let line = match reader.next(Some(PULSE)) {
            Ok(Next::Entry(entry)) => {
                let source = match entry.stream {
                    Stream::Stdout => LogSource::Stdout,
                    Stream::Stderr => LogSource::Stderr,
                };
                let wanted = match source {
                    LogSource::Stdout => request.stdout,
                    LogSource::Stderr => request.stderr,
                };
                if !wanted {
                    continue;
                }
                Ok(LogLine {
                    source,
                    at: entry.time,
                    bytes: entry.line,
                    details: entry.attributes,
                })
            }
            Ok(Next::Idle) if sender.is_closed() => return,
            Ok(Next::Idle) => continue,
            Ok(Next::End) => return,
            Err(error) => Err(Error::below(error)),
        };
        let failed = line.is_err();
        if sender.blocking_send(line).is_err() || failed {
            return;
        }
    }
}
