//! `stats`: one reading of a container's resource use.

use super::context::Context;
use crate::error::{Error, Result};
use std::time::SystemTime;
use tierce_task::messages::Metrics;

/// One reading. How it becomes Docker's JSON (rates, percentages) is the business of who asked.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Id of the container.
    pub id: String,
    /// Its name, with slash.
    pub name: String,
    /// When it was read.
    pub read: SystemTime,
    /// The control group's numbers; `None` when the container does not run.
    pub metrics: Option<Metrics>,
    /// Nanoseconds that all processors of the host have worked since boot.
    pub system_cpu: u64,
    /// Processors online.
    pub online_cpus: usize,
    /// Interface counters, by name.
    pub interfaces: Vec<Interface>,
}

/// Counters of one interface since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// `eth0`
    pub name: String,
    /// Bytes, packets, errors, drops received.
    pub received: [u64; 4],
    /// Bytes, packets, errors, drops sent.
    pub sent: [u64; 4],
}

/// See [`super::Containers::stats`].
pub(crate) async fn stats(context: &Context, name: &str) -> Result<Stats> {
    let container = context.find(name)?;
    let record = &container.snapshot().record;
    let alive = record.state.is_alive();
    let metrics = if alive {
        Some(context.control.stats(&container.id).await.map_err(Error::below)?)
    } else {
        None
    };
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    // /proc files are answered from memory: reading them does not block.
    let interfaces = if alive {
        interfaces(&text(&format!("/proc/{}/net/dev", record.state.pid)))
    } else {
        Vec::new()
    };
    Ok(Stats {
        id: container.id.clone(),
        name: record.name.clone(),
        read: SystemTime::now(),
        metrics,
        system_cpu: system_cpu(&text("/proc/stat")),
        online_cpus: context.capacity.cpus,
        interfaces,
    })
}

/// The work of all processors: the first line of /proc/stat, in clock ticks of 10 ms (proc(5)).
fn system_cpu(stat: &str) -> u64 {
    const NANOSECONDS_PER_TICK: u64 = 10_000_000;
    let fields = stat
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("cpu "))
        .unwrap_or_default();
    // user nice system idle iowait irq softirq steal, as Docker counts; guest time is in user already.
    let ticks: u64 = fields
        .split_whitespace()
        .take(8)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks.saturating_mul(NANOSECONDS_PER_TICK)
}

/// /proc/net/dev without the loopback interface.
fn interfaces(text: &str) -> Vec<Interface> {
    text.lines()
        .skip(2)
        .filter_map(|line| {
            let (name, counters) = line.split_once(':')?;
            let counters: Vec<u64> = counters
                .split_whitespace()
                .filter_map(|field| field.parse().ok())
                .collect();
            let name = name.trim();
            let received = counters.get(..4)?.try_into().ok()?;
            let sent = counters.get(8..12)?.try_into().ok()?;
            (name != "lo").then(|| Interface {
                name: name.to_owned(),
                received,
                sent,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        assert_eq!(system_cpu("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n"), 36 * 10_000_000);
        let text =
            "Inter-|\n face |\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 10 2 3 4 0 0 0 0 20 5 6 7 0 0 0 0\n";
        let found = interfaces(text);
        assert_eq!(
            found,
            [Interface {
                name: "eth0".into(),
                received: [10, 2, 3, 4],
                sent: [20, 5, 6, 7]
            }]
        );
        assert_eq!(system_cpu(""), 0);
    }
}
