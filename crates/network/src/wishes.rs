//! What is asked of an endpoint, in Docker's document: checked in dockerd's words, and made a wish.
//!
//! Source: moby `daemon/container_operations.go` (`validateEndpointSettings`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use tierce_ipam::Ipam;
use tierce_oci::container::EndpointSettings;

use crate::request::{Attachment, InterfaceSysctl, Mac};
use crate::{Error, Network};

impl Attachment {
    /// The wish for one endpoint. `mac`: what the container wants where the endpoint says nothing.
    pub fn from_settings(network: &str, settings: &EndpointSettings, mac: &str) -> Result<Self, Error> {
        let ipam = settings.ipam_config.as_ref();
        let text = |member: &str| ipam.and_then(|ipam| ipam.get(member)?.as_str());
        let link_local = ipam
            .and_then(|ipam| ipam.get("LinkLocalIPs")?.as_array())
            .into_iter()
            .flatten()
            .filter_map(|text| text.as_str())
            .map(link_local);
        // While the container runs, `MacAddress` is the one it has; what was asked for is kept beside it.
        let mac = [&settings.desired_mac_address, mac]
            .into_iter()
            .find(|text| !text.is_empty());
        let plain = Self {
            network: network.to_owned(),
            address: address(text("IPv4Address"), "IPv4")?,
            address6: address6(text("IPv6Address"))?,
            mac: mac.map(str::parse).transpose()?,
            aliases: settings.aliases.clone().unwrap_or_default(),
            links: settings.links.clone().unwrap_or_default(),
            priority: settings.gw_priority,
            link_local: link_local.collect::<Result<_, Error>>()?,
            ..Self::default()
        };
        plain.with_options(settings.driver_opts.as_ref().unwrap_or(&BTreeMap::new()))
    }
}

/// An address that the user chose.
fn address<T: FromStr>(text: Option<&str>, family: &str) -> Result<Option<T>, Error> {
    let text = text.filter(|text| !text.is_empty());
    let parsed = text.map(|text| {
        text.parse()
            .map_err(|_| Error::Invalid(format!("invalid {family} address: {text}")))
    });
    parsed.transpose()
}

/// One of IPv4 in the clothes of IPv6 is none of IPv6.
fn address6(text: Option<&str>) -> Result<Option<Ipv6Addr>, Error> {
    match address::<Ipv6Addr>(text, "IPv6")? {
        Some(mapped) if mapped.to_ipv4_mapped().is_some() => Err(Error::Invalid(format!(
            "invalid IPv6 address: {}",
            text.unwrap_or_default()
        ))),
        address => Ok(address),
    }
}

fn link_local(text: &str) -> Result<IpAddr, Error> {
    match text.parse() {
        Ok(IpAddr::V4(address)) if address.is_link_local() => Ok(address.into()),
        Ok(IpAddr::V6(address)) if address.is_unicast_link_local() => Ok(address.into()),
        _ => Err(Error::Invalid(format!("invalid link local IP address: {text}"))),
    }
}

/// Checks what is asked of an endpoint, in dockerd's words, all faults together.
pub fn check_endpoint(network: &Network, wish: &EndpointSettings) -> Result<(), Error> {
    let mut faults = Vec::new();
    let member = |name: &str| {
        let value = wish.ipam_config.as_ref()?.get(name)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let (v4, v6) = (member("IPv4Address"), member("IPv6Address"));
    if network.is_predefined() {
        if v4.is_some() || v6.is_some() {
            faults.push("user specified IP address is supported on user defined networks only".to_owned());
        }
        if wish.aliases.as_ref().is_some_and(|aliases| !aliases.is_empty()) {
            faults.push("network-scoped alias is supported only for containers in user defined networks".to_owned());
        }
    }
    let addresses = [
        (
            &v4,
            network.subnet_of(false),
            "IPv4",
            IpAddr::is_ipv4 as fn(&IpAddr) -> bool,
        ),
        (&v6, network.subnet_of(true), "IPv6", |address| {
            address.to_canonical().is_ipv6()
        }),
    ];
    for (text, _, family, fits) in addresses {
        if let Some(text) = text
            && !text
                .parse::<IpAddr>()
                .is_ok_and(|address| fits(&address) && !address.is_unspecified())
        {
            faults.push(format!("invalid {family} address: {text}"));
        }
    }
    let link_locals = wish
        .ipam_config
        .as_ref()
        .and_then(|ipam| ipam.get("LinkLocalIPs")?.as_array());
    for text in link_locals.into_iter().flatten().filter_map(|text| text.as_str()) {
        if !text.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified()) {
            faults.push(format!("invalid link-local IP address: {text}"));
        }
    }
    let asked = addresses
        .into_iter()
        .filter_map(|(text, ipam, ..)| Some((text.as_ref()?, ipam)));
    // The default bridge's subnets count as the user's.
    let known = |ipam: &&Ipam| ipam.configured || network.name == "bridge";
    faults.extend(asked.filter_map(|(text, ipam)| out_of_range(ipam.filter(known), text)));
    let sysctls = wish
        .driver_opts
        .as_ref()
        .and_then(|options| options.get(Attachment::SYSCTLS));
    for text in sysctls.into_iter().flat_map(|sysctls| sysctls.split(',')) {
        faults.extend(text.parse::<InterfaceSysctl>().err().map(|fault| fault.to_string()));
    }
    let mac = &wish.desired_mac_address;
    if !mac.is_empty() && mac.parse::<Mac>().is_err() {
        return Err(Error::Invalid(format!("invalid MAC address {mac}")));
    }
    match &faults[..] {
        [] => Ok(()),
        [one] => Err(Error::Invalid(format!("invalid endpoint settings:\n{one}"))),
        several => {
            let lines: Vec<_> = several.iter().map(|fault| format!("* {fault}")).collect();
            Err(Error::Invalid(format!(
                "invalid endpoint settings:\n{}",
                lines.join("\n")
            )))
        }
    }
}

/// `ipam`: the subnet, if it is the user's.
fn out_of_range(ipam: Option<&Ipam>, text: &str) -> Option<String> {
    let address: Option<IpAddr> = text.parse().ok();
    match ipam {
        None => Some(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
                .to_owned(),
        ),
        Some(ipam) if address.is_some_and(|address| ipam.subnet.contains(&address)) => None,
        Some(_) => Some(format!(
            "no configured subnet or ip-range contain the IP address {text}"
        )),
    }
}
