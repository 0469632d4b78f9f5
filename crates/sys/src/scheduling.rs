//! Scheduling policy, I/O priority, NUMA policy and execution domain of the calling process.

use crate::clone::last_error;
use rustix::io::Result;

/// The kernel's `struct sched_attr`, see sched_setattr(2). `size` is filled in by [`set_policy`].
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // the names are the manual page's
pub struct Attributes {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// Sets the scheduling policy of the calling thread.
///
/// # Errors
/// Those of sched_setattr(2).
pub fn set_policy(attributes: &Attributes) -> Result<()> {
    let mut attributes = *attributes;
    attributes.size = size_of::<Attributes>() as u32;
    // SAFETY: the kernel reads the struct of the stated size.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Sets the I/O class (1 real-time, 2 best effort, 3 idle) and level (0 to 7) of the calling thread.
///
/// # Errors
/// Those of ioprio_set(2).
pub fn set_io_priority(class: u8, level: u8) -> Result<()> {
    const WHO_PROCESS: libc::c_int = 1;
    let value = i32::from(class) << 13 | i32::from(level);
    // SAFETY: takes integers only.
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Sets the NUMA memory policy of the calling thread; `nodes` has bit n of word n/64 set for each node n.
///
/// # Errors
/// Those of set_mempolicy(2).
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    // SAFETY: the kernel reads `64 * len` bits; it takes the length as one more than the highest bit.
    let result = unsafe {
        libc::syscall(
            libc::SYS_set_mempolicy,
            mode,
            nodes.as_ptr(),
            if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 },
        )
    };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// The execution domains of the OCI specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// `PER_LINUX`
    Linux,
    /// `PER_LINUX32`: uname(2) reports a 32-bit machine.
    Linux32,
}

/// Sets the execution domain, see personality(2).
///
/// # Errors
/// Those of personality(2).
pub fn set_domain(domain: Domain) -> Result<()> {
    let value: libc::c_ulong = match domain {
        Domain::Linux => 0,
        Domain::Linux32 => 0x0008,
    };
    // SAFETY: takes an integer only.
    let result = unsafe { libc::personality(value) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}
