//! Use-cases over containers, exec instances, images, networks, volumes, system and events.
//!
//! [`Engine`] is a bundle of services and has no verbs of its own; whoever serves a request takes the one service it
//! needs. Requests and answers are domain values: wire types and HTTP end in `api`.
//!
//! ```text
//!  containers ─┐                       ┌─ images (ImageSource)     names → image id and configuration
//!  execs ──────┤   Context: table of   ├─ rootfs (Rootfs)          the container's own layer
//!  images ─────┼── containers, locks, ─┼─ sandboxes (Sandboxes)    network namespace, addresses, ports
//!  networks ───┤   snapshots, events   ├─ volumes, leases
//!  volumes ────┤                       └─ tasks (Tasks, TaskControl): supervisor → shim → runtime
//!  system ─────┘
//! ```
//!
//! * A transition of one container holds that container's lock and no other; lists and inspects read immutable
//!   snapshots and hold none. One stuck container never delays another command.
//! * Verbs run to their end even when the one who asked goes away; each undoes its steps when a later one fails.
//! * The record on disk is written before the outcome is told wherever it must survive a power cut.

mod adapters;
mod archives;
mod commit;
pub mod container;
mod diagnosis;
mod engine;
mod error;
pub mod exec;
#[doc(hidden)] // for the fuzz targets
pub mod fuzzing;
pub mod image;
mod image_list;
pub mod metrics;
pub mod network;
pub mod parts;
mod presets;
mod runtimes;
pub mod system;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod volume;

pub use container::{Containers, checkpoint, record, requests};
pub use engine::{Config, Engine, Parts};
pub use error::{Error, Result};
pub use exec::{Exec, ExecCreate, ExecStart, Execs};
pub use image::Images;
pub use network::{Configuration, Ipam, Network, NetworkDetails, NetworkSpec, Networks, SubnetSpec};
pub use presets::Presets;
pub use runtimes::Runtimes;
pub use system::{ContainerCounts, HostInfo, Info, Logging, System, VolumeUsage};
pub use tierce_events::{Event, EventStream, Events, Filters, Subject, Watch};
pub use tierce_lifecycle as lifecycle;
pub use tierce_spec::init_program;
pub use tierce_task::TraceId;
pub use tierce_task::messages::{BlockCounter, CpuMetrics};
pub use volume::{Volume, VolumeCreate, Volumes};
