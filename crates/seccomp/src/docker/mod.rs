//! Docker's profiles: the default one, and the user's own in Docker's JSON form.
//!
//! Both are resolved, for the container's capabilities, the machine's architecture and its kernel, into the runtime
//! specification's plain list. Source: Docker's documentation of seccomp profiles, and `profiles/seccomp` of moby 28.5.

mod json;
mod profile;

pub use json::load;

use crate::{Architecture, Error};
use profile::{DEFAULT_ERRNO, ENTRIES};
use std::path::PathBuf;
use std::str::FromStr;
use tierce_oci::runtime::{Action, Arch, Seccomp, SyscallRule};

/// Kernel version as far as profiles tell versions apart.
///
/// ```
/// use tierce_seccomp::KernelVersion;
/// assert!(KernelVersion::from_release("6.18.44-fc-v669") >= "4.8".parse().ok());
/// assert_eq!("4.8".parse::<KernelVersion>().ok(), Some(KernelVersion::new(4, 8)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    major: u32,
    minor: u32,
}

impl KernelVersion {
    /// `major.minor`
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// From the release that uname(2) gives; `None` when it does not begin with two numbers.
    pub fn from_release(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Self {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
        })
    }
}

impl FromStr for KernelVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (major, minor) = text.split_once('.')?;
            Some(Self {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Error::KernelVersion(text.to_owned()))
    }
}

/// For which containers, machines and kernels an entry counts; an empty list says nothing.
struct Conditions<'a, S> {
    /// Go's names of architectures.
    arches: &'a [S],
    /// Names of capabilities, `CAP_…`.
    caps: &'a [S],
    min_kernel: Option<KernelVersion>,
}

/// What a profile is resolved for.
struct Target<'a, C> {
    caps: &'a [C],
    architecture: Architecture,
    kernel: KernelVersion,
}

impl<C: AsRef<str>> Target<'_, C> {
    fn has(&self, capability: &str) -> bool {
        self.caps.iter().any(|held| held.as_ref() == capability)
    }

    /// All that is asked for is there.
    fn included<S: AsRef<str>>(&self, includes: &Conditions<S>) -> bool {
        let arch = self.architecture.go_name();
        (includes.arches.is_empty() || includes.arches.iter().any(|a| a.as_ref() == arch))
            && includes.caps.iter().all(|capability| self.has(capability.as_ref()))
            && includes.min_kernel.is_none_or(|least| self.kernel >= least)
    }

    /// Something that excludes is there.
    fn excluded<S: AsRef<str>>(&self, excludes: &Conditions<S>) -> bool {
        let arch = self.architecture.go_name();
        excludes.arches.iter().any(|a| a.as_ref() == arch)
            || excludes.caps.iter().any(|capability| self.has(capability.as_ref()))
            || excludes.min_kernel.is_some_and(|least| self.kernel >= least)
    }
}

/// Docker's default profile for a container whose bounding set is `caps` (`CAP_…` names).
pub fn default_profile<C: AsRef<str>>(caps: &[C], architecture: Architecture, kernel: KernelVersion) -> Seccomp {
    let target = Target {
        caps,
        architecture,
        kernel,
    };
    let counts = |entry: &&profile::Entry| target.included(&entry.includes) && !target.excluded(&entry.excludes);
    Seccomp {
        default_action: Action::Errno,
        default_errno_ret: Some(DEFAULT_ERRNO),
        architectures: with_sub_architectures(architecture),
        flags: None,
        listener_path: PathBuf::new(),
        listener_metadata: String::new(),
        syscalls: ENTRIES
            .iter()
            .filter(counts)
            .map(|entry| SyscallRule {
                names: entry.names.iter().map(|&name| name.to_owned()).collect(),
                action: entry.action,
                errno_ret: entry.errno,
                args: entry.args.to_vec(),
            })
            .collect(),
    }
}

/// The `archMap` of the default profile.
fn with_sub_architectures(architecture: Architecture) -> Vec<Arch> {
    match architecture {
        Architecture::X86_64 => vec![Arch::X86_64, Arch::X86, Arch::X32],
        Architecture::Aarch64 => vec![Arch::Aarch64, Arch::Arm],
        // The map has no line for them: libseccomp's own choice, the native one.
        Architecture::X86 | Architecture::X32 | Architecture::Arm => Vec::new(),
    }
}
