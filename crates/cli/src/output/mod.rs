//! What is printed: lists, archives, ports, progress.

pub(crate) mod archive;
pub(crate) mod go_names;
pub(crate) mod ports;
pub(crate) mod progress;

use crate::error::Error;
use serde_json::{Map, Value};
use tierce_format::listing::{self, Listing};

/// Prints a list.
pub(crate) fn print(listing: &Listing<'_>, rows: &[Map<String, Value>]) -> Result<(), Error> {
    print!("{}", listing::text(listing, rows)?);
    Ok(())
}
