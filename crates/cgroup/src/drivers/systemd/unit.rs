//! Names of units, and where their groups are. Source: systemd.unit(5), systemd.slice(5).

use crate::{Error, Paths, Result};
use std::path::PathBuf;

/// Prefix of scopes whose specification names none.
const PREFIX: &str = "tierce";
/// Longest name of a unit (`UNIT_NAME_MAX`).
const LONGEST: usize = 255;

/// The scope of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// The slice it lies in; empty for the usual one.
    pub(super) slice: String,
    /// Its name.
    pub(super) name: String,
}

impl Unit {
    /// Reads `slice:prefix:name`, the form of `linux.cgroupsPath` for this driver. A text without colons is the name
    /// of a container that has no path of its own.
    pub(super) fn parse(path: &str) -> Result<Self> {
        let parts: Vec<&str> = path.split(':').collect();
        let (slice, prefix, name) = match parts[..] {
            [name] if !name.contains('/') => ("", PREFIX, name),
            [slice, prefix, name] => (slice, prefix, name),
            _ => {
                return Err(Error::Invalid(format!(
                    "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {path:?} instead"
                )));
            }
        };
        if name.strip_suffix(".slice").is_some() {
            return Err(Error::Invalid(format!(
                "invalid unit name {name:?}: a slice holds no processes"
            )));
        }
        let name = format!("{prefix}-{name}.scope");
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        if name.len() > LONGEST || !name.bytes().all(good) {
            return Err(Error::Invalid(format!("invalid unit name {name:?}")));
        }
        Ok(Self {
            slice: slice.to_owned(),
            name,
        })
    }

    /// The scope whose groups these are.
    pub(super) fn of(paths: &Paths) -> Option<Self> {
        let (_, directory) = paths.iter().next()?;
        let name = directory.file_name()?.to_str()?.to_owned();
        let slice = directory.parent()?.file_name()?.to_str()?.to_owned();
        name.strip_suffix(".scope").is_some().then_some(Self { slice, name })
    }

    /// Its directory below the group that its systemd manages; `usual` is the slice of units that name none.
    pub(super) fn directory(&self, usual: &str) -> Result<PathBuf> {
        let slice = if self.slice.is_empty() { usual } else { &self.slice };
        let mut directory = expand(slice)?;
        directory.push(&self.name);
        Ok(directory)
    }
}

/// A slice lies in those that its name begins with: `a-b.slice` is `a.slice/a-b.slice`, and `-.slice` is the root.
pub(super) fn expand(slice: &str) -> Result<PathBuf> {
    let invalid = || Error::Invalid(format!("invalid slice name: {slice}"));
    let stem = slice.strip_suffix(".slice").ok_or_else(invalid)?;
    if stem == "-" {
        return Ok(PathBuf::new());
    }
    if slice.contains('/') || slice.len() > LONGEST || stem.split('-').any(str::is_empty) {
        return Err(invalid());
    }
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    Ok(ends.map(|end| format!("{}.slice", &stem[..end])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn row_123_slices_are_expanded() {
        let directory = |path: &str| Unit::parse(path).and_then(|unit| unit.directory("system.slice"));
        let expanded = [
            ("a-b-c.slice:p:x", "a.slice/a-b.slice/a-b-c.slice/p-x.scope"),
            ("machine.slice:libpod:9", "machine.slice/libpod-9.scope"),
            ("-.slice:p:x", "p-x.scope"),
            (":docker:x", "system.slice/docker-x.scope"),
            ("web", "system.slice/tierce-web.scope"),
        ];
        for (path, wanted) in expanded {
            assert_eq!(directory(path).unwrap(), Path::new(wanted), "{path}");
        }
        for path in [
            "/a/b",
            "a:b",
            "a:b:c:d",
            "a.slice:p:../x",
            "a--b.slice:p:x",
            ".slice:p:x",
            "-a.slice:p:x",
            "a/b.slice:p:x",
            "system.slice:p:y.slice",
            "nothing:p:x",
        ] {
            assert!(directory(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_scope_is_known_by_its_paths() {
        let paths: Paths = [("", PathBuf::from("/sys/fs/cgroup/system.slice/p-x.scope"))]
            .into_iter()
            .collect();
        assert_eq!(Unit::of(&paths), Unit::parse("system.slice:p:x").ok());
        assert_eq!(Unit::of(&Paths::default()), None);
    }

    proptest::proptest! {
        #[test]
        fn no_path_leaves_the_hierarchy(path in "[a-z:./-]{0,30}") {
            if let Ok(directory) = Unit::parse(&path).and_then(|unit| unit.directory("system.slice")) {
                proptest::prop_assert!(directory.components().all(|one| matches!(one, std::path::Component::Normal(_))));
            }
        }
    }
}
