//! Who can reach published ports, and what is wrong with a network; ours alone.

use serde::{Deserialize, Serialize};

/// A published port: an item of `GET /tierce/ports`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortReach {
    /// The container's id, 64 hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, without slash.
    pub name: String,
    /// Host address that was asked for: `0.0.0.0` and `::` are all of a family.
    pub host_ip: String,
    /// Host port; 0: none, the port answers at the container's own address.
    pub host_port: u16,
    /// `80/tcp`: the container's port.
    pub port: String,
    /// Its address.
    pub target: String,
    /// `kernel`: the packet filter leads packets to the container; `relay`: the daemon carries them; `route`: they are sent
    /// to the container's own address.
    pub way: String,
    /// Programs of this host reach it.
    pub this_host: bool,
    /// Containers reach it at the host's address.
    pub containers: Passage,
    /// Other hosts reach it by these interfaces.
    pub outside: Vec<Entrance>,
}

/// Whether packets pass the rules that are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Passage {
    /// `open`, `blocked`, or `depends`: on who sends them, or on what is not understood.
    pub verdict: String,
    /// The chains that block them or may do so.
    pub chains: Vec<String>,
}

/// A way into the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Entrance {
    /// The interface.
    pub interface: String,
    /// The address that others name.
    pub address: String,
    /// Whether they come in.
    pub passage: Passage,
    /// A chain of the host that keeps others from the host's own programs at this port, and not from the container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bypasses: String,
}

/// Answer of `GET /tierce/networks/diagnose`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkDiagnosis {
    /// Name of the container; empty: all networks.
    pub container: String,
    /// What was looked at.
    pub checked: Vec<String>,
    /// What is wrong, in the order in which packets meet it.
    pub findings: Vec<NetworkFinding>,
    /// What could not be judged, each with the reason.
    pub not_judged: Vec<String>,
}

/// Something that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkFinding {
    /// One of those that were looked at.
    pub subject: String,
    /// What is the matter.
    pub what: String,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// The commands that mend it.
    pub mend: Vec<String>,
}
