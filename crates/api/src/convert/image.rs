//! Images.

use serde_json::{Map, Value, json};
use tierce_api_types::ApiVersion;
use tierce_api_types::container::GraphDriver;
use tierce_api_types::image as wire;
use tierce_api_types::progress::{ProgressDetail, ProgressMessage};
use tierce_engine::image::{Detail, Details, HistoryStep, Message, Removed, Summary};
use tierce_oci::container::Config;
use tierce_oci::{Platform, Reference};

use crate::json_syntax;
use crate::status::Failure;

fn bytes(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Before this version sizes stood twice.
const WITHOUT_VIRTUAL_SIZE: ApiVersion = ApiVersion::new(1, 44);
/// Before this version an image told of the container that it was made of.
const WITHOUT_MAKER: ApiVersion = ApiVersion::new(1, 45);
/// Before this version an image without a name was called `<none>`.
const WITHOUT_NONE: ApiVersion = ApiVersion::new(1, 43);
/// Since this version a list tells how many containers were made of an image.
const WITH_CONTAINERS: ApiVersion = ApiVersion::new(1, 51);
/// Before this version an image's configuration had members that only containers have.
const WITHOUT_CONTAINER_MEMBERS: ApiVersion = ApiVersion::new(1, 50);

/// A name with a tag or digest beside it, which goes before one in the name.
pub(crate) fn reference(name: &str, tag: &str) -> Result<Reference, Failure> {
    let invalid = |error: tierce_oci::Error| Failure::invalid(error.to_string());
    let reference = Reference::parse(name).map_err(invalid)?;
    if tag.is_empty() {
        return Ok(reference);
    }
    let name = Reference::parse(&reference.name()).map_err(invalid)?;
    match tag.parse() {
        Ok(digest) => Ok(name.with_digest(digest)),
        Err(_) => name.with_tag(tag).map_err(invalid),
    }
}

/// A platform as newer clients give it: OCI's platform document as JSON. Nothing is no platform.
pub(crate) fn platform_document(text: &str) -> Result<Option<Platform>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let platform: Platform = serde_json::from_str(text).map_err(|error| {
        let cause = match json_syntax::complaint(text.as_bytes()) {
            Some(complaint) => complaint,
            None if error.is_eof() => "unexpected end of JSON input".to_owned(),
            None => error.to_string(),
        };
        Failure::invalid(format!("failed to parse platform: {cause}"))
    })?;
    if platform.os.is_empty() || platform.architecture.is_empty() {
        return Err(Failure::invalid("both OS and Architecture must be provided"));
    }
    Ok(Some(platform))
}

/// What of a row costs time, and is told to who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    /// Bytes that other images have too.
    pub(crate) shared_size: bool,
    /// Containers made of it.
    pub(crate) containers: bool,
}

impl Counted {
    /// What a list counts: containers since API 1.51, which is what `docker images --tree` asks for.
    pub(crate) fn in_list(shared_size: bool, version: ApiVersion) -> Self {
        Self {
            shared_size,
            containers: version >= WITH_CONTAINERS,
        }
    }
}

/// A row of the list.
pub(crate) fn summary(summary: &Summary, counted: Counted, version: ApiVersion) -> wire::ImageSummary {
    let old = version < WITHOUT_NONE;
    let nameless = summary.repo_tags.is_empty() && summary.repo_digests.is_empty();
    let names = |names: &Vec<String>, none: &str| match names.as_slice() {
        [] if old && nameless => Some(vec![none.to_owned()]),
        [] if old => None,
        _ => Some(names.clone()),
    };
    wire::ImageSummary {
        containers: if counted.containers {
            bytes(summary.containers)
        } else {
            -1
        },
        created: summary.created,
        id: summary.id.to_string(),
        labels: (!summary.labels.is_empty()).then(|| summary.labels.clone()),
        parent_id: summary.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        repo_digests: names(&summary.repo_digests, "<none>@<none>"),
        repo_tags: names(&summary.repo_tags, "<none>:<none>"),
        shared_size: if counted.shared_size {
            bytes(summary.shared_size)
        } else {
            -1
        },
        size: bytes(summary.size),
        virtual_size: (version < WITHOUT_VIRTUAL_SIZE).then(|| bytes(summary.size)),
    }
}

/// The same among what takes space, where no names are `null`.
pub(crate) fn used(summary_of: &Summary, version: ApiVersion) -> wire::ImageSummary {
    let counted = Counted {
        shared_size: true,
        containers: true,
    };
    let names = |names: &Vec<String>| (!names.is_empty()).then(|| names.clone());
    wire::ImageSummary {
        repo_digests: names(&summary_of.repo_digests),
        repo_tags: names(&summary_of.repo_tags),
        ..summary(summary_of, counted, version)
    }
}

/// Everything about one image.
pub(crate) fn inspect(details: &Details, version: ApiVersion) -> wire::ImageInspect {
    let image = &details.image;
    let config = &image.config;
    let extra = |name: &str| {
        config
            .extra
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let comment = match extra("comment") {
        own if !own.is_empty() => own,
        _ => config
            .history
            .last()
            .map(|step| step.comment.clone())
            .unwrap_or_default(),
    };
    wire::ImageInspect {
        id: image.id.to_string(),
        repo_tags: details.repo_tags.clone(),
        repo_digests: details.repo_digests.clone(),
        parent: image.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        comment,
        created: config.created.clone().unwrap_or_default(),
        container: (version < WITHOUT_MAKER)
            .then(|| extra("container"))
            .filter(|id| !id.is_empty()),
        container_config: (version < WITHOUT_MAKER)
            .then(|| config.extra.get("container_config").cloned().unwrap_or_default()),
        docker_version: extra("docker_version"),
        author: config.author.clone(),
        architecture: config.architecture.clone(),
        variant: config.variant.clone(),
        os: config.os.clone(),
        os_version: extra("os.version"),
        size: bytes(details.size),
        virtual_size: (version < WITHOUT_VIRTUAL_SIZE).then(|| bytes(details.size)),
        graph_driver: GraphDriver {
            data: (!details.driver_data.is_empty()).then(|| details.driver_data.clone()),
            name: details.driver.clone(),
        },
        root_fs: wire::RootFs {
            kind: config.rootfs.kind.clone(),
            layers: config.rootfs.diff_ids.iter().map(ToString::to_string).collect(),
        },
        metadata: wire::ImageMetadata {
            last_tag_time: image
                .last_updated
                .clone()
                .unwrap_or_else(|| "0001-01-01T00:00:00Z".to_owned()),
        },
        config: config.config.as_ref().map(|config| image_config(config, version)),
    }
}

/// The configuration of an image as the API shows it: what images have is always there, what is rare only when it is
/// set, and what containers have only for older clients.
fn image_config(config: &Config, version: ApiVersion) -> Map<String, Value> {
    let Ok(Value::Object(document)) = serde_json::to_value(config) else {
        return Map::new();
    };
    let mut shown = Map::new();
    if version < WITHOUT_CONTAINER_MEMBERS {
        for name in [
            "Hostname",
            "Domainname",
            "AttachStdin",
            "AttachStdout",
            "AttachStderr",
            "Tty",
            "OpenStdin",
        ] {
            shown.insert(name.to_owned(), document.get(name).cloned().unwrap_or_default());
        }
        shown.insert("StdinOnce".to_owned(), json!(config.stdin_once));
        shown.insert("Image".to_owned(), json!(""));
    }
    for name in [
        "Cmd",
        "Entrypoint",
        "Env",
        "Labels",
        "OnBuild",
        "User",
        "Volumes",
        "WorkingDir",
    ] {
        shown.insert(name.to_owned(), document.get(name).cloned().unwrap_or_default());
    }
    for name in ["ArgsEscaped", "ExposedPorts", "Healthcheck", "Shell", "StopSignal"] {
        if let Some(value) = document.get(name).filter(|value| !value.is_null()) {
            shown.insert(name.to_owned(), value.clone());
        }
    }
    shown
}

/// One step of the history.
pub(crate) fn history(step: &HistoryStep) -> wire::HistoryItem {
    wire::HistoryItem {
        comment: step.comment.clone(),
        created: step.created,
        created_by: step.created_by.clone(),
        id: step
            .id
            .as_ref()
            .map_or_else(|| "<missing>".to_owned(), ToString::to_string),
        size: bytes(step.size),
        tags: (!step.tags.is_empty()).then(|| step.tags.clone()),
    }
}

/// One outcome of a removal.
pub(crate) fn removed(removed: &Removed) -> wire::ImageDeleted {
    match removed {
        Removed::Untagged { name, .. } => wire::ImageDeleted {
            untagged: Some(name.clone()),
            deleted: None,
        },
        Removed::Image(id) => wire::ImageDeleted {
            untagged: None,
            deleted: Some(id.to_string()),
        },
        Removed::Layer(id) => wire::ImageDeleted {
            untagged: None,
            deleted: Some(id.to_string()),
        },
    }
}

/// One line of a pull.
pub(crate) fn progress(message: Message) -> ProgressMessage {
    let detail = match message.detail {
        Detail::Absent => None,
        Detail::Empty => Some(ProgressDetail::default()),
        Detail::Amount { current, total } => Some(ProgressDetail {
            current: Some(current),
            total: Some(total),
        }),
    };
    let progress = match message.detail {
        Detail::Amount { current, total } => Some(bar(current, total)),
        _ => None,
    };
    let aux = message.published.map(|published| {
        serde_json::json!({
            "Tag": published.tag, "Digest": published.digest.to_string(), "Size": published.size
        })
    });
    let text = Some(message.status.into_owned()).filter(|_| aux.is_none());
    let (stream, status) = if message.output { (text, None) } else { (None, text) };
    ProgressMessage {
        stream,
        status,
        progress_detail: detail,
        progress,
        id: message.id,
        aux,
        ..ProgressMessage::default()
    }
}

/// The drawn bar that dockerd puts beside the numbers: `[=====>    ]  1.2MB/3.4MB`. Source: moby
/// `pkg/jsonmessage`, `JSONProgress.String`.
fn bar(current: u64, total: u64) -> String {
    const WIDTH: usize = 50;
    if total == 0 {
        return format!("{:>8}", human_size(current));
    }
    let percent = (current as f64 / total as f64 * 100.0) as usize;
    let done = (percent / 2).min(WIDTH);
    let numbers = if current > total {
        format!("{:>8}", human_size(current))
    } else {
        format!("{:>8}/{}", human_size(current), human_size(total))
    };
    format!("[{}>{}] {numbers}", "=".repeat(done), " ".repeat(WIDTH - done))
}

/// Four digits and a decimal unit. Source: docker/go-units `size.go`, `HumanSize`.
fn human_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB", "PB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1000.0 {
        let Some(next) = units.next() else { break };
        value /= 1000.0;
        unit = next;
    }
    let digits = if value >= 1000.0 {
        0
    } else if value >= 100.0 {
        1
    } else if value >= 10.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_written_as_dockers() {
        let line = |message| serde_json::to_string(&progress(message)).unwrap();
        assert_eq!(
            line(Message::of("latest", "Pulling from a/b")),
            r#"{"status":"Pulling from a/b","id":"latest"}"#
        );
        assert_eq!(
            line(Message::milestone("abc", "Pull complete")),
            r#"{"status":"Pull complete","progressDetail":{},"id":"abc"}"#
        );
        let amount = line(Message::amount("abc", "Downloading", 1_234_567, 2_469_134));
        assert!(
            amount.contains(r#""progressDetail":{"current":1234567,"total":2469134}"#),
            "{amount}"
        );
        assert!(
            amount.contains(&format!("[{}>{}]  1.235MB/2.469MB", "=".repeat(25), " ".repeat(25))),
            "{amount}"
        );
        // As a dockerd 28.5 wrote them.
        assert_eq!(
            bar(36708, 700_441),
            "[==>                                                ]  36.71kB/700.4kB"
        );
        assert_eq!(
            bar(101, 101),
            "[==================================================>]     101B/101B"
        );
    }

    #[test]
    fn configurations_show_what_the_version_has() {
        let config = Config {
            cmd: None,
            stop_signal: "QUIT".into(),
            ..Config::default()
        };
        let new = Value::Object(image_config(&config, ApiVersion::MAX));
        assert_eq!(
            new,
            json!({
                "Cmd": null, "Entrypoint": null, "Env": null, "Labels": null, "OnBuild": null, "User": "",
                "Volumes": null, "WorkingDir": "", "StopSignal": "QUIT"
            })
        );
        let old = Value::Object(image_config(&config, ApiVersion::new(1, 41)));
        assert_eq!(old["Hostname"], "");
        assert_eq!(old["Tty"], false);
    }
}
