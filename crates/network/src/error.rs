//! What can go wrong here, and what kind of failure each is. Texts follow Docker's where clients match on them.

use std::net::IpAddr;
use std::path::PathBuf;

use tierce_fault::{Fault, Kind};

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No network of that name or id.
    #[error("network {0} not found")]
    NetworkNotFound(String),
    /// The id prefix fits several networks.
    #[error("network {0} is ambiguous ({1} matches found on name or ID prefix)")]
    Ambiguous(String, usize),
    /// A second network of that name.
    #[error("network with name {0} already exists")]
    NameTaken(String),
    /// A network of which settings were to be taken.
    #[error("configuration network {0:?} does not exist")]
    NoConfiguration(String),
    /// A container was to join what is only a set of settings.
    #[error("cannot create endpoint on configuration-only network")]
    OnlyConfiguration,
    /// Others take their settings from the network that was to be removed.
    #[error("error while removing network: configuration network {0:?} is in use")]
    ConfigurationInUse(String),
    /// A predefined network was to be created.
    #[error("operation is not permitted on predefined {0} network")]
    Predefined(String),
    /// A predefined network was to be removed.
    #[error("{0} is a pre-defined network and cannot be removed")]
    CannotRemove(String),
    /// Endpoints are left in the network.
    #[error("error while removing network: network {name} has active endpoints ({endpoints})")]
    InUse {
        /// The network.
        name: String,
        /// Containers that are joined to it.
        endpoints: String,
    },
    /// The container has a sandbox already.
    #[error("container {0} is already joined to its networks")]
    AlreadyJoined(String),
    /// The container is in that network.
    #[error("endpoint with name {container} already exists in network {network}")]
    AlreadyConnected {
        /// Its name.
        container: String,
        /// The network's.
        network: String,
    },
    /// The container is not in that network.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// Its id.
        container: String,
        /// The network's name.
        network: String,
    },
    /// The container has no sandbox (by id).
    #[error("container {0} has no network sandbox: it does not run")]
    NotJoined(String),
    /// No driver of that name.
    #[error("plugin {0:?} not found")]
    UnknownDriver(String),
    /// A driver refuses, in dockerd's words and with its status.
    #[error("{0}")]
    Driver(String),
    /// The request asks for something impossible.
    #[error("{0}")]
    Invalid(String),
    /// A subnet collides with another network or with a route of the host.
    #[error("invalid pool request: Pool overlaps with other one on this address space: {subnet} overlaps with {other}")]
    PoolOverlaps {
        /// What was asked for.
        subnet: String,
        /// What is in the way.
        other: String,
    },
    /// All default pools are used up or shadowed by host routes.
    #[error(transparent)]
    PoolsExhausted(#[from] tierce_ipam::PoolsExhausted),
    /// The subnet has no free address.
    #[error(
        "no available {family} addresses on this network's address pools: {network} ({subnet}); choose a larger subnet (--bip for the default bridge)"
    )]
    AddressesExhausted {
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The network.
        network: String,
        /// Its subnet.
        subnet: String,
    },
    /// The wanted address is held by another endpoint.
    #[error("Address already in use: {0} is held by {1}")]
    AddressTaken(IpAddr, String),
    /// A gateway or an auxiliary address that the subnet's edges or the gateway have already.
    #[error("failed to allocate {0}: Address already in use")]
    Reserved(String),
    /// Without a gateway a network leads nowhere, which must be said.
    #[error("gateway mode 'isolated' can only be used for an internal network")]
    OnlyInternal,
    /// A bridge has one subnet of each family.
    #[error("bridge driver doesn't support multiple subnets")]
    SeveralSubnets,
    /// The ports of an endpoint could not be published.
    #[error("driver failed programming external connectivity on endpoint {name} ({endpoint}): {cause}")]
    Publish {
        /// The container's name.
        name: String,
        /// The endpoint's id.
        endpoint: String,
        /// Why.
        cause: Box<PortError>,
    },
    /// The kernel refused a network configuration step.
    #[error(transparent)]
    Links(#[from] tierce_links::Error),
    /// A file or system call failed.
    #[error("{verb} {}: {cause}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A record could not be read or written.
    #[error(transparent)]
    Store(#[from] tierce_fsops::Error),
    /// The database of the networks failed.
    #[error(transparent)]
    Database(#[from] tierce_store::Error),
    /// A record on disk makes no sense.
    #[error("read network record {}: {cause}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: serde_json::Error,
    },
    /// The packet filter refused.
    #[error(transparent)]
    Firewall(#[from] tierce_firewall::Error),
    /// The DNS server could not be told of a sandbox.
    #[error(transparent)]
    Names(#[from] tierce_dns::Error),
    /// Several failures of one teardown or restore, which went on to the end.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<Error>),
}

/// Why a port could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Another container holds it.
    #[error("Bind for {address}:{port} failed: port is already allocated (by container {holder})")]
    Allocated {
        /// Host address.
        address: String,
        /// Host port.
        port: u16,
        /// Name of the container that holds it.
        holder: String,
    },
    /// No port of the range is free.
    #[error("all ports of {address}:{start}-{end}/{protocol} are allocated")]
    RangeExhausted {
        /// Host address.
        address: String,
        /// First port tried.
        start: u16,
        /// Last port tried.
        end: u16,
        /// `tcp`, `udp`, `sctp`.
        protocol: &'static str,
    },
    /// The host's kernel refused the bind.
    #[error("failed to bind host port for {binding}: {reason}{holder}")]
    Bind {
        /// `host address:port:container address:port/protocol`.
        binding: String,
        /// Go's words for the error number.
        reason: String,
        /// Empty, or ` (held by process …)`.
        holder: String,
        /// The error itself.
        error: std::io::Error,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NetworkNotFound(_) | Self::UnknownDriver(_) | Self::NoConfiguration(_) => Kind::NotFound,
            Self::NameTaken(_) | Self::AlreadyJoined(_) | Self::NotJoined(_) => Kind::Conflict,
            Self::Predefined(_)
            | Self::CannotRemove(_)
            | Self::OnlyConfiguration
            | Self::ConfigurationInUse(_)
            | Self::InUse { .. }
            | Self::PoolOverlaps { .. }
            | Self::SeveralSubnets
            | Self::AddressTaken(..)
            | Self::AlreadyConnected { .. } => Kind::Forbidden,
            Self::Invalid(_) | Self::Ambiguous(..) => Kind::Invalid,
            Self::PoolsExhausted(_) | Self::AddressesExhausted { .. } => Kind::Exhausted,
            // Docker answers 500 to a taken port, a network that a container is not in, and a driver's refusal; clients match
            // on the text.
            Self::Publish { .. }
            | Self::NotConnected { .. }
            | Self::Driver(_)
            | Self::File { .. }
            | Self::Reserved(_)
            | Self::OnlyInternal => Kind::Internal,
            Self::Links(cause) => cause.kind(),
            Self::Record { .. } => Kind::DataLoss,
            Self::Store(cause) => cause.kind(),
            Self::Database(error) => error.kind(),
            Self::Firewall(cause) => cause.kind(),
            Self::Names(cause) => cause.kind(),
            Self::Several(causes) => causes.first().map_or(Kind::Internal, Fault::kind),
        }
    }
}

impl Error {
    /// A file operation's failure.
    pub(crate) fn file(verb: &'static str, path: impl Into<PathBuf>, cause: impl Into<std::io::Error>) -> Self {
        Self::File {
            verb,
            path: path.into(),
            cause: cause.into(),
        }
    }

    /// `Ok` when nothing failed, else everything that did.
    pub(crate) fn gather(mut failures: Vec<Self>) -> Result<(), Self> {
        match failures.len() {
            0 => Ok(()),
            1 => Err(failures.remove(0)),
            _ => Err(Self::Several(failures)),
        }
    }
}
