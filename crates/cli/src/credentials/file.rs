//! The file.

use super::{HUB, helper, host_of};
use crate::error::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tierce_api_types::auth::AuthConfig;

/// Docker's configuration file, with all that is in it.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    document: Map<String, Value>,
}

/// Where credentials were put.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// A helper program keeps them.
    Helper,
    /// They are in the file, readable by who may read it.
    File,
    /// They were in the file before.
    Unchanged,
}

impl ConfigFile {
    /// Reads the user's file; one that is not there is an empty one.
    pub(crate) fn load() -> Result<Self, Error> {
        let directory = match std::env::var_os("DOCKER_CONFIG").filter(|directory| !directory.is_empty()) {
            Some(directory) => PathBuf::from(directory),
            None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".docker"),
        };
        Self::load_from(&directory.join("config.json"))
    }

    pub(crate) fn load_from(path: &Path) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::failed(format!("cannot read {}: {error}", path.display()));
        let document = match fs::read(path) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => Map::new(),
            // The words of serde could quote a secret.
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                failed(&format!(
                    "invalid JSON at line {} column {}",
                    error.line(),
                    error.column()
                ))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(failed(&error)),
        };
        Ok(Self {
            path: path.to_owned(),
            document,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file lies, and with it what else the user has.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// The user's own form of a list (`imagesFormat`, …); empty when there is none.
    pub(crate) fn format(&self, name: &str) -> String {
        self.document
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// Filters of every prune, as words of `--filter`.
    pub(crate) fn prune_filters(&self) -> Vec<&str> {
        let filters = self.document.get("pruneFilters").and_then(Value::as_array);
        filters.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The helper for an address, if one is configured.
    fn helper(&self, address: &str) -> Option<&str> {
        let helpers = self.document.get("credHelpers").and_then(Value::as_object);
        let own = helpers.and_then(|helpers| helpers.get(address).or_else(|| helpers.get(host_of(address))));
        own.or_else(|| self.document.get("credsStore"))
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
    }

    /// The credentials for an address.
    pub(crate) fn get(&self, address: &str) -> Result<Option<AuthConfig>, Error> {
        if let Some(name) = self.helper(address) {
            return helper::get(name, address);
        }
        let entries = self.document.get("auths").and_then(Value::as_object);
        let Some(entries) = entries else { return Ok(None) };
        // Older clients wrote addresses with scheme and path.
        let entry = entries.get(address).or_else(|| {
            let mut others = entries.iter().filter(|_| address != HUB);
            others
                .find(|(known, _)| host_of(known) == address)
                .map(|(_, entry)| entry)
        });
        Ok(entry.map(|entry| read(address, entry)).filter(|found| {
            !found.username.is_empty() || !found.identity_token.is_empty() || !found.registry_token.is_empty()
        }))
    }

    /// Keeps credentials.
    pub(crate) fn store(&mut self, credentials: &AuthConfig) -> Result<Stored, Error> {
        let address = credentials.server_address.clone();
        let by_helper = match self.helper(&address) {
            Some(name) => {
                helper::store(name, credentials)?;
                true
            }
            None => false,
        };
        let mut entry = Map::new();
        if !by_helper {
            let pair = format!("{}:{}", credentials.username, credentials.password);
            if !credentials.username.is_empty() {
                entry.insert("auth".to_owned(), STANDARD.encode(pair).into());
            }
            if !credentials.identity_token.is_empty() {
                entry.insert("identitytoken".to_owned(), credentials.identity_token.clone().into());
            }
        }
        // With a helper the empty entry tells that somebody is logged in, as Docker does it.
        let entries = self.document.entry("auths").or_insert_with(|| json!({}));
        if let Some(entries) = entries.as_object_mut() {
            let entry = Value::Object(entry);
            if entries.get(&address) == Some(&entry) {
                return Ok(if by_helper { Stored::Helper } else { Stored::Unchanged });
            }
            entries.insert(address, entry);
        }
        self.save()?;
        Ok(if by_helper { Stored::Helper } else { Stored::File })
    }

    /// Forgets credentials; tells whether there were any.
    pub(crate) fn erase(&mut self, address: &str) -> Result<bool, Error> {
        let mut known = false;
        if let Some(entries) = self.document.get_mut("auths").and_then(Value::as_object_mut) {
            let before = entries.len();
            entries.retain(|found, _| found != address && (address == HUB || host_of(found) != host_of(address)));
            known = entries.len() < before;
        }
        if let Some(name) = self.helper(address) {
            helper::erase(name, address)?;
            // As older clients stored them.
            for scheme in ["http://", "https://"].iter().filter(|_| address != HUB) {
                helper::erase(name, &format!("{scheme}{address}"))?;
            }
        }
        if known {
            self.save()?;
        }
        Ok(known)
    }

    /// Writes the file anew under its own name, or where it leads as a link; nobody but the user can read it.
    fn save(&self) -> Result<(), Error> {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let failed = |error: std::io::Error| Error::failed(format!("cannot write {}: {error}", path.display()));
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(failed)?;
        let mut bytes = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        serde::Serialize::serialize(&self.document, &mut writer)
            .map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))?;
        let partial = directory.join(format!(".config.json.{}", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&partial, &path));
        written.map_err(|error| {
            // The first error is the one to tell.
            let _ = fs::remove_file(&partial);
            failed(error)
        })
    }
}

/// Reads an entry: `auth` (base64 of `user:password`) or the members by themselves.
fn read(address: &str, entry: &Value) -> AuthConfig {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let pair = STANDARD.decode(text("auth")).ok();
    let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
    let (username, password) = match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((username, password)) => (username.to_owned(), password.trim_end_matches('\0').to_owned()),
        None => (text("username"), text("password")),
    };
    AuthConfig {
        username,
        password,
        auth: String::new(),
        server_address: address.to_owned(),
        identity_token: text("identitytoken"),
        registry_token: text("registrytoken"),
    }
}
