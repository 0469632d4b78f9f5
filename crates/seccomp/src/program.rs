//! The compiled program and its form as bytes, by which it is cached.

use crate::Error;

/// One instruction of classic BPF: `struct sock_filter` of linux/filter.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How many instructions are skipped when a condition holds.
    pub jt: u8,
    /// How many are skipped when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Flags of seccomp(2) `SECCOMP_SET_MODE_FILTER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// `SECCOMP_FILTER_FLAG_TSYNC`: all threads get the filter.
    pub const TSYNC: Self = Self(1);
    /// `SECCOMP_FILTER_FLAG_LOG`: answers other than allow may be logged.
    pub const LOG: Self = Self(1 << 1);
    /// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`: no speculative store bypass mitigation for the filter's sake.
    pub const SPEC_ALLOW: Self = Self(1 << 2);
    /// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: seccomp(2) returns the notification descriptor.
    pub const NEW_LISTENER: Self = Self(1 << 3);
    /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: a notified call waits for the agent uninterrupted by mere signals.
    pub const WAIT_KILLABLE_RECV: Self = Self(1 << 5);

    /// Whether all of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// A filter ready for seccomp(2).
///
/// The installing call returns a descriptor exactly when [`Program::notifies`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The instructions, at most 4096.
    pub filter: Vec<Instruction>,
    /// Flags for seccomp(2).
    pub flags: Flags,
}

/// First bytes of the cached form: name and version of the layout.
const MAGIC: [u8; 8] = *b"trcbpf\0\x01";
/// `BPF_MAXINSNS` of linux/bpf_common.h.
pub(crate) const MAX_INSTRUCTIONS: usize = 4096;

impl Program {
    /// Whether some call is answered by an agent (`SCMP_ACT_NOTIFY`).
    pub fn notifies(&self) -> bool {
        self.flags.contains(Flags::NEW_LISTENER)
    }

    /// The form in which a program is cached: eight bytes of name and version, the flags, then eight bytes an
    /// instruction, all little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + 8 * self.filter.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.flags.0.to_le_bytes());
        for instruction in &self.filter {
            bytes.extend_from_slice(&instruction.code.to_le_bytes());
            bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
            bytes.extend_from_slice(&instruction.k.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Program::to_bytes`] wrote. The kernel checks the instructions themselves.
    ///
    /// # Errors
    /// [`Error::Bytes`] when they are something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let rest = bytes
            .strip_prefix(&MAGIC)
            .ok_or(Error::Bytes("another format or version"))?;
        let (flags, instructions) = rest.split_first_chunk::<4>().ok_or(Error::Bytes("truncated"))?;
        let (chunks, remainder) = instructions.as_chunks::<8>();
        if !remainder.is_empty() || chunks.is_empty() || chunks.len() > MAX_INSTRUCTIONS {
            return Err(Error::Bytes("not a whole number of 1 to 4096 instructions"));
        }
        let filter = chunks
            .iter()
            .map(|&[a, b, jt, jf, c, d, e, f]| Instruction {
                code: u16::from_le_bytes([a, b]),
                jt,
                jf,
                k: u32::from_le_bytes([c, d, e, f]),
            })
            .collect();
        Ok(Self {
            filter,
            flags: Flags(u32::from_le_bytes(*flags)),
        })
    }
}
