//! The one list of network drivers.

pub(crate) mod bridge;
mod host;
pub(crate) mod ipvlan;
pub(crate) mod macvlan;
mod none;

use crate::driver::Driver;
use crate::network::NetworkKind;

/// The driver of a network.
pub(crate) fn of(kind: &NetworkKind) -> &'static dyn Driver {
    match kind {
        NetworkKind::Bridge(_) => &bridge::Bridge,
        NetworkKind::Macvlan(_) => &macvlan::Macvlan,
        NetworkKind::Ipvlan(_) => &ipvlan::Ipvlan,
        NetworkKind::Host => &host::Host,
        NetworkKind::None => &none::None,
    }
}

/// All drivers, one of each.
#[cfg(test)]
pub(crate) fn all() -> [&'static dyn Driver; 5] {
    [
        &bridge::Bridge,
        &macvlan::Macvlan,
        &ipvlan::Ipvlan,
        &host::Host,
        &none::None,
    ]
}
