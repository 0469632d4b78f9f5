//! Options of a bridge network, parsed once from Docker's `com.docker.network.*` map.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::Error;

/// How a bridge network behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Interface name of the bridge.
    pub bridge: String,
    /// MTU of bridge and interfaces.
    pub mtu: u32,
    /// Containers of the network may talk to each other.
    pub icc: bool,
    /// Masquerade outgoing traffic.
    pub masquerade: bool,
    /// Address for `-p` without one.
    pub publish_address: Option<IpAddr>,
}

impl Options {
    /// From the options of a create request; `bridge` is the interface name if none is given.
    pub fn parse(options: &BTreeMap<String, String>, bridge: String, mtu: u32) -> Result<Self, Error> {
        let mut parsed = Self {
            bridge,
            mtu,
            icc: true,
            masquerade: true,
            publish_address: None,
        };
        for (key, value) in options {
            let invalid = || Error::Invalid(format!("invalid value {value:?} for network option {key}"));
            match key.as_str() {
                "com.docker.network.bridge.name" => parsed.bridge = interface_name(value).ok_or_else(invalid)?,
                "com.docker.network.bridge.enable_icc" => parsed.icc = boolean(value).ok_or_else(invalid)?,
                "com.docker.network.bridge.enable_ip_masquerade" => {
                    parsed.masquerade = boolean(value).ok_or_else(invalid)?;
                }
                "com.docker.network.bridge.host_binding_ipv4" => {
                    parsed.publish_address = Some(value.parse().map_err(|_| invalid())?);
                }
                "com.docker.network.driver.mtu" => {
                    parsed.mtu = value
                        .parse()
                        .ok()
                        .filter(|mtu| (68..=65535).contains(mtu))
                        .ok_or_else(invalid)?;
                }
                // Docker ignores what it does not know, and so do scripts that pass options of other versions.
                _ => {}
            }
        }
        Ok(parsed)
    }
}

/// Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What the kernel takes as an interface name (`dev_valid_name`).
pub(crate) fn interface_name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() < 16 && text != "." && text != "..";
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':'));
    (fits && plain).then(|| text.to_owned())
}
