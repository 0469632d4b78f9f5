//! Pulls that are broken off: by the death of the daemon, and by a client that leaves.

use serde_json::json;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tierce_oci::{Digest, media_type};
use tierce_testkit::fake_server::{HostServer, Received, Reply};
use tierce_testkit::layout::{Compression, ImageLayout, Layer};
use tierce_testkit::{Daemon, wait_until};

const PATIENCE: Duration = Duration::from_mins(1);

/// How much of the layer comes before the registry falls silent.
const PART: usize = 9_000_000;

/// A registry with one image of one layer of 12 MB. The first request for the layer gets the first bytes of it and then
/// nothing more.
struct Stalling {
    layer: Layer,
    config: Vec<u8>,
    manifest: String,
    /// Bytes of the layer that were sent.
    sent: Arc<AtomicUsize>,
}

impl Stalling {
    fn new() -> Self {
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()
        })
        .take(3_000_000)
        .flatten()
        .collect();
        let layer = Layer::of(&[("big", &noise)], Compression::Gzip);
        let layers = std::slice::from_ref(&layer);
        let config = ImageLayout::config(layers, ("linux", "amd64")).to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "config": {"mediaType": media_type::OCI_CONFIG, "digest": Digest::sha256_of(&config).to_string(),
                       "size": config.len()},
            "layers": [layer.descriptor()],
        });
        Self {
            config,
            manifest: manifest.to_string(),
            sent: Arc::default(),
            layer,
        }
    }

    fn answer(&self, request: &Received) -> Reply {
        if request.target.contains("/manifests/") {
            return Reply::ok(media_type::OCI_MANIFEST, self.manifest.clone());
        }
        if !request.target.ends_with(self.layer.digest().as_str()) {
            return Reply::blob(request, &self.config);
        }
        let (blob, from) = (&self.layer.blob, request.range_start().unwrap_or(0));
        let first = self.sent.load(Ordering::SeqCst) == 0;
        let more = if first { PART } else { blob.len() - from };
        self.sent.fetch_add(more, Ordering::SeqCst);
        if first {
            Reply::Stall {
                length: blob.len(),
                body: blob[..PART].to_vec(),
            }
        } else {
            Reply::blob(request, blob)
        }
    }
}

/// Unfinished blobs of a daemon.
fn parts(daemon: &Daemon) -> Vec<PathBuf> {
    let found = std::fs::read_dir(daemon.data_root().join("tmp/blobs"))
        .into_iter()
        .flatten();
    found.map(|entry| entry.expect("an entry").path()).collect()
}

/// Begins a pull and waits until all that the registry sends of the layer is staged.
fn broken_pull(daemon: &Daemon, image: &str) -> Child {
    let mut command = daemon.docker_command();
    let client = command
        .args(["pull", image])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let client = client.spawn().expect("start the client");
    wait_until("the first part of the layer is there", PATIENCE, || {
        parts(daemon)
            .iter()
            .any(|part| part.metadata().is_ok_and(|metadata| metadata.len() == PART as u64))
    });
    client
}

#[test]
fn row_027_a_pull_goes_on_where_it_was_when_the_daemon_was_killed() {
    let mut daemon = Daemon::start();
    let registry = Stalling::new();
    let (sent, length) = (registry.sent.clone(), registry.layer.blob.len());
    let server = HostServer::start(daemon.host(), move |request| registry.answer(request));
    let image = format!("{}/t/big:one", server.authority());
    let mut client = broken_pull(&daemon, &image);
    daemon.crash();
    client.wait().unwrap();
    daemon.launch();
    daemon.docker(&["pull", "--quiet", &image]).ok();
    let layers = server.received();
    let mut layers = layers.iter().filter(|request| request.range_start().is_some());
    assert_eq!(layers.next().unwrap().range_start(), Some(PART));
    assert_eq!(sent.load(Ordering::SeqCst), length, "no byte is sent twice");
    assert_eq!(parts(&daemon), Vec::<PathBuf>::new());
    assert_eq!(daemon.docker(&["images", "-q"]).ok().lines().count(), 1);
}

#[test]
fn a_client_that_leaves_takes_its_pull_with_it() {
    let daemon = Daemon::start();
    let registry = Stalling::new();
    let server = HostServer::start(daemon.host(), move |request| registry.answer(request));
    let mut client = broken_pull(&daemon, &format!("{}/t/big:one", server.authority()));
    client.kill().unwrap();
    client.wait().unwrap();
    let places = [
        "tmp/blobs",
        "tmp/work",
        "image/overlay2/layerdb/tmp",
        "image/overlay2/layerdb/sha256",
    ];
    wait_until("nothing of the pull is left", PATIENCE, || {
        places.iter().all(|place| {
            let entries = std::fs::read_dir(daemon.data_root().join(place));
            entries.map_or(0, Iterator::count) == 0
        })
    });
    assert_eq!(daemon.docker(&["images", "-aq"]).ok(), "");
}
