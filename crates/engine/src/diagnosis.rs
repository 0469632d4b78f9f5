//! Who can reach published ports, and what is wrong with networks: asked of the network room, with names of containers.

use crate::container::context::blocking;
use crate::error::{Error, Result};
use crate::network::Networks;
use std::net::IpAddr;
use std::path::Path;
use tierce_network::diagnosis::{Finding, Subject};

/// The network room's own words.
pub mod reach {
    pub use tierce_network::{Carrier, Entrance, Passage, PortReach};
}

/// What was looked at, and what of it is wrong.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// Name of the container; empty: all networks.
    pub container: String,
    /// What was looked at.
    pub checked: Vec<Subject>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be judged, each with the reason.
    pub not_judged: Vec<String>,
}

impl Networks {
    /// Every published port, and who can reach it by the rules that are in force.
    pub async fn reach(&self) -> Result<Vec<reach::PortReach>> {
        let controller = self.controller();
        blocking(move || tierce_network::reach(&controller).map_err(Error::below)).await
    }

    /// What is wrong with the networks of a container that runs, or with all.
    pub async fn diagnose(&self, name: Option<&str>) -> Result<Diagnosis> {
        let controller = self.controller();
        let (mut id, mut shown, mut servers) = (None, String::new(), Vec::new());
        if let Some(name) = name {
            let container = self.context().find(name)?;
            let record = std::sync::Arc::clone(&container.snapshot().record);
            record.plain_name().clone_into(&mut shown);
            let Some(sandbox) = controller.sandbox(&container.id) else {
                return Err(Error::Conflict(format!(
                    "container {shown} is not running: it has no network"
                )));
            };
            servers = match sandbox.name_server {
                Some(_) => vec![tierce_network::DNS_ADDRESS.into()],
                None => servers_of(Path::new(&record.resolv_conf_path)),
            };
            id = Some(container.id.clone());
        }
        let checked = Subject::ALL
            .into_iter()
            .filter(|subject| *subject != Subject::Dns || !servers.is_empty());
        let checked = checked.collect();
        let found =
            blocking(move || tierce_network::diagnose(&controller, id.as_deref(), &servers).map_err(Error::below));
        let tierce_network::diagnosis::Diagnosis { findings, not_judged } = found.await?;
        Ok(Diagnosis {
            container: shown,
            checked,
            findings,
            not_judged,
        })
    }
}

/// The servers that a resolver file names.
fn servers_of(file: &Path) -> Vec<IpAddr> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
    });
    servers.take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_from_a_resolver_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("resolv.conf");
        std::fs::write(
            &file,
            "# x\nsearch a b\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n nameserver ::1\n",
        )
        .unwrap();
        let servers: Vec<_> = servers_of(&file).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1", "::1"]);
        assert!(servers_of(&directory.path().join("none")).is_empty());
    }
}
