//! Tests of the crate: an interpreter of BPF, with Docker's own output and libseccomp as oracles.

mod docker;
mod interpreter;
mod kernel;
mod oracle;
mod semantics;
