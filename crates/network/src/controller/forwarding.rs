//! The host's forwarding, without which the packet filter has nothing to do.

use std::path::Path;

use tierce_firewall::Family;

use crate::{Config, Error};

/// The host's switch of IPv4 forwarding.
pub(super) const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
/// The same of IPv6.
pub(super) const FORWARDING6: &str = "/proc/sys/net/ipv6/conf/all/forwarding";

/// Whether this daemon switched forwarding on, since the machine runs: the host was no router before.
pub(super) fn is_ours(config: &Config, family: Family) -> bool {
    tierce_fsops::exists(&config.state.join(forwarding(family).mark))
}

/// The host's switch of forwarding.
struct Forwarding {
    switch: &'static str,
    /// Says, as long as the machine runs, that it was off before us.
    mark: &'static str,
}

fn forwarding(family: Family) -> Forwarding {
    match family {
        Family::Ip | Family::Inet => Forwarding {
            switch: FORWARDING,
            mark: "forwarding-enabled",
        },
        Family::Ip6 => Forwarding {
            switch: FORWARDING6,
            mark: "forwarding6-enabled",
        },
    }
}

/// Switches forwarding on, as Docker does, and notes that this daemon did so.
pub(super) fn ensure(config: &Config, family: Family) -> Result<(), Error> {
    let Forwarding { switch, mark } = forwarding(family);
    let off = std::fs::read_to_string(switch).is_ok_and(|value| value.trim() == "0");
    if !config.host.forward || !off {
        return Ok(());
    }
    if family == Family::Ip6 {
        keep_router_advertisements();
    }
    std::fs::write(switch, "1").map_err(|cause| Error::file("enable forwarding in", switch, cause))?;
    Ok(tierce_fsops::write(&config.state.join(mark), b"", 0o600)?)
}

/// A host that forwards listens to no router any more, unless it is told to: its interfaces that listen go on.
fn keep_router_advertisements() {
    const INTERFACES: &str = "/proc/sys/net/ipv6/conf";
    for name in tierce_fsops::names(Path::new(INTERFACES)).unwrap_or_default() {
        let switch = Path::new(INTERFACES).join(&name).join("accept_ra");
        let listens = std::fs::read_to_string(&switch).is_ok_and(|value| value.trim() == "1");
        if listens && name != "all" && name != "default" {
            // An interface that goes away at this moment needs nothing.
            let _ = std::fs::write(&switch, "2");
        }
    }
}
