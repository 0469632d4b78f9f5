//! `tierce image prune`

use crate::commands::confirm;
use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_api_types::Filters;
use tierce_flags::filter::Filter;

#[derive(Args)]
pub(crate) struct Prune {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_name = "filter")]
    filter: Vec<Filter>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

const ALL: &str = "WARNING! This will remove all images without at least one container associated to them.
Are you sure you want to continue?";
const DANGLING: &str = "WARNING! This will remove all dangling images.
Are you sure you want to continue?";

impl Prune {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let filters = confirm::prune_filters(context, &self.filter)?;
        if !self.force && !confirm::confirmed(if self.all { ALL } else { DANGLING })? {
            return Ok(());
        }
        let (text, reclaimed) = prune(context, self.all, filters).await?;
        println!("{text}{}", confirm::reclaimed(reclaimed));
        Ok(())
    }
}

/// Removes unused images; gives what is told of it, and the bytes that are free again.
pub(in crate::commands) async fn prune(
    context: &Context,
    all: bool,
    mut filters: Filters,
) -> Result<(String, u64), Error> {
    filters.insert("dangling", if all { "false" } else { "true" });
    let pruned = context.client.images().prune(&filters).await?;
    let steps = pruned.images_deleted.unwrap_or_default().into_iter();
    let lines: Vec<String> = steps
        .filter_map(|step| match (step.untagged, step.deleted) {
            (Some(name), _) => Some(format!("untagged: {name}")),
            (None, Some(id)) => Some(format!("deleted: {id}")),
            (None, None) => None,
        })
        .collect();
    Ok((confirm::deleted("Deleted Images", &lines), pruned.space_reclaimed))
}
