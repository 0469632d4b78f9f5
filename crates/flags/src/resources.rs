//! Flags about limits and devices.

use super::blocks::BlockFlags;
use super::devices::DeviceFlags;
use super::elsewhere::ElsewhereFlags;
use crate::Error;
use clap::Args;
use tierce_api_types::container::HostConfig;
use tierce_oci::container::{ResourceConfig, Ulimit};
use tierce_oci::parse_bytes;

#[derive(Debug, Args)]
pub(crate) struct ResourceFlags {
    /// Memory limit
    #[arg(short, long, value_name = "bytes", value_parser = parse_bytes)]
    memory: Option<i64>,
    /// Memory soft limit
    #[arg(long, value_name = "bytes", value_parser = parse_bytes)]
    memory_reservation: Option<i64>,
    /// Swap limit equal to memory plus swap: '-1' to enable unlimited swap
    #[arg(long, value_name = "bytes", value_parser = parse_swap, allow_hyphen_values = true)]
    memory_swap: Option<i64>,
    /// Tune container memory swappiness (0 to 100)
    #[arg(long, value_name = "int", default_value = "-1", allow_negative_numbers = true)]
    memory_swappiness: i64,
    #[command(flatten)]
    cpu: CpuFlags,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "int", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// Disable OOM Killer
    #[arg(long)]
    oom_kill_disable: bool,
    /// Tune host's OOM preferences (-1000 to 1000)
    #[arg(
        long,
        value_name = "int",
        default_value = "0",
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    oom_score_adj: i32,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes", value_parser = parse_bytes)]
    shm_size: Option<i64>,
    /// Ulimit options
    #[arg(long, value_name = "ulimit")]
    ulimit: Vec<Ulimit>,
    #[command(flatten)]
    devices: DeviceFlags,
    #[command(flatten)]
    blocks: BlockFlags,
    #[command(flatten)]
    elsewhere: ElsewhereFlags,
    /// Optional parent cgroup for the container
    #[arg(long, default_value = "", hide_default_value = true)]
    cgroup_parent: String,
}

/// Flags about processors, which `update` has too.
#[derive(Debug, Args)]
pub struct CpuFlags {
    /// Number of CPUs
    #[arg(long, value_name = "decimal", value_parser = parse_cpus)]
    cpus: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(
        short = 'c',
        long,
        value_name = "int",
        default_value = "0",
        hide_default_value = true
    )]
    cpu_shares: i64,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "int", default_value = "0", hide_default_value = true)]
    cpu_period: i64,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(
        long,
        value_name = "int",
        default_value = "0",
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    cpu_quota: i64,
    /// Limit CPU real-time period in microseconds
    #[arg(long, value_name = "int", default_value = "0", hide_default_value = true)]
    cpu_rt_period: i64,
    /// Limit CPU real-time runtime in microseconds
    #[arg(long, value_name = "int", default_value = "0", hide_default_value = true)]
    cpu_rt_runtime: i64,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, default_value = "", hide_default_value = true)]
    cpuset_cpus: String,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, default_value = "", hide_default_value = true)]
    cpuset_mems: String,
}

impl CpuFlags {
    /// Puts them into the limits of a container.
    pub fn apply(&self, resources: &mut ResourceConfig) {
        resources.nano_cpus = self.cpus.unwrap_or_default();
        resources.cpu_shares = self.cpu_shares;
        resources.cpu_period = self.cpu_period;
        resources.cpu_quota = self.cpu_quota;
        resources.cpu_realtime_period = self.cpu_rt_period;
        resources.cpu_realtime_runtime = self.cpu_rt_runtime;
        resources.cpuset_cpus.clone_from(&self.cpuset_cpus);
        resources.cpuset_mems.clone_from(&self.cpuset_mems);
    }
}

impl ResourceFlags {
    pub(crate) fn apply(&self, host: &mut HostConfig) -> Result<(), Error> {
        if !(-1..=100).contains(&self.memory_swappiness) {
            return Err(Error::usage(format!(
                "invalid value: {}. Valid memory swappiness range is 0-100",
                self.memory_swappiness
            )));
        }
        let resources = &mut host.resources;
        resources.memory = self.memory.unwrap_or_default();
        resources.memory_reservation = self.memory_reservation.unwrap_or_default();
        resources.memory_swap = self.memory_swap.unwrap_or_default();
        resources.memory_swappiness = (self.memory_swappiness != -1).then_some(self.memory_swappiness);
        self.cpu.apply(resources);
        resources.pids_limit = self.pids_limit;
        resources.oom_kill_disable = Some(self.oom_kill_disable);
        resources.ulimits = Some(self.ulimit.clone());
        self.devices.apply(resources)?;
        self.blocks.apply(resources);
        resources.cgroup_parent.clone_from(&self.cgroup_parent);
        self.elsewhere.apply(host)?;
        host.oom_score_adj = self.oom_score_adj;
        host.shm_size = self.shm_size.unwrap_or_default();
        Ok(())
    }
}

/// A size, or -1 for no limit.
pub fn parse_swap(text: &str) -> Result<i64, String> {
    if text == "-1" { Ok(-1) } else { parse_bytes(text) }
}

/// Decimal processors in units of 10⁻⁹.
fn parse_cpus(text: &str) -> Result<i64, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(format!("failed to parse {text} as a rational number"));
    }
    if fraction.len() > 9 {
        return Err("value is too precise".to_owned());
    }
    let too_large = |_| format!("value {text} is too large");
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(too_large)?
    };
    let fraction: i64 = format!("{fraction:0<9}").parse().map_err(too_large)?;
    whole
        .checked_mul(1_000_000_000)
        .and_then(|nano| nano.checked_add(fraction))
        .ok_or(format!("value {text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_exact() {
        assert_eq!(parse_cpus("1.5"), Ok(1_500_000_000));
        assert_eq!(parse_cpus(".01"), Ok(10_000_000));
        for text in ["", ".", "x", "1.0000000001", "99999999999999"] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }
}
