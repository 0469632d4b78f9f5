//! `tierce commit`

use crate::commands::image::split_name;
use crate::context::Context;
use crate::error::Error;
use clap::{ArgAction, Args};
use tierce_client::CommitContainer;

#[derive(Args)]
pub(crate) struct Commit {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(short, long, default_value = "", hide_default_value = true)]
    author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Commit message
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
    /// Pause container during commit
    #[arg(short, long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        action = ArgAction::Set)]
    pause: bool,
    container: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Commit {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (repository, tag) = split_name(self.name.as_deref())?;
        let options = CommitContainer {
            container: self.container,
            repository,
            tag,
            comment: self.message,
            author: self.author,
            changes: self.change,
            pause: self.pause,
        };
        println!("{}", context.client.images().commit(&options).await?);
        Ok(())
    }
}
