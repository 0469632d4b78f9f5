//! Does nothing: for hosts whose administrator programs the packet filter.

use super::nft::Nft;
use crate::{Backend, Change, Error, Family, LiveRules, Watch};

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

    fn watch(&self) -> Result<Option<Watch>, Error> {
        Ok(Option::None)
    }

    fn foreign_forward_drops(&self, _: &str) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn live(&self) -> Result<LiveRules, Error> {
        // What others do counts all the more.
        Nft::default().live()
    }
}
