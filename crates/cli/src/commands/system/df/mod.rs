//! `tierce system df`

mod summary;
mod verbose;

use crate::context::Context;
use crate::error::Error;
use crate::help::FORMAT;
use crate::output;
use clap::Args;
use tierce_format::listing::Listing;

#[derive(Args)]
pub(crate) struct Df {
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
    /// Show detailed information on space usage
    #[arg(short, long)]
    verbose: bool,
}

impl Df {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let usage = context.client.system().disk_usage().await?;
        if self.verbose {
            print!("{}", verbose::text(&usage, &self.format)?);
            return Ok(());
        }
        let listing = Listing {
            columns: summary::COLUMNS,
            also: &[],
            format: &self.format,
            quiet: None,
        };
        output::print(&listing, &summary::rows(&usage))
    }
}
