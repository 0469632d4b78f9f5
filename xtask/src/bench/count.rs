//! The row `budget`: what our runtime costs by count. Instructions and system calls of one verb hardly differ from run to
//! run and from machine to machine, so that a regression of a few percent shows where times would hide it.

use super::contestant::Runtime;
use super::measure::run;
use super::rows::measure as one;
use super::stage::Stage;
use super::table::{Measure, Series, Unit};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::Command;

/// What is counted, as `bench/count.c` calls it.
const KINDS: [(&str, Unit); 3] = [
    ("calls", Unit::Number),
    ("instructions", Unit::Number),
    ("memory", Unit::Bytes),
];

/// Counts; the peers' calls and memory of `run` stand beside ours. Stepping through their instructions would take
/// minutes.
pub(super) fn measure(stage: &Stage, scratch: &Path) -> Result<Vec<Measure>> {
    let count = scratch.join("count");
    let (bundle, idle) = (stage.bundle()?, stage.idle_bundle()?);
    let runtimes = Runtime::all(&stage.programs, scratch, &stage.states());
    let (ours, peers) = runtimes.split_first().context("there is no runtime")?;
    let mut measures = Vec::new();
    for (kind, unit) in KINDS {
        let number = |command: Command| counted(&count, kind, &command);
        let mut add = |verb: &str, values: Vec<(&str, f64)>| {
            let series = values.into_iter().map(|(name, value)| Series {
                name: name.to_owned(),
                values: vec![value],
            });
            measures.push(one(&format!("{verb} {kind}"), unit, series.collect()));
        };
        let mut runs = vec![(ours.name, number(ours.command(&bundle, "count"))?)];
        for peer in peers.iter().filter(|_| kind != "instructions") {
            runs.push((peer.name, number(peer.command(&bundle, "count"))?));
        }
        add("run", runs);
        let container = Made { runtime: ours };
        add(
            "create",
            vec![(ours.name, number(ours.made("create", &idle, Made::ID))?)],
        );
        for (verb, words) in [
            ("start", &["start", Made::ID][..]),
            ("state", &["state", Made::ID]),
            ("exec", &["exec", Made::ID, "/bin/true"]),
            ("pause", &["pause", Made::ID]),
            ("resume", &["resume", Made::ID]),
            ("delete", &["delete", "--force", Made::ID]),
        ] {
            add(verb, vec![(ours.name, number(ours.verb(words))?)]);
        }
        drop(container);
    }
    let size = std::fs::metadata(ours.program())?.len();
    let series = vec![Series {
        name: ours.name.to_owned(),
        values: vec![size as f64],
    }];
    measures.push(one("runtime size", Unit::Bytes, series));
    Ok(measures)
}

/// The container of the counted verbs; when dropped, it is gone, whatever failed.
struct Made<'a> {
    runtime: &'a Runtime,
}

impl Made<'_> {
    const ID: &'static str = "counted";
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // In the good case it has been deleted already, which is no error.
        let _ = run(&mut self.runtime.verb(&["delete", "--force", Self::ID]));
    }
}

/// The number that `bench/count.c` prints behind what the command prints.
fn counted(count: &Path, kind: &str, command: &Command) -> Result<f64> {
    let mut counting = Command::new(count);
    counting.arg(kind).arg(command.get_program()).args(command.get_args());
    let said = run(&mut counting)?.stdout;
    let number: f64 = said
        .lines()
        .next_back()
        .and_then(|line| line.parse().ok())
        .with_context(|| format!("no number in {said:?}"))?;
    Ok(if kind == "memory" { number * 1024.0 } else { number })
}
