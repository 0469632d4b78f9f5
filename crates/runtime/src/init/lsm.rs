//! Labels of the Linux security modules, which take effect at `execve`.

use super::Init;
use crate::error::Error;
use rustix::io::Errno;

/// Writes the AppArmor profile and the SELinux label into this task's attributes, on a procfs that is the kernel's.
pub(super) fn labels(init: &mut Init<'_>) -> Result<(), Error> {
    let process = &init.program.process;
    if !process.apparmor_profile.is_empty() {
        let line = format!("exec {}", process.apparmor_profile);
        let procfs = init.procfs()?;
        match procfs.write("self/attr/apparmor/exec", line.as_bytes()) {
            // Kernels before 5.8 have only the shared file.
            Err(Error::Kernel {
                source: Errno::NOENT, ..
            }) => procfs.write("self/attr/exec", line.as_bytes()),
            result => result,
        }
        .map_err(|error| Error::Invalid(format!("unable to apply apparmor profile: {error}")))?;
    }
    if !process.selinux_label.is_empty() {
        init.procfs()?
            .write("self/attr/exec", process.selinux_label.as_bytes())
            .map_err(|error| Error::Invalid(format!("unable to set the SELinux label: {error}")))?;
    }
    Ok(())
}
