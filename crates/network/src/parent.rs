//! The interface of the host that interfaces of macvlan and ipvlan networks sit upon: one that is there, a VLAN
//! sub-interface `eth0.50` that is made where it is not, or a dummy where none is named.
//!
//! What was made here says so in its alias, so that nobody else's interface is ever deleted.

use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::Error;
use crate::endpoint::Link;
use crate::netns::Namespace;
use tierce_links::{LinkEntry, Plan, Rtnetlink, Upper};

/// Alias of interfaces that are ours.
const ALIAS: &str = "tierce network parent";

/// Name of the dummy of a network without a parent.
pub(crate) fn dummy_of(network: &str) -> String {
    format!("dm-{}", network.get(..12).unwrap_or(network))
}

/// Makes the parent exist, if it is a sub-interface or the dummy of `network`.
pub(crate) fn create(parent: &str, network: &str) -> Result<(), Error> {
    let route = Rtnetlink::open()?;
    if route.link(parent)?.is_some() {
        return Ok(());
    }
    let mut plan = Plan::default();
    if parent == dummy_of(network) {
        plan.create_dummy(parent);
    } else {
        let (base, id) = vlan(parent)?;
        let base = route
            .link(base)?
            .ok_or_else(|| Error::Driver(format!("-o parent interface was not found on the host: {base}")))?;
        plan.create_vlan(parent, base.index, id);
    }
    let module = if parent.starts_with("dm-") { "dummy" } else { "8021q" };
    match route.apply(&plan) {
        // Another network made it at the same time. (The kernel also says so of a VLAN that exists under another name.)
        Err(error) if error.is(Errno::EXIST) && route.link(parent)?.is_some() => return Ok(()),
        other => drop(other.map_err(|error| lacking(error, module))?),
    }
    // It is made here, which is known only now.
    route
        .apply(Plan::default().alias(parent, ALIAS).up(parent))
        .map_err(|error| {
            let _ = route.delete(parent);
            lacking(error, module)
        })?;
    Ok(())
}

/// Makes an interface upon the parent, in the namespace, with its address.
pub(crate) fn attach(parent: &str, upper: Upper, link: &mut Link, namespace: &Namespace) -> Result<(), Error> {
    let kind = upper.kind();
    let host = Rtnetlink::open()?;
    let parent = host.apply(Plan::default().look_up(parent))?.into_iter().next();
    let parent = parent.map_or(0, |parent| parent.index);
    let own = namespace.file()?;
    let mut plan = Plan::default();
    plan.create_upper(&link.interface, parent, own.as_fd(), upper);
    host.apply(&plan).map_err(|error| lacking(error, kind))?;
    let inside = &namespace.route;
    let entry = inside
        .apply(Plan::default().look_up(&link.interface))?
        .into_iter()
        .next();
    let entry =
        entry.ok_or_else(|| Error::Driver(format!("interface {} vanished while it was set up", link.interface)))?;
    link.index = entry.index;
    let mut plan = Plan::default();
    for address in link.networks() {
        plan.address(&entry, address);
    }
    plan.up(&link.interface);
    if link.address6.is_some() {
        namespace.switch_ipv6_on(&link.interface)?;
    }
    inside.apply(&plan)?;
    Ok(())
}

/// Whether the parent was made here, or would be.
pub(crate) fn is_ours(parent: &str) -> Result<bool, Error> {
    let link = Rtnetlink::open()?.link(parent)?;
    Ok(link.is_none_or(|link| was_made_here(&link)))
}

/// Removes the parent, if it was made here. One that is gone is no error.
pub(crate) fn remove(parent: &str) -> Result<(), Error> {
    let route = Rtnetlink::open()?;
    match route.link(parent)? {
        Some(link) if was_made_here(&link) => Ok(route.delete_this(&link)?),
        _ => Ok(()),
    }
}

/// Somebody else may have made another interface of the name, or given the alias to one of another kind.
fn was_made_here(link: &LinkEntry) -> bool {
    link.alias == ALIAS && matches!(link.kind.as_str(), "vlan" | "dummy")
}

/// Whether the kernel knows interfaces of this kind; an error that names the module if not.
pub(crate) fn require(kind: &'static str) -> Result<(), Error> {
    match Rtnetlink::open()?.apply(Plan::default().probe(kind)) {
        Err(error) if error.is(Errno::OPNOTSUPP) => Err(lacking(error, kind)),
        Err(error @ tierce_links::Error::Socket(..)) => Err(error.into()),
        // It is known; a refusal says that it wants to know more.
        _ => Ok(()),
    }
}

/// Says which module of the kernel is missing, if that is the reason.
fn lacking(error: tierce_links::Error, module: &str) -> Error {
    if error.is(Errno::OPNOTSUPP) {
        return Error::Driver(format!(
            "{error}: this kernel has no interfaces of this kind; load its module {module}, or boot a kernel that has it"
        ));
    }
    error.into()
}

/// Interface and VLAN id of `eth0.50`. In dockerd's words.
fn vlan(name: &str) -> Result<(&str, u16), Error> {
    let fault = |text: String| Err(Error::Driver(text));
    let mut parts = name.split('.');
    let (base, Some(id)) = (parts.next().unwrap_or_default(), parts.next()) else {
        return fault(format!(
            "invalid subinterface vlan name {name}, example formatting is eth0.10"
        ));
    };
    if parts.next().is_some() {
        return fault(format!(
            "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received {name}"
        ));
    }
    let Ok(number) = id.parse::<i64>() else {
        return fault(format!(
            "unable to parse a valid vlan id from: {id} (ex. eth0.10 for vlan 10)"
        ));
    };
    match u16::try_from(number) {
        Ok(id @ 1..=4094) => Ok((base, id)),
        _ => fault(format!("vlan id must be between 1-4094, received: {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_148_names_of_vlan_sub_interfaces_are_read_in_dockers_words() {
        assert_eq!(vlan("eth0.50").unwrap(), ("eth0", 50));
        let said = |name| vlan(name).unwrap_err().to_string();
        assert_eq!(
            said("eth77"),
            "invalid subinterface vlan name eth77, example formatting is eth0.10"
        );
        assert_eq!(said("lo.4095"), "vlan id must be between 1-4094, received: 4095");
        assert_eq!(
            said("lo.x"),
            "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"
        );
        assert!(said("eth0.1.2").starts_with("required interface name format is: name.vlan_id"));
    }
}
