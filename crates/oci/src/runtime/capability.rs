//! Capability names and sets, see capabilities(7).

use super::Capabilities;
use std::collections::BTreeSet;

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
pub fn all_names() -> impl Iterator<Item = String> {
    NAMES.iter().map(|name| format!("CAP_{name}"))
}

/// The name of a capability, with its prefix.
fn name(number: usize) -> String {
    NAMES
        .get(number)
        .map_or_else(|| format!("capability {number}"), |name| format!("CAP_{name}"))
}

/// The number of a capability; `None` for names that this runtime does not know.
pub fn number(name: &str) -> Option<u32> {
    let name = name.strip_prefix("CAP_").unwrap_or(name);
    NAMES
        .iter()
        .position(|known| *known == name)
        .map(|position| position as u32)
}

/// The five sets of a process, one bit a capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    /// The bounding set.
    pub bounding: u64,
    /// The effective set.
    pub effective: u64,
    /// The inheritable set.
    pub inheritable: u64,
    /// The permitted set.
    pub permitted: u64,
    /// The ambient set.
    pub ambient: u64,
}

impl Sets {
    /// The sets that a document names, and warnings about what cannot be had: names that nobody knows, and ambient
    /// capabilities that are not both permitted and inheritable. As under runc neither is an error. No document means no
    /// capability. What the kernel, or a confined engine, lacks shows when the process takes them ([`Sets::within`]).
    pub fn of(document: Option<&Capabilities>) -> (Self, Vec<String>) {
        let Some(document) = document else {
            return (Self::default(), Vec::new());
        };
        let mut unknown = BTreeSet::new();
        let mut mask = |names: &[String]| {
            let mut mask = 0u64;
            for name in names {
                match number(name) {
                    Some(number) => mask |= 1 << number,
                    None => drop(unknown.insert(name.clone())),
                }
            }
            mask
        };
        let (permitted, inheritable, ambient) = (
            mask(&document.permitted),
            mask(&document.inheritable),
            mask(&document.ambient),
        );
        let sets = Self {
            bounding: mask(&document.bounding),
            // The kernel refuses effective capabilities that are not permitted, and ambient ones that are not both.
            effective: mask(&document.effective) & permitted,
            inheritable,
            permitted,
            ambient: ambient & permitted & inheritable,
        };
        let mut warnings = Vec::new();
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.into_iter().collect();
            warnings.push(format!(
                "ignoring unknown or unavailable capabilities: [{}]",
                names.join(" ")
            ));
        }
        let lost = (0..64).filter(|number| (ambient & !sets.ambient) >> number & 1 == 1);
        warnings.extend(lost.map(|number| {
            let name = name(number);
            format!("can't raise ambient capability {name}: operation not permitted")
        }));
        (sets, warnings)
    }

    /// The sets without what `permitted` lacks, so that "all capabilities" in a confined engine means all there are.
    #[must_use]
    pub fn within(self, permitted: u64) -> Self {
        Self {
            bounding: self.bounding,
            effective: self.effective & permitted,
            inheritable: self.inheritable & permitted,
            permitted: self.permitted & permitted,
            ambient: self.ambient & permitted,
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
    fn row_140_what_cannot_be_had_is_left_out_with_a_warning() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let document = Capabilities {
            bounding: names(&["CAP_KILL", "CAP_FLY"]),
            effective: names(&["CAP_CHOWN", "CAP_KILL", "CAP_CRAWL", "CAP_FLY"]),
            permitted: names(&["CAP_CHOWN"]),
            ambient: names(&["CAP_KILL"]),
            ..Capabilities::default()
        };
        let (sets, warnings) = Sets::of(Some(&document));
        let expected = Sets {
            bounding: 1 << 5,
            effective: 1,
            permitted: 1,
            ..Sets::default()
        };
        assert_eq!(sets, expected);
        assert_eq!(
            warnings,
            [
                "ignoring unknown or unavailable capabilities: [CAP_CRAWL CAP_FLY]",
                "can't raise ambient capability CAP_KILL: operation not permitted",
            ]
        );
        assert_eq!(expected.within(0).permitted, 0);
        assert_eq!(expected.within(0).bounding, 1 << 5);
    }

    #[test]
    fn row_140_no_document_means_no_capability() {
        assert_eq!(Sets::of(None), (Sets::default(), Vec::new()));
    }
}
