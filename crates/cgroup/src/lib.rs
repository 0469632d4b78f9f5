//! Control groups v1 and v2 behind one trait: limits, devices, freezing, accounting, the news of an OOM kill.
//!
//! ```text
//!   linux.cgroupsPath ──open()──> Box<dyn Manager>       drivers/mod.rs: the one list of drivers
//!                                   │ create()            directories, one a controller (v1) or one (v2)
//!   linux.resources ────────────────┤ set()               drivers/*/plan.rs: values; file.rs: a thin hand writes them
//!                                   │ enter(pid)
//!                                   ▼
//!     state.json  <──────────── paths()  ──load()──> the same manager in a later process
//! ```
//!
//! Where systemd runs the machine it can make the group: a scope, asked for over D-Bus (`dbus`, `drivers/systemd`), over
//! the same file system drivers. There a group has a first process from its beginning: [`Manager::adopt`].
//!
//! On a hybrid machine, whose v2 hierarchy has no controllers, a container has a v2 group beside those of v1.
//!
//! Vocabulary, as in cgroups(7): a *hierarchy* is one mounted tree, a *controller* (v1: *subsystem*) governs one
//! resource, a *group* is a directory of a hierarchy, a *task* is a thread in it. Where v1 has a file and v2 another:
//!
//! | Resource | v1 | v2 |
//! |---|---|---|
//! | CPU weight | `cpu.shares` | `cpu.weight` |
//! | CPU quota | `cpu.cfs_quota_us`, `cpu.cfs_period_us` | `cpu.max` |
//! | Memory | `memory.limit_in_bytes` | `memory.max` |
//! | Memory and swap | `memory.memsw.limit_in_bytes` | `memory.swap.max` (swap alone) |
//! | Soft limit | `memory.soft_limit_in_bytes` | `memory.low` |
//! | Block weight | `blkio.weight`, `blkio.bfq.weight` | `io.bfq.weight`, `io.weight` |
//! | Throttles | `blkio.throttle.*` | `io.max` |
//! | Devices | `devices.allow`, `devices.deny` | an eBPF program |
//! | Freezer | `freezer.state` | `cgroup.freeze` |
//! | OOM | `memory.oom_control` with an eventfd | `memory.events` with inotify |
//!
//! Synchronous, without threads; every call is short, except freezing and deleting, which may wait for the kernel.
//!
//! ```no_run
//! use tierce_cgroup::{Driver, open};
//!
//! let group = open("/docker/4b825dc6", Driver::Cgroupfs, &Default::default())?;
//! group.refuse_occupied()?;
//! group.create()?;
//! group.set(&tierce_oci::runtime::Resources::default())?;
//! group.enter(std::process::id())?;
//! # Ok::<(), tierce_cgroup::Error>(())
//! ```

mod control;
mod conversion;
mod dbus;
mod devices;
mod drivers;
mod error;
mod file;
#[doc(hidden)] // for the fuzz targets
pub mod fuzzing;
mod hierarchy;
mod oom;
mod path;
mod plan;
mod present;
pub mod resctrl;
pub mod statistics;
mod stats;

pub use control::Manager;
pub use dbus::BusError;
pub use drivers::{Driver, load, open};
pub use error::Error;
pub use hierarchy::{Mode, mode, of_pid, own_text};
pub use oom::OomWatch;
pub use path::Paths;
pub use stats::{
    BlockIo, BlockIoEntry, Cpu, Cpuset, HugePages, Memory, MemoryCounter, Pids, Pressure, PressureLine, Rdma,
    RdmaEntry, Stats, Throttling,
};

/// What this crate answers.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests;
