//! `tierce-hub`: a registry with search, on a port of this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tierce_hub::{Certificate, Hub, Keep, Settings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Threads at most for calls that block: reading and writing files, and comparing passwords.
const MOST_BLOCKING: usize = 64;

/// A self-hosted hub: a registry that docker, podman and skopeo push to and pull from, and docker search searches.
#[derive(Debug, Parser)]
#[command(name = "tierce-hub", version)]
struct Flags {
    /// Address to serve on; may be given several times
    #[arg(long, short, default_value = "127.0.0.1:5000", value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// Directory of everything that the hub has
    #[arg(long, default_value = "/var/lib/tierce-hub", value_name = "DIRECTORY")]
    root: PathBuf,
    /// Users, a file made by htpasswd -B; without it everybody may push and delete
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// Let everybody pull what is not private, users alone push
    #[arg(long, requires = "htpasswd")]
    anonymous_pull: bool,
    /// Certificates to serve TLS with, PEM
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Key of the first certificate, PEM
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Hours to keep blobs that no manifest lists and uploads that nobody goes on with
    #[arg(long, default_value = "24", value_name = "HOURS", value_parser = hours)]
    lease: Duration,
    /// Delete a manifest when it loses its last tag
    #[arg(long)]
    delete_untagged: bool,
    /// Longest blob that is taken, in bytes
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true, value_name = "BYTES")]
    max_blob: u64,
    /// What to log: error, warn, info or debug
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log_level: String,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let filter =
        EnvFilter::try_new(&flags.log_level).with_context(|| format!("read log level {:?}", flags.log_level))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let certificate = match (&flags.tls_cert, &flags.tls_key) {
        (Some(chain), Some(key)) => Some(Certificate::read(chain, key)?),
        _ => None,
    };
    let hub = Hub::open(&Settings {
        root: flags.root.clone(),
        keep: Keep {
            lease: flags.lease,
            untagged: !flags.delete_untagged,
        },
        users: flags.htpasswd.clone(),
        anonymous_pull: flags.anonymous_pull,
        longest_blob: flags.max_blob,
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(MOST_BLOCKING)
        .enable_all()
        .build()
        .context("start the executor")?;
    runtime.block_on(run(hub, flags, certificate))
}

/// Serves all addresses until a signal says stop.
async fn run(hub: Hub, flags: Flags, certificate: Option<Certificate>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
    let (stopping, stopped) = watch::channel(false);
    let mut serving = Vec::new();
    for address in &flags.listen {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}"))?;
        // A port of 0 is one that the kernel chose.
        let address = listener.local_addr().context("ask for the address")?;
        tracing::info!(%address, tls = certificate.is_some(), root = %flags.root.display(), "serving");
        let mut stopped = stopped.clone();
        let stop = async move {
            // An error would mean that the sender is gone, and then it is over too.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        serving.push(tokio::spawn(hub.clone().serve(listener, certificate.clone(), stop)));
    }
    if serving.is_empty() {
        bail!("no address to listen on: give --listen");
    }
    let sweeping = tokio::spawn(hub.sweep(flags.lease));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: requests under way may end");
    sweeping.abort();
    stopping.send_replace(true);
    for task in serving {
        task.await.context("end a listener")?;
    }
    Ok(())
}

/// Hours, with a part of one as a decimal fraction.
fn hours(text: &str) -> Result<Duration, String> {
    let hours: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of hours"))?;
    Duration::try_from_secs_f64(hours * 3600.0).map_err(|error| error.to_string())
}
