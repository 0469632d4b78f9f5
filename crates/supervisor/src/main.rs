//! `tierce-supervisor`: the supervisor as a process of its own, with a socket and a database of its own.
//!
//! ```text
//!  ROOT/containers/<id>.json   what containers shall be      STATE/tasks, STATE/s, STATE/runtime   what runs
//!  ROOT/identity               who this is                   STATE/supervisor.lock                 one at a time
//! ```
//! It may end in any way and come back: containers run on, and what ended meanwhile is known afterwards.

use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rustix::fs::Mode;
use rustix::process::umask;
use tierce_supervisor::{Config, Custody, Records, Supervisor};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::EnvFilter;

/// Worker threads at most: calls are short or wait.
const MOST_WORKERS: usize = 2;
/// Threads at most for calls that block.
const MOST_BLOCKING: usize = 64;
/// How long an idle blocking thread is kept.
const KEEP_BLOCKING: Duration = Duration::from_secs(5);
/// How long a supervisor that is ending is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts, watches and ends the containers of an engine that runs apart from it (`tierced --containerd ADDRESS`).
#[derive(Debug, Parser)]
#[command(name = "tierce-supervisor", version, about)]
struct Flags {
    /// Directory of what survives a reboot: the records of containers
    #[arg(long, value_name = "DIRECTORY", default_value = "/var/lib/tierce-supervisor")]
    root: PathBuf,
    /// Directory of what lives as long as the kernel does; that of tierced, if its containers shall be taken over
    #[arg(long, value_name = "DIRECTORY", default_value = "/run/tierce")]
    state: PathBuf,
    /// Socket to serve at [default: STATE/supervisor.sock]
    #[arg(short, long, value_name = "SOCKET")]
    address: Option<PathBuf>,
    /// The namespace that its containers are in
    #[arg(short, long, value_name = "NAME", default_value = "moby")]
    namespace: String,
    /// Program that is the parent of each container [default: beside this one]
    #[arg(long, value_name = "PATH")]
    shim: Option<PathBuf>,
    /// Least severity that is logged: trace, debug, info, warn, error
    #[arg(short, long, value_name = "LEVEL", default_value = "info")]
    log_level: LevelFilter,
}

fn main() -> ExitCode {
    match run(Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tierce-supervisor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(flags.log_level.into())
        .from_env_lossy();
    // Every frame of a connection is only of interest to who asks for it by name.
    let filter = match "h2=error".parse() {
        Ok(quiet) if std::env::var_os(EnvFilter::DEFAULT_ENV).is_none() => filter.add_directive(quiet),
        _ => filter,
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_env_filter(filter)
        .try_init()
        .map_err(|error| anyhow::anyhow!("open the log: {error}"))?;
    // What others may not write they may not connect to, so that a socket is never open to more than its mode will say.
    umask(Mode::WGRP | Mode::WOTH);
    let address = flags.address.unwrap_or_else(|| flags.state.join("supervisor.sock"));
    for path in [&flags.root, &flags.state, &address] {
        if !path.is_absolute() {
            bail!("the path {} must be absolute", path.display());
        }
    }
    let program = std::env::current_exe().context("find the path of this program")?;
    let shim = flags
        .shim
        .unwrap_or_else(|| program.with_file_name("containerd-shim-tierce-v2"));
    if !shim.is_file() {
        bail!("find the shim: {} is no file; name it with --shim", shim.display());
    }
    let custody = Custody::take(&flags.state, PATIENCE)?;
    let records = Records::open(&flags.root)?;
    let identity = identity(&flags.root)?;
    let mut config = Config::new(&flags.state, shim);
    config.namespace = flags.namespace;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.min(MOST_WORKERS))
        .max_blocking_threads(MOST_BLOCKING)
        .thread_keep_alive(KEEP_BLOCKING)
        .enable_all()
        .build()
        .context("start the executor")?;
    let outcome = runtime.block_on(serve(config, records, identity, &address));
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(custody);
    outcome
}

/// Serves until it is told to end. Containers are left as they are.
async fn serve(config: Config, records: Records, identity: String, address: &Path) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let supervisor = Supervisor::open(config).context("open the supervisor")?;
    let found = supervisor.recover().await;
    let listener = listen(address).with_context(|| format!("listen at {}", address.display()))?;
    tracing::info!(address = %address.display(), containers = found.len(), "serving");
    tokio::select! {
        () = tierce_supervisor::serve(listener, supervisor, records, identity) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending; containers run on");
    // A client finds no socket, rather than one that nobody serves.
    let _ = std::fs::remove_file(address);
    Ok(())
}

/// Listens for root and its group, as containerd does. What is left at the path is of a supervisor that was killed:
/// another one that lives has the lock.
fn listen(address: &Path) -> Result<UnixListener> {
    if let Some(directory) = address.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(directory)?;
    }
    if std::os::unix::net::UnixStream::connect(address).is_ok() {
        bail!("another program serves there");
    }
    if let Ok(left) = std::fs::symlink_metadata(address) {
        if !left.file_type().is_socket() {
            bail!("it exists and is no socket");
        }
        let _ = std::fs::remove_file(address);
    }
    let bound = UnixListener::bind(address)?;
    std::fs::set_permissions(address, std::fs::Permissions::from_mode(0o660))?;
    Ok(bound)
}

/// The name of this supervisor, over its restarts.
fn identity(root: &Path) -> Result<String> {
    let path = root.join("identity");
    if let Ok(text) = std::fs::read_to_string(&path)
        && !text.trim().is_empty()
    {
        return Ok(text.trim().to_owned());
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("make an identity: {error}"))?;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let identity = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    tierce_fsops::write_atomic(&path, identity.as_bytes(), 0o600)?;
    Ok(identity)
}
