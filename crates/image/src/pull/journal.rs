//! Which layers pulls under way may have registered, so that the next start finds what a crash left.

use crate::Error;
use std::path::Path;
use tierce_oci::ChainId;
use tierce_store::Collection;

/// One record a pull: the stack of its image, bottom first.
#[derive(Debug)]
pub(crate) struct Journal(Collection<Vec<ChainId>>);

impl Journal {
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        Ok(Self(Collection::open(directory)?))
    }

    /// Records of pulls that did not end. Damaged ones are reported and dropped: what they were about cannot be known.
    pub(crate) fn load(&self) -> Result<Vec<(String, Vec<ChainId>)>, Error> {
        let loaded = self.0.load()?;
        for damaged in loaded.damaged {
            tracing::warn!(record = damaged.name, error = %damaged.error, "a record of an interrupted pull is damaged");
            self.0.remove(&damaged.name)?;
        }
        Ok(loaded.records)
    }

    /// Notes the layers of a pull before the first of them is registered.
    pub(crate) fn begin(&self, pull: &str, chains: &[ChainId]) -> Result<(), Error> {
        Ok(self.0.put(pull, &chains.to_vec())?)
    }

    /// Forgets a pull.
    pub(crate) fn end(&self, pull: &str) -> Result<(), Error> {
        self.0.remove(pull)?;
        Ok(())
    }
}
