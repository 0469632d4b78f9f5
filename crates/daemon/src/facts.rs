//! What the API tells of this daemon that no part of the engine knows.

use std::path::PathBuf;

use anyhow::Result;
use tierce_api::Facts;

use crate::document::Document;
use crate::settings::{self, Host, Settings};
use crate::tls::Protection;
use crate::{identity, registry};

/// The facts of a daemon that starts.
pub(crate) fn at_start(settings: &Settings) -> Result<Facts> {
    let document = &settings.document;
    let firewall = if document.iptables == Some(false) {
        "none"
    } else {
        "nftables"
    };
    let mut facts = Facts {
        id: identity::of(&settings.data_root)?,
        firewall: firewall.to_owned(),
        experimental: document.experimental == Some(true),
        cdi_spec_dirs: text(&document.cdi_directories()),
        warnings: warnings(settings),
        ..Facts::default()
    };
    update(document, &mut facts)?;
    Ok(facts)
}

/// Brings those up to date that a reload can change.
pub(crate) fn update(document: &Document, facts: &mut Facts) -> Result<()> {
    facts.labels = settings::labels(document)?;
    facts.live_restore = document.live_restore != Some(false);
    registry::facts(document, facts)
}

fn text(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

/// Source of the text: moby `daemon/info.go`, `fillAPIInfo`.
fn warnings(settings: &Settings) -> Vec<String> {
    let (scheme, lack) = match settings.protection {
        Protection::None { .. } => ("http", "encryption"),
        Protection::Encrypted(_) => ("https", "TLS client verification"),
        Protection::Verified(_) => return Vec::new(),
    };
    let open = settings.hosts.iter().filter_map(|host| match host {
        Host::Tcp { host, port } => Some(settings.protection.address(host, *port)),
        Host::Unix(_) | Host::Inherited => None,
    });
    open.map(|address| {
        format!(
            "WARNING: API is accessible on {scheme}://{address} without {lack}.\n         Access to the remote API is \
             equivalent to root access on the host. Refer\n         to the 'Docker daemon attack surface' section in the \
             documentation for\n         more information: https://docs.docker.com/go/attack-surface/"
        )
    })
    .collect()
}
