//! SIGHUP: the file is read again, and what can change while the daemon runs is put in force.
//!
//! As with dockerd, a key that the file does not name stays as it was, except the limits of transfers and the features,
//! which fall back to their defaults. All is checked before anything changes; a file that does not pass changes nothing.
//! Source: moby `daemon/reload.go`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tierce_api::{Facts, Server};

use crate::compose::Opened;
use crate::document::{self, Document};
use crate::flags::Flags;
use crate::log::Level;
use crate::runtimes::{Runtimes, Workshop};
use crate::{facts, registry, settings};

/// Keys that may change; the others need a restart.
const RELOADABLE: [&str; 12] = [
    "debug",
    "default-runtime",
    "features",
    "insecure-registries",
    "labels",
    "live-restore",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "registry-mirrors",
    "runtimes",
    "shutdown-timeout",
];
/// Those of them that are reset when the file does not name them.
const RESET: [&str; 4] = [
    "features",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
];
/// Seconds that containers get to stop with the daemon; dockerd's default.
pub(crate) const SHUTDOWN_TIMEOUT: i64 = 15;

/// What a reload works on.
pub(crate) struct Reload<'a> {
    pub(crate) flags: &'a Flags,
    pub(crate) level: &'a Level,
    pub(crate) opened: &'a Opened,
    pub(crate) server: &'a Server,
    /// Where scripts for runtimes are.
    pub(crate) workshop: &'a Workshop,
}

impl Reload<'_> {
    /// Reads the file again; gives the document and the facts that are in force from now on.
    pub(crate) async fn run(&self, before: &Document, facts: &Facts) -> Result<(Document, Facts)> {
        let loaded = document::load(self.flags)?;
        let after = merge(before, &loaded.document, &loaded.file)?;
        // Everything that can fail comes first.
        let logging = settings::logging(&after)?;
        let runtimes = Runtimes::new(&after, self.workshop)?;
        let mut parallel = tierce_image::Parallel::default();
        registry::limit_transfers(&after, &mut parallel)?;
        let client = tierce_registry::Client::new(registry::client(&after)?).context("open the registry client")?;
        let mut facts = facts.clone();
        facts::update(&after, &mut facts)?;

        let runtimes = runtimes.write()?;
        self.level.set(logging.level)?;
        self.opened.reach.change(client, parallel);
        self.opened.engine.system.set_runtimes(runtimes.clone()).await;
        self.server.set_facts(facts.clone());
        let attributes = attributes(&after, parallel, &runtimes);
        self.opened.engine.system.reloaded(&facts.id, attributes);
        Ok((after, facts))
    }
}

/// The document in force, with what the file changes of it.
fn merge(before: &Document, loaded: &Document, file: &Map<String, Value>) -> Result<Document> {
    let object = |document: &Document| match serde_json::to_value(document) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(error).context("write the configuration down"),
    };
    let (mut merged, loaded) = (object(before)?, object(loaded)?);
    for key in RELOADABLE {
        let value = loaded.get(key).cloned().unwrap_or(Value::Null);
        if file.contains_key(key) || (RESET.contains(&key) && value.is_null()) {
            merged.insert(key.to_owned(), value);
        }
    }
    serde_json::from_value(Value::Object(merged)).context("read the configuration again")
}

/// What the event tells.
fn attributes(
    document: &Document,
    parallel: tierce_image::Parallel,
    runtimes: &tierce_engine::Runtimes,
) -> BTreeMap<String, String> {
    let list = |given: &Option<Vec<String>>| json!(given.as_deref().unwrap_or_default()).to_string();
    let features: Vec<String> = document
        .features
        .iter()
        .flatten()
        .map(|(name, on)| format!("{name}:{on}"))
        .collect();
    let programs: Vec<String> = runtimes
        .programs
        .iter()
        .map(|(name, program)| {
            let program = program.as_deref().map(|path| path.display().to_string());
            format!("{name}:{}", program.unwrap_or_default())
        })
        .collect();
    [
        ("debug", (document.debug == Some(true)).to_string()),
        ("default-runtime", runtimes.default.clone()),
        ("features", format!("map[{}]", features.join(" "))),
        ("insecure-registries", list(&document.insecure_registries)),
        ("labels", list(&document.labels)),
        ("live-restore", (document.live_restore != Some(false)).to_string()),
        ("max-concurrent-downloads", parallel.downloads.to_string()),
        ("max-concurrent-uploads", parallel.uploads.to_string()),
        (
            "max-download-attempts",
            document
                .max_download_attempts
                .filter(|attempts| *attempts > 0)
                .unwrap_or(5)
                .to_string(),
        ),
        ("registry-mirrors", list(&document.registry_mirrors)),
        ("runtimes", programs.join(" ")),
        (
            "shutdown-timeout",
            document.shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT).to_string(),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(json: &Value) -> Document {
        serde_json::from_value(json.clone()).unwrap()
    }

    #[test]
    fn row_094_a_reload_changes_what_the_file_names_and_only_what_may_change() {
        let before = document(&json!({
            "debug": true, "labels": ["a=1"], "data-root": "/old", "max-concurrent-uploads": 9
        }));
        let file = json!({"labels": ["b=2"], "data-root": "/new", "live-restore": false});
        let after = merge(&before, &document(&file), file.as_object().unwrap()).unwrap();
        assert_eq!(after.debug, Some(true));
        assert_eq!(after.labels, Some(vec!["b=2".to_owned()]));
        assert_eq!(after.live_restore, Some(false));
        assert_eq!(after.data_root, before.data_root);
        assert_eq!(after.max_concurrent_uploads, None);
    }
}
