//! The contract of running things: containerd's task protocol, the Tasks trait, the I/O stream.
