//! Lists under way: files below the user's configuration, shared with Docker's command line.
//!
//! ```text
//! ~/.docker/manifests/<list>/<manifest>       both are full references with `:` as `-` and `/` as `_`
//! ```
//! Source: docker/cli `cli/manifest/store`.

use super::documents::ImageManifest;
use crate::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tierce_oci::Reference;
use tierce_settings::Settings;

/// All lists of the user.
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    /// The user's.
    pub(super) fn open(settings: &Settings) -> Self {
        let root = settings.directory().join("manifests");
        Self { root }
    }

    /// The manifests of a list, by the name of their file; `None` when there is no such list.
    pub(super) fn list(&self, list: &Reference) -> Result<Option<Vec<ImageManifest>>, Error> {
        let directory = self.root.join(file_name(list));
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &directory, &error)),
        };
        let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths.map_err(|error| failed("read", &directory, &error))?;
        paths.sort();
        let manifests: Result<Vec<_>, Error> = paths.iter().map(|path| read(path)).collect();
        manifests.map(|manifests| Some(manifests.into_iter().flatten().collect()))
    }

    /// One manifest of a list, if it is there.
    pub(super) fn get(&self, list: &Reference, manifest: &Reference) -> Result<Option<ImageManifest>, Error> {
        read(&self.root.join(file_name(list)).join(file_name(manifest)))
    }

    /// Puts a manifest into a list, which begins with its first one.
    pub(super) fn save(&self, list: &Reference, reference: &Reference, manifest: &ImageManifest) -> Result<(), Error> {
        let directory = self.root.join(file_name(list));
        fs::create_dir_all(&directory).map_err(|error| failed("create", &directory, &error))?;
        let path = directory.join(file_name(reference));
        let bytes = serde_json::to_vec(manifest).map_err(|error| failed("write", &path, &error))?;
        fs::write(&path, bytes).map_err(|error| failed("write", &path, &error))
    }

    /// Removes a list; one that is not there is gone already.
    pub(super) fn remove(&self, list: &Reference) -> Result<(), Error> {
        let directory = self.root.join(file_name(list));
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &directory, &error)),
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Option<ImageManifest>, Error> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| failed("read", path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

/// A reference has no `..` between slashes, so its file stays in the folder.
fn file_name(reference: &Reference) -> String {
    reference.to_string().replace(':', "-").replace('/', "_")
}

fn failed(verb: &str, path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::failed(format!("cannot {verb} {}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::manifest::documents::Entry;
    use tierce_oci::{Digest, media_type};

    #[test]
    fn lists_are_kept_where_docker_keeps_them() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store {
            root: directory.path().join("manifests"),
        };
        let (list, image) = (
            Reference::parse("h:5000/a/list:1").unwrap(),
            Reference::parse("b:2").unwrap(),
        );
        assert!(store.list(&list).unwrap().is_none() && store.get(&list, &image).unwrap().is_none());
        let entry = Entry {
            media_type: media_type::DOCKER_MANIFEST.to_owned(),
            digest: Digest::sha256_of(b"{}"),
            size: 2,
            platform: None,
        };
        let manifest = ImageManifest::new(image.to_string(), entry, b"{}").unwrap();
        store.save(&list, &image, &manifest).unwrap();
        let file = directory.path().join("manifests/h-5000_a_list-1/docker.io_library_b-2");
        let expected = r#"{"Ref":"docker.io/library/b:2","Descriptor":{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"Raw":"e30=","SchemaV2Manifest":{}}"#;
        assert_eq!(fs::read_to_string(file).unwrap(), expected);
        assert_eq!(store.list(&list).unwrap().unwrap().len(), 1);
        store.remove(&list).unwrap();
        store.remove(&list).unwrap();
        assert!(store.list(&list).unwrap().is_none());
    }
}
