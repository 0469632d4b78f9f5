//! Programs that a document wants run at points of the life cycle, with the container's state on their stdin.

use crate::error::Error;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tierce_oci::runtime::{Hook, State};

/// How much of a hook's stderr is kept for the error message.
const KEPT: usize = 4096;

/// Runs hooks in order; the first failure ends it.
///
/// # Errors
/// [`Error::Hook`] with what the hook wrote to stderr.
pub(crate) fn run(stage: &'static str, hooks: &[Hook], state: &State) -> Result<(), Error> {
    if hooks.is_empty() {
        return Ok(());
    }
    let document = serde_json::to_vec(state)
        .map_err(|error| Error::Invalid(format!("write the state document for {stage} hooks: {error}")))?;
    for (index, hook) in hooks.iter().enumerate() {
        run_one(hook, &document).map_err(|cause| Error::Hook { stage, index, cause })?;
    }
    Ok(())
}

fn run_one(hook: &Hook, document: &[u8]) -> Result<(), String> {
    let mut command = Command::new(&hook.path);
    if let Some((zeroth, rest)) = hook.args.split_first() {
        command.arg0(zeroth).args(rest);
    }
    command
        .env_clear()
        .envs(hook.env.iter().filter_map(|line| line.split_once('=')));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("{}: {error}", hook.path.display()))?;
    // The state fits a pipe's buffer; a hook that does not read it is no failure.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(document);
    }
    let limit = hook
        .timeout
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map(Duration::from_secs);
    let said = wait(&mut child, limit)?;
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    };
    Err(format!("{how}, stderr: {}", said.trim_end()))
}

/// Collects stderr until the hook closes it or dies, and kills it when the time is over.
fn wait(child: &mut Child, limit: Option<Duration>) -> Result<String, String> {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .ok_or("no pid")?;
    let pidfd: OwnedFd =
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).map_err(|error| error.to_string())?;
    let mut stderr = child.stderr.take();
    let mut said = Vec::new();
    let end = limit.map(|limit| Instant::now() + limit);
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("killed after {} seconds", limit.unwrap_or_default().as_secs()));
        }
        let time = left.map(|left| Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut waiting = vec![PollFd::new(&pidfd, PollFlags::IN)];
        if let Some(stderr) = &stderr {
            waiting.push(PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::IN));
        }
        match rustix::event::poll(&mut waiting, time.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        let ended = !waiting[0].revents().is_empty();
        let speaks = waiting.get(1).is_some_and(|waiting| !waiting.revents().is_empty());
        if speaks {
            let mut buffer = [0; 1024];
            match stderr.as_mut().map_or(Ok(0), |stderr| stderr.read(&mut buffer)) {
                Ok(length) if length > 0 => {
                    let room = KEPT.saturating_sub(said.len());
                    said.extend_from_slice(&buffer[..length.min(room)]);
                }
                _ => stderr = None,
            }
        } else if ended {
            return Ok(String::from_utf8_lossy(&said).into_owned());
        }
    }
}
