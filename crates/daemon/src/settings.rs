//! The configuration as typed values, each part's checked once.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use ipnet::Ipv4Net;
use tierce_network::{DefaultBridge6, Pool};
use tierce_supervisor::RemoteConfig;
use tracing::level_filters::LevelFilter;

use crate::called_as::CalledAs;
use crate::document::Document;
use crate::isolation::{self, Isolation};
use crate::runtimes::{Runtimes, Workshop};
use crate::tls::Protection;

/// Where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// Address or name.
        host: String,
        /// Port; none for the usual one.
        port: Option<u16>,
    },
    /// The sockets that the service manager has opened.
    Inherited,
}

impl FromStr for Host {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(PathBuf::from(path))),
            Some(("fd", _)) => Ok(Self::Inherited),
            Some(("tcp", address)) => {
                // The colons of a bare IPv6 address in brackets are no port's.
                let (host, port) = match address.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
                    Some((host, port)) => (
                        host,
                        Some(
                            port.parse()
                                .with_context(|| format!("invalid bind address ({text}): invalid port"))?,
                        ),
                    ),
                    None => (address, None),
                };
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let host = if host.is_empty() { "127.0.0.1" } else { host };
                Ok(Self::Tcp {
                    host: host.to_owned(),
                    port,
                })
            }
            Some((protocol, _)) => bail!(
                "invalid bind address ({text}): unsupported proto '{protocol}' (served are unix://PATH, tcp://HOST:PORT \
                 and fd://)"
            ),
            None => {
                bail!("invalid bind address ({text}): no protocol (served are unix://PATH, tcp://HOST:PORT and fd://)")
            }
        }
    }
}

/// How it logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Logging {
    /// Least severity.
    pub(crate) level: LevelFilter,
    /// As JSON.
    pub(crate) json: bool,
}

/// The daemon's own settings; what belongs to a part is read from the document where that part is opened.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) hosts: Vec<Host>,
    pub(crate) group: Option<String>,
    pub(crate) data_root: PathBuf,
    pub(crate) exec_root: PathBuf,
    pub(crate) pidfile: PathBuf,
    pub(crate) logging: Logging,
    pub(crate) shim: PathBuf,
    /// The supervisor in a process of its own, where there is one.
    pub(crate) supervisor: Option<Elsewhere>,
    /// Where our own init program is, if it is installed.
    pub(crate) own_init: PathBuf,
    /// What runtimes need that are not only a path.
    pub(crate) workshop: Workshop,
    pub(crate) network: NetworkSettings,
    pub(crate) isolation: Isolation,
    pub(crate) protection: Protection,
    pub(crate) systemd_cgroup: bool,
    pub(crate) document: Document,
}

/// A supervisor in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    pub(crate) remote: RemoteConfig,
    /// It may be containerd instead, which is passed over: dockerd's command lines have its socket.
    pub(crate) may_be_containerd: bool,
}

/// Addresses of the network part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NetworkSettings {
    pub(crate) address: Option<Ipv4Net>,
    pub(crate) allocation: Option<Ipv4Net>,
    pub(crate) gateway: Option<std::net::Ipv4Addr>,
    pub(crate) ipv6: Option<DefaultBridge6>,
    pub(crate) publish_address: Option<IpAddr>,
    pub(crate) host_gateway: Vec<IpAddr>,
    pub(crate) mtu: Option<u32>,
    pub(crate) pools: Option<Vec<Pool>>,
}

impl Settings {
    /// Checks the whole document; `program` is this program's path, beside which the shim and the init program are looked for.
    pub(crate) fn new(document: Document, program: &Path, called_as: CalledAs) -> Result<Self> {
        let places = called_as.places();
        let hosts = match document.hosts.as_deref() {
            None | Some([]) => vec![Host::Unix(PathBuf::from(places.socket))],
            Some(hosts) => hosts
                .iter()
                .map(|host| host_of(host, places.socket))
                .collect::<Result<_>>()?,
        };
        let absolute = |key: &str, path: Option<&PathBuf>, default: &str| {
            let path = path.filter(|path| !path.as_os_str().is_empty());
            let path = path.cloned().unwrap_or_else(|| PathBuf::from(default));
            if path.is_absolute() {
                Ok(path)
            } else {
                bail!("{key} {}: the path must be absolute", path.display())
            }
        };
        // Read again where the parts are opened; what is wrong with them is to be told by `--validate` too.
        crate::registry::client(&document)?;
        crate::registry::limit_transfers(&document, &mut tierce_image::Parallel::default())?;
        labels(&document)?;
        let exec_root = absolute("exec-root", document.exec_root.as_ref(), places.exec_root)?;
        let data_root = absolute("data-root", document.data_root.as_ref(), places.data_root)?;
        let workshop = Workshop {
            scripts: data_root.join("runtimes"),
            stand_in: program.with_file_name("tierce-stand-in"),
        };
        Runtimes::new(&document, &workshop)?;
        let shim = match &document.shim {
            Some(shim) => shim.clone(),
            None => program.with_file_name("containerd-shim-tierce-v2"),
        };
        let pidfile = document.pidfile.clone().filter(|path| !path.as_os_str().is_empty());
        let usual_pidfile = places
            .pidfile
            .map_or_else(|| exec_root.join("tierced.pid"), PathBuf::from);
        Ok(Self {
            hosts,
            group: document.group.clone().filter(|group| !group.is_empty()),
            data_root,
            pidfile: pidfile.unwrap_or(usual_pidfile),
            exec_root,
            logging: logging(&document)?,
            shim,
            supervisor: supervisor(&document, called_as)?,
            own_init: program.with_file_name("tierce-init"),
            workshop,
            network: network(&document)?,
            isolation: isolation::read(&document)?,
            protection: Protection::new(&document)?,
            systemd_cgroup: systemd_cgroup(document.exec_opts.as_deref().unwrap_or_default())?,
            document,
        })
    }
}

/// Where the supervisor is; an empty address stands for none.
fn supervisor(document: &Document, called_as: CalledAs) -> Result<Option<Elsewhere>> {
    let Some(address) = document.containerd.as_ref().filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let path = address.strip_prefix("unix://").unwrap_or(address);
    if !path.is_absolute() {
        bail!(
            "containerd {}: the path of the socket must be absolute",
            address.display()
        );
    }
    let mut remote = RemoteConfig::new(path);
    let namespace = document.containerd_namespace.clone();
    if let Some(namespace) = namespace.filter(|name| !name.is_empty()) {
        remote.namespace = namespace;
    }
    Ok(Some(Elsewhere {
        remote,
        may_be_containerd: called_as == CalledAs::Dockerd && path.file_name() == Some(OsStr::new("containerd.sock")),
    }))
}

/// `unix://` alone stands for the usual socket.
fn host_of(text: &str, usual: &str) -> Result<Host> {
    if text == "unix://" {
        Ok(Host::Unix(PathBuf::from(usual)))
    } else {
        text.parse()
    }
}

/// The daemon's labels. A key may come twice only with one value. Source: moby `GetConflictFreeLabels`.
pub(crate) fn labels(document: &Document) -> Result<Vec<String>> {
    let mut labels: Vec<String> = Vec::new();
    for label in document.labels.iter().flatten() {
        let Some((key, value)) = label.split_once('=') else {
            bail!("bad attribute format: {label}");
        };
        let same_key = |other: &&String| other.split_once('=').is_some_and(|(other, _)| other == key);
        match labels.iter().find(same_key) {
            Some(other) if other != label => bail!("conflict labels for {key}={value} and {other}"),
            Some(_) => {}
            None => labels.push(label.clone()),
        }
    }
    Ok(labels)
}

/// How a document wants the log; also read at a reload.
pub(crate) fn logging(document: &Document) -> Result<Logging> {
    let wanted = document.log_level.as_deref().unwrap_or_default().to_lowercase();
    let level = match wanted.as_str() {
        "trace" => LevelFilter::TRACE,
        _ if document.debug == Some(true) => LevelFilter::DEBUG,
        "debug" => LevelFilter::DEBUG,
        "" | "info" => LevelFilter::INFO,
        "warn" => LevelFilter::WARN,
        "error" | "fatal" | "panic" => LevelFilter::ERROR,
        _ => bail!(
            "invalid logging level: {}",
            document.log_level.as_deref().unwrap_or_default()
        ),
    };
    let json = match document.log_format.as_deref().unwrap_or_default() {
        "" | "text" => false,
        "json" => true,
        other => bail!("invalid log format: {other}"),
    };
    Ok(Logging { level, json })
}

fn network(document: &Document) -> Result<NetworkSettings> {
    let pools = document.default_address_pools.as_ref().map(|pools| {
        pools
            .iter()
            .map(|pool| {
                let base = value("default-address-pools", &pool.base)?;
                Ok(Pool { base, size: pool.size })
            })
            .collect::<Result<Vec<_>>>()
    });
    let mtu = match document.mtu {
        None | Some(0) => None,
        Some(mtu) => Some(u32::try_from(mtu).map_err(|_| anyhow!("invalid default MTU: {mtu}"))?),
    };
    Ok(NetworkSettings {
        address: given("bip", document.bip.as_deref())?,
        allocation: given("fixed-cidr", document.fixed_cidr.as_deref())?,
        gateway: given("default-gateway", document.default_gateway.as_deref())?,
        ipv6: default_bridge6(document)?,
        publish_address: document
            .publish_default_address
            .or(document.ip)
            .filter(|address| !address.is_unspecified()),
        host_gateway: host_gateway(document)?,
        mtu,
        pools: pools.transpose()?,
    })
}

/// IPv6 of the default bridge, where it is switched on. Its addresses are checked in any case.
fn default_bridge6(document: &Document) -> Result<Option<DefaultBridge6>> {
    let wish = DefaultBridge6 {
        address: given("bip6", document.bip6.as_deref())?,
        allocation: given("fixed-cidr-v6", document.fixed_cidr_v6.as_deref())?,
        gateway: given("default-gateway-v6", document.default_gateway_v6.as_deref())?,
    };
    Ok(Some(wish).filter(|_| document.ipv6 == Some(true)))
}

/// At most one address of each family.
fn host_gateway(document: &Document) -> Result<Vec<IpAddr>> {
    let given = document.host_gateway_ips.as_deref().unwrap_or_default();
    for (is_ipv4, family) in [(true, "IPv4"), (false, "IPv6")] {
        if given.iter().filter(|address| address.is_ipv4() == is_ipv4).count() > 1 {
            bail!("only one {family} host gateway IP address can be specified");
        }
    }
    Ok(given.to_vec())
}

fn given<T>(key: &str, text: Option<&str>) -> Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.filter(|text| !text.is_empty())
        .map(|text| value(key, text))
        .transpose()
}

fn value<T>(key: &str, text: &str) -> Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().with_context(|| format!("invalid {key} {text:?}"))
}

/// Source of the texts: moby `daemon/config/config.go`, `parseExecOptions`.
fn systemd_cgroup(options: &[String]) -> Result<bool> {
    let mut systemd = false;
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let (key, value) = (key.trim().to_lowercase(), value.trim());
        match (key.as_str(), value) {
            ("", _) | (_, "") => bail!("invalid exec-opt ({option}): must be formatted 'opt=value'"),
            ("native.cgroupdriver", "systemd") => systemd = true,
            ("native.cgroupdriver", "cgroupfs") => systemd = false,
            ("native.cgroupdriver", other) => bail!("native.cgroupdriver option {other} not supported"),
            _ => bail!("invalid exec-opt ({option}): unknown option: '{key}'"),
        }
    }
    Ok(systemd)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(document: serde_json::Value) -> Result<Settings> {
        let document = serde_json::from_value(document).unwrap();
        Settings::new(document, Path::new("/opt/bin/tierced"), CalledAs::Tierced)
    }

    #[test]
    fn defaults_lie_beside_each_other() {
        let settings = settings(json!({})).unwrap();
        assert_eq!(settings.hosts, [Host::Unix(PathBuf::from("/run/tierce.sock"))]);
        assert_eq!(settings.pidfile, Path::new("/run/tierce/tierced.pid"));
        assert_eq!(settings.shim, Path::new("/opt/bin/containerd-shim-tierce-v2"));
        assert_eq!(settings.logging.level, LevelFilter::INFO);
    }

    #[test]
    fn row_090_hosts_are_read() {
        let hosts = settings(json!({"hosts": ["unix:///a", "tcp://0.0.0.0:4242", "tcp://[::1]", "fd://"]}))
            .unwrap()
            .hosts;
        let tcp = |host: &str, port| Host::Tcp {
            host: host.to_owned(),
            port,
        };
        assert_eq!(hosts[0], Host::Unix(PathBuf::from("/a")));
        assert_eq!(hosts[1], tcp("0.0.0.0", Some(4242)));
        assert_eq!(hosts[2], tcp("::1", None));
        assert_eq!(hosts[3], Host::Inherited);
    }

    #[test]
    fn row_094_bad_values_are_reported_in_dockers_words() {
        for (document, text) in [
            (json!({"bip": "300.0.0.1/24"}), "bip"),
            (json!({"bip6": "10.0.0.1/24"}), "bip6"),
            (json!({"fixed-cidr-v6": "fd00::/129"}), "fixed-cidr-v6"),
            (json!({"default-gateway-v6": "1.2.3.4"}), "default-gateway-v6"),
            (json!({"log-level": "loud"}), "invalid logging level: loud"),
            (json!({"log-format": "x"}), "invalid log format: x"),
            (
                json!({"hosts": ["ftp://x"]}),
                "invalid bind address (ftp://x): unsupported proto 'ftp'",
            ),
            (json!({"data-root": "relative"}), "data-root"),
            (
                json!({"exec-opts": ["a"]}),
                "invalid exec-opt (a): must be formatted 'opt=value'",
            ),
            (
                json!({"exec-opts": ["a=b"]}),
                "invalid exec-opt (a=b): unknown option: 'a'",
            ),
            (json!({"labels": ["a"]}), "bad attribute format: a"),
            (json!({"labels": ["a=1", "a=2"]}), "conflict labels for a=2 and a=1"),
            (json!({"mtu": -5}), "invalid default MTU: -5"),
            (
                json!({"host-gateway-ips": ["1.1.1.1", "2.2.2.2"]}),
                "only one IPv4 host gateway IP address can be specified",
            ),
            (
                json!({"default-address-pools": [{"base": "x", "size": 24}]}),
                "default-address-pools",
            ),
            (
                json!({"max-concurrent-downloads": -1}),
                "invalid max concurrent downloads: -1",
            ),
        ] {
            let message = format!("{:#}", settings(document).unwrap_err());
            assert!(message.contains(text), "{message}");
        }
        // An empty text stands for the default everywhere.
        let empty = json!({"data-root": "", "log-level": "", "pidfile": "", "group": "", "mtu": 0, "ip": "0.0.0.0"});
        let settings = settings(empty).unwrap();
        assert_eq!(settings.data_root, Path::new("/var/lib/tierce"));
        assert_eq!(settings.network.publish_address, None);
    }

    #[test]
    fn row_157_the_default_address_of_published_ports_has_a_name_that_says_so() {
        let address = |document| {
            settings(document)
                .unwrap()
                .network
                .publish_address
                .map(|address| address.to_string())
        };
        assert_eq!(
            address(json!({"publish-default-address": "127.0.0.1"})).as_deref(),
            Some("127.0.0.1")
        );
        let both = json!({"ip": "192.0.2.1", "publish-default-address": "127.0.0.1"});
        assert_eq!(address(both).as_deref(), Some("127.0.0.1"));
        assert_eq!(address(json!({"ip": "192.0.2.1"})).as_deref(), Some("192.0.2.1"));
    }
}
