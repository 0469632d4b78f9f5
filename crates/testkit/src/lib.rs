//! Helpers of the tests: temporary roots, a registry, images, daemons, leak checks.
//!
//! Helpers panic with a reason when something is wrong, as tests do; what a machine may lack is reported so that the
//! test can say why it did not run.

mod attach;
mod command;
mod daemon;
mod disk;
mod dockerd;
mod host;
mod hung;
mod image;
mod leaks;
mod registry;
mod supervisor;

// For the tests of single rooms, which have no host of their own: a disk that loses power, an HTTP server that
// misbehaves on demand, images with every detail in the test's hand, and the real registry on a free port.
pub mod data_root;
pub mod fake_server;
pub mod layout;
pub mod loopback;
pub mod power;

pub use attach::attach_echoes;
pub use command::{Output, Run, binary, missing_tool, wait_until};
pub use daemon::{Daemon, daemon_on, daemon_with_supervisor};
pub use disk::Disk;
pub use dockerd::Dockerd;
pub use host::Host;
pub use hung::HungMount;
pub use image::{Compression, Entry, ImageBuilder};
pub use leaks::Snapshot;
pub use registry::Registry;
pub use supervisor::Supervisor;
