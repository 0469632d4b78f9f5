//! What a machine looks like before and after: mounts, control groups, processes, keyrings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What is there at one moment and belongs to one daemon: everything that names its directories or containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    mounts: BTreeSet<String>,
    groups: BTreeSet<String>,
    processes: BTreeSet<String>,
    keyrings: BTreeSet<String>,
}

impl Snapshot {
    /// Looks for everything that names one of these words.
    pub fn of(words: &[&str]) -> Self {
        let ours = |text: &str| words.iter().any(|word| text.contains(word));
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("read mountinfo");
        let mounts = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|path| ours(path))
            .map(str::to_owned);
        let mut groups = BTreeSet::new();
        walk(Path::new("/sys/fs/cgroup"), 0, &mut |path| {
            if ours(path) {
                groups.insert(path.to_owned());
            }
        });
        let processes = fs::read_dir("/proc")
            .expect("read /proc")
            .flatten()
            .filter_map(|entry| {
                let line = process(&entry.path())?;
                ours(&line).then(|| format!("{} {line}", entry.file_name().to_string_lossy()))
            });
        // A kernel without keyrings has no such file.
        let keyrings = fs::read_to_string("/proc/keys").unwrap_or_default();
        let keyrings = keyrings.lines().filter(|line| ours(line)).map(str::to_owned);
        Self {
            mounts: mounts.collect(),
            groups,
            processes: processes.collect(),
            keyrings: keyrings.collect(),
        }
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same without this process.
    #[must_use]
    pub fn without_process(mut self, pid: u32) -> Self {
        let start = format!("{pid} ");
        self.processes.retain(|process| !process.starts_with(&start));
        self
    }

    /// Panics unless nothing is there.
    #[track_caller]
    pub fn assert_empty(&self) {
        assert!(self.is_empty(), "left behind: {self:#?}");
    }
}

/// How a process shows whose it is: by its command line, its control groups, and its root directory. A zombie has none
/// of these but its groups; it is its parent's to take.
fn process(directory: &Path) -> Option<String> {
    let line = fs::read(directory.join("cmdline")).ok()?;
    if line.is_empty() {
        return None;
    }
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let groups = fs::read_to_string(directory.join("cgroup")).unwrap_or_default();
    let root = fs::read_link(directory.join("root")).unwrap_or_default();
    Some(format!(
        "{line}, root {}, groups {}",
        root.display(),
        groups.replace('\n', " ")
    ))
}

/// Removes an empty control group from every hierarchy.
pub(crate) fn remove_group_everywhere(name: &str) {
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        // It is not in every hierarchy.
        let _ = fs::remove_dir(hierarchy.path().join(name));
    }
    let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(name));
}

fn walk(directory: &Path, depth: usize, visit: &mut impl FnMut(&str)) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        visit(&entry.path().to_string_lossy());
        if depth < 6 {
            walk(&entry.path(), depth + 1, visit);
        }
    }
}
