//! The DNS server of user-defined networks.
//!
//! One process for all sandboxes of an engine (program `tierce-dns`). It has sockets in each sandbox, at
//! [`ADDRESS`], where the engine leads port 53 to; answers the names, aliases and addresses of the container's networks
//! from a table that the engine keeps up to date; and sends every other question on, from the container's own network.
//!
//! It is no part of the engine's process, so that names are answered while the engine restarts: a new engine finds it at
//! its control socket and tells it [`Client::everything`] anew. A server that dies is started again by the engine.
//!
//! What comes in is a stranger's: questions are bounded in number, length and time, and answers of other servers are
//! taken only when they answer the question by its number, name and type.

mod client;
mod control;
mod error;
mod forward;
mod message;
mod namespace;
mod program;
mod protocol;
mod server;
mod table;

pub use client::{Client, End, Found};
pub use error::Error;
pub use program::run;
pub use protocol::{Join, Membership, Served, Upstream};

/// Where a container finds the server, as `resolv.conf` says.
pub const ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(127, 0, 0, 11);

/// Name of the program.
pub const PROGRAM: &str = "tierce-dns";
