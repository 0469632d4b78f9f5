//! The files that a container gets at `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`: written into its directory
//! at every start, since its addresses may be others each time.

use super::context::{Context, Snapshot};
use super::links;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tierce_network::files::{
    AskingFrom, Hosts, ResolverOverrides, extra_hosts, host_names, hostname, hosts, internal_resolv_conf, resolv_conf,
};
use tierce_network::{Link, Sandbox};
use tierce_oci::Digest;
use tierce_oci::container::HostConfig;
use tierce_spec::BindSource;

/// Bytes of one of them that are looked at: containers may write to them.
const LARGEST: u64 = 1 << 20;

/// Where the three files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) hostname: PathBuf,
    pub(crate) hosts: PathBuf,
    pub(crate) resolv_conf: PathBuf,
}

impl Files {
    /// The container's own.
    fn own(directory: &Path) -> Self {
        Self {
            hostname: directory.join("hostname"),
            hosts: directory.join("hosts"),
            resolv_conf: directory.join("resolv.conf"),
        }
    }

    /// As mounts, those left out that the user mounts something else over.
    pub(crate) fn binds(&self, read_only: bool, taken: &dyn Fn(&str) -> bool) -> Vec<BindSource> {
        [
            (&self.resolv_conf, "/etc/resolv.conf"),
            (&self.hostname, "/etc/hostname"),
            (&self.hosts, "/etc/hosts"),
        ]
        .into_iter()
        .filter(|(source, destination)| !source.as_os_str().is_empty() && !taken(destination))
        .map(|(source, destination)| BindSource {
            source: source.clone(),
            destination: destination.to_owned(),
            read_only,
            propagation: "rprivate".to_owned(),
            own: true,
            ..BindSource::default()
        })
        .collect()
    }
}

/// Writes the files of a container with its own network stack (or the host's).
///
/// * `sandbox`: its network side; `None` with the host's network.
/// * `links`: containers whose names it gets.
pub(crate) fn write(
    context: &Context,
    directory: &Path,
    snapshot: &Snapshot,
    sandbox: Option<&Sandbox>,
    links: &[links::Link],
) -> Result<Files> {
    let files = Files::own(directory);
    let config = &snapshot.record.config;
    let host_config = &snapshot.host_config;
    let addresses = addresses(sandbox);
    let mut extra = added_hosts(context, host_config)?;
    extra.extend(links.iter().flat_map(links::Link::hosts));
    let on_host = host_config.network_mode == "host";
    let hosts_text = if on_host && extra.is_empty() {
        std::fs::read_to_string("/etc/hosts").unwrap_or_default()
    } else {
        hosts(&Hosts {
            hostname: &config.hostname,
            domainname: &config.domainname,
            addresses: &addresses,
            extra: &extra,
            without_ipv6: has_ipv6_off(host_config),
        })
    };
    let resolver = resolver_text(context, host_config, sandbox)?;
    put(&files.hostname, &hostname(&config.hostname))?;
    put(&files.hosts, &hosts_text)?;
    put(&files.resolv_conf, &resolver)?;
    put_hash(directory, &resolver)?;
    Ok(files)
}

/// The names of `--add-host`, with their addresses.
fn added_hosts(context: &Context, host_config: &HostConfig) -> Result<Vec<(String, IpAddr)>> {
    let mut gateway = context.config.presets.host_gateway.clone();
    if gateway.is_empty()
        && let Ok(bridge) = context.sandboxes.network("bridge")
    {
        // Docker's choice: addresses of the host that are the same for all containers.
        gateway.extend(bridge.subnets().filter_map(|ipam| ipam.gateway));
    }
    let wanted = host_config.extra_hosts.as_deref().unwrap_or_default();
    let hosts = extra_hosts(wanted, &gateway);
    hosts.ok_or_else(|| Error::Internal("unable to derive the IP value for host-gateway".to_owned()))
}

/// Whether the container switches IPv6 off, on `lo`, too.
pub(super) fn has_ipv6_off(host_config: &HostConfig) -> bool {
    let sysctls = host_config.sysctls.iter().flatten();
    let mut off = sysctls.filter(|(_, value)| *value == "1").map(|(name, _)| name);
    off.any(|name| {
        ["all", "lo"]
            .iter()
            .any(|interface| *name == format!("net.ipv6.conf.{interface}.disable_ipv6"))
    })
}

/// The addresses of all its interfaces.
fn addresses(sandbox: Option<&Sandbox>) -> Vec<IpAddr> {
    let endpoints = sandbox.into_iter().flat_map(|sandbox| &sandbox.endpoints);
    let links = endpoints.filter_map(|endpoint| endpoint.link.as_ref());
    links.flat_map(Link::addresses).collect()
}

fn resolver_text(context: &Context, host_config: &HostConfig, sandbox: Option<&Sandbox>) -> Result<String> {
    let source = &context.config.host_resolv_conf;
    let resolver = std::fs::read_to_string(source).unwrap_or_default();
    let overrides = resolver_overrides(context, host_config)?;
    let path = source.to_string_lossy();
    let text = if sandbox.is_some_and(|sandbox| sandbox.name_server.is_some()) {
        internal_resolv_conf(&resolver, &path, &overrides).text
    } else {
        let from = if host_config.network_mode == "host" {
            AskingFrom::Host
        } else {
            AskingFrom::Own {
                ipv6: addresses(sandbox).iter().any(IpAddr::is_ipv6),
            }
        };
        resolv_conf(&resolver, &path, &overrides, from)
    };
    Ok(text)
}

/// By it dockerd, too, tells whether somebody has edited the file.
fn put_hash(directory: &Path, resolver: &str) -> Result<()> {
    let hash = Digest::sha256_of(resolver.as_bytes()).to_string();
    put(&directory.join("resolv.conf.hash"), &hash)
}

/// The networks of a container that runs have changed: its own lines of the hosts file come and go, and its resolv.conf
/// names the server of its sandbox, unless somebody has edited it.
///
/// * `before`: the container with the addresses that it had.
pub(crate) fn update(context: &Context, directory: &Path, before: &Snapshot, sandbox: &Sandbox) -> Result<()> {
    let files = Files::own(directory);
    let config = &before.record.config;
    let old: Vec<&str> = before
        .record
        .network_settings
        .networks
        .values()
        .flat_map(|settings| [settings.ip_address.as_str(), settings.global_ipv6_address.as_str()])
        .collect();
    let new: Vec<String> = addresses(Some(sandbox)).iter().map(IpAddr::to_string).collect();
    let text = read(&files.hosts)?;
    let names = host_names(&config.hostname, &config.domainname);
    let changed = move_hosts(&text, &names, &old, &new);
    if changed != text {
        put(&files.hosts, &changed)?;
    }
    let resolver = read(&files.resolv_conf).unwrap_or_default();
    let hash = std::fs::read_to_string(directory.join("resolv.conf.hash")).unwrap_or_default();
    let wanted = resolver_text(context, &before.host_config, Some(sandbox))?;
    if hash == Digest::sha256_of(resolver.as_bytes()).to_string() && wanted != resolver {
        put(&files.resolv_conf, &wanted)?;
        put_hash(directory, &wanted)?;
    }
    Ok(())
}

/// Names that a running container has by links lead to another address, or nowhere: then their lines go. Those that it has
/// otherwise stay.
///
/// * `kept`: names by other links.
pub(super) fn move_names(
    context: &Context,
    directory: &Path,
    snapshot: &Snapshot,
    (moved, kept): (&[String], &[String]),
    address: Option<IpAddr>,
) -> Result<()> {
    let path = Files::own(directory).hosts;
    let config = &snapshot.record.config;
    let added = added_hosts(context, &snapshot.host_config)?;
    let mut kept: Vec<&str> = kept.iter().map(String::as_str).collect();
    kept.extend(added.iter().map(|(name, _)| name.as_str()));
    let own = host_names(&config.hostname, &config.domainname);
    kept.push(&own);
    let text = read(&path)?;
    let changed = with_names_at(&text, moved, &kept, address);
    if changed != text {
        put(&path, &changed)?;
    }
    Ok(())
}

/// One of the files that the container may write to, whose size is bounded therefore.
fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let file = File::open(path).map_err(Error::file("open", path))?;
    let read = file.take(LARGEST + 1).read_to_string(&mut text);
    if read.map_err(Error::file("read", path))? as u64 > LARGEST {
        let cause = std::io::Error::new(std::io::ErrorKind::FileTooLarge, "the container has made it too large");
        return Err(Error::file("read", path)(cause));
    }
    Ok(text)
}

/// A hosts file with the lines of names moved to another address, or without them.
fn with_names_at(text: &str, moved: &[String], kept: &[&str], address: Option<IpAddr>) -> String {
    let line = |line: &str| {
        let name = line.split_once('\t').map_or("", |(_, name)| name);
        if kept.contains(&name) || !moved.iter().any(|moved| moved == name) {
            return Some(format!("{line}\n"));
        }
        address.map(|address| format!("{address}\t{name}\n"))
    };
    text.lines().filter_map(line).collect()
}

/// A hosts file without the lines of the container at addresses that it has no more, with lines for those that are new.
fn move_hosts(text: &str, names: &str, old: &[&str], new: &[String]) -> String {
    let own = |line: &str, address: &str| line == format!("{address}\t{names}");
    let gone = |line: &&str| {
        let mut gone = old.iter().filter(|address| !new.iter().any(|new| new == *address));
        gone.any(|address| own(line, address))
    };
    let mut lines: Vec<String> = text.lines().filter(|line| !gone(line)).map(str::to_owned).collect();
    for address in new {
        if !lines.iter().any(|line| own(line, address)) {
            lines.push(format!("{address}\t{names}"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What a container wants of names, the daemon's own wishes where it has none.
pub(crate) fn resolver_overrides(context: &Context, host_config: &HostConfig) -> Result<ResolverOverrides> {
    let presets = &context.config.presets;
    let own_or = |own: &Option<Vec<String>>, preset: &[String]| match own {
        Some(own) if !own.is_empty() => own.clone(),
        _ => preset.to_vec(),
    };
    Ok(ResolverOverrides {
        servers: own_or(&host_config.dns, &presets.dns),
        search: own_or(&host_config.dns_search, &presets.dns_search),
        options: own_or(&host_config.dns_options, &presets.dns_options),
        hosts: added_hosts(context, host_config)?,
    })
}

/// Writes in place: a container that joined this one's network has the same file mounted, and a new inode would not be
/// seen there.
fn put(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_a_container_has_made_too_large_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LARGEST).unwrap();
        assert_eq!(read(file.path()).unwrap().len() as u64, LARGEST);
        file.as_file().set_len(1 << 40).unwrap();
        let refusal = read(file.path()).unwrap_err().to_string();
        assert!(refusal.ends_with("the container has made it too large"), "{refusal}");
    }

    #[test]
    fn names_of_a_link_go_with_it_unless_another_one_gives_them_too() {
        let text = "127.0.0.1\tlocalhost\n10.0.0.2\tdata\n10.0.0.2\tdb\n10.0.0.3\tweb\n";
        let gone = ["data", "db"].map(str::to_owned);
        let left = "127.0.0.1\tlocalhost\n10.0.0.3\tweb\n";
        assert_eq!(with_names_at(text, &gone, &["web"], None), left);
        assert_eq!(with_names_at(text, &gone, &["data", "db"], None), text);
        let moved = "127.0.0.1\tlocalhost\n10.0.0.9\tdata\n10.0.0.2\tdb\n10.0.0.3\tweb\n";
        let address = "10.0.0.9".parse().ok();
        assert_eq!(with_names_at(text, &gone, &["db"], address), moved);
    }

    #[test]
    fn lines_of_the_container_follow_its_addresses_and_no_other_line_moves() {
        let text = "127.0.0.1\tlocalhost\n10.0.0.2\tweb\n10.0.0.2\tedited by hand\n";
        let moved = move_hosts(text, "web", &["10.0.0.2", ""], &["10.1.0.2".to_owned()]);
        assert_eq!(moved, "127.0.0.1\tlocalhost\n10.0.0.2\tedited by hand\n10.1.0.2\tweb\n");
        assert_eq!(
            move_hosts(&moved, "web", &["10.1.0.2"], &["10.1.0.2".to_owned()]),
            moved
        );
    }
}
