//! Texts of a container's `hosts`, `resolv.conf` and `hostname`: pure functions.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use tierce_dns::{ADDRESS, Upstream};

/// What the hosts file is made from.
#[derive(Debug, Clone, Default)]
pub struct Hosts<'a> {
    /// `Config.Hostname`
    pub hostname: &'a str,
    /// `Config.Domainname`, often empty.
    pub domainname: &'a str,
    /// The container's addresses, one line each.
    pub addresses: &'a [IpAddr],
    /// Names of others with their addresses.
    pub extra: &'a [(String, IpAddr)],
    /// Leave the IPv6 lines out (the container has IPv6 switched off).
    pub without_ipv6: bool,
}

/// Docker's hosts file: loopback and multicast names, those of others, then the container itself.
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
    let names = host_names(input.hostname, input.domainname);
    let others = input.extra.iter().map(|(name, address)| (name, address));
    let own = input.addresses.iter().map(|address| (&names, address));
    for (name, address) in others
        .chain(own)
        .filter(|(_, address)| address.is_ipv4() || !input.without_ipv6)
    {
        let _ = writeln!(text, "{address}\t{name}");
    }
    text
}

/// `HostConfig.ExtraHosts`, each `name:address` or `name=address`; `host-gateway` in place of the address stands for all
/// addresses of `gateway`. What is not understood is left out (the API refuses it earlier). `None`: there is no gateway.
pub fn extra_hosts(wanted: &[String], gateway: &[IpAddr]) -> Option<Vec<(String, IpAddr)>> {
    let mut hosts = Vec::new();
    for (name, address) in wanted.iter().filter_map(|text| parse_extra_host(text)) {
        let addresses = match address {
            "host-gateway" if gateway.is_empty() => return None,
            "host-gateway" => gateway.to_vec(),
            text => text.trim_matches(['[', ']']).parse().into_iter().collect(),
        };
        hosts.extend(addresses.into_iter().map(|address| (name.to_owned(), address)));
    }
    Some(hosts)
}

/// What a container's own lines of its hosts file say behind the address: the whole name, and its first part if it has
/// several.
pub fn host_names(hostname: &str, domainname: &str) -> String {
    let whole = if domainname.is_empty() {
        hostname.to_owned()
    } else {
        format!("{hostname}.{domainname}")
    };
    match whole.split_once('.') {
        Some((first, _)) if !first.is_empty() => format!("{whole} {first}"),
        _ => whole,
    }
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

/// `--dns`, `--dns-search`, `--dns-option`, `--add-host`: what a container wants of names.
#[derive(Debug, Clone, Default)]
pub struct ResolverOverrides {
    /// Replaces the host's servers when not empty.
    pub servers: Vec<String>,
    /// Replaces the host's search list when not empty; a single `.` means none.
    pub search: Vec<String>,
    /// Replaces the host's options when not empty.
    pub options: Vec<String>,
    /// Names that it alone knows. No resolver file has them.
    pub hosts: Vec<(String, IpAddr)>,
}

/// Docker's choice where no server is left.
const FALLBACK_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];
/// The same over IPv6.
const FALLBACK_SERVERS6: [&str; 2] = ["2001:4860:4860::8888", "2001:4860:4860::8844"];

/// Where a container without the embedded server asks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskingFrom {
    /// The host's stack.
    Host,
    /// Its own.
    Own {
        /// It has IPv6.
        ipv6: bool,
    },
}

/// The resolv.conf of a container without the embedded server: the host's, with overrides, in Docker's words.
///
/// `path` names the host's file in the comment at the end. In a sandbox of its own the host's servers on loopback
/// addresses cannot be reached, nor those on IPv6 addresses by one without IPv6, and are left out; if none is left,
/// Google's are used.
pub fn resolv_conf(host: &str, path: &str, overrides: &ResolverOverrides, from: AskingFrom) -> String {
    let (mut resolver, overridden) = Resolver::with(host, overrides);
    let mut used_fallback = false;
    if let AskingFrom::Own { ipv6 } = from
        && overrides.servers.is_empty()
    {
        resolver.servers.retain(|server| is_reachable(server, ipv6));
        if resolver.servers.is_empty() {
            let servers = FALLBACK_SERVERS.into_iter();
            let servers = servers.chain(FALLBACK_SERVERS6.into_iter().filter(|_| ipv6));
            resolver.servers = servers.map(str::to_owned).collect();
            used_fallback = true;
        }
    }
    let mut text = resolver.head();
    let transformed = if from == AskingFrom::Host { "" } else { " (legacy)" };
    let _ = writeln!(text, "\n# Based on host file: '{path}'{transformed}");
    if used_fallback {
        text.push_str("# Used default nameservers.\n");
    }
    let _ = writeln!(text, "# Overrides: [{}]", overridden.join(" "));
    if resolver.ndots().is_some() {
        let from = if overrides.options.is_empty() {
            "host"
        } else {
            "override"
        };
        let _ = writeln!(text, "# Option ndots from: {from}");
    }
    text
}

/// What a container with the embedded DNS server gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Internal {
    /// Its resolv.conf.
    pub text: String,
    /// Whom the server asks for names of others: the host's servers from the host, the container's own from the
    /// container.
    pub upstreams: Vec<Upstream>,
    /// Names without a dot are left to the resolver's search list.
    pub only_dotted: bool,
}

/// The resolv.conf of a container with the embedded DNS server, in Docker's words, and whom the server asks.
pub fn internal_resolv_conf(host: &str, path: &str, overrides: &ResolverOverrides) -> Internal {
    let (mut resolver, overridden) = Resolver::with(host, overrides);
    let from_host = overrides.servers.is_empty();
    let outside = std::mem::replace(&mut resolver.servers, vec![ADDRESS.to_string()]);
    let wanted = resolver.ndots();
    if wanted.is_none() {
        resolver.options.push("ndots:0".to_owned());
    }
    let mut text = resolver.head();
    let _ = writeln!(text, "\n# Based on host file: '{path}' (internal resolver)");
    if !outside.is_empty() {
        let show = |server: &String| {
            if from_host {
                format!("host({server})")
            } else {
                server.clone()
            }
        };
        let shown = outside.iter().map(show);
        let _ = writeln!(text, "# ExtServers: [{}]", shown.collect::<Vec<_>>().join(" "));
    }
    let _ = writeln!(text, "# Overrides: [{}]", overridden.join(" "));
    let ndots_from = match (wanted, overrides.options.is_empty()) {
        (None, _) => "internal",
        (Some(_), true) => "host",
        (Some(_), false) => "override",
    };
    let _ = writeln!(text, "# Option ndots from: {ndots_from}");
    Internal {
        text,
        upstreams: outside
            .iter()
            .filter_map(|server| server_address(server))
            // Inside the container that is the server itself, which would ask without end.
            .filter(|address| from_host || address.ip() != ADDRESS)
            .map(|address| Upstream { address, from_host })
            .collect(),
        only_dotted: wanted.is_some_and(|dots| dots > 0),
    }
}

/// Where a server of a resolv.conf listens; an IPv6 address may name its interface by number.
fn server_address(server: &str) -> Option<SocketAddr> {
    match server.parse::<IpAddr>() {
        Ok(address) => Some(SocketAddr::new(address, 53)),
        Err(_) => format!("[{server}]:53").parse().ok(),
    }
}

/// The parts of a resolv.conf (`resolv.conf(5)`).
#[derive(Debug, Default)]
struct Resolver {
    servers: Vec<String>,
    search: Vec<String>,
    options: Vec<String>,
    /// Lines of other kinds, as they are.
    others: Vec<String>,
}

impl Resolver {
    /// The host's, with what the container wants instead; and what that is, for the comment at the end.
    fn with(host: &str, overrides: &ResolverOverrides) -> (Self, Vec<&'static str>) {
        let mut resolver = Self::parse(host);
        let parts = [
            ("nameservers", &mut resolver.servers, &overrides.servers),
            ("search", &mut resolver.search, &overrides.search),
            ("options", &mut resolver.options, &overrides.options),
        ];
        let mut overridden = Vec::new();
        for (part, own, wanted) in parts {
            if !wanted.is_empty() {
                own.clone_from(wanted);
                overridden.push(part);
            }
        }
        if resolver.search == ["."] {
            resolver.search.clear();
        }
        (resolver, overridden)
    }

    /// The number of dots from which on a name is asked for as it is, if it is said.
    fn ndots(&self) -> Option<u32> {
        let mut options = self.options.iter().rev();
        options.find_map(|option| option.strip_prefix("ndots:")?.parse().ok())
    }

    fn parse(text: &str) -> Self {
        let mut resolver = Self::default();
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        {
            let mut words = line.split_whitespace();
            let keyword = words.next().unwrap_or_default();
            let rest = words.map(str::to_owned);
            match keyword {
                "nameserver" => resolver.servers.extend(rest.take(1)),
                // The last of these lines counts.
                "search" | "domain" => resolver.search = rest.collect(),
                "options" => resolver.options.extend(rest),
                _ => resolver.others.push(line.to_owned()),
            }
        }
        resolver
    }

    /// Docker's comment, then the parts.
    fn head(&self) -> String {
        let mut text = String::from(concat!(
            "# Generated by Docker Engine.\n",
            "# This file can be edited; Docker Engine will not make further changes once it\n",
            "# has been modified.\n\n",
        ));
        for server in &self.servers {
            let _ = writeln!(text, "nameserver {server}");
        }
        for (keyword, words) in [("search", &self.search), ("options", &self.options)] {
            if !words.is_empty() {
                let _ = writeln!(text, "{keyword} {}", words.join(" "));
            }
        }
        for line in &self.others {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// Whether a sandbox of its own can talk to that server of the host. An address with an interface is the host's alone.
fn is_reachable(server: &str, ipv6: bool) -> bool {
    let address = server.parse::<IpAddr>();
    address.is_ok_and(|address| !address.is_loopback() && (ipv6 || address.is_ipv4()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: AskingFrom = AskingFrom::Own { ipv6: false };
    const LOOPBACK: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
                            ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    const HEAD: &str = "# Generated by Docker Engine.\n# This file can be edited; Docker Engine will not make further \
                        changes once it\n# has been modified.\n\n";

    /// The texts are those of Docker 28.5.
    #[test]
    fn row_159_hosts_is_dockers() {
        let extra = ["foo:1.2.3.4", "hd:host-gateway", "six=[2001:db8::1]", "bad", ":1.2.3.4"].map(str::to_owned);
        let gateway = ["172.17.0.1", "fd00:17::1"].map(|address| address.parse().unwrap());
        let extra = extra_hosts(&extra, &gateway).unwrap();
        let input = Hosts {
            hostname: "hh",
            addresses: &["172.17.0.2".parse().unwrap()],
            extra: &extra,
            ..Hosts::default()
        };
        let rest = "1.2.3.4\tfoo\n172.17.0.1\thd\nfd00:17::1\thd\n2001:db8::1\tsix\n172.17.0.2\thh\n";
        assert_eq!(hosts(&input), format!("{LOOPBACK}{rest}"));
        let without_ipv6 = Hosts {
            without_ipv6: true,
            ..input.clone()
        };
        let rest = "127.0.0.1\tlocalhost\n1.2.3.4\tfoo\n172.17.0.1\thd\n172.17.0.2\thh\n";
        assert_eq!(hosts(&without_ipv6), rest);
        assert_eq!(extra_hosts(&["hd:host-gateway".to_owned()], &[]), None);
        let input = Hosts {
            domainname: "ex.org",
            extra: &[],
            ..input
        };
        assert_eq!(hosts(&input), format!("{LOOPBACK}172.17.0.2\thh.ex.org hh\n"));
        let input = Hosts {
            hostname: "hh.ex.org",
            domainname: "",
            ..input
        };
        assert_eq!(hosts(&input), format!("{LOOPBACK}172.17.0.2\thh.ex.org hh\n"));
        assert_eq!(hosts(&Hosts::default()), LOOPBACK);
        assert_eq!(hostname("hh"), "hh\n");
    }

    #[test]
    fn row_159_resolv_conf_is_dockers() {
        let host = "# comment\nnameserver 10.255.255.53\n";
        let path = "/etc/resolv.conf";
        assert_eq!(
            resolv_conf(host, path, &ResolverOverrides::default(), OWN),
            format!(
                "{HEAD}nameserver 10.255.255.53\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: []\n"
            )
        );
        let overrides = overrides();
        assert_eq!(
            resolv_conf(host, path, &overrides, OWN),
            format!(
                "{HEAD}nameserver 9.9.9.9\nsearch foo.bar\noptions ndots:3\n\n# Based on host file: '/etc/resolv.conf' \
                 (legacy)\n# Overrides: [nameservers search options]\n# Option ndots from: override\n"
            )
        );
    }

    #[test]
    fn unreachable_servers_are_replaced_but_kept_in_host_mode() {
        let host =
            "domain a\nsearch b c\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\noptions edns0\nsortlist 1.2.3.4\n";
        let own = resolv_conf(host, "/x", &ResolverOverrides::default(), OWN);
        let body = "nameserver 8.8.8.8\nnameserver 8.8.4.4\nsearch b c\noptions edns0\nsortlist 1.2.3.4\n\n";
        assert_eq!(
            own,
            format!("{HEAD}{body}# Based on host file: '/x' (legacy)\n# Used default nameservers.\n# Overrides: []\n")
        );
        let shared = resolv_conf(host, "/x", &ResolverOverrides::default(), AskingFrom::Host);
        assert!(
            shared.contains("nameserver 127.0.0.53\nnameserver fe80::1%eth0\n"),
            "{shared}"
        );
        let six = AskingFrom::Own { ipv6: true };
        let text = resolv_conf(
            "nameserver fd00::53\nnameserver ::1\n",
            "/x",
            &ResolverOverrides::default(),
            six,
        );
        assert!(text.contains("nameserver fd00::53\n\n"), "{text}");
        let text = resolv_conf(host, "/x", &ResolverOverrides::default(), six);
        assert!(
            text.contains("nameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\n"),
            "{text}"
        );
        let overrides = ResolverOverrides {
            search: vec![".".to_owned()],
            ..ResolverOverrides::default()
        };
        assert!(!resolv_conf(host, "/x", &overrides, OWN).contains("\nsearch"));
    }

    fn overrides() -> ResolverOverrides {
        ResolverOverrides {
            servers: vec!["9.9.9.9".to_owned()],
            search: vec!["foo.bar".to_owned()],
            options: vec!["ndots:3".to_owned()],
            hosts: Vec::new(),
        }
    }

    /// The texts are those of Docker 28.5.
    #[test]
    fn row_159_resolv_conf_with_the_embedded_server_is_dockers() {
        let host = "nameserver 10.255.255.53\n";
        let internal = internal_resolv_conf(host, "/etc/resolv.conf", &ResolverOverrides::default());
        assert_eq!(
            internal.text,
            format!(
                "{HEAD}nameserver 127.0.0.11\noptions ndots:0\n\n# Based on host file: '/etc/resolv.conf' (internal \
                 resolver)\n# ExtServers: [host(10.255.255.53)]\n# Overrides: []\n# Option ndots from: internal\n"
            )
        );
        let upstream = |address: &str, from_host| Upstream {
            address: address.parse().unwrap(),
            from_host,
        };
        assert_eq!(internal.upstreams, [upstream("10.255.255.53:53", true)]);
        assert!(!internal.only_dotted);
        let internal = internal_resolv_conf(host, "/etc/resolv.conf", &overrides());
        assert_eq!(
            internal.text,
            format!(
                "{HEAD}nameserver 127.0.0.11\nsearch foo.bar\noptions ndots:3\n\n# Based on host file: \
                 '/etc/resolv.conf' (internal resolver)\n# ExtServers: [9.9.9.9]\n# Overrides: [nameservers search \
                 options]\n# Option ndots from: override\n"
            )
        );
        assert_eq!(internal.upstreams, [upstream("9.9.9.9:53", false)]);
        assert!(internal.only_dotted);
        let itself = ResolverOverrides {
            servers: vec!["127.0.0.11".to_owned(), "9.9.9.9".to_owned()],
            ..ResolverOverrides::default()
        };
        let internal = internal_resolv_conf(host, "/x", &itself);
        assert!(internal.text.contains("# ExtServers: [127.0.0.11 9.9.9.9]\n"));
        assert_eq!(internal.upstreams, [upstream("9.9.9.9:53", false)]);
        let six = internal_resolv_conf("nameserver fe80::1%2\n", "/x", &ResolverOverrides::default());
        assert_eq!(six.upstreams, [upstream("[fe80::1%2]:53", true)]);
    }
}
