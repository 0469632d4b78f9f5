//! The rows: what each measures, over all contestants in turn (A B C A B C …), after a warm-up.

use super::contestant::{Engine, Named, Runtime, leave_out};
use super::measure::{Memory, memory, parent_of, processes_named, run, run_parallel, with_cpu};
use super::stage::Stage;
use super::table::{Measure, Series, Unit};
use super::transfers::{Way, transfer};
use super::{count, crowd, network, verbs};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::Duration;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Row {
    /// `run --rm IMAGE true` on the default bridge, from the client's start to its exit code
    RunBridge,
    /// The same with `--network none`
    RunNone,
    /// A bundle of `true`, run by the OCI runtime alone: wall and CPU time
    Runtime,
    /// The runtimes' other verbs: wall and CPU time
    Verbs,
    /// What our runtime costs by count (instructions, system calls, memory, size), and whether that is within its limits
    Budget,
    /// `exec CONTAINER true`
    Exec,
    /// 50 containers started, 10 at a time
    Parallel,
    /// Sandboxes, throughput, connections, a thousand ports, a range of ten thousand, two hundred networks
    Network,
    /// Memory of the parent process of an idle container
    ShimMemory,
    /// Memory of the daemon after the rows before this one
    DaemonMemory,
    /// A container that writes 1 GB of lines to its standard output, into the log
    Output,
    /// `ps -a` of 1000 containers
    List,
    /// From the start of tierced to its first answer
    Startup,
    /// An image from a registry, unpacked: 5 layers of 500 MB in gzip and in zstd, 40 small layers
    Pull,
    /// The same images to an empty registry
    Push,
    /// The same images into an archive
    Save,
    /// The same images from an archive, unpacked
    Load,
}

impl Row {
    /// Whether it needs daemons and an image.
    pub(super) fn needs_engines(self) -> bool {
        !matches!(self, Self::Runtime | Self::Verbs | Self::Budget | Self::Startup)
    }

    /// Whether it moves the big images.
    pub(super) fn needs_images(self) -> bool {
        matches!(self, Self::Pull | Self::Push | Self::Save | Self::Load)
    }

    /// Measures it.
    pub(super) fn measure(self, stage: &Stage, scratch: &Path, rounds: usize) -> Result<Vec<Measure>> {
        match self {
            Self::RunBridge => run_container(stage, "run-bridge", &["run", "--rm"], rounds),
            Self::RunNone => run_container(stage, "run-none", &["run", "--rm", "--network", "none"], rounds),
            Self::Runtime => runtime(stage, scratch, rounds),
            Self::Verbs => verbs::measure(stage, scratch, rounds),
            Self::Budget => count::measure(stage, scratch),
            Self::Exec => exec(stage, rounds),
            Self::Parallel => parallel(stage, rounds.min(3)),
            Self::Network => network::network(stage, rounds),
            Self::ShimMemory => shim_memory(stage),
            Self::DaemonMemory => daemon_memory(stage),
            Self::Output => crowd::output(stage, image(stage)?, rounds.min(MOST_TRANSFERS)),
            Self::List => crowd::list(stage, image(stage)?, rounds),
            Self::Startup => startup(stage, rounds),
            Self::Pull => transfer(stage, scratch, Way::Pull, rounds.min(MOST_TRANSFERS)),
            Self::Push => transfer(stage, scratch, Way::Push, rounds.min(MOST_TRANSFERS)),
            Self::Save => transfer(stage, scratch, Way::Save, rounds.min(MOST_TRANSFERS)),
            Self::Load => transfer(stage, scratch, Way::Load, rounds.min(MOST_TRANSFERS)),
        }
    }
}

/// Rounds before those that count: caches are warm, modules are loaded.
pub(super) const WARM_UP: usize = 2;
/// Rounds of a row whose acts take seconds each.
const MOST_TRANSFERS: usize = 5;
/// Rounds of a row that measures single runs of a runtime, for each round that was asked for.
const RUNS_A_ROUND: usize = 10;

/// Lets the contestants act in turn and keeps the values of the rounds after the warm-up, one list each. Ours, the
/// first, must not fail; a peer that does is left out from then on, and the reason told.
pub(super) fn in_turn<C: Named>(
    stage: &Stage,
    warm_up: usize,
    rounds: usize,
    contestants: &[C],
    mut act: impl FnMut(usize, &C) -> Result<Vec<f64>>,
) -> Result<Vec<Series>> {
    let mut all: Vec<Option<Vec<f64>>> = vec![Some(Vec::new()); contestants.len()];
    for round in 0..warm_up + rounds {
        for (index, (contestant, values)) in contestants.iter().zip(&mut all).enumerate() {
            let Some(kept) = values else { continue };
            stage.go_on()?;
            match act(index, contestant) {
                Ok(measured) if round >= warm_up => kept.extend(measured),
                Ok(_) => {}
                Err(error) if index == 0 => return Err(error),
                Err(error) => {
                    leave_out(contestant.name(), &error);
                    *values = None;
                }
            }
        }
    }
    let series = contestants.iter().zip(all).filter_map(|(contestant, values)| {
        Some(Series {
            name: contestant.name().to_owned(),
            values: values?,
        })
    });
    Ok(series.collect())
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

pub(super) fn measure(name: &str, unit: Unit, series: Vec<Series>) -> Measure {
    Measure {
        name: name.to_owned(),
        unit,
        series,
    }
}

fn image(stage: &Stage) -> Result<&str> {
    stage.image.as_deref().context("the engines are not open")
}

/// Lets what the contestant before left behind come to its end: network namespaces go in the kernel's background, some
/// engines tidy up after their client has ended, and the next one shall not pay for it.
fn settle() {
    std::thread::sleep(Duration::from_millis(150));
}

fn run_container(stage: &Stage, name: &str, words: &[&str], rounds: usize) -> Result<Vec<Measure>> {
    let words = [words, &[image(stage)?, "true"]].concat();
    let act = |_, engine: &Engine| {
        settle();
        Ok(vec![milliseconds(run(&mut engine.command(&words))?.wall)])
    };
    let series = in_turn(stage, WARM_UP, rounds, &stage.engines, act)?;
    Ok(vec![measure(name, Unit::Milliseconds, series)])
}

fn exec(stage: &Stage, rounds: usize) -> Result<Vec<Measure>> {
    let image = image(stage)?;
    let mut containers = vec![None; stage.engines.len()];
    let act = |index: usize, engine: &Engine| {
        let container: &String = match &mut containers[index] {
            Some(container) => container,
            none => none.insert(engine.start_idle(image)?),
        };
        settle();
        let words = ["exec", container, "true"];
        Ok(vec![milliseconds(run(&mut engine.command(&words))?.wall)])
    };
    let series = in_turn(stage, WARM_UP, rounds, &stage.engines, act);
    for (engine, container) in stage.engines.iter().zip(&containers) {
        engine.remove(container.as_slice())?;
    }
    Ok(vec![measure("exec", Unit::Milliseconds, series?)])
}

fn parallel(stage: &Stage, rounds: usize) -> Result<Vec<Measure>> {
    const CONTAINERS: usize = 50;
    const AT_A_TIME: usize = 10;
    let image = image(stage)?;
    let act = |_, engine: &Engine| {
        let commands = (0..CONTAINERS).map(|_| engine.idle_command(image));
        settle();
        let (wall, ids) = run_parallel(commands.collect(), AT_A_TIME)?;
        engine.remove(&ids)?;
        Ok(vec![milliseconds(wall)])
    };
    // One round is fifty starts, which is warm-up enough for itself; the first is still thrown away.
    let series = in_turn(stage, 1, rounds, &stage.engines, act)?;
    Ok(vec![measure("parallel", Unit::Milliseconds, series)])
}

fn runtime(stage: &Stage, scratch: &Path, rounds: usize) -> Result<Vec<Measure>> {
    let bundle = stage.bundle()?;
    let runtimes = Runtime::all(&stage.programs, scratch, &stage.states());
    for runtime in &runtimes {
        println!("{} {}", runtime.name, runtime.version());
    }
    let mut number = 0;
    let act = |_, runtime: &Runtime| {
        number += 1;
        let mut command = runtime.command(&bundle, &format!("bench{number}"));
        let (finished, cpu) = with_cpu(|| run(&mut command))?;
        Ok(vec![milliseconds(finished.wall), milliseconds(cpu)])
    };
    // One round of the others is one of many here: a run takes milliseconds.
    let series = in_turn(stage, WARM_UP, rounds * RUNS_A_ROUND, &runtimes, act)?;
    Ok(wall_and_cpu("runtime", &series))
}

/// Splits lists in which wall time and CPU time alternate.
pub(super) fn wall_and_cpu(name: &str, both: &[Series]) -> Vec<Measure> {
    let every_second = |first: usize| {
        let series = both.iter().map(|series| Series {
            name: series.name.clone(),
            values: series.values.iter().copied().skip(first).step_by(2).collect(),
        });
        series.collect()
    };
    vec![
        measure(&format!("{name} wall"), Unit::Milliseconds, every_second(0)),
        measure(&format!("{name} cpu"), Unit::Milliseconds, every_second(1)),
    ]
}

fn shim_memory(stage: &Stage) -> Result<Vec<Measure>> {
    const CONTAINERS: usize = 10;
    let image = image(stage)?;
    let measured = |figure: fn(&Memory) -> u64| {
        let act = |_, engine: &Engine| {
            let mut ids = Vec::new();
            let parents = memory_of_parents(engine, image, CONTAINERS, &mut ids);
            engine.remove(&ids)?;
            Ok(parents?.iter().map(|memory| figure(memory) as f64).collect())
        };
        in_turn(stage, 0, 1, &stage.engines, act)
    };
    Ok(vec![
        measure("shim-memory pss", Unit::Bytes, measured(|memory| memory.proportional)?),
        measure("shim-memory private", Unit::Bytes, measured(|memory| memory.private)?),
    ])
}

/// Starts idle containers, whose ids are kept in `ids`, and looks at their parents.
fn memory_of_parents(engine: &Engine, image: &str, count: usize, ids: &mut Vec<String>) -> Result<Vec<Memory>> {
    for _ in 0..count {
        ids.push(engine.start_idle(image)?);
    }
    // Buffers of the start are given back.
    std::thread::sleep(Duration::from_secs(1));
    let parents = ids.iter().map(|id| {
        let pid = engine.run(&["inspect", "--format", "{{.State.Pid}}", id])?;
        memory(parent_of(pid.parse().with_context(|| format!("process id {pid:?}"))?)?)
    });
    parents.collect()
}

fn daemon_memory(stage: &Stage) -> Result<Vec<Measure>> {
    // Idle: what was asked of the daemons a moment ago is done.
    std::thread::sleep(Duration::from_secs(2));
    let mut series = Vec::new();
    for engine in &stage.engines {
        let processes = if engine.daemons.is_empty() {
            stage
                .daemon_process()
                .filter(|_| engine.name == "tierce")
                .into_iter()
                .collect()
        } else {
            processes_named(engine.daemons)?
        };
        if processes.is_empty() {
            continue;
        }
        let mut resident = 0;
        for process in processes {
            resident += memory(process)?.resident;
        }
        series.push(Series {
            name: engine.name.to_owned(),
            values: vec![resident as f64],
        });
    }
    Ok(vec![measure("daemon-memory", Unit::Bytes, series)])
}

fn startup(stage: &Stage, rounds: usize) -> Result<Vec<Measure>> {
    let mut daemon = stage.spare_daemon();
    let mut values = Vec::new();
    // The first start makes the data root, the bridge and the table; later ones find them.
    for round in 0..=rounds {
        stage.go_on()?;
        let time = daemon.start()?;
        daemon.stop();
        if round > 0 {
            values.push(milliseconds(time));
        }
    }
    let series = Series {
        name: "tierced".to_owned(),
        values,
    };
    Ok(vec![measure("startup", Unit::Milliseconds, vec![series])])
}
