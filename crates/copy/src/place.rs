//! Where a copy goes: Docker's rules for paths. Source of the rules: moby/go-archive `copy.go`.
//!
//! | Destination | A file becomes | A directory becomes |
//! |---|---|---|
//! | is a directory | a file in it | a directory in it; with `/.` at its end: its content in it |
//! | is something else | that file | refused |
//! | is not there | that file; refused with `/` at the end | that directory, with its content |

use crate::Error;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its path, with `/` or `/.` at the end where the user wrote it.
    pub path: PathBuf,
    /// Whether it is a directory; `None`: it is not there.
    pub is_dir: Option<bool>,
}

/// What is done with an archive whose entries begin with the source's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The directory that it is unpacked in.
    pub directory: PathBuf,
    /// What the source is called there; `None`: as it was.
    pub name: Option<OsString>,
}

/// How many links of a destination are followed; as Docker's client.
const LINKS: usize = 10;

/// Decides where the source goes.
///
/// # Errors
/// [`Error::DirectoryOverFile`], [`Error::NoDirectory`].
pub fn plan(source: &Place, destination: &Place) -> Result<Plan, Error> {
    let (above, name) = split(&destination.path);
    let source_is_dir = source.is_dir == Some(true);
    match destination.is_dir {
        Some(true) => Ok(Plan {
            directory: destination.path.clone(),
            name: None,
        }),
        Some(false) if source_is_dir => Err(Error::DirectoryOverFile),
        None if !source_is_dir && asks_for_directory(&destination.path) => Err(Error::NoDirectory),
        _ => Ok(Plan {
            directory: above,
            name: Some(name),
        }),
    }
}

/// The directory of a path and its last name, which is `.` where the path ends so, and `/` for the root.
pub fn split(path: &Path) -> (PathBuf, OsString) {
    let cleaned = clean(path);
    if ends_with_dot(path) {
        return (cleaned, OsString::from("."));
    }
    match cleaned.file_name() {
        Some(name) => {
            let above = cleaned.parent().filter(|above| !above.as_os_str().is_empty());
            (above.unwrap_or(Path::new(".")).to_owned(), name.to_owned())
        }
        None if cleaned.is_absolute() => (PathBuf::from("/"), OsString::from("/")),
        // `.` and a path that climbs.
        None => (PathBuf::from("."), cleaned.into_os_string()),
    }
}

/// The absolute form of a path of the user, with its `/` or `/.` kept.
///
/// # Errors
/// When there is no working directory.
pub fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let here = std::env::current_dir().map_err(Error::io("find the working directory for", path))?;
    let mut whole = clean(&here.join(path)).into_os_string();
    let root = whole == "/";
    if ends_with_dot(path) {
        whole.push(if root { "." } else { "/." });
    } else if ends_with_slash(path) && !root {
        whole.push("/");
    }
    Ok(whole.into())
}

/// What is to be copied from this machine: the place, and the name that it goes by. With `follow`, a link is what it leads
/// to, under the link's own name.
///
/// # Errors
/// When it is not there.
pub fn source(path: &Path, follow: bool) -> Result<(Place, OsString), Error> {
    let (above, name) = split(path);
    // Links on the way are followed anyhow; the last one only where asked, or where the path says: a directory.
    let resolved = if follow || name == "/" || asks_for_directory(path) {
        std::fs::canonicalize(path).map_err(Error::look("lstat", path))?
    } else {
        std::fs::canonicalize(&above)
            .map_err(Error::look("lstat", path))?
            .join(&name)
    };
    let metadata = std::fs::symlink_metadata(&resolved).map_err(Error::look("lstat", path))?;
    if ends_with_slash(path) && !metadata.is_dir() {
        return Err(Error::look("lstat", path)(io::ErrorKind::NotADirectory.into()));
    }
    let place = Place {
        path: resolved,
        is_dir: Some(metadata.is_dir()),
    };
    Ok((place, name))
}

/// Refuses what cannot be copied to on this machine before anything is asked of a daemon, in Docker's words.
///
/// # Errors
/// When the directory above is missing, or a device is there.
pub fn check_destination(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::FileTypeExt;
    let (above, _) = split(&clean(path));
    if !above.exists() {
        return Err(Error::Output(format!(
            "directory {:?} does not exist",
            above.to_string_lossy()
        )));
    }
    match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_char_device() || found.file_type().is_block_device() => {
            Err(Error::Output(format!(
                "{:?} must be a directory or a regular file: got a device",
                path.to_string_lossy()
            )))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::look("stat", path)(error)),
        _ => Ok(()),
    }
}

/// What is there on this machine to copy to; links are followed, also one to what is not there yet.
///
/// # Errors
/// When the directory above is missing, or is none.
pub fn destination(path: &Path) -> Result<Place, Error> {
    let mut here = path.to_owned();
    for _ in 0..LINKS {
        match std::fs::symlink_metadata(&here) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = std::fs::read_link(&here).map_err(Error::io("read the link", &here))?;
                here = followed(&here, &target);
            }
            Ok(metadata) => {
                return Ok(Place {
                    is_dir: Some(metadata.is_dir()),
                    path: here,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (above, _) = split(&here);
                let above = std::fs::metadata(&above).map_err(Error::look("stat", &above))?;
                if !above.is_dir() {
                    return Err(Error::NotDirectory);
                }
                return Ok(Place {
                    path: here,
                    is_dir: None,
                });
            }
            Err(error) => return Err(Error::look("lstat", &here)(error)),
        }
    }
    Err(Error::Links(path.to_owned()))
}

/// Where a link leads.
pub fn followed(link: &Path, target: &Path) -> PathBuf {
    if target.is_absolute() {
        return target.to_owned();
    }
    clean(&split(link).0.join(target))
}

/// Go's `filepath.Clean`: by the letters, links are not looked at.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if cleaned.file_name().is_some() => {
                cleaned.pop();
            }
            // Above the root is the root.
            Component::ParentDir if cleaned.is_absolute() => {}
            other => cleaned.push(other),
        }
    }
    if cleaned.as_os_str().is_empty() {
        cleaned.push(".");
    }
    cleaned
}

fn asks_for_directory(path: &Path) -> bool {
    ends_with_slash(path) || ends_with_dot(path)
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

fn ends_with_dot(path: &Path) -> bool {
    path.as_os_str() == OsStr::new(".") || path.as_os_str().as_bytes().ends_with(b"/.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place(path: &str, is_dir: Option<bool>) -> Place {
        Place {
            path: path.into(),
            is_dir,
        }
    }

    #[test]
    fn row_086_copies_go_where_docker_puts_them() {
        let (file, dir) = (place("/src/f", Some(false)), place("/src/d", Some(true)));
        let planned = |source: &Place, destination: &Place| {
            plan(source, destination)
                .map(|plan| {
                    let name = plan.name.map(|name| name.into_string().unwrap());
                    (plan.directory.to_str().unwrap().to_owned(), name)
                })
                .map_err(|error| error.to_string())
        };
        let to = |directory: &str, name: Option<&str>| Ok((directory.to_owned(), name.map(str::to_owned)));
        assert_eq!(planned(&file, &place("/there/", Some(true))), to("/there/", None));
        assert_eq!(planned(&dir, &place("/there", Some(true))), to("/there", None));
        assert_eq!(planned(&file, &place("/there/x", Some(false))), to("/there", Some("x")));
        assert_eq!(planned(&file, &place("/there/x", None)), to("/there", Some("x")));
        assert_eq!(planned(&dir, &place("/there/x", None)), to("/there", Some("x")));
        assert_eq!(planned(&dir, &place("/there/x/", None)), to("/there", Some("x")));
        let refused = |text: &str| Err(text.to_owned());
        assert_eq!(
            planned(&dir, &place("/there/x", Some(false))),
            refused("cannot copy directory")
        );
        assert_eq!(planned(&file, &place("/there/x/", None)), refused("no such directory"));
    }

    #[test]
    fn paths_are_split_as_docker_splits_them() {
        for (path, above, name) in [
            ("/a/b", "/a", "b"),
            ("/a/b/", "/a", "b"),
            ("/a/b/.", "/a/b", "."),
            ("/", "/", "/"),
            ("a", ".", "a"),
            (".", ".", "."),
            ("/a/../b//c", "/b", "c"),
        ] {
            assert_eq!(split(Path::new(path)), (above.into(), name.into()), "{path}");
        }
        for (path, whole) in [
            ("/a/../b/", "/b/"),
            ("/a/.", "/a/."),
            ("/", "/"),
            ("/.", "/."),
            ("/..", "/"),
        ] {
            assert_eq!(absolute(Path::new(path)).unwrap(), PathBuf::from(whole), "{path}");
        }
    }

    #[test]
    fn links_are_followed_where_docker_follows_them() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().canonicalize().unwrap().join(name);
        std::fs::create_dir(at("d")).unwrap();
        symlink("d", at("to-d")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        // A source is the link itself, unless its content or what it leads to is asked for.
        assert_eq!(
            source(&at("to-d"), false).unwrap().0,
            place(at("to-d").to_str().unwrap(), Some(false))
        );
        let (followed, name) = source(&at("to-d"), true).unwrap();
        assert_eq!((followed.path, name), (at("d"), "to-d".into()));
        assert_eq!(source(&at("to-d/."), false).unwrap().0.path, at("d"));
        let (slashed, name) = source(&at("to-d/"), false).unwrap();
        assert_eq!((slashed.path, name), (at("d"), "to-d".into()));
        assert!(source(&at("missing"), false).is_err());
        // A destination is where the link leads.
        assert_eq!(
            destination(&at("to-d")).unwrap(),
            place(at("d").to_str().unwrap(), Some(true))
        );
        assert_eq!(
            destination(&at("dangling")).unwrap(),
            place(at("nowhere").to_str().unwrap(), None)
        );
        assert!(matches!(destination(&at("loop")), Err(Error::Links(_))));
        assert!(destination(&at("missing/x")).is_err());
    }
}
