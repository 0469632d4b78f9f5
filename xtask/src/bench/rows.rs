//! The rows: what each measures, over all contestants in turn (A B C A B C …), after a warm-up.

use super::contestant::{Engine, Runtime};
use super::measure::{TICK_MILLISECONDS, children_ticks, memory, parent_of, processes_named, run, run_parallel};
use super::stage::Stage;
use super::table::{Measure, Series, Unit};
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
    /// `exec CONTAINER true`
    Exec,
    /// 50 containers started, 10 at a time
    Parallel,
    /// Memory of the parent process of an idle container
    ShimMemory,
    /// Memory of the daemon after the rows before this one
    DaemonMemory,
    /// From the start of tierced to its first answer
    Startup,
}

impl Row {
    /// Whether it needs daemons and an image.
    pub(super) fn needs_engines(self) -> bool {
        !matches!(self, Self::Runtime | Self::Startup)
    }

    /// Measures it.
    pub(super) fn measure(self, stage: &Stage, scratch: &Path, rounds: usize) -> Result<Vec<Measure>> {
        match self {
            Self::RunBridge => run_container(stage, "run-bridge", &["run", "--rm"], rounds),
            Self::RunNone => run_container(stage, "run-none", &["run", "--rm", "--network", "none"], rounds),
            Self::Runtime => runtime(stage, scratch, rounds),
            Self::Exec => exec(stage, rounds),
            Self::Parallel => parallel(stage, rounds.min(3)),
            Self::ShimMemory => shim_memory(stage),
            Self::DaemonMemory => daemon_memory(stage),
            Self::Startup => startup(stage, rounds),
        }
    }
}

/// Rounds before those that count: caches are warm, modules are loaded.
const WARM_UP: usize = 2;

/// Lets the contestants act in turn and keeps the values of the rounds after the warm-up, one list each.
fn in_turn<C>(
    stage: &Stage,
    warm_up: usize,
    rounds: usize,
    contestants: &[C],
    mut act: impl FnMut(usize, &C) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<f64>>> {
    let mut values = vec![Vec::new(); contestants.len()];
    for round in 0..warm_up + rounds {
        for (index, contestant) in contestants.iter().enumerate() {
            stage.go_on()?;
            let measured = act(index, contestant)?;
            if round >= warm_up {
                values[index].extend(measured);
            }
        }
    }
    Ok(values)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn series<'a>(names: impl Iterator<Item = &'a str>, values: Vec<Vec<f64>>) -> Vec<Series> {
    names
        .zip(values)
        .map(|(name, values)| Series {
            name: name.to_owned(),
            values,
        })
        .collect()
}

fn engine_measure(stage: &Stage, name: &str, values: Vec<Vec<f64>>) -> Measure {
    Measure {
        name: name.to_owned(),
        unit: Unit::Milliseconds,
        series: series(stage.engines.iter().map(|engine| engine.name), values),
    }
}

fn image(stage: &Stage) -> Result<&str> {
    stage.image.as_deref().context("the engines are not open")
}

fn run_container(stage: &Stage, name: &str, words: &[&str], rounds: usize) -> Result<Vec<Measure>> {
    let words = [words, &[image(stage)?, "true"]].concat();
    let act = |_, engine: &Engine| Ok(vec![milliseconds(run(&mut engine.command(&words))?.wall)]);
    let values = in_turn(stage, WARM_UP, rounds, &stage.engines, act)?;
    Ok(vec![engine_measure(stage, name, values)])
}

fn exec(stage: &Stage, rounds: usize) -> Result<Vec<Measure>> {
    let image = image(stage)?;
    let containers = stage
        .engines
        .iter()
        .map(|engine| engine.start_idle(image))
        .collect::<Result<Vec<_>>>()?;
    let act = |index: usize, engine: &Engine| {
        let words = ["exec", &containers[index], "true"];
        Ok(vec![milliseconds(run(&mut engine.command(&words))?.wall)])
    };
    let values = in_turn(stage, WARM_UP, rounds, &stage.engines, act);
    for (engine, container) in stage.engines.iter().zip(&containers) {
        engine.remove(std::slice::from_ref(container))?;
    }
    Ok(vec![engine_measure(stage, "exec", values?)])
}

fn parallel(stage: &Stage, rounds: usize) -> Result<Vec<Measure>> {
    const CONTAINERS: usize = 50;
    const AT_A_TIME: usize = 10;
    let image = image(stage)?;
    let act = |_, engine: &Engine| {
        let commands = (0..CONTAINERS).map(|_| engine.command(&["run", "-d", image, "sleep", "100000"]));
        let (wall, ids) = run_parallel(commands.collect(), AT_A_TIME)?;
        engine.remove(&ids)?;
        Ok(vec![milliseconds(wall)])
    };
    // One round is fifty starts, which is warm-up enough for itself; the first is still thrown away.
    let values = in_turn(stage, 1, rounds, &stage.engines, act)?;
    Ok(vec![engine_measure(stage, "parallel", values)])
}

fn runtime(stage: &Stage, scratch: &Path, rounds: usize) -> Result<Vec<Measure>> {
    /// Runs between two looks at the CPU clock, which has ticks of 10 ms.
    const BLOCK: usize = 10;
    let bundle = stage.bundle()?;
    let runtimes = Runtime::all(&stage.programs, scratch, &stage.states());
    let mut cpu = vec![Vec::new(); runtimes.len()];
    let mut number = 0;
    let act = |index: usize, runtime: &Runtime| {
        let before = children_ticks()?;
        let mut walls = Vec::with_capacity(BLOCK);
        for _ in 0..BLOCK {
            number += 1;
            walls.push(milliseconds(
                run(&mut runtime.command(&bundle, &format!("bench{number}")))?.wall,
            ));
        }
        let ticks = children_ticks()? - before;
        cpu[index].push(ticks as f64 * TICK_MILLISECONDS / BLOCK as f64);
        Ok(walls)
    };
    let wall = in_turn(stage, 1, rounds, &runtimes, act)?;
    // The warm-up block of each goes, as it did above.
    for values in &mut cpu {
        values.remove(0);
    }
    let names = || runtimes.iter().map(|runtime| runtime.name);
    for runtime in &runtimes {
        println!("{} {}", runtime.name, runtime.version());
    }
    Ok(vec![
        Measure {
            name: "runtime wall".to_owned(),
            unit: Unit::Milliseconds,
            series: series(names(), wall),
        },
        Measure {
            name: "runtime cpu".to_owned(),
            unit: Unit::MeanMilliseconds,
            series: series(names(), cpu),
        },
    ])
}

fn shim_memory(stage: &Stage) -> Result<Vec<Measure>> {
    const CONTAINERS: usize = 10;
    let image = image(stage)?;
    let (mut proportional, mut private) = (Vec::new(), Vec::new());
    for engine in &stage.engines {
        stage.go_on()?;
        let ids = (0..CONTAINERS)
            .map(|_| engine.start_idle(image))
            .collect::<Result<Vec<_>>>()?;
        // Buffers of the start are given back.
        std::thread::sleep(Duration::from_secs(1));
        let parents = ids.iter().map(|id| {
            let pid = engine.run(&["inspect", "--format", "{{.State.Pid}}", id])?;
            memory(parent_of(pid.parse().with_context(|| format!("process id {pid:?}"))?)?)
        });
        let parents = parents.collect::<Result<Vec<_>>>();
        engine.remove(&ids)?;
        let parents = parents?;
        proportional.push(parents.iter().map(|memory| memory.proportional as f64).collect());
        private.push(parents.iter().map(|memory| memory.private as f64).collect());
    }
    let names = || stage.engines.iter().map(|engine| engine.name);
    let measure = |name: &str, values| Measure {
        name: name.to_owned(),
        unit: Unit::Bytes,
        series: series(names(), values),
    };
    Ok(vec![
        measure("shim-memory pss", proportional),
        measure("shim-memory private", private),
    ])
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
    Ok(vec![Measure {
        name: "daemon-memory".to_owned(),
        unit: Unit::Bytes,
        series,
    }])
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
    Ok(vec![Measure {
        name: "startup".to_owned(),
        unit: Unit::Milliseconds,
        series: vec![Series {
            name: "tierced".to_owned(),
            values,
        }],
    }])
}
