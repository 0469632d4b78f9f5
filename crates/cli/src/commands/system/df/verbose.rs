//! Each thing with its size.

use crate::commands::container::ps;
use crate::commands::image::images::Look;
use crate::commands::volume::ls;
use crate::error::Error;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use tierce_api_types::image::ImageSummary;
use tierce_api_types::system::DiskUsage;
use tierce_format::listing::{self, Column, Listing};
use tierce_format::template::{self, Template};
use tierce_format::units;

type Row = Map<String, Value>;

const IMAGES: &[Column] = &[
    Column::new("Repository", "REPOSITORY", true),
    Column::new("Tag", "TAG", true),
    Column::new("ID", "IMAGE ID", true),
    Column::new("CreatedSince", "CREATED", true),
    Column::new("Size", "SIZE", true),
    Column::new("SharedSize", "SHARED SIZE", true),
    Column::new("UniqueSize", "UNIQUE SIZE", true),
    Column::new("Containers", "CONTAINERS", true),
];
const CONTAINERS: &[Column] = &[
    Column::new("ID", "CONTAINER ID", true),
    Column::new("Image", "IMAGE", true),
    Column::new("Command", "COMMAND", true),
    Column::new("LocalVolumes", "LOCAL VOLUMES", true),
    Column::new("Size", "SIZE", true),
    Column::new("RunningFor", "CREATED", true),
    Column::new("Status", "STATUS", true),
    Column::new("Names", "NAMES", true),
];
const VOLUMES: &[Column] = &[
    Column::new("Name", "VOLUME NAME", true),
    Column::new("Links", "LINKS", true),
    Column::new("Size", "SIZE", true),
];
const BUILD_CACHE: &[Column] = &[
    Column::new("ID", "CACHE ID", true),
    Column::new("CacheType", "CACHE TYPE", true),
    Column::new("Size", "SIZE", true),
    Column::new("CreatedSince", "CREATED", true),
    Column::new("LastUsedSince", "LAST USED", true),
    Column::new("UsageCount", "USAGE", true),
    Column::new("Shared", "SHARED", true),
];

/// The whole page, or what a template makes of it.
pub(super) fn text(usage: &DiskUsage, format: &str) -> Result<String, Error> {
    let whole = !matches!(format, "" | "table");
    let images = rows_of_images(usage.images.as_deref().unwrap_or_default(), !whole);
    let containers = rows_of_containers(usage, !whole);
    let volumes: Vec<Row> = usage.volumes.iter().flatten().map(ls::row).collect();
    // Only daemons that build have any; this client shows the sum.
    let cache = usage.build_cache.as_deref().unwrap_or_default();
    let size = |record: &Value| record.get("Size").and_then(Value::as_i64).unwrap_or_default();
    if whole {
        let parts = [
            ("Images", json!(images)),
            ("Containers", json!(containers)),
            ("Volumes", json!(volumes)),
            ("BuildCache", json!(cache)),
        ];
        if format == "json" {
            // In this order, which a document of ours would not keep.
            let members = parts.map(|(name, part)| format!("{name:?}:{}", template::compact(&part)));
            return Ok(format!("{{{}}}", members.join(",")));
        }
        let document = parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect();
        return match Template::parse(format)? {
            Some(template) => Ok(template.render(&Value::Object(document))?),
            None => Ok(String::new()),
        };
    }
    let mut text = String::new();
    for (head, columns, rows) in [
        ("Images", IMAGES, images),
        ("Containers", CONTAINERS, containers),
        ("Local Volumes", VOLUMES, volumes),
    ] {
        let table = table(columns, &rows)?;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{head} space usage:\n\n{table}");
    }
    let total = units::exact_size(cache.iter().map(size).sum::<i64>() as f64);
    let _ = write!(text, "Build cache usage: {total}\n\n{}", table(BUILD_CACHE, &[])?);
    Ok(text)
}

fn table(columns: &'static [Column], rows: &[Row]) -> Result<String, Error> {
    let listing = Listing {
        columns,
        also: &[],
        format: "table",
        quiet: None,
    };
    Ok(listing::text(&listing, rows)?)
}

/// One row an image, with the first of its names.
fn rows_of_images(images: &[ImageSummary], truncate: bool) -> Vec<Row> {
    let look = Look {
        digests: false,
        of_digests: false,
        truncate,
    };
    let row = |image: &ImageSummary| {
        let mut image = image.clone();
        image.repo_digests = None;
        image.repo_tags.iter_mut().for_each(|tags| tags.truncate(1));
        let mut row = look.rows(&image).swap_remove(0);
        row.insert("Digest".to_owned(), Value::from(""));
        row
    };
    images.iter().map(row).collect()
}

fn rows_of_containers(usage: &DiskUsage, truncate: bool) -> Vec<Row> {
    let row = |container: &tierce_api_types::container::ContainerSummary| {
        let mut container = container.clone();
        // The image's bytes are shown with the image.
        container.size_root_fs = 0;
        ps::row(&container, truncate, |_| true)
    };
    usage.containers.iter().flatten().map(row).collect()
}
