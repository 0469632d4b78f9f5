//! `-p [ip:][hostPort:]containerPort[/protocol]`, ranges included. Source: docker/go-connections `nat`.

use crate::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tierce_oci::container::{PortBinding, PortMap};

/// The container's ports, and where each is published.
pub(crate) fn parse_all(specs: &[String]) -> Result<(BTreeSet<String>, PortMap), Error> {
    let mut exposed = BTreeSet::new();
    let mut bindings: PortMap = BTreeMap::new();
    for spec in specs {
        for (port, binding) in parse(spec)? {
            exposed.insert(port.clone());
            bindings.entry(port).or_default().get_or_insert_default().push(binding);
        }
    }
    Ok((exposed, bindings))
}

/// `port[-port][/protocol]` of `--expose`.
pub(crate) fn parse_exposed(text: &str) -> Result<Vec<String>, Error> {
    let (range, protocol) = split_protocol(text)?;
    if range.contains(':') {
        return Err(Error::usage(format!("invalid port format for --expose: {text}")));
    }
    let (first, last) = parse_range(range).ok_or_else(|| {
        let part = range
            .split('-')
            .find(|part| part.parse::<u16>().is_err())
            .unwrap_or(range);
        Error::usage(format!(
            "invalid range format for --expose: {text}, error: strconv.ParseUint: parsing {part:?}: invalid syntax"
        ))
    })?;
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

fn parse(spec: &str) -> Result<Vec<(String, PortBinding)>, Error> {
    let (address, protocol) = split_protocol(spec)?;
    let (ip, host, container) = split_address(address);
    if container.is_empty() {
        return Err(Error::usage(format!("no port specified: {spec}<empty>")));
    }
    if !ip.is_empty() && ip.parse::<IpAddr>().is_err() {
        return Err(Error::usage(format!("invalid IP address: {ip}")));
    }
    let (first, last) =
        parse_range(container).ok_or_else(|| Error::usage(format!("Invalid containerPort: {container}")))?;
    let host_range = if host.is_empty() {
        None
    } else {
        Some(parse_range(host).ok_or_else(|| Error::usage(format!("Invalid hostPort: {host}")))?)
    };
    let count = last - first;
    if let Some((host_first, host_last)) = host_range
        && host_last - host_first != count
        && first != last
    {
        return Err(Error::usage(format!(
            "invalid ranges specified for container and host Ports: {container} and {host}"
        )));
    }
    let binding = |offset: u16| {
        let host_port = match host_range {
            None => String::new(),
            // One container port on a range of host ports: the daemon takes the first free one.
            Some((host_first, host_last)) if count == 0 && host_first != host_last => {
                format!("{host_first}-{host_last}")
            }
            Some((host_first, _)) => (host_first + offset).to_string(),
        };
        (
            format!("{}/{protocol}", first + offset),
            PortBinding {
                host_ip: ip.to_owned(),
                host_port,
            },
        )
    };
    Ok((0..=count).map(binding).collect())
}

fn split_protocol(spec: &str) -> Result<(&str, String), Error> {
    let (address, protocol) = spec.split_once('/').unwrap_or((spec, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    match protocol.as_str() {
        "tcp" | "udp" | "sctp" => Ok((address, protocol)),
        _ => Err(Error::usage(format!("Invalid proto: {protocol}"))),
    }
}

/// Host address, host port, container port; the first two may be empty.
fn split_address(text: &str) -> (&str, &str, &str) {
    let (rest, container) = text.rsplit_once(':').unwrap_or(("", text));
    let (ip, host) = match rest.rsplit_once(':') {
        Some((ip, host)) if !host.ends_with(']') => (ip, host),
        _ if rest.starts_with('[') => (rest, ""),
        _ => ("", rest),
    };
    let bare = ip
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(ip);
    (bare, host, container)
}

fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(spec: &str) -> Vec<String> {
        let (_, map) = parse_all(&[spec.to_owned()]).unwrap();
        map.iter()
            .flat_map(|(port, bindings)| {
                bindings
                    .iter()
                    .flatten()
                    .map(move |one| format!("{}|{}|{port}", one.host_ip, one.host_port))
            })
            .collect()
    }

    #[test]
    fn every_form_is_understood() {
        assert_eq!(shown("80"), ["||80/tcp"]);
        assert_eq!(shown("8080:80"), ["|8080|80/tcp"]);
        assert_eq!(shown("127.0.0.1:8080:80/udp"), ["127.0.0.1|8080|80/udp"]);
        assert_eq!(shown("127.0.0.1::80"), ["127.0.0.1||80/tcp"]);
        assert_eq!(shown("[::1]:8080:80"), ["::1|8080|80/tcp"]);
        assert_eq!(shown("8000-8001:80-81"), ["|8000|80/tcp", "|8001|81/tcp"]);
        assert_eq!(shown("8000-8010:80"), ["|8000-8010|80/tcp"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for spec in [
            "",
            ":",
            "80:",
            "x:80",
            "99999:80",
            "80/icmp",
            "1.2.3:80:80",
            "8000-8005:80-81",
            "90-80:90-80",
        ] {
            assert!(parse(spec).is_err(), "{spec}");
        }
    }
}
