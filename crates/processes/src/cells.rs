//! What stands in the columns.

use crate::ProcessTable;
use crate::form::Column;
use crate::procfs::{Host, Process, read_process};
use std::time::{Duration, SystemTime};

/// Clock ticks a second as the kernel shows them to programs (USER_HZ, proc(5)).
const TICKS: u64 = 100;
/// Bytes a page; what /proc counts memory in.
const PAGE: u64 = 4096;

/// The rows of `pids`, in their order.
pub(crate) fn table(columns: &[(Column, String)], pids: &[u32]) -> ProcessTable {
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

pub(crate) fn terminal(device: i64) -> String {
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => "?".to_owned(),
    }
}

pub(crate) fn stat(process: &Process) -> String {
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
