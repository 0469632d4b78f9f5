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
/// The container that the verbs are about is the first of them.
const FIRST: usize = 1;

/// Ids differ from runtime to runtime, for each of them makes control groups of that name in the same place.
fn id(runtime: &Runtime, number: usize) -> String {
    format!("{}-{number}", runtime.name)
}

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
    row("life cycle", &mut |runtime| {
        let id = id(runtime, 0);
        let created = run(&mut runtime.made("create", &bundle, &id))?.wall;
        let started = words(runtime, &["start", &id])?;
        Ok(created + started + words(runtime, &["delete", "--force", &id])?)
    })?;
    let held = Held(&runtimes);
    for runtime in held.0 {
        for number in FIRST..=LISTED {
            run(&mut runtime.made("create", &idle, &id(runtime, number)))?;
        }
        words(runtime, &["start", &id(runtime, FIRST)])?;
    }
    row("runtime exec", &mut |runtime| {
        words(runtime, &["exec", &id(runtime, FIRST), "/bin/true"])
    })?;
    row("state", &mut |runtime| words(runtime, &["state", &id(runtime, FIRST)]))?;
    row("pause+resume", &mut |runtime| {
        let paused = words(runtime, &["pause", &id(runtime, FIRST)])?;
        Ok(paused + words(runtime, &["resume", &id(runtime, FIRST)])?)
    })?;
    row("list of 100", &mut |runtime| words(runtime, &["list"]))?;
    Ok(measures)
}

/// The containers of these runtimes, which go when this is dropped, whatever failed.
struct Held<'a>(&'a [Runtime]);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for runtime in self.0 {
            for number in FIRST..=LISTED {
                if let Err(error) = run(&mut runtime.verb(&["delete", "--force", &id(runtime, number)])) {
                    eprintln!("clean-up: {error:#}");
                }
            }
        }
    }
}
