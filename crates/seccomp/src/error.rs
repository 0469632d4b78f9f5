//! What can be wrong with a profile.

use tierce_fault::{Fault, Kind};

/// A profile that cannot become a filter.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile names a flag that is not known.
    #[error("seccomp flag {0:?} is not known")]
    Flag(String),
    /// An argument condition names an argument that system calls do not have.
    #[error("compile seccomp rule for {syscall}: argument index {index} is out of range (system calls have 6)")]
    ArgumentIndex {
        /// The call.
        syscall: String,
        /// What stood there.
        index: u32,
    },
    /// No system call fails with that number (libseccomp takes none either).
    #[error("seccomp errnoRet {0} is no error number (0 to 4094)")]
    ErrorNumber(u32),
    /// Notification is impossible there: the agent could never be told of the descriptor.
    #[error("SCMP_ACT_NOTIFY cannot be used {0}")]
    Notify(&'static str),
    /// A rule without a name.
    #[error("compile seccomp profile: empty string is not a valid syscall")]
    EmptyName,
    /// The kernel takes at most 4096 instructions (`BPF_MAXINSNS`).
    #[error("compile seccomp profile: {0} instructions, the kernel takes 4096: give it fewer conditional rules")]
    TooLong(usize),
    /// Bytes that are no compiled program.
    #[error("read compiled seccomp program: {0}")]
    Bytes(&'static str),
    /// The profile is not the JSON document that Docker takes.
    #[error("Decoding seccomp profile failed: {0}")]
    Json(#[from] serde_json::Error),
    /// Two members that exclude each other are both given.
    #[error("both '{0}' and '{1}' are specified in the seccomp profile, use either '{0}' or '{1}'")]
    Both(&'static str, &'static str),
    /// A kernel version that is not `major.minor`.
    #[error("invalid kernel version: {0:?}, expected 'major.minor'")]
    KernelVersion(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Bytes(_) => Kind::DataLoss,
            _ => Kind::Invalid,
        }
    }
}
