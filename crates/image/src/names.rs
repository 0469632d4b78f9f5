//! `repositories.json`: which names lead to which image.
//!
//! ```json
//! {"Repositories":{"alpine":{"alpine:latest":"sha256:…","alpine@sha256:…":"sha256:…"}}}
//! ```
//! Source: moby `reference/store.go`. Keys are familiar names, sorted as Go sorts them.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use tierce_oci::{ImageId, Reference};

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Document {
    #[serde(rename = "Repositories", default)]
    repositories: BTreeMap<String, BTreeMap<String, ImageId>>,
}

/// The table of names, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Names {
    path: PathBuf,
    table: RwLock<Document>,
    /// Held over a change of the file; readers do not wait for the disk.
    writing: Mutex<()>,
}

impl Names {
    /// Opens the table; a file that is not there is an empty one and is written. What a write that a crash interrupted
    /// has left beside it goes.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        if let Some(directory) = path.parent() {
            tierce_fsops::remove_unfinished(directory)?;
        }
        let table = match tierce_fsops::read_if_exists(path)? {
            None => {
                let empty = Document::default();
                write(path, &empty)?;
                empty
            }
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::Damaged {
                path: path.to_owned(),
                cause: error.to_string(),
            })?,
        };
        Ok(Self {
            path: path.to_owned(),
            table: RwLock::new(table),
            writing: Mutex::default(),
        })
    }

    /// The image that a reference leads to. A reference with tag and digest is looked up by its digest.
    pub(crate) fn get(&self, reference: &Reference) -> Option<ImageId> {
        let reference = key(reference);
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table
            .repositories
            .get(&reference.familiar_name())?
            .get(&reference.familiar())
            .cloned()
    }

    /// The references that lead to an image, sorted by their full form. Those that no longer parse are left out.
    pub(crate) fn of(&self, id: &ImageId) -> Vec<Reference> {
        let mut found = self.all();
        found.retain(|(_, owner)| owner == id);
        found.into_iter().map(|(reference, _)| reference).collect()
    }

    /// Every reference with its image, sorted by full form.
    pub(crate) fn all(&self) -> Vec<(Reference, ImageId)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = table
            .repositories
            .values()
            .flatten()
            .filter_map(|(text, id)| Some((Reference::parse(text).ok()?, id.clone())))
            .collect();
        all.sort_by_cached_key(|(reference, _)| reference.to_string());
        all
    }

    /// Points references to images, all in one write.
    pub(crate) fn set(&self, entries: &[(Reference, ImageId)]) -> Result<(), Error> {
        self.change(|document| {
            for (reference, id) in entries {
                let reference = key(reference);
                let names = document.repositories.entry(reference.familiar_name()).or_default();
                names.insert(reference.familiar(), id.clone());
            }
        })
    }

    /// Removes references, all in one write; those that are not there do not matter.
    pub(crate) fn remove(&self, references: &[Reference]) -> Result<(), Error> {
        self.change(|document| {
            for reference in references {
                let reference = key(reference);
                let name = reference.familiar_name();
                if let Some(names) = document.repositories.get_mut(&name) {
                    names.remove(&reference.familiar());
                    if names.is_empty() {
                        document.repositories.remove(&name);
                    }
                }
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut Document)) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut document = self.table.read().unwrap_or_else(PoisonError::into_inner).clone();
        let before = document.clone();
        change(&mut document);
        if document != before {
            write(&self.path, &document)?;
            *self.table.write().unwrap_or_else(PoisonError::into_inner) = document;
        }
        Ok(())
    }
}

fn write(path: &Path, document: &Document) -> Result<(), Error> {
    let bytes = tierce_store::to_json(document).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        cause: error.to_string(),
    })?;
    Ok(tierce_fsops::write_atomic(path, &bytes, 0o600)?)
}

/// The form under which a reference is kept: by digest when it has one, by tag otherwise.
fn key(reference: &Reference) -> Reference {
    match reference.digest() {
        Some(digest) => reference.with_digest(digest.clone()),
        None => reference.clone().with_default_tag(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_oci::Digest;

    fn reference(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    #[test]
    fn row_004_the_file_is_dockers_to_the_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("repositories.json");
        let names = Names::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"Repositories":{}}"#);
        let id = ImageId(Digest::sha256_of(b"a"));
        let digest = Digest::sha256_of(b"m");
        let by_digest = reference("foo/bar").with_digest(digest.clone());
        names
            .set(&[
                (reference("docker.io/foo/bar:x"), id.clone()),
                (by_digest.clone(), id.clone()),
                (reference("alpine"), id.clone()),
                (reference("127.0.0.1:5000/a:1"), id.clone()),
            ])
            .unwrap();
        let expected = format!(
            concat!(
                r#"{{"Repositories":{{"127.0.0.1:5000/a":{{"127.0.0.1:5000/a:1":"{id}"}},"alpine":{{"alpine:latest":"{id}"}},"#,
                r#""foo/bar":{{"foo/bar:x":"{id}","foo/bar@{digest}":"{id}"}}}}}}"#
            ),
            id = id,
            digest = digest
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        let again = Names::open(&path).unwrap();
        assert_eq!(again.of(&id).len(), 4);
        assert_eq!(again.get(&reference(&format!("foo/bar:other@{digest}"))), Some(id));
        again
            .remove(&[reference("foo/bar:x"), by_digest, reference("absent")])
            .unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains("foo/bar"));
    }

    #[test]
    fn a_damaged_file_is_named_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("repositories.json");
        std::fs::write(&path, b"{\"Repos").unwrap();
        let error = Names::open(&path).unwrap_err().to_string();
        assert!(error.contains("repositories.json"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"{\"Repos");
    }
}
