//! An image's configuration under a container's own. Source: moby `daemon/commit.go` (`merge`), `daemon/container.go`.

use crate::error::{Error, Result};
use tierce_oci::container::{Config, Healthcheck};

/// Fills what the request left open from the image, and checks that there is something to run.
pub(crate) fn merge(own: &mut Config, image: &Config) -> Result<()> {
    inherit(own, image);
    // `--entrypoint ""` takes the image's away.
    if own
        .entrypoint
        .as_ref()
        .is_some_and(|words| matches!(&words[..], [only] if only.is_empty()))
    {
        own.entrypoint = None;
    }
    own.labels.get_or_insert_default();
    let empty = |words: &Option<tierce_oci::container::StrSlice>| words.as_ref().is_none_or(|words| words.is_empty());
    if empty(&own.entrypoint) && empty(&own.cmd) {
        return Err(Error::Invalid("no command specified".to_owned()));
    }
    Ok(())
}

/// Fills what a configuration leaves open from another.
pub(crate) fn inherit(own: &mut Config, image: &Config) {
    if own.user.is_empty() {
        own.user.clone_from(&image.user);
    }
    if own.working_dir.is_empty() {
        own.working_dir.clone_from(&image.working_dir);
    }
    if own.stop_signal.is_empty() {
        own.stop_signal.clone_from(&image.stop_signal);
    }
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

fn union<V: Clone>(
    own: &mut Option<std::collections::BTreeMap<String, V>>,
    image: Option<&std::collections::BTreeMap<String, V>>,
) {
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

/// Program and arguments, after entrypoint and command were joined.
pub(crate) fn command(config: &Config) -> (String, Vec<String>) {
    let mut words = config
        .entrypoint
        .iter()
        .chain(&config.cmd)
        .flat_map(|words| words.iter().cloned());
    (words.next().unwrap_or_default(), words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_oci::container::StrSlice;

    #[allow(clippy::unnecessary_wraps, reason = "it is what the members are")]
    fn words(list: &[&str]) -> Option<StrSlice> {
        Some(StrSlice(list.iter().map(|word| (*word).to_owned()).collect()))
    }

    fn image() -> Config {
        Config {
            cmd: words(&["serve"]),
            entrypoint: words(&["/app"]),
            env: Some(vec!["PATH=/bin".into(), "A=image".into()]),
            user: "app".into(),
            labels: Some([("l".to_owned(), "image".to_owned())].into()),
            ..Config::default()
        }
    }

    #[test]
    fn row_082_the_images_command_runs_unless_another_is_given() {
        let mut own = Config::default();
        merge(&mut own, &image()).unwrap();
        assert_eq!(command(&own), ("/app".into(), vec!["serve".into()]));
        let mut own = Config {
            cmd: words(&["test"]),
            ..Config::default()
        };
        merge(&mut own, &image()).unwrap();
        assert_eq!(command(&own), ("/app".into(), vec!["test".into()]));
        // An own entrypoint drops the image's command.
        let mut own = Config {
            entrypoint: words(&["sh"]),
            ..Config::default()
        };
        merge(&mut own, &image()).unwrap();
        assert_eq!(command(&own), ("sh".into(), vec![]));
    }

    #[test]
    fn an_empty_entrypoint_takes_the_images_away() {
        let mut own = Config {
            entrypoint: words(&[""]),
            cmd: words(&["ls"]),
            ..Config::default()
        };
        merge(&mut own, &image()).unwrap();
        assert_eq!(command(&own), ("ls".into(), vec![]));
        let mut own = Config {
            entrypoint: words(&[""]),
            ..Config::default()
        };
        assert_eq!(
            merge(&mut own, &image()).unwrap_err().to_string(),
            "no command specified"
        );
    }

    #[test]
    fn own_values_come_first() {
        let mut own = Config {
            env: Some(vec!["A=own".into()]),
            user: "me".into(),
            ..Config::default()
        };
        merge(&mut own, &image()).unwrap();
        assert_eq!(own.env.unwrap(), ["A=own", "PATH=/bin"]);
        assert_eq!(own.user, "me");
        assert_eq!(own.labels.unwrap()["l"], "image");
    }
}
