//! Tests of the crate: an interpreter of BPF, Docker's own output, libseccomp as the oracle, and the running kernel.

mod docker;
mod interpreter;
mod kernel;
mod oracle;
mod semantics;
