//! The supervisor at a socket of its own, in containerd's API: what the engine asks for, and enough for `ctr`.
//!
//! | Service | Served |
//! |---|---|
//! | `version.v1.Version`, `introspection.v1.Introspection` | `Version`; `Server` |
//! | `namespaces.v1.Namespaces` | `Get`, `List`; there is one, and it cannot be changed |
//! | `containers.v1.Containers` | all |
//! | `tasks.v1.Tasks` | all; checkpoints are directories that the options name, for there is no store of contents |
//! | `events.v1.Events` | `Subscribe` |
//! | `leases.v1.Leases` | `Create`, `Delete`, `List`: nothing is collected, so a lease holds nothing |
//!
//! Images, contents and snapshots are the engine's: their services are answered with `UNIMPLEMENTED`.

mod containers;
mod daemon;
mod tasks;

use std::sync::Arc;

use async_trait::async_trait;
use prost::Message;
use tierce_fault::Fault;
use tierce_grpc::{Answer, Request, Service, Status};
use tierce_task::messages::Envelope;
use tierce_task::services::{self, SubscribeRequest};
use tierce_task::status::Code;
use tierce_task::{Error, EventReceiver};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::records::Records;
use crate::supervisor::{Supervisor, blocking};

/// Events that may wait for a subscriber; one who is further behind is let go, and has to ask for the state anew.
const MOST_WAITING: usize = 4096;

type Reply = Result<Answer, Status>;

/// Serves a supervisor and its records at `listener`, for ever. `identity` names this supervisor over its restarts.
pub async fn serve(listener: UnixListener, supervisor: Arc<Supervisor>, records: Records, identity: String) {
    let server = Server {
        supervisor,
        records: Arc::new(records),
        identity,
    };
    server.record_strays().await;
    tierce_grpc::serve(listener, Arc::new(server)).await;
}

struct Server {
    supervisor: Arc<Supervisor>,
    records: Arc<Records>,
    identity: String,
}

#[async_trait]
impl Service for Server {
    fn outlives_caller(&self, method: &str) -> bool {
        // A container that is half made is made or taken back, whoever hangs up.
        !matches!(
            method.rsplit_once('/'),
            Some((service, "Wait")) if service.trim_start_matches('/') == services::tasks::SERVICE
        )
    }

    async fn call(&self, request: Request) -> Reply {
        let (service, method) = request
            .method
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or_default();
        let message = &request.message[..];
        match service {
            services::daemon::VERSION => daemon::version(method),
            services::daemon::INTROSPECTION => self.introspection(method),
            services::daemon::NAMESPACES => self.namespaces(method, message),
            services::EVENTS => self.events(method, message),
            services::daemon::LEASES => {
                self.check_namespace(&request)?;
                daemon::leases(method, message)
            }
            services::containers::SERVICE => {
                if self.is_foreign(&request)? {
                    return self.containers_elsewhere(method);
                }
                self.containers(method, message).await
            }
            services::tasks::SERVICE => {
                if self.is_foreign(&request)? {
                    return self.tasks_elsewhere(method);
                }
                self.tasks(method, message).await
            }
            _ => Err(Status::new(Status::UNIMPLEMENTED, format!("unknown service {service}"))),
        }
    }
}

impl Server {
    /// Whether a request is about a namespace that nothing is in.
    fn is_foreign(&self, request: &Request) -> Result<bool, Status> {
        let namespace = request.metadata.get(services::NAMESPACE);
        let namespace = namespace.and_then(|name| name.to_str().ok()).unwrap_or_default();
        if namespace.is_empty() {
            let text = "namespace is required: failed precondition";
            return Err(Status::new(Code::FailedPrecondition as i32, text));
        }
        Ok(namespace != self.supervisor.config.namespace)
    }

    fn check_namespace(&self, request: &Request) -> Result<(), Status> {
        if self.is_foreign(request)? {
            return Err(self.elsewhere());
        }
        Ok(())
    }

    /// Nothing can be made in another namespace.
    fn elsewhere(&self) -> Status {
        let own = &self.supervisor.config.namespace;
        let text = format!("this supervisor has one namespace, which is {own:?}");
        Status::new(Code::FailedPrecondition as i32, text)
    }

    fn events(&self, method: &str, message: &[u8]) -> Reply {
        if method != "Subscribe" {
            return unknown(services::EVENTS, method);
        }
        let request: SubscribeRequest = decode(message)?;
        if !request.filters.iter().all(String::is_empty) {
            return Err(Status::new(
                Status::UNIMPLEMENTED,
                "filters of events are not served: leave them out",
            ));
        }
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        tokio::spawn(forward(self.supervisor.follow_journal(), sender));
        Ok(Answer::Many(receiver))
    }

    /// Runs blocking work with the records.
    async fn with_records<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Records) -> tierce_task::Result<T> + Send + 'static,
    ) -> Result<T, Status> {
        let records = Arc::clone(&self.records);
        blocking(move || work(&records)).await.map_err(|error| refusal(&error))
    }
}

/// Passes events on until the subscriber is gone, or cannot follow.
async fn forward(mut journal: EventReceiver<Envelope>, sender: mpsc::Sender<Vec<u8>>) {
    loop {
        tokio::select! {
            envelope = journal.recv() => {
                let Some(envelope) = envelope else { return };
                if sender.try_send(envelope.encode_to_vec()).is_err() {
                    return;
                }
            }
            () = sender.closed() => return,
        }
    }
}

/// A failure as gRPC says it.
fn refusal(error: &Error) -> Status {
    let code = match error {
        Error::Exists(_) => Code::AlreadyExists,
        other => Code::from(other.kind()),
    };
    Status::new(code as i32, error.to_string())
}

fn decode<M: Message + Default>(message: &[u8]) -> Result<M, Status> {
    M::decode(message).map_err(|error| {
        let text = format!("the request cannot be read: {error}");
        Status::new(Code::InvalidArgument as i32, text)
    })
}

#[expect(clippy::unnecessary_wraps, reason = "what every method ends with")]
fn answer(message: &impl Message) -> Reply {
    Ok(Answer::One(message.encode_to_vec()))
}

fn unknown(service: &str, method: &str) -> Reply {
    let text = format!("unknown method {method} for service {service}");
    Err(Status::new(Status::UNIMPLEMENTED, text))
}
