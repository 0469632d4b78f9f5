//! Filters of list, prune and event requests: key → accepted values, as Docker's API sends them.
//!
//! Docker accepts two JSON forms, `{"key":["value"]}` and the older `{"key":{"value":true}}`; `api` reads both into
//! this one value. Matching rules follow moby's `api/types/filters/parse.go`.

use std::collections::BTreeMap;
use tierce_fault::{Fault, Kind};

/// A filter that no list, prune or watch accepts; the text is Docker's and names the filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFilter(String);

impl Fault for InvalidFilter {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

type Result<T> = std::result::Result<T, InvalidFilter>;

/// A parsed set of filters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    values: BTreeMap<String, Vec<String>>,
}

impl Filters {
    /// Makes a set from key → values.
    pub fn new(values: BTreeMap<String, Vec<String>>) -> Self {
        Self { values }
    }

    /// Reads either of Docker's two JSON forms; an empty text is an empty set.
    ///
    /// ```
    /// use tierce_events::Filters;
    /// let new = Filters::from_json(r#"{"label":["a=b"]}"#).unwrap();
    /// let old = Filters::from_json(r#"{"label":{"a=b":true}}"#).unwrap();
    /// assert_eq!(new, old);
    /// ```
    ///
    /// # Errors
    /// [`InvalidFilter`] when it is neither.
    pub fn from_json(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        if let Ok(values) = serde_json::from_str::<BTreeMap<String, Vec<String>>>(text) {
            return Ok(Self { values });
        }
        let old: BTreeMap<String, BTreeMap<String, bool>> =
            serde_json::from_str(text).map_err(|error| InvalidFilter(format!("invalid filter: {error}")))?;
        Ok(Self {
            values: old
                .into_iter()
                .map(|(key, set)| (key, set.into_keys().collect()))
                .collect(),
        })
    }

    /// Adds a value.
    pub fn add(&mut self, key: &str, value: &str) {
        self.values.entry(key.to_owned()).or_default().push(value.to_owned());
    }

    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values of a key; empty when the key is absent.
    pub fn get(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Refuses keys that the asked verb does not know.
    ///
    /// # Errors
    /// [`InvalidFilter`] naming the key, in Docker's words.
    pub fn validate(&self, accepted: &[&str]) -> Result<()> {
        match self.values.keys().find(|key| !accepted.contains(&key.as_str())) {
            Some(key) => Err(InvalidFilter(format!("invalid filter '{key}'"))),
            None => Ok(()),
        }
    }

    /// A boolean filter: `default` when absent.
    ///
    /// # Errors
    /// [`InvalidFilter`] when there is no value, none of `0 1 true false`, or one that contradicts another.
    pub fn boolean(&self, key: &str, default: bool) -> Result<bool> {
        if !self.contains(key) {
            return Ok(default);
        }
        let values = self.get(key);
        let has = |words: [&str; 2]| values.iter().any(|value| words.contains(&value.as_str()));
        match (has(["1", "true"]), has(["0", "false"])) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ if values.is_empty() => Err(InvalidFilter(format!("invalid filter '{key}'"))),
            _ => Err(InvalidFilter(format!("invalid filter '{key}=[{}]'", values.join(" ")))),
        }
    }

    /// Whether the key is absent, or one of its values equals `candidate`.
    pub fn exact(&self, key: &str, candidate: &str) -> bool {
        !self.contains(key) || self.get(key).iter().any(|value| value == candidate)
    }

    /// Whether the key is absent, or `candidate` begins with one of its values.
    pub fn prefix(&self, key: &str, candidate: &str) -> bool {
        !self.contains(key) || self.get(key).iter().any(|value| candidate.starts_with(value.as_str()))
    }

    /// Whether the key is absent, or one of its values matches `candidate` as Docker's name filters do: a part of the
    /// text, where `^` and `$` at the ends anchor it.
    pub fn fuzzy(&self, key: &str, candidate: &str) -> bool {
        !self.contains(key) || self.get(key).iter().any(|value| matches_part(value, candidate))
    }

    /// Whether every `key` or `key=value` of the filter `key` is among the labels.
    pub fn labels(&self, key: &str, labels: &BTreeMap<String, String>) -> bool {
        self.get(key).iter().all(|wanted| has_label(wanted, labels))
    }

    /// Whether none of the filter's `key` or `key=value` is among the labels (`label!`).
    pub fn no_labels(&self, key: &str, labels: &BTreeMap<String, String>) -> bool {
        !self.get(key).iter().any(|unwanted| has_label(unwanted, labels))
    }
}

fn has_label(wanted: &str, labels: &BTreeMap<String, String>) -> bool {
    match wanted.split_once('=') {
        Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
        None => labels.contains_key(wanted),
    }
}

/// Docker matches names by regular expression; people write plain parts and the two anchors, which is what this
/// understands, with `.*` between parts. Hostile patterns cost linear time.
fn matches_part(pattern: &str, candidate: &str) -> bool {
    let (anchored_start, pattern) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (anchored_end, pattern) = match pattern.strip_suffix('$') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let pattern = pattern.replace("\\.", ".");
    let parts: Vec<&str> = pattern.split(".*").collect();
    let mut rest = candidate;
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        if index == 0 && anchored_start {
            let Some(after) = rest.strip_prefix(part) else {
                return false;
            };
            rest = after;
            if last && anchored_end {
                return rest.is_empty();
            }
        } else if last && anchored_end {
            return rest.ends_with(part);
        } else {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_json_forms_read_alike_and_garbage_is_invalid() {
        assert!(Filters::from_json("").unwrap().is_empty());
        assert_eq!(Filters::from_json(r#"{"a":{"x":true}}"#).unwrap().get("a"), ["x"]);
        assert!(Filters::from_json("[1]").is_err());
    }

    #[test]
    fn names_match_by_part_and_anchor() {
        for (pattern, candidate, expected) in [
            ("web", "/my-web-1", true),
            ("^/web$", "/web", true),
            ("^/web$", "/web2", false),
            ("^web", "/web", false),
            ("web$", "/my-web", true),
            ("^/a.*z$", "/abcz", true),
            ("^/a.*z$", "/abc", false),
            ("", "x", true),
        ] {
            assert_eq!(matches_part(pattern, candidate), expected, "{pattern} {candidate}");
        }
    }

    #[test]
    fn labels_match_by_key_and_by_pair() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let mut filters = Filters::default();
        filters.add("label", "a");
        filters.add("label", "a=1");
        assert!(filters.labels("label", &labels));
        filters.add("label", "b");
        assert!(!filters.labels("label", &labels));
        assert!(!filters.no_labels("label", &labels));
    }

    #[test]
    fn booleans_refuse_contradiction_and_what_is_none() {
        let read = |json: &str| Filters::from_json(json).unwrap().boolean("dangling", true);
        assert!(read("{}").unwrap() && read(r#"{"dangling":["1"]}"#).unwrap());
        assert!(!read(r#"{"dangling":["0","false"]}"#).unwrap());
        for (json, text) in [
            (
                r#"{"dangling":["true","false"]}"#,
                "invalid filter 'dangling=[true false]'",
            ),
            (r#"{"dangling":["T"]}"#, "invalid filter 'dangling=[T]'"),
            (r#"{"dangling":[]}"#, "invalid filter 'dangling'"),
        ] {
            assert_eq!(read(json).unwrap_err().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_matches_itself(text in "[a-z/._-]{0,30}") {
            prop_assert!(matches_part(&text.replace('.', "\\."), &text));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _ = Filters::from_json(&text);
        }
    }
}
