//! eBPF programs that decide about device access of a control group, see bpf(2).

use crate::clone::last_error;
use rustix::io::{Errno, Result};
use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const PROG_LOAD: c_int = 5;
const PROG_ATTACH: c_int = 8;
const PROG_DETACH: c_int = 9;
const PROG_GET_FD_BY_ID: c_int = 13;
const PROG_QUERY: c_int = 16;
/// `BPF_PROG_TYPE_CGROUP_DEVICE`
const TYPE_CGROUP_DEVICE: u32 = 15;
/// `BPF_CGROUP_DEVICE`, as an attach type.
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// `BPF_F_ALLOW_MULTI`: programs of the groups above stay in force.
const ALLOW_MULTI: u32 = 1 << 1;
/// `BPF_F_REPLACE`
const REPLACE: u32 = 1 << 2;
/// Most programs that are asked for; the kernel allows 64 a group.
const MOST_PROGRAMS: usize = 64;

/// The member of `union bpf_attr` for `BPF_PROG_LOAD`, as far as it is used; the kernel takes the rest for zero.
#[repr(C)]
#[derive(Default)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The member for `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
#[derive(Default)]
struct AttachAttributes {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
    replaced: u32,
}

/// The member for `BPF_PROG_QUERY`.
#[repr(C)]
#[derive(Default)]
struct QueryAttributes {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// The member for `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
#[derive(Default)]
struct IdAttributes {
    id: u32,
    next_id: u32,
    flags: u32,
}

/// Calls bpf(2) with attributes that hold no dangling addresses.
fn call<T>(command: c_int, attributes: &mut T) -> Result<c_int> {
    // SAFETY: `attributes` is a `repr(C)` prefix of `union bpf_attr`, of which the kernel reads and writes at most the
    // size that is passed. Addresses inside it were taken from slices that the callers below keep alive over the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 {
        Err(last_error())
    } else {
        Ok(result as c_int)
    }
}

fn owned(descriptor: c_int) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Loads a program; the kernel's verifier checks it.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN (or CAP_BPF with CAP_NET_ADMIN), `EINVAL` or `EACCES` when the verifier refuses it.
pub fn load_device_program(instructions: &[u64]) -> Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attributes = LoadAttributes {
        program_type: TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: instructions.as_ptr().addr() as u64,
        license: license.as_ptr().addr() as u64,
        name: *b"tierce_devices\0\0",
        ..LoadAttributes::default()
    };
    call(PROG_LOAD, &mut attributes).map(owned)
}

/// The device programs of a group itself, not those of the groups above it.
///
/// # Errors
/// Those of bpf(2) `BPF_PROG_QUERY`.
pub fn device_programs(group: BorrowedFd<'_>) -> Result<Vec<OwnedFd>> {
    let mut ids = [0_u32; MOST_PROGRAMS];
    let mut attributes = QueryAttributes {
        target: group.as_raw_fd().cast_unsigned(),
        attach_type: ATTACH_CGROUP_DEVICE,
        ids: ids.as_mut_ptr().expose_provenance() as u64,
        count: MOST_PROGRAMS as u32,
        ..QueryAttributes::default()
    };
    call(PROG_QUERY, &mut attributes)?;
    let count = (attributes.count as usize).min(MOST_PROGRAMS);
    let by_id = |&id: &u32| match call(
        PROG_GET_FD_BY_ID,
        &mut IdAttributes {
            id,
            ..IdAttributes::default()
        },
    ) {
        // Detached meanwhile.
        Err(Errno::NOENT) => None,
        result => Some(result.map(owned)),
    };
    ids[..count].iter().filter_map(by_id).collect()
}

/// Attaches a program to a group, in the place of `replaced` where given; the programs of the groups above stay in
/// force beside it.
///
/// # Errors
/// Those of bpf(2) `BPF_PROG_ATTACH`; `EINVAL` for `replaced` on kernels before 5.6.
pub fn attach_device_program(
    group: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let mut attributes = AttachAttributes {
        target: group.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI | if replaced.is_some() { REPLACE } else { 0 },
        replaced: replaced.map_or(0, |fd| fd.as_raw_fd().cast_unsigned()),
    };
    call(PROG_ATTACH, &mut attributes).map(drop)
}

/// Detaches a program from a group.
///
/// # Errors
/// `ENOENT` when it is not attached there.
pub fn detach_device_program(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let mut attributes = AttachAttributes {
        target: group.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        attach_type: ATTACH_CGROUP_DEVICE,
        ..AttachAttributes::default()
    };
    call(PROG_DETACH, &mut attributes).map(drop)
}
