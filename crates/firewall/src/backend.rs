//! The seam between rule sets and the kernel.

use std::fmt::Debug;

use crate::{Change, Error, Family, LiveRules, Watch};

/// Applies rule sets. Implementations remember nothing of them: what is in force is in the kernel.
///
/// All methods act on the network namespace of the thread that was the first to call one.
pub trait Backend: Debug + Send + Sync {
    /// Its name in configuration and `info`.
    fn name(&self) -> &'static str;

    /// Applies all changes in one transaction, or none of them. Where a table, set or element is gone that one of them is
    /// about, that is a refusal of kind `ENOENT`: whoever knows what shall be there replaces the table.
    fn apply(&self, changes: &[Change]) -> Result<(), Error>;

    /// Whether the table is in force.
    fn has_table(&self, family: Family, name: &str) -> Result<bool, Error>;

    /// Tells of changes that others make, from now on; `None`: there is nothing to watch.
    fn watch(&self) -> Result<Option<Watch>, Error>;

    /// Base chains of other tables that drop forwarded packets unless told otherwise, as `ip filter FORWARD`: those of
    /// IPv4, of both families, and of IPv6. An acceptance in our table does not overrule them.
    fn foreign_forward_drops(&self, own: &str) -> Result<Vec<String>, Error>;

    /// What all programs have in force.
    fn live(&self) -> Result<LiveRules, Error>;
}
