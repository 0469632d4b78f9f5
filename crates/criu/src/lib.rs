//! The messages of CRIU's RPC protocol, as far as checkpoint and restore of containers need them; pure data.
//!
//! Sources: CRIU's `images/rpc.proto`, <https://criu.org/RPC>.

mod message;
mod wire;

pub use message::*;
pub use wire::Malformed;
