//! `tierce network prune`

use crate::commands::confirm;
use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_api_types::Filters;
use tierce_flags::filter::Filter;

#[derive(Args)]
pub(crate) struct Prune {
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_name = "filter")]
    filter: Vec<Filter>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

const WARNING: &str = "WARNING! This will remove all custom networks not used by at least one container.
Are you sure you want to continue?";

impl Prune {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let filters = confirm::prune_filters(context, &self.filter)?;
        if self.force || confirm::confirmed(WARNING)? {
            print!("{}", prune(context, &filters).await?);
        }
        Ok(())
    }
}

/// Removes unused networks; gives what is told of it.
pub(in crate::commands) async fn prune(context: &Context, filters: &Filters) -> Result<String, Error> {
    let pruned = context.client.networks().prune(filters).await?;
    let removed = pruned.networks_deleted.unwrap_or_default();
    Ok(confirm::deleted("Deleted Networks", &removed))
}
