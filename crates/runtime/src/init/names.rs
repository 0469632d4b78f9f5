//! Host name, domain name, and the loopback interface of a new network namespace.

use super::Init;
use crate::error::{Doing, Error};
use tierce_oci::runtime::NamespaceKind;

/// Sets the names where the container has its own UTS namespace.
pub(super) fn names(init: &mut Init<'_>) -> Result<(), Error> {
    let container = init.container()?;
    let (host, domain) = (&container.spec.hostname, &container.spec.domainname);
    if !host.is_empty() {
        rustix::system::sethostname(host.as_bytes()).doing(|| format!("sethostname {host:?}"))?;
    }
    if !domain.is_empty() {
        rustix::system::setdomainname(domain.as_bytes()).doing(|| format!("setdomainname {domain:?}"))?;
    }
    Ok(())
}

/// Sets `lo` up, as every container expects it.
pub(super) fn loopback(init: &mut Init<'_>) -> Result<(), Error> {
    if !init.container()?.namespaces.is_new(NamespaceKind::Network) {
        return Ok(());
    }
    tierce_sys::interface::set_up("lo").doing(|| "set lo up".into())
}
