//! Values of flags that are more than text. The texts of their errors are dockerd's.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use tierce_oci::container::Ulimit;

use crate::document::Runtime;

/// The runtime that cannot be given another program, as with dockerd.
const STOCK_RUNTIME: &str = "runc";

/// `KEY=VALUE`; without a value it is empty, as dockerd has it.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(format!("bad attribute format: {text}"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// A feature, `NAME[=BOOL]`.
pub(super) fn feature(text: &str) -> Result<(String, bool), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), tierce_oci::parse_bool(value)?)),
        None => Ok((text.to_owned(), true)),
    }
}

/// `NAME=PATH` of a runtime.
pub(super) fn runtime(text: &str) -> Result<(String, String), String> {
    let invalid = || format!("invalid runtime argument: {text}");
    let (name, path) = text.split_once('=').ok_or_else(invalid)?;
    let (name, path) = (name.trim().to_lowercase(), path.trim());
    if name.is_empty() || path.is_empty() {
        return Err(invalid());
    }
    if name == STOCK_RUNTIME {
        return Err(format!("runtime name '{STOCK_RUNTIME}' is reserved"));
    }
    Ok((name, path.to_owned()))
}

/// `KEY=VALUE` of a label.
pub(super) fn label(text: &str) -> Result<String, String> {
    if text.contains('=') {
        Ok(text.to_owned())
    } else {
        Err(format!("bad attribute format: {text}"))
    }
}

/// `DRIVER=OPTION=VALUE`.
pub(super) fn network_option(text: &str) -> Result<(String, String, String), String> {
    let mut parts = text.splitn(3, '=');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(driver), Some(option), Some(value)) => Ok((driver.to_owned(), option.to_owned(), value.to_owned())),
        _ => Err(format!(
            "invalid value {text:?} for map option, should be root-key=key=value"
        )),
    }
}

/// `base=CIDR,size=PREFIX`.
pub(super) fn pool(text: &str) -> Result<Value, String> {
    let mut pool = Map::new();
    for part in text.split(',') {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("invalid field '{part}' must be a key=value pair"))?;
        let value = match key {
            "base" => Value::from(value),
            "size" => Value::from(
                value
                    .parse::<u8>()
                    .map_err(|error| format!("invalid size value: {value} (must be integer): {error}"))?,
            ),
            other => return Err(format!("unexpected key '{other}' in '{part}'")),
        };
        pool.insert(key.to_owned(), value);
    }
    Ok(Value::Object(pool))
}

/// A search domain; `.` stands for none.
pub(super) fn search_domain(text: &str) -> Result<String, String> {
    let word = text.trim();
    let letters = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if word == "." || word.trim_end_matches('.').split('.').all(letters) {
        Ok(word.to_owned())
    } else {
        Err(format!("{text} is not a valid domain"))
    }
}

pub(super) fn serialize_pairs<S, V>(pairs: &[(String, V)], serializer: S) -> Result<S::Ok, S::Error>
where
    S: serde::Serializer,
    V: serde::Serialize,
{
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

pub(super) fn serialize_runtimes<S: serde::Serializer>(
    pairs: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, path)| {
        let runtime = Runtime {
            path: Some(path.into()),
            ..Runtime::default()
        };
        (name, runtime)
    }))
}

pub(super) fn serialize_ulimits<S: serde::Serializer>(limits: &[Ulimit], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(limits.iter().map(|limit| (&limit.name, limit)))
}

pub(super) fn serialize_network_options<S: serde::Serializer>(
    options: &[(String, String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut drivers: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for (driver, option, value) in options {
        drivers.entry(driver).or_default().insert(option, value);
    }
    serde::Serialize::serialize(&drivers, serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_094_values_are_refused_in_dockers_words() {
        assert_eq!(runtime("x").unwrap_err(), "invalid runtime argument: x");
        assert_eq!(runtime("runc=/x").unwrap_err(), "runtime name 'runc' is reserved");
        assert_eq!(pool("x").unwrap_err(), "invalid field 'x' must be a key=value pair");
        assert_eq!(label("a").unwrap_err(), "bad attribute format: a");
        assert_eq!(search_domain("a b").unwrap_err(), "a b is not a valid domain");
        assert_eq!(search_domain("corp.example.").unwrap(), "corp.example.");
        assert_eq!(
            network_option("x").unwrap_err(),
            "invalid value \"x\" for map option, should be root-key=key=value"
        );
        assert_eq!(feature("a"), Ok(("a".to_owned(), true)));
    }
}
