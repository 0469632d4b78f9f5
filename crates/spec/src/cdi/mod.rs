//! The Container Device Interface: devices by their vendors' names, described by documents on the host.
//!
//! A name is `vendor.com/class=device`. Documents are the `.json`, `.yaml` and `.yml` files of the specification
//! directories; one in a later directory is stronger, and two in one directory that describe the same device make it
//! unusable. They are read anew at each start: what a driver's installer writes is there at once. Source: the CDI
//! specification 1.0 and its Go package, moby `daemon/cdi.go`.

mod document;
mod edits;

pub use edits::Edits;

use crate::error::{Error, Result};
use document::{Document, document_name};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tierce_oci::container::DeviceRequest;

/// Where documents are if nothing else is configured; those of the second directory are stronger.
pub const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// Class of the devices that `--gpus` means.
const GPU: &str = "gpu";
/// The device that stands for all of its class.
const ALL: &str = "all";

/// The devices that documents describe.
#[derive(Debug, Default)]
pub struct Registry {
    /// By qualified name.
    devices: BTreeMap<String, Described>,
    /// Documents that could not be read, and names that mean nothing.
    problems: Vec<String>,
}

#[derive(Debug, Clone)]
struct Described {
    document: Rc<Document>,
    /// Index among the document's devices.
    index: usize,
    /// Strength of the directory it is from.
    rank: usize,
}

impl Registry {
    /// Reads the documents of some directories; one that is not there has none.
    pub fn read(directories: &[PathBuf]) -> Self {
        let mut registry = Self::default();
        for (rank, directory) in directories.iter().enumerate() {
            let mut conflicting = BTreeSet::new();
            for path in files(directory) {
                match Document::read(&path) {
                    Ok(document) => registry.add(&Rc::new(document), rank, &mut conflicting),
                    Err(why) => registry.problems.push(format!("{}: {why}", path.display())),
                }
            }
            for name in conflicting {
                registry.devices.remove(&name);
                let directory = directory.display();
                registry.problems.push(format!(
                    "{directory}: conflicting device {name:?}: it is described twice"
                ));
            }
        }
        registry
    }

    fn add(&mut self, document: &Rc<Document>, rank: usize, conflicting: &mut BTreeSet<String>) {
        for (index, device) in document.devices.iter().enumerate() {
            let name = format!("{}={}", document.kind, device.name);
            if self.devices.get(&name).is_some_and(|known| known.rank == rank) {
                conflicting.insert(name.clone());
            }
            let document = Rc::clone(document);
            self.devices.insert(name, Described { document, index, rank });
        }
    }

    /// Qualified names of all devices.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.devices.keys().map(String::as_str)
    }

    /// What is wrong with the documents.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// What the devices that a container asks for change in its document.
    ///
    /// # Errors
    /// [`Error::Invalid`] for requests that nobody serves, [`Error::Host`] for devices that no document describes; with
    /// dockerd's texts.
    pub fn edits(&self, requests: &[DeviceRequest]) -> Result<Edits> {
        let mut names = Vec::new();
        for request in requests {
            names.extend(self.requested(request)?);
        }
        let unknown: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| !self.devices.contains_key(*name))
            .collect();
        if !unknown.is_empty() {
            for problem in &self.problems {
                tracing::warn!(problem, "a document of the container device interface is not used");
            }
            return Err(Error::Host(format!(
                "CDI device injection failed: unresolvable CDI devices {}",
                unknown.join(", ")
            )));
        }
        let mut edits = Edits::default();
        let mut seen: Vec<&Rc<Document>> = Vec::new();
        for described in names.iter().filter_map(|name| self.devices.get(name)) {
            let document = &described.document;
            // What a document says of all its devices is said once.
            if !seen.iter().any(|known| Rc::ptr_eq(known, document)) {
                seen.push(document);
                edits.append(&document.container_edits);
            }
            edits.append(&document.devices[described.index].container_edits);
        }
        Ok(edits)
    }

    /// The qualified names that a request means.
    fn requested(&self, request: &DeviceRequest) -> Result<Vec<String>> {
        let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
        let ids = request.device_ids.clone().unwrap_or_default();
        if request.driver == "cdi" {
            if request.count != 0 {
                return invalid("unexpected count in CDI device request");
            }
            if request.options.as_ref().is_some_and(|options| !options.is_empty()) {
                return invalid("unexpected options in CDI device request");
            }
            return Ok(ids);
        }
        let capabilities = request.capabilities.as_deref().unwrap_or_default();
        let wants_gpu = capabilities.iter().any(|list| list.iter().any(|word| word == GPU));
        let Some(kind) = self.gpu_kind(&request.driver).filter(|_| wants_gpu) else {
            return Err(Error::Invalid(format!(
                "could not select device driver {:?} with capabilities: {}",
                request.driver,
                go_list(capabilities)
            )));
        };
        if !ids.is_empty() && request.count != 0 {
            return invalid("cannot set both Count and DeviceIDs on device request");
        }
        let named = |device: &str| format!("{kind}={device}");
        if !ids.is_empty() {
            return Ok(ids.iter().map(|id| named(id)).collect());
        }
        let all = named(ALL);
        if request.count < 0 && self.devices.contains_key(&all) {
            return Ok(vec![all]);
        }
        let mut single: Vec<&str> = self
            .names()
            .filter_map(|name| name.strip_prefix(&kind)?.strip_prefix('='))
            .filter(|device| *device != ALL)
            .collect();
        // By number where they are numbered.
        single.sort_by_key(|device| (device.parse().unwrap_or(u32::MAX), *device));
        let count = usize::try_from(request.count).unwrap_or(single.len());
        if count > single.len() {
            return Err(Error::Host(format!(
                "CDI device injection failed: {count} devices of {kind} were asked for, and there are {}",
                single.len()
            )));
        }
        Ok(single[..count].iter().map(|device| named(device)).collect())
    }

    /// The kind of device that `--gpus` means: the one of the driver's vendor where one is named, else Nvidia's, else
    /// whichever there is.
    fn gpu_kind(&self, driver: &str) -> Option<String> {
        let kinds: BTreeSet<&str> = self
            .devices
            .values()
            .map(|described| described.document.kind.as_str())
            .collect();
        let kinds: Vec<&str> = kinds.into_iter().filter(|kind| kind.ends_with("/gpu")).collect();
        let preferred = if driver.is_empty() { "nvidia" } else { driver };
        let vendor = format!("{preferred}.");
        let found = kinds.iter().find(|kind| kind.starts_with(&vendor));
        let any = kinds.first().filter(|_| driver.is_empty());
        found.or(any).map(|kind| (*kind).to_owned())
    }
}

/// The documents of a directory, by name.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| document_name(path))
        .collect();
    files.sort();
    files
}

/// Nested lists as Go prints them: `[[gpu]]`.
fn go_list(lists: &[Vec<String>]) -> String {
    let inner: Vec<String> = lists.iter().map(|list| format!("[{}]", list.join(" "))).collect();
    format!("[{}]", inner.join(" "))
}

#[cfg(test)]
mod tests;
