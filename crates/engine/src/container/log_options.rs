//! The log driver of a container, and its options, parsed once. Source: moby `daemon/logger/jsonfilelog`,
//! `daemon/logger/log_cache_opts.go`, `daemon/logger/loginfo.go` (`ExtraAttributes`).

use super::record::Record;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tierce_oci::container::{Config, HostConfig, LogConfig};
use tierce_task::{JsonFileLog, LogTarget};

/// Option names of json-file.
const JSON_FILE: [&str; 8] = [
    "max-file",
    "max-size",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
];
/// Option names that every driver has.
const COMMON: [&str; 3] = ["mode", "max-buffer-size", "cache-disabled"];

/// Checks driver and options of a request.
pub(crate) fn check(config: &LogConfig) -> Result<()> {
    match config.kind.as_str() {
        "json-file" => parse_json_file(config, Path::new(""), BTreeMap::new()).map(drop),
        "none" => Ok(()),
        other => Err(Error::Invalid(format!(
            "error looking up logging plugin {other}: plugin {other:?} not found"
        ))),
    }
}

/// The file of a container's log; `None` where its driver keeps none.
pub(crate) fn file(directory: &Path, record: &Record, host_config: &HostConfig) -> Option<PathBuf> {
    (host_config.log_config.kind == "json-file").then(|| directory.join(format!("{}-json.log", record.id)))
}

/// Where the shim logs to.
pub(crate) fn target(config: &LogConfig, record: &Record) -> Result<LogTarget> {
    // A container of dockerd may have a driver that is not served here.
    check(config)?;
    if config.kind == "none" {
        return Ok(LogTarget::None);
    }
    let attributes = attributes(config, &record.config);
    parse_json_file(config, Path::new(&record.log_path), attributes).map(LogTarget::JsonFile)
}

fn parse_json_file(config: &LogConfig, path: &Path, attributes: BTreeMap<String, String>) -> Result<JsonFileLog> {
    let empty = BTreeMap::new();
    let options = config.config.as_ref().unwrap_or(&empty);
    for key in options.keys() {
        if !JSON_FILE.contains(&key.as_str()) && !COMMON.contains(&key.as_str()) {
            return Err(Error::Invalid(format!(
                "unknown log opt '{key}' for json-file log driver"
            )));
        }
    }
    let get = |key: &str| options.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let max_size = get("max-size").filter(|text| *text != "-1").map(size).transpose()?;
    let max_files = match get("max-file") {
        None => 1,
        Some(text) => text
            .parse()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(|| Error::Invalid("max-file cannot be less than 1".to_owned()))?,
    };
    let compress = match get("compress") {
        None => false,
        Some(text) => text
            .parse()
            .map_err(|_| Error::Invalid(format!("invalid value for log opt 'compress': {text}")))?,
    };
    if compress && (max_size.is_none() || max_files < 2) {
        return Err(Error::Invalid(
            "compress cannot be true when max-file is less than 2 or max-size is not set".to_owned(),
        ));
    }
    Ok(JsonFileLog {
        path: path.to_owned(),
        max_size,
        max_files,
        compress,
        attributes,
    })
}

/// `10m` and its like, in bytes (units of 1024).
fn size(text: &str) -> Result<u64> {
    let bad = || Error::Invalid(format!("invalid value for max-size: invalid size: '{text}'"));
    let lower = text.to_ascii_lowercase();
    let digits_end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits_end);
    let factor: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(bad()),
    };
    let number: f64 = number.parse().map_err(|_| bad())?;
    let bytes = number * factor as f64;
    if bytes < 1.0 { Err(bad()) } else { Ok(bytes as u64) }
}

/// Labels and variables that the options name become attributes of every line.
fn attributes(log: &LogConfig, config: &Config) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let Some(options) = &log.config else { return attributes };
    for label in options.get("labels").into_iter().flat_map(|list| list.split(',')) {
        if let Some(value) = config.labels.as_ref().and_then(|labels| labels.get(label)) {
            attributes.insert(label.to_owned(), value.clone());
        }
    }
    for name in options.get("env").into_iter().flat_map(|list| list.split(',')) {
        let value = config
            .env
            .iter()
            .flatten()
            .find_map(|entry| entry.split_once('=').filter(|(key, _)| *key == name));
        if let Some((_, value)) = value {
            attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    if let Some(tag) = options.get("tag").filter(|tag| !tag.is_empty()) {
        attributes.insert("tag".to_owned(), tag.clone());
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(kind: &str, pairs: &[(&str, &str)]) -> LogConfig {
        let map = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        LogConfig {
            kind: kind.to_owned(),
            config: Some(map),
        }
    }

    #[test]
    fn unknown_drivers_and_options_are_refused_in_dockers_words() {
        assert_eq!(
            check(&config("nope", &[])).unwrap_err().to_string(),
            "error looking up logging plugin nope: plugin \"nope\" not found"
        );
        assert_eq!(
            check(&config("json-file", &[("foo", "bar")])).unwrap_err().to_string(),
            "unknown log opt 'foo' for json-file log driver"
        );
        assert!(check(&config("json-file", &[("compress", "true")])).is_err());
        assert!(check(&config("json-file", &[("max-size", "x")])).is_err());
    }

    #[test]
    fn sizes_and_attributes_are_read() {
        let log = config(
            "json-file",
            &[("max-size", "10m"), ("max-file", "3"), ("labels", "a"), ("env", "E,F")],
        );
        let parsed = parse_json_file(&log, Path::new("/l"), BTreeMap::new()).unwrap();
        assert_eq!((parsed.max_size, parsed.max_files), (Some(10 << 20), 3));
        let container = Config {
            labels: Some([("a".to_owned(), "1".to_owned())].into()),
            env: Some(vec!["E=2".into()]),
            ..Config::default()
        };
        let found = attributes(&log, &container);
        assert_eq!((found["a"].as_str(), found["E"].as_str(), found.len()), ("1", "2", 2));
    }
}
