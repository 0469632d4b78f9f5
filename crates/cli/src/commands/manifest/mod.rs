//! Commands on manifests and lists of them. Source of their behaviour: docker/cli `command/manifest`.
//!
//! The daemon has no part in them: lists are made in files of the user's own ([`store`]), and this program asks the
//! registry itself ([`remote`]; why, is in `docs/design/0009-cli-talks-to-registries.md`).

mod annotate;
mod create;
mod documents;
mod inspect;
mod push;
mod remote;
mod rm;
mod store;

use crate::error::Error;
use clap::Subcommand;
use tierce_oci::Reference;
use tierce_settings::Settings;

/// Commands under `manifest`.
#[derive(Subcommand)]
pub(crate) enum Group {
    /// Add additional information to a local image manifest
    Annotate(annotate::Annotate),
    /// Create a local manifest list for annotating and pushing to a registry
    Create(create::Create),
    /// Display an image manifest, or manifest list
    Inspect(inspect::Inspect),
    /// Push a manifest list to a repository
    Push(push::Push),
    /// Delete one or more manifest lists from local storage
    Rm(rm::Rm),
}

impl Group {
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Error> {
        match self {
            Self::Annotate(verb) => verb.run(settings),
            Self::Create(verb) => verb.run(settings).await,
            Self::Inspect(verb) => verb.run(settings).await,
            Self::Push(verb) => verb.run(settings).await,
            Self::Rm(verb) => verb.run(settings),
        }
    }
}

/// A name as a user types it, with the tag `latest` where it has neither tag nor digest.
fn parse(name: &str) -> Result<Reference, Error> {
    let reference = Reference::parse(name).map_err(|error| Error::failed(error.to_string()))?;
    Ok(reference.with_default_tag())
}

/// [`parse`] for a command that says which of its names is none.
fn parse_as(name: &str, what: &str) -> Result<Reference, Error> {
    parse(name).map_err(|error| Error::failed(format!("error parsing name for {what} {name}: {error}")))
}
