//! Programs that a document wants run at points of the life cycle, with the container's state on their stdin.
//!
//! | Stage | Namespaces | Status told | Working directory | A failure |
//! |---|---|---|---|---|
//! | `prestart` | runtime's | created | bundle | undoes `create` |
//! | `createRuntime` | runtime's | creating | bundle | undoes `create` |
//! | `createContainer` | container's, root not changed yet | creating | rootfs | undoes `create` |
//! | `startContainer` | container's | created | the process's | fails `start`, the container stops |
//! | `poststart` | runtime's | running | bundle | fails `start`, the container is killed |
//! | `poststop` | runtime's | stopped | caller's | is told as a warning, the next ones run |
//!
//! A hook is the leader of a process group of its own, and the whole group is killed when its time is over. Without an
//! `env` it gets the runtime's environment, or the container process's where it runs in its place (`startContainer`), as
//! under runc. Sources: runtime-spec `config.md#posix-platform-hooks`, `runtime.md#lifecycle`.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tierce_fault::{Fault, Kind};
use tierce_oci::runtime::{Hook, Hooks, State};
use tierce_sys::Cause;

/// How much of each of a hook's output streams is kept for the error message.
const KEPT: usize = 4096;

/// The longest document that surely fits into a pipe that nobody reads yet (pipe(7): 16 pages by default).
const PIPE_CAPACITY: usize = 16 * 4096;

/// How often a hook is asked for its end where a seccomp filter forbids to wait for it properly.
const TICK: Duration = Duration::from_millis(10);

/// Why a hook cannot run, or how it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The document asks for what can never run.
    #[error("{0}")]
    Invalid(String),
    /// A hook failed or took too long.
    #[error("error running {stage} hook #{index}: {cause}")]
    Failed {
        /// Which list.
        stage: &'static str,
        /// Position in it.
        index: usize,
        /// Exit status, signal or time-out, with what it wrote to stderr.
        cause: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::Failed { .. } => Kind::Internal,
        }
    }
}

/// What surrounds the hooks of one moment.
#[derive(Debug, Default)]
pub struct Place {
    /// Their working directory; `None` is the caller's.
    pub directory: Option<PathBuf>,
    /// The environment of those that have none of their own; `None` is the caller's.
    pub environment: Option<Vec<(OsString, OsString)>>,
}

impl Place {
    /// A moment of the runtime's side: in the bundle, with the caller's environment.
    pub fn bundle(path: &Path) -> Self {
        Self {
            directory: Some(path.to_owned()),
            environment: None,
        }
    }
}

/// Refuses hooks that can never run.
///
/// # Errors
/// [`Error::Invalid`] naming the member.
pub fn check(hooks: &Hooks) -> Result<(), Error> {
    let lists = [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
        ("startContainer", &hooks.start_container),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ];
    for (stage, list) in lists {
        for (index, hook) in list.iter().enumerate() {
            if !hook.path.is_absolute() {
                return Err(Error::Invalid(format!(
                    "hooks.{stage}[{index}].path {:?} must be an absolute path",
                    hook.path.display().to_string()
                )));
            }
            if hook.timeout.is_some_and(|seconds| seconds <= 0) {
                return Err(Error::Invalid(format!(
                    "hooks.{stage}[{index}].timeout must be greater than zero"
                )));
            }
        }
    }
    Ok(())
}

/// Runs hooks in order; the first failure ends it.
///
/// # Errors
/// [`Error::Failed`] with what the hook wrote.
pub fn run(stage: &'static str, hooks: &[Hook], state: &State, place: &Place) -> Result<(), Error> {
    if hooks.is_empty() {
        return Ok(());
    }
    let document = document(stage, state)?;
    hooks.iter().enumerate().try_for_each(|(index, hook)| {
        run_one(hook, &document, place).map_err(|cause| Error::Failed { stage, index, cause })
    })
}

/// Runs all hooks in order, whatever becomes of each; returns their failures, for the caller to tell.
pub fn run_all(stage: &'static str, hooks: &[Hook], state: &State, place: &Place) -> Vec<Error> {
    if hooks.is_empty() {
        return Vec::new();
    }
    let document = match document(stage, state) {
        Ok(document) => document,
        Err(error) => return vec![error],
    };
    let run = |(index, hook)| {
        run_one(hook, &document, place)
            .err()
            .map(|cause| Error::Failed { stage, index, cause })
    };
    hooks.iter().enumerate().filter_map(run).collect()
}

fn document(stage: &str, state: &State) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(state)
        .map_err(|error| Error::Invalid(format!("write the state document for {stage} hooks: {error}")))
}

/// A file from which the document is read, then end of file. It is complete before the hook exists: a hook that does not
/// read it can neither hold us up nor have the kernel send us SIGPIPE.
fn input(document: &[u8]) -> Result<OwnedFd, Errno> {
    if document.len() <= PIPE_CAPACITY {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let mut rest = document;
        while !rest.is_empty() {
            rest = &rest[rustix::io::write(&write, rest)?..];
        }
        return Ok(read);
    }
    let mut file = File::from(rustix::fs::memfd_create(c"state", MemfdFlags::CLOEXEC)?);
    file.write_all(document)
        .and_then(|()| file.rewind())
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(file.into())
}

fn run_one(hook: &Hook, document: &[u8], place: &Place) -> Result<(), String> {
    let mut command = Command::new(&hook.path);
    if let Some((zeroth, rest)) = hook.args.split_first() {
        command.arg0(zeroth).args(rest);
    }
    if !hook.env.is_empty() {
        command
            .env_clear()
            .envs(hook.env.iter().filter_map(|line| line.split_once('=')));
    } else if let Some(environment) = &place.environment {
        command
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)));
    }
    if let Some(directory) = &place.directory {
        command.current_dir(directory);
    }
    let input = input(document).map_err(|error| format!("hand over the state document: {}", Cause(error)))?;
    let mut child = command
        .process_group(0)
        .stdin(Stdio::from(input))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let cause = Cause(Errno::from_io_error(&error).unwrap_or(Errno::IO));
            format!("fork/exec {}: {cause}", hook.path.display())
        })?;
    let limit = hook.timeout.and_then(|seconds| u64::try_from(seconds).ok());
    let outcome = Attendance::begin(&mut child).and_then(|attendance| attendance.until_end(&mut child, limit));
    let (status, stdout, stderr) = outcome.inspect_err(|_| {
        // Whatever went wrong, nothing of the hook goes on.
        kill_group(&child);
        let _ = child.wait();
    })?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{}, stdout: {stdout}, stderr: {stderr}", how(status)))
}

/// An end in the words of Go's `os/exec`, which runc's users know.
fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(number)) => {
            let core = if status.core_dumped() { " (core dumped)" } else { "" };
            format!("signal: {}{core}", signal_name(number))
        }
        (None, None) => "unknown end".to_owned(),
    }
}

fn signal_name(number: i32) -> String {
    match number {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        31 => "bad system call",
        _ => return format!("signal {number}"),
    }
    .to_owned()
}

fn kill_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // The group may be gone already.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// One output stream of a hook.
struct Stream {
    file: Option<File>,
    said: Vec<u8>,
}

impl Stream {
    fn of(file: Option<impl Into<OwnedFd>>) -> Self {
        Self {
            file: file.map(|file| File::from(file.into())),
            said: Vec::new(),
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 1024];
        match self.file.as_mut().map_or(Ok(0), |file| file.read(&mut buffer)) {
            Ok(length) if length > 0 => {
                let room = KEPT.saturating_sub(self.said.len());
                self.said.extend_from_slice(&buffer[..length.min(room)]);
            }
            _ => self.file = None,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}

/// Waiting for a hook. Its streams may outlive it (a hook that leaves a daemon behind): its own end is what counts.
struct Attendance {
    /// `None` where pidfd_open(2) is forbidden: a `startContainer` hook under the container's own seccomp filter.
    pidfd: Option<OwnedFd>,
    stdout: Stream,
    stderr: Stream,
}

impl Attendance {
    fn begin(child: &mut Child) -> Result<Self, String> {
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .ok_or("no pid")?;
        Ok(Self {
            pidfd: rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok(),
            stdout: Stream::of(child.stdout.take()),
            stderr: Stream::of(child.stderr.take()),
        })
    }

    /// Collects what the hook says until it ends. The limit is in seconds.
    fn until_end(mut self, child: &mut Child, limit: Option<u64>) -> Result<(ExitStatus, String, String), String> {
        let end = limit.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(format!(
                    "hook ran past specified timeout of {}.0s",
                    limit.unwrap_or_default()
                ));
            }
            let (ended, spoke) = self.wait(left)?;
            // What it said last is read before its end is taken note of.
            if ended
                && !spoke
                && let Some(status) = child.try_wait().map_err(|error| error.to_string())?
            {
                return Ok((status, self.stdout.text(), self.stderr.text()));
            }
        }
    }

    /// Waits for something to happen: whether the hook may have ended, and whether it said something.
    fn wait(&mut self, left: Option<Duration>) -> Result<(bool, bool), String> {
        let left = if self.pidfd.is_none() {
            Some(left.map_or(TICK, |left| left.min(TICK)))
        } else {
            left
        };
        let time = left.map(|left| Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        });
        let files = [
            self.pidfd.as_ref().map(AsFd::as_fd),
            self.stdout.file.as_ref().map(AsFd::as_fd),
            self.stderr.file.as_ref().map(AsFd::as_fd),
        ];
        let mut waiting: Vec<PollFd<'_>> = files
            .iter()
            .flatten()
            .map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN))
            .collect();
        match rustix::event::poll(&mut waiting, time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Cause(error).to_string()),
        }
        let mut ready = waiting.iter().map(|one| !one.revents().is_empty());
        let [ended, stdout, stderr] = files.map(|file| file.is_some() && ready.next().unwrap_or(false));
        for (spoke, stream) in [(stdout, &mut self.stdout), (stderr, &mut self.stderr)] {
            if spoke {
                stream.read();
            }
        }
        Ok((ended || self.pidfd.is_none(), stdout || stderr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_oci::runtime::Status;

    fn state() -> State {
        State {
            oci_version: "1.0".into(),
            id: "one".into(),
            status: Status::Creating,
            pid: Some(7),
            bundle: "/b".into(),
            annotations: std::collections::BTreeMap::default(),
        }
    }

    fn shell(script: &str) -> Hook {
        Hook {
            path: "/bin/sh".into(),
            args: ["sh", "-c", script].map(str::to_owned).to_vec(),
            ..Hook::default()
        }
    }

    fn fails(hook: Hook) -> String {
        run("prestart", &[hook], &state(), &Place::default())
            .map_err(|error| error.to_string())
            .expect_err("it fails")
    }

    #[test]
    fn a_failure_tells_stage_position_end_and_output() {
        assert_eq!(
            fails(shell("echo out; echo err >&2; exit 3")),
            "error running prestart hook #0: exit status 3, stdout: out\n, stderr: err\n"
        );
        assert_eq!(
            fails(shell("kill -9 $$")),
            "error running prestart hook #0: signal: killed, stdout: , stderr: "
        );
        let missing = Hook {
            path: "/no/such".into(),
            ..Hook::default()
        };
        assert_eq!(
            fails(missing),
            "error running prestart hook #0: fork/exec /no/such: no such file or directory"
        );
    }

    #[test]
    fn the_state_comes_on_stdin_however_long_it_is_and_need_not_be_read() {
        let mut long = state();
        long.annotations.insert("a".into(), "x".repeat(200_000));
        for state in [state(), long] {
            let length = serde_json::to_vec(&state).expect("JSON").len();
            let counts = shell(&format!("test $(wc -c) -eq {length}"));
            run("prestart", &[counts, shell(":")], &state, &Place::default()).expect("both succeed");
        }
    }

    #[test]
    fn the_whole_group_is_killed_when_the_time_is_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("pid");
        let mut hook = shell(&format!("sleep 100 & echo $! > {}; wait", file.display()));
        hook.timeout = Some(1);
        assert_eq!(
            fails(hook),
            "error running prestart hook #0: hook ran past specified timeout of 1.0s"
        );
        let pid = std::fs::read_to_string(file).expect("a pid");
        let gone = || {
            // A zombie that its new parent has not taken yet is dead.
            std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).map_or(true, |stat| {
                stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
            })
        };
        for _ in 0..500 {
            if gone() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("process {pid} lives on");
    }

    #[test]
    fn a_hook_that_leaves_a_daemon_with_its_streams_has_ended() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("pid");
        run(
            "prestart",
            &[shell(&format!("sleep 100 & echo $! > {}", file.display()))],
            &state(),
            &Place::default(),
        )
        .expect("it succeeds");
        let pid = std::fs::read_to_string(file)
            .expect("a pid")
            .trim()
            .parse()
            .expect("a pid");
        tierce_sys::signals::send_to_pid(pid, 9).expect("it lives");
    }

    #[test]
    fn environment_and_directory_are_the_hooks_own_or_the_places() {
        let place = Place {
            directory: Some("/usr".into()),
            environment: Some(vec![("PLACE".into(), "1".into())]),
        };
        let mut own = shell("test \"$OWN\" = a=b -a -z \"$PLACE\"");
        own.env = vec!["OWN=a=b".into(), "nonsense".into()];
        let inherits = shell("test \"$PLACE\" = 1 -a \"$(pwd)\" = /usr");
        run("startContainer", &[own, inherits], &state(), &place).expect("both succeed");
    }

    #[test]
    fn all_of_them_run_although_one_fails() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("ran");
        let hooks = [shell("exit 1"), shell(&format!("echo > {}", file.display()))];
        let failures = run_all("poststop", &hooks, &state(), &Place::default());
        assert_eq!(failures.len(), 1);
        assert!(failures[0].to_string().starts_with("error running poststop hook #0:"));
        assert!(file.exists());
    }

    #[test]
    fn hooks_that_can_never_run_are_refused_by_name() {
        let relative = Hooks {
            poststop: vec![
                shell(":"),
                Hook {
                    path: "true".into(),
                    ..Hook::default()
                },
            ],
            ..Hooks::default()
        };
        let hurried = Hooks {
            create_container: vec![Hook {
                timeout: Some(0),
                ..shell(":")
            }],
            ..Hooks::default()
        };
        let text = |hooks: &Hooks| check(hooks).map_err(|error| error.to_string());
        assert_eq!(
            text(&relative),
            Err("hooks.poststop[1].path \"true\" must be an absolute path".into())
        );
        assert_eq!(
            text(&hurried),
            Err("hooks.createContainer[0].timeout must be greater than zero".into())
        );
    }
}
