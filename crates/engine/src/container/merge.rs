//! An image's configuration under a container's own. Source: moby `daemon/container.go`.

use crate::error::{Error, Result};
use std::path::Path;
use tierce_oci::container::Config;

/// Fills what the request left open from the image, and checks that there is something to run.
pub(crate) fn merge(own: &mut Config, image: &Config) -> Result<()> {
    if !own.working_dir.is_empty() {
        let cleaned = tierce_fsops::clean(Path::new(&own.working_dir));
        own.working_dir = cleaned.to_string_lossy().into_owned();
    }
    tierce_image::inherit(own, image);
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
    fn the_working_directory_of_a_request_is_cleaned() {
        for (given, cleaned) in [("/tmp/", "/tmp"), ("/a//b/../c", "/a/c"), ("", "")] {
            let mut own = Config {
                working_dir: given.into(),
                ..Config::default()
            };
            merge(&mut own, &image()).unwrap();
            assert_eq!(own.working_dir, cleaned);
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
