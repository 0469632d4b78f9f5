//! Client of the distribution protocol: resolve, fetch, push, authenticate.
//!
//! A [`Client`] is made once; it owns connections, TLS settings and what it learnt about hosts. For one repository of
//! one pull, [`Client::repository`] (for a push, [`Client::repository_to_push`]) gives a [`Repository`], which remembers the endpoint that answered and the token.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use tierce_registry::{Client, Config};
//! let client = Client::new(Config::default())?;
//! let reference = tierce_oci::Reference::parse("alpine")?.with_default_tag();
//! let repository = client.repository(&reference, None);
//! let manifest = repository.manifest("latest").await?;
//! println!("{} {}", manifest.media_type, manifest.digest);
//! # Ok(()) }
//! ```
//!
//! What the other side is never trusted with:
//! * **Credentials** go to the host they are for and to the token server it names, never to where a redirect leads, and
//!   never over plain HTTP unless the registry is marked insecure.
//! * **Sizes**: documents are bounded, whatever lists say of them; a blob ends where its descriptor says.
//! * **Time**: connecting, the answer's head, and each piece of a body have a time limit; failures that may pass are
//!   tried again with growing pauses (or the pause that `Retry-After` asks for, bounded), continuing by `Range`.
//! * **Content**: manifests and small documents are checked against their digest here; blobs by whoever writes them.
//!
//! Source: OCI distribution-spec 1.1; Docker registry token authentication; RFC 7235 (challenges), RFC 9110 (ranges).

mod auth;
mod config;
mod credentials;
mod download;
mod endpoint;
mod error;
mod fetch;
#[doc(hidden)] // for the fuzz targets
pub mod fuzzing;
mod login;
mod mirrors;
mod refusal;
mod repository;
mod resolve;
mod retry;
mod search;
mod tags;
mod transport;
mod trust;
mod upload;
mod url;

pub use config::{Config, Insecure, Timeouts};
pub use credentials::{Credentials, Secret};
pub use download::Download;
pub use error::Error;
pub use fetch::BlobStream;
pub use mirrors::Mirror;
pub use refusal::Refusal;
pub use repository::{Client, Repository};
pub use resolve::FetchedManifest;
pub use search::Found;
pub use transport::Proxies;
pub use upload::{BlobSource, Destination, Mount, Reading, Upload, Written};
pub use url::Url;

#[cfg(test)]
mod tests;
