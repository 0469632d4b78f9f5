//! A directory of JSON records.

use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".json";
const LONGEST_NAME: usize = 200;

/// Records of one type, each in `<directory>/<name>.json` with mode 0600.
///
/// Every write is atomic and durable: after a crash a record is there in its old or its new form. The owner of a
/// collection is the only writer of its directory.
#[derive(Debug)]
pub struct Collection<T> {
    directory: PathBuf,
    record: PhantomData<fn() -> T>,
}

/// What [`Collection::load`] found.
#[derive(Debug)]
pub struct Loaded<T> {
    /// Names and records, sorted by name.
    pub records: Vec<(String, T)>,
    /// Records that could not be read; their files are left where they are.
    pub damaged: Vec<Damaged>,
}

/// A record that cannot be read.
#[derive(Debug)]
pub struct Damaged {
    /// Name of the record.
    pub name: String,
    /// Why.
    pub error: Error,
}

impl<T: Serialize + DeserializeOwned> Collection<T> {
    /// Opens the collection in `directory`, which is made when it is not there, and clears away what writes that a
    /// crash interrupted left behind.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        tierce_fsops::create_dir_all(directory, 0o700)?;
        tierce_fsops::remove_unfinished(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            record: PhantomData,
        })
    }

    /// Where the records are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a record, replacing one of the same name.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Encode`], [`Error::File`].
    pub fn put(&self, name: &str, record: &T) -> Result<(), Error> {
        let path = self.path(name)?;
        let bytes = serde_json::to_vec(record).map_err(|source| Error::Encode {
            name: name.to_owned(),
            source,
        })?;
        Ok(tierce_fsops::write_atomic(&path, &bytes, 0o600)?)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`], [`Error::BadName`], [`Error::File`].
    pub fn get(&self, name: &str) -> Result<T, Error> {
        let path = self.path(name)?;
        let Some(bytes) = tierce_fsops::read_if_exists(&path)? else {
            return Err(Error::NotFound {
                name: name.to_owned(),
                directory: self.directory.clone(),
            });
        };
        serde_json::from_slice(&bytes).map_err(|source| Error::Damaged { path, source })
    }

    /// Removes a record. Returns whether it was there.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::File`].
    pub fn remove(&self, name: &str) -> Result<bool, Error> {
        let path = self.path(name)?;
        if !tierce_fsops::exists(&path) {
            return Ok(false);
        }
        tierce_fsops::remove_file(&path)?;
        tierce_fsops::sync_dir(&self.directory)?;
        Ok(true)
    }

    /// Reads all records. One that cannot be read does not keep the others away.
    ///
    /// # Errors
    /// [`Error::File`] when the directory itself cannot be read.
    pub fn load(&self) -> Result<Loaded<T>, Error> {
        let mut names: Vec<String> = tierce_fsops::names(&self.directory)?
            .into_iter()
            .filter_map(|file| file.to_str()?.strip_suffix(SUFFIX).map(str::to_owned))
            .filter(|name| is_name(name))
            .collect();
        names.sort();
        let mut loaded = Loaded {
            records: Vec::new(),
            damaged: Vec::new(),
        };
        for name in names {
            match self.get(&name) {
                Ok(record) => loaded.records.push((name, record)),
                // Removed between the listing and now.
                Err(Error::NotFound { .. }) => {}
                Err(error) => loaded.damaged.push(Damaged { name, error }),
            }
        }
        Ok(loaded)
    }

    fn path(&self, name: &str) -> Result<PathBuf, Error> {
        if !is_name(name) {
            return Err(Error::BadName {
                name: name.chars().take(LONGEST_NAME).collect(),
            });
        }
        Ok(self.directory.join(format!("{name}{SUFFIX}")))
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn records_come_back_sorted() {
        let directory = tempfile::tempdir().unwrap();
        let collection = Collection::<Vec<u32>>::open(&directory.path().join("new/dir")).unwrap();
        collection.put("b", &vec![2]).unwrap();
        collection.put("a", &vec![1]).unwrap();
        collection.put("b", &vec![3]).unwrap();
        let loaded = collection.load().unwrap();
        assert_eq!(
            loaded.records,
            vec![("a".to_owned(), vec![1]), ("b".to_owned(), vec![3])]
        );
        assert!(loaded.damaged.is_empty());
        let mode = collection
            .directory()
            .join("a.json")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(collection.remove("a").unwrap());
        assert!(!collection.remove("a").unwrap());
        assert!(matches!(collection.get("a"), Err(Error::NotFound { .. })));
    }

    #[test]
    fn a_damaged_record_is_told_and_the_others_work() {
        let directory = tempfile::tempdir().unwrap();
        let collection = Collection::<u32>::open(directory.path()).unwrap();
        collection.put("good", &1).unwrap();
        std::fs::write(directory.path().join("bad.json"), b"{").unwrap();
        std::fs::write(directory.path().join("empty.json"), b"").unwrap();
        std::fs::write(directory.path().join("README"), b"not a record").unwrap();
        let loaded = collection.load().unwrap();
        assert_eq!(loaded.records, vec![("good".to_owned(), 1)]);
        let names: Vec<_> = loaded.damaged.iter().map(|damaged| damaged.name.as_str()).collect();
        assert_eq!(names, ["bad", "empty"]);
        assert!(directory.path().join("bad.json").exists());
    }

    #[test]
    fn an_interrupted_write_is_cleared_away() {
        let directory = tempfile::tempdir().unwrap();
        Collection::<u32>::open(directory.path()).unwrap().put("a", &1).unwrap();
        std::fs::write(directory.path().join(".tmp-a.json-1-0"), b"2").unwrap();
        let collection = Collection::<u32>::open(directory.path()).unwrap();
        assert_eq!(collection.get("a").unwrap(), 1);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_directory(name in "\\PC{0,40}") {
            let directory = tempfile::tempdir().unwrap();
            let collection = Collection::<u32>::open(&directory.path().join("inner")).unwrap();
            if collection.put(&name, &7).is_ok() {
                prop_assert_eq!(collection.get(&name).unwrap(), 7);
                prop_assert_eq!(collection.load().unwrap().records.len(), 1);
            }
            prop_assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }
}
