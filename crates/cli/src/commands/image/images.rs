//! `tierce images`

use super::tree;
use crate::context::Context;
use crate::error::Error;
use crate::help::{self, FORMAT};
use crate::output;
use clap::Args;
use serde_json::{Map, Value};
use tierce_api_types::image::ImageSummary;
use tierce_flags::filter::{self, Filter};
use tierce_format::listing::{Column, Listing};
use tierce_format::{time, units};

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, FILTERS))]
pub(crate) struct Images {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// List multi-platform images as a tree (EXPERIMENTAL)
    #[arg(long)]
    tree: bool,
    /// Only this repository[:tag]
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

/// The fields of a row; `system df -v` shows more of them.
pub(in crate::commands) const FILTERS: &[&str] = &["before", "dangling", "label", "reference", "since", "until"];
const COLUMNS: &[Column] = &[
    Column::new("Repository", "REPOSITORY", true),
    Column::new("Tag", "TAG", true),
    Column::new("Digest", "DIGEST", false),
    Column::new("ID", "IMAGE ID", true),
    Column::new("CreatedSince", "CREATED", true),
    Column::new("Size", "SIZE", true),
    Column::new("SharedSize", "SHARED SIZE", false),
    Column::new("UniqueSize", "UNIQUE SIZE", false),
    Column::new("Containers", "CONTAINERS", false),
    Column::new("CreatedAt", "CREATED AT", false),
    Column::new("VirtualSize", "SIZE", false),
];

/// What stands for a name or digest that an image does not have.
pub(super) const NONE: &str = "<none>";
/// Words after `tierce images` that were probably meant as commands of `tierce image`.
const VERBS: [&str; 12] = [
    "build", "history", "import", "list", "load", "ls", "prune", "pull", "push", "rm", "save", "tag",
];

impl Images {
    /// Runs `tierce images`, which hints at what its word may have meant.
    pub(crate) async fn run_at_top(self, context: &Context) -> Result<(), Error> {
        let word = self.reference.clone().filter(|_| !self.tree);
        let found = self.list(context).await?;
        if let Some(word) = word.filter(|word| found == 0 && VERBS.contains(&word.as_str())) {
            eprintln!("\nNo images found matching {word:?}: did you mean \"tierce image {word}\"?");
        }
        Ok(())
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        self.list(context).await.map(drop)
    }

    /// Prints the list, and says how many images there are.
    async fn list(&self, context: &Context) -> Result<usize, Error> {
        let mut filters = filter::collect(&self.filter);
        if let Some(reference) = &self.reference {
            filters.insert("reference", reference);
        }
        if self.tree {
            self.check_tree()?;
            let found = context.client.images().list(self.all, &filters).await?;
            tree::print(&found, self.all);
            return Ok(found.len());
        }
        let found = context.client.images().list(self.all, &filters).await?;
        let format = match self.format.as_str() {
            "" if !self.quiet => context.format("", "imagesFormat")?,
            format => format.to_owned(),
        };
        // In a table of the user's own, the digest is one more column at the end.
        let format = match format.strip_prefix("table ") {
            Some(own) if self.digests && !own.contains("{{.Digest}}") => format!("table {own}\t{{{{.Digest}}}}"),
            _ => format,
        };
        let look = Look {
            digests: self.digests,
            of_digests: self.digests || format.contains("{{.Digest}}"),
            truncate: !self.no_trunc,
        };
        let rows: Vec<_> = found.iter().flat_map(|image| look.rows(image)).collect();
        let also: &[&str] = if self.digests { &["Digest"] } else { &[] };
        output::print(
            &Listing {
                columns: COLUMNS,
                also,
                format: &format,
                quiet: self.quiet.then_some("ID"),
            },
            &rows,
        )?;
        Ok(found.len())
    }

    /// A tree has one form only.
    fn check_tree(&self) -> Result<(), Error> {
        let given = [
            (self.quiet, "--quiet"),
            (self.no_trunc, "--no-trunc"),
            (self.digests, "--show-digest"),
            (!self.format.is_empty(), "--format"),
        ];
        match given.into_iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(Error::failed(format!("{flag} is not yet supported with --tree"))),
            None => Ok(()),
        }
    }
}

/// How images become rows.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Look {
    /// A repository without a tag has a row for each digest.
    pub(in crate::commands) digests: bool,
    /// A tag has a row for each digest of its repository.
    pub(in crate::commands) of_digests: bool,
    /// Ids are cut to twelve characters.
    pub(in crate::commands) truncate: bool,
}

impl Look {
    /// One row for each name. Source of the rules: docker/cli `formatter/image.go`.
    pub(in crate::commands) fn rows(self, image: &ImageSummary) -> Vec<Map<String, Value>> {
        let tags = pairs(image.repo_tags.as_deref().unwrap_or_default(), |name| {
            name.rsplit_once(':')
        });
        let digests = pairs(image.repo_digests.as_deref().unwrap_or_default(), |name| {
            name.split_once('@')
        });
        if tags.is_empty() && digests.is_empty() {
            return vec![self.row(image, NONE, NONE, NONE)];
        }
        let mut rows = Vec::new();
        for (repository, tag) in &tags {
            let of_repository = digests.iter().filter(|(name, _)| self.of_digests && name == repository);
            let before = rows.len();
            rows.extend(of_repository.map(|(_, digest)| self.row(image, repository, tag, digest)));
            if rows.len() == before {
                rows.push(self.row(image, repository, tag, NONE));
            }
        }
        let mut without_tag: Vec<_> = digests
            .iter()
            .filter(|(name, _)| !tags.iter().any(|(tagged, _)| tagged == name))
            .collect();
        if !self.digests {
            without_tag.dedup_by_key(|(name, _)| *name);
        }
        for (repository, digest) in without_tag {
            let digest = if self.digests { digest } else { "" };
            rows.push(self.row(image, repository, NONE, digest));
        }
        rows
    }

    fn row(self, image: &ImageSummary, repository: &str, tag: &str, digest: &str) -> Map<String, Value> {
        let created = time::from_unix(image.created);
        let id = if self.truncate {
            short_id(&image.id)
        } else {
            image.id.clone()
        };
        let since = if image.created > 0 {
            format!("{} ago", time::since(created))
        } else {
            "N/A".to_owned()
        };
        let exact = |bytes: i64| match bytes {
            ..0 => "N/A".to_owned(),
            bytes => units::exact_size(bytes as f64),
        };
        let unique = match image.shared_size {
            ..0 => -1,
            shared => image.size - shared,
        };
        let containers = match image.containers {
            ..0 => "N/A".to_owned(),
            count => count.to_string(),
        };
        let fields = [
            ("ID", id),
            ("Repository", repository.to_owned()),
            ("Tag", tag.to_owned()),
            ("Digest", digest.to_owned()),
            ("CreatedSince", since),
            ("CreatedAt", time::local(created)),
            ("Size", units::size(image.size as f64)),
            ("SharedSize", exact(image.shared_size)),
            ("UniqueSize", exact(unique)),
            ("VirtualSize", units::exact_size(image.size as f64)),
            ("Containers", containers),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect()
    }
}

/// Names in two parts. What older daemons list for an image without a name is no name.
fn pairs<'a>(names: &'a [String], split: fn(&'a str) -> Option<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    let split = names.iter().filter_map(|name| split(name));
    split.filter(|(repository, _)| *repository != NONE).collect()
}

/// The first twelve characters of an id.
pub(in crate::commands) fn short_id(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look {
        digests: false,
        of_digests: false,
        truncate: true,
    };

    fn image(tags: &[&str], digests: &[&str]) -> ImageSummary {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        ImageSummary {
            id: format!("sha256:{}", "a".repeat(64)),
            repo_tags: Some(owned(tags)),
            repo_digests: Some(owned(digests)),
            shared_size: -1,
            containers: -1,
            ..ImageSummary::default()
        }
    }

    fn names(look: Look, image: &ImageSummary) -> Vec<String> {
        let rows = look.rows(image);
        let name = |row: &Map<String, Value>| {
            ["Repository", "Tag", "Digest"]
                .map(|field| row[field].as_str().unwrap_or_default().to_owned())
                .join(" ")
        };
        rows.iter().map(name).collect()
    }

    #[test]
    fn row_005_an_image_without_digest_shows_none() {
        let with_digests = Look {
            digests: true,
            of_digests: true,
            ..LOOK
        };
        assert_eq!(names(with_digests, &image(&["local/x:1"], &[])), ["local/x 1 <none>"]);
        let row = &LOOK.rows(&image(&["local/x:1"], &[]))[0];
        assert_eq!(
            (&row["ID"], &row["SharedSize"]),
            (&Value::from("a".repeat(12)), &Value::from("N/A"))
        );
    }

    #[test]
    fn row_093_names_and_digests_become_rows_as_dockers() {
        let image = image(
            &["h:5000/a:1", "h:5000/a:2"],
            &["b@sha256:3", "b@sha256:4", "h:5000/a@sha256:1"],
        );
        assert_eq!(
            names(LOOK, &image),
            ["h:5000/a 1 <none>", "h:5000/a 2 <none>", "b <none> "]
        );
        let all = Look {
            digests: true,
            of_digests: true,
            ..LOOK
        };
        assert_eq!(
            names(all, &image),
            [
                "h:5000/a 1 sha256:1",
                "h:5000/a 2 sha256:1",
                "b <none> sha256:3",
                "b <none> sha256:4"
            ]
        );
    }

    #[test]
    fn an_image_without_a_name_has_one_row() {
        assert_eq!(names(LOOK, &image(&[], &[])), ["<none> <none> <none>"]);
        let old = image(&["<none>:<none>"], &["<none>@<none>"]);
        assert_eq!(names(LOOK, &old), ["<none> <none> <none>"]);
    }
}
