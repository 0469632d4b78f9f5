//! Architectures: their audit numbers, word sizes and names.

use crate::table::{N, SYSCALLS};
use tierce_oci::runtime::Arch;

/// A system call convention that filters can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Architecture {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86 (i386).
    X86,
    /// x86_64 with 32-bit pointers; shares the audit number of [`Architecture::X86_64`].
    X32,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM, EABI.
    Arm,
}

/// Set in the number of every x32 call (`__X32_SYSCALL_BIT`, asm/unistd.h).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

impl Architecture {
    /// The architecture that this program was built for, `None` where filters cannot be written.
    pub fn native() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "x86" => Some(Self::X86),
            "aarch64" => Some(Self::Aarch64),
            "arm" => Some(Self::Arm),
            _ => None,
        }
    }

    /// The name that Go, and so Docker's profiles, use in `includes.arches`.
    pub fn go_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::X86 => "x86",
            Self::X32 => "x32",
            Self::Aarch64 => "arm64",
            Self::Arm => "arm",
        }
    }

    /// From the runtime specification's name; `None` for one that filters cannot be written for.
    pub fn from_oci(arch: Arch) -> Option<Self> {
        Some(match arch {
            Arch::X86_64 => Self::X86_64,
            Arch::X86 => Self::X86,
            Arch::X32 => Self::X32,
            Arch::Aarch64 => Self::Aarch64,
            Arch::Arm => Self::Arm,
            _ => return None,
        })
    }

    /// The runtime specification's name.
    pub fn oci(self) -> Arch {
        match self {
            Self::X86_64 => Arch::X86_64,
            Self::X86 => Arch::X86,
            Self::X32 => Arch::X32,
            Self::Aarch64 => Arch::Aarch64,
            Self::Arm => Arch::Arm,
        }
    }

    /// The number of a system call as the kernel reports it to filters, `None` where it does not exist.
    ///
    /// ```
    /// use tierce_seccomp::Architecture;
    /// assert_eq!(Architecture::X86_64.syscall("read"), Some(0));
    /// assert_eq!(Architecture::X86.syscall("read"), Some(3));
    /// assert_eq!(Architecture::Aarch64.syscall("open"), None);
    /// ```
    pub fn syscall(self, name: &str) -> Option<u32> {
        self.number(numbers(name)?)
    }

    /// Picks this architecture's number out of a row of the table.
    pub(crate) fn number(self, row: &[u32; 5]) -> Option<u32> {
        let number = row[self as usize];
        (number != N).then(|| if self == Self::X32 { number | X32_BIT } else { number })
    }

    /// `AUDIT_ARCH_*` of linux/audit.h, which seccomp_data carries.
    pub(crate) fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Whether arguments are compared in all 64 bits.
    pub(crate) fn is_64_bit(self) -> bool {
        matches!(self, Self::X86_64 | Self::Aarch64)
    }
}

/// The row of the table for a name.
pub(crate) fn numbers(name: &str) -> Option<&'static [u32; 5]> {
    SYSCALLS
        .binary_search_by(|(known, _)| (*known).cmp(name))
        .ok()
        .map(|at| &SYSCALLS[at].1)
}
