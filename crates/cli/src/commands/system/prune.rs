//! `tierce system prune`: all other prunes, one after the other.

use crate::commands::{confirm, container, image, network, volume};
use crate::context::Context;
use crate::error::Error;
use clap::Args;
use std::fmt::Write as _;
use tierce_api_types::Filters;
use tierce_flags::filter::Filter;

#[derive(Args)]
pub(crate) struct Prune {
    /// Remove all unused images not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<key>=<value>")
    #[arg(long, value_name = "filter")]
    filter: Vec<Filter>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
}

impl Prune {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let filters = confirm::prune_filters(context, &self.filter)?;
        if self.volumes && filters.contains("until") {
            return Err(Error::failed(
                "ERROR: The \"until\" filter is not supported with \"--volumes\"",
            ));
        }
        if !self.force && !confirm::confirmed(&self.warning(&filters))? {
            return Ok(());
        }
        let mut total = 0;
        let mut told = |(text, reclaimed): (String, u64)| {
            print!("{text}");
            total += reclaimed;
        };
        told(container::prune(context, &filters).await?);
        print!("{}", network::prune(context, &filters).await?);
        if self.volumes {
            told(volume::prune(context, &filters).await?);
        }
        told(image::prune(context, self.all, filters.clone()).await?);
        told(self.prune_build_cache(context, &filters).await?);
        println!("{}", confirm::reclaimed(total));
        Ok(())
    }

    async fn prune_build_cache(&self, context: &Context, filters: &Filters) -> Result<(String, u64), Error> {
        let pruned = context.client.images().prune_build_cache(self.all, filters).await?;
        let removed = pruned.caches_deleted.unwrap_or_default();
        Ok((
            confirm::deleted("Deleted build cache objects", &removed),
            pruned.space_reclaimed,
        ))
    }

    fn warning(&self, filters: &Filters) -> String {
        let mut items = vec![
            "all stopped containers",
            "all networks not used by at least one container",
        ];
        if self.volumes {
            items.push("all anonymous volumes not used by at least one container");
        }
        items.extend(if self.all {
            [
                "all images without at least one container associated to them",
                "all build cache",
            ]
        } else {
            ["all dangling images", "unused build cache"]
        });
        let mut warning = "WARNING! This will remove:\n".to_owned();
        for item in items {
            // Writing to a String cannot fail.
            let _ = writeln!(warning, "  - {item}");
        }
        let words = ["label", "label!", "until"]
            .iter()
            .flat_map(|name| filters.get(name).map(move |value| format!("  - {name}={value}\n")));
        let words: String = words.collect();
        if !words.is_empty() {
            let _ = write!(warning, "\n  Items to be pruned will be filtered with:\n{words}");
        }
        warning + "\nAre you sure you want to continue?"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(all: bool, volumes: bool, filters: &Filters) -> String {
        let prune = Prune {
            all,
            filter: Vec::new(),
            force: false,
            volumes,
        };
        prune.warning(filters)
    }

    #[test]
    fn row_093_the_warning_is_dockers() {
        assert_eq!(
            warning(false, false, &Filters::new().with("label", "x").with("until", "1h")),
            "WARNING! This will remove:
  - all stopped containers
  - all networks not used by at least one container
  - all dangling images
  - unused build cache

  Items to be pruned will be filtered with:
  - label=x
  - until=1h

Are you sure you want to continue?"
        );
        assert_eq!(
            warning(true, true, &Filters::new()),
            "WARNING! This will remove:
  - all stopped containers
  - all networks not used by at least one container
  - all anonymous volumes not used by at least one container
  - all images without at least one container associated to them
  - all build cache

Are you sure you want to continue?"
        );
    }
}
