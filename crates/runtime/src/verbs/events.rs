//! `events`: statistics and out-of-memory news, one JSON object a line, in runc's form.

use super::{Globals, state};
use crate::argv::{Arguments, Piece};
use crate::error::{Doing, Error};
use crate::state::Home;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::Write;
use std::time::{Duration, Instant};
use tierce_cgroup::Stats;
use tierce_cgroup::statistics::{Event, Statistics};

fn emit(kind: &'static str, id: &str, stats: Option<&Stats>) -> Result<(), Error> {
    let event = Event {
        kind,
        id,
        data: stats.map(Statistics::of),
    };
    let text = serde_json::to_string(&event).map_err(|error| Error::Invalid(format!("write JSON: {error}")))?;
    writeln!(std::io::stdout(), "{text}").doing(|| "write to standard output".into())
}

/// Reads a duration as Go writes it: numbers with units (`1m30s`, `1.5s`, `100ms`).
fn duration(text: &str) -> Result<Duration, Error> {
    let wrong = || {
        Error::Usage(format!(
            "invalid interval {text:?}: give a number with ns, us, ms, s, m or h"
        ))
    };
    let (mut total, mut rest) = (Duration::ZERO, text.strip_prefix('+').unwrap_or(text));
    if rest.starts_with('-') || rest == "0" {
        return Err(Error::Usage("duration interval must be greater than 0".into()));
    }
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, behind) = rest.split_at(rest.find(|c| !is_number(c)).ok_or_else(wrong)?);
        let (unit, behind) = behind.split_at(behind.find(is_number).unwrap_or(behind.len()));
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let seconds = number.parse::<f64>().map_err(|_| wrong())? * seconds;
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = behind;
    }
    if total.is_zero() {
        return Err(Error::Usage("duration interval must be greater than 0".into()));
    }
    Ok(total)
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let (mut once, mut interval, mut words) = (false, Duration::from_secs(5), Vec::new());
    while let Some(piece) = arguments.next()? {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Flag(flag) => match flag.as_str() {
                "stats" => once = arguments.truth()?,
                "interval" => interval = duration(&arguments.value()?)?,
                _ => return arguments.unknown(),
            },
        }
    }
    let (id, _) = super::container_id("events", words, 0)?;
    let record = Home::of(&globals.root, &id)?.load()?;
    let pidfd = match record.pidfd() {
        Err(Error::NotRunning) => return Err(Error::Status(format!("container with id {id} is not running"))),
        result => result?,
    };
    let group = state::group(&record);
    if once {
        emit("stats", &id, Some(&group.stats()?))?;
        return Ok(0);
    }
    let mut watch = group.watch_oom()?;
    let mut next = Instant::now() + interval;
    loop {
        let left = next.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut waiting = [PollFd::new(&watch, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
        rustix::event::poll(&mut waiting, Some(&left)).doing(|| "wait for events".into())?;
        let ended = !waiting[1].revents().is_empty();
        if watch.rose()? {
            emit("oom", &id, None)?;
        }
        if ended {
            return Ok(0);
        }
        if Instant::now() >= next {
            emit("stats", &id, Some(&group.stats()?))?;
            next = Instant::now() + interval;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_gos_durations() {
        let milliseconds = |text| duration(text).ok().map(|duration| duration.as_millis());
        assert_eq!(
            ["100ms", "1s", "1m30s", "1.5s", "2h"].map(milliseconds),
            [100, 1000, 90_000, 1500, 7_200_000].map(Some)
        );
        assert_eq!(
            ["", "0", "0s", "-1s", "5", "s", "1x", "1e400s", ".s"].map(milliseconds),
            [None; 9]
        );
    }
}
