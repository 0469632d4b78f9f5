//! Processes as proc(5) tells of them.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// Where a process stands in its session, see credentials(7).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) session: i64,
    pub(crate) group: i64,
    pub(crate) tty: i64,
    pub(crate) terminal_group: i64,
}

/// One process, as /proc tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) ppid: u32,
    pub(crate) job: Job,
    pub(crate) ticks: u64,
    pub(crate) nice: i64,
    pub(crate) threads: i64,
    pub(crate) start_ticks: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) resident_pages: u64,
    pub(crate) command: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Reads /proc/PID/stat (proc_pid_stat(5)); the name may contain anything, so the last parenthesis counts.
pub(crate) fn parse_stat(text: &str) -> Option<Process> {
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let name = text.get(open + 1..close)?;
    let fields: Vec<&str> = text.get(close + 1..)?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
    let count = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        pid: text[..open].trim().parse().ok()?,
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        ppid: fields.get(1)?.parse().ok()?,
        job: Job {
            group: number(2)?,
            session: number(3)?,
            tty: number(4)?,
            terminal_group: number(5)?,
        },
        ticks: count(11)? + count(12)?,
        nice: number(16)?,
        threads: number(17)?,
        start_ticks: count(19)?,
        virtual_bytes: count(20)?,
        resident_pages: count(21)?,
        ..Process::default()
    })
}

/// A process with its owner and its command line; `None` when it has ended.
pub(crate) fn read_process(pid: u32) -> Option<Process> {
    let mut process = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let owner = fs::metadata(format!("/proc/{pid}")).ok()?;
    (process.uid, process.gid) = (owner.uid(), owner.gid());
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    process.command = if words.is_empty() {
        format!("[{}]", process.name)
    } else {
        words.join(" ")
    };
    Some(process)
}

/// What is the same for all processes.
pub(crate) struct Host {
    pub(crate) users: HashMap<u32, String>,
    pub(crate) memory: u64,
    pub(crate) boot: SystemTime,
    pub(crate) uptime: f64,
}

impl Host {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let uptime: f64 = text("/proc/uptime")
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            .unwrap_or(0.0);
        let users = text("/etc/passwd")
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
            })
            .collect();
        let memory = text("/proc/meminfo")
            .lines()
            .find_map(|line| {
                line.strip_prefix("MemTotal:")?
                    .split_whitespace()
                    .next()?
                    .parse::<u64>()
                    .ok()
            })
            .unwrap_or(0);
        let boot = SystemTime::now()
            .checked_sub(Duration::from_secs_f64(uptime))
            .unwrap_or(SystemTime::UNIX_EPOCH);
        Self {
            users,
            memory: memory * 1024,
            boot,
            uptime,
        }
    }
}
