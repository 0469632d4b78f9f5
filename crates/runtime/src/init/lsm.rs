//! Labels of the Linux security modules, which take effect at `execve`.
//!
//! They are written into this task's attributes on a procfs that is certainly the kernel's: written into a file that an
//! image laid there, they would be in force for nobody (CVE-2019-16884, CVE-2025-52881).

use super::Init;
use crate::error::Error;
use rustix::io::Errno;
use tierce_rootfs::Error as Refusal;
use tierce_rootfs::proc::Procfs;

/// Writes the AppArmor profile and the SELinux label.
pub(super) fn labels(init: &mut Init<'_>) -> Result<(), Error> {
    let process = &init.program.process;
    if !process.apparmor_profile.is_empty() {
        let line = format!("exec {}", process.apparmor_profile);
        enter_profile(init.procfs()?, line.as_bytes()).map_err(|error| {
            named(
                "unable to apply apparmor profile: apparmor failed to apply profile",
                &error,
            )
        })?;
    }
    if !process.selinux_label.is_empty() {
        init.procfs()?
            .write("self/attr/exec", process.selinux_label.as_bytes())
            .map_err(|error| named("can't set process label", &error))?;
    }
    Ok(())
}

fn enter_profile(procfs: &Procfs, line: &[u8]) -> Result<(), Refusal> {
    match procfs.write("self/attr/apparmor/exec", line) {
        // Kernels before 5.8 have only the file that all modules share. So have those without AppArmor, and refuse.
        Err(Refusal::Kernel {
            source: Errno::NOENT,
            action,
        }) if action.starts_with("open") => procfs.write("self/attr/exec", line),
        result => result,
    }
}

/// Labels the keys that this task makes from now on; an empty label goes back to the policy's own.
pub(super) fn keys(init: &mut Init<'_>, labelled: bool) -> Result<(), Error> {
    let label = &init.program.process.selinux_label;
    if label.is_empty() {
        return Ok(());
    }
    let label: &[u8] = if labelled { label.as_bytes() } else { &[] };
    match init.procfs()?.write("self/attr/keycreate", label) {
        // Kernels without labels for keys have no such file.
        Err(Refusal::Kernel {
            source: Errno::NOENT, ..
        }) => Ok(()),
        result => result.map_err(|error| named("can't label the session keyring", &error)),
    }
}

fn named(what: &str, error: &Refusal) -> Error {
    Error::Invalid(format!("{what}: {error}"))
}
