//! Scheduling policy, I/O priority, CPU affinity, NUMA policy, execution domain.

use super::{Init, Role};
use crate::error::{Doing, Error};
use crate::log;
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};
use tierce_sys::scheduling as kernel;

/// Sets whatever the documents ask for, in the control group, whose CPUs bound what can be had.
pub(super) fn scheduling(init: &mut Init<'_>) -> Result<(), Error> {
    init.await_go()?;
    let schedule = &init.program.schedule;
    cpus(init)?;
    if let Some(policy) = &schedule.policy {
        kernel::set_policy(policy).map_err(|source| match source {
            Errno::PERM if schedule.has_cpu_group => {
                Error::Invalid("process scheduler can't be used together with AllowedCPUs".into())
            }
            source => Error::Kernel {
                action: "error setting scheduler".into(),
                source,
            },
        })?;
    }
    if let Some((class, level)) = schedule.io_priority {
        kernel::set_io_priority(class, level).doing(|| "set ioPriority".into())?;
    }
    if let Some(domain) = schedule.domain {
        kernel::set_domain(domain).doing(|| "set personality".into())?;
    }
    if let Some((mode, nodes)) = &schedule.memory {
        kernel::set_memory_policy(*mode, nodes).doing(|| "set memory policy".into())?;
    }
    Ok(())
}

/// The CPUs that were asked for; or all of the control group, not those that the runtime's caller was confined to.
fn cpus(init: &Init<'_>) -> Result<(), Error> {
    let schedule = &init.program.schedule;
    if let Role::Further { .. } = init.role {
        if let Some(cpus) = &schedule.final_cpus {
            return sched_setaffinity(None, cpus).doing(|| "error setting final CPU affinity".into());
        }
        if schedule.initial_cpus.is_some() {
            return Ok(());
        }
    }
    let mut all = CpuSet::new();
    for cpu in 0..CpuSet::MAX_CPU {
        all.set(cpu);
    }
    if let Err(error) = sched_setaffinity(None, &all) {
        log::warn(&format!(
            "the container process keeps the runtime's CPU affinity: {error}"
        ));
    }
    Ok(())
}
