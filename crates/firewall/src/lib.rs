//! Packet filter rule sets as values, and the back ends that apply them.

mod error;

pub use error::Error;

/// The back ends to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// nf_tables over netlink.
    #[default]
    Nft,
    /// None: the administrator does it all.
    None,
}
