//! What a filter answers: the return values of linux/seccomp.h.

use crate::Error;
use tierce_oci::runtime::{Action, Seccomp};

/// `SECCOMP_RET_KILL_THREAD`; also the answer to a call of an architecture that the profile does not name.
pub(crate) const KILL_THREAD: u32 = 0;
/// `SECCOMP_RET_ALLOW`
pub(crate) const ALLOW: u32 = 0x7fff_0000;
/// `SECCOMP_RET_LOG`
pub(crate) const LOG: u32 = 0x7ffc_0000;
/// `SECCOMP_RET_USER_NOTIF`
pub(crate) const NOTIFY: u32 = 0x7fc0_0000;
/// `SECCOMP_RET_TRACE`, the lower half being the tracer's message.
pub(crate) const TRACE: u32 = 0x7ff0_0000;
/// `SECCOMP_RET_ERRNO`, the lower half being the error number.
pub(crate) const ERRNO: u32 = 0x0005_0000;
/// `SECCOMP_RET_TRAP`
pub(crate) const TRAP: u32 = 0x0003_0000;
/// `SECCOMP_RET_KILL_PROCESS`
pub(crate) const KILL_PROCESS: u32 = 0x8000_0000;
/// `ENOSYS` as an answer.
pub(crate) const ENOSYS: u32 = ERRNO | 0x26;

const EPERM: u32 = 1;
/// `MAX_ERRNO` of linux/err.h.
const MAX_ERRNO: u32 = 4095;

/// The return value for an action; without an error number it is `EPERM`, as in runc.
pub(crate) fn return_value(action: Action, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    match action {
        Action::Kill | Action::KillThread => KILL_THREAD,
        Action::KillProcess => KILL_PROCESS,
        Action::Trap => TRAP,
        Action::Errno => ERRNO | data,
        Action::Trace => TRACE | data,
        Action::Allow => ALLOW,
        Action::Log => LOG,
        Action::Notify => NOTIFY,
    }
}

/// Refuses notification where it would hang the start of the container: as the default, and for `write`, by which the
/// descriptor travels to the agent.
pub(crate) fn check_notify(action: Action, syscall: Option<&str>) -> Result<(), Error> {
    match (action, syscall) {
        (Action::Notify, None) => Err(Error::Notify("as default action")),
        (Action::Notify, Some("write")) => Err(Error::Notify("for the write syscall")),
        _ => Ok(()),
    }
}

/// Refuses error numbers that the kernel would cut down to `MAX_ERRNO` (linux/err.h). A tracer's message is any number.
pub(crate) fn check_errno(action: Action, errno: Option<u32>) -> Result<(), Error> {
    match errno {
        Some(errno) if action == Action::Errno && errno >= MAX_ERRNO => Err(Error::ErrorNumber(errno)),
        _ => Ok(()),
    }
}

/// Whether calls newer than those that the profile names get `ENOSYS` instead of the default. Not where the default
/// lets them through (a tracer counts: it can answer by itself), nor where the profile's author thought of `ENOSYS`.
pub(crate) fn forces_enosys(profile: &Seccomp) -> bool {
    let lets_through = matches!(profile.default_action, Action::Allow | Action::Log | Action::Trace);
    !lets_through && profile.default_errno_ret != Some(ENOSYS & 0xffff)
}
