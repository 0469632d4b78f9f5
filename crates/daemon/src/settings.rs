//! The configuration as typed values, each part's checked once.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use ipnet::Ipv4Net;
use tierce_api::DEFAULT_SOCKET;
use tierce_network::Pool;
use tracing::level_filters::LevelFilter;

use crate::document::Document;

/// Where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// Address or name.
        host: String,
        /// Port.
        port: u16,
    },
    /// The sockets that the service manager has opened.
    Inherited,
}

impl FromStr for Host {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once("://") {
            Some(("unix", "")) => Ok(Self::Unix(PathBuf::from(DEFAULT_SOCKET))),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(PathBuf::from(path))),
            Some(("fd", _)) => Ok(Self::Inherited),
            Some(("tcp", address)) => {
                // The colons of a bare IPv6 address in brackets are no port's.
                let (host, port) = match address.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
                    Some((host, port)) => (
                        host,
                        port.parse()
                            .with_context(|| format!("invalid port in bind address {text:?}"))?,
                    ),
                    None => (address, 2375),
                };
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let host = if host.is_empty() { "127.0.0.1" } else { host };
                Ok(Self::Tcp {
                    host: host.to_owned(),
                    port,
                })
            }
            _ => bail!("invalid bind address {text:?}: expected unix://PATH, tcp://HOST:PORT or fd://"),
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
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) hosts: Vec<Host>,
    pub(crate) group: Option<String>,
    pub(crate) data_root: PathBuf,
    pub(crate) exec_root: PathBuf,
    pub(crate) pidfile: PathBuf,
    pub(crate) logging: Logging,
    pub(crate) shim: PathBuf,
    /// Where our own init program is, if it is installed.
    pub(crate) own_init: PathBuf,
    pub(crate) network: NetworkSettings,
    pub(crate) shm_size: Option<i64>,
    pub(crate) systemd_cgroup: bool,
    pub(crate) document: Document,
}

/// Addresses of the network part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NetworkSettings {
    pub(crate) address: Option<Ipv4Net>,
    pub(crate) allocation: Option<Ipv4Net>,
    pub(crate) gateway: Option<std::net::Ipv4Addr>,
    pub(crate) publish_address: Option<std::net::IpAddr>,
    pub(crate) pools: Option<Vec<Pool>>,
}

impl Settings {
    /// Checks the whole document; `program` is this program's path, beside which the shim and the init program are looked for.
    pub(crate) fn new(document: Document, program: &Path) -> Result<Self> {
        let hosts = match document.hosts.as_deref() {
            None | Some([]) => vec![Host::Unix(PathBuf::from(DEFAULT_SOCKET))],
            Some(hosts) => hosts.iter().map(|host| host.parse()).collect::<Result<_>>()?,
        };
        let absolute = |key: &str, path: Option<&PathBuf>, default: &str| {
            let path = path.cloned().unwrap_or_else(|| PathBuf::from(default));
            if path.is_absolute() {
                Ok(path)
            } else {
                bail!("{key} {}: the path must be absolute", path.display())
            }
        };
        // Read again where the client is opened; what is wrong with them is to be told by `--validate` too.
        crate::registry::client(&document)?;
        let exec_root = absolute("exec-root", document.exec_root.as_ref(), "/run/tierce")?;
        let shim = match &document.shim {
            Some(shim) => shim.clone(),
            None => program.with_file_name("containerd-shim-tierce-v2"),
        };
        Ok(Self {
            hosts,
            group: document.group.clone(),
            data_root: absolute("data-root", document.data_root.as_ref(), "/var/lib/tierce")?,
            pidfile: document
                .pidfile
                .clone()
                .unwrap_or_else(|| exec_root.join("tierced.pid")),
            exec_root,
            logging: logging(&document)?,
            shim,
            own_init: program.with_file_name("tierce-init"),
            network: network(&document)?,
            shm_size: document.default_shm_size.as_ref().map(bytes).transpose()?,
            systemd_cgroup: systemd_cgroup(document.exec_opts.as_deref().unwrap_or_default())?,
            document,
        })
    }
}

/// How a document wants the log; also read at a reload.
pub(crate) fn logging(document: &Document) -> Result<Logging> {
    let level = match document.log_level.as_deref().unwrap_or("info") {
        _ if document.debug == Some(true) => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" => LevelFilter::WARN,
        "error" | "fatal" | "panic" => LevelFilter::ERROR,
        other => bail!("invalid logging level: {other}"),
    };
    let json = match document.log_format.as_deref().unwrap_or("text") {
        "text" => false,
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
    Ok(NetworkSettings {
        address: given("bip", document.bip.as_deref())?,
        allocation: given("fixed-cidr", document.fixed_cidr.as_deref())?,
        gateway: given("default-gateway", document.default_gateway.as_deref())?,
        publish_address: given("ip", document.ip.as_deref())?,
        pools: pools.transpose()?,
    })
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

fn systemd_cgroup(options: &[String]) -> Result<bool> {
    let mut systemd = false;
    for option in options {
        match option.split_once('=') {
            Some(("native.cgroupdriver", "systemd")) => systemd = true,
            Some(("native.cgroupdriver", "cgroupfs")) => systemd = false,
            _ => bail!("invalid exec-opt {option:?}: expected native.cgroupdriver=cgroupfs or =systemd"),
        }
    }
    Ok(systemd)
}

/// A number of bytes, as a number or as text with a unit. Source: docker/go-units `RAMInBytes`.
fn bytes(value: &serde_json::Value) -> Result<i64> {
    let text = match value {
        serde_json::Value::String(text) => text.trim().to_ascii_lowercase(),
        other => other.to_string(),
    };
    let split = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit.trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => bail!("invalid default-shm-size {text:?}"),
    };
    let number: f64 = number
        .parse()
        .with_context(|| format!("invalid default-shm-size {text:?}"))?;
    Ok((number * (1_u64 << shift) as f64) as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(document: serde_json::Value) -> Result<Settings> {
        Settings::new(serde_json::from_value(document).unwrap(), Path::new("/opt/bin/tierced"))
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
        assert_eq!(hosts[1], tcp("0.0.0.0", 4242));
        assert_eq!(hosts[2], tcp("::1", 2375));
        assert_eq!(hosts[3], Host::Inherited);
    }

    #[test]
    fn row_094_bad_values_are_reported_by_name() {
        for (document, name) in [
            (json!({"bip": "300.0.0.1/24"}), "bip"),
            (json!({"log-level": "loud"}), "loud"),
            (json!({"hosts": ["ftp://x"]}), "ftp://x"),
            (json!({"data-root": "relative"}), "data-root"),
            (json!({"exec-opts": ["x"]}), "exec-opt"),
            (json!({"default-shm-size": "much"}), "default-shm-size"),
            (
                json!({"default-address-pools": [{"base": "x", "size": 24}]}),
                "default-address-pools",
            ),
        ] {
            let message = format!("{:#}", settings(document).unwrap_err());
            assert!(message.contains(name), "{message}");
        }
        assert_eq!(
            settings(json!({"default-shm-size": "1.5M"})).unwrap().shm_size,
            Some(1_572_864)
        );
        assert_eq!(
            settings(json!({"default-shm-size": 4096})).unwrap().shm_size,
            Some(4096)
        );
    }
}
