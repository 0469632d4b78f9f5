//! SELinux labels: whether they mean anything here. See selinux(8).

use crate::error::Error;
use crate::log;
use rustix::fs::StatVfsMountFlags;

/// `SELINUX_MAGIC` of linux/magic.h.
const SELINUX_MAGIC: u64 = 0xf97c_ff8c;

/// Whether SELinux labels processes: its file system is mounted and writable, and a policy is loaded.
fn is_enabled() -> bool {
    let mounted = rustix::fs::statfs("/sys/fs/selinux").is_ok_and(|stat| stat.f_type as u64 == SELINUX_MAGIC);
    let writable =
        || rustix::fs::statvfs("/sys/fs/selinux").is_ok_and(|stat| !stat.f_flag.contains(StatVfsMountFlags::RDONLY));
    let policy = || std::fs::read("/proc/self/attr/current").is_ok_and(|label| !label.starts_with(b"kernel"));
    mounted && writable() && policy()
}

/// Refuses a process label where nothing would enforce it.
///
/// # Errors
/// [`Error::Invalid`] with runc's words.
pub(crate) fn check(label: &str) -> Result<(), Error> {
    if label.is_empty() || is_enabled() {
        return Ok(());
    }
    Err(Error::Invalid(
        "selinux label is specified in config, but selinux is disabled or not supported".into(),
    ))
}

/// The label for mounts, or none where no file system would know what to do with it.
pub(crate) fn of_mounts(label: String) -> String {
    if label.is_empty() || is_enabled() {
        return label;
    }
    log::warn("linux.mountLabel is left out, for SELinux is disabled or not supported");
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_138_a_label_that_nobody_enforces_is_refused() {
        if is_enabled() {
            println!("skipped: SELinux is enabled here");
            return;
        }
        assert!(check("").is_ok());
        assert!(check("system_u:system_r:container_t:s0").is_err());
    }
}
