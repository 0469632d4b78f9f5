//! The contract of running things.
//!
//! One process (the *supervisor*) asks others (the *shims*, one per container) to create, start, signal and forget
//! processes. This crate holds everything both sides and their callers must agree on, and no I/O of its own:
//!
//! - [`Tasks`] and [`TaskControl`]: what the engine sees. The supervisor implements both; [`memory`] is a fake for tests.
//! - [`Create`], [`Exec`], [`Exit`], [`TaskState`], [`Event`]: the values those traits exchange.
//! - [`health`]: probes of a container, and what follows from their results.
//! - [`EventHub`]: hands every event to every subscriber without losing any; needs no particular executor.
//! - [`messages`], [`frame`], [`status`], [`method`]: containerd's shim protocol (`containerd.task.v3` over ttrpc) as
//!   bytes. A foreign shim can therefore serve our supervisor, and our shim a real containerd.
//! - [`services`]: containerd's own services, over which an engine and a supervisor of its own process speak.
//! - [`options`]: what we say to our own shim beyond containerd's protocol.
//! - [`attach`]: the protocol of a shim's I/O socket, over which standard streams flow past the supervisor.
//! - [`bootstrap`]: the JSON that a shim prints when it has been started.
//! - [`TraceId`]: what joins the steps of a run in the log.
//!
//! Nothing here depends on an executor: the shim is synchronous and single-threaded.

pub mod attach;
pub mod bootstrap;
mod error;
mod events;
pub mod frame;
pub mod health;
#[cfg(feature = "memory")]
pub mod memory;
pub mod messages;
pub mod method;
mod model;
pub mod options;
pub mod services;
pub mod status;
mod tasks;
mod trace;

pub use error::{Error, Result};
pub use events::{EventHub, EventReceiver};
pub use health::{Health, HealthCheck, HealthStatus, ProbeResult};
pub use model::{
    Create, Created, Event, EventKind, Exec, Exit, Fifos, Mount, ProcessId, Resources, TaskState, TaskStatus,
};
pub use tasks::{TaskControl, Tasks};
pub use trace::TraceId;
