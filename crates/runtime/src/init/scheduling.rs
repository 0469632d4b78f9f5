//! Scheduling policy, I/O priority, CPU affinity, NUMA policy, execution domain.

use super::{Init, Role};
use crate::error::{Doing, Error};
use tierce_oci::runtime::{IoPriority, MemoryPolicy, Scheduler};
use tierce_sys::scheduling::{self as kernel, Attributes, Domain};

/// Sets whatever the documents ask for.
pub(super) fn scheduling(init: &mut Init<'_>) -> Result<(), Error> {
    let process = &init.program.process;
    if let Some(scheduler) = &process.scheduler {
        kernel::set_policy(&attributes(scheduler)?).doing(|| format!("set scheduler {}", scheduler.policy))?;
    }
    if let Some(priority) = &process.io_priority {
        let (class, level) = io_priority(priority)?;
        kernel::set_io_priority(class, level).doing(|| format!("set I/O priority {}", priority.class))?;
    }
    match init.role {
        Role::First(container) => {
            if let Some(personality) = &container.linux.personality {
                let domain = match personality.domain.as_str() {
                    "LINUX" => Domain::Linux,
                    "LINUX32" => Domain::Linux32,
                    other => return Err(Error::Invalid(format!("unknown personality domain {other:?}"))),
                };
                kernel::set_domain(domain).doing(|| "set personality".into())?;
            }
            if let Some(policy) = &container.linux.memory_policy {
                memory_policy(policy)?;
            }
        }
        Role::Further { .. } => {
            let affinity = process.exec_cpu_affinity.as_ref();
            if let Some(list) = affinity
                .map(|affinity| affinity.last.as_str())
                .filter(|list| !list.is_empty())
            {
                let mut set = rustix::thread::CpuSet::new();
                for cpu in numbers(list)? {
                    if cpu < rustix::thread::CpuSet::MAX_CPU {
                        set.set(cpu);
                    }
                }
                rustix::thread::sched_setaffinity(None, &set).doing(|| format!("set CPU affinity {list}"))?;
            }
        }
    }
    Ok(())
}

fn attributes(scheduler: &Scheduler) -> Result<Attributes, Error> {
    let policy = match scheduler.policy.as_str() {
        "SCHED_OTHER" => 0,
        "SCHED_FIFO" => 1,
        "SCHED_RR" => 2,
        "SCHED_BATCH" => 3,
        "SCHED_ISO" => 4,
        "SCHED_IDLE" => 5,
        "SCHED_DEADLINE" => 6,
        other => return Err(Error::Invalid(format!("invalid scheduler policy {other:?}"))),
    };
    let mut flags = 0;
    for flag in &scheduler.flags {
        flags |= match flag.as_str() {
            "SCHED_FLAG_RESET_ON_FORK" => 0x01,
            "SCHED_FLAG_RECLAIM" => 0x02,
            "SCHED_FLAG_DL_OVERRUN" => 0x04,
            "SCHED_FLAG_KEEP_POLICY" => 0x08,
            "SCHED_FLAG_KEEP_PARAMS" => 0x10,
            "SCHED_FLAG_UTIL_CLAMP_MIN" => 0x20,
            "SCHED_FLAG_UTIL_CLAMP_MAX" => 0x40,
            other => return Err(Error::Invalid(format!("invalid scheduler flag {other:?}"))),
        };
    }
    Ok(Attributes {
        policy,
        flags,
        nice: scheduler.nice,
        priority: u32::try_from(scheduler.priority)
            .map_err(|_| Error::Invalid("scheduler priority is negative".into()))?,
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
        ..Attributes::default()
    })
}

fn io_priority(priority: &IoPriority) -> Result<(u8, u8), Error> {
    let class = match priority.class.as_str() {
        "IOPRIO_CLASS_RT" => 1,
        "IOPRIO_CLASS_BE" => 2,
        "IOPRIO_CLASS_IDLE" => 3,
        other => return Err(Error::Invalid(format!("invalid ioPriority.class: {other}"))),
    };
    match u8::try_from(priority.priority) {
        Ok(level @ 0..=7) => Ok((class, level)),
        _ => Err(Error::Invalid(format!(
            "invalid ioPriority.priority: {}",
            priority.priority
        ))),
    }
}

fn memory_policy(policy: &MemoryPolicy) -> Result<(), Error> {
    let mut mode = match policy.mode.as_str() {
        "MPOL_DEFAULT" => 0,
        "MPOL_PREFERRED" => 1,
        "MPOL_BIND" => 2,
        "MPOL_INTERLEAVE" => 3,
        "MPOL_LOCAL" => 4,
        "MPOL_PREFERRED_MANY" => 5,
        "MPOL_WEIGHTED_INTERLEAVE" => 6,
        other => return Err(Error::Invalid(format!("invalid memory policy mode {other:?}"))),
    };
    for flag in &policy.flags {
        mode |= match flag.as_str() {
            "MPOL_F_STATIC_NODES" => 1 << 15,
            "MPOL_F_RELATIVE_NODES" => 1 << 14,
            "MPOL_F_NUMA_BALANCING" => 1 << 13,
            other => return Err(Error::Invalid(format!("invalid memory policy flag {other:?}"))),
        };
    }
    let mut mask = Vec::new();
    for node in numbers(&policy.nodes)? {
        if mask.len() <= node / 64 {
            mask.resize(node / 64 + 1, 0u64);
        }
        mask[node / 64] |= 1 << (node % 64);
    }
    kernel::set_memory_policy(mode, &mask).doing(|| format!("set memory policy {}", policy.mode))
}

/// Reads a list of the form `0-3,7`.
fn numbers(list: &str) -> Result<Vec<usize>, Error> {
    const HIGHEST: usize = 4096;
    let wrong = || Error::Invalid(format!("invalid list {list:?}"));
    let mut numbers = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        if first > last || last > HIGHEST {
            return Err(wrong());
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(numbers("0-2,7").expect("a list"), [0, 1, 2, 7]);
        assert!(numbers("3-1").is_err() && numbers("0-99999999").is_err() && numbers("x").is_err());
    }
}
