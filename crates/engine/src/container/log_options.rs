//! The log driver of a container: its options are the `logs` room's business, what they may tell is known here.

use super::record::Record;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use tierce_logs::Source;
use tierce_logs::options::{self, Subject};
use tierce_oci::container::LogConfig;

/// What dockerd says when a log cannot be opened.
pub(crate) const NO_DRIVER: &str = "failed to create task for container: failed to initialize logging driver: ";

/// Checks driver and options of a request.
pub(crate) fn check(config: &LogConfig) -> Result<()> {
    options::check(&config.kind, given(config)).map_err(Error::below)
}

fn given(config: &LogConfig) -> &BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    config.config.as_ref().unwrap_or(&NONE)
}

/// What can be read of a container's log; `None` where its driver keeps nothing.
pub(crate) fn source(config: &LogConfig, directory: &Path, id: &str) -> Option<Source> {
    options::source(&config.kind, given(config), directory, id)
}

/// Where the shim logs to, as it understands it; makes the directory for it.
pub(crate) fn target(config: &LogConfig, directory: &Path, record: &Record) -> Result<String> {
    let words: Vec<&str> = std::iter::once(&record.path)
        .chain(&record.args)
        .map(String::as_str)
        .collect();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let subject = Subject {
        directory,
        id: &record.id,
        name: record.plain_name(),
        image: &record.config.image,
        image_id: &record.image,
        command: &words.join(" "),
        labels: record.config.labels.as_ref(),
        environment: record.config.env.as_deref().unwrap_or_default(),
        host: &host,
    };
    let target = options::target(&config.kind, given(config), &subject)
        .map_err(|error| Error::Internal(format!("{NO_DRIVER}{error}")))?;
    if let Some(Source::Local(path)) = source(config, directory, &record.id)
        && let Some(parent) = path.parent().filter(|parent| *parent != directory)
    {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.map_err(Error::file("make", parent))?;
    }
    serde_json::to_string(&target).map_err(|error| Error::Internal(format!("cannot write the log's target: {error}")))
}
