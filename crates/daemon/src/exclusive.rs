//! One daemon a data root: the lock, and the file with the process id.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Name of the lock file in each root.
const LOCK: &str = "tierced.lock";

/// Holds the roots and the process-id file for as long as it lives.
#[derive(Debug)]
pub(crate) struct Exclusive {
    _locks: [File; 2],
    pidfile: PathBuf,
}

impl Exclusive {
    /// Makes the roots where they are missing, locks them, and writes the process id. A crash releases the locks, so a
    /// left-over process-id file is no obstacle, but the one of another daemon that lives is.
    pub(crate) fn acquire(data_root: &Path, exec_root: &Path, pidfile: &Path) -> Result<Self> {
        let locks = [lock(data_root, 0o710)?, lock(exec_root, 0o700)?];
        if let Some(other) = daemon_of(pidfile) {
            bail!(
                "failed to start daemon, ensure docker is not running or delete {}: process with PID {other} is still running",
                pidfile.display()
            );
        }
        if let Some(directory) = pidfile.parent() {
            std::fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        }
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(pidfile)
            .with_context(|| format!("write process id to {}", pidfile.display()))?;
        write!(file, "{}", std::process::id()).with_context(|| format!("write process id to {}", pidfile.display()))?;
        Ok(Self {
            _locks: locks,
            pidfile: pidfile.to_owned(),
        })
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // A file that somebody removed meanwhile is as good.
        let _ = std::fs::remove_file(&self.pidfile);
    }
}

/// The process that such a file names, if it is a daemon and lives. A number may have gone to another program since.
fn daemon_of(pidfile: &Path) -> Option<u32> {
    let pid: u32 = std::fs::read_to_string(pidfile).ok()?.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    // A dead one that nobody has waited for yet has its name still, and no program any more.
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    (pid != std::process::id() && matches!(name.trim(), "tierced" | "dockerd")).then_some(pid)
}

fn lock(root: &Path, mode: u32) -> Result<File> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(root)
        .with_context(|| format!("create {}", root.display()))?;
    let path = root.join(LOCK);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("lock {}: another daemon works there", root.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_daemons_do_not_share_a_root() {
        let directory = tempfile::tempdir().unwrap();
        let (data, exec) = (directory.path().join("data"), directory.path().join("exec"));
        let pidfile = directory.path().join("run/pid");
        let first = Exclusive::acquire(&data, &exec, &pidfile).unwrap();
        assert_eq!(
            std::fs::read_to_string(&pidfile).unwrap(),
            std::process::id().to_string()
        );
        let other = Exclusive::acquire(&data, &directory.path().join("exec2"), &pidfile).unwrap_err();
        assert!(other.to_string().contains("another daemon works there"), "{other}");
        drop(first);
        assert!(!pidfile.exists());
        // The number of a program that is no daemon is a leftover.
        std::fs::write(&pidfile, std::os::unix::process::parent_id().to_string()).unwrap();
        Exclusive::acquire(&data, &exec, &pidfile).unwrap();
    }

    #[test]
    fn a_daemon_that_was_killed_and_not_waited_for_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let (program, pidfile) = (directory.path().join("tierced"), directory.path().join("pid"));
        std::fs::copy("/bin/sleep", &program).unwrap();
        let mut daemon = std::process::Command::new(&program).arg("100").spawn().unwrap();
        std::fs::write(&pidfile, daemon.id().to_string()).unwrap();
        // Whoever has started it goes on a moment before it has its name.
        while daemon_of(&pidfile).is_none() && daemon.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(daemon_of(&pidfile), Some(daemon.id()));
        daemon.kill().unwrap();
        // Not waited for: it stays a zombie.
        while std::fs::read_link(format!("/proc/{}/exe", daemon.id())).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(daemon_of(&pidfile), None);
        daemon.wait().unwrap();
    }
}
