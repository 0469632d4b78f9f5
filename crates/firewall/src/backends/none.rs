//! Does nothing: for hosts whose administrator programs the packet filter.

use crate::{Backend, Change, Error, Family};

/// The back end that changes nothing.
#[derive(Debug)]
pub(super) struct None;

impl Backend for None {
    fn name(&self) -> &'static str {
        "none"
    }

    fn apply(&self, _: &[Change]) -> Result<(), Error> {
        Ok(())
    }

    fn has_table(&self, _: Family, _: &str) -> Result<bool, Error> {
        Ok(true)
    }

    fn foreign_forward_drops(&self, _: &str) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}
