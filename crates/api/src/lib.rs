//! The Docker Engine API, versions 1.24 to 1.51: the only HTTP server code.
//!
//! ```text
//!  listen ──▶ server ──▶ handle ──▶ router ──▶ routes/<group>/<verb> ──▶ engine
//!  sockets    one task a  version,   table      wire → typed request       │
//!             connection  log, headers          convert/*: outcome → wire ◀┘
//!                └──▶ hijack: the connection leaves HTTP and carries a process' streams
//! ```
//!
//! * Wire types stop at the door: routes turn them into the engine's typed requests and `convert` turns its outcomes
//!   back.
//! * Every connection is a task of its own; a client that does not read, or goes away, delays nobody. A streamed answer
//!   is a future that is dropped with its connection, which ends the operation.
//! * [`status`] is the one file that maps kinds of failure to HTTP status codes.

mod convert;
mod detach;
mod facts;
mod frames;
mod handle;
mod hijack;
mod json_syntax;
mod listen;
mod member_names;
mod metrics;
mod pipe;
mod query;
mod relay;
mod reply;
mod request;
mod router;
mod routes;
mod server;
pub mod status;
mod timestamp;
mod tls;
mod websocket;

pub use facts::Facts;
pub use listen::{ListenError, Listener};
pub use server::Server;
pub use tierce_api_types::DEFAULT_SOCKET;

#[cfg(test)]
mod tests;
