//! Which hierarchies this machine has, and in which groups a process is.
//!
//! Source: cgroups(7), proc_pid_mountinfo(5), proc_pid_cgroup(5).

use crate::{Error, Result, file};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How control groups are set up on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only v1 hierarchies.
    Legacy,
    /// v1 hierarchies with the controllers, and a v2 one without.
    Hybrid,
    /// One v2 hierarchy.
    Unified,
}

/// Where systems mount them.
const MOUNTPOINT: &str = "/sys/fs/cgroup";
/// What the kernel says of this process's groups.
const OWN: &str = "/proc/self/cgroup";
/// `CGROUP2_SUPER_MAGIC` and `CGROUP_SUPER_MAGIC` of linux/magic.h
const CGROUP2_MAGIC: u64 = 0x6367_7270;
const CGROUP_MAGIC: u64 = 0x0027_e0eb;

/// The controllers that the v1 driver knows, in the order in which a process enters them.
pub(crate) const CONTROLLERS: [&str; 15] = [
    "devices",
    "memory",
    "cpu",
    "cpuset",
    "cpuacct",
    "pids",
    "blkio",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
    "freezer",
    "rdma",
    "misc",
    "name=systemd",
];

/// The mounted hierarchies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    /// Mount point of each v1 controller; those mounted together have the same.
    pub(crate) v1: Vec<(&'static str, PathBuf)>,
    /// Mount point of the v2 hierarchy.
    pub(crate) v2: Option<PathBuf>,
}

impl Hierarchies {
    /// Looks at the machine. The table of mounts, which grows with every container, is read only where hierarchies are
    /// not at their usual places.
    pub(crate) fn find() -> Result<Self> {
        if is_v2(Path::new(MOUNTPOINT)) {
            return Ok(Self {
                v1: Vec::new(),
                v2: Some(MOUNTPOINT.into()),
            });
        }
        let membership = file::read_path(Path::new("/proc/self/cgroup"))?;
        if let Some(found) = Self::at_usual_places(&membership, has_magic) {
            return Ok(found);
        }
        let found = Self::parse(&file::read_path(Path::new("/proc/self/mountinfo"))?);
        if found.v1.is_empty() && found.v2.is_none() {
            Err(Error::NotMounted)
        } else {
            Ok(found)
        }
    }

    /// The hierarchies of proc_pid_cgroup(5), each at `/sys/fs/cgroup/<its controllers>`, if all of them are there.
    pub(crate) fn at_usual_places(membership: &str, is_a: impl Fn(&Path, u64) -> bool) -> Option<Self> {
        let mut found = Self::default();
        for line in membership.lines() {
            let controllers = line.split(':').nth(1)?;
            if controllers.is_empty() {
                let place = Path::new(MOUNTPOINT).join("unified");
                found.v2 = is_a(&place, CGROUP2_MAGIC).then_some(place);
                continue;
            }
            let place = Path::new(MOUNTPOINT).join(controllers.strip_prefix("name=").unwrap_or(controllers));
            for controller in controllers.split(',') {
                let Some(known) = CONTROLLERS.iter().find(|known| **known == controller) else {
                    continue;
                };
                if !is_a(&place, CGROUP_MAGIC) {
                    return None;
                }
                found.v1.push((*known, place.clone()));
            }
        }
        found.sort();
        (!found.v1.is_empty()).then_some(found)
    }

    fn sort(&mut self) {
        self.v1
            .sort_by_key(|(name, _)| CONTROLLERS.iter().position(|known| known == name));
    }

    /// Reads a table of mounts; of several mounts of one hierarchy the first counts.
    pub(crate) fn parse(mountinfo: &str) -> Self {
        let mut found = Self::default();
        for line in mountinfo.lines() {
            // 36 35 98:0 /root /mountpoint options optional… - type source superoptions
            let Some((left, right)) = line.split_once(" - ") else {
                continue;
            };
            let Some(mountpoint) = left.split(' ').nth(4) else {
                continue;
            };
            let mut right = right.split(' ');
            match right.next() {
                Some("cgroup2") => {
                    found.v2.get_or_insert_with(|| unescape(mountpoint));
                }
                Some("cgroup") => {
                    for option in right.nth(1).unwrap_or_default().split(',') {
                        let known = CONTROLLERS.iter().find(|known| **known == option);
                        if let Some(known) = known
                            && !found.v1.iter().any(|(name, _)| name == known)
                        {
                            found.v1.push((*known, unescape(mountpoint)));
                        }
                    }
                }
                _ => {}
            }
        }
        found.sort();
        found
    }

    /// The hierarchies in which a container has a group: the v2 one under the empty name, alone, or on a hybrid machine
    /// beside those of v1.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let v1 = if self.mode() == Mode::Unified {
            &[][..]
        } else {
            &self.v1[..]
        };
        let v2 = self.v2.iter().map(|mount| ("", mount.as_path()));
        v1.iter().map(|(name, mount)| (*name, mount.as_path())).chain(v2)
    }

    /// Whether the v2 hierarchy alone carries the controllers.
    pub(crate) fn mode(&self) -> Mode {
        // `name=systemd` alone is what systemd keeps for itself on some v2 machines.
        let has_controllers = self.v1.iter().any(|(name, _)| !name.starts_with("name="));
        match (has_controllers, &self.v2) {
            (false, Some(_)) => Mode::Unified,
            (_, Some(_)) => Mode::Hybrid,
            (_, None) => Mode::Legacy,
        }
    }
}

fn has_magic(path: &Path, magic: u64) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type as u64 == magic)
}

fn is_v2(path: &Path) -> bool {
    has_magic(path, CGROUP2_MAGIC)
}

/// How control groups are set up on this machine.
///
/// # Errors
/// [`Error::NotMounted`] when there are none.
pub fn mode() -> Result<Mode> {
    Hierarchies::find().map(|found| found.mode())
}

/// Undoes the octal escapes of mountinfo (space, tab, newline, backslash).
fn unescape(text: &str) -> PathBuf {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let byte = escape.get(1..4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(byte.map_or('\\', char::from));
        rest = &escape[if byte.is_some() { 4 } else { 1 }..];
    }
    out.push_str(rest);
    out.into()
}

/// The groups of a process, as it sees them: controller → path in its hierarchy, the v2 one under the empty name.
///
/// # Errors
/// [`Error::File`] with `ENOENT` when there is no such process.
pub fn of_pid(pid: u32) -> Result<BTreeMap<String, String>> {
    let path = PathBuf::from(format!("/proc/{pid}/cgroup"));
    parse_membership(&file::read_path(&path)?).map_err(|found| Error::Parse { path, found })
}

/// The groups of this process.
pub(crate) fn of_self() -> Result<BTreeMap<String, String>> {
    let path = PathBuf::from(OWN);
    parse_membership(&own_text()?).map_err(|found| Error::Parse { path, found })
}

/// The groups of this process as the kernel writes them: a line `id:controller,controller:path` a hierarchy.
///
/// # Errors
/// [`Error::File`] when `/proc` is not mounted.
pub fn own_text() -> Result<String> {
    file::read_path(Path::new(OWN))
}

/// Lines of `id:controller,controller:path`.
pub(crate) fn parse_membership(text: &str) -> std::result::Result<BTreeMap<String, String>, String> {
    let mut groups = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(line.to_owned());
        };
        for controller in controllers.split(',') {
            groups.insert(controller.to_owned(), path.to_owned());
        }
    }
    Ok(groups)
}
