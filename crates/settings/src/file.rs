//! `config.json`.

use crate::{Error, HUB, helper, host_of};
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
pub struct ConfigFile {
    path: PathBuf,
    document: Map<String, Value>,
}

/// Where credentials were put.
#[derive(Debug, PartialEq, Eq)]
pub enum Stored {
    /// A helper program keeps them.
    Helper,
    /// They are in the file, readable by who may read it.
    File,
    /// They were in the file before.
    Unchanged,
}

impl ConfigFile {
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let document = match fs::read(path) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => Map::new(),
            // The words of serde could quote a secret.
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Error::invalid(
                    path,
                    &format!("invalid JSON at line {} column {}", error.line(), error.column()),
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        Ok(Self {
            path: path.to_owned(),
            document,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A text of the file: the user's own form of a list (`imagesFormat`, …), `detachKeys`, …; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.document.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Which context is in use; empty: the default one.
    pub fn current_context(&self) -> &str {
        self.text("currentContext")
    }

    /// Has another context in use; empty: the default one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn use_context(&mut self, name: &str) -> Result<(), Error> {
        if name.is_empty() {
            self.document.remove("currentContext");
        } else {
            self.document.insert("currentContext".to_owned(), name.into());
        }
        self.save()
    }

    /// Names and values of an object of texts: `HttpHeaders`, `aliases`.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let members = self.document.get(name).and_then(Value::as_object);
        let texts = members.into_iter().flatten();
        texts.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// Variables that containers get for the proxies of a daemon (`proxies`): those of its address, otherwise the default
    /// ones. Each in capital and in small letters, since programs know either.
    pub fn proxy_variables(&self, host: &str) -> Vec<(String, String)> {
        let proxies = self.document.get("proxies");
        let found = proxies.and_then(|proxies| proxies.get(host).or_else(|| proxies.get("default")));
        let known = [
            ("httpProxy", "HTTP_PROXY"),
            ("httpsProxy", "HTTPS_PROXY"),
            ("noProxy", "NO_PROXY"),
            ("ftpProxy", "FTP_PROXY"),
            ("allProxy", "ALL_PROXY"),
        ];
        let mut variables = Vec::new();
        for (member, name) in known {
            let value = found.and_then(|found| found.get(member)).and_then(Value::as_str);
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                variables.push((name.to_owned(), value.to_owned()));
                variables.push((name.to_ascii_lowercase(), value.to_owned()));
            }
        }
        variables
    }

    /// Filters of every prune, as words of `--filter`.
    pub fn prune_filters(&self) -> Vec<&str> {
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
    ///
    /// # Errors
    /// When a helper fails.
    pub fn get(&self, address: &str) -> Result<Option<AuthConfig>, Error> {
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

    /// A file with the credentials of all registries that are known here, and nothing else: also those that a helper
    /// keeps. Empty when there are none.
    ///
    /// # Errors
    /// When a helper fails.
    pub(crate) fn credentials_alone(&self) -> Result<Vec<u8>, Error> {
        let known = self.document.get("auths").and_then(Value::as_object);
        let mut entries = Map::new();
        for address in known.into_iter().flat_map(Map::keys) {
            if let Some(found) = self.get(address)? {
                entries.insert(address.clone(), Value::Object(entry(&found)));
            }
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        Ok(json!({ "auths": entries }).to_string().into_bytes())
    }

    /// Keeps credentials.
    ///
    /// # Errors
    /// When a helper fails, or the file cannot be written.
    pub fn store(&mut self, credentials: &AuthConfig) -> Result<Stored, Error> {
        let address = credentials.server_address.clone();
        let by_helper = match self.helper(&address) {
            Some(name) => {
                helper::store(name, credentials)?;
                true
            }
            None => false,
        };
        let entry = if by_helper { Map::new() } else { entry(credentials) };
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
    ///
    /// # Errors
    /// When a helper fails, or the file cannot be written.
    pub fn erase(&mut self, address: &str) -> Result<bool, Error> {
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
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
        let mut bytes = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        serde::Serialize::serialize(&self.document, &mut writer).map_err(|error| Error::invalid(&path, &error))?;
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
            Error::io("write", &path)(error)
        })
    }
}

/// Credentials as an entry of the file.
fn entry(credentials: &AuthConfig) -> Map<String, Value> {
    let mut entry = Map::new();
    if !credentials.username.is_empty() {
        let pair = format!("{}:{}", credentials.username, credentials.password);
        entry.insert("auth".to_owned(), STANDARD.encode(pair).into());
    }
    if !credentials.identity_token.is_empty() {
        entry.insert("identitytoken".to_owned(), credentials.identity_token.clone().into());
    }
    entry
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
