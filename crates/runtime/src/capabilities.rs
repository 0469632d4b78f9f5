//! Capability names and sets, see capabilities(7).

use tierce_oci::runtime::Capabilities;

/// The names in the order of their numbers.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// All names, with their prefix, in the order of their numbers.
pub(crate) fn all_names() -> impl Iterator<Item = String> {
    NAMES.iter().map(|name| format!("CAP_{name}"))
}

/// The number of a capability; `None` for names that this runtime does not know.
pub(crate) fn number(name: &str) -> Option<u32> {
    let name = name.strip_prefix("CAP_").unwrap_or(name);
    NAMES
        .iter()
        .position(|known| *known == name)
        .map(|position| position as u32)
}

/// The five sets of a process, one bit a capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    pub(crate) bounding: u64,
    pub(crate) effective: u64,
    pub(crate) inheritable: u64,
    pub(crate) permitted: u64,
    pub(crate) ambient: u64,
}

impl Sets {
    /// The sets that a document names, without those that `available` lacks (as runc does, so that "all capabilities"
    /// of a newer kernel, or of a confined engine, means all there are). No document means no capability.
    pub(crate) fn of(document: Option<&Capabilities>, available: u64) -> Self {
        let Some(document) = document else {
            return Self::default();
        };
        let mask = |names: &[String]| {
            names
                .iter()
                .filter_map(|name| number(name))
                .fold(0u64, |mask, number| mask | 1 << number)
                & available
        };
        let (permitted, inheritable) = (mask(&document.permitted), mask(&document.inheritable));
        Self {
            bounding: mask(&document.bounding),
            // The kernel refuses effective capabilities that are not permitted, and ambient ones that are not both.
            effective: mask(&document.effective) & permitted,
            inheritable,
            permitted,
            ambient: mask(&document.ambient) & permitted & inheritable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(
            (
                number("CAP_CHOWN"),
                number("SYS_ADMIN"),
                number("CAP_CHECKPOINT_RESTORE")
            ),
            (Some(0), Some(21), Some(40))
        );
        assert_eq!(number("CAP_FLY"), None);
    }

    #[test]
    fn row_140_unknown_and_unavailable_capabilities_are_left_out() {
        let names = vec!["CAP_CHOWN".to_owned(), "CAP_KILL".to_owned(), "CAP_FLY".to_owned()];
        let document = Capabilities {
            bounding: names.clone(),
            effective: names.clone(),
            ambient: names,
            ..Capabilities::default()
        };
        let sets = Sets::of(Some(&document), 1);
        assert_eq!(
            sets,
            Sets {
                bounding: 1,
                ..Sets::default()
            }
        );
    }
}
