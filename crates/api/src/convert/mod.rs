//! The engine's outcomes to wire types, and wire requests to the engine's.

pub(crate) mod container;
pub(crate) mod image;
pub(crate) mod network;
pub(crate) mod older;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod system;
pub(crate) mod volume;
