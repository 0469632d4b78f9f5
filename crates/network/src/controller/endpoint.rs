//! One endpoint of a sandbox: planned, attached, cut off, freed. Joining does this for all of a container's networks,
//! connecting and disconnecting for one.

use std::collections::HashSet;
use std::path::Path;

use ipnet::IpNet;
use rustix::io::Errno;

use super::assembly::Assembly;
use super::{Controller, address, random_id};
use crate::drivers;
use crate::drivers::bridge::address::peer_name;
use crate::endpoint::{EndpointInfo, Link};
use crate::netns::{self, Namespace};
use crate::network::NetworkKind;
use crate::parent;
use crate::request::{Attachment, InterfaceSysctl, Mac};
use crate::{Error, Network, Sandbox};
use tierce_links::{LinkEntry, Plan};

/// The subnet of 169.254.0.0.
const LINK_LOCAL_PREFIX: u8 = 16;
/// The subnet of fe80::.
const LINK_LOCAL_PREFIX6: u8 = 64;

impl Assembly<'_> {
    /// Decides everything about a new endpoint, and takes its address. The sandbox does not have it yet.
    /// `name`: the container's as it is now, by which others find it; addresses stay under the one that took the first.
    pub(super) fn plan(&self, attachment: &Attachment, network: &Network, name: &str) -> Result<EndpointInfo, Error> {
        let (controller, sandbox) = (self.controller, &self.sandbox);
        let id = random_id()?;
        let link = if network.subnets().next().is_some() {
            let peer = if network.kind.has_host_end() {
                peer_name(&controller.config.veth_prefix, &id)
            } else {
                String::new()
            };
            let names = (interface(attachment, network, sandbox)?, peer);
            let mut link = address::take(controller, attachment, network, &sandbox.name, names)?;
            if !network.kind.has_own_mac() {
                link.mac = Mac::default();
            }
            // The dummy of a network without a parent leads nowhere.
            let leads_out = !network.internal && network.kind.parent() != Some(&parent::dummy_of(&network.id));
            link.routes_by_itself = leads_out && network.kind.routes_by_itself();
            if !leads_out || link.routes_by_itself {
                (link.gateway, link.gateway6) = (None, None);
            }
            Some(link)
        } else {
            None
        };
        Ok(EndpointInfo {
            id,
            network: network.id.clone(),
            network_name: network.name.clone(),
            wish: attachment.clone(),
            link,
            dns_names: if network.is_predefined() {
                // The default bridge has no names.
                Vec::new()
            } else {
                attachment.dns_names(name, &sandbox.container)
            },
        })
    }

    /// Makes an endpoint's interface in the namespace of its sandbox, connected, without a default route. Where the
    /// network has lost its kernel objects (somebody deleted the bridge), they are made again first.
    pub(super) fn attach(
        &mut self,
        network: &Network,
        position: usize,
        namespace: &Namespace,
        pin: &Path,
    ) -> Result<(), Error> {
        let controller = self.controller;
        let endpoint = self.sandbox.endpoints.get_mut(position);
        let Some((wish, link)) = endpoint.and_then(|endpoint| Some((&endpoint.wish, endpoint.link.as_mut()?))) else {
            return Ok(());
        };
        let driver = drivers::of(&network.kind);
        match driver.attach(network, link, namespace) {
            Err(Error::Links(error)) if error.is(Errno::NODEV) => {
                tracing::warn!(
                    network = network.name,
                    "a network's interface was gone and is made again"
                );
                mend(controller, network)?;
                driver.attach(network, link, namespace)?;
            }
            attached => attached?,
        }
        adorn(wish, link, namespace, pin)
    }

    /// Cuts an endpoint off from its network; its interface goes later, with the namespace.
    pub(super) fn cut_off(&self, endpoint: &EndpointInfo) -> Result<(), Error> {
        let network = self.controller.lock().networks.get(&endpoint.network).cloned();
        match (network, &endpoint.link) {
            (Some(network), Some(link)) => drivers::of(&network.kind).detach(&network, link),
            _ => Ok(()),
        }
    }

    /// Destroys its interface; the namespace stays.
    pub(super) fn take_out(&self, endpoint: &EndpointInfo, namespace: &Namespace) -> Result<(), Error> {
        let network = self.controller.lock().networks.get(&endpoint.network).cloned();
        match (network, &endpoint.link) {
            (Some(network), Some(link)) => drivers::of(&network.kind).withdraw(link, namespace),
            _ => Ok(()),
        }
    }

    /// Interfaces without an end on the host can be silenced only by their destruction.
    pub(super) fn take_out_those_without_host_end(&self) -> Result<(), Error> {
        let is_one = |endpoint: &&EndpointInfo| endpoint.link.as_ref().is_some_and(|link| link.peer.is_empty());
        let mut endpoints = self.sandbox.endpoints.iter().filter(is_one).peekable();
        let Some(key) = self.sandbox.key.as_ref().filter(|key| netns::is_pinned(key)) else {
            return Ok(());
        };
        if endpoints.peek().is_none() {
            return Ok(());
        }
        let namespace = Namespace::open(key)?;
        let taken = endpoints.map(|endpoint| self.take_out(endpoint, &namespace));
        Error::gather(taken.filter_map(Result::err).collect())
    }

    /// Gives the addresses of an endpoint back, when nobody can use them any more.
    pub(super) fn free(&self, endpoint: &EndpointInfo) {
        if let Some(link) = &endpoint.link {
            address::give_back(self.controller, &endpoint.network, link, &self.sandbox.name);
        }
    }
}

/// Makes what a network has in the kernel again, and joins its endpoints to that.
fn mend(controller: &Controller, network: &Network) -> Result<(), Error> {
    let driver = drivers::of(&network.kind);
    driver.create(network)?;
    for sandbox in controller.members(network) {
        let endpoints = sandbox.endpoints.iter().filter(|known| known.network == network.id);
        for link in endpoints.filter_map(|endpoint| endpoint.link.as_ref()) {
            driver.rejoin(network, link)?;
        }
    }
    Ok(())
}

/// What an interface has beside its network's address: link-local addresses and kernel parameters.
fn adorn(wish: &Attachment, link: &Link, namespace: &Namespace, pin: &Path) -> Result<(), Error> {
    if !wish.link_local.is_empty() {
        let entry = entry(namespace, link)?;
        let mut plan = Plan::default();
        for address in &wish.link_local {
            let length = if address.is_ipv4() {
                LINK_LOCAL_PREFIX
            } else {
                LINK_LOCAL_PREFIX6
            };
            if let Ok(address) = IpNet::new(*address, length) {
                plan.address(&entry, address);
            }
        }
        namespace.route.apply(&plan)?;
    }
    if wish.sysctls.is_empty() {
        return Ok(());
    }
    netns::inside(pin, || {
        for sysctl in &wish.sysctls {
            let InterfaceSysctl {
                family,
                group,
                name,
                value,
            } = sysctl;
            let file = format!("/proc/sys/net/{family}/{group}/{}/{name}", link.interface);
            std::fs::write(&file, value).map_err(|cause| Error::file("set", file, cause))?;
        }
        Ok(())
    })
}

fn entry(namespace: &Namespace, link: &Link) -> Result<LinkEntry, Error> {
    namespace
        .find(link)?
        .ok_or_else(|| Error::Invalid(format!("interface {} vanished while it was set up", link.interface)))
}

/// Has the default routes of a namespace lead by the endpoints that shall have them ([`Sandbox::ways_out`]), whatever
/// they were.
pub(super) fn lead_out(sandbox: &Sandbox, namespace: &Namespace) -> Result<(), Error> {
    for (_, link, gateway) in sandbox.ways_out() {
        let entry = entry(namespace, link)?;
        namespace.route.apply(Plan::default().default_route(&entry, gateway))?;
    }
    Ok(())
}

/// The wanted name, else the first of the network's prefix that the sandbox has not: `eth0`, `eth1`, …
fn interface(wish: &Attachment, network: &Network, sandbox: &Sandbox) -> Result<String, Error> {
    let links = sandbox.endpoints.iter().filter_map(|endpoint| endpoint.link.as_ref());
    let taken: HashSet<_> = links.map(|link| link.interface.as_str()).chain(["lo"]).collect();
    if let Some(name) = &wish.interface {
        if taken.contains(name.as_str()) {
            let text = format!("error renaming interface to {name:?}: file exists: the container has one of that name");
            return Err(Error::Invalid(text));
        }
        return Ok(name.clone());
    }
    let prefix = match &network.kind {
        NetworkKind::Bridge(options) => options.interface_prefix.as_str(),
        _ => "eth",
    };
    let mut names = (0..=sandbox.endpoints.len()).map(|number| format!("{prefix}{number}"));
    Ok(names.find(|name| !taken.contains(name.as_str())).unwrap_or_default())
}
