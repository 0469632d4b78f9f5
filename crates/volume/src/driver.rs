//! The contract of a volume driver.

use crate::Error;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Keeps the files of volumes.
///
/// # Contract
/// * Names were checked by the caller; options are parsed by the driver once, at `create`.
/// * `create` of a volume that exists is no error; `remove` of one that does not exist neither.
/// * `mount` is called once for each use and `unmount` once for each `mount`; the files stay reachable under the
///   returned path between the first `mount` and the last `unmount`.
/// * Methods may be called from many threads at once for different volumes; the caller serialises them per volume.
pub trait Driver: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Makes the place for a volume's files.
    fn create(&self, name: &str, options: &BTreeMap<String, String>) -> Result<(), Error>;

    /// Removes a volume with its files.
    fn remove(&self, name: &str) -> Result<(), Error>;

    /// Where the files are, or will be while mounted.
    fn path(&self, name: &str) -> PathBuf;

    /// Makes the files reachable.
    fn mount(&self, name: &str) -> Result<PathBuf, Error>;

    /// Ends one use.
    fn unmount(&self, name: &str) -> Result<(), Error>;
}
