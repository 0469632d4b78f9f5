//! The door of this crate.
//!
//! One mutex guards the tables of networks and sandboxes and is never held while the kernel works; what a container
//! needs is claimed first (its place in the table, addresses, ports), then built, then entered. So fifty containers
//! join in parallel, and two joins of one container cannot.

mod address;
mod assembly;
mod connect;
mod endpoint;
mod filter;
mod forwarding;
mod join;
mod links;
mod naming;
mod networks;
mod plan;
mod predefined;
mod publish;
mod reach;
mod restore;
mod routes;
mod templates;
mod watch;
mod ways;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tierce_ipam::Addresses;

use crate::names::Names;
use crate::network::NetworkKind;
use crate::portmap::Ports;
use crate::portmap::relay::Relay;
use crate::records::Records;
use crate::{Config, Error, Network, Sandbox};
use filter::Filter;
use forwarding::{FORWARDING, FORWARDING6};
pub(crate) use reach::live_rules;
pub use reach::{Carrier, Entrance, PortReach, reach};
pub use watch::{Watching, watch};

/// A container that runs, as the supervisor reports it at start-up.
#[derive(Debug, Clone)]
pub struct Alive {
    /// Its id.
    pub container: String,
}

/// Owns all networks, sandboxes and published ports of one daemon.
#[derive(Debug)]
pub struct Controller {
    config: Arc<Config>,
    records: Records,
    filter: Filter,
    state: Mutex<State>,
    addresses: Addresses,
    ports: Ports,
    relay: Relay,
    names: Arc<Names>,
}

#[derive(Debug)]
struct State {
    /// By id.
    networks: BTreeMap<String, Arc<Network>>,
    /// Those that are being taken apart: what they have in the kernel is nobody else's yet.
    going: Vec<Arc<Network>>,
    /// By container.
    sandboxes: HashMap<String, Arc<Sandbox>>,
    /// Containers that are joining or leaving, with those networks: they cannot be removed meanwhile.
    joining: HashMap<String, Vec<String>>,
}

impl Controller {
    /// Reads the records; touches no kernel object yet. [`Controller::restore`] must follow before anything else.
    pub fn open(config: Config) -> Result<Arc<Self>, Error> {
        let records = Records::open(&config)?;
        let state = State {
            networks: records
                .networks()
                .into_iter()
                .map(|network| (network.id.clone(), Arc::new(network)))
                .collect(),
            sandboxes: records
                .sandboxes()?
                .into_iter()
                .map(|sandbox| (sandbox.container.clone(), Arc::new(sandbox)))
                .collect(),
            going: Vec::new(),
            joining: HashMap::new(),
        };
        let config = Arc::new(config);
        let filter = Filter::new(&config);
        let names = Names::new(&config);
        Ok(Arc::new(Self {
            config,
            records,
            filter,
            state: Mutex::new(state),
            addresses: Addresses::default(),
            ports: Ports::default(),
            relay: Relay::default(),
            names,
        }))
    }

    /// The sandbox of a container, if it has one.
    pub fn sandbox(&self, container: &str) -> Option<Arc<Sandbox>> {
        self.lock().sandboxes.get(container).cloned()
    }

    /// The settings it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What an administrator should know: forwarding is off, another table drops forwarded packets, a route of the host
    /// leads elsewhere what a network has.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let six = bridge_with_ipv6(&self.networks());
        let is_off = |switch: &str| std::fs::read_to_string(switch).is_ok_and(|value| value.trim() == "0");
        if is_off(FORWARDING) {
            warnings.push("IPv4 forwarding is disabled".to_owned());
        }
        if six.is_some() && is_off(FORWARDING6) {
            warnings.push("IPv6 forwarding is disabled".to_owned());
        }
        let told = |chain: String| {
            let bridge = if chain.starts_with("ip6 ") {
                six.as_ref()?
            } else {
                &self.config.bridge.name
            };
            Some(format!(
                "packet filter chain \"{chain}\" drops forwarded packets by policy; containers cannot reach the \
                 outside and published ports answer on this host only, until it accepts packets from and to {bridge} \
                 (nft insert rule {chain} iifname {bridge} accept; nft insert rule {chain} oifname {bridge} accept)"
            ))
        };
        match self.filter.foreign_forward_drops() {
            Ok(chains) => warnings.extend(chains.into_iter().filter_map(told)),
            Err(error) => warnings.push(error.to_string()),
        }
        match routes::all(self) {
            Ok(collisions) => warnings.extend(collisions.iter().map(ToString::to_string)),
            Err(error) => warnings.push(error.to_string()),
        }
        warnings
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bridge of the first network that has IPv6 and leads outwards.
fn bridge_with_ipv6(networks: &[Arc<Network>]) -> Option<String> {
    let mut leading = networks
        .iter()
        .filter(|network| network.ipam6.is_some() && !network.internal);
    leading.find_map(|network| match &network.kind {
        NetworkKind::Bridge(options) => Some(options.bridge.clone()),
        _ => None,
    })
}

/// 64 random hexadecimal digits.
fn random_id() -> Result<String, Error> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|cause| Error::file("read random bytes from", "getrandom", std::io::Error::other(cause)))?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
