//! `tierced`: reads the configuration, opens the parts, serves.
//!
//! ```text
//!  flags + daemon.json ─▶ document ─▶ settings ─▶ exclusive (locks, pid file)
//!                                        ├─▶ serve::Listeners::open (clients may queue from here on)
//!                                        ├─▶ compose::open (every part, in order; recovery)
//!                                        └─▶ serve (READY=1 … SIGTERM)
//! ```
//!
//! The only composition root: nobody else knows all parts.

mod called_as;
mod compose;
mod document;
mod exclusive;
mod facts;
mod flags;
mod identity;
mod isolation;
mod json_log;
mod log;
mod old_layouts;
mod registry;
mod reload;
mod runtimes;
mod serve;
mod service_manager;
mod settings;
mod tls;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::exclusive::Exclusive;
use crate::flags::Flags;
use crate::serve::{Listeners, Serving, Signals};
use crate::settings::Settings;

/// Worker threads at most: requests are short or wait, and each thread costs memory.
const MOST_WORKERS: usize = 4;
/// Threads at most for calls that block (mounts, files, netlink). Each path of a dead server can hold one for ever, so
/// there are far more than are ever at work.
const MOST_BLOCKING: usize = 512;
/// How long an idle blocking thread is kept.
const KEEP_BLOCKING: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let flags = match Flags::read(std::env::args_os()) {
        Ok(flags) => flags,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", error.to_string().trim_start_matches("error: "));
            return ExitCode::FAILURE;
        }
        // Help. A reader that is gone wants no more of it.
        Err(error) => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
    };
    match run(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<()> {
    let begun = Instant::now();
    if flags.version {
        println!("Tierce version {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    // The modes in the data root are Docker's whoever starts this program.
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    let loaded = document::load(flags)?;
    let program = std::env::current_exe().context("find the path of this program")?;
    let settings = Settings::new(loaded.document.clone(), &program, flags.called_as).map_err(|e| loaded.blame(e))?;
    if flags.validate {
        println!("configuration OK");
        return Ok(());
    }
    let level = log::open(settings.logging)?;
    for (key, reason) in &loaded.notes {
        tracing::warn!(key, reason, "this option of dockerd has no effect here");
    }
    tierce_sys::heap::share();
    let _exclusive = Exclusive::acquire(&settings.data_root, &settings.exec_root, &settings.pidfile)?;
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_WORKERS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(MOST_BLOCKING)
        .thread_keep_alive(KEEP_BLOCKING)
        .enable_all()
        .build()
        .context("start the executor")?;
    let outcome = runtime.block_on(async {
        let signals = Signals::watch()?;
        let listeners = Listeners::open(&settings).await?;
        let facts = facts::at_start(&settings)?;
        let opened = compose::open(&settings).await?;
        tracing::debug!(elapsed = ?begun.elapsed(), "parts opened");
        let serving = Serving {
            flags,
            level: &level,
            signals,
            document: settings.document.clone(),
            facts,
            workshop: &settings.workshop,
        };
        listeners.serve(opened, serving).await
    });
    // Streams of clients that do not leave must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}
