//! `top`: the processes of a container as the host's `ps` would show them.
//!
//! The three forms that people use (`-ef`, `aux`, `-o column,…`) are made from /proc directly; they cost no process and
//! work on a host without `ps`. Anything else is given to the host's `ps`, as dockerd does.

use super::context::{Context, blocking};
use super::requests::ProcessTable;
use super::state::Status;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// Clock ticks a second as the kernel shows them to programs (USER_HZ, proc(5)).
const TICKS: u64 = 100;
/// Bytes a page; what /proc counts memory in.
const PAGE: u64 = 4096;

/// See [`super::Containers::top`].
pub(crate) async fn top(context: &Context, name: &str, arguments: &str) -> Result<ProcessTable> {
    let container = context.find(name)?;
    match container.snapshot().record.state.status() {
        Status::Running | Status::Paused => {}
        Status::Restarting => {
            return Err(Error::Conflict(format!(
                "Container {} is restarting, wait until the container is running",
                container.id
            )));
        }
        _ => return Err(Error::Conflict(format!("container {} is not running", container.id))),
    }
    let pids = context.control.pids(&container.id).await.map_err(Error::below)?;
    let form = Form::parse(arguments)?;
    blocking(move || match form {
        Form::Columns(columns) => Ok(table(&columns, &pids)),
        Form::Foreign(arguments) => foreign(&arguments, &pids),
    })
    .await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    User,
    Pid,
    Ppid,
    C,
    Stime,
    Tty,
    Time,
    Cmd,
    Cpu,
    Mem,
    Vsz,
    Rss,
    Stat,
    Start,
    Comm,
    Nice,
    Uid,
    Gid,
    Etime,
}

/// `-o` names with the titles that `ps` gives them.
const NAMES: [(&str, Column, &str); 24] = [
    ("user", Column::User, "USER"),
    ("uname", Column::User, "USER"),
    ("euser", Column::User, "EUSER"),
    ("pid", Column::Pid, "PID"),
    ("ppid", Column::Ppid, "PPID"),
    ("c", Column::C, "C"),
    ("stime", Column::Stime, "STIME"),
    ("tty", Column::Tty, "TT"),
    ("tt", Column::Tty, "TT"),
    ("time", Column::Time, "TIME"),
    ("cmd", Column::Cmd, "CMD"),
    ("args", Column::Cmd, "COMMAND"),
    ("command", Column::Cmd, "COMMAND"),
    ("pcpu", Column::Cpu, "%CPU"),
    ("%cpu", Column::Cpu, "%CPU"),
    ("pmem", Column::Mem, "%MEM"),
    ("%mem", Column::Mem, "%MEM"),
    ("vsz", Column::Vsz, "VSZ"),
    ("rss", Column::Rss, "RSS"),
    ("stat", Column::Stat, "STAT"),
    ("comm", Column::Comm, "COMMAND"),
    ("nice", Column::Nice, "NI"),
    ("uid", Column::Uid, "UID"),
    ("gid", Column::Gid, "GID"),
];

#[derive(Debug, PartialEq, Eq)]
enum Form {
    Columns(Vec<(Column, String)>),
    Foreign(Vec<String>),
}

impl Form {
    fn parse(arguments: &str) -> Result<Self> {
        let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        // Docker's own guard: a foreign column named PID would be taken for the process id.
        if words.iter().any(|word| word.contains("=PID")) {
            return Err(Error::Invalid(
                "specifying \"PID\" as a column title is not allowed".to_owned(),
            ));
        }
        let titled = |list: &[(Column, &str)]| {
            Self::Columns(
                list.iter()
                    .map(|(column, title)| (*column, (*title).to_owned()))
                    .collect(),
            )
        };
        let plain: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match plain.as_slice() {
            [] | ["-ef" | "-fe"] | ["-e", "-f"] => titled(&[
                (Column::User, "UID"),
                (Column::Pid, "PID"),
                (Column::Ppid, "PPID"),
                (Column::C, "C"),
                (Column::Stime, "STIME"),
                (Column::Tty, "TTY"),
                (Column::Time, "TIME"),
                (Column::Cmd, "CMD"),
            ]),
            ["aux" | "-aux"] => titled(&[
                (Column::User, "USER"),
                (Column::Pid, "PID"),
                (Column::Cpu, "%CPU"),
                (Column::Mem, "%MEM"),
                (Column::Vsz, "VSZ"),
                (Column::Rss, "RSS"),
                (Column::Tty, "TTY"),
                (Column::Stat, "STAT"),
                (Column::Start, "START"),
                (Column::Time, "TIME"),
                (Column::Cmd, "COMMAND"),
            ]),
            ["-o" | "-eo", list] => match columns(list) {
                Some(columns) => Self::Columns(columns),
                None => Self::Foreign(words),
            },
            _ => Self::Foreign(words),
        })
    }
}

fn columns(list: &str) -> Option<Vec<(Column, String)>> {
    let mut columns = Vec::new();
    for name in list.split(',') {
        let known = match name {
            "etime" => (Column::Etime, "ELAPSED"),
            "start" => (Column::Start, "STARTED"),
            name => NAMES
                .iter()
                .find(|(known, ..)| *known == name)
                .map(|(_, column, title)| (*column, *title))?,
        };
        columns.push((known.0, known.1.to_owned()));
    }
    Some(columns)
}

/// Where a process stands in its session, see credentials(7).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Job {
    session: i64,
    group: i64,
    tty: i64,
    terminal_group: i64,
}

/// One process, as /proc tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Process {
    pid: u32,
    name: String,
    state: char,
    ppid: u32,
    job: Job,
    ticks: u64,
    nice: i64,
    threads: i64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
    command: String,
    uid: u32,
    gid: u32,
}

/// Reads /proc/PID/stat (proc_pid_stat(5)); the name may contain anything, so the last parenthesis counts.
fn parse_stat(text: &str) -> Option<Process> {
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

fn read_process(pid: u32) -> Option<Process> {
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
struct Host {
    users: HashMap<u32, String>,
    memory: u64,
    boot: SystemTime,
    uptime: f64,
}

impl Host {
    fn read() -> Self {
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

fn table(columns: &[(Column, String)], pids: &[u32]) -> ProcessTable {
    let host = Host::read();
    let mut pids = pids.to_vec();
    pids.sort_unstable();
    ProcessTable {
        titles: columns.iter().map(|(_, title)| title.clone()).collect(),
        // One that ended meanwhile has no row.
        processes: pids
            .into_iter()
            .filter_map(read_process)
            .map(|process| {
                columns
                    .iter()
                    .map(|(column, _)| cell(&process, *column, &host))
                    .collect()
            })
            .collect(),
    }
}

fn cell(process: &Process, column: Column, host: &Host) -> String {
    let seconds = process.ticks / TICKS;
    let lived = (host.uptime - process.start_ticks as f64 / TICKS as f64).max(0.0);
    let share = |of: f64| {
        if of > 0.0 {
            process.ticks as f64 / TICKS as f64 * 100.0 / of
        } else {
            0.0
        }
    };
    match column {
        Column::User => host
            .users
            .get(&process.uid)
            .cloned()
            .unwrap_or_else(|| process.uid.to_string()),
        Column::Uid => process.uid.to_string(),
        Column::Gid => process.gid.to_string(),
        Column::Pid => process.pid.to_string(),
        Column::Ppid => process.ppid.to_string(),
        Column::C => format!("{}", share(lived) as u64),
        Column::Cpu => format!("{:.1}", share(lived)),
        Column::Mem => {
            let resident = (process.resident_pages * PAGE) as f64;
            format!(
                "{:.1}",
                if host.memory > 0 {
                    resident * 100.0 / host.memory as f64
                } else {
                    0.0
                }
            )
        }
        Column::Vsz => (process.virtual_bytes / 1024).to_string(),
        Column::Rss => (process.resident_pages * PAGE / 1024).to_string(),
        Column::Tty => terminal(process.job.tty),
        Column::Time => format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        Column::Etime => elapsed(lived as u64),
        Column::Stime | Column::Start => started(process, host),
        Column::Stat => stat(process),
        Column::Cmd => process.command.clone(),
        Column::Comm => process.name.clone(),
        Column::Nice => process.nice.to_string(),
    }
}

/// `[[days-]hours:]minutes:seconds`
fn elapsed(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let rest = format!("{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => rest,
        (0, hours) => format!("{hours:02}:{rest}"),
        (days, hours) => format!("{days}-{hours:02}:{rest}"),
    }
}

/// The time of day it started, or the day if that was not within the last 24 hours.
fn started(process: &Process, host: &Host) -> String {
    let at = host.boot + Duration::from_millis(process.start_ticks * 1000 / TICKS);
    let Ok(moment) = jiff::Timestamp::try_from(at) else {
        return "?".to_owned();
    };
    let zoned = moment.to_zoned(jiff::tz::TimeZone::system());
    let recent = SystemTime::now()
        .duration_since(at)
        .is_ok_and(|age| age < Duration::from_hours(24));
    zoned.strftime(if recent { "%H:%M" } else { "%b%d" }).to_string()
}

fn terminal(device: i64) -> String {
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => "?".to_owned(),
    }
}

fn stat(process: &Process) -> String {
    let mut text = String::from(process.state);
    if process.nice < 0 {
        text.push('<');
    } else if process.nice > 0 {
        text.push('N');
    }
    if process.job.session == i64::from(process.pid) {
        text.push('s');
    }
    if process.threads > 1 {
        text.push('l');
    }
    if process.job.terminal_group == process.job.group && process.job.tty != 0 {
        text.push('+');
    }
    text
}

/// Asks the host's `ps` and keeps the rows of the container's processes.
fn foreign(arguments: &[String], pids: &[u32]) -> Result<ProcessTable> {
    let output = std::process::Command::new("ps")
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| Error::NotImplemented(format!("error running ps: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Invalid(format!("ps: {said}")));
    }
    parse_ps(&String::from_utf8_lossy(&output.stdout), pids)
}

fn parse_ps(output: &str, pids: &[u32]) -> Result<ProcessTable> {
    let mut lines = output.lines();
    let titles: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let pid_column = titles
        .iter()
        .position(|title| title == "PID")
        .ok_or_else(|| Error::Invalid("Couldn't find PID field in ps output".to_owned()))?;
    let mut processes = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ours = words
            .get(pid_column)
            .and_then(|word| word.parse().ok())
            .is_some_and(|pid| pids.contains(&pid));
        if !ours || words.len() < titles.len() {
            continue;
        }
        // The last column may have spaces in it.
        let (head, tail) = words.split_at(titles.len() - 1);
        let mut row: Vec<String> = head.iter().map(|word| (*word).to_owned()).collect();
        row.push(tail.join(" "));
        processes.push(row);
    }
    Ok(ProcessTable { titles, processes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn row_079_a_process_of_the_host_is_shown_as_ps_shows_it() {
        let Form::Columns(columns) = Form::parse("").unwrap() else {
            panic!("not our form")
        };
        let found = table(&columns, &[std::process::id(), u32::MAX]);
        assert_eq!(found.titles, ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
        assert_eq!(found.processes.len(), 1);
        assert_eq!(found.processes[0][1], std::process::id().to_string());
    }

    #[test]
    fn columns_are_chosen_by_name_and_the_rest_goes_to_ps() {
        let Form::Columns(columns) = Form::parse("-o pid,cmd").unwrap() else {
            panic!("not our form")
        };
        assert_eq!(
            columns.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>(),
            ["PID", "CMD"]
        );
        assert!(matches!(Form::parse("-eo pid,zz").unwrap(), Form::Foreign(_)));
        assert!(matches!(Form::parse("faux").unwrap(), Form::Foreign(_)));
        assert!(Form::parse("-o pid=PID").is_err());
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text =
            "42 (a) b) S 1 42 42 34816 42 4194560 1 0 0 0 250 50 0 0 20 0 1 0 1000 4096000 25 18446744073709551615";
        let process = parse_stat(text).unwrap();
        assert_eq!(
            (process.name.as_str(), process.ppid, process.ticks, process.start_ticks),
            ("a) b", 1, 300, 1000)
        );
        assert_eq!(terminal(process.job.tty), "pts/0");
        assert_eq!(stat(&process), "Ss+");
    }

    #[test]
    fn foreign_output_keeps_our_rows() {
        let output = "USER PID CMD\nroot 1 init it\nroot 7 sleep 10 s\n";
        let found = parse_ps(output, &[7]).unwrap();
        assert_eq!(found.processes, [["root", "7", "sleep 10 s"]]);
        assert!(parse_ps("A B\n", &[]).is_err());
    }

    proptest! {
        #[test]
        fn hostile_names_never_panic(text in ".{0,80}") {
            let _ = parse_stat(&text);
        }
    }
}
