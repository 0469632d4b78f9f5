//! `tierce volume prune`

use crate::commands::confirm;
use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_api_types::Filters;
use tierce_flags::filter::Filter;

#[derive(Args)]
pub(crate) struct Prune {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<label>")
    #[arg(long, value_name = "filter")]
    filter: Vec<Filter>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

const ANONYMOUS: &str = "WARNING! This will remove anonymous local volumes not used by at least one container.
Are you sure you want to continue?";
const ALL: &str = "WARNING! This will remove all local volumes not used by at least one container.
Are you sure you want to continue?";

impl Prune {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut filters = confirm::prune_filters(context, &self.filter)?;
        if self.all {
            if filters.contains("all") {
                return Err(Error::failed(
                    "conflicting options: cannot specify both --all and --filter all=1",
                ));
            }
            filters.insert("all", "true");
        }
        if !self.force && !confirm::confirmed(if self.all { ALL } else { ANONYMOUS })? {
            return Ok(());
        }
        let (text, reclaimed) = prune(context, &filters).await?;
        println!("{text}{}", confirm::reclaimed(reclaimed));
        Ok(())
    }
}

/// Removes unused volumes; gives what is told of it, and the bytes that are free again.
pub(in crate::commands) async fn prune(context: &Context, filters: &Filters) -> Result<(String, u64), Error> {
    let pruned = context.client.volumes().prune(filters).await?;
    let removed = pruned.volumes_deleted.unwrap_or_default();
    Ok((confirm::deleted("Deleted Volumes", &removed), pruned.space_reclaimed))
}
