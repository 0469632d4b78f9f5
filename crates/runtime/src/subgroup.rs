//! Groups below a container's own, for `exec --cgroup`: processes that share its namespaces but not all its limits.

use crate::error::Error;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use tierce_cgroup::Paths;
use tierce_sys::Cause;

/// Where the process goes, by controller; the empty name stands for all, and is the only one on v2.
pub(crate) type Places = BTreeMap<String, PathBuf>;

/// Reads the values of all `--cgroup` flags, each `[CONTROLLER[,CONTROLLER…]:]PATH`.
///
/// # Errors
/// [`Error::Usage`] in runc's words.
pub(crate) fn parse(values: &[String]) -> Result<Places, Error> {
    let mut places = Places::new();
    for value in values {
        let Some((controllers, path)) = value.split_once(':') else {
            if values.len() != 1 {
                return Err(Error::Usage(format!(
                    "invalid --cgroup argument: {value} (missing <controller>: prefix)"
                )));
            }
            places.insert(String::new(), value.into());
            continue;
        };
        for controller in controllers.split(',') {
            if controller.is_empty() {
                return Err(Error::Usage(format!(
                    "invalid --cgroup argument: {value} (empty <controller> prefix)"
                )));
            }
            if places.insert(controller.to_owned(), path.into()).is_some() {
                return Err(Error::Usage(format!(
                    "invalid --cgroup argument(s): controller {controller} specified multiple times"
                )));
            }
        }
    }
    Ok(places)
}

/// The directories of the places below the container's own.
///
/// # Errors
/// [`Error::Usage`] for a path that leads out, or a controller that the container has no group of; [`Error::Step`] for
/// a group that does not exist.
pub(crate) fn below(own: &Paths, places: &Places) -> Result<Paths, Error> {
    if let Some(unknown) = places
        .keys()
        .find(|name| !name.is_empty() && own.controller(name).is_none())
    {
        return Err(Error::Usage(format!("unknown controller {unknown} in SubCgroupPaths")));
    }
    let mut paths = Vec::new();
    for (controller, directory) in own.iter() {
        let place = places.get("").or_else(|| places.get(controller));
        let directory = match place {
            Some(place) => join(directory, place)?,
            None => directory.to_owned(),
        };
        let file = directory.join("cgroup.procs");
        if place.is_some() && !file.exists() {
            return Err(refused(&file, Errno::NOENT));
        }
        paths.push((controller.to_owned(), directory));
    }
    Ok(paths.into_iter().collect())
}

/// The error of a group that takes no process.
pub(crate) fn refused(file: &Path, cause: Errno) -> Error {
    Error::Step {
        kind: tierce_fault::kind_of_io(&cause.into()),
        text: format!(
            "error adding pid of the process to cgroups: open {}: {}",
            file.display(),
            Cause(cause)
        ),
    }
}

fn join(directory: &Path, place: &Path) -> Result<PathBuf, Error> {
    let mut joined = directory.to_owned();
    for component in place.components() {
        match component {
            Component::Normal(name) => joined.push(name),
            Component::ParentDir if joined != directory => drop(joined.pop()),
            Component::ParentDir => {
                return Err(Error::Usage(format!("{} is not a sub cgroup path", place.display())));
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(values: &[&str]) -> Result<Places, String> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        parse(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn places_are_named_for_all_or_by_controller() {
        let places = parsed(&["memory:a", "cpu,cpuacct:b/c"]).expect("places");
        let found: Vec<_> = places
            .iter()
            .map(|(name, path)| (name.as_str(), path.display().to_string()))
            .collect();
        assert_eq!(
            found,
            [
                ("cpu", "b/c".to_owned()),
                ("cpuacct", "b/c".to_owned()),
                ("memory", "a".to_owned())
            ]
        );
        assert_eq!(parsed(&["/"]).expect("a place").get(""), Some(&PathBuf::from("/")));
        for wrong in [&["a", "b"][..], &[":a"], &["cpu,:a"], &["cpu:a", "cpu:b"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn no_place_leads_out() {
        let own = Path::new("/sys/fs/cgroup/x");
        let joined = |place: &str| join(own, Path::new(place)).map_err(|error| error.to_string());
        assert_eq!(joined("/"), Ok(own.into()));
        assert_eq!(joined("a/../b/."), Ok(own.join("b")));
        for out in ["..", "a/../..", "../x", "/../y"] {
            assert_eq!(joined(out), Err(format!("{out} is not a sub cgroup path")));
        }
    }

    #[test]
    fn only_the_containers_own_controllers_can_be_named() {
        let own: Paths = [("memory", PathBuf::from("/nowhere/memory"))].into_iter().collect();
        let text = |values: &[&str]| below(&own, &parsed(values).expect("places")).map_err(|error| error.to_string());
        assert_eq!(text(&["cpu:x"]), Err("unknown controller cpu in SubCgroupPaths".into()));
        assert_eq!(
            text(&["x"]),
            Err(
                "error adding pid of the process to cgroups: open /nowhere/memory/x/cgroup.procs: no such file or \
                 directory"
                    .into()
            )
        );
    }
}
