//! Opening what containerd names as a process's streams: FIFOs, `fifo://` and `file://`.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use tierce_fault::Kind;

use super::peer::Role;
use crate::error::{Doing, Error, Result};

/// The names by which a create or exec request gives the streams; empty is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Names {
    /// Opens them all. Standard output and standard error may be the same FIFO.
    pub(crate) fn open(&self, terminal: bool) -> Result<Vec<(OwnedFd, Role)>> {
        let mut opened = Vec::new();
        let role = Role {
            lasting: true,
            ..Role::default()
        };
        if !self.stdin.is_empty() {
            let path = PathBuf::from(&self.stdin);
            // For writing too: a client may then go away and another come; only CloseIO ends the input (as containerd).
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let fd = open(&path, flags, Mode::empty()).on("open standard input", &path)?;
            opened.push((fd, Role { stdin: true, ..role }));
        }
        if !self.stdout.is_empty() {
            let both = !terminal && self.stdout == self.stderr;
            opened.push((
                output(&self.stdout)?,
                Role {
                    stdout: true,
                    stderr: both,
                    ..role
                },
            ));
        }
        if !self.stderr.is_empty() && !terminal && self.stdout != self.stderr {
            opened.push((output(&self.stderr)?, Role { stderr: true, ..role }));
        }
        Ok(opened)
    }
}

fn output(name: &str) -> Result<OwnedFd> {
    if let Some(path) = name.strip_prefix("file://") {
        let path = Path::new(path);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
        return open(path, flags, Mode::from_raw_mode(0o600)).on("open output", path);
    }
    let path = name.strip_prefix("fifo://").unwrap_or(name);
    if path.contains("://") {
        return Err(Error::refused(
            Kind::NotImplemented,
            format!("output {name:?} is neither a FIFO nor a file"),
        ));
    }
    // For reading too: opening then does not wait for a reader, and one that goes away and comes back misses nothing.
    let path = Path::new(path);
    open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).on("open output", path)
}
