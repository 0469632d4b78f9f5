//! The seam between the controller and the kinds of network.
//!
//! A driver turns records into kernel objects. It keeps no state of its own: everything it needs is in the arguments,
//! and what exists is in the kernel. All methods may be called again after they succeeded or failed half-way; `conformance.rs`
//! holds every driver to that.

use std::fmt::Debug;

use tierce_firewall::Elements;

use crate::Error;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::Network;

/// A kind of network.
pub(crate) trait Driver: Debug + Send + Sync {
    /// Docker's name of it.
    fn name(&self) -> &'static str;

    /// Whether its containers stay in the host's namespace.
    fn shares_host(&self) -> bool {
        false
    }

    /// Makes the network's kernel objects exist.
    fn create(&self, network: &Network) -> Result<(), Error>;

    /// Makes them vanish; what is slow to go is given up, and goes later ([`tierce_links::Rtnetlink::sweep`]).
    fn remove(&self, network: &Network) -> Result<(), Error>;

    /// Makes the interface `link` in the namespace, with its address, connects it, and notes its number. The default route
    /// is not its business.
    fn attach(&self, network: &Network, link: &mut Link, namespace: &Namespace) -> Result<(), Error>;

    /// The network's kernel objects had gone and were made anew: connects an interface that is still there.
    fn rejoin(&self, _network: &Network, _link: &Link) -> Result<(), Error> {
        Ok(())
    }

    /// Cuts the interface off from the network, at once; its destruction may come later, with the namespace's.
    fn detach(&self, network: &Network, link: &Link) -> Result<(), Error>;

    /// Destroys the interface of a sandbox that goes on, after [`Driver::detach`]. One that is gone is no error.
    fn withdraw(&self, link: &Link, namespace: &Namespace) -> Result<(), Error> {
        if let Some(entry) = namespace.find(link)? {
            namespace.route.delete_this(&entry)?;
        }
        Ok(())
    }

    /// Members of the packet filter's sets that stand for the network, in table `table`.
    fn rules(&self, network: &Network, table: &str) -> Vec<Elements>;
}
