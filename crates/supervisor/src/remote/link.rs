//! The connection: made, kept, and made anew.

use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Duration;

use tierce_fault::{Fault as _, Kind};
use tierce_grpc::{Channel, Stream};
use tierce_task::messages::{Empty, Envelope};
use tierce_task::services::containers::{ContainerId, ListContainersRequest, OneContainer};
use tierce_task::services::daemon::{Namespace, OneNamespace, VersionResponse};
use tierce_task::services::tasks::{DeleteResponse, KillRequest, ListTasksRequest, ListTasksResponse, ProcessRequest};
use tierce_task::services::{NAMESPACE, SubscribeRequest};
use tierce_task::{Error, Result, status};
use tokio::sync::watch;

use super::{LABEL, Remote};

/// Between two tries, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long each step of a new connection may take.
const STEP: Duration = Duration::from_secs(15);
/// SIGKILL.
const KILL: u32 = 9;

/// The connection, or why there is none.
#[derive(Debug)]
pub(super) enum Link {
    /// There is one: the how-manieth.
    Up { channel: Channel, number: u64 },
    /// There is none now.
    Away(String),
    /// Something else is at the address, and trying again would not help.
    Foreign { cause: String, number: u64 },
}

impl Link {
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Up { .. } => "the connection broke".to_owned(),
            Self::Away(cause) | Self::Foreign { cause, .. } => cause.clone(),
        }
    }
}

/// A failure of a call in the words of the task protocol.
pub(super) fn error_of(error: tierce_grpc::Error) -> Error {
    match error {
        tierce_grpc::Error::Refused(refusal) => Error::Refused {
            kind: status::kind_of_code(refusal.code),
            message: refusal.message,
        },
        tierce_grpc::Error::Disconnected(message) => Error::Refused {
            kind: Kind::Unavailable,
            message,
        },
        tierce_grpc::Error::Malformed(cause) => Error::Malformed {
            what: "answer of the supervisor",
            cause,
        },
    }
}

/// Keeps a connection until nobody needs it any more.
pub(super) async fn keep(remote: Weak<Remote>, tell: watch::Sender<Link>) {
    let (mut number, mut pause, mut complained) = (0, PAUSES.0, true);
    loop {
        let Some(this) = remote.upgrade() else { return };
        number += 1;
        match this.connect(number == 1 || this.mirror.is_fresh()).await {
            Ok((channel, events)) => {
                tracing::info!(address = %this.config.address.display(), "connected with the supervisor");
                this.mirror.is_known();
                (pause, complained) = (PAUSES.0, false);
                tell.send_replace(Link::Up { channel, number });
                drop(this);
                let cause = follow(&remote, events).await;
                tell.send_replace(Link::Away(cause));
            }
            Err(error) if error.kind() == Kind::NotImplemented => {
                let cause = error.to_string();
                tell.send_replace(Link::Foreign { cause, number });
                return;
            }
            Err(error) => drop(tell.send_replace(Link::Away(error.to_string()))),
        }
        let Some(this) = remote.upgrade() else { return };
        if !complained {
            complained = true;
            let (address, cause) = (this.config.address.display(), tell.borrow().cause());
            tracing::error!(
                %address,
                cause,
                "the supervisor is away: containers run on, but none can be started or stopped until it is back"
            );
        }
        drop(this);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Takes events in until the connection ends; says why.
async fn follow(remote: &Weak<Remote>, mut events: Stream<Envelope>) -> String {
    loop {
        match events.next().await {
            Ok(Some(envelope)) => {
                let Some(this) = remote.upgrade() else {
                    return String::new();
                };
                this.take_in(&envelope);
            }
            Ok(None) => return "it ended the stream of events".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}

/// A step of a new connection.
async fn step<T>(work: impl Future<Output = std::result::Result<T, tierce_grpc::Error>>) -> Result<T> {
    match tokio::time::timeout(STEP, work).await {
        Ok(outcome) => outcome.map_err(error_of),
        Err(_) => Err(Error::Refused {
            kind: Kind::Timeout,
            message: format!("it does not answer within {} s", STEP.as_secs()),
        }),
    }
}

impl Remote {
    /// Connects, and brings the mirror up to date before anybody may use the connection. `first`: nothing is known yet.
    async fn connect(&self, first: bool) -> Result<(Channel, Stream<Envelope>)> {
        let metadata = [(NAMESPACE, self.config.namespace.as_str())];
        let channel = step(Channel::connect(&self.config.address, &metadata)).await?;
        let version = "/containerd.services.version.v1.Version/Version";
        let version: VersionResponse = step(channel.call(version, &Empty {})).await?;
        if version.extensions == 0 {
            let message = format!(
                "it is containerd {}, which cannot be used (its API does not tell where a task's streams are): use the \
                 address of tierce-supervisor, or leave --containerd out",
                version.version
            );
            return Err(Error::Refused {
                kind: Kind::NotImplemented,
                message,
            });
        }
        self.check_namespace(&channel).await?;
        // Events first, so that none is missed between the list and here; they wait in the stream.
        let subscribe = "/containerd.services.events.v1.Events/Subscribe";
        let events = step(channel.stream(subscribe, &SubscribeRequest::default())).await?;
        let mut ours = self.recorded(&channel).await?;
        let list = "/containerd.services.tasks.v1.Tasks/List";
        let tasks: ListTasksResponse = step(channel.call(list, &ListTasksRequest::default())).await?;
        let (mut known, mut doubtful) = (Vec::new(), Vec::new());
        for task in tasks.tasks {
            if !ours.remove(&task.id) {
                continue;
            }
            if self.doubtful().contains(&task.id) {
                doubtful.push(task.id);
            } else {
                known.push(task);
            }
        }
        // Those that were doubtful before this connection; more may come meanwhile.
        let looked_at = self.doubtful().clone();
        let mut stay = BTreeSet::new();
        for id in doubtful {
            if !self.take_back(&channel, &id).await {
                stay.insert(id);
            }
        }
        self.doubtful()
            .retain(|id| !looked_at.contains(id) || stay.contains(id));
        // Records without a task: of containers that ended when nobody could forget them.
        for id in ours {
            if !forget_record(&channel, &id).await {
                // An engine before this one has asked for its task, which is being made: it goes when it is there.
                self.doubtful().insert(id);
            }
        }
        self.catch_up(&known, first);
        Ok((channel, events))
    }

    /// Ids of the containers that are an engine's. One by one: with their documents they may be more than a message holds.
    async fn recorded(&self, channel: &Channel) -> Result<BTreeSet<String>> {
        let list = "/containerd.services.containers.v1.Containers/ListStream";
        let mut records: Stream<OneContainer> = step(channel.stream(list, &ListContainersRequest::default())).await?;
        let mut ours = BTreeSet::new();
        while let Some(record) = step(records.next()).await? {
            let container = record.container.unwrap_or_default();
            if container.labels.contains_key(LABEL) {
                ours.insert(container.id);
            }
        }
        Ok(ours)
    }

    /// One that the supervisor does not have would look as if it were empty.
    async fn check_namespace(&self, channel: &Channel) -> Result<()> {
        let wanted = Namespace {
            name: self.config.namespace.clone(),
            ..Namespace::default()
        };
        let get = "/containerd.services.namespaces.v1.Namespaces/Get";
        let found: Result<OneNamespace> = step(channel.call(get, &wanted)).await;
        match found {
            Err(error) if error.kind() == Kind::NotFound => Err(Error::Refused {
                kind: Kind::NotImplemented,
                message: format!(
                    "it has no namespace {:?}: give both the same (--containerd-namespace here, --namespace there)",
                    self.config.namespace
                ),
            }),
            found => found.map(drop),
        }
    }

    /// Removes a container that was half made when the connection broke. `false`: it is still there.
    async fn take_back(&self, channel: &Channel, id: &str) -> bool {
        tracing::info!(container = id, "what was made when the connection broke is taken back");
        let request = KillRequest {
            container_id: id.to_owned(),
            signal: KILL,
            all: true,
            ..KillRequest::default()
        };
        let kill = "/containerd.services.tasks.v1.Tasks/Kill";
        // What is dead already needs no signal.
        let _killed: Result<Empty> = step(channel.call(kill, &request)).await;
        let request = ProcessRequest {
            container_id: id.to_owned(),
            ..ProcessRequest::default()
        };
        // A wait ends when it is dead; one that never started is not waited for in vain, since it was killed too.
        let wait = "/containerd.services.tasks.v1.Tasks/Wait";
        let _ended: Result<tierce_task::messages::WaitResponse> = step(channel.call(wait, &request)).await;
        let delete = "/containerd.services.tasks.v1.Tasks/Delete";
        let deleted: Result<DeleteResponse> = step(channel.call(delete, &request)).await;
        if let Err(error) = deleted
            && error.kind() != Kind::NotFound
        {
            tracing::warn!(container = id, %error, "a half made container could not be removed; it is tried again");
            return false;
        }
        forget_record(channel, id).await
    }
}

/// `false`: it has a task, or one is being made.
async fn forget_record(channel: &Channel, id: &str) -> bool {
    let delete = "/containerd.services.containers.v1.Containers/Delete";
    let deleted: Result<Empty> = step(channel.call(delete, &ContainerId { id: id.to_owned() })).await;
    match deleted {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(container = id, %error, "a container's record could not be removed");
            error.kind() != Kind::Conflict
        }
    }
}
