//! Commands on images.

mod history;
mod images;
mod inspect;
pub(super) mod pull;
mod push;
mod rmi;
mod tag;

use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

/// Commands that stand at the top.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Show the history of an image
    History(history::History),
    /// List images
    Images(images::Images),
    /// Download an image from a registry
    Pull(pull::Pull),
    /// Upload an image to a registry
    Push(push::Push),
    /// Remove one or more images
    Rmi(rmi::Rmi),
    /// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
    Tag(tag::Tag),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::History(verb) => verb.run(context).await,
            Self::Images(verb) => verb.run(context).await,
            Self::Pull(verb) => verb.run(context).await,
            Self::Push(verb) => verb.run(context).await,
            Self::Rmi(verb) => verb.run(context).await,
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
    /// Download an image from a registry
    Pull(pull::Pull),
    /// Upload an image to a registry
    Push(push::Push),
    /// Remove one or more images
    #[command(visible_alias = "remove")]
    Rm(rmi::Rmi),
    /// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
    Tag(tag::Tag),
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::History(verb) => verb.run(context).await,
            Self::Inspect(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Pull(verb) => verb.run(context).await,
            Self::Push(verb) => verb.run(context).await,
            Self::Rm(verb) => verb.run(context).await,
            Self::Tag(verb) => verb.run(context).await,
        }
    }
}
