//! The container network model on one host: networks, endpoints, sandboxes, drivers, address pools, published ports.
//!
//! ```no_run
//! use tierce_network::{Attachment, Config, Controller, Join};
//! let networks = Controller::open(Config::new("/var/lib/tierce", "/run/tierce"))?;
//! networks.restore(&[])?;
//! let sandbox = networks.join(Join {
//!     container: "c0ffee".repeat(11)[..64].to_owned(),
//!     name: "web".into(),
//!     attachments: vec![Attachment::to("bridge")],
//!     ..Join::default()
//! })?;
//! println!("{:?}", sandbox.key);
//! networks.leave(&sandbox.container)?;
//! # Ok::<(), tierce_network::Error>(())
//! ```

mod config;
#[cfg(test)]
mod conformance;
mod controller;
pub mod diagnosis;
mod document;
mod driver;
mod drivers;
mod endpoint;
mod error;
#[cfg_attr(debug_assertions, doc(hidden))]
pub mod failpoint;
pub mod files;
mod names;
mod netns;
mod network;
mod parent;
mod portmap;
mod records;
mod request;
mod sandbox;
#[cfg(test)]
mod tests;
mod wishes;

pub use config::{Config, DefaultBridge, DefaultBridge6, DnsServer, Firewall, HostPolicy};
pub use controller::{Alive, Carrier, Controller, Entrance, PortReach, Watching, reach, watch};
pub use diagnosis::collect::diagnose;
pub use drivers::bridge::{GatewayMode, Options as BridgeOptions};
pub use drivers::ipvlan::{Flag as IpvlanFlag, Mode as IpvlanMode, Options as IpvlanOptions};
pub use drivers::macvlan::{Mode as MacvlanMode, Options as MacvlanOptions};
pub use endpoint::{EndpointInfo, Link};
pub use error::{Error, PortError};
pub use network::{Configuration, Network, NetworkKind};
pub use request::{
    Attachment, Connect, InterfaceSysctl, Join, Mac, Mode, NetworkSpec, Port, Protocol, Publication, SubnetSpec,
};
pub use sandbox::{NameServer, Published, Sandbox};
pub use tierce_dns::ADDRESS as DNS_ADDRESS;
pub use tierce_firewall::{Choice as FirewallChoice, Passage};
pub use tierce_ipam::{Ipam, Pool};
pub use wishes::check_endpoint;
