//! The `filters` query parameter of list, prune and event operations.
//!
//! Written as `{"label":["a","b=c"]}`; clients before API 1.22 (and Go's own `filters.Args`) write
//! `{"label":{"a":true,"b=c":true}}`. Both are read, the second is what Docker's CLI sends.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of values for each filter name. Values of one name are alternatives, names add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(pub BTreeMap<String, BTreeSet<String>>);

impl Filters {
    /// No filter at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one value to a filter.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds one value to a filter.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.entry(name.into()).or_default().insert(value.into());
    }

    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values given for a filter; none when it was not given.
    pub fn get<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether a filter was given at all.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The first filter name that is not among those accepted.
    pub fn unknown<'a>(&'a self, accepted: &[&str]) -> Option<&'a str> {
        self.0.keys().map(String::as_str).find(|name| !accepted.contains(name))
    }
}

/// One filter's values in either of the two spellings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    List(BTreeSet<String>),
    Set(BTreeMap<String, bool>),
}

impl<'de> Deserialize<'de> for Filters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Option::<BTreeMap<String, Values>>::deserialize(deserializer)?.unwrap_or_default();
        let values = |value| match value {
            Values::List(list) => list,
            Values::Set(set) => set.into_keys().collect(),
        };
        Ok(Self(
            raw.into_iter().map(|(name, value)| (name, values(value))).collect(),
        ))
    }
}

impl Serialize for Filters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = self.0.iter().map(|(name, values)| {
            let values: BTreeMap<&str, bool> = values.iter().map(|value| (value.as_str(), true)).collect();
            (name, values)
        });
        serializer.collect_map(form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_mean_the_same() {
        let list: Filters = serde_json::from_str(r#"{"label":["a","b=c"],"status":["running"]}"#).unwrap();
        let set: Filters =
            serde_json::from_str(r#"{"label":{"a":true,"b=c":true},"status":{"running":true}}"#).unwrap();
        assert_eq!(list, set);
        assert_eq!(list.get("label").collect::<Vec<_>>(), ["a", "b=c"]);
        assert_eq!(list.unknown(&["label"]), Some("status"));
        assert!(serde_json::from_str::<Filters>(r#"{"a":"b"}"#).is_err());
    }
}
