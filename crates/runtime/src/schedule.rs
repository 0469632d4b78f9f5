//! How a process is scheduled and where its memory lies: the document's `scheduler`, `ioPriority`, `execCPUAffinity`,
//! `personality` and `memoryPolicy`, checked in the parent and turned into what the kernel takes.

use crate::error::Error;
use rustix::thread::CpuSet;
use tierce_oci::runtime::{IoPriority, Linux, MemoryPolicy, Process, Scheduler};
use tierce_sys::scheduling::{Attributes, Domain};

/// The highest number of a CPU or NUMA node in a list; more than any machine has.
const HIGHEST: usize = 4096;

/// A process's place among others, decided. What is `None` stays as the runtime's caller has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schedule {
    /// Scheduling policy.
    pub(crate) policy: Option<Attributes>,
    /// I/O class and level.
    pub(crate) io_priority: Option<(u8, u8)>,
    /// CPUs of a further process before it enters its control group.
    pub(crate) initial_cpus: Option<CpuSet>,
    /// CPUs of a further process in its control group.
    pub(crate) final_cpus: Option<CpuSet>,
    /// NUMA policy: mode with flags, and the mask of nodes.
    pub(crate) memory: Option<(u32, Vec<u64>)>,
    /// Execution domain.
    pub(crate) domain: Option<Domain>,
    /// Whether the container's control group has CPUs of its own, on which some policies cannot work.
    pub(crate) has_cpu_group: bool,
}

impl Schedule {
    /// Reads the documents.
    ///
    /// # Errors
    /// [`Error::Invalid`], with runc's texts where it has one.
    pub(crate) fn of(process: &Process, linux: Option<&Linux>) -> Result<Self, Error> {
        let affinity = process.exec_cpu_affinity.as_ref();
        let resources = linux.and_then(|linux| linux.resources.as_ref());
        Ok(Self {
            policy: process.scheduler.as_ref().map(policy).transpose()?,
            io_priority: process.io_priority.as_ref().map(io_priority).transpose()?,
            initial_cpus: affinity
                .map(|affinity| cpus("Initial", &affinity.initial))
                .transpose()?
                .flatten(),
            final_cpus: affinity
                .map(|affinity| cpus("Final", &affinity.last))
                .transpose()?
                .flatten(),
            memory: linux
                .and_then(|linux| linux.memory_policy.as_ref())
                .map(memory)
                .transpose()?,
            domain: linux
                .and_then(|linux| linux.personality.as_ref())
                .map(|personality| domain(&personality.domain))
                .transpose()?,
            has_cpu_group: resources
                .and_then(|resources| resources.cpu.as_ref())
                .is_some_and(|cpu| !cpu.cpus.is_empty()),
        })
    }
}

fn invalid<T>(text: String) -> Result<T, Error> {
    Err(Error::Invalid(text))
}

fn policy(scheduler: &Scheduler) -> Result<Attributes, Error> {
    let name = scheduler.policy.as_str();
    let policy = match name {
        "" => return invalid("scheduler policy is required".into()),
        "SCHED_OTHER" => 0,
        "SCHED_FIFO" => 1,
        "SCHED_RR" => 2,
        "SCHED_BATCH" => 3,
        "SCHED_ISO" => 4,
        "SCHED_IDLE" => 5,
        "SCHED_DEADLINE" => 6,
        other => return invalid(format!("invalid scheduler policy: {other}")),
    };
    if matches!(name, "SCHED_OTHER" | "SCHED_BATCH") && !(-20..=19).contains(&scheduler.nice) {
        let nice = scheduler.nice;
        return invalid(format!(
            "invalid scheduler.nice: {nice} when scheduler.policy is {name}"
        ));
    }
    if scheduler.priority != 0 && !matches!(name, "SCHED_FIFO" | "SCHED_RR") {
        return invalid("scheduler.priority can only be specified for SchedFIFO or SchedRR policy".into());
    }
    if name != "SCHED_DEADLINE" && (scheduler.runtime, scheduler.deadline, scheduler.period) != (0, 0, 0) {
        return invalid("scheduler runtime/deadline/period can only be specified for SchedDeadline policy".into());
    }
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
            other => return invalid(format!("invalid scheduler flag: {other}")),
        };
    }
    Ok(Attributes {
        policy,
        flags,
        nice: scheduler.nice,
        priority: u32::try_from(scheduler.priority)
            .map_err(|_| Error::Invalid(format!("invalid scheduler.priority: {}", scheduler.priority)))?,
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
        ..Attributes::default()
    })
}

fn io_priority(priority: &IoPriority) -> Result<(u8, u8), Error> {
    let Ok(level @ 0..=7) = u8::try_from(priority.priority) else {
        return invalid(format!("invalid ioPriority.Priority: {}", priority.priority));
    };
    let class = match priority.class.as_str() {
        "IOPRIO_CLASS_RT" => 1,
        "IOPRIO_CLASS_BE" => 2,
        "IOPRIO_CLASS_IDLE" => 3,
        other => return invalid(format!("invalid ioPriority.Class: {other:?}")),
    };
    Ok((class, level))
}

fn domain(name: &str) -> Result<Domain, Error> {
    match name {
        "LINUX" => Ok(Domain::Linux),
        "LINUX32" => Ok(Domain::Linux32),
        other => invalid(format!("invalid personality domain {other}")),
    }
}

fn cpus(member: &str, list: &str) -> Result<Option<CpuSet>, Error> {
    if list.is_empty() {
        return Ok(None);
    }
    let mut set = CpuSet::new();
    for cpu in numbers(list).map_err(|error| Error::Invalid(format!("bad CPUAffinity.{member}: {error}")))? {
        if cpu >= CpuSet::MAX_CPU {
            return invalid(format!("bad CPUAffinity.{member}: there is no CPU {cpu}"));
        }
        set.set(cpu);
    }
    Ok(Some(set))
}

fn memory(policy: &MemoryPolicy) -> Result<(u32, Vec<u64>), Error> {
    let mut mode = match policy.mode.as_str() {
        "MPOL_DEFAULT" => 0,
        "MPOL_PREFERRED" => 1,
        "MPOL_BIND" => 2,
        "MPOL_INTERLEAVE" => 3,
        "MPOL_LOCAL" => 4,
        "MPOL_PREFERRED_MANY" => 5,
        "MPOL_WEIGHTED_INTERLEAVE" => 6,
        other => return invalid(format!("invalid memory policy mode: {other}")),
    };
    for flag in &policy.flags {
        mode |= match flag.as_str() {
            "MPOL_F_STATIC_NODES" => 1 << 15,
            "MPOL_F_RELATIVE_NODES" => 1 << 14,
            "MPOL_F_NUMA_BALANCING" => 1 << 13,
            other => return invalid(format!("invalid memory policy flag: {other}")),
        };
    }
    let mut mask = Vec::new();
    for node in
        numbers(&policy.nodes).map_err(|error| Error::Invalid(format!("invalid memory policy nodes: {error}")))?
    {
        if mask.len() <= node / 64 {
            mask.resize(node / 64 + 1, 0u64);
        }
        mask[node / 64] |= 1 << (node % 64);
    }
    Ok((mode, mask))
}

/// Reads a list of the form `0-3,7`.
fn numbers(list: &str) -> Result<Vec<usize>, Error> {
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
    use super::*;
    use proptest::prelude::*;
    use tierce_oci::runtime::ExecCpuAffinity;

    #[test]
    fn lists_of_numbers() {
        assert_eq!(numbers("0-2,7").expect("a list"), [0, 1, 2, 7]);
        assert_eq!(numbers(" 1 , 3,").expect("a list"), [1, 3]);
        assert!(numbers("3-1").is_err() && numbers("0-99999999").is_err() && numbers("x").is_err());
    }

    #[test]
    fn what_the_kernel_would_misread_is_refused() {
        let scheduler = |policy: &str| Scheduler {
            policy: policy.into(),
            ..Scheduler::default()
        };
        let wrong = [
            scheduler(""),
            scheduler("SCHED_NONSENSE"),
            Scheduler {
                nice: 20,
                ..scheduler("SCHED_OTHER")
            },
            Scheduler {
                priority: 1,
                ..scheduler("SCHED_BATCH")
            },
            Scheduler {
                priority: -1,
                ..scheduler("SCHED_RR")
            },
            Scheduler {
                runtime: 1,
                ..scheduler("SCHED_RR")
            },
            Scheduler {
                flags: vec!["SCHED_FLAG_NONSENSE".into()],
                ..scheduler("SCHED_RR")
            },
        ];
        assert!(wrong.iter().all(|scheduler| policy(scheduler).is_err()));
        let priority = |class: &str, priority| IoPriority {
            class: class.into(),
            priority,
        };
        assert!(io_priority(&priority("IOPRIO_CLASS_BE", 8)).is_err());
        assert!(io_priority(&priority("IOPRIO_CLASS_NONE", 0)).is_err());
        assert_eq!(io_priority(&priority("IOPRIO_CLASS_IDLE", 0)).expect("a class"), (3, 0));
    }

    proptest! {
        #[test]
        fn no_list_panics_or_takes_much_room(list in "[0-9,\\- ]{0,24}") {
            let affinity = ExecCpuAffinity { initial: list.clone(), last: list.clone() };
            let process = Process { exec_cpu_affinity: Some(affinity), ..Process::default() };
            let _ = Schedule::of(&process, None);
            if let Ok(numbers) = numbers(&list) {
                prop_assert!(numbers.len() <= 24 * (HIGHEST + 1));
            }
        }
    }
}
