//! A self-hosted hub: a registry of the distribution protocol, and the search of Docker Hub over it.
//!
//! What it promises:
//!
//! - Every endpoint of the distribution specification 1.1, and Docker's `_catalog` beside them; see [`Hub`] for one that
//!   runs, and `http/route.rs` for the list.
//! - Space is freed by the call that deletes the last manifest of a blob, while pushes and pulls go on. There is no
//!   garbage collection to run; see `store/mod.rs`.
//! - Killed at any point it starts again with whole images, and nothing that nobody can reach stays; see `store/disk.rs`.
//! - Bytes go through it in pieces: an upload or download of any length takes a few megabytes of memory.
//! - Nothing that a client sends names a file: see `store/name.rs`.
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # runtime.block_on(async {
//! let hub = tierce_hub::Hub::open(&tierce_hub::Settings::at(directory.path()))?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let serving = tokio::spawn(hub.serve(listener, None, std::future::pending()));
//! # serving.abort();
//! # Ok::<(), anyhow::Error>(())
//! # })?;
//! # Ok::<(), anyhow::Error>(())
//! ```

mod access;
pub mod fuzzing;
mod http;
mod hub;
mod metadata;
mod store;
mod tls;

pub use hub::{Hub, Settings};
pub use store::Keep;
pub use tls::Certificate;
