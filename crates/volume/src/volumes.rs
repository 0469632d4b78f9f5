//! The registry: names → volumes, over all drivers.

use crate::metadata::{self, Metadata};
use crate::{ANONYMOUS_LABEL, Create, Driver, Error, Volume, copy_up, drivers};
use jiff::Timestamp;
use rustix::fd::BorrowedFd;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tierce_store::{Leases, Resource};

/// All volumes of a daemon. Safe to share between threads; every method may block on files.
pub struct Volumes {
    root: PathBuf,
    drivers: Vec<Arc<dyn Driver>>,
    table: RwLock<BTreeMap<String, Volume>>,
    /// Held over creation and removal; listing and use do not wait for it.
    metadata: Mutex<Metadata>,
    leases: Arc<Leases>,
}

impl Volumes {
    /// Opens `DR/volumes`, made if missing. One process at a time, be it this program or dockerd.
    ///
    /// # Errors
    /// When the directory cannot be made or listed; when the database of labels is damaged or open elsewhere.
    pub fn open(root: impl Into<PathBuf>, leases: Arc<Leases>) -> Result<Self, Error> {
        let root = root.into();
        // As dockerd: containers' users pass through, and see nothing on the way.
        tierce_fsops::create_dir_all(&root, 0o701)?;
        let volumes = Self {
            drivers: drivers::all(&root),
            table: RwLock::default(),
            metadata: Mutex::new(Metadata::open(&root)?),
            leases,
            root: root.clone(),
        };
        for entry in fs::read_dir(&root).map_err(Error::file("list", &root))? {
            let entry = entry.map_err(Error::file("list", &root))?;
            // Files beside the volumes (dockerd's metadata.db, backingFsBlockDev) are not ours.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if let Some(volume) = volumes.load(&name) {
                volumes.write().insert(name, volume);
            }
        }
        Ok(volumes)
    }

    fn load(&self, name: &str) -> Option<Volume> {
        let directory = self.root.join(name);
        let mountpoint = directory.join("_data");
        if !mountpoint.is_dir() {
            return None;
        }
        let mut metadata = self.metadata();
        let known = metadata.get(name);
        let is_new = known.is_none();
        let stored = known.unwrap_or_else(|| metadata::unknown(name, docker_options(&directory)));
        let volume = Volume {
            name: name.to_owned(),
            mountpoint,
            created: created(&directory),
            options: stored.options(),
            labels: stored.labels(),
            driver: stored.driver,
        };
        if is_new && volume.is_anonymous() {
            metadata.note(&volume);
        }
        Some(volume)
    }

    /// All volumes, by name.
    pub fn list(&self) -> Vec<Volume> {
        self.read().values().cloned().collect()
    }

    /// Names of the drivers.
    pub fn drivers(&self) -> Vec<&'static str> {
        self.drivers.iter().map(|driver| driver.name()).collect()
    }

    /// The volume of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, name: &str) -> Result<Volume, Error> {
        self.read()
            .get(name)
            .cloned()
            .ok_or_else(|| Error::NotFound(name.to_owned()))
    }

    /// Makes a volume, or gives the one that has the name already.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::InvalidOption`], [`Error::UnknownDriver`], [`Error::OtherDriver`], file errors.
    pub fn create(&self, request: Create) -> Result<Volume, Error> {
        let Create {
            name,
            driver,
            options,
            mut labels,
        } = request;
        let driver = self.driver(driver.as_deref().filter(|name| !name.is_empty()).unwrap_or("local"))?;
        let name = if let Some(name) = name.filter(|name| !name.is_empty()) {
            name
        } else {
            labels.entry(ANONYMOUS_LABEL.to_owned()).or_default();
            generated_name(&self.root)?
        };
        check_name(&name)?;
        let mut metadata = self.metadata();
        if let Some(existing) = self.read().get(&name) {
            if existing.driver != driver.name() {
                return Err(Error::OtherDriver {
                    name,
                    existing: existing.driver.clone(),
                });
            }
            return Ok(existing.clone());
        }
        driver.create(&name, &options)?;
        let volume = Volume {
            mountpoint: driver.path(&name),
            created: created(&self.root.join(&name)),
            name: name.clone(),
            driver: driver.name().to_owned(),
            options,
            labels,
        };
        if let Err(error) = metadata.put(&volume) {
            driver.remove(&name)?;
            return Err(error);
        }
        self.write().insert(name, volume.clone());
        Ok(volume)
    }

    /// Removes a volume that nobody uses.
    ///
    /// * `force`: one that does not exist is no error.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::NotFound`], file errors.
    pub fn remove(&self, name: &str, force: bool) -> Result<(), Error> {
        let mut metadata = self.metadata();
        let volume = match self.get(name) {
            Err(Error::NotFound(_)) if force => return Ok(()),
            other => other?,
        };
        let holders = self.leases.holders(&Resource::volume(name));
        if !holders.is_empty() {
            let holders = holders.into_iter().map(|lease| lease.holder).collect();
            return Err(Error::InUse {
                name: name.to_owned(),
                holders,
            });
        }
        self.driver(&volume.driver)?.remove(name)?;
        self.write().remove(name);
        metadata.remove(&volume)
    }

    /// Writes down what can wait while the daemon runs: the labels of anonymous volumes.
    ///
    /// # Errors
    /// File errors.
    pub fn flush(&self) -> Result<(), Error> {
        self.metadata().flush()
    }

    /// Who holds a volume: ids of containers.
    pub fn holders(&self, name: &str) -> Vec<String> {
        self.leases
            .holders(&Resource::volume(name))
            .into_iter()
            .map(|lease| lease.holder)
            .collect()
    }

    /// Makes the files of a volume reachable for one more user, and says where they are.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Mount`].
    pub fn mount(&self, name: &str) -> Result<PathBuf, Error> {
        let volume = self.get(name)?;
        self.driver(&volume.driver)?.mount(name)
    }

    /// Ends what one [`Self::mount`] began.
    ///
    /// # Errors
    /// When the file system cannot be unmounted.
    pub fn unmount(&self, name: &str) -> Result<(), Error> {
        match self.get(name) {
            Ok(volume) => self.driver(&volume.driver)?.unmount(name),
            // Removed by force meanwhile.
            Err(_) => Ok(()),
        }
    }

    /// Fills an empty volume, or an empty directory in one, with a copy of a directory of an image (row 162): files with
    /// owner, mode, times and extended attributes, and the directory's own owner and mode.
    ///
    /// * `subpath`: the directory in the volume; empty: the volume itself. One that is not there is not filled.
    /// * `source`: the directory, opened beneath the container's root.
    ///
    /// # Errors
    /// File errors; the volume is then left as far as it came.
    pub fn copy_up(&self, name: &str, subpath: &str, source: BorrowedFd<'_>) -> Result<(), Error> {
        let path = self.mount(name)?;
        let copied = copy_up::copy_into_empty(source, &path, subpath);
        self.unmount(name)?;
        copied
    }

    /// Bytes on disk of a volume.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn usage(&self, name: &str) -> Result<u64, Error> {
        Ok(copy_up::disk_use(&self.get(name)?.mountpoint))
    }

    fn driver(&self, name: &str) -> Result<&Arc<dyn Driver>, Error> {
        self.drivers
            .iter()
            .find(|driver| driver.name() == name)
            .ok_or_else(|| Error::UnknownDriver(name.to_owned()))
    }

    // Map operations do not panic, so a poisoned lock is safe to enter.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Volume>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn metadata(&self) -> MutexGuard<'_, Metadata> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Volume>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Volumes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Volumes")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// Docker's rule for volume names: at least two characters of a set that cannot leave the directory.
fn check_name(name: &str) -> Result<(), Error> {
    let valid = name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if valid {
        Ok(())
    } else {
        Err(Error::InvalidName(name.to_owned()))
    }
}

fn generated_name(root: &Path) -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::File {
        verb: "name a volume in",
        path: root.to_owned(),
        source: std::io::Error::other(error),
    })?;
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    Ok(bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect())
}

/// When a volume was made, as Docker tells it: the last change of its directory.
fn created(directory: &Path) -> Timestamp {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(metadata) = fs::metadata(directory) else {
        return Timestamp::default();
    };
    let nanoseconds = i32::try_from(metadata.ctime_nsec()).unwrap_or_default();
    Timestamp::new(metadata.ctime(), nanoseconds).unwrap_or_default()
}

/// The options of a volume without an entry in the database, from its `opts.json`.
fn docker_options(directory: &Path) -> BTreeMap<String, String> {
    let Ok(bytes) = fs::read(directory.join("opts.json")) else {
        return BTreeMap::new();
    };
    let Ok(options) = serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&bytes) else {
        return BTreeMap::new();
    };
    [("MountType", "type"), ("MountOpts", "o"), ("MountDevice", "device")]
        .into_iter()
        .filter_map(|(theirs, ours)| Some((ours.to_owned(), options.get(theirs)?.as_str()?.to_owned())))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tierce_store::Lease;

    fn named(name: &str) -> Create {
        Create {
            name: Some(name.to_owned()),
            ..Create::default()
        }
    }

    #[test]
    fn row_161_a_volume_lives_below_the_data_root_and_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let volumes = Volumes::open(directory.path(), Arc::default()).unwrap();
        let made = volumes.create(Create { labels, ..named("db") }).unwrap();
        assert_eq!(made.mountpoint, directory.path().join("db/_data"));
        fs::create_dir_all(directory.path().join("theirs/_data")).unwrap();
        drop(volumes);
        let again = Volumes::open(directory.path(), Arc::default()).unwrap();
        assert_eq!(again.get("db").unwrap(), made);
        assert_eq!(again.get("theirs").unwrap().driver, "local");
        assert_eq!(again.list().len(), 2);
    }

    #[test]
    fn making_a_volume_twice_gives_the_first_one() {
        let directory = tempfile::tempdir().unwrap();
        let volumes = Volumes::open(directory.path(), Arc::default()).unwrap();
        let first = volumes.create(named("db")).unwrap();
        assert_eq!(volumes.create(named("db")).unwrap(), first);
        let unknown = Create {
            driver: Some("nope".into()),
            ..named("x1")
        };
        assert_eq!(
            volumes.create(unknown).unwrap_err().to_string(),
            "error looking up volume plugin nope: plugin \"nope\" not found"
        );
    }

    #[test]
    fn row_164_anonymous_volumes_are_marked() {
        let directory = tempfile::tempdir().unwrap();
        let volumes = Volumes::open(directory.path(), Arc::default()).unwrap();
        let volume = volumes.create(Create::default()).unwrap();
        assert!(volume.is_anonymous());
        assert_eq!(volume.name.len(), 64);
    }

    #[test]
    fn row_161_dockerds_database_has_the_labels() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join("metadata.db"),
            include_bytes!("../../store/tests/fixtures/metadata.db"),
        )
        .unwrap();
        fs::create_dir_all(directory.path().join("named/_data")).unwrap();
        let volumes = Volumes::open(directory.path(), Arc::default()).unwrap();
        let labels = BTreeMap::from([("vl".to_owned(), "1".to_owned()), ("z".to_owned(), "2".to_owned())]);
        assert_eq!(volumes.get("named").unwrap().labels, labels);
        assert_eq!(volumes.list().len(), 1, "an entry without its directory is no volume");
        assert!(
            matches!(Volumes::open(directory.path(), Arc::default()), Err(Error::Store(_))),
            "one daemon at a time"
        );
    }

    #[test]
    fn row_164_anonymous_volumes_are_known_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let volumes = Volumes::open(directory.path(), Arc::default()).unwrap();
        let anonymous = volumes.create(Create::default()).unwrap();
        let before = fs::read(directory.path().join("metadata.db")).unwrap();
        // A crash: nothing was flushed.
        drop(volumes);
        let volumes = Volumes::open(directory.path(), Arc::default()).unwrap();
        assert_eq!(volumes.get(&anonymous.name).unwrap(), anonymous);
        volumes.flush().unwrap();
        let after = fs::read(directory.path().join("metadata.db")).unwrap();
        assert!(before.is_empty() && !after.is_empty());
    }

    #[test]
    fn a_volume_in_use_stays() {
        let directory = tempfile::tempdir().unwrap();
        let leases = Arc::new(Leases::default());
        let volumes = Volumes::open(directory.path(), Arc::clone(&leases)).unwrap();
        volumes.create(named("db")).unwrap();
        leases.hold(Resource::volume("db"), Lease::new("c1"));
        let error = volumes.remove("db", true).unwrap_err();
        assert_eq!(error.to_string(), "remove db: volume is in use - [c1]");
        leases.release_all("c1");
        volumes.remove("db", false).unwrap();
        assert!(!directory.path().join("db").exists());
        assert!(matches!(volumes.remove("db", false), Err(Error::NotFound(_))));
        assert!(volumes.remove("db", true).is_ok());
    }

    proptest! {
        #[test]
        fn no_accepted_name_leaves_the_directory(name in ".{0,20}") {
            if check_name(&name).is_ok() {
                let path = Path::new("/v").join(&name);
                prop_assert_eq!(path.parent(), Some(Path::new("/v")));
                prop_assert!(name != ".." && name != ".");
            }
        }
    }
}
