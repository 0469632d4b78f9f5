//! Data of Dockers from before 2016 in the data root: told in the log, never read, changed or removed.
//!
//! What each looks like, and how to bring it over, is in `docs/old-layouts.md`.

use std::path::Path;

/// What an old Docker left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remains {
    /// Where, below the data root.
    pub(crate) found: String,
    /// What it is.
    pub(crate) what: &'static str,
}

/// A folder of the data root that only an old Docker makes.
struct Layout {
    /// Its name.
    folder: &'static str,
    /// Whether what is in it shows that.
    is_there: fn(&Path) -> bool,
    /// What it holds.
    what: &'static str,
}

const LAYOUTS: [Layout; 4] = [
    Layout {
        folder: "images",
        is_there: |images| any(images, |image| image.join("json").is_file()),
        what: "images of Docker 0.1 to 0.6 (2013)",
    },
    Layout {
        folder: "graph",
        is_there: Path::is_dir,
        what: "images of Docker 0.7 to 1.9 (2013 to 2015)",
    },
    Layout {
        folder: "aufs",
        is_there: |aufs| aufs.join("diff").is_dir(),
        what: "layers of the storage driver aufs",
    },
    Layout {
        folder: "devicemapper",
        is_there: |pool| pool.join("metadata").is_dir() || pool.join("devicemapper").is_dir(),
        what: "layers of the storage driver devicemapper",
    },
];

/// Tells of everything that old Dockers left in a data root.
pub(crate) fn tell(data_root: &Path) {
    for Remains { found, what } in look(data_root) {
        tracing::warn!(
            found,
            what,
            "data of an old Docker: it is not read, and stays as it is; docs/old-layouts.md tells how to bring it over"
        );
    }
}

fn look(data_root: &Path) -> Vec<Remains> {
    let mut remains: Vec<Remains> = LAYOUTS
        .into_iter()
        .filter(|layout| (layout.is_there)(&data_root.join(layout.folder)))
        .map(|layout| Remains {
            found: format!("{}/", layout.folder),
            what: layout.what,
        })
        .collect();
    for name in names(data_root) {
        if name.starts_with("repositories-") {
            remains.push(Remains {
                found: name,
                what: "names of images of Docker 0.7 to 1.9",
            });
        }
    }
    for name in names(&data_root.join("containers")) {
        let container = data_root.join("containers").join(&name);
        // Later ones have their layer elsewhere, and `config.v2.json`.
        if container.join("rw").is_dir() && !container.join("config.v2.json").exists() {
            remains.push(Remains {
                found: format!("containers/{name}/rw"),
                what: "a container of Docker 0.1 to 0.6 (2013)",
            });
        }
    }
    remains
}

/// Names in a folder, in order; a folder that cannot be read has none.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn any(directory: &Path, is_it: fn(&Path) -> bool) -> bool {
    names(directory).iter().any(|name| is_it(&directory.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn row_026_row_068_old_layouts_are_recognised() {
        let root = tempfile::tempdir().unwrap();
        let found = || -> Vec<String> { look(root.path()).into_iter().map(|remains| remains.found).collect() };
        // What today's daemon has must not be taken for old.
        for directory in ["image/overlay2", "overlay2", "containers/new", "images/empty"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("containers/new/config.v2.json"), "{}").unwrap();
        assert!(found().is_empty());
        for file in [
            "images/8dbd/json",
            "graph/0123/json",
            "aufs/diff/0123/file",
            "devicemapper/metadata/base",
            "containers/4f5a/rw/file",
            "repositories-aufs",
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(
            found(),
            [
                "images/",
                "graph/",
                "aufs/",
                "devicemapper/",
                "repositories-aufs",
                "containers/4f5a/rw"
            ]
        );
    }
}
