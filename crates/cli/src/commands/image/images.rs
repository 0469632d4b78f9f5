//! `tierce images`

use crate::context::Context;
use crate::error::Error;
use crate::flags::filter;
use crate::output::listing::{self, Column, Listing};
use crate::output::{time, units};
use clap::Args;
use serde_json::{Map, Value};
use tierce_api_types::image::ImageSummary;

#[derive(Args)]
pub(crate) struct Images {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions provided (dangling, label, before, since, reference, until)
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template over .ID .Repository .Tag .Digest
    /// .CreatedSince .CreatedAt .Size
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Only this repository[:tag]
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column::new("Repository", "REPOSITORY", true),
    Column::new("Tag", "TAG", true),
    Column::new("Digest", "DIGEST", false),
    Column::new("ID", "IMAGE ID", true),
    Column::new("CreatedSince", "CREATED", true),
    Column::new("Size", "SIZE", true),
    Column::new("CreatedAt", "CREATED AT", false),
    Column::new("SharedSize", "SHARED SIZE", false),
    Column::new("UniqueSize", "UNIQUE SIZE", false),
    Column::new("Containers", "CONTAINERS", false),
];

const NONE: &str = "<none>";

impl Images {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut filters = filter::parse(&self.filter)?;
        if let Some(reference) = &self.reference {
            filters.insert("reference", reference);
        }
        let found = context.client.images().list(self.all, &filters).await?;
        let with_digests = self.digests || self.format.contains(".Digest");
        let rows: Vec<_> = found
            .iter()
            .flat_map(|image| rows(image, with_digests, !self.no_trunc))
            .collect();
        let also: &[&str] = if self.digests { &["Digest"] } else { &[] };
        listing::print(
            &Listing {
                columns: COLUMNS,
                also,
                format: &self.format,
                quiet: self.quiet.then_some("ID"),
            },
            &rows,
        )
    }
}

/// One row for each name; with digests, one for each name and digest of a repository.
fn rows(image: &ImageSummary, with_digests: bool, truncate: bool) -> Vec<Map<String, Value>> {
    let digest_of = |repository: &str| {
        image.repo_digests.iter().find_map(|name| {
            let (name, digest) = name.split_once('@')?;
            (name == repository).then(|| digest.to_owned())
        })
    };
    let tagged: Vec<(String, String)> = image
        .repo_tags
        .iter()
        .filter(|name| *name != "<none>:<none>")
        .filter_map(|name| {
            name.rsplit_once(':')
                .map(|(repository, tag)| (repository.to_owned(), tag.to_owned()))
        })
        .collect();
    if tagged.is_empty() {
        let digest = image
            .repo_digests
            .iter()
            .find_map(|name| name.split_once('@'))
            .filter(|(name, _)| *name != NONE);
        let (repository, digest) = digest.unwrap_or((NONE, NONE));
        return vec![row(image, repository, NONE, digest, truncate)];
    }
    let rows = tagged.iter().map(|(repository, tag)| {
        let digest = if with_digests { digest_of(repository) } else { None };
        row(image, repository, tag, digest.as_deref().unwrap_or(NONE), truncate)
    });
    rows.collect()
}

fn row(image: &ImageSummary, repository: &str, tag: &str, digest: &str, truncate: bool) -> Map<String, Value> {
    let created = time::from_unix(image.created);
    let id = if truncate {
        image.id.trim_start_matches("sha256:").chars().take(12).collect()
    } else {
        image.id.clone()
    };
    let size = |bytes: i64| {
        if bytes < 0 {
            "N/A".to_owned()
        } else {
            units::size(bytes as f64)
        }
    };
    let unique = if image.shared_size < 0 {
        -1
    } else {
        image.size - image.shared_size
    };
    let fields = [
        ("ID", id),
        ("Repository", repository.to_owned()),
        ("Tag", tag.to_owned()),
        ("Digest", digest.to_owned()),
        ("CreatedSince", format!("{} ago", time::since(created))),
        ("CreatedAt", time::local(created)),
        ("Size", size(image.size)),
        ("SharedSize", size(image.shared_size)),
        ("UniqueSize", size(unique)),
        (
            "Containers",
            if image.containers < 0 {
                "N/A".to_owned()
            } else {
                image.containers.to_string()
            },
        ),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_005_an_image_without_digest_shows_none() {
        let image = ImageSummary {
            id: format!("sha256:{}", "a".repeat(64)),
            repo_tags: vec!["local/x:1".into()],
            ..Default::default()
        };
        let rows = rows(&image, true, true);
        assert_eq!(
            (rows.len(), &rows[0]["Digest"], &rows[0]["ID"]),
            (1, &Value::from("<none>"), &Value::from("a".repeat(12)))
        );
    }

    #[test]
    fn an_untagged_image_has_one_row() {
        let image = ImageSummary {
            repo_digests: vec!["x@sha256:1".into()],
            ..Default::default()
        };
        let rows = rows(&image, false, true);
        assert_eq!(
            (&rows[0]["Repository"], &rows[0]["Tag"]),
            (&Value::from("x"), &Value::from("<none>"))
        );
    }
}
