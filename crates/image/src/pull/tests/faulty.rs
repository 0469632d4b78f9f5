//! Pulls from a registry that misbehaves: each fails with a word on what and where, and leaves nothing.

use crate::testing::{Ear, Stage};
use crate::{Error, Pull, Removal, Silent};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tierce_fault::{Fault, Kind};
use tierce_oci::{Digest, media_type};
use tierce_testkit::fake_server::{FakeServer, Received, Reply};
use tierce_testkit::layout::{Compression, ImageLayout, Layer};

/// The documents and blobs of an image, to be spoilt by a test before they are served.
#[derive(Clone)]
struct Served {
    manifest: Value,
    manifest_type: String,
    blobs: HashMap<String, Vec<u8>>,
}

impl Served {
    fn of(layers: &[Layer]) -> Self {
        Self::with_config(layers, &ImageLayout::config(layers, ("linux", "amd64")))
    }

    fn with_config(layers: &[Layer], config: &Value) -> Self {
        let config = config.to_string().into_bytes();
        let digest = Digest::sha256_of(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "config": {"mediaType": media_type::OCI_CONFIG, "digest": digest.to_string(), "size": config.len()},
            "layers": layers.iter().map(Layer::descriptor).collect::<Vec<_>>(),
        });
        let mut blobs: HashMap<_, _> = layers
            .iter()
            .map(|layer| (layer.digest().to_string(), layer.blob.clone()))
            .collect();
        blobs.insert(digest.to_string(), config);
        Self {
            manifest,
            manifest_type: media_type::OCI_MANIFEST.to_owned(),
            blobs,
        }
    }

    fn reply(&self, request: &Received) -> Reply {
        if request.target.contains("/manifests/") {
            return Reply::ok(&self.manifest_type, self.manifest.to_string());
        }
        let digest = request.target.rsplit('/').next().unwrap_or_default();
        match self.blobs.get(digest) {
            Some(blob) => Reply::blob(request, blob),
            None => Reply::status(404, &[], r#"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#),
        }
    }

    fn serve(self) -> FakeServer {
        FakeServer::start(move |request| self.reply(request))
    }
}

fn name(server: &FakeServer) -> String {
    format!("{}/t/app:one", server.authority())
}

async fn pull(stage: &Stage, server: &FakeServer) -> Result<crate::Pulled, Error> {
    let pulled = stage
        .images
        .pull(Pull::of(&name(server)).unwrap(), Arc::new(Silent))
        .await;
    pulled.map(|mut pulled| pulled.remove(0))
}

/// A pull that must fail and leave nothing; returns its error.
async fn failure(served: Served) -> Error {
    let stage = Stage::new();
    let server = served.serve();
    let error = pull(&stage, &server).await.unwrap_err();
    stage.assert_empty().await;
    assert!(stage.images.list().is_empty());
    error
}

fn two_layers() -> Vec<Layer> {
    // Noise does not compress, so that the blob is worth staging.
    let noise: Vec<u8> = (0..6_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761).rotate_left(n % 31) >> 7) as u8)
        .collect();
    vec![
        Layer::of(&[("etc/a", b"a")], Compression::Gzip),
        Layer::of(&[("big", &noise)], Compression::None),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn row_019_a_flipped_byte_in_blob_or_config_fails_by_its_digest() {
    let layers = two_layers();
    for layer in &layers {
        let mut served = Served::of(&layers);
        served.blobs.get_mut(&layer.digest().to_string()).unwrap()[40] ^= 1;
        let error = failure(served).await;
        assert_eq!(error.kind(), Kind::DataLoss, "{error}");
        assert!(error.to_string().contains(layer.digest().as_str()), "{error}");
    }
    let mut served = Served::of(&layers);
    let config = served.manifest["config"]["digest"].as_str().unwrap().to_owned();
    served.blobs.get_mut(&config).unwrap()[30] ^= 1;
    let error = failure(served).await;
    assert_eq!(error.kind(), Kind::DataLoss, "{error}");
    assert!(error.to_string().contains(&config), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_layer_is_told_as_such() {
    let layers = two_layers();
    let mut served = Served::of(&layers);
    served
        .blobs
        .get_mut(&layers[0].digest().to_string())
        .unwrap()
        .truncate(40);
    let error = failure(served).await;
    assert!(error.to_string().contains("40 bytes"), "{error}");
    assert_eq!(error.kind(), Kind::DataLoss);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_not_the_one_of_the_config_is_refused() {
    let layers = two_layers();
    let mut config = ImageLayout::config(&layers, ("linux", "amd64"));
    config["rootfs"]["diff_ids"][0] = Digest::sha256_of(b"other").to_string().into();
    let error = failure(Served::with_config(&layers, &config)).await;
    assert!(
        error
            .to_string()
            .starts_with("layers from manifest don't match image configuration"),
        "{error}"
    );
    config["rootfs"]["diff_ids"] = json!([layers[0].diff_id().to_string()]);
    let error = failure(Served::with_config(&layers, &config)).await;
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_no_image_are_refused_before_any_layer() {
    type Spoil = fn(&mut Served);
    let layers = &two_layers()[..1];
    let cases: [(Spoil, &str); 7] = [
        (
            |s| s.manifest["layers"][0]["mediaType"] = media_type::DOCKER_LAYER_FOREIGN.into(),
            "foreign layer",
        ),
        (
            |s| s.manifest["layers"][0]["mediaType"] = "application/x-thing".into(),
            "unsupported media type",
        ),
        (
            |s| s.manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into(),
            "unsupported media type application/vnd.cncf.helm.config.v1+json",
        ),
        (|s| s.manifest["config"]["size"] = (u64::MAX >> 1).into(), "more than"),
        (
            |s| s.manifest["layers"][0]["digest"] = "md5:00".into(),
            "unsupported digest algorithm",
        ),
        (
            |s| {
                s.manifest = json!({"schemaVersion": 1, "name": "x", "fsLayers": []});
                s.manifest_type = media_type::DOCKER_MANIFEST_V1_SIGNED.to_owned();
            },
            "schema 1 has been removed in Docker Engine v28.2. More information at https://docs.docker.com/go/deprec",
        ),
        (
            |s| s.manifest = json!({"schemaVersion": 2, "config": {}, "layers": [], "manifests": []}),
            "at once",
        ),
    ];
    for (spoil, text) in cases {
        let mut served = Served::of(layers);
        spoil(&mut served);
        let error = failure(served).await;
        assert!(error.to_string().contains(text), "{error}");
    }
    let config = ImageLayout::config(layers, ("windows", "amd64"));
    let error = failure(Served::with_config(layers, &config)).await;
    assert_eq!(
        error.to_string(),
        "image operating system \"windows\" cannot be used on this platform: operating system is not supported"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attestations_of_an_index_are_no_images() {
    let served = Served::of(&two_layers());
    let manifest = served.manifest.to_string();
    let attestation = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
    let entry = |document: &str, platform: &Value, annotations: &Value| {
        json!({"mediaType": media_type::OCI_MANIFEST, "digest": Digest::sha256_of(document.as_bytes()).to_string(),
               "size": document.len(), "platform": platform, "annotations": annotations})
    };
    let here = json!({"os": "linux", "architecture": tierce_oci::Platform::host().architecture});
    let marked = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let unknown = json!({"os": "unknown", "architecture": "unknown"});
    let index = json!({"schemaVersion": 2, "manifests": [
        entry(attestation, &here, &marked), entry(attestation, &unknown, &marked), entry(&manifest, &here, &json!({}))
    ]});
    let server = FakeServer::start(move |request| match request.target.rsplit('/').next() {
        Some("one") => Reply::ok(media_type::OCI_INDEX, index.to_string()),
        _ => served.reply(request),
    });
    let pulled = pull(&Stage::new(), &server).await.unwrap();
    assert!(
        server.trace()[1].ends_with(Digest::sha256_of(manifest.as_bytes()).as_str()),
        "{pulled:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_may_lead_to_an_index_but_not_for_ever() {
    let layers = two_layers();
    let served = Served::of(&layers);
    let index = |kind: &str, document: &str| {
        let platform = json!({"os": "linux", "architecture": std::env::consts::ARCH.replace("x86_64", "amd64")});
        // What a list says of sizes is often wrong, and the digest is what counts.
        let entry = json!({"mediaType": kind, "digest": Digest::sha256_of(document.as_bytes()).to_string(),
                           "size": document.len() + 1, "platform": platform});
        json!({"schemaVersion": 2, "manifests": [entry]}).to_string()
    };
    for (depth, found) in [(1, true), (3, true), (4, false)] {
        let mut documents = vec![(media_type::OCI_MANIFEST, served.manifest.to_string())];
        for _ in 0..depth {
            let (kind, below) = documents.last().unwrap();
            documents.push((media_type::OCI_INDEX, index(kind, below)));
        }
        let blobs = served.clone();
        let server = FakeServer::start(move |request| {
            let asked = request.target.rsplit('/').next().unwrap_or_default();
            if !request.target.contains("/manifests/") {
                return blobs.reply(request);
            }
            let by_digest = documents
                .iter()
                .find(|(_, document)| Digest::sha256_of(document.as_bytes()).as_str() == asked);
            let (kind, document) = by_digest.unwrap_or(documents.last().unwrap());
            Reply::ok(kind, document.clone())
        });
        let stage = Stage::new();
        let pulled = pull(&stage, &server).await;
        assert_eq!(pulled.is_ok(), found, "{depth}: {pulled:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hangs_in_a_layer_is_named() {
    let layers = two_layers();
    let served = Served::of(&layers);
    let big = layers[1].digest().to_string();
    let stage = Stage::new();
    let server = FakeServer::start(move |request| {
        if request.target.contains(&big) {
            Reply::Hang
        } else {
            served.reply(request)
        }
    });
    let error = pull(&stage, &server).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.to_string().contains(&server.authority()) && error.to_string().contains(layers[1].digest().as_str()));
    // The small layer had been registered perhaps; it is gone too. No byte came of the big one.
    stage.assert_empty_but_parts().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_goes_on_after_a_restart() {
    let layers = two_layers();
    let served = Served::of(&layers);
    let (big, half) = (layers[1].clone(), layers[1].blob.len() / 2);
    let healthy = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let server = FakeServer::start({
        let healthy = healthy.clone();
        move |request| {
            let is_big = request.target.contains(big.digest().as_str());
            match request.range_start() {
                _ if !is_big || healthy.load(Ordering::SeqCst) => served.reply(request),
                None => Reply::Cut {
                    length: big.blob.len(),
                    body: big.blob[..half].to_vec(),
                },
                Some(_) => Reply::Close,
            }
        }
    });
    let stage = Stage::new();
    pull(&stage, &server).await.unwrap_err();
    stage.assert_empty_but_parts().await;
    let stage = stage.reopen();
    healthy.store(true, Ordering::SeqCst);
    let before = server.received().len();
    let pulled = pull(&stage, &server).await.unwrap();
    let resumed = server
        .received()
        .split_off(before)
        .into_iter()
        .find_map(|request| request.range_start())
        .unwrap();
    assert!(resumed > 1_000_000 && resumed <= half, "resumed at {resumed}");
    stage.images.remove(&pulled.name, Removal::default()).unwrap();
    stage.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_staged_part_is_fetched_again() {
    let layers = two_layers();
    let stage = Stage::new();
    let part = stage
        .root
        .path()
        .join("tmp/blobs")
        .join(format!("{}.part", layers[1].digest().hex()));
    std::fs::write(&part, vec![0; 2_000_000]).unwrap();
    let server = Served::of(&layers).serve();
    pull(&stage, &server).await.unwrap();
    assert!(!part.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_dropped_leaves_nothing() {
    let layers = two_layers();
    let served = Served::of(&layers);
    let big = layers[1].clone();
    let server = FakeServer::start(move |request| {
        if request.target.contains(big.digest().as_str()) {
            return Reply::Stall {
                length: big.blob.len(),
                body: big.blob[..1_000_000].to_vec(),
            };
        }
        served.reply(request)
    });
    let stage = Stage::new();
    let ear = Arc::new(Ear::default());
    let pulling = stage.images.pull(Pull::of(&name(&server)).unwrap(), ear.clone());
    assert!(tokio::time::timeout(Duration::from_millis(400), pulling).await.is_err());
    assert!(
        ear.lines().iter().any(|line| line.ends_with("Pull complete")),
        "{:?}",
        ear.lines()
    );
    stage.assert_empty().await;
    assert!(stage.leases.held(tierce_store::ResourceKind::Layer).is_empty());
}

/// Holds a lock until the returned sender is dropped; a guard may not be kept over an await.
fn hold(gate: Arc<Mutex<()>>) -> std::sync::mpsc::Sender<()> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let (locked, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let guard = gate.lock().unwrap();
        locked.send(()).unwrap();
        let _ = receiver.recv();
        drop(guard);
    });
    wait.recv().unwrap();
    sender
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_pulls_may_be_dropped() {
    let layers = two_layers();
    let served = Served::of(&layers);
    let big = layers[1].digest().to_string();
    let (gate, asked) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
    let server = FakeServer::start({
        let (gate, asked) = (gate.clone(), asked.clone());
        move |request| {
            if request.target.contains(&big) {
                asked.fetch_add(1, Ordering::SeqCst);
                drop(gate.lock().unwrap());
            }
            served.reply(request)
        }
    });
    let closed = hold(gate.clone());
    let stage = Stage::new();
    let pulling = || {
        let (images, pull) = (stage.images.clone(), Pull::of(&name(&server)).unwrap());
        tokio::spawn(async move { images.pull(pull, Arc::new(Silent)).await })
    };
    let kept = pulling();
    while asked.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The layer is under way; whether the second pull has joined it by the time it is dropped makes no difference.
    let dropped = pulling();
    tokio::time::sleep(Duration::from_millis(50)).await;
    dropped.abort();
    drop(dropped.await);
    drop(closed);
    kept.await.unwrap().unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(stage.images.list().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_layers_is_one() {
    let stage = Stage::new();
    let server = Served::of(&[]).serve();
    let pulled = pull(&stage, &server).await.unwrap();
    assert_eq!(stage.images.get(&pulled.id).unwrap().chain_id(), None);
    assert_eq!(stage.images.list()[0].size, 0);
    assert!(stage.images.inspect(&pulled.name).unwrap().driver_data.is_empty());
    stage.images.remove(&pulled.name, Removal::default()).unwrap();
    stage.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_pull_is_told_as_docker_does() {
    let server = FakeServer::start(|_| {
        Reply::status(
            403,
            &[],
            r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#,
        )
    });
    let stage = Stage::new();
    let error = pull(&stage, &server).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "pull access denied for {}/t/app, repository does not exist or may require 'docker login': denied: requested \
             access to the resource is denied",
            server.authority()
        )
    );
    assert_eq!(error.kind(), Kind::NotFound);
}
