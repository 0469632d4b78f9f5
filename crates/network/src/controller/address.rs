//! Addresses of interfaces: taken, written into the link, given back.

use std::net::IpAddr;

use tierce_ipam::{Ipam, Refusal};

use super::{Controller, random_id};
use crate::drivers::bridge::address::{mac_of, mac_out_of};
use crate::endpoint::Link;
use crate::request::Attachment;
use crate::{Error, Network};

/// Takes the addresses of an interface. `names`: inside, and of the host's end.
pub(super) fn take(
    controller: &Controller,
    attachment: &Attachment,
    network: &Network,
    holder: &str,
    names: (String, String),
) -> Result<Link, Error> {
    let mut link = Link::named(names.0, names.1);
    let families = if attachment.without_ipv6 { 1 } else { 2 };
    for (ipam, wanted) in [
        (&network.ipam, attachment.address.map(IpAddr::from)),
        (&network.ipam6, attachment.address6.map(IpAddr::from)),
    ]
    .into_iter()
    .take(families)
    {
        let is_idle = |address: &IpAddr| network.idle.iter().any(|idle| idle.subnet.contains(address));
        let taken = match (ipam, wanted) {
            // As dockerd: the network has no such addresses, and that is no error.
            (None, Some(wanted)) if is_idle(&wanted) => Ok(()),
            (ipam, Some(_)) if ipam.as_ref().is_none_or(|ipam| !ipam.configured) => Err(unfit(
                network,
                "user specified IP address is supported only when connecting to networks with user configured subnets",
            )),
            (Some(ipam), Some(wanted)) if !ipam.subnet.contains(&wanted) => Err(unfit(
                network,
                &format!("no configured subnet or ip-range contain the IP address {wanted}"),
            )),
            (Some(ipam), _) => {
                hold(controller, network, ipam, wanted, holder).map(|address| put(&mut link, address, ipam, network))
            }
            (None, _) => Ok(()),
        };
        if let Err(error) = taken {
            give_back(controller, &network.id, &link, holder);
            return Err(error);
        }
    }
    if network.name == "bridge" && !network.internal {
        let wish = &controller.config.bridge;
        link.gateway = wish.gateway.or(link.gateway);
        link.gateway6 = wish.ipv6.as_ref().and_then(|wish| wish.gateway).or(link.gateway6);
    }
    let first = link.addresses().next();
    link.mac = match (attachment.mac, first) {
        (Some(chosen), _) => chosen,
        (None, Some(address)) => mac_of(address),
        (None, None) => mac_out_of(random_id()?.as_bytes()),
    };
    Ok(link)
}

/// Gives them back.
pub(super) fn give_back(controller: &Controller, network: &str, link: &Link, holder: &str) {
    for address in link.addresses() {
        controller.addresses.give_back(network, address, holder);
    }
}

/// Takes the addresses that an interface has already.
pub(super) fn take_again(controller: &Controller, network: &Network, link: &Link, holder: &str) -> Vec<Error> {
    let pairs = [
        (&network.ipam, link.address.map(IpAddr::from)),
        (&network.ipam6, link.address6.map(IpAddr::from)),
    ];
    let taken = pairs.into_iter().filter_map(|(ipam, address)| {
        let ipam = ipam.as_ref().filter(|_| address.is_some())?;
        hold(controller, network, ipam, address, holder).err()
    });
    taken.collect()
}

/// The wanted address or any of one of the network's subnets.
fn hold(
    controller: &Controller,
    network: &Network,
    ipam: &Ipam,
    wanted: Option<IpAddr>,
    holder: &str,
) -> Result<IpAddr, Error> {
    let subnet = ipam.subnet;
    let taken = controller.addresses.take(&network.id, subnet, wanted, holder);
    taken.map_err(|refusal| match (refusal, wanted) {
        (Refusal::Taken(by), Some(address)) => Error::AddressTaken(address, by),
        (Refusal::Outside, Some(address)) if subnet.contains(&address) => {
            Error::AddressTaken(address, "the subnet itself".to_owned())
        }
        (Refusal::Outside, Some(address)) => Error::Invalid(format!(
            "invalid address {address}: It does not belong to any of this network's subnets ({subnet})"
        )),
        _ => Error::AddressesExhausted {
            family: if subnet.addr().is_ipv4() { "IPv4" } else { "IPv6" },
            network: network.name.clone(),
            subnet: subnet.to_string(),
        },
    })
}

/// A chosen address cannot be had; in dockerd's words.
fn unfit(network: &Network, reason: &str) -> Error {
    let name = &network.name;
    Error::Invalid(format!(
        "invalid config for network {name}: invalid endpoint settings:\n{reason}"
    ))
}

/// Writes an address of a subnet into the link, with all that follows from it.
fn put(link: &mut Link, address: IpAddr, ipam: &Ipam, network: &Network) {
    let length = ipam.subnet.prefix_len();
    let gateway = ipam.gateway.filter(|_| !network.internal);
    match address {
        IpAddr::V4(address) => {
            link.address = Some(address);
            link.prefix_length = length;
            link.gateway = gateway.and_then(|gateway| match gateway {
                IpAddr::V4(gateway) => Some(gateway),
                IpAddr::V6(_) => None,
            });
        }
        IpAddr::V6(address) => {
            link.address6 = Some(address);
            link.prefix_length6 = length;
            link.gateway6 = gateway.and_then(|gateway| match gateway {
                IpAddr::V6(gateway) => Some(gateway),
                IpAddr::V4(_) => None,
            });
        }
    }
}
