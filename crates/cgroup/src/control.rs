//! The seam: what every driver can do with the group of one container.

use crate::file;
use crate::{Error, OomWatch, Paths, Result, Stats};
use rustix::fs::{Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::os::fd::OwnedFd;
use std::path::Path;
use tierce_oci::runtime::Resources;

/// The control group of one container.
///
/// A manager holds paths and no state of its own: two managers of the same paths, in different processes, are the
/// same manager. Order of use: [`create`](Manager::create), [`set`](Manager::set), [`enter`](Manager::enter), …,
/// [`delete`](Manager::delete). Setting before entering keeps a process from running without its limits. Where groups
/// do not [precede](Manager::precedes_processes) their processes: [`adopt`](Manager::adopt) a process that waits,
/// [`set`](Manager::set), let it go.
pub trait Manager: Send + Sync {
    /// Makes the group in every hierarchy, with its parents. A group that exists is left as it is.
    fn create(&self) -> Result<()>;

    /// Whether a group can be made before there is a process in it: not so where systemd makes it.
    fn precedes_processes(&self) -> bool {
        true
    }

    /// Makes the group around a process that is there already, and is its first. After a failure there is no group, or
    /// one that is not ours.
    fn adopt(&self, pid: u32) -> Result<()> {
        self.create()?;
        self.enter(pid)
    }

    /// Moves a process, with all its threads, into the group.
    fn enter(&self, pid: u32) -> Result<()>;

    /// Sets limits and device rules. What `resources` leaves out stays as it is, and so does an empty list of device
    /// rules; to confine a new container whose specification has none, give one rule that denies everything (what
    /// every container may use is added to any list).
    fn set(&self, resources: &Resources) -> Result<()>;

    /// Whether the group is frozen. A group that does not exist is not.
    fn frozen(&self) -> Result<bool>;

    /// Freezes or thaws all tasks of the group and waits until it is so.
    fn set_frozen(&self, frozen: bool) -> Result<()>;

    /// What the group has used. Controllers that are missing leave their part at zero.
    fn stats(&self) -> Result<Stats>;

    /// Starts to watch for OOM kills.
    fn watch_oom(&self) -> Result<OomWatch>;

    /// Removes the group and the groups below it. One that is gone is no error; one that still empties itself is
    /// waited for, about a second.
    fn delete(&self) -> Result<()>;

    /// Where the group is, as kept in the state document.
    fn paths(&self) -> &Paths;
}

impl dyn Manager + '_ {
    /// Refuses a group that something else already uses: one with processes, or a frozen one in which the container
    /// would never start. Called before [`Manager::create`] of a new container.
    pub fn refuse_occupied(&self) -> Result<()> {
        match self.pids()?.len() {
            0 => {}
            count => return Err(Error::Occupied(count)),
        }
        // Also of a v1 group that exists in the freezer's hierarchy alone.
        if self.frozen()? { Err(Error::Frozen) } else { Ok(()) }
    }

    /// All processes of the group and of the groups below it, in no order. A group that is gone has none.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let mut pids = Vec::new();
        if let Some(directory) = self.paths().processes() {
            collect_pids(directory, &mut pids)?;
        }
        Ok(pids)
    }

    /// Kills every process of the group and of the groups below it. They are dead when they have been reaped or their
    /// group can be deleted, which the caller waits for.
    ///
    /// One write where the kernel can do it (v2 since 5.14); else frozen, so that none can fork away, killed, thawed.
    pub fn kill_all(&self) -> Result<()> {
        if let Some(unified) = self.paths().unified() {
            match file::write(unified, "cgroup.kill", "1") {
                Err(error) if error.errno() == Some(Errno::NOENT) => {}
                result => return result,
            }
        }
        if let Some(beside) = self.paths().beside() {
            // On a hybrid machine a process is born there, perhaps before its v1 groups exist; an old kernel cannot.
            let _ = file::write(beside, "cgroup.kill", "1");
        }
        // A machine without a freezer still gets its processes killed: the rounds below catch up with forks.
        let frozen = self.set_frozen(true).is_ok();
        for _ in 0..if frozen { 1 } else { 10 } {
            let pids = self.pids()?;
            if pids.is_empty() {
                break;
            }
            for pid in pids.into_iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
                // One that ended meanwhile is as good as killed.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if frozen { self.set_frozen(false) } else { Ok(()) }
    }

    /// Gives a v2 group to a user, who may then make groups in it and move its processes between them: the directory and
    /// the files that the kernel names for this (`/sys/kernel/cgroup/delegate`, cgroups(7)). Nothing on v1, where that
    /// would hand out the limits too. Source: runtime-spec `config-linux.md#cgroup-ownership`.
    pub fn delegate(&self, owner: u32) -> Result<()> {
        let Some(directory) = self.paths().unified() else {
            return Ok(());
        };
        let names = file::read_path(Path::new("/sys/kernel/cgroup/delegate"))
            .unwrap_or_else(|_| "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n".to_owned());
        let files = names.lines().map(|name| directory.join(name));
        for path in std::iter::once(directory.to_owned()).chain(files) {
            match rustix::fs::chown(&path, Some(Uid::from_raw(owner)), None) {
                // The list is of all controllers, the group has some of them.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(source) => {
                    return Err(Error::File {
                        verb: "chown",
                        path,
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    /// Makes the v2 group of a hybrid machine before the others, and returns a descriptor as [`directory`] does; `None`
    /// elsewhere, and where it cannot be had.
    ///
    /// [`directory`]: #method.directory
    pub fn create_beside(&self) -> Option<OwnedFd> {
        let _ = file::make_directory(self.paths().beside()?);
        self.directory().ok().flatten()
    }

    /// A descriptor of the group's v2 directory, for `clone3(CLONE_INTO_CGROUP)`; `None` on v1. A process born in it
    /// needs no [`Manager::enter`], but on a hybrid machine to the v1 groups.
    pub fn directory(&self) -> Result<Option<OwnedFd>> {
        let Some(path) = self.paths().controller("") else {
            return Ok(None);
        };
        if self.paths().beside().is_some() && !file::exists(path) {
            return Ok(None);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .map(Some)
            .map_err(|source| Error::File {
                verb: "open",
                path: path.to_owned(),
                source,
            })
    }
}

fn collect_pids(directory: &Path, pids: &mut Vec<u32>) -> Result<()> {
    let text = match file::read(directory, "cgroup.procs") {
        // A threaded group shows its processes only at its top.
        Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => file::read(directory, "cgroup.threads"),
        result => result,
    };
    let text = match text {
        Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NODEV)) => return Ok(()),
        result => result?,
    };
    for line in text.lines() {
        let pid = line.parse().map_err(|_| Error::Parse {
            path: directory.join("cgroup.procs"),
            found: line.into(),
        })?;
        pids.push(pid);
    }
    for child in file::children(directory)? {
        collect_pids(&child, pids)?;
    }
    Ok(())
}
