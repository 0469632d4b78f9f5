//! Links of the default bridge (`--link`, historic): names of other containers in the hosts file, and variables that tell
//! of their ports. On other networks a link is a name in the network's own terms.
//!
//! Source: moby `daemon/links.go`, `daemon/links/links.go`, `daemon/container_operations_unix.go`
//! (`setupLinkedContainers`), `opts/parse.go` (`ParseLink`).

use super::context::{Container, Context, Snapshot, blocking};
use super::files;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tierce_network::Port;
use tierce_oci::container::HostConfig;

/// The default bridge.
const BRIDGE: &str = "bridge";

/// How many containers may share one network one through the other, for a link to be followed.
const LONGEST_CHAIN: usize = 64;

/// A container that is linked to.
#[derive(Debug)]
pub(super) struct Link {
    child: Arc<Snapshot>,
    alias: String,
}

/// Reads `name`, `name:alias`, or what an inspection tells: `/name:/parent/alias`.
fn parse(text: &str) -> Result<(&str, &str)> {
    let invalid = |text: String| Err(Error::Invalid(text));
    if text.is_empty() {
        return invalid("empty string specified for links".to_owned());
    }
    let (name, alias) = text.split_once(':').unwrap_or((text, text));
    if alias.contains(':') {
        return invalid(format!("bad format for links: {text}"));
    }
    match name.strip_prefix('/') {
        Some(name) => Ok((name, alias.rsplit('/').next().unwrap_or(alias))),
        None => Ok((name, alias.trim_start_matches('/'))),
    }
}

/// The container that a link leads to: where a network is shared, the one whose it is. An owner that is named by a link of
/// somebody else leads nowhere: such names could lead to each other without end.
fn linked(context: &Context, name: &str) -> Result<Arc<Container>> {
    let mut child = context.find(name)?;
    // Those that wait for each other's network form a ring.
    for _ in 0..LONGEST_CHAIN {
        let mode = child.snapshot().host_config.network_mode.clone();
        match mode.strip_prefix("container:") {
            Some(owner) if owner.trim_start_matches('/').contains('/') => {
                return Err(Error::NoSuchContainer(owner.to_owned()));
            }
            Some(owner) => child = context.find(owner)?,
            None => break,
        }
    }
    Ok(child)
}

/// Whether links are to containers. On other networks a link is a name that may mean somebody later.
fn are_to_containers(host_config: &HostConfig) -> bool {
    let mode = host_config.network_mode.as_str();
    matches!(mode, "" | "default" | BRIDGE | "host" | "none") || mode.starts_with("container:")
}

/// Checks the links of a request.
pub(super) fn check(context: &Context, host_config: &HostConfig) -> Result<()> {
    for text in host_config.links.iter().flatten() {
        let (name, _) = parse(text)?;
        if !are_to_containers(host_config) {
            continue;
        }
        // Not "not found": a client would go and pull the image.
        let child = linked(context, name)
            .map_err(|error| Error::Invalid(format!("could not get container for {name}: {error}")))?;
        if child.snapshot().host_config.network_mode == "host" {
            return Err(Error::Invalid(
                "conflicting options: host type networking can't be used with links. This would result in undefined \
                 behavior"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

/// The containers that one is linked to, as far as they are there, by its names for them. A name by a link of somebody
/// else leads nowhere: such names could lead to each other.
fn children(context: &Context, host_config: &HostConfig) -> Vec<(String, Arc<Snapshot>)> {
    let links = host_config.links.iter().flatten();
    let links = links.filter(|_| are_to_containers(host_config));
    let parsed = links.filter_map(|text| parse(text).ok());
    parsed
        .filter(|(name, _)| !name.contains('/'))
        .filter_map(|(name, alias)| Some((alias.to_owned(), linked(context, name).ok()?.snapshot())))
        .collect()
}

/// The host configuration as it is shown: each link with the present names of both sides, `/db:/web/data`.
pub(super) fn shown(context: &Context, snapshot: &Snapshot) -> Arc<HostConfig> {
    let mut shown = Arc::clone(&snapshot.host_config);
    if shown.links.as_ref().is_some_and(|links| !links.is_empty()) {
        let parent = &snapshot.record.name;
        let children = children(context, &snapshot.host_config).into_iter();
        let links: Vec<_> = children
            .map(|(alias, child)| format!("{}:{parent}/{alias}", child.record.name))
            .collect();
        Arc::make_mut(&mut shown).links = (!links.is_empty()).then_some(links);
    }
    shown
}

/// The names that containers have by links of others: `/web/data`, by their ids.
pub(super) fn names(context: &Context) -> HashMap<String, Vec<String>> {
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for parent in context.all() {
        let parent = parent.snapshot();
        for (alias, child) in children(context, &parent.host_config) {
            let name = format!("{}/{alias}", parent.record.name);
            names.entry(child.record.id.clone()).or_default().push(name);
        }
    }
    names
}

/// The container that another calls by a link, `web/data`.
pub(super) fn find(context: &Context, name: &str) -> Option<Arc<Container>> {
    let (parent, alias) = name.trim_start_matches('/').split_once('/')?;
    let parent = context.find(parent).ok()?.snapshot();
    let children = children(context, &parent.host_config);
    let (_, child) = children.into_iter().find(|(known, _)| known == alias)?;
    context.find(&child.record.id).ok()
}

/// After a rename: links follow the container. Both names have no slash.
pub(super) async fn follow(context: &Context, previous: &str, name: &str) {
    let means = |text: &String| parse(text).is_ok_and(|(known, _)| known == previous);
    for parent in context.all() {
        let is_affected =
            |host_config: &HostConfig| are_to_containers(host_config) && host_config.links.iter().flatten().any(means);
        if !is_affected(&parent.snapshot().host_config) {
            continue;
        }
        let _transition = parent.transition().await;
        let mut host_config = (*parent.snapshot().host_config).clone();
        for text in host_config.links.iter_mut().flatten() {
            if let Ok((known, alias)) = parse(text)
                && known == previous
            {
                *text = format!("{name}:{alias}");
            }
        }
        parent.change(|snapshot| snapshot.host_config = Arc::new(host_config));
        context.save_or_warn(&parent, true).await;
    }
}

/// The containers that one on the default bridge is linked to; they must run.
pub(super) fn of(context: &Context, snapshot: &Snapshot) -> Result<Vec<Link>> {
    if snapshot.host_config.network_mode != BRIDGE {
        return Ok(Vec::new());
    }
    let links = snapshot.host_config.links.iter().flatten();
    let link = |text: &String| {
        let (name, alias) = parse(text)?;
        let child = linked(context, name)?.snapshot();
        if !child.record.state.is_alive() {
            return Err(Error::Internal(format!(
                "Cannot link to a non running container: {} AS {}/{alias}",
                child.record.name, snapshot.record.name
            )));
        }
        if !child.record.network_settings.networks.contains_key(BRIDGE) {
            return Err(Error::Internal(format!(
                "container {} not attached to default bridge network",
                child.record.id
            )));
        }
        Ok(Link {
            child,
            alias: alias.to_owned(),
        })
    };
    links.map(link).collect()
}

/// Removes a link, named `parent/alias`. Source: moby `daemon/delete.go` (`rmLink`).
pub(super) async fn remove(context: &Arc<Context>, name: &str) -> Result<()> {
    let Some((parent, alias)) = name.trim_start_matches('/').rsplit_once('/') else {
        return Err(Error::Conflict(
            "Conflict, cannot remove the default link name of the container".to_owned(),
        ));
    };
    let container = context
        .find(parent)
        .map_err(|_| Error::NotFound(format!("Cannot get parent /{parent} for link name /{parent}/{alias}")))?;
    let _transition = container.transition().await;
    let mut host_config = (*container.snapshot().host_config).clone();
    let links = host_config.links.get_or_insert_default();
    let before = links.len();
    links.retain(|text| parse(text).is_ok_and(|(_, known)| known != alias));
    if links.len() == before {
        return Err(Error::NoSuchContainer(name.to_owned()));
    }
    if links.is_empty() {
        host_config.links = None;
    }
    let before = container.snapshot();
    let after = container.change(|snapshot| snapshot.host_config = Arc::new(host_config));
    context.save(&container, true).await?;
    if before.record.state.is_alive() {
        end(context, &container, &before, &after).await?;
    }
    Ok(())
}

/// Takes away what a running container had by links that it has no more: names, and ports that were open to it.
async fn end(context: &Arc<Context>, container: &Container, before: &Snapshot, after: &Snapshot) -> Result<()> {
    let left = all_of(context, after);
    let mut ended = all_of(context, before);
    ended.retain(|link| !left.iter().any(|kept| kept.alias == link.alias));
    if ended.is_empty() {
        return Ok(());
    }
    let (gone, kept) = (names_by(&ended), names_by(&left));
    files::move_names(context, &container.directory, after, (&gone, &kept), None)?;
    let ended = ended.iter().map(Link::id);
    let ended: Vec<_> = ended.filter(|id| !left.iter().any(|kept| kept.id() == *id)).collect();
    let (sandboxes, id) = (Arc::clone(&context.sandboxes), container.id.clone());
    blocking(move || {
        let mut unlinked = ended.iter().map(|linked| sandboxes.unlink(&id, linked));
        unlinked.try_for_each(|done| done.map_err(Error::below))
    })
    .await
}

/// Tells those that run and have a link to a container where it is now.
pub(super) fn tell(context: &Context, child: &str) {
    for parent in context.all() {
        let snapshot = parent.snapshot();
        if !snapshot.record.state.is_alive() {
            continue;
        }
        let (moved, others): (Vec<_>, Vec<_>) = all_of(context, &snapshot)
            .into_iter()
            .partition(|link| link.child.record.id == child);
        let Some(address) = moved.first().and_then(|link| link.address()?.parse().ok()) else {
            continue;
        };
        let names = (&names_by(&moved)[..], &names_by(&others)[..]);
        if let Err(error) = files::move_names(context, &parent.directory, &snapshot, names, Some(address)) {
            tracing::warn!(container = %parent.id, %error, "a linked container is not found at its new address");
        }
    }
}

fn names_by(links: &[Link]) -> Vec<String> {
    links.iter().flat_map(Link::names).map(str::to_owned).collect()
}

/// The containers on the default bridge that one is linked to, whether they run or not.
fn all_of(context: &Context, snapshot: &Snapshot) -> Vec<Link> {
    if snapshot.host_config.network_mode != BRIDGE {
        return Vec::new();
    }
    let children = children(context, &snapshot.host_config).into_iter();
    children.map(|(alias, child)| Link { child, alias }).collect()
}

impl Link {
    /// The child's id.
    pub(super) fn id(&self) -> String {
        self.child.record.id.clone()
    }

    /// The names of the child for the one that links.
    fn names(&self) -> [&str; 3] {
        [
            &self.alias,
            &self.child.record.config.hostname,
            self.child.record.plain_name(),
        ]
    }

    /// The child's address on the bridge.
    fn address(&self) -> Option<&str> {
        let networks = &self.child.record.network_settings.networks;
        networks
            .get(BRIDGE)
            .map(|endpoint| endpoint.ip_address.as_str())
            .filter(|address| !address.is_empty())
    }

    /// For the hosts file.
    pub(super) fn hosts(&self) -> Vec<(String, IpAddr)> {
        let Some(address) = self.address().and_then(|address| address.parse().ok()) else {
            return Vec::new();
        };
        let mut names = self.names().to_vec();
        names.dedup();
        names.into_iter().map(|name| (name.to_owned(), address)).collect()
    }

    /// Variables for the one that links, whose name (with slash) is `parent`.
    pub(super) fn environment(&self, parent: &str) -> Vec<String> {
        let config = &self.child.record.config;
        let address = self.address().unwrap_or_default();
        let prefix = self.alias.to_uppercase().replace('-', "_");
        let exposed = config.exposed_ports.iter().flatten();
        let mut ports: Vec<Port> = exposed.filter_map(|(port, _)| port.parse().ok()).collect();
        ports.sort_by_key(|port| (port.number, port.protocol.name().to_owned()));
        let mut variables = Vec::new();
        for (index, port) in ports.iter().enumerate() {
            let (number, protocol) = (port.number, port.protocol.name().to_owned());
            let place = format!("{protocol}://{address}:{number}");
            if index == 0 {
                variables.push(format!("{prefix}_PORT={place}"));
            }
            let name = format!("{prefix}_PORT_{number}_{}", protocol.to_uppercase());
            variables.push(format!("{name}={place}"));
            variables.push(format!("{name}_ADDR={address}"));
            variables.push(format!("{name}_PORT={number}"));
            variables.push(format!("{name}_PROTO={protocol}"));
        }
        variables.push(format!("{prefix}_NAME={parent}/{}", self.alias));
        for entry in config.env.iter().flatten() {
            match entry.split_once('=') {
                // Of use to nobody else.
                None | Some(("HOME" | "PATH", _)) => {}
                Some((name, value)) => variables.push(format!("{prefix}_ENV_{name}={value}")),
            }
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::record::{EndpointSettings, Record};

    #[test]
    fn every_form_of_a_link() {
        assert_eq!(parse("db").unwrap(), ("db", "db"));
        assert_eq!(parse("db:data").unwrap(), ("db", "data"));
        assert_eq!(parse("db:/data").unwrap(), ("db", "data"));
        assert_eq!(parse("/db:/web/data").unwrap(), ("db", "data"));
        assert_eq!(parse("").unwrap_err().to_string(), "empty string specified for links");
        assert_eq!(parse("a:b:c").unwrap_err().to_string(), "bad format for links: a:b:c");
    }

    #[test]
    fn names_and_variables_are_dockers() {
        let mut record: Record =
            serde_json::from_str(include_str!("../../tests/fixtures/plain.config.v2.json")).unwrap();
        record.name = "/db".into();
        record.config.hostname = "host".into();
        record.config.env = Some(vec!["PATH=/bin".into(), "USER=me".into()]);
        record.config.exposed_ports = Some(
            ["53/udp", "5432/tcp"]
                .map(|port| (port.to_owned(), tierce_oci::container::Empty::default()))
                .into(),
        );
        let endpoint = EndpointSettings {
            ip_address: "172.17.0.5".into(),
            ..EndpointSettings::default()
        };
        record.network_settings.networks = [(BRIDGE.to_owned(), endpoint)].into();
        let container = crate::container::context::Container::new("/nowhere".into(), record, HostConfig::default());
        let link = Link {
            child: container.snapshot(),
            alias: "my-db".into(),
        };
        let address: IpAddr = "172.17.0.5".parse().unwrap();
        assert_eq!(
            link.hosts(),
            ["my-db", "host", "db"].map(|name| (name.to_owned(), address))
        );
        let variables = link.environment("/web");
        for expected in [
            "MY_DB_PORT=udp://172.17.0.5:53",
            "MY_DB_PORT_5432_TCP=tcp://172.17.0.5:5432",
            "MY_DB_PORT_5432_TCP_ADDR=172.17.0.5",
            "MY_DB_PORT_53_UDP_PROTO=udp",
            "MY_DB_NAME=/web/my-db",
            "MY_DB_ENV_USER=me",
        ] {
            assert!(
                variables.iter().any(|variable| variable == expected),
                "{expected}: {variables:?}"
            );
        }
        assert!(!variables.iter().any(|variable| variable.contains("_ENV_PATH")));
    }
}
