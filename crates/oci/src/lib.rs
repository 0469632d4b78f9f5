//! Digests, references, platforms, and the image, runtime and container documents; parse and check, no I/O.
//!
//! Documents that travel between programs keep the members that this crate does not know (`extra` maps), so that a
//! round trip through Tierce loses nothing that a newer peer wrote.

mod boolean;
mod digest;
mod error;
mod image;
mod pattern;
mod platform;
mod reference;
mod size;

pub mod container;
pub mod json;
pub mod media_type;
pub mod runtime;

pub use boolean::parse_bool;
pub use digest::{ChainId, DiffId, Digest, Hasher, ImageId};
pub use error::Error;
pub use image::{Descriptor, History, ImageConfig, Index, Manifest, RootFs};
pub use pattern::Pattern;
pub use platform::Platform;
pub use reference::{DEFAULT_DOMAIN, DEFAULT_TAG, Reference};
pub use size::parse_bytes;

/// Members of a JSON object that the typed part does not know.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// Whether a value equals its type's default; used to leave it out of JSON as Go's `omitempty` does.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads `null` as the default value. Documents written by Go programs have `null` for an empty list or map, and every
/// runtime takes it so.
///
/// # Errors
/// Those of the value's own type.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Option::unwrap_or_default)
}
