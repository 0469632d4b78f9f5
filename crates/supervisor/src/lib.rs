//! Starts shims, finds them again after a restart, and cleans up after them.
//!
//! ```text
//!  engine ──Tasks──> Supervisor ──ttrpc──> shim (one a container) ──> runtime ──> container
//!                       │  ER/tasks/<id>/{config.json,bootstrap.json,shim.pid,…}   the bundle
//!                       └─ ER/s/<hash>.{task,io}                                  the shim's sockets
//! ```
//! What must survive the engine is with the shims and in the bundles: the supervisor keeps a table in memory that
//! [`Supervisor::recover`] makes anew from them. Questions are answered from the table; only verbs go to a shim, each
//! with a deadline, so a shim that hangs harms nobody but its own container. For every process one `Wait` call is
//! outstanding; a shim that dies with a container is noticed by its connection, what it left behind is cleaned up, and
//! the container is reported as killed.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use tierce_supervisor::{Config, Supervisor};
//! use tierce_task::Tasks;
//!
//! let config = Config::new("/run/tierce", "/usr/libexec/tierce/containerd-shim-tierce-v2");
//! let supervisor = Supervisor::open(config)?;
//! for task in supervisor.recover().await {
//!     println!("{} is {:?}", task.id, task.status);
//! }
//! # Ok(()) }
//! ```

mod bundle;
mod client;
mod config;
mod control;
mod convert;
mod custody;
mod journal;
mod launch;
mod records;
mod recover;
mod remote;
mod serve;
mod supervisor;
mod table;
mod watch;

pub use config::Config;
pub use custody::Custody;
pub use records::Records;
pub use remote::{Remote, RemoteConfig};
pub use serve::serve;
pub use supervisor::Supervisor;
