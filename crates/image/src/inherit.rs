//! A configuration under another: an image's under a container's own, a container's under that of its commit.
//! Source: moby `daemon/commit.go` (`merge`).

use std::collections::BTreeMap;
use tierce_oci::container::{Config, Healthcheck};

/// Fills what a configuration leaves open from another.
pub fn inherit(own: &mut Config, image: &Config) {
    if own.user.is_empty() {
        own.user.clone_from(&image.user);
    }
    if own.working_dir.is_empty() {
        own.working_dir.clone_from(&image.working_dir);
    }
    if own.stop_signal.is_empty() {
        own.stop_signal.clone_from(&image.stop_signal);
    }
    // An empty list is none: the image's is taken, also where that has none.
    own.exposed_ports.take_if(|ports| ports.is_empty());
    own.volumes.take_if(|volumes| volumes.is_empty());
    union(&mut own.exposed_ports, image.exposed_ports.as_ref());
    union(&mut own.volumes, image.volumes.as_ref());
    union(&mut own.labels, image.labels.as_ref());
    let environment = own.env.get_or_insert_default();
    for entry in image.env.iter().flatten() {
        let name = entry.split('=').next();
        if !environment.iter().any(|ours| ours.split('=').next() == name) {
            environment.push(entry.clone());
        }
    }
    if own.entrypoint.as_ref().is_none_or(|words| words.is_empty()) {
        if own.cmd.as_ref().is_none_or(|words| words.is_empty()) {
            own.cmd.clone_from(&image.cmd);
            own.args_escaped = image.args_escaped;
        }
        if own.entrypoint.is_none() {
            own.entrypoint.clone_from(&image.entrypoint);
        }
    }
    if own.shell.is_none() {
        own.shell.clone_from(&image.shell);
    }
    merge_healthcheck(&mut own.healthcheck, image.healthcheck.as_ref());
}

fn union<V: Clone>(own: &mut Option<BTreeMap<String, V>>, image: Option<&BTreeMap<String, V>>) {
    for (key, value) in image.into_iter().flatten() {
        own.get_or_insert_default()
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
}

fn merge_healthcheck(own: &mut Option<Healthcheck>, image: Option<&Healthcheck>) {
    let Some(image) = image else { return };
    let Some(own) = own else {
        *own = Some(image.clone());
        return;
    };
    if own.test.as_ref().is_none_or(Vec::is_empty) {
        own.test.clone_from(&image.test);
    }
    for (ours, theirs) in [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.start_interval, image.start_interval),
        (&mut own.retries, image.retries),
    ] {
        if *ours == 0 {
            *ours = theirs;
        }
    }
}
