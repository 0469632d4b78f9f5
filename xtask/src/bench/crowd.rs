//! The rows of much at once: a container that writes a gigabyte, and a list of a thousand containers.

use super::contestant::Engine;
use super::measure::{run, run_for, run_parallel};
use super::mover::PATIENCE;
use super::rows::{WARM_UP, in_turn, measure, milliseconds};
use super::stage::Stage;
use super::table::{Measure, Unit};
use anyhow::{Result, ensure};
use std::time::Instant;

/// Bytes that a container writes, lines of a hundred bytes.
const WRITTEN: u64 = 1_000_000_000;
/// Containers of the list.
const LISTED: usize = 1000;
/// How many are made at a time, and removed by one command.
const MADE_AT_A_TIME: usize = 8;
const REMOVED_AT_A_TIME: usize = 100;

/// `run -d` of a container that writes, until `wait` has told its end: all it wrote is in the log then.
pub(super) fn output(stage: &Stage, image: &str, rounds: usize) -> Result<Vec<Measure>> {
    let script = format!("yes {} | head -c {WRITTEN}", "0123456789".repeat(10).split_at(99).0);
    let words = [
        "run",
        "-d",
        "--log-driver",
        "json-file",
        "--network",
        "none",
        image,
        "sh",
        "-c",
        &script,
    ];
    let act = |_, engine: &Engine| {
        let start = Instant::now();
        let id = run(&mut engine.command(&words))?.stdout;
        let waited = run_for(&mut engine.command(&["wait", &id]), PATIENCE);
        let wall = start.elapsed();
        engine.remove(&[id])?;
        let status = waited?.stdout;
        ensure!(status == "0", "the container ended with {status}");
        Ok(vec![milliseconds(wall)])
    };
    let series = in_turn(stage, 1, rounds, &stage.engines, act)?;
    Ok(vec![measure("output of 1 GB", Unit::Milliseconds, series)])
}

/// `ps -a` of many containers that were never started.
pub(super) fn list(stage: &Stage, image: &str, rounds: usize) -> Result<Vec<Measure>> {
    let mut all = vec![Vec::new(); stage.engines.len()];
    let act = |index: usize, engine: &Engine| {
        let made: &mut Vec<String> = &mut all[index];
        if made.is_empty() {
            let words = ["create", "--network", "none", image, "true"];
            let commands = (0..LISTED).map(|_| engine.command(&words));
            *made = run_parallel(commands.collect(), MADE_AT_A_TIME)?.1;
        }
        let listed = run(&mut engine.command(&["ps", "-a"]))?;
        let lines = listed.stdout.lines().count();
        ensure!(lines > LISTED, "`ps -a` has {lines} lines");
        Ok(vec![milliseconds(listed.wall)])
    };
    let series = in_turn(stage, WARM_UP, rounds, &stage.engines, act);
    for (engine, made) in stage.engines.iter().zip(&all) {
        for some in made.chunks(REMOVED_AT_A_TIME) {
            engine.remove(some)?;
        }
    }
    Ok(vec![measure("ps of 1000", Unit::Milliseconds, series?)])
}
