//! Wire types of the Docker Engine API, versions 1.24 to 1.51.
//!
//! Pure data: no I/O, no defaults of behaviour, no knowledge of the engine. The server (`tierce-api`) converts between
//! these and the engine's own values; the client (`tierce-client`) and the command line read them back.
//!
//! ## Go's JSON
//! dockerd writes with Go's `encoding/json`, and clients depend on its habits, so every field says which it has:
//! - a plain `Vec` or map field is always present and never `null` (`[]`, `{}`);
//! - an `Option` without `skip_serializing_if` is present and may be `null` (Go's nil slice, map or pointer);
//! - `skip_serializing_if` is Go's `omitempty`.
//!
//! Reading is lenient in Go's way: an absent field or a `null` is the zero value, unknown fields are ignored.
//!
//! ```
//! use tierce_api_types::container::CreateResponse;
//! let answer: CreateResponse = serde_json::from_str(r#"{"Id":"abc","Warnings":null}"#).unwrap();
//! assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"Id":"abc","Warnings":[]}"#);
//! ```

pub mod auth;
pub mod container;
pub mod error;
pub mod event;
pub mod exec;
pub mod filters;
pub mod image;
pub mod network;
pub mod nullable;
pub mod progress;
pub mod reach;
pub mod stdcopy;
pub mod system;
pub mod version;
pub mod volume;

/// Where `tierced` listens, and `tierce` connects to, unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/tierce.sock";

pub use error::ErrorResponse;
pub use filters::Filters;
pub use version::ApiVersion;
