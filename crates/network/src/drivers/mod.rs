//! The one list of network drivers.

pub mod bridge;
