//! The control socket: requests of the engine, a line each.

use crate::protocol::{Join, Reply, Request, Served};
use crate::server::{Server, lock};
use std::io;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::time::timeout;

/// The program ends when nobody needs it and no engine has been connected for so long.
const LINGER: Duration = Duration::from_secs(1);

/// Who is connected.
#[derive(Debug, Default)]
struct Engines {
    count: Mutex<usize>,
    changed: Notify,
}

/// Serves engines at the socket, which has the name `path`, until nobody is left who needs it.
/// `descriptors`: how many the program may have.
pub(crate) async fn serve(listener: StdUnixListener, path: &Path, descriptors: usize) -> io::Result<()> {
    let server = Server::new(descriptors)?;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let engines = Arc::new(Engines::default());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                *lock(&engines.count) += 1;
                let (server, engines) = (Arc::clone(&server), Arc::clone(&engines));
                tokio::spawn(async move {
                    // The engine has gone: there will be another.
                    let _ = converse(&server, stream).await;
                    *lock(&engines.count) -= 1;
                    engines.changed.notify_one();
                });
            }
            () = forsaken(&server, &engines, path) => {
                // Whoever binds the name next does not find ours. It may be gone with its folder.
                let _ = std::fs::remove_file(path);
                return Ok(());
            }
        }
    }
}

/// Waits until no engine has been here for a while, and either nobody is served or none can come any more.
async fn forsaken(server: &Server, engines: &Engines, path: &Path) {
    let is_alone = || *lock(&engines.count) == 0;
    let is_needless = || server.is_idle() || !path.exists();
    loop {
        if is_alone() {
            let needless = is_needless();
            let change = timeout(LINGER, engines.changed.notified()).await;
            if change.is_err() && needless && is_alone() && is_needless() {
                return;
            }
        } else {
            engines.changed.notified().await;
        }
    }
}

async fn converse(server: &Arc<Server>, stream: UnixStream) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let reply = match serde_json::from_str(&line) {
            Ok(request) => act(server, request),
            Err(error) => Reply::Failed(format!("cannot read the request: {error}")),
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        writer.write_all(&text).await?;
    }
    Ok(())
}

fn act(server: &Arc<Server>, request: Request) -> Reply {
    match request {
        Request::Join(join) => match server.join(&join) {
            Ok(port) => Reply::Done(served(&join, port).into_iter().collect()),
            Err(error) => Reply::Failed(failure(&join, &error)),
        },
        Request::Leave(container) => {
            server.leave(&container);
            Reply::Done(Vec::new())
        }
        Request::Everything(joins) => {
            server.keep_only(&joins);
            // One container that has died meanwhile must not be the end of the others.
            let ports = joins.iter().filter_map(|join| served(join, server.join(join).ok()?));
            Reply::Done(ports.collect())
        }
    }
}

fn served(join: &Join, port: Option<u16>) -> Option<Served> {
    Some(Served {
        container: join.container.clone(),
        port: port?,
    })
}

fn failure(join: &Join, error: &io::Error) -> String {
    match &join.namespace {
        Some(path) => format!("cannot open sockets in network namespace {}: {error}", path.display()),
        None => error.to_string(),
    }
}
