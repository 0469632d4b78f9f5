//! Making processes: the parent's half, the channel between both halves, and what is said on it.

pub(crate) mod aside;
pub(crate) mod channel;
pub(crate) mod message;
pub(crate) mod middle;
pub(crate) mod parent;
pub(crate) mod source;
pub(crate) mod user_namespace;
