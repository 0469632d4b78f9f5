//! One supervisor an exec root: two would both take an exit, and both clean up.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tierce_fault::Kind;
use tierce_task::{Error, Result};

use crate::bundle;

/// Name of the lock file below the exec root.
const LOCK: &str = "supervisor.lock";
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Whoever has it looks after the containers of an exec root. Also a crash gives it back.
#[derive(Debug)]
pub struct Custody {
    _lock: File,
}

impl Custody {
    /// Takes it; the directory is made where it is missing. Who has it is waited for as long as `patience`: one that is
    /// ending, or that only looks whether anybody has it. Blocks.
    ///
    /// # Errors
    /// Kind `Conflict` with the process id of who has it; those of the files.
    pub fn take(exec_root: &Path, patience: Duration) -> Result<Self> {
        bundle::make_directory(exec_root)?;
        let path = exec_root.join(LOCK);
        let failed = |verb, source| Error::Bundle {
            verb,
            path: path.clone(),
            source,
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("open", error))?;
        match try_until(&file, Instant::now() + patience) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Without it the message says less.
                let _ = file.read_to_string(&mut holder);
                let message = format!(
                    "cannot look after the containers of {}: process {} does (end it, or let the engine use it with \
                     --containerd)",
                    exec_root.display(),
                    holder.trim()
                );
                return Err(Error::Refused {
                    kind: Kind::Conflict,
                    message,
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", error)),
        }
        file.set_len(0).map_err(|error| failed("write", error))?;
        writeln!(file, "{}", std::process::id()).map_err(|error| failed("write", error))?;
        Ok(Self { _lock: file })
    }
}

fn try_until(file: &File, deadline: Instant) -> std::result::Result<(), TryLockError> {
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_097_two_do_not_look_after_the_same_containers() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("exec");
        let first = Custody::take(&root, Duration::ZERO).unwrap();
        let refused = Custody::take(&root, Duration::ZERO).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {} does", std::process::id())),
            "{refused}"
        );
        drop(first);
        drop(Custody::take(&root, Duration::ZERO).unwrap());
    }

    #[test]
    fn row_097_one_that_is_ending_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let first = Custody::take(&root, Duration::ZERO).unwrap();
        let next = std::thread::spawn(move || Custody::take(&root, Duration::from_mins(1)).map(drop));
        // It is most likely waiting by then; if it is not, it has nothing to wait for.
        std::thread::sleep(PAUSE * 3);
        drop(first);
        next.join().unwrap().unwrap();
    }
}
