//! systemd makes the group: a scope with delegation, asked for over D-Bus; its directories, and what systemd has no
//! word for, are the file system driver's. Source: org.freedesktop.systemd1(5), systemd's "Control Group APIs and
//! Delegation".
//!
//! ```text
//!   adopt(pid) ── StartTransientUnit(Delegate, Slice, PIDs) ── wait for the job ── what systemd did not make (v1)
//!   set()      ── SetUnitProperties ── then all of it by the file system
//!   delete()   ── StopUnit, ResetFailedUnit ── then what is left of the directories
//! ```
//!
//! As in runc: what systemd is told and what is written are the same settings, or systemd would undo them.

mod client;
mod devices;
mod properties;
mod unit;

use crate::dbus::{Bus, BusError, Value, parse_text};
use crate::hierarchy::{Hierarchies, Mode};
use crate::present;
use crate::{Error, Manager, OomWatch, Paths, Result, Stats};
use client::Client;
use properties::{Properties, Property};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tierce_oci::runtime::{Cpu, Resources};
use unit::Unit;

/// Prefix of annotations that are properties of the unit.
const ANNOTATION: &str = "org.systemd.property.";

/// The systemd driver over the file system driver.
pub(super) struct Systemd {
    files: Box<dyn Manager>,
    unit: Unit,
    bus: Bus,
    /// Given by annotations.
    properties: Vec<Property>,
    client: Mutex<Option<Client>>,
}

/// Whose systemd manages the groups of this process.
fn bus() -> Bus {
    let is_root = rustix::process::geteuid().is_root();
    // Root of a user namespace is an ordinary user outside.
    let maps = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_whole = maps.split_ascii_whitespace().eq(["0", "0", "4294967295"]);
    if is_root && is_whole { Bus::System } else { Bus::User }
}

/// The slice of units that name none.
fn usual_slice(bus: Bus) -> &'static str {
    match bus {
        Bus::System => "system.slice",
        Bus::User => "user.slice",
    }
}

/// The group of the scope that `path` (`slice:prefix:name`) names; `over` makes the file system driver of its paths.
pub(super) fn open(
    path: &str,
    annotations: &BTreeMap<String, String>,
    over: impl Fn(Paths) -> Box<dyn Manager>,
) -> Result<Systemd> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Err(Error::NoSystemd);
    }
    let (unit, bus) = (Unit::parse(path)?, bus());
    let properties = from_annotations(annotations)?;
    let hierarchies = Hierarchies::find()?;
    let mut client = None;
    let mut directory = unit.directory(usual_slice(bus))?;
    if bus == Bus::User {
        if hierarchies.mode() != Mode::Unified {
            return Err(Error::Invalid(
                "cannot use rootless systemd cgroups manager on cgroup v1".to_owned(),
            ));
        }
        let mut asked = Client::open(bus).map_err(|cause| Error::systemd("connect to systemd", cause))?;
        let own = asked.control_group();
        let own = own.map_err(|cause| Error::systemd("ask systemd for its control group", cause))?;
        directory = Path::new(own.trim_start_matches('/')).join(directory);
        client = Some(asked);
    }
    let paths: Paths = hierarchies
        .places()
        .map(|(name, mount)| (name, mount.join(&directory)))
        .collect();
    Ok(Systemd {
        files: over(paths),
        unit,
        bus,
        properties,
        client: Mutex::new(client),
    })
}

/// The group whose paths an earlier process kept; the file system driver alone where they are no scope's.
pub(super) fn load(paths: Paths, over: impl Fn(Paths) -> Box<dyn Manager>) -> Box<dyn Manager> {
    let unit = Unit::of(&paths);
    let files = over(paths);
    match unit {
        None => files,
        Some(unit) => Box::new(Systemd {
            files,
            unit,
            bus: bus(),
            properties: Vec::new(),
            client: Mutex::new(None),
        }),
    }
}

impl Systemd {
    /// Says something to systemd, to whom the first connects.
    fn ask<T>(&self, action: &str, with: impl FnOnce(&mut Client) -> std::result::Result<T, BusError>) -> Result<T> {
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match kept.take() {
            Some(client) => Ok(client),
            None => Client::open(self.bus),
        }
        .and_then(|mut client| {
            let result = with(&mut client);
            // After a failure of the socket the next question connects anew.
            if matches!(&result, Ok(_) | Err(BusError::Answer { .. })) {
                *kept = Some(client);
            }
            result
        });
        result.map_err(|cause| Error::systemd(format!("{action} {:?}", self.unit.name), cause))
    }
}

impl Manager for Systemd {
    fn create(&self) -> Result<()> {
        Err(Error::Invalid(format!(
            "create {}: systemd makes no scope without a process",
            self.unit.name
        )))
    }

    fn precedes_processes(&self) -> bool {
        false
    }

    fn adopt(&self, pid: u32) -> Result<()> {
        let accounting = if self.paths().unified().is_some() {
            "IOAccounting"
        } else {
            "BlockIOAccounting"
        };
        let slice = if self.unit.slice.is_empty() {
            usual_slice(self.bus)
        } else {
            &self.unit.slice
        };
        let mut properties: Vec<Property> = vec![
            (
                "Description".to_owned(),
                Value::text(format!("container {}", self.unit.name)),
            ),
            ("Slice".to_owned(), Value::text(slice)),
            ("Delegate".to_owned(), Value::Boolean(true)),
            (
                "PIDs".to_owned(),
                Value::Array("u".to_owned(), vec![Value::Uint32(pid)]),
            ),
            // The kernel counts from when a group has a controller, and not what was before.
            ("MemoryAccounting".to_owned(), Value::Boolean(true)),
            ("CPUAccounting".to_owned(), Value::Boolean(true)),
            (accounting.to_owned(), Value::Boolean(true)),
            ("TasksAccounting".to_owned(), Value::Boolean(true)),
            // Nobody stops containers in an order with the rest of the machine but those who started them.
            ("DefaultDependencies".to_owned(), Value::Boolean(false)),
        ];
        properties.extend_from_slice(&self.properties);
        let ended = self.ask("unable to start unit", |client| {
            client.start(&self.unit.name, &properties)
        })?;
        if ended != "done" {
            let _ = self.ask("reset", |client| client.reset(&self.unit.name));
            return Err(Error::Invalid(format!(
                "error creating systemd unit `{}`: got `{ended}`",
                self.unit.name
            )));
        }
        // On v1 systemd knows a few controllers only. On v2 the directory is there, and has what systemd delegates.
        let made = self.files.create().and_then(|()| match self.paths().unified() {
            Some(_) => Ok(()),
            None => self.files.enter(pid),
        });
        if made.is_err() {
            let _ = self.delete();
        }
        made
    }

    /// By the file system, or where an ordinary user may not, by systemd.
    fn enter(&self, pid: u32) -> Result<()> {
        match self.files.enter(pid) {
            Err(error) if matches!(error.errno(), Some(Errno::ACCESS | Errno::PERM)) => {
                self.ask("move a process into", |client| client.attach(&self.unit.name, pid))
            }
            result => result,
        }
    }

    fn set(&self, resources: &Resources) -> Result<()> {
        let mut resources = present::complete(self.paths(), resources);
        let quota = |cpu: &Cpu| properties::rounded(cpu.quota?, cpu.period.unwrap_or(0));
        if let Some(quota) = resources.cpu.as_ref().and_then(quota)
            && let Some(cpu) = &mut resources.to_mut().cpu
        {
            cpu.quota = Some(quota);
        }
        // Before systemd is told: it would have the processes killed for the new limit.
        present::check_memory(self.paths(), &resources)?;
        let unified = self.paths().unified().is_some();
        self.ask("unable to set properties of unit", |client| {
            let version = client.version()?;
            let properties = match Properties::of(&resources, version, unified) {
                Ok(properties) => properties,
                Err(error) => return Ok(Err(error)),
            };
            if properties.is_empty() {
                return Ok(Ok(()));
            }
            client.set(&self.unit.name, &properties).map(Ok)
        })??;
        self.files.set(&resources)
    }

    fn frozen(&self) -> Result<bool> {
        self.files.frozen()
    }

    fn set_frozen(&self, frozen: bool) -> Result<()> {
        self.files.set_frozen(frozen)
    }

    fn stats(&self) -> Result<Stats> {
        self.files.stats()
    }

    fn watch_oom(&self) -> Result<OomWatch> {
        self.files.watch_oom()
    }

    fn delete(&self) -> Result<()> {
        let stopped = self.ask("unable to stop unit", |client| client.stop(&self.unit.name));
        // Also when systemd does not answer: what can be taken away shall be.
        self.files.delete().and(stopped)
    }

    fn paths(&self) -> &Paths {
        self.files.paths()
    }
}

/// Properties by annotations. Those in seconds are given to systemd in microseconds, under the name that it has for
/// these, as runc does it.
fn from_annotations(annotations: &BTreeMap<String, String>) -> Result<Vec<Property>> {
    let mut properties = Vec::new();
    for (key, text) in annotations {
        let Some(name) = key.strip_prefix(ANNOTATION) else {
            continue;
        };
        if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(Error::Invalid(format!(
                "annotation {key} name incorrect: want letters only"
            )));
        }
        let wrong = |why: String| Error::Invalid(format!("annotation {key}={text} value parse error: {why}"));
        let value = parse_text(text).map_err(wrong)?;
        properties.push(match name.strip_suffix("Sec") {
            Some(stem) if stem.ends_with(|last: char| last.is_ascii_lowercase()) => {
                let microseconds = microseconds(&value).ok_or_else(|| wrong("not a number".to_owned()))?;
                (format!("{stem}USec"), Value::Uint64(microseconds))
            }
            _ => (name.to_owned(), value),
        });
    }
    Ok(properties)
}

fn microseconds(value: &Value) -> Option<u64> {
    let whole = |seconds: i64| u64::try_from(seconds).ok()?.checked_mul(1_000_000);
    match value {
        Value::Byte(number) => whole((*number).into()),
        Value::Int16(number) => whole((*number).into()),
        Value::Uint16(number) => whole((*number).into()),
        Value::Int32(number) => whole((*number).into()),
        Value::Uint32(number) => whole((*number).into()),
        Value::Int64(number) => whole(*number),
        Value::Uint64(number) => number.checked_mul(1_000_000),
        Value::Double(number) if *number >= 0.0 => Some((number * 1e6) as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Result<Property> {
        let annotations = [
            (format!("{ANNOTATION}{name}"), text.to_owned()),
            ("other".to_owned(), String::new()),
        ];
        from_annotations(&annotations.into()).map(|mut list| list.pop().unwrap())
    }

    #[test]
    fn annotations_become_properties() {
        let property = |name: &str, value| (name.to_owned(), value);
        assert_eq!(
            of("CollectMode", "'inactive-or-failed'").unwrap(),
            property("CollectMode", Value::text("inactive-or-failed"))
        );
        assert_eq!(
            of("TimeoutStopSec", "2.5").unwrap(),
            property("TimeoutStopUSec", Value::Uint64(2_500_000))
        );
        assert_eq!(
            of("TimeoutStopUSec", "uint64 123").unwrap(),
            property("TimeoutStopUSec", Value::Uint64(123))
        );
        for (name, text) in [
            ("A1c", "1"),
            ("", "1"),
            ("Ab", "1"),
            ("TimeoutStopSec", "'x'"),
            ("RestartSec", "-1"),
        ] {
            assert!(of(name, text).is_err(), "{name}={text}");
        }
    }
}
