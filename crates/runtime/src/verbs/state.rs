//! `state`: where a container stands.

use super::Globals;
use crate::argv::Arguments;
use crate::error::Error;
use crate::state::{Home, Record};
use serde::Serialize;
use std::path::Path;
use tierce_cgroup::Manager;
use tierce_oci::runtime::{State, Status};

/// The state document of a container.
///
/// # Errors
/// [`Error::NotFound`].
pub fn state(root: &Path, id: &str) -> Result<State, Error> {
    let home = Home::of(root, id)?;
    let record = home.load()?;
    Ok(record.document(status(&home, &record)?))
}

/// The control group of a container, for statistics and out-of-memory news.
///
/// # Errors
/// [`Error::NotFound`].
pub fn control_group(root: &Path, id: &str) -> Result<Box<dyn Manager>, Error> {
    Ok(group(&Home::of(root, id)?.load()?))
}

/// The group of a record.
pub(crate) fn group(record: &Record) -> Box<dyn Manager> {
    tierce_cgroup::load(record.cgroup_paths.clone(), record.cgroup_driver)
}

/// What follows from the record and the kernel.
pub(crate) fn status(home: &Home, record: &Record) -> Result<Status, Error> {
    if record.pid == 0 {
        return Ok(Status::Creating);
    }
    if !record.is_alive() {
        return Ok(Status::Stopped);
    }
    if home.has_fifo() {
        return Ok(Status::Created);
    }
    Ok(if group(record).frozen()? {
        Status::Paused
    } else {
        Status::Running
    })
}

/// What runc prints of a container: the state document and a few facts more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    /// Version of the specification.
    pub(crate) oci_version: String,
    /// Id.
    pub(crate) id: String,
    /// Host pid; 0 once stopped.
    pub(crate) pid: i32,
    /// Status.
    pub(crate) status: Status,
    /// Bundle.
    pub(crate) bundle: String,
    /// Root file system on the host.
    pub(crate) rootfs: String,
    /// When it was created.
    pub(crate) created: String,
    /// Annotations.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(crate) annotations: std::collections::BTreeMap<String, String>,
    /// Whose it is.
    pub(crate) owner: String,
}

impl Line {
    /// The line of a container.
    pub(crate) fn of(home: &Home, record: &Record) -> Result<Self, Error> {
        let status = status(home, record)?;
        Ok(Self {
            oci_version: record.oci_version.clone(),
            id: record.id.clone(),
            pid: if status == Status::Stopped { 0 } else { record.pid },
            status,
            bundle: record.bundle.display().to_string(),
            rootfs: record.rootfs.display().to_string(),
            created: record.created.clone(),
            annotations: record.annotations.clone(),
            owner: owner(home.path()),
        })
    }
}

/// The name of a directory's owner by the host's `/etc/passwd`; the number where it has none.
fn owner(path: &Path) -> String {
    let Ok(stat) = rustix::fs::stat(path) else {
        return String::new();
    };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2).is_some_and(|field| field.parse() == Ok(stat.st_uid)))
        .map_or_else(|| format!("#{}", stat.st_uid), |fields| fields[0].to_owned())
}

/// Pretty JSON with a line feed.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| Error::Invalid(format!("write JSON: {error}")))
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let id = super::only_id("state", arguments)?;
    let home = Home::of(&globals.root, &id)?;
    let record = home.load()?;
    super::print(&json(&Line::of(&home, &record)?)?)
}
