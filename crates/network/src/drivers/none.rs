//! The none driver: a sandbox with only `lo`. There is nothing to make.

use tierce_firewall::Elements;

use crate::Error;
use crate::driver::Driver;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::Network;

/// The driver.
#[derive(Debug)]
pub(super) struct None;

impl Driver for None {
    fn name(&self) -> &'static str {
        "null"
    }

    fn create(&self, _: &Network) -> Result<(), Error> {
        Ok(())
    }

    fn remove(&self, _: &Network) -> Result<(), Error> {
        Ok(())
    }

    fn attach(&self, _: &Network, _: &mut Link, _: &Namespace) -> Result<(), Error> {
        Ok(())
    }

    fn detach(&self, _: &Network, _: &Link) -> Result<(), Error> {
        Ok(())
    }

    fn rules(&self, _: &Network, _: &str) -> Vec<Elements> {
        Vec::new()
    }
}
