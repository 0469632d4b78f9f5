//! The messages of containerd's shim protocol, version 3.
//!
//! Names, tags and types are those of containerd's `api/runtime/task/v3/shim.proto`, `api/events/task.proto`,
//! `api/types/{mount,event}.proto` and of ttrpc's `request.proto`; version 2 of the service has the same messages. The
//! derives stand here instead of generated code so that building needs no `protoc`. Fields numbered from 1000 on are
//! ours: containerd never uses such numbers and every protobuf reader skips fields it does not know.

mod cgroups;
mod events;
mod health;
mod metrics;
mod task;
mod wellknown;

pub use cgroups::{V1_METRICS, V2_METRICS, v1, v2};
pub use events::{
    Envelope, ForwardRequest, TaskCheckpointed, TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit,
    TaskIo,
};
pub use events::{TaskOom, TaskPaused, TaskResumed, TaskStart};
pub use health::{HealthMessage, HealthOptions, ProbeMessage, TaskProbeEnded, TaskProbeStarted};
pub use metrics::{BlockCounter, CpuMetrics, MemoryMetrics, Metrics, PidsMetrics};
pub use task::{
    CheckpointTaskRequest, CloseIoRequest, ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse,
    DeleteRequest, DeleteResponse, ExecOptions, ExecProcessRequest, KillRequest, MountMessage, PauseRequest,
    PidsRequest, PidsResponse, ProcessInfo, ResizePtyRequest, ResumeRequest, ShutdownRequest, StartRequest,
    StartResponse, StateRequest, StateResponse, StatsRequest, StatsResponse, Status, UpdateTaskRequest, WaitRequest,
    WaitResponse,
};
pub use wellknown::{Any, Empty, KeyValue, Request, Response, StatusMessage, Timestamp};

#[cfg(test)]
mod tests;
