//! `metadata.db`: what cannot be seen from a volume's directory.
//!
//! One bucket, `volumes`: name → `{"Name":…,"Driver":…,"Labels":…,"Options":…}`, as moby `daemon/volume/service/db.go`
//! writes it. Anonymous volumes come and go with containers, and no `run` shall wait for the disk because of them: they
//! are written down with the next volume that has a name, or when the daemon ends. After a crash they are known by their
//! generated names.

use crate::{ANONYMOUS_LABEL, Error, Volume};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use tierce_store::bolt::Database;

/// Name of the file, and of the bucket in it.
const FILE: &str = "metadata.db";
const BUCKET: &str = "volumes";

/// One entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Stored {
    name: String,
    /// Its driver.
    pub(crate) driver: String,
    /// Free-form labels.
    labels: Option<BTreeMap<String, String>>,
    /// Options of the driver.
    options: Option<BTreeMap<String, String>>,
}

impl Stored {
    /// Free-form labels; none where the entry says null.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.labels.clone().unwrap_or_default()
    }

    /// Options of the driver; none where the entry says null.
    pub(crate) fn options(&self) -> BTreeMap<String, String> {
        self.options.clone().unwrap_or_default()
    }
}

/// The database, and whether the disk knows what it holds.
#[derive(Debug)]
pub(crate) struct Metadata {
    database: Database,
    changed: bool,
}

impl Metadata {
    /// Opens the database in `DR/volumes`.
    ///
    /// # Errors
    /// When another daemon has it open; when it is damaged; file errors.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        Ok(Self {
            database: Database::open(&root.join(FILE), 0o600)?,
            changed: false,
        })
    }

    /// The entry of a volume; `None` as well when it cannot be understood.
    pub(crate) fn get(&mut self, name: &str) -> Option<Stored> {
        let bytes = self.database.root.bucket(BUCKET).get(name)?;
        serde_json::from_slice(bytes)
            .inspect_err(|error| tracing::warn!(volume = name, %error, "labels of a volume cannot be read"))
            .ok()
    }

    /// Enters a volume; on disk at once when somebody named it.
    ///
    /// # Errors
    /// File errors; the entry is then not there.
    pub(crate) fn put(&mut self, volume: &Volume) -> Result<(), Error> {
        self.note(volume);
        let saved = self.save(volume.is_anonymous());
        if saved.is_err() {
            self.database.root.bucket(BUCKET).remove(&volume.name);
        }
        saved
    }

    /// Enters a volume, on disk with the next change that is.
    pub(crate) fn note(&mut self, volume: &Volume) {
        let present = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone());
        let stored = Stored {
            name: volume.name.clone(),
            driver: volume.driver.clone(),
            labels: present(&volume.labels),
            options: present(&volume.options),
        };
        let json = tierce_store::to_json(&stored).unwrap_or_default();
        self.database.root.bucket(BUCKET).put(&volume.name, json);
        self.changed = true;
    }

    /// Takes a volume out, after its files.
    ///
    /// # Errors
    /// File errors; the entry of a volume that is gone does no harm.
    pub(crate) fn remove(&mut self, volume: &Volume) -> Result<(), Error> {
        self.database.root.bucket(BUCKET).remove(&volume.name);
        self.save(volume.is_anonymous())
    }

    /// Writes what was left for later.
    ///
    /// # Errors
    /// File errors.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        if self.changed { self.save(false) } else { Ok(()) }
    }

    fn save(&mut self, later: bool) -> Result<(), Error> {
        self.changed = true;
        if !later {
            self.database.save()?;
            self.changed = false;
        }
        Ok(())
    }
}

/// What a directory without an entry stands for: a volume of the local driver, made by nobody if its name is generated.
pub(crate) fn unknown(name: &str, options: BTreeMap<String, String>) -> Stored {
    let generated = name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    Stored {
        name: name.to_owned(),
        driver: "local".to_owned(),
        labels: generated.then(|| BTreeMap::from([(ANONYMOUS_LABEL.to_owned(), String::new())])),
        options: Some(options),
    }
}
