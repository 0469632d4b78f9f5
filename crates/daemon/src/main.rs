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

mod compose;
mod document;
mod exclusive;
mod flags;
mod identity;
mod log;
mod old_layouts;
mod registry;
mod serve;
mod service_manager;
mod settings;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;

use crate::exclusive::Exclusive;
use crate::flags::Flags;
use crate::serve::Listeners;
use crate::settings::Settings;

/// Worker threads at most: requests are short or wait, and each thread costs memory.
const MOST_WORKERS: usize = 4;
/// Threads at most for calls that block (mounts, files, netlink).
const MOST_BLOCKING: usize = 64;
/// How long an idle blocking thread is kept.
const KEEP_BLOCKING: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let begun = Instant::now();
    // The modes in the data root are Docker's whoever starts this program.
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    let flags = Flags::parse();
    let loaded = document::load(&flags)?;
    let program = std::env::current_exe().context("find the path of this program")?;
    let settings = Settings::new(loaded.document, &program)?;
    if flags.validate {
        println!("configuration OK");
        return Ok(());
    }
    let level = log::open(settings.logging)?;
    for (key, reason) in &loaded.without_meaning {
        tracing::warn!(key, reason, "this directive of dockerd has no effect here");
    }
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
        let listeners = Listeners::open(&settings).await?;
        let facts = compose::facts(&settings)?;
        let engine = compose::open(&settings).await?;
        tracing::debug!(elapsed = ?begun.elapsed(), "parts opened");
        listeners.serve(&engine, facts, &flags, &level).await
    });
    // Streams of clients that do not leave must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}
