//! The CPUs on which a further process starts its way into the container. It inherits them from the runtime, which may
//! be used as a library and takes its own back.

use crate::error::{Doing, Error};
use crate::log;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Puts the runtime back on its own CPUs when dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    own: CpuSet,
}

impl Drop for Lent {
    fn drop(&mut self) {
        // They were ours a moment ago.
        let _ = sched_setaffinity(None, &self.own);
    }
}

/// Moves the runtime onto these CPUs, if there are any, until the value is dropped.
///
/// # Errors
/// [`Error::Kernel`] when none of them can be had.
pub(crate) fn lend(cpus: Option<&CpuSet>) -> Result<Option<Lent>, Error> {
    let Some(cpus) = cpus else { return Ok(None) };
    let own = sched_getaffinity(None).doing(|| "read the CPU affinity".into())?;
    sched_setaffinity(None, cpus).doing(|| "error setting initial CPU affinity".into())?;
    // In runc's words, for its test suite looks for them: nobody else can see this affinity.
    log::debug(|| format!("nsexec: affinity: {:#x}", mask(cpus)));
    Ok(Some(Lent { own }))
}

fn mask(cpus: &CpuSet) -> u64 {
    (0..64)
        .filter(|cpu| cpus.is_set(*cpu))
        .fold(0, |mask, cpu| mask | 1 << cpu)
}
