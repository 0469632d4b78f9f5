//! gRPC over a unix socket, as much of it as the supervisor's API needs.
//!
//! ```text
//!  POST /<package>.<Service>/<Method>       te: trailers, content-type: application/grpc, <metadata>
//!  DATA   | 0 | length u32 BE | message |   …one, or a stream from the server
//!  trailers grpc-status, grpc-message
//! ```
//! HTTP/2 is the business of the crate `h2`; what is here is the little that gRPC puts on top: [`framing`], [`Status`],
//! a [`Channel`] for the calling side and [`serve`] for the called one. There is one message a request, and one or a
//! stream of them an answer; no compression, no TLS, no load balancing.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use tierce_grpc::Channel;
//!
//! let channel = Channel::connect(Path::new("/run/tierce/supervisor.sock"), &[("containerd-namespace", "moby")]).await?;
//! let version = channel.call_raw("/containerd.services.version.v1.Version/Version", Vec::new()).await?;
//! println!("{} bytes", version.len());
//! # Ok(()) }
//! ```

mod client;
pub mod framing;
mod sending;
mod server;
mod status;

pub use client::{Channel, Error, Stream};
pub use server::{Answer, Request, Service, serve};
pub use status::Status;
