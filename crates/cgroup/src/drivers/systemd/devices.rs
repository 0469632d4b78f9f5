//! Device rules → `DevicePolicy` and `DeviceAllow`.
//!
//! systemd takes only lists of what is allowed, and not every rule has a form there. What it cannot say is refused for
//! the moment between its settings and those of the file system driver, which says everything.

use super::properties::Property;
use crate::Result;
use crate::dbus::Value;
use crate::devices::{Devices, Kind, State};
use tierce_oci::runtime::DeviceCgroup;

/// The properties of a list of rules.
pub(super) fn properties(rules: &[DeviceCgroup]) -> Result<Vec<Property>> {
    let state = State::of(rules)?;
    let list = |entries| ("DeviceAllow".to_owned(), Value::Array("(ss)".to_owned(), entries));
    let policy = |policy| ("DevicePolicy".to_owned(), Value::text(policy));
    if state.allows_all() {
        return Ok(vec![list(Vec::new()), policy("auto")]);
    }
    // The empty list clears what is there. The list comes before the policy: the other way round systemd takes the
    // unit's files for changed and asks for a reload (systemd issue 35710).
    let mut properties = vec![list(Vec::new())];
    if !state.default_allow {
        let groups = std::fs::read_to_string("/proc/devices").unwrap_or_default();
        let entry = |(devices, access): (&Devices, &_)| {
            let path = path(devices, &groups)?;
            Some(Value::Structure(vec![
                Value::Text(path),
                Value::text(format!("{access}")),
            ]))
        };
        properties.push(list(state.exceptions.iter().filter_map(entry).collect()));
    }
    properties.push(policy("strict"));
    Ok(properties)
}

/// How systemd names some devices; `None` where it has no name for them.
fn path(devices: &Devices, groups: &str) -> Option<String> {
    let kind = if devices.kind == Kind::Block { "block" } else { "char" };
    match (devices.major, devices.minor) {
        (None, None) => Some(format!("{kind}-*")),
        (None, Some(_)) => None,
        (Some(major), Some(minor)) => Some(format!("/dev/{kind}/{major}:{minor}")),
        (Some(major), None) => group(groups, devices.kind, major).map(|group| format!("{kind}-{group}")),
    }
}

/// The name of a major number in proc_devices(5): lines of number and name below a heading a kind.
fn group(groups: &str, kind: Kind, major: u32) -> Option<&str> {
    let heading = if kind == Kind::Block {
        "Block devices:"
    } else {
        "Character devices:"
    };
    let lines = groups.lines().skip_while(|line| *line != heading).skip(1);
    lines
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.trim().split_once(' '))
        .find(|(number, _)| number.parse() == Ok(major))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n";

    #[test]
    fn row_131_devices_have_systemds_names() {
        let name = |kind, major, minor| path(&Devices { kind, major, minor }, GROUPS);
        assert_eq!(name(Kind::Char, Some(1), Some(3)).as_deref(), Some("/dev/char/1:3"));
        assert_eq!(name(Kind::Char, Some(136), None).as_deref(), Some("char-pts"));
        assert_eq!(name(Kind::Block, Some(8), None).as_deref(), Some("block-sd"));
        assert_eq!(name(Kind::Block, None, None).as_deref(), Some("block-*"));
        assert_eq!(name(Kind::Block, Some(1), None), None);
        assert_eq!(name(Kind::Char, None, Some(3)), None);
    }

    #[test]
    fn row_131_the_list_comes_before_the_policy() {
        let names = |rules: &str| -> Vec<String> {
            let properties = properties(&serde_json::from_str::<Vec<DeviceCgroup>>(rules).unwrap()).unwrap();
            let name = |(name, value): Property| match value {
                Value::Text(policy) => format!("{name}={policy}"),
                Value::Array(_, entries) => format!("{name} {}", entries.len().min(2)),
                _ => name,
            };
            properties.into_iter().map(name).collect()
        };
        let strict = ["DeviceAllow 0", "DeviceAllow 2", "DevicePolicy=strict"];
        assert_eq!(names(r#"[{"allow":false,"access":"rwm"}]"#), strict);
        assert_eq!(
            names(r#"[{"allow":true,"access":"rwm"}]"#),
            ["DeviceAllow 0", "DevicePolicy=auto"]
        );
        let denies = r#"[{"allow":true,"access":"rwm"},{"allow":false,"type":"b","major":8,"access":"w"}]"#;
        assert_eq!(names(denies), ["DeviceAllow 0", "DevicePolicy=strict"]);
    }
}
