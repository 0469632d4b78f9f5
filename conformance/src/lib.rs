//! End-to-end tests over the built programs only; see `tests/`, one file a subject, each test named after the
//! requirement it shows.
//!
//! The real kernel, the real `docker-registry`, the stock `docker` client and our own; each test has a daemon, a network
//! namespace and a registry of its own, and checks when it ends that nothing is left on the machine.
//!
//! `tests/peers.rs` has our runtime used by podman, containerd and Docker Engine. It starts those, and therefore asks for
//! `TIERCE_PEERS=1`.
