//! Listening, and living until a signal says otherwise.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tierce_api::{Facts, Listener, Server};
use tierce_engine::Engine;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::document;
use crate::flags::Flags;
use crate::log::Level;
use crate::service_manager::{self, notify};
use crate::settings::{self, Host, Settings};

/// Group of the unix socket unless another is asked for; as dockerd.
const DEFAULT_GROUP: &str = "docker";
/// How long requests may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(5);

/// The open listeners, and the socket files that go with the daemon.
pub(crate) struct Listeners {
    listeners: Vec<Listener>,
    files: Vec<PathBuf>,
}

impl Listeners {
    /// Opens them all. Done before the parts are opened, so that clients which come meanwhile wait instead of failing.
    pub(crate) async fn open(settings: &Settings) -> Result<Self> {
        let group = group(settings.group.as_deref())?;
        let mut opened = Self {
            listeners: Vec::new(),
            files: Vec::new(),
        };
        for host in &settings.hosts {
            match host {
                Host::Unix(path) => {
                    opened.listeners.push(Listener::bind_unix(path, group)?);
                    opened.files.push(path.clone());
                }
                Host::Tcp { host, port } => {
                    warn!(
                        host,
                        port, "whoever reaches this TCP port is root on this machine: it has no TLS"
                    );
                    opened.listeners.push(Listener::bind_tcp(host, *port).await?);
                }
                Host::Inherited => {
                    let sockets = service_manager::inherited_sockets()?;
                    if sockets.is_empty() {
                        bail!("listen on fd://: the service manager has handed over no socket");
                    }
                    for socket in sockets {
                        opened.listeners.push(Listener::from_fd(socket)?);
                    }
                }
            }
        }
        Ok(opened)
    }

    /// Serves until SIGTERM or SIGINT. Containers are left running: they belong to their shims.
    pub(crate) async fn serve(self, engine: &Arc<Engine>, facts: Facts, flags: &Flags, level: &Level) -> Result<()> {
        let server = Server::new(engine, facts);
        let (stop, stopped) = watch::channel(false);
        let serving: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| {
                let (server, stopped) = (server.clone(), until_true(stopped.clone()));
                tokio::spawn(async move { server.serve(listener, stopped).await })
            })
            .collect();
        notify("READY=1");
        info!(version = env!("CARGO_PKG_VERSION"), "serving");
        until_told_to_stop(engine, flags, level).await?;
        notify("STOPPING=1");
        engine.shut_down();
        // Only fails when nobody listens any more.
        let _ = stop.send(true);
        for file in &self.files {
            if let Err(error) = std::fs::remove_file(file) {
                warn!(%error, file = %file.display(), "could not remove the socket");
            }
        }
        for task in serving {
            // A listener that panicked has said so.
            let _ = task.await;
        }
        if tokio::time::timeout(GRACE, server.idle()).await.is_err() {
            warn!("some requests did not end in time");
        }
        info!("stopped; containers run on");
        Ok(())
    }
}

/// Ready when the value becomes true.
async fn until_true(mut value: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the daemon.
    let _ = value.wait_for(|value| *value).await;
}

/// Waits for a signal to stop; meanwhile SIGHUP reads the configuration again.
async fn until_told_to_stop(engine: &Engine, flags: &Flags, level: &Level) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("watch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("watch SIGINT")?;
    let mut reload = signal(SignalKind::hangup()).context("watch SIGHUP")?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = reload.recv() => match reread(flags, level) {
                Ok(()) => {
                    engine.system.reloaded();
                    info!("configuration read again: debug and log level are in effect");
                }
                Err(error) => warn!("configuration not read again: {error:#}"),
            },
        }
    }
}

fn reread(flags: &Flags, level: &Level) -> Result<()> {
    let loaded = document::load(flags)?;
    level.set(settings::logging(&loaded.document)?.level)
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
