//! `--platform` of commands that send it as a document.

use crate::error::Error;
use tierce_oci::Platform;

/// A platform as newer daemons take it: OCI's document as JSON; nothing stays nothing.
pub(super) fn document(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let platform: Platform = text
        .parse()
        .map_err(|error: tierce_oci::Error| Error::failed(error.to_string()))?;
    serde_json::to_string(&platform).map_err(|error| Error::failed(error.to_string()))
}

/// The same failure in the words of the commands that say what they could not read.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn named(error: Error) -> Error {
    Error::failed(format!("invalid platform: {error}"))
}
