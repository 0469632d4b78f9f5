//! `list`: `docker ps` with all its filters, over snapshots that nobody has to wait for.
//! Source: moby `daemon/list.go`.

use super::context::{Container, Context, Snapshot, blocking};
use super::requests::{List, Summary};
use super::{inspect, links};
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tierce_events::Filters;
use tierce_lifecycle::{Health, Status};
use tierce_oci::container::PortBinding;

/// Keys that the filters of `ps` may have.
const FILTERS: [&str; 15] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// See [`super::Containers::list`].
pub(crate) async fn list(context: &Context, request: List) -> Result<Vec<Summary>> {
    request.filters.validate(&FILTERS)?;
    let selection = Selection::new(context, &request)?;
    let mut containers: Vec<(Arc<Container>, Arc<Snapshot>)> = context
        .all()
        .into_iter()
        .map(|container| {
            let snapshot = container.snapshot();
            (container, snapshot)
        })
        .collect();
    containers.sort_by_key(|(_, snapshot)| std::cmp::Reverse(snapshot.record.created));
    let limit = request.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let chosen: Vec<_> = containers
        .into_iter()
        .filter(|(_, snapshot)| selection.takes(snapshot))
        .take(limit)
        .collect();
    let mut images = ImageNames::default();
    let mut linked = links::names(context);
    let mut summaries = Vec::with_capacity(chosen.len());
    for (container, snapshot) in chosen {
        let mut summary = Summary {
            other_names: linked.remove(&container.id).unwrap_or_default(),
            image: images.shown(context, &snapshot),
            record: Arc::clone(&snapshot.record),
            host_config: Arc::clone(&snapshot.host_config),
            mounts: inspect::mounts(context, &snapshot.record),
            size_rw: None,
            size_root_fs: None,
        };
        if request.size {
            let (rootfs, id) = (Arc::clone(&context.rootfs), container.id.clone());
            // One whose layer is damaged is listed all the same.
            let usage = blocking(move || Ok(rootfs.usage(&id).unwrap_or_default())).await?;
            summary.size_rw = Some(usage.own);
            summary.size_root_fs = Some(usage.own + usage.image);
        }
        summaries.push(summary);
    }
    Ok(summaries)
}

/// What each name means now, asked once a list.
#[derive(Default)]
struct ImageNames(HashMap<String, Option<String>>);

impl ImageNames {
    /// The name that a container was made with, or the image's id when that name means another image by now.
    fn shown(&mut self, context: &Context, snapshot: &Snapshot) -> String {
        let name = &snapshot.record.config.image;
        let meant = self
            .0
            .entry(name.clone())
            .or_insert_with(|| context.images.resolve(name).ok().map(|facts| facts.id));
        match meant {
            // It has none, but a directory.
            _ if snapshot.record.image.is_empty() => name.clone(),
            Some(id) if *id == snapshot.record.image => name.clone(),
            _ => snapshot.record.image.clone(),
        }
    }
}

/// The filters, looked up and parsed once.
struct Selection<'a> {
    filters: &'a Filters,
    all: bool,
    statuses: BTreeSet<&'static str>,
    exited: Vec<i32>,
    ancestors: Option<Vec<String>>,
    before: Option<jiff::Timestamp>,
    since: Option<jiff::Timestamp>,
}

impl<'a> Selection<'a> {
    fn new(context: &Context, request: &'a List) -> Result<Self> {
        let filters = &request.filters;
        let mut statuses = BTreeSet::new();
        for wanted in filters.get("status") {
            let known = Status::ALL
                .iter()
                .find(|status| status.as_str() == wanted)
                .ok_or_else(|| Error::Invalid(format!("invalid filter 'status={wanted}'")))?;
            statuses.insert(known.as_str());
        }
        for wanted in filters.get("health") {
            if !matches!(wanted.as_str(), "starting" | "healthy" | "unhealthy" | "none") {
                return Err(Error::Invalid(format!(
                    "unrecognised filter value for health: {wanted}"
                )));
            }
        }
        let exited = filters
            .get("exited")
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|_| Error::Invalid(format!("invalid filter 'exited={text}'")))
            })
            .collect::<Result<Vec<i32>>>()?;
        let moment = |key: &str| -> Result<Option<jiff::Timestamp>> {
            match filters.get(key).first() {
                None => Ok(None),
                Some(name) => Ok(Some(context.find(name)?.snapshot().record.created)),
            }
        };
        let ancestors = filters.contains("ancestor").then(|| {
            filters
                .get("ancestor")
                .iter()
                .flat_map(|name| context.images.descendants(name))
                .collect()
        });
        Ok(Self {
            filters,
            // Who names states means also containers that do not run.
            all: request.all || request.limit.is_some_and(|limit| limit > 0) || filters.contains("status"),
            statuses,
            exited,
            ancestors,
            before: moment("before")?,
            since: moment("since")?,
        })
    }

    fn takes(&self, snapshot: &Snapshot) -> bool {
        let record = &snapshot.record;
        let state = &record.state;
        let status = state.status();
        if !state.running && !self.all {
            return false;
        }
        (self.statuses.is_empty() || self.statuses.contains(status.as_str()))
            && (self.exited.is_empty() || (status == Status::Exited && self.exited.contains(&state.exit_code)))
            && self.before.is_none_or(|before| record.created < before)
            && self.since.is_none_or(|since| record.created > since)
            && self.ancestors.as_ref().is_none_or(|ids| ids.contains(&record.image))
            && self.filters.prefix("id", &record.id)
            && (self.filters.fuzzy("name", &record.name) || self.filters.fuzzy("name", record.plain_name()))
            && self.labels(snapshot)
            && self.filters.exact("health", Health::word(state.health.as_ref()))
            && !self
                .filters
                .get("is-task")
                .iter()
                .any(|value| matches!(value.as_str(), "true" | "1"))
            && (!self.filters.contains("isolation") || self.filters.exact("isolation", "default"))
            && self.volume(snapshot)
            && self.network(snapshot)
            && self.ports(snapshot)
    }

    fn labels(&self, snapshot: &Snapshot) -> bool {
        let empty = std::collections::BTreeMap::new();
        let labels = snapshot.record.config.labels.as_ref().unwrap_or(&empty);
        self.filters.labels("label", labels) && self.filters.no_labels("label!", labels)
    }

    fn volume(&self, snapshot: &Snapshot) -> bool {
        !self.filters.contains("volume")
            || snapshot.record.mount_points.values().any(|point| {
                let source = if point.name.is_empty() {
                    &point.source
                } else {
                    &point.name
                };
                self.filters.exact("volume", source) || self.filters.exact("volume", &point.destination)
            })
    }

    fn network(&self, snapshot: &Snapshot) -> bool {
        !self.filters.contains("network")
            || snapshot
                .record
                .network_settings
                .networks
                .iter()
                .any(|(name, settings)| {
                    self.filters.exact("network", name)
                        || (!settings.network_id.is_empty() && self.filters.prefix("network", &settings.network_id))
                })
    }

    /// `publish` asks for ports of the host, `expose` for the container's own; one of all is enough.
    fn ports(&self, snapshot: &Snapshot) -> bool {
        let asked = |key: &str, number: Option<u16>, protocol: &str| {
            let wanted = self.filters.get(key);
            wanted.iter().any(|text| means_port(text, number, protocol))
        };
        if !self.filters.contains("publish") && !self.filters.contains("expose") {
            return true;
        }
        let mut ports = snapshot.record.network_settings.ports.iter().flatten();
        ports.any(|(port, hosts)| {
            let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            let published = |host: &PortBinding| asked("publish", host.host_port.parse().ok(), protocol);
            asked("expose", number.parse().ok(), protocol) || hosts.iter().flatten().any(published)
        })
    }
}

/// Whether a filter is about that port: `80`, `80/tcp` or `80-90/tcp`.
fn means_port(filter: &str, number: Option<u16>, protocol: &str) -> bool {
    let (numbers, wanted) = filter.split_once('/').unwrap_or((filter, "tcp"));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
        return false;
    };
    wanted == protocol && number.is_some_and(|number| (first..=last).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{insert_fixture, testing_context};

    async fn names(context: &Context, filters: &[(&str, &str)], all: bool) -> Vec<String> {
        let mut request = List { all, ..List::default() };
        for (key, value) in filters {
            request.filters.add(key, value);
        }
        let mut names: Vec<String> = list(context, request)
            .await
            .unwrap()
            .iter()
            .map(|summary| summary.record.plain_name().to_owned())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn row_093_every_filter_of_ps() {
        let (context, _directory) = testing_context();
        for name in ["full", "tty", "ro", "dev"] {
            insert_fixture(&context, name);
        }
        // The fixture `full` was stopped (exit code 137), the others run.
        assert_eq!(names(&context, &[], false).await, ["refdev", "refro", "reftty"]);
        assert_eq!(names(&context, &[], true).await.len(), 4);
        let one = ["engref"];
        assert_eq!(names(&context, &[("status", "exited")], false).await, one);
        assert_eq!(names(&context, &[("exited", "137")], true).await, one);
        assert!(names(&context, &[("exited", "137")], false).await.is_empty());
        assert!(names(&context, &[("exited", "1")], true).await.is_empty());
        assert_eq!(names(&context, &[("name", "^/eng")], true).await, one);
        assert_eq!(names(&context, &[("name", "ref")], true).await.len(), 4);
        assert_eq!(names(&context, &[("volume", "vol1")], true).await, one);
        assert_eq!(names(&context, &[("volume", "/x")], true).await, ["engref", "refdev"]);
        assert_eq!(names(&context, &[("network", "host")], true).await, ["refro"]);
        let ports = serde_json::from_str(r#"{"80/tcp": [{"HostPort": "8080"}], "90/udp": null}"#).unwrap();
        let published = context.find("engref").unwrap();
        published.change_record(|record| record.network_settings.ports = ports);
        for (filter, port, expected) in [
            ("publish", "8080", true),
            ("publish", "8000-8090/tcp", true),
            ("publish", "80", false),
            ("expose", "70-90/tcp", true),
            ("expose", "90/udp", true),
            ("expose", "8080", false),
        ] {
            let found = names(&context, &[(filter, port)], true).await == one;
            assert_eq!(found, expected, "{filter}={port}");
        }
        assert_eq!(names(&context, &[("before", "reftty")], true).await, one);
        assert_eq!(names(&context, &[("since", "refro")], true).await, ["refdev"]);
        assert_eq!(names(&context, &[("health", "none")], true).await.len(), 4);
        assert!(names(&context, &[("is-task", "true")], true).await.is_empty());
        let mut request = List::default();
        request.filters.add("colour", "red");
        assert!(list(&context, request).await.is_err());
        assert_eq!(
            list(
                &context,
                List {
                    limit: Some(1),
                    ..List::default()
                }
            )
            .await
            .unwrap()
            .len(),
            1
        );
    }
}
