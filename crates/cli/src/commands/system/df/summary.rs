//! One line for each kind of thing. Source of the figures: docker/cli `formatter/disk_usage.go`.

use serde_json::{Map, Value};
use tierce_api_types::system::DiskUsage;
use tierce_format::listing::Column;
use tierce_format::units;

pub(super) const COLUMNS: &[Column] = &[
    Column::new("Type", "TYPE", true),
    Column::new("TotalCount", "TOTAL", true),
    Column::new("Active", "ACTIVE", true),
    Column::new("Size", "SIZE", true),
    Column::new("Reclaimable", "RECLAIMABLE", true),
];

/// How much of one kind there is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    kind: &'static str,
    total: usize,
    active: usize,
    size: i64,
    reclaimable: i64,
}

pub(super) fn rows(usage: &DiskUsage) -> Vec<Map<String, Value>> {
    let lines = [images(usage), containers(usage), volumes(usage), build_cache(usage)];
    lines.iter().map(row).collect()
}

fn row(line: &Line) -> Map<String, Value> {
    let reclaimable = units::exact_size(line.reclaimable as f64);
    let reclaimable = match (line.reclaimable * 100).checked_div(line.size) {
        Some(percent) => format!("{reclaimable} ({percent}%)"),
        None => reclaimable,
    };
    let fields = [
        ("Type", line.kind.to_owned()),
        ("TotalCount", line.total.to_string()),
        ("Active", line.active.to_string()),
        ("Size", units::exact_size(line.size as f64)),
        ("Reclaimable", reclaimable),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect()
}

fn images(usage: &DiskUsage) -> Line {
    let images = usage.images.as_deref().unwrap_or_default();
    let used = images.iter().filter(|image| image.containers > 0);
    // What a used image shares with another may still be freed with that one, says Docker.
    let own: i64 = used
        .clone()
        .filter(|image| image.size >= 0 && image.shared_size >= 0)
        .map(|image| image.size - image.shared_size)
        .sum();
    Line {
        kind: "Images",
        total: images.len(),
        active: used.count(),
        size: usage.layers_size,
        reclaimable: usage.layers_size - own,
    }
}

fn containers(usage: &DiskUsage) -> Line {
    let containers = usage.containers.as_deref().unwrap_or_default();
    let active = |state: &str| {
        ["running", "paused", "restarting"]
            .iter()
            .any(|word| state.contains(word))
    };
    let down = containers.iter().filter(|container| !active(&container.state));
    Line {
        kind: "Containers",
        total: containers.len(),
        active: containers.len() - down.clone().count(),
        size: containers.iter().map(|container| container.size_rw).sum(),
        reclaimable: down.map(|container| container.size_rw).sum(),
    }
}

fn volumes(usage: &DiskUsage) -> Line {
    let volumes = usage.volumes.as_deref().unwrap_or_default();
    let usages = || volumes.iter().filter_map(|volume| volume.usage_data.as_ref());
    let known = |size: i64| size.max(0);
    Line {
        kind: "Local Volumes",
        total: volumes.len(),
        active: usages().filter(|usage| usage.ref_count > 0).count(),
        size: usages().map(|usage| known(usage.size)).sum(),
        reclaimable: usages()
            .filter(|usage| usage.ref_count == 0)
            .map(|usage| known(usage.size))
            .sum(),
    }
}

/// Of another daemon; this one builds nothing yet.
fn build_cache(usage: &DiskUsage) -> Line {
    let records = usage.build_cache.as_deref().unwrap_or_default();
    let is = |record: &Value, name: &str| record.get(name).and_then(Value::as_bool).unwrap_or_default();
    let size = |record: &Value| record.get("Size").and_then(Value::as_i64).unwrap_or_default();
    let counted = records.iter().filter(|record| !is(record, "Shared"));
    let in_use = counted.clone().filter(|record| is(record, "InUse"));
    let total: i64 = counted.map(size).sum();
    Line {
        kind: "Build Cache",
        total: records.len(),
        active: records.iter().filter(|record| is(record, "InUse")).count(),
        size: total,
        reclaimable: total - in_use.map(size).sum::<i64>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_api_types::container::ContainerSummary;
    use tierce_api_types::image::ImageSummary;
    use tierce_api_types::volume::{Volume, VolumeUsage};

    #[test]
    fn row_093_figures_are_added_up_as_docker_does() {
        let image = |size, shared_size, containers| ImageSummary {
            size,
            shared_size,
            containers,
            ..ImageSummary::default()
        };
        let container = |state: &str, size_rw| ContainerSummary {
            state: state.to_owned(),
            size_rw,
            ..ContainerSummary::default()
        };
        let volume = |ref_count, size| Volume {
            usage_data: Some(VolumeUsage { ref_count, size }),
            ..Volume::default()
        };
        let usage = DiskUsage {
            layers_size: 1500,
            images: Some(vec![image(1000, 400, 1), image(900, 400, 0)]),
            containers: Some(vec![container("running", 6), container("exited", 4)]),
            volumes: Some(vec![volume(1, 10), volume(0, 30), volume(0, -1)]),
            build_cache: Some(Vec::new()),
        };
        let shown: Vec<String> = rows(&usage)
            .iter()
            .map(|row| {
                COLUMNS
                    .iter()
                    .filter_map(|column| row[column.name()].as_str())
                    .collect::<Vec<_>>()
                    .join("|")
            })
            .collect();
        assert_eq!(
            shown,
            [
                "Images|2|1|1.5kB|900B (60%)",
                "Containers|2|1|10B|4B (40%)",
                "Local Volumes|3|1|40B|30B (75%)",
                "Build Cache|0|0|0B|0B",
            ]
        );
    }
}
