//! Starts shims, finds them again after a restart, and cleans up after them.
