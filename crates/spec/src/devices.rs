//! Device nodes and device rules. Source: moby `oci/devices_linux.go`, `daemon/oci_linux.go` (`WithDevices`).

use super::Inputs;
use crate::error::{Error, Result};
use rustix::fs::{major, minor};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use tierce_oci::container::DeviceMapping;
use tierce_oci::runtime::{Device, DeviceCgroup};

/// A host device that the container gets, with what it may do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The node.
    pub node: Device,
    /// Any of `r`, `w`, `m`.
    pub access: String,
}

/// The section.
pub(super) struct Devices {
    pub(super) nodes: Vec<Device>,
    pub(super) rules: Vec<DeviceCgroup>,
}

pub(super) fn devices(inputs: &Inputs<'_>) -> Result<Devices> {
    let mut rules = default_rules();
    let mut nodes = Vec::new();
    for grant in &inputs.devices {
        nodes.push(grant.node.clone());
        if !inputs.host_config.privileged {
            rules.push(DeviceCgroup {
                allow: true,
                kind: grant.node.kind.clone(),
                major: Some(grant.node.major),
                minor: Some(grant.node.minor),
                access: grant.access.clone(),
            });
        }
    }
    if inputs.host_config.privileged {
        rules.push(DeviceCgroup {
            allow: true,
            access: "rwm".to_owned(),
            ..DeviceCgroup::default()
        });
    } else {
        for rule in inputs
            .host_config
            .resources
            .device_cgroup_rules
            .as_deref()
            .unwrap_or_default()
        {
            rules.push(check_rule(rule)?);
        }
    }
    Ok(Devices { nodes, rules })
}

/// Nothing, but zero, null, urandom, random, tty and console; and explicitly not fuse.
fn default_rules() -> Vec<DeviceCgroup> {
    let mut rules = vec![DeviceCgroup {
        allow: false,
        access: "rwm".to_owned(),
        ..DeviceCgroup::default()
    }];
    for (allow, major, minor) in [
        (true, 1, 5),
        (true, 1, 3),
        (true, 1, 9),
        (true, 1, 8),
        (true, 5, 0),
        (true, 5, 1),
        (false, 10, 229),
    ] {
        rules.push(DeviceCgroup {
            allow,
            kind: "c".to_owned(),
            major: Some(major),
            minor: Some(minor),
            access: "rwm".to_owned(),
        });
    }
    rules
}

/// Reads a rule of `--device-cgroup-rule`: `c 42:* rmw`; `*` becomes -1.
pub(crate) fn check_rule(text: &str) -> Result<DeviceCgroup> {
    let invalid = || Error::Invalid(format!("invalid device cgroup rule format: '{text}'"));
    let mut words = text.split(' ');
    let (Some(kind), Some(numbers), Some(access), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid());
    };
    let number = |part: &str| match part {
        "*" => Ok(-1),
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u32>().map(i64::from).map_err(|_| invalid())
        }
        _ => Err(invalid()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
    if !matches!(kind, "a" | "b" | "c") || !valid_access(access) {
        return Err(invalid());
    }
    Ok(DeviceCgroup {
        allow: true,
        kind: kind.to_owned(),
        major: Some(number(major)?),
        minor: Some(number(minor)?),
        access: access.to_owned(),
    })
}

/// Any of `r`, `w`, `m`, each at most once.
fn valid_access(access: &str) -> bool {
    (1..=3).contains(&access.len())
        && access.chars().all(|c| "rwm".contains(c))
        && access
            .chars()
            .enumerate()
            .all(|(index, c)| !access[..index].contains(c))
}

/// Looks up the host devices that a container is to get: those asked for, or (privileged) all of them.
pub fn gather(privileged: bool, wanted: &[DeviceMapping]) -> Result<Vec<Grant>> {
    let mut grants = Vec::new();
    if privileged {
        walk(Path::new("/dev"), Path::new("/dev"), "rwm", &mut grants);
        grants.sort_by(|a, b| a.node.path.cmp(&b.node.path));
    }
    for mapping in wanted {
        let inside = if mapping.path_in_container.is_empty() {
            &mapping.path_on_host
        } else {
            &mapping.path_in_container
        };
        if privileged && mapping.path_on_host == *inside {
            continue;
        }
        let access = if mapping.cgroup_permissions.is_empty() {
            "rwm"
        } else {
            &mapping.cgroup_permissions
        };
        if !valid_access(access) {
            return Err(Error::Invalid(format!("invalid device mode: {access}")));
        }
        gather_one(&mapping.path_on_host, Path::new(inside), access, &mut grants)?;
    }
    Ok(grants)
}

fn gather_one(host: &str, inside: &Path, access: &str, grants: &mut Vec<Grant>) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::Invalid(format!(
            "error gathering device information while adding custom device {host:?}: {error}"
        ))
    };
    // Links are followed once: `/dev/disk/by-id/x` is what people name.
    let real = fs::canonicalize(host).map_err(|error| failed(&words(&error)))?;
    let metadata = fs::metadata(&real).map_err(|error| failed(&words(&error)))?;
    if let Some(node) = node(&metadata, inside) {
        grants.push(Grant {
            node,
            access: access.to_owned(),
        });
        return Ok(());
    }
    let before = grants.len();
    if metadata.is_dir() {
        walk(&real, inside, access, grants);
    }
    if grants.len() == before {
        Err(failed(&"not a device node"))
    } else {
        Ok(())
    }
}

/// An error in the kernel's words, as Go says it.
pub(crate) fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) if error.kind() == io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ => error.to_string(),
    }
}

/// Every device below a directory. What Docker leaves out is left out: terminals of others, shared memory, and what the
/// container gets new anyway. Entries that vanish meanwhile are none.
fn walk(directory: &Path, inside: &Path, access: &str, grants: &mut Vec<Grant>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Ok(metadata) = entry.metadata() else { continue };
        let below = inside.join(&name);
        if metadata.is_dir() {
            let skipped = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
            if !skipped.iter().any(|skip| name == *skip) {
                walk(&entry.path(), &below, access, grants);
            }
        } else if name != "console"
            && let Some(node) = node(&metadata, &below)
        {
            grants.push(Grant {
                node,
                access: access.to_owned(),
            });
        }
    }
}

pub(crate) fn node(metadata: &fs::Metadata, inside: &Path) -> Option<Device> {
    let kind = metadata.file_type();
    let kind = if kind.is_block_device() {
        "b"
    } else if kind.is_char_device() {
        "c"
    } else {
        return None;
    };
    Some(Device {
        kind: kind.to_owned(),
        path: inside.to_owned(),
        major: i64::from(major(metadata.rdev())),
        minor: i64::from(minor(metadata.rdev())),
        file_mode: Some(metadata.mode() & 0o7777),
        uid: Some(metadata.uid()),
        gid: Some(metadata.gid()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn row_131_rules_parse_as_dockers_do() {
        let rule = check_rule("c 10:* rw").unwrap();
        assert_eq!(
            (rule.major, rule.minor, rule.access.as_str()),
            (Some(10), Some(-1), "rw")
        );
        for bad in [
            "foo",
            "c 1:1",
            "d 1:1 r",
            "c 1:x r",
            "c 1:1 rr",
            "c 1:1 x",
            "c 1:1 rwmr",
            "c 1:1 r ",
        ] {
            assert!(check_rule(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_missing_device_is_named() {
        let wanted = DeviceMapping {
            path_on_host: "/dev/nope".into(),
            ..DeviceMapping::default()
        };
        assert_eq!(
            gather(false, &[wanted]).unwrap_err().to_string(),
            "error gathering device information while adding custom device \"/dev/nope\": no such file or directory"
        );
    }

    #[test]
    fn a_device_is_looked_up_with_its_numbers() {
        let wanted = DeviceMapping {
            path_on_host: "/dev/null".into(),
            path_in_container: "/dev/mine".into(),
            cgroup_permissions: "r".into(),
        };
        let grants = gather(false, &[wanted]).unwrap();
        assert_eq!(grants[0].node.path, Path::new("/dev/mine"));
        assert_eq!(
            (grants[0].node.major, grants[0].node.minor, grants[0].access.as_str()),
            (1, 3, "r")
        );
        assert!(
            gather(true, &[])
                .unwrap()
                .iter()
                .any(|grant| grant.node.path == Path::new("/dev/null"))
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,24}") {
            let _ = check_rule(&text);
        }
    }
}
