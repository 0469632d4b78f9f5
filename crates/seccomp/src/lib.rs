//! Seccomp profiles to BPF programs; pure.
