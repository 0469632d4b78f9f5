//! What a daemon tells of a data root, as values that two daemons can be compared by.

use crate::deeds::Client;
use serde_json::Value;
use std::collections::BTreeMap;

/// Name of a thing → what is told of it.
pub(crate) type Facts = BTreeMap<String, Value>;

/// Asks for everything: images with history, containers with logs and changes, volumes, networks.
pub(crate) fn of(docker: &Client<'_>) -> Facts {
    let mut facts = Facts::new();
    let mut images = docker.lines(&["images", "--all", "--no-trunc", "--digests", "--format", "{{json .}}"]);
    images.sort();
    facts.insert(
        "list of images".into(),
        images.iter().map(|line| without_ages(line)).collect(),
    );
    for id in docker.lines(&["images", "--all", "--quiet", "--no-trunc"]) {
        facts.insert(format!("image {id}"), inspect(docker, &["image", "inspect", &id]));
        let history = docker.lines(&["history", "--no-trunc", "--human=false", &id]);
        facts.insert(format!("history of {id}"), history.into());
    }
    for name in docker.lines(&["ps", "--all", "--format", "{{.Names}}"]) {
        facts.insert(
            format!("container {name}"),
            inspect(docker, &["inspect", "--size", &name]),
        );
        let log = docker.run(&["logs", "--timestamps", &name]);
        facts.insert(format!("output of {name}"), log.stdout.into());
        facts.insert(format!("errors of {name}"), log.stderr.into());
        let mut changes = docker.lines(&["diff", &name]);
        changes.sort();
        facts.insert(format!("changes of {name}"), changes.into());
    }
    for name in docker.lines(&["volume", "ls", "--quiet"]) {
        facts.insert(format!("volume {name}"), inspect(docker, &["volume", "inspect", &name]));
    }
    for name in docker.lines(&["network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"]) {
        facts.insert(
            format!("network {name}"),
            inspect(docker, &["network", "inspect", &name]),
        );
    }
    facts
}

fn without_ages(line: &str) -> Value {
    let mut row: Value = serde_json::from_str(line).unwrap();
    row["CreatedSince"] = Value::Null;
    row
}

fn inspect(docker: &Client<'_>, words: &[&str]) -> Value {
    let mut document: Value = serde_json::from_str(&docker.ok(words)).unwrap();
    let mut document = document[0].take();
    // Go's maps have no order, and so these lists have none.
    if let Some(mounts) = document["Mounts"].as_array_mut() {
        mounts.sort_by_key(|mount| mount["Destination"].to_string());
    }
    // Each daemon has its own runtime.
    if let Some(host_config) = document.get_mut("HostConfig") {
        host_config["Runtime"] = Value::Null;
    }
    // dockerd fills these in for containers that it finds, and shows its own for networks without a wish.
    for endpoint in document["NetworkSettings"]["Networks"]
        .as_object_mut()
        .into_iter()
        .flat_map(|all| all.values_mut())
    {
        endpoint["DNSNames"] = Value::Null;
    }
    for pool in document["IPAM"]["Config"].as_array_mut().into_iter().flatten() {
        pool["Gateway"] = Value::Null;
    }
    document
}

/// One line for each member that is told differently.
pub(crate) fn differences(one: &Facts, other: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for name in names {
        let get = |facts: &Facts| facts.get(name).cloned().unwrap_or(Value::Null);
        compare(name, &get(one), &get(other), &mut found);
    }
    found
}

fn compare(place: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(first), Value::Object(second)) => {
            let names: std::collections::BTreeSet<_> = first.keys().chain(second.keys()).collect();
            for name in names {
                compare(&format!("{place}.{name}"), &one[name], &other[name], found);
            }
        }
        (Value::Array(first), Value::Array(second)) if first.len() == second.len() => {
            for (index, (one, other)) in first.iter().zip(second).enumerate() {
                compare(&format!("{place}[{index}]"), one, other, found);
            }
        }
        (one, other) if one != other => found.push(format!("{place}: {one} and {other}")),
        _ => {}
    }
}
