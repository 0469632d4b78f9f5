//! Project tasks: `cargo xtask tidy` checks the house rules, `cargo xtask bench` measures beside the peers,
//! `cargo xtask demo` shows the whole way from a registry to a running container.

mod bench;
mod demo;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Project tasks of Tierce")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the house rules: sizes, imports, documentation, unsafe code.
    Tidy,
    /// Show the whole way from a registry to a running container.
    Demo(demo::Demo),
    /// Measure beside the peers on this machine, and judge by the budgets.
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    match task {
        Task::Tidy => tidy::run(&project_root()),
        Task::Demo(demo) => demo.run(),
        Task::Bench(bench) => bench.run(&project_root()),
    }
}

/// The folder of the workspace.
fn project_root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}
