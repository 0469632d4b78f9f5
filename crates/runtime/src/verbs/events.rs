//! `events`: statistics and out-of-memory news, one JSON object a line, in runc's form.

use super::{Globals, state};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::state::Home;
use rustix::event::{PollFd, PollFlags, Timespec};
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};
use tierce_cgroup::{BlockIoEntry, MemoryCounter, Stats};

fn counter(counter: &MemoryCounter) -> Value {
    json!({"limit": counter.limit, "usage": counter.usage, "max": counter.max_usage, "failcnt": counter.failures})
}

fn entries(entries: &[BlockIoEntry]) -> Value {
    entries
        .iter()
        .map(|one| json!({"major": one.major, "minor": one.minor, "op": one.operation, "value": one.value}))
        .collect()
}

/// The members of runc's `types/events.go`.
fn data(stats: &Stats) -> Value {
    let throttling = &stats.cpu.throttling;
    let hugetlb: serde_json::Map<String, Value> = stats
        .huge_pages
        .iter()
        .map(|(size, use_)| {
            (
                size.clone(),
                json!({"usage": use_.usage, "max": use_.max_usage, "failcnt": use_.failures}),
            )
        })
        .collect();
    json!({
        "cpu": {
            "usage": {
                "total": stats.cpu.usage, "percpu": stats.cpu.per_cpu, "percpu_kernel": stats.cpu.per_cpu_system,
                "percpu_user": stats.cpu.per_cpu_user, "kernel": stats.cpu.system, "user": stats.cpu.user,
            },
            "throttling": {
                "periods": throttling.periods, "throttledPeriods": throttling.throttled_periods,
                "throttledTime": throttling.throttled_time,
            },
        },
        "memory": {
            "cache": stats.memory.cache, "usage": counter(&stats.memory.usage), "swap": counter(&stats.memory.swap),
            "kernel": counter(&stats.memory.kernel), "kernelTCP": counter(&stats.memory.kernel_tcp),
            "raw": stats.memory.stats,
        },
        "pids": {"current": stats.pids.current, "limit": stats.pids.limit},
        "blkio": {
            "ioServiceBytesRecursive": entries(&stats.block_io.service_bytes),
            "ioServicedRecursive": entries(&stats.block_io.serviced),
        },
        "hugetlb": hugetlb,
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

fn emit(kind: &str, id: &str, data: Option<Value>) -> Result<(), Error> {
    let mut event = json!({"type": kind, "id": id});
    if let Some(data) = data {
        event["data"] = data;
    }
    writeln!(std::io::stdout(), "{event}").doing(|| "write to standard output".into())
}

fn duration(text: &str) -> Result<Duration, Error> {
    let wrong = || Error::Usage(format!("invalid interval {text:?}: give a number with ms, s or m"));
    let (digits, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(wrong()),
    };
    if duration.is_zero() { Err(wrong()) } else { Ok(duration) }
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut once, mut interval, mut words) = (false, Duration::from_secs(5), Vec::new());
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Flag(flag) => match flag.as_str() {
                "stats" => once = arguments.truth()?,
                "interval" => interval = duration(&arguments.value()?)?,
                _ => return arguments.unknown(),
            },
        }
    }
    let (id, _) = super::container_id("events", words, 0)?;
    let record = Home::of(&globals.root, &id)?.load()?;
    let pidfd = record.pidfd()?;
    let group = state::group(&record);
    if once {
        emit("stats", &id, Some(data(&group.stats()?)))?;
        return Ok(0);
    }
    let mut watch = group.watch_oom()?;
    let mut next = Instant::now() + interval;
    loop {
        let left = next.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut waiting = [PollFd::new(&watch, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
        rustix::event::poll(&mut waiting, Some(&left)).doing(|| "wait for events".into())?;
        let ended = !waiting[1].revents().is_empty();
        if watch.rose()? {
            emit("oom", &id, None)?;
        }
        if ended {
            return Ok(0);
        }
        if Instant::now() >= next {
            emit("stats", &id, Some(data(&group.stats()?)))?;
            next = Instant::now() + interval;
        }
    }
}
