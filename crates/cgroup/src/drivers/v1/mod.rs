//! v1: a directory a controller, as Docker has always laid them out:
//! `/sys/fs/cgroup/<subsystem>/docker/<container id>`. Source: kernel's `admin-guide/cgroup-v1`.

mod cpuset;
mod plan;
mod stats;

use crate::devices::State;
use crate::{Error, Manager, OomWatch, Paths, Result, Stats, file};
use rustix::io::Errno;
use std::path::Path;
use std::time::Duration;
use tierce_oci::runtime::Resources;

/// The v1 driver.
pub(super) struct V1 {
    paths: Paths,
}

impl V1 {
    pub(super) fn new(paths: Paths) -> Self {
        Self { paths }
    }

    fn controller(&self, name: &'static str) -> Result<&Path> {
        self.paths.controller(name).ok_or(Error::NoController(name))
    }

    fn set_devices(&self, resources: &Resources) -> Result<()> {
        if resources.devices.is_empty() {
            return Ok(());
        }
        let directory = self.controller("devices")?;
        let wanted = State::of(&resources.devices)?;
        let list = file::read(directory, "devices.list")?;
        let present = State::from_list(&list).ok_or_else(|| Error::Parse {
            path: directory.join("devices.list"),
            found: list.clone(),
        })?;
        file::write_lines(directory, &wanted.transition(&present))
    }
}

impl Manager for V1 {
    fn create(&self) -> Result<()> {
        for (name, directory) in self.paths.iter() {
            if name == "cpuset" {
                cpuset::create(directory)?;
            } else if name.is_empty() {
                // The v2 hierarchy of a hybrid machine limits nothing: who may not have a group there does without.
                let _ = file::make_directory(directory);
            } else {
                // Controllers mounted together meet the same directory twice, which is no error.
                file::make_directory(directory)?;
            }
        }
        Ok(())
    }

    fn enter(&self, pid: u32) -> Result<()> {
        let pid = pid.to_string();
        for directory in self.paths.directories() {
            match enter_one(directory, &pid) {
                Err(_) if self.paths.beside() == Some(directory) => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn set(&self, resources: &Resources) -> Result<()> {
        if !resources.unified.is_empty() {
            return Err(Error::UnifiedOnV1);
        }
        let plan = plan::plan(resources, |file| {
            self.paths
                .controller("blkio")
                .is_some_and(|directory| file::exists(&directory.join(file)))
        })?;
        self.set_devices(resources)?;
        plan.apply(|name| self.paths.controller(name))
            .map_err(|error| self.explain_memory(error, resources))
    }

    fn frozen(&self) -> Result<bool> {
        let Some(directory) = self.paths.controller("freezer") else {
            return Ok(false);
        };
        Ok(file::read_optional(directory, "freezer.state")?.is_some_and(|state| state.trim() != "THAWED"))
    }

    /// The kernel's `freezer-subsystem.rst`: a group that forks while it freezes stays at FREEZING until the state is
    /// written again; a task stuck in the kernel may need a thaw in between.
    fn set_frozen(&self, frozen: bool) -> Result<()> {
        let directory = self.controller("freezer")?;
        if !frozen {
            return file::write(directory, "freezer.state", "THAWED");
        }
        for round in 0..1000 {
            if round % 50 == 49 {
                let _ = file::write(directory, "freezer.state", "THAWED");
                std::thread::sleep(Duration::from_millis(10));
            }
            file::write(directory, "freezer.state", "FROZEN")?;
            if round > 0 {
                std::thread::sleep(Duration::from_micros(if round < 20 { 50 } else { 1000 }));
            }
            if file::read(directory, "freezer.state")?.trim() == "FROZEN" {
                return Ok(());
            }
        }
        // Half a group frozen is worse than none.
        let _ = file::write(directory, "freezer.state", "THAWED");
        Err(Error::Freeze(directory.to_owned()))
    }

    fn stats(&self) -> Result<Stats> {
        stats::read_all(&self.paths)
    }

    fn watch_oom(&self) -> Result<OomWatch> {
        OomWatch::v1(self.controller("memory")?)
    }

    fn delete(&self) -> Result<()> {
        let mut first = Ok(());
        for directory in self.paths.directories() {
            // One that stays must not keep the others; the first failure is told.
            first = first.and(file::remove_group(directory));
        }
        first
    }

    fn paths(&self) -> &Paths {
        &self.paths
    }
}

impl V1 {
    /// "Busy" for a memory limit means that more is in use: says so with the numbers.
    fn explain_memory(&self, error: Error, resources: &Resources) -> Error {
        let Error::Write {
            path,
            source: Errno::BUSY,
            ..
        } = &error
        else {
            return error;
        };
        let limit = resources.memory.and_then(|memory| memory.limit);
        match (limit, self.paths.controller("memory")) {
            (Some(limit), Some(directory)) if path.ends_with("memory.limit_in_bytes") => {
                let number = |name| {
                    file::read(directory, name)
                        .ok()
                        .and_then(|text| text.trim().parse().ok())
                        .unwrap_or_default()
                };
                let (usage, peak) = (number("memory.usage_in_bytes"), number("memory.max_usage_in_bytes"));
                Error::MemoryInUse { limit, usage, peak }
            }
            _ => error,
        }
    }
}

/// A task that is still being made cannot be moved: the kernel says "invalid" for a moment.
fn enter_one(directory: &Path, pid: &str) -> Result<()> {
    let mut delay = Duration::from_millis(1);
    loop {
        match file::write(directory, "cgroup.procs", pid) {
            Err(error) if error.errno() == Some(Errno::INVAL) && delay < Duration::from_millis(100) => {
                std::thread::sleep(delay);
                delay *= 2;
            }
            result => return result,
        }
    }
}
