//! The typed requests and answers of the container verbs. Wire forms (query strings, JSON bodies) end in `api`.

use crate::container::record::{EndpointSettings, MountPoint, Record};
use std::collections::BTreeMap;
use std::sync::Arc;
use tierce_events::Filters;
use tierce_oci::container::{Config, HostConfig};
use tierce_task::TraceId;

/// What a new container is to be.
#[derive(Debug, Clone, Default)]
pub struct Create {
    /// Wanted name, with or without leading slash; absent: a generated one.
    pub name: Option<String>,
    /// `linux/amd64` and its like; absent: whatever the image is.
    pub platform: Option<String>,
    /// Directory of the host that is the root, instead of an image.
    pub rootfs: Option<String>,
    /// What runs. `image` names the image; the image's own configuration is merged into it.
    pub config: Config,
    /// How it is fenced and placed.
    pub host_config: HostConfig,
    /// Networks to join at start, by name; empty: the one of `host_config.network_mode`.
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// Read-only host paths are read-only themselves, but not what is mounted below them (before API 1.44).
    pub flat_read_only: bool,
    /// What joins the steps in the log; `None`: the one of the container's id.
    pub trace: Option<TraceId>,
}

/// A container that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its 64-hex id.
    pub id: String,
    /// What the caller should know though nothing failed.
    pub warnings: Vec<String>,
}

/// How to stop (also the first half of a restart).
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Name or number; absent: the container's own stop signal.
    pub signal: Option<String>,
    /// Seconds before SIGKILL; negative: never; absent: the container's own, else 10.
    pub timeout: Option<i64>,
}

/// How to remove.
#[derive(Debug, Clone, Copy, Default)]
pub struct Remove {
    /// Kill it first if it runs.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub volumes: bool,
    /// Remove the named link instead of the container (a default-bridge relic).
    pub link: bool,
}

/// What a waiter waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// Until it is not running; at once if it is not.
    #[default]
    NotRunning,
    /// Until its next exit, even if it is not running now.
    NextExit,
    /// Until it is removed.
    Removed,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOutcome {
    /// The exit status.
    pub status: i64,
    /// Why the wait itself could not be completed (a removal that failed).
    pub error: Option<String>,
}

/// Which streams to attach.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attach {
    /// Forward stdin.
    pub stdin: bool,
    /// Deliver stdout.
    pub stdout: bool,
    /// Deliver stderr.
    pub stderr: bool,
    /// Connect to the live process (otherwise only `logs`).
    pub stream: bool,
    /// Send what was logged so far first.
    pub logs: bool,
}

/// What of the log is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogRequest {
    /// Lines of stdout.
    pub stdout: bool,
    /// Lines of stderr.
    pub stderr: bool,
    /// Go on with new lines until the container stops.
    pub follow: bool,
    /// Only lines of that time or later.
    pub since: Option<std::time::SystemTime>,
    /// Only lines of that time or earlier.
    pub until: Option<std::time::SystemTime>,
    /// Only the last so many lines.
    pub tail: Option<usize>,
}

/// Which stream a log line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One logged line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it came from.
    pub source: LogSource,
    /// When the shim read it.
    pub at: std::time::SystemTime,
    /// Its bytes, with the newline where there was one.
    pub bytes: Vec<u8>,
    /// Extra attributes of the log driver (`--details`).
    pub details: BTreeMap<String, String>,
}

/// The lines of a log as they are read. Dropping it ends the reading.
#[derive(Debug)]
pub struct Logs {
    /// Whether the container has a TTY (its log has one stream, sent without frames).
    pub tty: bool,
    /// The lines; an error ends them.
    pub lines: tokio::sync::mpsc::Receiver<Result<LogLine, crate::Error>>,
}

/// Which containers to list.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// Also those that do not run.
    pub all: bool,
    /// Only the newest so many (implies `all`); 0 or absent: all.
    pub limit: Option<usize>,
    /// Fill in the sizes.
    pub size: bool,
    /// Docker's `ps` filters.
    pub filters: Filters,
}

/// One row of a list.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The container as it was when the list was made.
    pub record: Arc<Record>,
    /// Its host configuration.
    pub host_config: Arc<HostConfig>,
    /// What other containers call it by their links, `/web/data`.
    pub other_names: Vec<String>,
    /// The image as the user knows it: the name it was made with, or the id when that name now means another image.
    pub image: String,
    /// Its mounts, with the places where volumes are today.
    pub mounts: Vec<MountPoint>,
    /// Bytes that the container added, where asked for.
    pub size_rw: Option<u64>,
    /// Those and the bytes of its image, where asked for.
    pub size_root_fs: Option<u64>,
}

/// All that is known about one container.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The persisted record.
    pub record: Arc<Record>,
    /// The host configuration.
    pub host_config: Arc<HostConfig>,
    /// Name of the storage driver.
    pub graph_driver: String,
    /// What the storage driver tells about the container's root (`LowerDir`, `UpperDir`, …).
    pub graph_data: BTreeMap<String, String>,
    /// Its mounts, with the places where volumes are today.
    pub mounts: Vec<MountPoint>,
    /// Ids of its exec instances.
    pub exec_ids: Vec<String>,
    /// Bytes that the container added, where asked for.
    pub size_rw: Option<u64>,
    /// Those and the bytes of its image, where asked for.
    pub size_root_fs: Option<u64>,
}

/// New limits and restart policy of a container: members that are absent or zero stay as they are.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// The resource members and the restart policy are looked at, the rest ignored.
    pub host_config: HostConfig,
    /// Whether `host_config.restart_policy` was given.
    pub restart_policy_given: bool,
}

/// What a prune removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ids (or names, for volumes) of what was removed.
    pub removed: Vec<String>,
    /// Bytes given back.
    pub space_reclaimed: u64,
}

pub use tierce_layer::{Change as Difference, ChangeKind as DifferenceKind};
