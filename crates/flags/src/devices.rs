//! Flags about devices. A word without a slash at its beginning and with an equals sign is a name of the container device
//! interface, which the daemon looks up. Source of the texts: docker/cli `command/container/opts.go`.

use super::gpus;
use crate::Error;
use clap::Args;
use tierce_oci::container::{DeviceMapping, DeviceRequest, ResourceConfig};

#[derive(Debug, Args)]
pub(crate) struct DeviceFlags {
    /// Add a host device to the container
    #[arg(long, value_name = "list")]
    device: Vec<String>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, value_name = "list", value_parser = parse_rule)]
    device_cgroup_rule: Vec<String>,
    /// GPU devices to add to the container ('all' to pass all GPUs)
    #[arg(long, value_name = "gpu-request", value_parser = gpus::parse)]
    gpus: Vec<DeviceRequest>,
}

/// One `--device`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Device {
    Node(DeviceMapping),
    /// `vendor.com/class=name`.
    Interface(String),
}

impl DeviceFlags {
    pub(crate) fn apply(&self, resources: &mut ResourceConfig) -> Result<(), Error> {
        let mut nodes = Vec::new();
        let mut names = Vec::new();
        for device in &self.device {
            match read(device).map_err(Error::usage)? {
                Device::Node(node) => nodes.push(node),
                Device::Interface(name) => names.push(name),
            }
        }
        let mut requests = self.gpus.clone();
        if !names.is_empty() {
            requests.push(DeviceRequest {
                driver: "cdi".to_owned(),
                device_ids: Some(names),
                ..DeviceRequest::default()
            });
        }
        resources.devices = Some(nodes);
        resources.device_requests = (!requests.is_empty()).then_some(requests);
        resources.device_cgroup_rules = (!self.device_cgroup_rule.is_empty()).then(|| self.device_cgroup_rule.clone());
        Ok(())
    }
}

fn read(text: &str) -> Result<Device, String> {
    let is_name = text.split_once('=').is_some_and(|(kind, name)| {
        !text.starts_with('/') && kind.contains('/') && !name.is_empty() && !text.contains(':')
    });
    if is_name {
        return Ok(Device::Interface(text.to_owned()));
    }
    parse(text).map(Device::Node)
}

/// `a 1:3 rwm`, with `*` for any number.
fn parse_rule(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(' ').collect();
    let number = |text: &str| text == "*" || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let valid = matches!(parts.as_slice(), [kind, device, rights]
        if matches!(*kind, "a" | "c" | "b")
            && device.split_once(':').is_some_and(|(major, minor)| number(major) && number(minor))
            && (1..=3).contains(&rights.len())
            && rights.bytes().all(|byte| b"rwm".contains(&byte)));
    if valid {
        Ok(text.to_owned())
    } else {
        Err(format!("invalid device cgroup format '{text}'"))
    }
}

/// `host[:container[:permissions]]`.
fn parse(text: &str) -> Result<DeviceMapping, String> {
    let is_mode = |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'r' | b'w' | b'm'));
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, rights) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, rights] if is_mode(rights) => (*host, *host, *rights),
        [host, container] => (*host, *container, "rwm"),
        [host, container, rights] => (*host, *container, *rights),
        _ => return Err(format!("invalid device specification: {text}")),
    };
    if !is_mode(rights) {
        return Err(format!("bad mode specified: {rights}"));
    }
    if !container.starts_with('/') {
        return Err(format!("{container} is not an absolute path"));
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: rights.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_docker_reads_them() {
        assert_eq!(parse("/dev/fuse:rw").unwrap().cgroup_permissions, "rw");
        assert_eq!(parse("/dev/a:/dev/b").unwrap().path_in_container, "/dev/b");
        assert!(parse("/dev/a:/dev/b:x").is_err());
        let name = "vendor.com/class=name".to_owned();
        assert_eq!(read(&name).unwrap(), Device::Interface(name));
        assert!(matches!(read("/dev/a=b").unwrap(), Device::Node(_)));
    }

    #[test]
    fn rules_are_checked() {
        assert!(parse_rule("c 1:3 mr").is_ok() && parse_rule("a *:* rwm").is_ok());
        for bad in ["", "c 1:3", "x 1:3 r", "c 1 r", "c 1:3 rwmx", "c 1:3 z"] {
            assert!(parse_rule(bad).is_err(), "{bad}");
        }
    }
}
