//! The `process` member: what runs in the container and as whom. Source: runtime-spec `config.md#process`.

use crate::{is_default, null_is_default};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A process of a container: the first one, or one that is executed later.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether it gets a pseudo-terminal.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub terminal: bool,
    /// First size of that terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// As whom it runs.
    #[serde(default, deserialize_with = "null_is_default")]
    pub user: User,
    /// Program and arguments.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment, `NAME=value`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Working directory, absolute, inside the container.
    #[serde(default, deserialize_with = "null_is_default")]
    pub cwd: PathBuf,
    /// Capability sets; absent: what the user would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Resource limits.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub rlimits: Vec<Rlimit>,
    /// Whether `execve` may grant privileges.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub no_new_privileges: bool,
    /// AppArmor profile entered at `execve`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub apparmor_profile: String,
    /// Badness offset of the OOM killer, -1000 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// Scheduling policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// SELinux label entered at `execve`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub selinux_label: String,
    /// I/O scheduling class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// CPUs for a process that is executed later.
    #[serde(rename = "execCPUAffinity", skip_serializing_if = "Option::is_none")]
    pub exec_cpu_affinity: Option<ExecCpuAffinity>,
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
}

/// As whom a process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// User id inside the container.
    #[serde(default, deserialize_with = "null_is_default")]
    pub uid: u32,
    /// Group id inside the container.
    #[serde(default, deserialize_with = "null_is_default")]
    pub gid: u32,
    /// File mode creation mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Supplementary groups.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub additional_gids: Vec<u32>,
    /// User name (used by other operating systems only).
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub username: String,
}

/// The five capability sets, as names (`CAP_CHOWN`). See capabilities(7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// What the process and its children can ever gain.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub bounding: Vec<String>,
    /// What the kernel checks.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub effective: Vec<String>,
    /// What a file with inheritable capabilities may pass on.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub inheritable: Vec<String>,
    /// What the process may make effective.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub permitted: Vec<String>,
    /// What survives the `execve` of an unprivileged program.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub ambient: Vec<String>,
}

/// One resource limit, see setrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE` and its like.
    #[serde(rename = "type")]
    pub kind: String,
    /// Ceiling of the soft limit.
    pub hard: u64,
    /// What the kernel enforces.
    pub soft: u64,
}

/// Scheduling attributes, see sched_setattr(2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// `SCHED_OTHER` and its like.
    pub policy: String,
    /// Nice value of SCHED_OTHER and SCHED_BATCH.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub nice: i32,
    /// Static priority of the real-time policies.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub priority: i32,
    /// `SCHED_FLAG_RESET_ON_FORK` and its like.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Nanoseconds, SCHED_DEADLINE.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub runtime: u64,
    /// Nanoseconds, SCHED_DEADLINE.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub deadline: u64,
    /// Nanoseconds, SCHED_DEADLINE.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub period: u64,
}

/// I/O scheduling class and level, see ioprio_set(2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoPriority {
    /// `IOPRIO_CLASS_RT`, `_BE` or `_IDLE`.
    pub class: String,
    /// Level inside the class, 0 to 7.
    #[serde(default, deserialize_with = "null_is_default")]
    pub priority: i32,
}

/// CPU lists (`0-3,7`) for a process that joins the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecCpuAffinity {
    /// While the runtime joins the container.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub initial: String,
    /// Once it is in the container's control group.
    #[serde(
        rename = "final",
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub last: String,
}
