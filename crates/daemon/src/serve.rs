//! Listening, and living until a signal says otherwise.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tierce_api::{Facts, Listener, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::compose::Opened;
use crate::document::Document;
use crate::flags::Flags;
use crate::log::Level;
use crate::reload::{Reload, SHUTDOWN_TIMEOUT};
use crate::runtimes::Workshop;
use crate::service_manager::{self, notify};
use crate::settings::{Host, Settings};
use crate::tls::Protection;

/// Group of the unix socket unless another is asked for; as dockerd.
const DEFAULT_GROUP: &str = "docker";
/// How long requests may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How long after the last request memory is given back.
const CALM: Duration = Duration::from_secs(1);

/// The open listeners, and the socket files that go with the daemon.
pub(crate) struct Listeners {
    api: Vec<Listener>,
    files: Vec<PathBuf>,
    /// Where metrics are told.
    metrics: Option<Listener>,
}

impl Listeners {
    /// Opens them all. Done before the parts are opened, so that clients which come meanwhile wait instead of failing.
    pub(crate) async fn open(settings: &Settings) -> Result<Self> {
        let group = group(settings.group.as_deref())?;
        let mut opened = Self {
            api: Vec::new(),
            files: Vec::new(),
            metrics: None,
        };
        for host in &settings.hosts {
            match host {
                Host::Unix(path) => {
                    opened.api.push(Listener::bind_unix(path, group)?);
                    opened.files.push(path.clone());
                }
                Host::Tcp { host, port } => {
                    warn_of_open_port(&settings.protection, host, *port);
                    let port = settings.protection.port(*port);
                    opened.api.push(Listener::bind_tcp(host, port).await?);
                }
                Host::Inherited => {
                    let sockets = service_manager::inherited_sockets()?;
                    if sockets.is_empty() {
                        bail!("listen on fd://: the service manager has handed over no socket");
                    }
                    for socket in sockets {
                        opened.api.push(Listener::from_fd(socket)?);
                    }
                }
            }
        }
        if let Some(config) = settings.protection.config() {
            let listeners = opened.api.into_iter();
            opened.api = listeners.map(|listener| listener.with_tls(config)).collect();
        }
        if let Some(address) = settings
            .document
            .metrics_addr
            .as_deref()
            .filter(|text| !text.is_empty())
        {
            let (host, port) = address
                .rsplit_once(':')
                .and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)))
                .with_context(|| format!("invalid metrics-addr {address:?}: expected HOST:PORT"))?;
            opened.metrics = Some(Listener::bind_tcp(host, port).await?);
        }
        Ok(opened)
    }

    /// Serves until SIGTERM or SIGINT. Containers are left running, since they belong to their shims, unless
    /// `live-restore` is off.
    pub(crate) async fn serve(self, opened: Opened, serving: Serving<'_>) -> Result<()> {
        let engine = Arc::clone(&opened.engine);
        let server = Server::new(&engine, serving.facts.clone());
        let (stop, stopped) = watch::channel(false);
        let metrics = self.metrics.map(|listener| (server.of_metrics(&engine), listener));
        let tasks: Vec<_> = self
            .api
            .into_iter()
            .map(|listener| (server.clone(), listener))
            .chain(metrics)
            .map(|(server, listener)| {
                let stopped = until_true(stopped.clone());
                tokio::spawn(async move { server.serve(listener, stopped).await })
            })
            .collect();
        tokio::spawn(give_memory_back(server.clone()));
        notify("READY=1");
        info!(version = env!("CARGO_PKG_VERSION"), "serving");
        let reload = Reload {
            flags: serving.flags,
            level: serving.level,
            opened: &opened,
            server: &server,
            workshop: serving.workshop,
        };
        let document = until_told_to_stop(&reload, serving.signals, serving.document, serving.facts).await;
        notify("STOPPING=1");
        // Only fails when nobody listens any more.
        let _ = stop.send(true);
        for file in &self.files {
            if let Err(error) = std::fs::remove_file(file) {
                warn!(%error, file = %file.display(), "could not remove the socket");
            }
        }
        for task in tasks {
            // A listener that panicked has said so.
            let _ = task.await;
        }
        if document.live_restore == Some(false) {
            info!("stopping the containers, as live-restore is off");
            let seconds = document.shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT);
            // A negative one stands for as long as it takes.
            let limit = u64::try_from(seconds).ok().map(Duration::from_secs);
            engine.stop_containers(limit).await;
        }
        engine.shut_down().await;
        if tokio::time::timeout(GRACE, server.idle()).await.is_err() {
            warn!("some requests did not end in time");
        }
        info!("stopped");
        Ok(())
    }
}

/// After each burst of requests the heap is full of holes, for as long as nothing else is asked.
async fn give_memory_back(server: Server) {
    loop {
        server.calm(CALM).await;
        // A failure would mean that the daemon ends.
        let _ = tokio::task::spawn_blocking(tierce_sys::heap::give_back).await;
    }
}

/// What serving begins with.
pub(crate) struct Serving<'a> {
    pub(crate) flags: &'a Flags,
    pub(crate) level: &'a Level,
    pub(crate) signals: Signals,
    pub(crate) document: Document,
    pub(crate) facts: Facts,
    pub(crate) workshop: &'a Workshop,
}

/// Source of the texts: moby `daemon/command/daemon.go`, `loadListeners`.
fn warn_of_open_port(protection: &Protection, host: &str, port: Option<u16>) {
    let address = format!("tcp://{}", protection.address(host, port));
    let meant = match protection {
        Protection::Verified(_) => return,
        Protection::Encrypted(_) => true,
        Protection::None { meant } => *meant,
    };
    warn!(
        host = address,
        "Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has \
         access to your network."
    );
    warn!(
        host = address,
        "Binding to an IP address, even on localhost, can also give access to scripts run in a browser. Be safe out there!"
    );
    if !meant {
        warn!(
            host = address,
            "You can override this by explicitly specifying '--tls=false' or '--tlsverify=false'"
        );
    }
}

/// Ready when the value becomes true.
async fn until_true(mut value: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the daemon.
    let _ = value.wait_for(|value| *value).await;
}

/// The signals that the daemon obeys. Those that come before it serves are obeyed as soon as it does.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on they do not end the process by themselves.
    pub(crate) fn watch() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("watch SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("watch SIGINT")?,
            hangup: signal(SignalKind::hangup()).context("watch SIGHUP")?,
        })
    }
}

/// Waits for a signal to stop; meanwhile SIGHUP reads the configuration again. Gives the document in force at the end.
async fn until_told_to_stop(
    reload: &Reload<'_>,
    mut signals: Signals,
    mut document: Document,
    mut facts: Facts,
) -> Document {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return document,
            _ = signals.interrupt.recv() => return document,
            _ = signals.hangup.recv() => {
                notify("RELOADING=1");
                match reload.run(&document, &facts).await {
                    Ok(changed) => {
                        (document, facts) = changed;
                        info!("configuration read again");
                    }
                    Err(error) => warn!("configuration not read again: {error:#}"),
                }
                notify("READY=1");
            }
        }
    }
}

/// The id of the group that may use the socket. A group that was asked for must exist.
fn group(name: Option<&str>) -> Result<Option<u32>> {
    let found = group_id(Path::new("/etc/group"), name.unwrap_or(DEFAULT_GROUP));
    match (found, name) {
        (None, Some(name)) if !name.is_empty() => bail!("group {name} not found in /etc/group"),
        (found, _) => Ok(found),
    }
}

/// A group by name or number in a file of group(5).
fn group_id(file: &Path, name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    std::fs::read_to_string(file).ok()?.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_and_number() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("group");
        std::fs::write(&file, "root:x:0:\ndocker:x:994:user\nbroken\n").unwrap();
        assert_eq!(group_id(&file, "docker"), Some(994));
        assert_eq!(group_id(&file, "1000"), Some(1000));
        assert_eq!(group_id(&file, "nobody"), None);
    }
}
