//! Cache and memory bandwidth allocation (`linux.intelRdt`): classes of service are directories of the resctrl file
//! system, beside the control groups. Sources: runtime-spec `config-linux.md#intelrdt`, kernel's `filesystems/resctrl.rst`.

use crate::{Error, Result, file};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use tierce_oci::runtime::IntelRdt;

/// The class of service of a container, decided; nothing exists yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    root: PathBuf,
    directory: PathBuf,
    /// The class is somebody else's and has no settings here: it must be there.
    must_exist: bool,
    /// Lines of its `schemata` file.
    schemata: Vec<String>,
    /// Its group that only watches this container.
    monitor: Option<PathBuf>,
    /// What is taken away with the container.
    removable: Option<PathBuf>,
}

impl Class {
    /// Decides the class of the container `id`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a class that cannot be named so, and where resctrl is not mounted.
    pub fn of(settings: &IntelRdt, id: &str) -> Result<Self> {
        let name = settings.clos_id.as_str();
        if matches!(name, "." | "..") || (name.contains('/') && name != "/") {
            return Err(Error::Invalid(format!("invalid intelRdt.ClosID {name:?}")));
        }
        let Some(root) = mounted_at(&file::read_path(Path::new("/proc/self/mountinfo"))?) else {
            let member = match (&*settings.l3_cache_schema, &*settings.mem_bw_schema) {
                ("", "") => {
                    return Err(Error::Invalid(
                        "intelRdt is specified in config, but Intel RDT is not enabled: resctrl is not mounted".into(),
                    ));
                }
                ("", _) => "intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled",
                _ => "intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled",
            };
            return Err(Error::Invalid(member.into()));
        };
        Ok(Self::at(root, settings, id))
    }

    fn at(root: PathBuf, settings: &IntelRdt, id: &str) -> Self {
        let own = settings.clos_id.is_empty();
        let directory = match settings.clos_id.as_str() {
            "" => root.join(id),
            "/" => root.clone(),
            name => root.join(name),
        };
        let schemata: Vec<String> = [&settings.l3_cache_schema, &settings.mem_bw_schema]
            .into_iter()
            .chain(&settings.schemata)
            .filter(|line| !line.is_empty())
            .cloned()
            .collect();
        let monitor = settings
            .enable_monitoring
            .then(|| directory.join("mon_groups").join(id));
        // With a class of its own everything goes; of another's class only what watches this container.
        let removable = if own { Some(directory.clone()) } else { monitor.clone() };
        Self {
            must_exist: !own && schemata.is_empty(),
            root,
            directory,
            schemata,
            monitor,
            removable,
        }
    }

    /// The directory to be given to [`remove`] when the container is deleted, if there is one.
    pub fn removable(&self) -> Option<&Path> {
        self.removable.as_deref()
    }

    /// Makes the class, where it is to be made, and puts a process with one thread into it.
    ///
    /// # Errors
    /// [`Error::Invalid`], with what the kernel says of its last command.
    pub fn enter(&self, pid: u32) -> Result<()> {
        if self.must_exist && !file::exists(&self.directory) {
            return Err(Error::Invalid(format!(
                "clos dir not accessible (must be pre-created when l3CacheSchema and memBwSchema are empty): {}",
                self.directory.display()
            )));
        }
        self.make_and_enter(&pid.to_string()).map_err(|error| {
            let said = file::read(&self.root, "info/last_cmd_status").unwrap_or_default();
            Error::Invalid(format!("intelRdt: {error}, last_cmd_status: {}", said.trim_end()))
        })
    }

    fn make_and_enter(&self, pid: &str) -> Result<()> {
        file::make_directory(&self.directory)?;
        if !self.schemata.is_empty() {
            file::write(&self.directory, "schemata", &(self.schemata.join("\n") + "\n"))?;
        }
        file::write(&self.directory, "tasks", pid)?;
        if let Some(monitor) = &self.monitor {
            file::make_directory(monitor)?;
            file::write(monitor, "tasks", pid)?;
        }
        Ok(())
    }
}

/// Takes a class or monitoring group away, with the monitoring groups in it.
///
/// # Errors
/// [`Error::File`]; that it is gone already is none.
pub fn remove(directory: &Path) -> Result<()> {
    match rustix::fs::rmdir(directory) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(source) => Err(Error::File {
            verb: "remove",
            path: directory.to_owned(),
            source,
        }),
    }
}

/// Where resctrl is mounted, by `/proc/self/mountinfo`.
fn mounted_at(table: &str) -> Option<PathBuf> {
    table.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        kind.starts_with("resctrl ").then(|| point.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with the files that the kernel would put into each.
    fn group(path: &Path) {
        std::fs::create_dir_all(path).expect("mkdir");
        for name in ["tasks", "schemata"] {
            std::fs::write(path.join(name), "").expect("write");
        }
    }

    fn text(path: PathBuf) -> String {
        std::fs::read_to_string(path).expect("a file")
    }

    #[test]
    fn a_class_of_its_own_is_made_filled_and_named_for_removal() {
        let root = tempfile::tempdir().expect("a directory");
        group(&root.path().join("box"));
        group(&root.path().join("box/mon_groups/box"));
        let settings = IntelRdt {
            l3_cache_schema: "L3:0=f".into(),
            schemata: vec!["MB:0=50".into()],
            enable_monitoring: true,
            ..IntelRdt::default()
        };
        let class = Class::at(root.path().to_owned(), &settings, "box");
        class.enter(42).expect("entered");
        assert_eq!(text(root.path().join("box/schemata")), "L3:0=f\nMB:0=50\n");
        assert_eq!(text(root.path().join("box/tasks")), "42");
        assert_eq!(text(root.path().join("box/mon_groups/box/tasks")), "42");
        assert_eq!(class.removable(), Some(&*root.path().join("box")));
        assert!(remove(&root.path().join("gone")).is_ok());
    }

    #[test]
    fn anothers_class_must_be_there_and_stays() {
        let root = tempfile::tempdir().expect("a directory");
        let settings = IntelRdt {
            clos_id: "shared".into(),
            ..IntelRdt::default()
        };
        let class = Class::at(root.path().to_owned(), &settings, "box");
        let error = class.enter(42).expect_err("no class").to_string();
        assert!(error.contains("clos dir not accessible"), "{error}");
        group(&root.path().join("shared"));
        class.enter(42).expect("entered");
        assert_eq!(
            (text(root.path().join("shared/schemata")), class.removable()),
            (String::new(), None)
        );
        let settings = IntelRdt {
            clos_id: "/".into(),
            enable_monitoring: true,
            ..settings
        };
        let class = Class::at(root.path().to_owned(), &settings, "box");
        assert_eq!(class.removable(), Some(&*root.path().join("mon_groups/box")));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused_and_the_mount_is_found() {
        for name in ["..", "a/b", "/a"] {
            let settings = IntelRdt {
                clos_id: name.into(),
                ..IntelRdt::default()
            };
            let error = Class::of(&settings, "box").expect_err("a refusal").to_string();
            assert!(error.contains("invalid intelRdt.ClosID"), "{error}");
        }
        let table = "1 2 0:3 / /proc rw - proc proc rw\n4 2 0:5 / /sys/fs/resctrl rw shared:1 - resctrl resctrl rw\n";
        assert_eq!(mounted_at(table), Some("/sys/fs/resctrl".into()));
        assert_eq!(mounted_at("nonsense"), None);
    }
}
