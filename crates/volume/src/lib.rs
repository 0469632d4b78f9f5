//! Volumes: named and anonymous directories outside the union file system.
