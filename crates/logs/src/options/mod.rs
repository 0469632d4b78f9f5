//! From the options of `--log-opt` to a driver's own: checked with Docker's texts, and parsed once.
//!
//! Source: moby `daemon/logger/factory.go` (`ValidateLogOpts`), `daemon/logger/*/` (each `ValidateLogOpt` and `New`),
//! `daemon/logger/loginfo.go`, `daemon/logger/loggerutils/cache`.

mod attributes;
mod drivers;
mod size;
mod tag;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::drivers::{Source, Target};
use crate::error::{Error, Result};
pub use drivers::DEFAULT_LIMITS;

/// Options by name.
pub type Options = BTreeMap<String, String>;

/// The drivers that can be asked for, besides `none`.
pub const DRIVERS: [&str; 4] = ["journald", "json-file", "local", "syslog"];

/// What a container's log may tell of the container.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Directory of its files.
    pub directory: &'a Path,
    /// 64 hex digits.
    pub id: &'a str,
    /// Without slash.
    pub name: &'a str,
    /// As its creator named it.
    pub image: &'a str,
    /// `sha256:…`
    pub image_id: &'a str,
    /// Program and arguments.
    pub command: &'a str,
    /// Its labels.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// Its environment, `NAME=value`.
    pub environment: &'a [String],
    /// Name of this host.
    pub host: &'a str,
}

fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Option(text.into()))
}

/// Checks a request as far as dockerd does: driver and names, and what syslog is told. Other values are looked at when
/// the container starts.
pub fn check(driver: &str, options: &Options) -> Result<()> {
    match driver {
        "none" => Ok(()),
        "json-file" => drivers::check_names(options, &drivers::JSON_FILE, driver),
        "local" => drivers::check_names(options, &drivers::LOCAL, driver),
        "journald" => drivers::check_names(options, &attributes::NAMES, driver),
        "syslog" => drivers::check_syslog(options),
        other => unknown(other),
    }
}

fn unknown<T>(driver: &str) -> Result<T> {
    refuse(format!(
        "error looking up logging plugin {driver}: plugin {driver:?} not found"
    ))
}

/// Where the shim logs to.
pub fn target(driver: &str, options: &Options, subject: &Subject<'_>) -> Result<Target> {
    match driver {
        "none" => Ok(Target::None),
        "json-file" => drivers::json_file(options, subject).map(Target::JsonFile),
        "local" => drivers::local(options, subject).map(Target::Local),
        "journald" => drivers::journald(options, subject).map(Target::Journald),
        "syslog" => drivers::syslog(options, subject).map(Target::Syslog),
        other => unknown(other),
    }
}

/// The log to read, of the container with this directory and id; `None` where its driver keeps none.
pub fn source(driver: &str, options: &Options, directory: &Path, id: &str) -> Option<Source> {
    match driver {
        "json-file" => Some(Source::JsonFile(directory.join(format!("{id}-json.log")))),
        "local" => Some(Source::Local(local_path(directory))),
        "journald" | "syslog" if drivers::has_copy(options) => Some(Source::Local(copy_path(directory))),
        _ => None,
    }
}

fn local_path(directory: &Path) -> PathBuf {
    directory.join("local-logs/container.log")
}

/// The copy of a log that is sent away.
fn copy_path(directory: &Path) -> PathBuf {
    directory.join("container-cached.log")
}

#[cfg(test)]
mod tests;
