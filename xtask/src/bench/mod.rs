//! `cargo xtask bench`: Tierce beside whatever peers are on the machine, in one run.
//!
//! Shared machines are noisy, so figures of different runs say little. Here the contestants act in turn (A B C A B C …),
//! the middle value counts, and what is judged is the ratio of ours to a peer's, against the budgets in [`budget`].
//! How to read the table: `bench/README.md`.
//!
//! Everything is private (data root, sockets, bridge, firewall table, registry, image name) and is taken away at the
//! end, also after a failure and when the user interrupts.

mod budget;
mod contestant;
mod count;
mod crowd;
mod images;
mod machine;
mod measure;
mod mover;
mod network;
mod rows;
mod stage;
mod table;
mod transfers;
mod verbs;

use crate::demo::watch_for_interrupts;
use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum as _;
use contestant::compile;
use rows::Row;
use stage::Stage;
use std::path::{Path, PathBuf};
use std::process::Command;
use table::Table;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Rows [default: all]
    #[arg(value_enum)]
    rows: Vec<Row>,
    /// Rounds that count
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Folder of the built programs
    #[arg(long, default_value = "target/dist")]
    programs: PathBuf,
    /// Do all of it behind this command, which enters the room where the peers are; the project's folder must be there
    #[arg(long, value_name = "COMMAND")]
    all_prefix: Option<String>,
    /// Do a tenth of the rows of the network, to see that they work
    #[arg(long)]
    small: bool,
    /// Fail when a first target is missed
    #[arg(long)]
    check: bool,
}

impl Bench {
    /// Measures and prints; returns when everything is cleaned up.
    pub(crate) fn run(&self, project: &Path) -> Result<()> {
        let scratch = project.join("target/bench");
        std::fs::create_dir_all(&scratch)?;
        for name in ["bound", "count"] {
            compile(name, project, &scratch);
        }
        let rows = if self.rows.is_empty() {
            Row::value_variants()
        } else {
            &self.rows
        };
        if rows.iter().any(|row| row.needs_images()) {
            images::make(&scratch)?;
        }
        if let Some(prefix) = &self.all_prefix {
            return self.run_behind(prefix, &scratch);
        }
        ensure!(
            rustix::process::geteuid().is_root(),
            "containers need root: run it as root, or with sudo"
        );
        let programs = project.join(&self.programs);
        let mut stage = Stage::new(&programs, &scratch, watch_for_interrupts()?)?;
        stage.small = self.small;
        println!("{}", machine::describe());
        if rows.iter().any(|row| row.needs_engines()) {
            stage.open_engines()?;
            for engine in &stage.engines {
                println!("{} {}", engine.name, engine.version());
            }
        }
        let mut measures = Vec::new();
        let mut failures = 0;
        for row in rows {
            match row.measure(&stage, &scratch, self.rounds.into()) {
                Ok(measured) => measures.extend(measured),
                Err(error) => {
                    stage.go_on()?;
                    failures += 1;
                    eprintln!("{row:?} failed: {error:#}");
                }
            }
        }
        drop(stage);
        let table = Table(&measures);
        println!("\n{table}");
        let over = table.over();
        ensure!(
            over.is_empty(),
            "over the limits of xtask/src/bench/budget.rs: find what became dearer, or raise them and say why:\n{}",
            over.join("\n")
        );
        ensure!(failures == 0, "{failures} rows failed");
        ensure!(
            !self.check || table.missed() == 0,
            "{} first targets missed",
            table.missed()
        );
        Ok(())
    }

    /// Runs this program again behind a command, so that our part and the peers' have the same namespaces and limits,
    /// and entering costs none of them anything.
    fn run_behind(&self, prefix: &str, scratch: &Path) -> Result<()> {
        let copy = scratch.join("xtask");
        std::fs::copy(std::env::current_exe()?, &copy).context("copy this program to where the peers are")?;
        let mut words = prefix.split_whitespace();
        let mut command = Command::new(words.next().context("the prefix is empty")?);
        command.args(words).arg(copy).arg("bench");
        for row in &self.rows {
            command.args(row.to_possible_value().map(|value| value.get_name().to_owned()));
        }
        command
            .args(["--rounds", &self.rounds.to_string()])
            .arg("--programs")
            .arg(std::path::absolute(&self.programs)?);
        for (given, flag) in [(self.check, "--check"), (self.small, "--small")] {
            command.args(given.then_some(flag));
        }
        // Ctrl-C reaches it too; it cleans up and ends.
        let _interrupted = watch_for_interrupts()?;
        let status = command.status().with_context(|| format!("start {prefix}"))?;
        ensure!(status.success(), "the benchmark ended with {status}");
        Ok(())
    }
}
