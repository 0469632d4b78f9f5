//! The strictest profile: read, write, exit and sigreturn, nothing else.

use crate::table::{N, SYSCALLS};
use tierce_oci::runtime::{Action, Arch, Seccomp, SyscallRule};

/// The calls of `SECCOMP_MODE_STRICT` (seccomp(2)), with the names under which the C library makes them today.
const CALLS: [&str; 5] = ["read", "write", "exit", "rt_sigreturn", "sigreturn"];

/// A profile that kills the process at any call but `read`, `write`, `exit` and `sigreturn`.
///
/// A runtime installs its filter before `execve`, which would be the fifth call: `also` names what a start needs
/// besides (at least `execve`, and whatever stands between the installation and it).
pub fn strict(architectures: Vec<Arch>, also: &[&str]) -> Seccomp {
    let rule = |names, action| SyscallRule {
        names,
        action,
        errno_ret: None,
        args: Vec::new(),
    };
    let allowed = CALLS.iter().chain(also).map(|&name| name.to_owned()).collect();
    Seccomp {
        default_action: Action::KillProcess,
        default_errno_ret: None,
        architectures,
        flags: None,
        listener_path: std::path::PathBuf::new(),
        listener_metadata: String::new(),
        // The second rule says what the default says; by naming the newest calls it keeps the compiler from answering
        // ENOSYS to everything newer than the five.
        syscalls: vec![rule(allowed, Action::Allow), rule(newest(), Action::KillProcess)],
    }
}

/// The call with the greatest number, for each architecture.
fn newest() -> Vec<String> {
    let mut names: Vec<String> = (0..5)
        .filter_map(|column| {
            SYSCALLS
                .iter()
                .filter(|(_, row)| row[column] != N)
                .max_by_key(|(_, row)| row[column])
        })
        .map(|(name, _)| (*name).to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}
