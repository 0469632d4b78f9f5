//! What is asked of systemd: its interface `org.freedesktop.systemd1.Manager`.

use super::properties::Property;
use crate::dbus::{Bus, BusError, Call, Connection, Value};

const NAME: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// A conversation with systemd.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    version: Option<u32>,
}

type Result<T> = std::result::Result<T, BusError>;

impl Client {
    /// Connects to the systemd of a bus, and hears of the ends of its jobs from now on.
    pub(super) fn open(bus: Bus) -> Result<Self> {
        let mut connection = Connection::open(bus)?;
        connection.listen(NAME, INTERFACE, "JobRemoved")?;
        Ok(Self {
            connection,
            version: None,
        })
    }

    fn call(&mut self, member: &'static str, arguments: Vec<Value>) -> Result<Vec<Value>> {
        self.connection.call(Call {
            destination: NAME,
            path: OBJECT,
            interface: INTERFACE,
            member,
            arguments,
        })
    }

    /// Calls a method that starts a job, waits for its end and says how it ended (`done`, `failed`, …).
    fn job(&mut self, member: &'static str, arguments: Vec<Value>) -> Result<String> {
        let answer = self.call(member, arguments)?;
        let [Value::Path(job)] = answer.as_slice() else {
            return Err(BusError::Type(member));
        };
        self.connection
            .await_signal(INTERFACE, "JobRemoved", |body| match body {
                [_, Value::Path(path), _, Value::Text(result)] if path == job => Some(result.clone()),
                _ => None,
            })
    }

    /// Starts a scope; a failed one of this name, left behind, is cleared away. Returns how the job ended.
    pub(super) fn start(&mut self, unit: &str, properties: &[Property]) -> Result<String> {
        let arguments = || {
            let auxiliary = Value::Array("(sa(sv))".to_owned(), Vec::new());
            vec![Value::text(unit), Value::text("replace"), list(properties), auxiliary]
        };
        match self.job("StartTransientUnit", arguments()) {
            Err(error) if error.is_answer(EXISTS) => {
                let _ = self.reset(unit);
                self.job("StartTransientUnit", arguments())
            }
            result => result,
        }
    }

    /// Sets properties until the next boot.
    pub(super) fn set(&mut self, unit: &str, properties: &[Property]) -> Result<()> {
        let arguments = vec![Value::text(unit), Value::Boolean(true), list(properties)];
        self.call("SetUnitProperties", arguments).map(drop)
    }

    /// Stops a unit, and has a failed one forgotten. One that is gone is no error.
    pub(super) fn stop(&mut self, unit: &str) -> Result<()> {
        let stopped = self.job("StopUnit", vec![Value::text(unit), Value::text("replace")]);
        // One that did not fail is unknown by now, which is what is wanted.
        let _ = self.reset(unit);
        match stopped {
            Err(error) if error.is_answer(NO_SUCH_UNIT) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Has systemd forget that a unit failed.
    pub(super) fn reset(&mut self, unit: &str) -> Result<()> {
        self.call("ResetFailedUnit", vec![Value::text(unit)]).map(drop)
    }

    /// Moves a process into a unit that delegates, which an ordinary user may not do by the file system.
    pub(super) fn attach(&mut self, unit: &str, pid: u32) -> Result<()> {
        let pids = Value::Array("u".to_owned(), vec![Value::Uint32(pid)]);
        self.call("AttachProcessesToUnit", vec![Value::text(unit), Value::text(""), pids])
            .map(drop)
    }

    fn property(&mut self, name: &'static str) -> Result<String> {
        let answer = self.connection.call(Call {
            destination: NAME,
            path: OBJECT,
            interface: "org.freedesktop.DBus.Properties",
            member: "Get",
            arguments: vec![Value::text(INTERFACE), Value::text(name)],
        })?;
        match answer.as_slice() {
            [Value::Variant(value)] => match value.as_ref() {
                Value::Text(text) => Ok(text.clone()),
                _ => Err(BusError::Type(name)),
            },
            _ => Err(BusError::Type(name)),
        }
    }

    /// The group that this systemd manages, as a path in the hierarchy.
    pub(super) fn control_group(&mut self) -> Result<String> {
        self.property("ControlGroup")
    }

    /// systemd's version.
    pub(super) fn version(&mut self) -> Result<u32> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let version = parse_version(&self.property("Version")?).ok_or(BusError::Type("Version"))?;
        self.version = Some(version);
        Ok(version)
    }
}

fn list(properties: &[Property]) -> Value {
    let entry = |(name, value): &Property| Value::Structure(vec![Value::text(name), value.clone().variant()]);
    Value::Array("(sv)".to_owned(), properties.iter().map(entry).collect())
}

/// `257.9-1~deb13u1`, `v245.4`
fn parse_version(text: &str) -> Option<u32> {
    let text = text.trim_start_matches('v');
    text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_are_understood() {
        assert_eq!(
            ["257.9-1~deb13u1", "v245.4-1.fc32", "245"].map(parse_version),
            [Some(257), Some(245), Some(245)]
        );
        assert_eq!(["", "x", "v"].map(parse_version), [None; 3]);
    }
}
