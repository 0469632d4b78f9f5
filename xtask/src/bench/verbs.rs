//! The row `verbs`: the runtimes without an engine above them.
//!
//! CPU is that of the commands themselves: a container's process is nobody's child once its `create` has ended. `exec`
//! waits for its process, so there it is counted.

use super::contestant::Runtime;
use super::measure::{run, with_cpu};
use super::rows::{WARM_UP, in_turn, milliseconds, wall_and_cpu};
use super::stage::Stage;
use super::table::Measure;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// Containers that `list` finds.
const LISTED: usize = 100;
/// The container that the verbs are about.
const ID: &str = "verbs";

/// Measures verbs of our runtime and of the peers.
pub(super) fn measure(stage: &Stage, scratch: &Path, rounds: usize) -> Result<Vec<Measure>> {
    let mut runtimes = Runtime::all(&stage.programs, scratch, &stage.states());
    runtimes.retain(Runtime::has_verbs);
    let (bundle, idle) = (stage.bundle()?, stage.idle_bundle()?);
    let mut measures = Vec::new();
    let mut row = |name: &str, act: &mut dyn FnMut(&Runtime) -> Result<Duration>| -> Result<()> {
        let once = |_, runtime: &Runtime| {
            let (wall, cpu) = with_cpu(|| act(runtime))?;
            Ok(vec![milliseconds(wall), milliseconds(cpu)])
        };
        let series = in_turn(stage, WARM_UP, rounds, &runtimes, once)?;
        measures.extend(wall_and_cpu(name, &series));
        Ok(())
    };
    let words = |runtime: &Runtime, words: &[&str]| run(&mut runtime.verb(words)).map(|finished| finished.wall);
    row("create+start+delete", &mut |runtime| {
        let created = run(&mut runtime.made("create", &bundle, "cycle"))?.wall;
        let started = words(runtime, &["start", "cycle"])?;
        Ok(created + started + words(runtime, &["delete", "--force", "cycle"])?)
    })?;
    let held = Held {
        runtimes: &runtimes,
        ids: (1..LISTED)
            .map(|number| format!("listed{number}"))
            .chain([ID.to_owned()])
            .collect(),
    };
    for runtime in held.runtimes {
        for id in &held.ids {
            run(&mut runtime.made("create", &idle, id))?;
        }
        words(runtime, &["start", ID])?;
    }
    row("runtime exec", &mut |runtime| {
        words(runtime, &["exec", ID, "/bin/true"])
    })?;
    row("state", &mut |runtime| words(runtime, &["state", ID]))?;
    row("pause+resume", &mut |runtime| {
        let paused = words(runtime, &["pause", ID])?;
        Ok(paused + words(runtime, &["resume", ID])?)
    })?;
    row("list of 100", &mut |runtime| words(runtime, &["list"]))?;
    Ok(measures)
}

/// Containers that go when this is dropped, whatever failed.
struct Held<'a> {
    runtimes: &'a [Runtime],
    ids: Vec<String>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for runtime in self.runtimes {
            for id in &self.ids {
                if let Err(error) = run(&mut runtime.verb(&["delete", "--force", id])) {
                    eprintln!("clean-up: {error:#}");
                }
            }
        }
    }
}
