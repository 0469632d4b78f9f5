//! Health on the wire: ours alone, containerd knows nothing of it.

use std::time::Duration;

use super::Timestamp;
use crate::{Health, HealthCheck, HealthStatus, ProbeResult};

/// [`HealthCheck`] among the options of a create request.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HealthOptions {
    /// The probe's process document, as JSON.
    #[prost(bytes = "vec", tag = "1")]
    pub process: Vec<u8>,
    /// Nanoseconds.
    #[prost(uint64, tag = "2")]
    pub interval: u64,
    /// Nanoseconds.
    #[prost(uint64, tag = "3")]
    pub timeout: u64,
    /// Nanoseconds.
    #[prost(uint64, tag = "4")]
    pub start_period: u64,
    /// Nanoseconds.
    #[prost(uint64, tag = "5")]
    pub start_interval: u64,
    /// Failures in a row.
    #[prost(uint32, tag = "6")]
    pub retries: u32,
    /// Earlier probes.
    #[prost(message, repeated, tag = "7")]
    pub log: Vec<ProbeMessage>,
}

/// [`Health`] on the wire.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HealthMessage {
    /// 0 starting, 1 healthy, 2 unhealthy.
    #[prost(uint32, tag = "1")]
    pub status: u32,
    /// Failures in a row that counted.
    #[prost(uint32, tag = "2")]
    pub failing_streak: u32,
    /// The last probes, oldest first.
    #[prost(message, repeated, tag = "3")]
    pub log: Vec<ProbeMessage>,
}

/// [`ProbeResult`] on the wire.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProbeMessage {
    /// When it began.
    #[prost(message, optional, tag = "1")]
    pub start: Option<Timestamp>,
    /// When it ended.
    #[prost(message, optional, tag = "2")]
    pub end: Option<Timestamp>,
    /// Its exit code, or −1.
    #[prost(int32, tag = "3")]
    pub exit_code: i32,
    /// What it printed.
    #[prost(string, tag = "4")]
    pub output: String,
}

/// A probe began.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskProbeStarted {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The probe's own id, of the form of an exec's.
    #[prost(string, tag = "2")]
    pub probe_id: String,
}

/// A probe ended, or could not begin.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskProbeEnded {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The probe's own id.
    #[prost(string, tag = "2")]
    pub probe_id: String,
    /// As a shell shows it; absent: nothing ran.
    #[prost(uint32, optional, tag = "3")]
    pub exit_status: Option<u32>,
    /// How the container is now.
    #[prost(message, optional, tag = "4")]
    pub health: Option<HealthMessage>,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl TryFrom<&HealthCheck> for HealthOptions {
    type Error = serde_json::Error;

    fn try_from(check: &HealthCheck) -> Result<Self, Self::Error> {
        Ok(Self {
            process: serde_json::to_vec(&check.process)?,
            interval: nanoseconds(check.interval),
            timeout: nanoseconds(check.timeout),
            start_period: nanoseconds(check.start_period),
            start_interval: nanoseconds(check.start_interval),
            retries: check.retries,
            log: check.log.iter().map(ProbeMessage::from).collect(),
        })
    }
}

impl TryFrom<HealthOptions> for HealthCheck {
    type Error = serde_json::Error;

    fn try_from(options: HealthOptions) -> Result<Self, Self::Error> {
        Ok(Self {
            process: serde_json::from_slice(&options.process)?,
            interval: Duration::from_nanos(options.interval),
            timeout: Duration::from_nanos(options.timeout),
            start_period: Duration::from_nanos(options.start_period),
            start_interval: Duration::from_nanos(options.start_interval),
            retries: options.retries.max(1),
            log: options.log.into_iter().map(ProbeResult::from).collect(),
        })
    }
}

impl From<&ProbeResult> for ProbeMessage {
    fn from(result: &ProbeResult) -> Self {
        Self {
            start: Some(result.start.into()),
            end: Some(result.end.into()),
            exit_code: result.exit_code,
            output: result.output.clone(),
        }
    }
}

impl From<ProbeMessage> for ProbeResult {
    fn from(message: ProbeMessage) -> Self {
        Self {
            start: message.start.unwrap_or_default().into(),
            end: message.end.unwrap_or_default().into(),
            exit_code: message.exit_code,
            output: message.output,
        }
    }
}

impl From<&Health> for HealthMessage {
    fn from(health: &Health) -> Self {
        Self {
            status: health.status as u32,
            failing_streak: health.failing_streak,
            log: health.log.iter().map(ProbeMessage::from).collect(),
        }
    }
}

impl From<HealthMessage> for Health {
    fn from(message: HealthMessage) -> Self {
        Self {
            status: match message.status {
                0 => HealthStatus::Starting,
                1 => HealthStatus::Healthy,
                _ => HealthStatus::Unhealthy,
            },
            failing_streak: message.failing_streak,
            log: message.log.into_iter().map(ProbeResult::from).collect(),
        }
    }
}
