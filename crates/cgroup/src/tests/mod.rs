//! Tests against the running kernel. Every test makes its groups below a name of its own and removes them.
//!
//! The v1 tests need v1 hierarchies. The v2 tests use whatever v2 hierarchy there is; on a hybrid machine it has no
//! controllers, but it kills, freezes and filters devices.

mod devices;
mod parsing;
mod timing;
mod v1;
mod v2;

use crate::hierarchy::Hierarchies;
use crate::{Driver, Manager, Mode, load, open};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tierce_oci::runtime::Resources;

/// A group of a test's own, removed with its parent when the test ends, however it ends.
struct Group {
    manager: Box<dyn Manager>,
}

impl std::ops::Deref for Group {
    type Target = dyn Manager;
    fn deref(&self) -> &Self::Target {
        self.manager.as_ref()
    }
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!(
        "tierce-test-{:x}-{time:x}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

impl Group {
    /// On the v1 hierarchies, or `None` with the reason told.
    fn v1() -> Option<Self> {
        if rustix::process::geteuid().is_root() && matches!(crate::mode(), Ok(Mode::Legacy | Mode::Hybrid)) {
            let manager = open(&format!("/{}/group", unique()), Driver::Cgroupfs, &BTreeMap::new()).unwrap();
            return Some(Self { manager });
        }
        println!("skipped: needs root and v1 hierarchies");
        None
    }

    /// On a v2 hierarchy, or `None` with the reason told.
    fn v2() -> Option<Self> {
        let mountpoint = Hierarchies::find().ok().and_then(|found| found.v2);
        if let Some(mountpoint) = mountpoint.filter(|_| rustix::process::geteuid().is_root()) {
            let paths = [("", mountpoint.join(unique()).join("group"))].into_iter().collect();
            return Some(Self {
                manager: load(paths, Driver::Cgroupfs),
            });
        }
        println!("skipped: needs root and a v2 hierarchy");
        None
    }

    fn set_json(&self, json: &str) {
        self.set(&resources(json)).unwrap();
    }

    fn file(&self, controller: &str, name: &str) -> String {
        let path = self.paths().controller(controller).unwrap().join(name);
        std::fs::read_to_string(&path).unwrap().trim().to_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.manager.set_frozen(false);
        let _ = self.manager.kill_all();
        let deleted = self.manager.delete();
        for directory in self.manager.paths().directories() {
            let _ = std::fs::remove_dir(directory.parent().unwrap());
        }
        if !std::thread::panicking() {
            deleted.unwrap();
        }
    }
}

fn resources(json: &str) -> Resources {
    serde_json::from_str(json).unwrap()
}

/// A shell that waits in the group until it is let go; killed when the test ends.
struct Shell(Child);

impl Shell {
    fn new(group: &Group, script: &str) -> Self {
        let child = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("read go || exit 99; {script}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let shell = Self(child);
        group.enter(shell.0.id()).unwrap();
        shell
    }

    fn go(mut self) -> Self {
        self.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        self
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits up to ten seconds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_readable(watch: &crate::OomWatch) -> bool {
    let mut descriptors = [rustix::event::PollFd::new(watch, rustix::event::PollFlags::IN)];
    rustix::event::poll(
        &mut descriptors,
        Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }),
    )
    .unwrap()
        > 0
}

fn exist(paths: &[PathBuf]) -> Vec<bool> {
    paths.iter().map(|path| path.exists()).collect()
}

/// A document with every limit of the table in this room's documentation.
pub(crate) const EVERYTHING: &str = r#"{"cpu":{"shares":1024,"quota":50000,"period":100000},
    "memory":{"limit":1000000,"swap":3000000,"reservation":500000},
    "blockIO":{"weight":500,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":99}]}}"#;

/// The files that the table of the room's documentation names for its limits, in column 1 (v1) or 2 (v2).
pub(crate) fn documented(column: usize) -> Vec<String> {
    let rows = include_str!("../lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "));
    let limits = rows
        .skip_while(|row| !row.starts_with("CPU weight"))
        .take_while(|row| !row.starts_with("Devices"));
    let names: Vec<String> = limits
        .flat_map(|row| {
            row.split(" | ")
                .nth(column)
                .unwrap_or_default()
                .split('`')
                .skip(1)
                .step_by(2)
        })
        .map(str::to_owned)
        .collect();
    assert!(names.len() >= 7, "{names:?}");
    names
}
