//! The one list of back ends.

mod nft;
mod none;

use crate::Backend;

/// The back ends to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// nf_tables over netlink.
    #[default]
    Nft,
    /// None: the administrator does it all (`--iptables=false`).
    None,
}

/// Opens the chosen one.
pub fn open(choice: Choice) -> Box<dyn Backend> {
    match choice {
        Choice::Nft => Box::new(nft::Nft::default()),
        Choice::None => Box::new(none::None),
    }
}
