//! What the engine tells the server over its control socket: one JSON document a line, one line of answer to each.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Serve these containers and no others.
    Everything(Vec<Join>),
    /// Serve this container, too, or serve it as it is now.
    Join(Join),
    /// Serve the container no more.
    Leave(String),
}

/// The answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// Done; with the ports at [`crate::ADDRESS`] of the containers that the request named and that are served.
    Done(Vec<Served>),
    /// Not done.
    Failed(String),
}

/// A container that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Its id.
    pub container: String,
    /// Where its server listens in its sandbox, UDP and TCP.
    pub port: u16,
}

/// A container, the names that it answers to, and where its questions go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Its id.
    pub container: String,
    /// Its network namespace; none: it has names, and no server of its own.
    pub namespace: Option<PathBuf>,
    /// The port that it must be served at; none: any that is free.
    pub port: Option<u16>,
    /// Its networks; of several that know a name the first answers.
    pub memberships: Vec<Membership>,
    /// Servers for names that no network has, in the order in which they are asked. None: such a question fails.
    pub upstreams: Vec<Upstream>,
    /// Names without a dot that no network has are not asked for elsewhere: the resolver's search list comes first.
    pub only_dotted: bool,
    /// Names that it alone knows, as its hosts file does; they come before all others.
    #[serde(default)]
    pub hosts: Vec<(String, IpAddr)>,
}

/// A container's place in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Id of the network.
    pub network: String,
    /// Name of the network.
    pub network_name: String,
    /// Names, the one that an address leads back to first.
    pub names: Vec<String>,
    /// Addresses there.
    pub addresses: Vec<IpAddr>,
    /// Names that this container alone uses for others: what it says, and whom it means.
    pub links: Vec<(String, String)>,
}

/// Another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    /// It is asked from the host's network, not from the container's.
    pub from_host: bool,
}
