//! The instruments: wall time of a command, CPU time of children, memory of a process.
//!
//! Output of a measured command goes to files, not pipes: a pipe is held open by whatever the command leaves behind,
//! and would be timed too.

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::PidfdFlags;
use std::fs;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A command that ended with code 0.
#[derive(Debug)]
pub(super) struct Finished {
    /// From before the start to after the exit code.
    pub(super) wall: Duration,
    /// Standard output without its last line end.
    pub(super) stdout: String,
}

/// No ordinary command may take longer; what hangs is ended and told.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether the child ended in time; it still has to be waited for.
fn wait_at_most(child: &Child, limit: Duration) -> Result<bool> {
    let file = rustix::process::pidfd_open(rustix::process::Pid::from_child(child), PidfdFlags::empty())?;
    let mut events = [PollFd::new(&file, PollFlags::IN)];
    let limit = Timespec::try_from(limit).context("a time limit")?;
    loop {
        match poll(&mut events, Some(&limit)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("wait for a command"),
        }
    }
}

/// Runs a command to its end without input; any exit code but 0 is an error with what it said.
pub(super) fn run(command: &mut Command) -> Result<Finished> {
    run_for(command, PATIENCE)
}

/// [`run`] for a command that may take so long.
pub(super) fn run_for(command: &mut Command, patience: Duration) -> Result<Finished> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let in_time = wait_at_most(&child, patience);
    let wall = start.elapsed();
    if !in_time? {
        child.kill()?;
    }
    let status = child.wait()?;
    let mut text = String::new();
    stdout.rewind()?;
    stdout.read_to_string(&mut text)?;
    if !status.success() {
        stderr.rewind()?;
        stderr.read_to_string(&mut text)?;
        let words: Vec<_> = command.get_args().map(std::ffi::OsStr::to_string_lossy).collect();
        let program = Path::new(command.get_program()).file_name().unwrap_or_default();
        bail!("{} {}: {status}: {}", program.display(), words.join(" "), text.trim());
    }
    text.truncate(text.trim_end_matches('\n').len());
    Ok(Finished { wall, stdout: text })
}

/// Runs commands, `width` at a time; gives the wall time of all and what they printed, in any order.
pub(super) fn run_parallel(commands: Vec<Command>, width: usize) -> Result<(Duration, Vec<String>)> {
    let count = commands.len();
    let commands: Vec<_> = commands.into_iter().map(std::sync::Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut command = command.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            done.push(run(&mut command)?.stdout);
        }
        Ok::<_, anyhow::Error>(done)
    };
    let start = Instant::now();
    let results: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..width).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let wall = start.elapsed();
    let mut outputs = Vec::with_capacity(count);
    for result in results {
        match result {
            Ok(done) => outputs.extend(done?),
            Err(_) => bail!("a thread that ran commands panicked"),
        }
    }
    ensure!(outputs.len() == count, "{} of {count} commands were run", outputs.len());
    Ok((wall, outputs))
}

/// What `act` gives, and the CPU time of what it started and waited for.
pub(super) fn with_cpu<T>(act: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let before = tierce_sys::usage::cpu_of_children()?;
    let given = act()?;
    let after = tierce_sys::usage::cpu_of_children()?;
    Ok((given, after.saturating_sub(before)))
}

/// Memory of a process, bytes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Memory {
    /// All pages that it has in memory.
    pub(super) resident: u64,
    /// The same, a shared page counted by its share.
    pub(super) proportional: u64,
    /// Pages that nobody else has.
    pub(super) private: u64,
}

/// Memory of this process now.
pub(super) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let sum = |names: &[&str]| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| names.contains(name))
            .filter_map(|(_, value)| value.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .sum::<u64>()
            * 1024
    };
    Ok(Memory {
        resident: sum(&["Rss"]),
        proportional: sum(&["Pss"]),
        private: sum(&["Private_Clean", "Private_Dirty", "Private_Hugetlb"]),
    })
}

/// CPU time of these processes and their children that have ended, as fine as the scheduler's clock tick.
pub(super) fn busy(processes: &[u32]) -> Duration {
    let ticks = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may have spaces; after it utime, stime, cutime and cstime are fields 12 to 15.
        let fields = text.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let fields = fields.split_whitespace().skip(11).take(4);
        fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>()
    };
    let ticks: u64 = processes.iter().map(ticks).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The most memory that processes had since a moment.
pub(super) struct Peak<'a> {
    processes: &'a [u32],
    before: u64,
}

impl<'a> Peak<'a> {
    /// Begins to look.
    pub(super) fn begin(processes: &'a [u32]) -> Result<Self> {
        for pid in processes {
            // 5 sets the peak back to what is resident now, proc_pid_clear_refs(5).
            let path = format!("/proc/{pid}/clear_refs");
            fs::write(&path, "5").with_context(|| format!("write {path}"))?;
        }
        let before = processes
            .iter()
            .map(|pid| kilobytes(*pid, "VmRSS:"))
            .sum::<Result<u64>>()?;
        Ok(Self { processes, before })
    }

    /// Bytes by which they grew at most, each by itself.
    pub(super) fn growth(&self) -> Result<u64> {
        let peak = self.processes.iter().map(|pid| kilobytes(*pid, "VmHWM:"));
        Ok(peak.sum::<Result<u64>>()?.saturating_sub(self.before) * 1024)
    }
}

fn kilobytes(pid: u32, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value
        .and_then(|value| value.trim().trim_end_matches(" kB").parse().ok())
        .with_context(|| format!("parse {path}"))
}

/// The parent of a process.
pub(super) fn parent_of(pid: u32) -> Result<u32> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("PPid:"));
    value
        .and_then(|value| value.trim().parse().ok())
        .with_context(|| format!("parse {path}"))
}

/// All processes of these names (of at most 15 bytes, as the kernel keeps them).
pub(super) fn processes_named(names: &[&str]) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended since.
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if names.contains(&name.trim_end()) {
            found.push(pid);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_timed_and_its_output_kept() {
        let finished = run(Command::new("sh").args(["-c", "sleep 0.02; echo word"])).unwrap();
        assert!(finished.wall >= Duration::from_millis(20));
        assert_eq!(finished.stdout, "word");
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
    }

    #[test]
    fn commands_run_side_by_side() {
        let sleeps = (0..4).map(|_| {
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 0.2; echo done"]);
            command
        });
        let (wall, outputs) = run_parallel(sleeps.collect(), 4).unwrap();
        assert!(wall < Duration::from_millis(700), "{wall:?}");
        assert_eq!(outputs, ["done"; 4]);
    }

    #[test]
    fn the_kernel_tells_about_this_process() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(memory.resident >= memory.proportional && memory.proportional >= memory.private && memory.private > 0);
        assert!(parent_of(own).unwrap() > 0);
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(processes_named(&[name.trim_end()]).unwrap().contains(&own));
    }
}
