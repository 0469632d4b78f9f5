//! Commands on images.

mod history;
pub(super) mod images;
mod import;
mod inspect;
mod load;
mod platform;
mod prune;
pub(super) mod pull;
mod push;
mod rmi;
mod save;
mod tag;
mod tree;
mod trust;

use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

pub(super) use import::split_name;
pub(super) use prune::prune;

/// Commands that stand at the top.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Show the history of an image
    History(history::History),
    /// List images
    Images(images::Images),
    /// Import the contents from a tarball to create a filesystem image
    Import(import::Import),
    /// Load an image from a tar archive or STDIN
    Load(load::Load),
    /// Download an image from a registry
    Pull(pull::Pull),
    /// Upload an image to a registry
    Push(push::Push),
    /// Remove one or more images
    Rmi(rmi::Rmi),
    /// Save one or more images to a tar archive (streamed to STDOUT by default)
    Save(save::Save),
    /// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
    Tag(tag::Tag),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::History(verb) => verb.run(context).await,
            Self::Images(verb) => verb.run_at_top(context).await,
            Self::Import(verb) => verb.run(context).await,
            Self::Load(verb) => verb.run(context).await,
            Self::Pull(verb) => verb.run(context).await,
            Self::Push(verb) => verb.run(context).await,
            Self::Rmi(verb) => verb.run(context).await,
            Self::Save(verb) => verb.run(context).await,
            Self::Tag(verb) => verb.run(context).await,
        }
    }
}

/// Commands under `image`.
#[derive(Subcommand)]
pub(crate) enum Group {
    /// Show the history of an image
    History(history::History),
    /// Display detailed information on one or more images
    Inspect(inspect::Inspect),
    /// List images
    #[command(name = "ls", visible_alias = "list")]
    List(images::Images),
    /// Import the contents from a tarball to create a filesystem image
    Import(import::Import),
    /// Load an image from a tar archive or STDIN
    Load(load::Load),
    /// Download an image from a registry
    Pull(pull::Pull),
    /// Upload an image to a registry
    Push(push::Push),
    /// Remove unused images
    Prune(prune::Prune),
    /// Remove one or more images
    #[command(visible_alias = "remove")]
    Rm(rmi::Rmi),
    /// Save one or more images to a tar archive (streamed to STDOUT by default)
    Save(save::Save),
    /// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
    Tag(tag::Tag),
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::History(verb) => verb.run(context).await,
            Self::Inspect(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Import(verb) => verb.run(context).await,
            Self::Load(verb) => verb.run(context).await,
            Self::Prune(verb) => verb.run(context).await,
            Self::Pull(verb) => verb.run(context).await,
            Self::Push(verb) => verb.run(context).await,
            Self::Rm(verb) => verb.run(context).await,
            Self::Save(verb) => verb.run(context).await,
            Self::Tag(verb) => verb.run(context).await,
        }
    }
}
