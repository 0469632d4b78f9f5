//! The one list of network drivers.

pub(crate) mod bridge;
mod host;
mod none;

use crate::driver::Driver;
use crate::network::NetworkKind;

/// The driver of a network.
pub(crate) fn of(kind: &NetworkKind) -> &'static dyn Driver {
    match kind {
        NetworkKind::Bridge(_) => &bridge::Bridge,
        NetworkKind::Host => &host::Host,
        NetworkKind::None => &none::None,
    }
}

/// All drivers, one of each.
#[cfg(test)]
pub(crate) fn all() -> [&'static dyn Driver; 3] {
    [&bridge::Bridge, &host::Host, &none::None]
}
