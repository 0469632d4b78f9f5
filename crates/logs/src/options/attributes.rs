//! Labels and variables that become attributes of every entry.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::{Options, Subject, refuse, tag};
use crate::error::Result;

/// Option names of these.
pub(super) const NAMES: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];

/// What `labels`, `labels-regex`, `env` and `env-regex` name; `rename` makes the attribute's name of the label's or
/// variable's.
pub(super) fn extra(
    options: &Options,
    subject: &Subject<'_>,
    rename: fn(&str) -> String,
) -> Result<BTreeMap<String, String>> {
    let mut attributes = BTreeMap::new();
    let none = BTreeMap::new();
    let labels = subject.labels.unwrap_or(&none).iter();
    let labels: Vec<(&str, &str)> = labels.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let variables = subject.environment.iter().filter_map(|entry| entry.split_once('='));
    let variables: Vec<(&str, &str)> = variables.collect();
    for (list, pattern, pairs) in [("labels", "labels-regex", labels), ("env", "env-regex", variables)] {
        let named: Vec<&str> = options.get(list).map_or(Vec::new(), |names| names.split(',').collect());
        let pattern = options.get(pattern).filter(|pattern| !pattern.is_empty());
        let pattern = match pattern.map(|pattern| Regex::new(pattern)).transpose() {
            Ok(pattern) => pattern,
            Err(error) => return refuse(format!("error parsing regexp: {error}")),
        };
        for (name, value) in pairs {
            if named.contains(&name) || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name)) {
                attributes.insert(rename(name), value.to_owned());
            }
        }
    }
    Ok(attributes)
}

/// The container's tag, by the template of the option `tag`, or by `default`.
pub(super) fn tag(options: &Options, subject: &Subject<'_>, default: &str) -> Result<String> {
    let template = options.get("tag").filter(|template| !template.is_empty());
    tag::evaluate(template.map_or(default, String::as_str), subject)
}
