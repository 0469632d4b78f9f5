//! Puts the device program in force.

use crate::devices::{State, emit};
use crate::{Error, Result};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::path::Path;
use tierce_oci::runtime::DeviceCgroup;
use tierce_sys::bpf::{attach_device_program, detach_device_program, device_programs, load_device_program};

/// Replaces the device program of a group. At no moment is there none: a single present one is exchanged in one step
/// (since Linux 5.6); otherwise the new one comes first, and what both allow stays allowed.
pub(super) fn set(directory: &Path, rules: &[DeviceCgroup]) -> Result<()> {
    let fail = |verb| {
        move |source| Error::Program {
            verb,
            path: directory.to_owned(),
            source,
        }
    };
    let state = State::of(rules)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let group = rustix::fs::open(directory, flags, Mode::empty()).map_err(fail("open"))?;
    let present = device_programs(group.as_fd()).map_err(fail("look for"))?;
    if state.allows_all() && present.is_empty() {
        return Ok(());
    }
    let program = load_device_program(&emit(&state)).map_err(fail("load"))?;
    if let [only] = present.as_slice() {
        match attach_device_program(group.as_fd(), program.as_fd(), Some(only.as_fd())) {
            Err(Errno::INVAL) => {}
            result => return result.map_err(fail("replace")),
        }
    }
    attach_device_program(group.as_fd(), program.as_fd(), None).map_err(fail("attach"))?;
    for old in &present {
        match detach_device_program(group.as_fd(), old.as_fd()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(source) => return Err(fail("detach")(source)),
        }
    }
    Ok(())
}
