//! Contexts: daemons by name, on disk as Docker keeps them.
//!
//! `{"Name":"lab","Metadata":{"Description":"…"},"Endpoints":{"docker":{"Host":"tcp://lab:2376","SkipTLSVerify":false}}}`
//!
//! A context may have other endpoints and metadata, which stay as they are.

use crate::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Result as IoResult};
use std::path::{Path, PathBuf};
use tierce_oci::Digest;

/// The context that is none: what flags and the environment say.
pub const DEFAULT: &str = "default";
/// The endpoint of a context that is a daemon like Docker's.
pub const DOCKER: &str = "docker";
/// Which names there may be, as Docker says it.
const PATTERN: &str = "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$";

/// What is kept of a context.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// Description, and whatever else somebody keeps.
    pub metadata: Map<String, Value>,
    /// Endpoints by kind.
    pub endpoints: BTreeMap<String, Map<String, Value>>,
}

/// A daemon's address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// As in `-H`; empty: the default one.
    #[serde(rename = "Host", skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Whether its certificate is not looked at.
    #[serde(rename = "SkipTLSVerify")]
    pub skip_tls_verify: bool,
}

impl Context {
    /// What the user says of it.
    pub fn description(&self) -> &str {
        self.metadata
            .get("Description")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Says something of it.
    pub fn describe(&mut self, text: &str) {
        self.metadata.insert("Description".to_owned(), text.into());
    }

    /// The daemon that it names.
    pub fn endpoint(&self) -> Option<Endpoint> {
        let found = self.endpoints.get(DOCKER)?;
        serde_json::from_value(Value::Object(found.clone())).ok()
    }

    /// Names a daemon.
    pub fn set_endpoint(&mut self, endpoint: &Endpoint) {
        // A struct of a text and a bool always becomes an object.
        if let Ok(Value::Object(document)) = serde_json::to_value(endpoint) {
            self.endpoints.insert(DOCKER.to_owned(), document);
        }
    }
}

/// All contexts of the user.
#[derive(Debug, Clone)]
pub struct Contexts {
    root: PathBuf,
}

impl Contexts {
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Refuses a name that no context can have.
    ///
    /// # Errors
    /// [`Error::ContextName`], in Docker's words.
    pub fn check_name(name: &str) -> Result<(), Error> {
        let refuse = |text: String| Err(Error::ContextName(text));
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '+' | '-');
        match name {
            "" => refuse("context name cannot be empty".to_owned()),
            DEFAULT => refuse("\"default\" is a reserved context name".to_owned()),
            _ if name.len() > 1
                && name.chars().all(allowed)
                && name.starts_with(|c: char| c.is_ascii_alphanumeric()) =>
            {
                Ok(())
            }
            _ => refuse(format!(
                "context name {name:?} is invalid, names are validated against regexp {PATTERN:?}"
            )),
        }
    }

    /// Where a context is kept.
    pub fn metadata_directory(&self, name: &str) -> PathBuf {
        self.root.join("meta").join(directory_name(name))
    }

    /// Where its keys and certificates are kept, by endpoint.
    pub fn tls_directory(&self, name: &str) -> PathBuf {
        self.root.join("tls").join(directory_name(name))
    }

    /// All of them, in no order.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn list(&self) -> Result<Vec<Context>, Error> {
        let root = self.root.join("meta");
        let names = match fs::read_dir(&root).and_then(Iterator::collect::<IoResult<Vec<_>>>) {
            Ok(names) => names,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &root)(error)),
        };
        let mut found = Vec::new();
        for entry in names {
            found.extend(read(&entry.path().join("meta.json"))?);
        }
        Ok(found)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::NoContext`]; when it cannot be read.
    pub fn get(&self, name: &str) -> Result<Context, Error> {
        let path = self.metadata_directory(name).join("meta.json");
        match read(&path)? {
            Some(context) => Ok(context),
            None => Err(Error::NoContext {
                name: name.to_owned(),
                path,
            }),
        }
    }

    /// Whether there is one of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.metadata_directory(name).exists()
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, context: &Context) -> Result<(), Error> {
        let directory = self.metadata_directory(&context.name);
        let path = directory.join("meta.json");
        fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
        let bytes = serde_json::to_vec(context).map_err(|error| Error::invalid(&path, &error))?;
        write(&path, &bytes, 0o644)
    }

    /// Forgets it, with its keys.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        remove(&self.metadata_directory(name))?;
        remove(&self.tls_directory(name))
    }

    /// The files of its keys and certificates: endpoint, name of the file, content.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn tls_files(&self, name: &str) -> Result<Vec<(String, String, Vec<u8>)>, Error> {
        let root = self.tls_directory(name);
        let mut files = Vec::new();
        for endpoint in names(&root)? {
            let directory = root.join(&endpoint);
            for name in names(&directory)? {
                let path = directory.join(&name);
                let content = fs::read(&path).map_err(Error::io("read", &path))?;
                files.push((endpoint.clone(), name, content));
            }
        }
        Ok(files)
    }

    /// Replaces the keys and certificates of an endpoint.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn set_tls_files(&self, name: &str, endpoint: &str, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        let directory = self.tls_directory(name).join(endpoint);
        remove(&directory)?;
        if files.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
        for (name, content) in files {
            write(&directory.join(name), content, 0o600)?;
        }
        Ok(())
    }
}

fn directory_name(name: &str) -> String {
    Digest::sha256_of(name.as_bytes()).hex().to_owned()
}

fn read(path: &Path) -> Result<Option<Context>, Error> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::invalid(path, &error)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    tierce_fsops::write_atomic(path, bytes, mode).map_err(|error| Error::invalid(path, &error))
}

fn remove(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", directory)(error)),
        _ => Ok(()),
    }
}

/// Names in a directory, in order; none where it is missing.
fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let listed = match fs::read_dir(directory).and_then(Iterator::collect::<IoResult<Vec<_>>>) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", directory)(error)),
    };
    let mut names: Vec<String> = listed
        .iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn row_085_contexts_lie_where_dockers_client_looks() {
        let directory = tempfile::tempdir().unwrap();
        let contexts = Settings::at(directory.path()).contexts();
        assert!(contexts.list().unwrap().is_empty());
        let mut context = Context {
            name: "lab".to_owned(),
            ..Context::default()
        };
        context.describe("far away");
        context.set_endpoint(&Endpoint {
            host: "tcp://lab:2376".to_owned(),
            skip_tls_verify: false,
        });
        contexts.save(&context).unwrap();
        // The directory is `printf lab | sha256sum`.
        let id = "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7";
        let path = contexts.metadata_directory("lab");
        assert_eq!(path.file_name().unwrap(), id);
        assert_eq!(
            fs::read_to_string(path.join("meta.json")).unwrap(),
            r#"{"Name":"lab","Metadata":{"Description":"far away"},"Endpoints":{"docker":{"Host":"tcp://lab:2376","SkipTLSVerify":false}}}"#
        );
        let files = [("ca.pem".to_owned(), b"x".to_vec())];
        contexts.set_tls_files("lab", DOCKER, &files).unwrap();
        assert!(contexts.tls_directory("lab").join("docker/ca.pem").exists());
        assert_eq!(contexts.list().unwrap(), [contexts.get("lab").unwrap()]);
        contexts.remove("lab").unwrap();
        assert!(!contexts.contains("lab") && contexts.tls_files("lab").unwrap().is_empty());
        assert!(
            contexts
                .get("lab")
                .unwrap_err()
                .to_string()
                .starts_with("context \"lab\": context not found: open")
        );
    }

    #[test]
    fn names_are_checked_as_docker_checks_them() {
        for name in ["lab", "a1", "A.b+c_d-e"] {
            assert!(Contexts::check_name(name).is_ok(), "{name}");
        }
        for name in ["", "default", "a", "../x", "-a", "a b", "ä1"] {
            assert!(Contexts::check_name(name).is_err(), "{name}");
        }
    }
}
