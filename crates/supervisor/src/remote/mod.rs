//! A supervisor in a process of its own, as the engine sees it: [`Remote`] is the same to it as [`crate::Supervisor`].
//!
//! ```text
//!  engine ──Tasks──> Remote ──gRPC──> tierce-supervisor ──ttrpc──> shims
//!                      │  mirror: what is known of all tasks; questions are answered from it
//!                      └─ link: the connection, or why there is none; made anew when it breaks
//! ```
//! While the supervisor is away containers run, their output is logged, and what is known of them can be asked for. A
//! verb waits for it within bounds, and then says that it is away. When it is back, the states of all tasks are
//! compared with what was known: what ended meanwhile is told as if it had just happened. What was asked for when the
//! connection broke is asked for again where that is safe, or after a look at what became of it; a container of which
//! it is not known whether it was made is removed before anything else is asked for.

mod control;
mod events;
mod link;
mod mirror;
mod verbs;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use prost::Message;
use tierce_task::{Error, EventHub, Result};
use tokio::sync::watch;
use tokio::time::Instant;

use link::Link;
use mirror::Mirror;

/// What marks the records of containers that belong to an engine, among those that others make.
pub(crate) const LABEL: &str = "io.tierce.engine";

/// Where a supervisor is, and how long it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteConfig {
    /// Its socket.
    pub address: PathBuf,
    /// The namespace to ask for.
    pub namespace: String,
    /// How long a verb waits for a supervisor that is away.
    pub patience: Duration,
    /// Deadline of verbs that only talk to the kernel.
    pub short: Duration,
    /// Deadline of verbs that may run hooks, mount, or wait for a container to vanish.
    pub long: Duration,
}

impl RemoteConfig {
    /// The usual configuration for the supervisor at `address`. Its own deadlines come first: they say more.
    pub fn new(address: impl Into<PathBuf>) -> Self {
        Self {
            address: address.into(),
            namespace: "moby".to_owned(),
            patience: Duration::from_secs(10),
            short: Duration::from_secs(15),
            long: Duration::from_secs(130),
        }
    }
}

/// The engine's end of the connection to a supervisor. See the module's description.
#[derive(Debug)]
pub struct Remote {
    config: RemoteConfig,
    mirror: Mirror,
    hub: EventHub,
    link: watch::Receiver<Link>,
    /// Containers whose creation was cut short by a break.
    doubtful: Mutex<BTreeSet<String>>,
    /// For what goes on in the background, which shall not keep it alive.
    this: Weak<Self>,
}

/// Why a call gave nothing.
enum Failure {
    /// There is no connection.
    Away(Error),
    /// It broke while the call was under way: whether it was carried out is not known.
    Broke(Error),
    /// The supervisor's own answer, or none in time.
    Answer(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Away(error) | Failure::Broke(error) | Failure::Answer(error) => error,
        }
    }
}

impl Remote {
    /// Connects, and waits at most `limit` for a supervisor that is not there yet. Tasks that live are known afterwards.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is none in time, or it is none that can be used.
    pub async fn open(config: RemoteConfig, limit: Duration) -> Result<Arc<Self>> {
        let away = Link::Away("not tried yet".to_owned());
        let (tell, link) = watch::channel(away);
        let remote = Arc::new_cyclic(|this| Self {
            config,
            mirror: Mirror::default(),
            hub: EventHub::new(),
            link,
            doubtful: Mutex::default(),
            this: Weak::clone(this),
        });
        tokio::spawn(link::keep(Arc::downgrade(&remote), tell));
        remote
            .connection(Instant::now() + limit, "use", "its containers", 0)
            .await?;
        Ok(remote)
    }

    fn doubtful(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present connection with its number, which is above `after`; waits for one until `deadline`.
    async fn connection(
        &self,
        deadline: Instant,
        verb: &'static str,
        container: &str,
        after: u64,
    ) -> Result<(tierce_grpc::Channel, u64)> {
        let mut link = self.link.clone();
        let up =
            |link: &Link| matches!(link, Link::Up { number, .. } | Link::Foreign { number, .. } if *number > after);
        let found = tokio::time::timeout_at(deadline, link.wait_for(up)).await;
        let cause = match found {
            Ok(Ok(link)) => match &*link {
                Link::Up { channel, number } => return Ok((channel.clone(), *number)),
                other => other.cause(),
            },
            _ => self.link.borrow().cause(),
        };
        Err(self.away(verb, container, cause))
    }

    fn away(&self, verb: &'static str, container: &str, cause: String) -> Error {
        Error::Away {
            verb,
            container: container.to_owned(),
            address: self.config.address.display().to_string(),
            cause,
        }
    }

    /// One call over a connection with a number above `after`; gives the connection's number, too.
    async fn call_once<M: Message + Default>(
        &self,
        asked: Asked<'_>,
        request: &impl Message,
        after: u64,
    ) -> (u64, std::result::Result<M, Failure>) {
        let deadline = Instant::now() + self.config.patience;
        let (channel, number) = match self.connection(deadline, asked.verb, asked.container, after).await {
            Ok(found) => found,
            Err(error) => return (after, Err(Failure::Away(error))),
        };
        let answer = tokio::time::timeout(asked.limit, channel.call(asked.method, request)).await;
        let outcome = match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(tierce_grpc::Error::Disconnected(cause))) => {
                Err(Failure::Broke(self.away(asked.verb, asked.container, cause)))
            }
            Ok(Err(error)) => Err(Failure::Answer(link::error_of(error))),
            Err(_) => Err(Failure::Answer(Error::Timeout {
                verb: asked.verb,
                container: asked.container.to_owned(),
                after: asked.limit,
            })),
        };
        (number, outcome)
    }

    /// A call that may be carried out twice: it is asked again over the next connection when one breaks.
    async fn call<M: Message + Default>(&self, asked: Asked<'_>, request: &impl Message) -> Result<M> {
        let (mut after, deadline) = (0, Instant::now() + self.config.patience);
        loop {
            match self.call_once(asked, request, after).await {
                (number, Err(Failure::Broke(_))) if Instant::now() < deadline => after = number,
                (_, outcome) => return Ok(outcome?),
            }
        }
    }

    fn short<'a>(&self, verb: &'static str, container: &'a str, method: &'static str) -> Asked<'a> {
        Asked {
            verb,
            container,
            method,
            limit: self.config.short,
        }
    }

    fn long<'a>(&self, verb: &'static str, container: &'a str, method: &'static str) -> Asked<'a> {
        Asked {
            limit: self.config.long,
            ..self.short(verb, container, method)
        }
    }
}

/// What is asked for, in the words of messages and of the protocol.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    verb: &'static str,
    container: &'a str,
    method: &'static str,
    limit: Duration,
}
