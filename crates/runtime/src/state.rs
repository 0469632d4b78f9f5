//! What is kept of a container under `--root`, and what follows from it and from the kernel.
//!
//! ```text
//! <root>/<id>/            0700, made first: its existence takes the id
//!   config.json           the bundle's document as it was at create
//!   state.json            the Record, in runc's form
//!   exec.fifo             exists between create and start; init waits for a byte in it
//!   start.answer          only with startContainer hooks: why init failed after that byte
//! ```
//!
//! ```text
//!  no pid ── creating        pid alive, fifo ── created        pid alive, no fifo ── running (or paused)
//!  pid dead, zombie, or of another process ── stopped
//! ```

use crate::error::{Doing, Error};
use crate::failpoint::{Point, reach};
use crate::state_document::Document;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tierce_oci::runtime::{Hooks, Spec, State, Status};
use tierce_sys::namespaces::Kinds;

/// Where states live when `--root` is not given, as runc's for root.
pub(crate) const DEFAULT_ROOT: &str = "/run/tierce/runtime";

/// The kept facts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Document", into = "Document")]
pub(crate) struct Record {
    /// The container's id.
    pub(crate) id: String,
    /// Version of the specification that the bundle follows.
    pub(crate) oci_version: String,
    /// Host pid of init; 0 while creating.
    pub(crate) pid: i32,
    /// Its start time in clock ticks since boot, which tells it from a later process of the same pid.
    pub(crate) start_time: u64,
    /// The bundle directory.
    pub(crate) bundle: PathBuf,
    /// The root file system on the host.
    pub(crate) rootfs: PathBuf,
    /// When it was created, RFC 3339.
    pub(crate) created: String,
    /// The document's annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Where its control group is; empty without one.
    pub(crate) cgroup_paths: tierce_cgroup::Paths,
    /// Who made it.
    pub(crate) cgroup_driver: tierce_cgroup::Driver,
    /// The directory of resctrl that is taken away with it; empty without one.
    pub(crate) resctrl: PathBuf,
    /// Names of the kinds of namespaces in which it differs from the host.
    pub(crate) namespaces: Vec<String>,
    /// Whether it kept its creator's session keyring.
    pub(crate) no_new_keyring: bool,
    /// The document's hooks; kept here so that `start` and `delete` need not read all of the document for them.
    pub(crate) hooks: Option<Hooks>,
}

/// A container's directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
}

/// A container's directory, held: it is told from a later one of the same name.
#[derive(Debug)]
pub(crate) struct Held(OwnedFd);

impl Held {
    /// Whether it has been removed since.
    pub(crate) fn is_removed(&self) -> Result<bool, Error> {
        let stat = rustix::fs::fstat(&self.0).doing(|| "stat the container's directory".into())?;
        Ok(stat.st_nlink == 0)
    }
}

/// Checks an id: it becomes a file name and a part of control group paths.
pub(crate) fn check_id(id: &str) -> Result<(), Error> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() || id.len() > 1024 || id == "." || id == ".." || !id.bytes().all(good) {
        return Err(Error::Id(id.to_owned()));
    }
    Ok(())
}

impl Home {
    /// Takes the id.
    ///
    /// # Errors
    /// [`Error::Id`], [`Error::Exists`], or [`Error::Kernel`].
    pub(crate) fn create(root: &Path, id: &str) -> Result<Self, Error> {
        check_id(id)?;
        let path = root.join(id);
        for attempt in 0..2 {
            match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o711)) {
                Ok(()) => return Ok(Self { path }),
                Err(Errno::EXIST) => return Err(Error::Exists),
                Err(Errno::NOENT) if attempt == 0 => {
                    std::fs::create_dir_all(root).doing(|| format!("mkdir {}", root.display()))?;
                }
                Err(source) => {
                    return Err(Error::Kernel {
                        action: format!("mkdir {}", path.display()),
                        source,
                    });
                }
            }
        }
        Err(Error::NotFound)
    }

    /// The directory of a container that may exist.
    pub(crate) fn of(root: &Path, id: &str) -> Result<Self, Error> {
        check_id(id)?;
        Ok(Self { path: root.join(id) })
    }

    /// Holds the directory.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is gone.
    pub(crate) fn hold(&self) -> Result<Held, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Err(Errno::NOENT) => Err(Error::NotFound),
            result => result.doing(|| format!("open {}", self.path.display())).map(Held),
        }
    }

    /// The state directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let (temporary, target) = (self.path.join(format!(".{name}")), self.path.join(name));
        std::fs::write(&temporary, bytes).doing(|| format!("write {}", temporary.display()))?;
        std::fs::rename(&temporary, &target).doing(|| format!("rename {}", target.display()))
    }

    /// Keeps the bundle's document as it is now.
    pub(crate) fn keep_config(&self, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join("config.json");
        std::fs::write(&path, bytes).doing(|| format!("write {}", path.display()))
    }

    /// The kept document.
    pub(crate) fn config(&self) -> Result<Spec, Error> {
        let path = self.path.join("config.json");
        let bytes = std::fs::read(&path).doing(|| format!("read {}", path.display()))?;
        Ok(Spec::from_json(&bytes)?)
    }

    /// Keeps the facts; replaces the file in one step.
    pub(crate) fn save(&self, record: &Record) -> Result<(), Error> {
        let bytes = serde_json::to_vec(record).map_err(|error| Error::Invalid(format!("write state.json: {error}")))?;
        self.write("state.json", &bytes)
    }

    /// The kept facts.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such container.
    pub(crate) fn load(&self) -> Result<Record, Error> {
        let path = self.path.join("state.json");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::NotFound),
            Err(error) => return Err(error).doing(|| format!("read {}", path.display())),
        };
        Ok(tierce_oci::json::parse(&path.display().to_string(), &bytes)?)
    }

    /// Removes the directory. Its being gone already is no error.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        // What lies there as a rule goes without a listing, the record last: whoever finds it can go on.
        for name in ["config.json", "state.json"] {
            let _ = rustix::fs::unlink(self.path.join(name));
        }
        if rustix::fs::rmdir(&self.path).is_ok() {
            return Ok(());
        }
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).doing(|| format!("remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    fn fifo(&self) -> PathBuf {
        self.path.join("exec.fifo")
    }

    /// Makes the fifo and opens it as init does, which waits for a byte in it.
    ///
    /// As its own writer the read end exists at once, which is how `start` knows that init is there; a mere read(2)
    /// waits for the byte, which every filter lets through; and a `start` that dies before it wrote is not taken for the
    /// word to go. Nobody but init may keep it open: that it has a reader says that init waits.
    pub(crate) fn make_fifo(&self) -> Result<OwnedFd, Error> {
        let path = self.fifo();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::from_raw_mode(0o600))
            .doing(|| format!("mkfifo {}", path.display()))?;
        rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .doing(|| format!("open {}", path.display()))
    }

    /// Whether init still waits for `start`. A fifo that nobody reads is what a `start` left that died.
    pub(crate) fn has_fifo(&self) -> bool {
        self.open_fifo().is_ok()
    }

    fn answer(&self) -> PathBuf {
        self.path.join("start.answer")
    }

    /// Makes the file in which init tells why it failed between `start` and its program.
    pub(crate) fn make_answer(&self) -> Result<OwnedFd, Error> {
        let path = self.answer();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).doing(|| format!("create {}", path.display()))
    }

    /// What init told in that file, if anything. The file is gone then.
    pub(crate) fn take_answer(&self) -> Result<Option<String>, Error> {
        let path = self.answer();
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            result => result.doing(|| format!("read {}", path.display()))?,
        };
        std::fs::remove_file(&path).doing(|| format!("remove {}", path.display()))?;
        Ok((!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn open_fifo(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::open(self.fifo(), flags, Mode::empty())
    }

    /// Lets init go: exactly one caller can. The end that is returned reports [`PollFlags::ERR`] once init does not
    /// read any more, for it has executed its program or ended.
    ///
    /// The fifo is removed last, so that a caller that dies before has started nothing, or has started it.
    ///
    /// [`PollFlags::ERR`]: rustix::event::PollFlags::ERR
    pub(crate) fn open_fifo_once(&self) -> Result<OwnedFd, Error> {
        let path = self.fifo();
        let running = || Error::Status("cannot start an already running container".into());
        let end = match self.open_fifo() {
            Ok(end) => end,
            Err(Errno::NOENT | Errno::NXIO) => return Err(running()),
            Err(source) => {
                return Err(Error::Kernel {
                    action: format!("open {}", path.display()),
                    source,
                });
            }
        };
        reach(Point::FifoOpened)?;
        rustix::io::write(&end, b"0").doing(|| format!("write {}", path.display()))?;
        reach(Point::FifoWritten)?;
        match rustix::fs::unlink(&path) {
            Err(Errno::NOENT) => return Err(running()),
            result => result.doing(|| format!("remove {}", path.display()))?,
        }
        Ok(end)
    }
}

impl Record {
    /// Whether init lives.
    pub(crate) fn is_alive(&self) -> bool {
        self.pid > 0 && start_time(self.pid).is_some_and(|time| time == self.start_time)
    }

    /// A descriptor of init, if it lives.
    pub(crate) fn pidfd(&self) -> Result<OwnedFd, Error> {
        let pid = rustix::process::Pid::from_raw(self.pid).ok_or(Error::NotRunning)?;
        let pidfd = match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Err(Error::NotRunning),
            Err(error) => return Err(error).doing(|| format!("pidfd_open {}", self.pid)),
        };
        // Only now that the descriptor pins the process does the start time prove which one it is.
        if self.is_alive() {
            Ok(pidfd)
        } else {
            Err(Error::NotRunning)
        }
    }

    /// Whether the container has a pid namespace of its own, with whose first process all others end.
    pub(crate) fn owns_pids(&self) -> bool {
        self.namespaces.iter().any(|name| name == "pid")
    }

    /// The kinds of namespaces in which the container differs from the host.
    pub(crate) fn kinds(&self) -> Kinds {
        crate::namespaces::ALL
            .into_iter()
            .filter(|kind| {
                self.namespaces
                    .iter()
                    .any(|name| name == crate::namespaces::file_name(*kind))
            })
            .fold(Kinds::NONE, |kinds, kind| kinds | crate::namespaces::bit(kind))
    }

    /// The specification's state document.
    pub(crate) fn document(&self, status: Status) -> State {
        State {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            status,
            pid: (status != Status::Stopped && self.pid > 0).then_some(self.pid),
            bundle: self.bundle.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

/// The start time of a process that is neither dead nor a zombie (proc_pid_stat(5), fields 3 and 22).
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(format!("/proc/{pid}/stat"), flags, Mode::empty()).ok()?;
    // The kernel makes the line anew for each open file and gives it at once; the longest possible is shorter.
    let mut buffer = [0; 1024];
    let length = rustix::io::read(&file, &mut buffer).ok()?;
    parse_stat(&String::from_utf8_lossy(&buffer[..length]))
}

fn parse_stat(text: &str) -> Option<u64> {
    // The second field is the program's name in parentheses and may itself contain any character.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" | "x" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_would_leave_the_directory_are_refused() {
        for id in ["", ".", "..", "a/b", "../x", "a b", "ä"] {
            assert!(check_id(id).is_err(), "{id}");
        }
        assert!(check_id("a-B_9.+").is_ok());
    }

    #[test]
    fn a_hostile_program_name_does_not_shift_the_fields() {
        let rest = (4..=21).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(parse_stat(&format!("1 (a) Z 1) S {rest} 777 0")), Some(777));
        assert_eq!(parse_stat(&format!("1 (a) Z {rest} 777 0")), None);
    }

    #[test]
    fn an_id_is_taken_once() {
        let root = tempfile::tempdir().expect("a directory");
        Home::create(root.path(), "one").expect("first");
        assert!(matches!(Home::create(root.path(), "one"), Err(Error::Exists)));
    }

    proptest::proptest! {
        #[test]
        fn no_stat_line_panics(text in ".{0,80}") {
            let _ = parse_stat(&text);
        }
    }
}
