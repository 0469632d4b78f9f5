//! Containers.
//!
//! The two big documents, [`Config`] and [`HostConfig`], are also what Docker keeps on disk, and live in `tierce-oci`.

mod create;
mod inspect;
mod lifecycle;
mod path;
mod stats;
mod summary;
mod why;

pub use create::{CreateRequest, CreateResponse, NetworkingConfig};
pub use inspect::{
    Address, ContainerInspect, ContainerState, GraphDriver, Health, HealthResult, MountPoint, NetworkSettings,
};
pub use lifecycle::{
    Change, Checkpoint, CheckpointRequest, ContainersPruned, TopResponse, UpdateRequest, UpdateResponse, WaitCondition,
    WaitError, WaitResponse,
};
pub use path::{PathStat, file_mode};
pub use stats::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, StatsResponse, ThrottlingData,
};
pub use summary::{ContainerSummary, Port, SummaryHostConfig, SummaryNetworkSettings};
pub use tierce_oci::container::{Config, HostConfig};
pub use why::{WhyFinding, WhyResponse};
