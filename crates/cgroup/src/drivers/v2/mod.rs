//! v2: one directory, in which every enabled controller has its files. Source: kernel's `admin-guide/cgroup-v2.rst`.
//!
//! Also serves the v2 hierarchy of a hybrid machine, which has no controllers but can kill, freeze and filter devices.

mod devices;
mod plan;
mod stats;

use crate::present;
use crate::{Error, Manager, OomWatch, Paths, Result, Stats, file};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tierce_oci::runtime::Resources;

/// How long freezing may take; the same as runc's.
const FREEZE_TIMEOUT: Duration = Duration::from_secs(10);

/// The v2 driver.
pub(super) struct V2 {
    paths: Paths,
    directory: PathBuf,
}

impl V2 {
    pub(super) fn new(paths: Paths) -> Self {
        let directory = paths.unified().map(Path::to_owned).unwrap_or_default();
        Self { paths, directory }
    }

    /// Enables in every group above, from the root down, the controllers that the root has.
    fn enable_controllers(&self) -> Result<()> {
        let above: Vec<&Path> = self
            .directory
            .ancestors()
            .skip(1)
            .take_while(|path| file::exists(&path.join("cgroup.controllers")))
            .collect();
        let Some(root) = above.last() else { return Ok(()) };
        let controllers = file::read(root, "cgroup.controllers")?;
        for group in above.into_iter().rev() {
            let enabled = file::read(group, "cgroup.subtree_control")?;
            let is_enabled = |name: &&str| enabled.split_ascii_whitespace().any(|other| other == *name);
            let missing: Vec<&str> = controllers
                .split_ascii_whitespace()
                .filter(|name| !is_enabled(name))
                .collect();
            if missing.is_empty() {
                continue;
            }
            let all: String = missing.iter().flat_map(|name| ["+", name, " "]).collect();
            if file::write(group, "cgroup.subtree_control", all.trim_end()).is_err() {
                // One that cannot be had (a real-time task in the way of `cpu`) shall not keep the others; a limit of
                // it fails later, by name.
                for name in missing {
                    let _ = file::write(group, "cgroup.subtree_control", &format!("+{name}"));
                }
            }
        }
        Ok(())
    }
}

impl Manager for V2 {
    fn create(&self) -> Result<()> {
        file::make_directory(&self.directory)?;
        // Mostly the groups above have everything enabled since the first container.
        let has = file::read(&self.directory, "cgroup.controllers")?;
        let possible = root_of(&self.directory)
            .map(|root| file::read(root, "cgroup.controllers"))
            .transpose()?;
        if possible.is_some_and(|possible| possible != has) {
            self.enable_controllers()
        } else {
            Ok(())
        }
    }

    fn enter(&self, pid: u32) -> Result<()> {
        file::write(&self.directory, "cgroup.procs", &pid.to_string())
    }

    fn set(&self, resources: &Resources) -> Result<()> {
        let resources = present::complete(&self.paths, resources);
        let plan = plan::plan(&resources, |file| file::exists(&self.directory.join(file)))?;
        present::check_memory(&self.paths, &resources)?;
        if !resources.devices.is_empty() {
            devices::set(&self.directory, &resources.devices)?;
        }
        plan.apply(|_| Some(&self.directory))
            .map_err(|error| self.name_missing_controller(error))
    }

    fn frozen(&self) -> Result<bool> {
        Ok(file::read_optional(&self.directory, "cgroup.freeze")?.is_some_and(|state| state.trim() == "1"))
    }

    fn set_frozen(&self, frozen: bool) -> Result<()> {
        // Opened before the write, so that no change between the two is missed.
        let events = self.directory.join("cgroup.events");
        let fail = |source| Error::File {
            verb: "watch",
            path: events.clone(),
            source,
        };
        let watch = rustix::fs::open(&events, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(fail)?;
        file::write(&self.directory, "cgroup.freeze", if frozen { "1" } else { "0" })?;
        let wanted = if frozen { "frozen 1" } else { "frozen 0" };
        let deadline = Instant::now() + FREEZE_TIMEOUT;
        loop {
            let mut bytes = [0; 256];
            let read = rustix::io::pread(&watch, &mut bytes, 0).map_err(fail)?;
            if String::from_utf8_lossy(&bytes[..read])
                .lines()
                .any(|line| line == wanted)
            {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            match poll(&mut [PollFd::new(&watch, PollFlags::PRI)], Some(&timeout)) {
                Ok(0) => {
                    if frozen {
                        // Half a group frozen is worse than none.
                        let _ = file::write(&self.directory, "cgroup.freeze", "0");
                    }
                    return Err(Error::Freeze(self.directory.clone()));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(source) => return Err(fail(source)),
            }
        }
    }

    fn stats(&self) -> Result<Stats> {
        stats::read_all(&self.directory)
    }

    fn watch_oom(&self) -> Result<OomWatch> {
        OomWatch::v2(&self.directory)
    }

    fn delete(&self) -> Result<()> {
        file::remove_group(&self.directory)
    }

    fn paths(&self) -> &Paths {
        &self.paths
    }
}

impl V2 {
    /// A missing file of a controller that is not enabled says so by the controller's name.
    fn name_missing_controller(&self, error: Error) -> Error {
        let Error::Write {
            path,
            source: Errno::NOENT,
            ..
        } = &error
        else {
            return error;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let prefix = name.split('.').next().unwrap_or_default();
        let known = ["cpu", "cpuset", "memory", "io", "pids", "hugetlb", "rdma"]
            .into_iter()
            .find(|c| *c == prefix);
        let enabled = file::read(&self.directory, "cgroup.controllers").unwrap_or_default();
        match known {
            Some(known) if !enabled.split_ascii_whitespace().any(|other| other == known) => Error::NoController(known),
            _ => error,
        }
    }
}

/// The root of the hierarchy: the farthest directory above that is a group.
fn root_of(directory: &Path) -> Option<&Path> {
    directory
        .ancestors()
        .skip(1)
        .take_while(|path| file::exists(&path.join("cgroup.controllers")))
        .last()
}
