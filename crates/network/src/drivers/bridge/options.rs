//! Options of a bridge network, parsed once from Docker's `com.docker.network.*` map. The texts of errors are dockerd's.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::Error;

/// How a bridge network behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Interface name of the bridge.
    pub bridge: String,
    /// It was there before the network, and stays after it.
    pub is_adopted: bool,
    /// MTU of bridge and interfaces.
    pub mtu: u32,
    /// Containers of the network may talk to each other.
    pub icc: bool,
    /// Masquerade outgoing traffic.
    pub masquerade: bool,
    /// Address for `-p` without one.
    pub publish_address: Option<IpAddr>,
    /// How IPv4 packets go between the network and the others.
    pub gateway_mode: GatewayMode,
    /// The same of IPv6.
    pub gateway_mode6: GatewayMode,
    /// The bridge has no IPv4 address: somebody else is the gateway.
    pub inhibit_ipv4: bool,
    /// What leaves has this address instead of the outgoing interface's.
    pub host_address: Option<Ipv4Addr>,
    /// The same of IPv6.
    pub host_address6: Option<Ipv6Addr>,
    /// Interfaces of the host from which published ports answer at the containers' own addresses.
    pub trusted_interfaces: Vec<String>,
    /// Beginning of the interfaces' names inside, without their number.
    pub interface_prefix: String,
}

/// How packets go between a network and the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GatewayMode {
    /// The host's address outwards, published ports inwards.
    #[default]
    Nat,
    /// As [`Self::Nat`], and every port answers at the container's own address.
    NatUnprotected,
    /// The containers' own addresses, both ways; published ports answer there and nowhere else.
    Routed,
    /// No gateway at all, for internal networks.
    Isolated,
}

impl FromStr for GatewayMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" | "nat" => Ok(Self::Nat),
            "nat-unprotected" => Ok(Self::NatUnprotected),
            "routed" => Ok(Self::Routed),
            "isolated" => Ok(Self::Isolated),
            other => Err(format!("unknown gateway mode {other}")),
        }
    }
}

impl Options {
    /// What a network has of which nothing is asked; `bridge` is the interface's name.
    pub fn of(bridge: String, mtu: u32) -> Self {
        Self {
            bridge,
            is_adopted: false,
            mtu,
            icc: true,
            masquerade: true,
            publish_address: None,
            gateway_mode: GatewayMode::Nat,
            gateway_mode6: GatewayMode::Nat,
            inhibit_ipv4: false,
            host_address: None,
            host_address6: None,
            trusted_interfaces: Vec::new(),
            interface_prefix: "eth".to_owned(),
        }
    }

    /// From the options of a create request; `bridge` is the interface name if none is given.
    pub fn parse(options: &BTreeMap<String, String>, bridge: String, mtu: u32, internal: bool) -> Result<Self, Error> {
        let mut parsed = Self::of(bridge, mtu);
        for (key, value) in options {
            parsed.take(key, value).map_err(|reason| match reason {
                Refusal::Unreadable(reason) => {
                    Error::Invalid(format!("failed to parse {key} value: {value} ({reason})"))
                }
                Refusal::Unfit(text) => Error::Invalid(text),
            })?;
        }
        if !internal && [parsed.gateway_mode, parsed.gateway_mode6].contains(&GatewayMode::Isolated) {
            return Err(Error::OnlyInternal);
        }
        Ok(parsed)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        let Some(name) = key.strip_prefix("com.docker.network.") else {
            return Ok(());
        };
        match name {
            "bridge.name" => self.bridge = interface(value)?,
            "bridge.enable_icc" => self.icc = boolean(value)?,
            "bridge.enable_ip_masquerade" => self.masquerade = boolean(value)?,
            "bridge.host_binding_ipv4" => self.publish_address = Some(address(value)?),
            "bridge.gateway_mode_ipv4" => self.gateway_mode = value.parse().map_err(Refusal::Unreadable)?,
            "bridge.gateway_mode_ipv6" => self.gateway_mode6 = value.parse().map_err(Refusal::Unreadable)?,
            "bridge.inhibit_ipv4" => self.inhibit_ipv4 = boolean(value)?,
            "bridge.trusted_host_interfaces" => {
                let names = value.split(':').filter(|name| !name.is_empty());
                self.trusted_interfaces = names.map(interface).collect::<Result<_, _>>()?;
            }
            "host_ipv4" => self.host_address = Some(address(value)?),
            "host_ipv6" => self.host_address6 = Some(address(value)?),
            "driver.mtu" => {
                if let Some(mtu) = mtu(value)? {
                    self.mtu = mtu;
                }
            }
            "container_iface_prefix" if !value.is_empty() => {
                // A number follows.
                interface(&format!("{value}00"))?;
                value.clone_into(&mut self.interface_prefix);
            }
            // Docker ignores what it does not know, and so do scripts that pass options of other versions.
            _ => {}
        }
        Ok(())
    }
}

/// Why a value is not taken.
enum Refusal {
    /// It cannot be read; why.
    Unreadable(String),
    /// It can, but not be; the whole text.
    Unfit(String),
}

fn boolean(text: &str) -> Result<bool, Refusal> {
    tierce_oci::parse_bool(text).map_err(Refusal::Unreadable)
}

fn address<T: FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::Unreadable("nil ip".to_owned()))
}

/// Go's `strconv.Atoi`; 0 is the default.
fn mtu(text: &str) -> Result<Option<u32>, Refusal> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number: i64 = text.parse().map_err(|_| {
        let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let reason = if number { "value out of range" } else { "invalid syntax" };
        Refusal::Unreadable(format!("strconv.Atoi: parsing {text:?}: {reason}"))
    })?;
    match u32::try_from(number) {
        Ok(0) => Ok(None),
        Ok(mtu @ 68..=65535) => Ok(Some(mtu)),
        Ok(mtu) => Err(Refusal::Unfit(format!(
            "invalid MTU number: {mtu} (68 to 65535 are possible)"
        ))),
        Err(_) => Err(Refusal::Unfit(format!("invalid MTU number: {number}"))),
    }
}

fn interface(text: &str) -> Result<String, Refusal> {
    interface_name(text).ok_or_else(|| Refusal::Unreadable("not a name of an interface".to_owned()))
}

/// What the kernel takes as an interface name (`dev_valid_name`).
pub(crate) fn interface_name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() < 16 && text != "." && text != "..";
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':'));
    (fits && plain).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str, value: &str) -> Result<Options, String> {
        let options = BTreeMap::from([(format!("com.docker.network.{key}"), value.to_owned())]);
        Options::parse(&options, "br0".into(), 1500, false).map_err(|error| error.to_string())
    }

    /// The texts are those of Docker 28.5.
    #[test]
    fn errors_are_dockers() {
        for (key, value, reason) in [
            (
                "bridge.enable_icc",
                "x",
                "strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
            ("driver.mtu", "x", "strconv.Atoi: parsing \"x\": invalid syntax"),
            (
                "driver.mtu",
                "99999999999999999999",
                "strconv.Atoi: parsing \"99999999999999999999\": value out of range",
            ),
            ("bridge.host_binding_ipv4", "x", "nil ip"),
            ("host_ipv4", "::1", "nil ip"),
            ("bridge.gateway_mode_ipv4", "foo", "unknown gateway mode foo"),
        ] {
            let text = format!("failed to parse com.docker.network.{key} value: {value} ({reason})");
            assert_eq!(parse(key, value).unwrap_err(), text);
        }
        assert_eq!(parse("driver.mtu", "-1").unwrap_err(), "invalid MTU number: -1");
        assert!(parse("driver.mtu", "60").is_err());
        assert_eq!(
            parse("bridge.gateway_mode_ipv6", "isolated").unwrap_err(),
            "gateway mode 'isolated' can only be used for an internal network"
        );
        for bad in ["a/b", "", "abcdefghijklmnopq"] {
            assert!(parse("container_iface_prefix", bad).is_err() || bad.is_empty(), "{bad}");
        }
    }

    #[test]
    fn values_are_taken_and_strange_options_ignored() {
        assert_eq!(parse("driver.mtu", "0").unwrap().mtu, 1500);
        assert_eq!(parse("driver.mtu", "9000").unwrap().mtu, 9000);
        assert_eq!(parse("bridge.foo", "x"), Ok(Options::of("br0".into(), 1500)));
        let trusted = parse("bridge.trusted_host_interfaces", "lo:wg0").unwrap();
        assert_eq!(trusted.trusted_interfaces, ["lo", "wg0"]);
        let routed = parse("bridge.gateway_mode_ipv6", "routed").unwrap();
        assert_eq!(
            (routed.gateway_mode, routed.gateway_mode6),
            (GatewayMode::Nat, GatewayMode::Routed)
        );
        assert_eq!(
            parse("bridge.host_binding_ipv4", "::1").unwrap().publish_address,
            "::1".parse().ok()
        );
    }
}
