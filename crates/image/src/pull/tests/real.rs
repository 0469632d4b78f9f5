//! Pulls from Debian's `docker-registry`, fed by `skopeo`.

use crate::testing::{Ear, Stage, entries, or_skip};
use crate::{Error, Pull, Removal, Removed, Silent};
use std::sync::Arc;
use tierce_fault::{Fault, Kind};
use tierce_oci::{ChainId, DiffId, Digest, ImageId, Reference};
use tierce_store::{Lease, Resource};
use tierce_testkit::layout::{Compression, ImageLayout, Layer};
use tierce_testkit::loopback::{DockerRegistry, RegistryOptions};

fn layers() -> Vec<Layer> {
    vec![
        Layer::of(&[("bin/tool", &[7; 300_000])], Compression::Gzip),
        Layer::of(&[("etc/a", b"a")], Compression::Zstd),
        Layer::of(&[("etc/b", b"b")], Compression::None),
        Layer::of(&[("etc/c", b"c")], Compression::Gzip),
    ]
}

struct Pushed {
    registry: DockerRegistry,
    name: String,
}

/// Puts an image of `layers` into a new registry under `t/app:one`.
fn pushed(layers: &[Layer]) -> Result<Pushed, String> {
    let registry = DockerRegistry::start(&RegistryOptions::default())?;
    push(&registry, layers, "t/app:one", &[])?;
    let name = format!("{}/t/app:one", registry.authority());
    Ok(Pushed { registry, name })
}

fn push(registry: &DockerRegistry, layers: &[Layer], name: &str, arguments: &[&str]) -> Result<(), String> {
    let mut layout = ImageLayout::new();
    let image = layout.image(layers, &ImageLayout::config(layers, ("linux", "amd64")));
    layout.name("x", image);
    layout.push("x", &format!("{}/{name}", registry.authority()), arguments)
}

/// Requests since `since` that are about blobs and manifests, in order.
fn requests(registry: &DockerRegistry, since: usize) -> Vec<String> {
    registry.trace().split_off(since)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_027_manifest_then_config_then_absent_layers() {
    let layers = layers();
    let pushed = or_skip!(pushed(&layers));
    let stage = Stage::new();
    let since = pushed.registry.trace().len();
    let ear = Arc::new(Ear::default());
    let pulled = stage
        .images
        .pull(Pull::of(&pushed.name).unwrap(), ear.clone())
        .await
        .unwrap();
    let trace = requests(&pushed.registry, since);
    assert_eq!(trace.len(), 2 + layers.len(), "{trace:#?}");
    assert!(trace[0].starts_with("GET /v2/t/app/manifests/one"), "{trace:#?}");
    assert!(trace[1].contains(pulled[0].id.hex()), "{trace:#?}");
    let mut blobs: Vec<_> = trace[2..]
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect();
    let mut expected: Vec<_> = layers
        .iter()
        .map(|layer| format!("/v2/t/app/blobs/{}", layer.digest()))
        .collect();
    blobs.sort();
    expected.sort();
    assert_eq!(blobs, expected);
    // The ID is local now: one request.
    let since = pushed.registry.trace().len();
    let again = stage
        .images
        .pull(Pull::of(&pushed.name).unwrap(), Arc::new(Silent))
        .await
        .unwrap();
    assert_eq!(requests(&pushed.registry, since).len(), 1);
    assert!(pulled[0].newer && !again[0].newer);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_004_and_016_and_017_what_is_on_disk_after_a_pull() {
    let layers = layers();
    let pushed = or_skip!(pushed(&layers));
    let stage = Stage::new();
    let pulled = stage
        .images
        .pull(Pull::of(&pushed.name).unwrap(), Arc::new(Silent))
        .await
        .unwrap()
        .remove(0);
    let repository = pushed.name.strip_suffix(":one").unwrap();
    let names = std::fs::read_to_string(stage.metadata("repositories.json")).unwrap();
    let expected = format!(
        r#"{{"Repositories":{{"{repository}":{{"{repository}:one":"{id}","{repository}@{digest}":"{id}"}}}}}}"#,
        id = pulled.id,
        digest = pulled.digest
    );
    assert_eq!(names, expected);
    // Row 6: the ID is the digest of the stored configuration. Row 8: a pulled image has no metadata.
    let config = std::fs::read(stage.metadata(&format!("imagedb/content/sha256/{}", pulled.id.hex()))).unwrap();
    assert_eq!(ImageId(Digest::sha256_of(&config)), pulled.id);
    assert!(entries(&stage.metadata("imagedb/metadata/sha256")).is_empty());
    // Row 11: directories are named by the chain ids.
    let diff_ids: Vec<DiffId> = layers.iter().map(|layer| DiffId(layer.diff_id())).collect();
    for (chain, diff_id) in ChainId::stack(&diff_ids).iter().zip(&diff_ids) {
        let directory = stage.metadata(&format!("layerdb/sha256/{}", chain.hex()));
        assert_eq!(
            std::fs::read_to_string(directory.join("diff")).unwrap(),
            diff_id.to_string()
        );
    }
    // Rows 10 and 16.
    for layer in &layers {
        let path = format!("distribution/diffid-by-digest/sha256/{}", layer.digest().hex());
        assert_eq!(
            std::fs::read_to_string(stage.metadata(&path)).unwrap(),
            layer.diff_id().to_string()
        );
        assert_eq!(
            layer.digest() == layer.diff_id(),
            layer.compression == Compression::None
        );
    }
    // Row 17: no manifest, no blob, no journal stays.
    for place in ["tmp/blobs", "tmp/work"] {
        assert!(entries(&stage.root.path().join(place)).is_empty());
    }
    let whole = std::process::Command::new("grep")
        .args(["-rl", "schemaVersion"])
        .arg(stage.root.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&whole.stdout), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_009_the_digest_told_is_that_of_the_manifest_served() {
    let pushed = or_skip!(pushed(&layers()));
    let stage = Stage::new();
    let ear = Arc::new(Ear::default());
    let pulled = stage
        .images
        .pull(Pull::of(&pushed.name).unwrap(), ear.clone())
        .await
        .unwrap()
        .remove(0);
    let hex = pulled.digest.hex();
    let blob = pushed
        .registry
        .storage()
        .join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    assert_eq!(Digest::sha256_of(&std::fs::read(blob).unwrap()), pulled.digest);
    assert!(ear.lines().contains(&format!("Digest: {}", pulled.digest)));
    // And by that digest it is pulled too.
    let by_digest = format!("{}@{}", pushed.name.strip_suffix(":one").unwrap(), pulled.digest);
    let ear = Arc::new(Ear::default());
    let again = stage
        .images
        .pull(Pull::of(&by_digest).unwrap(), ear.clone())
        .await
        .unwrap()
        .remove(0);
    assert_eq!((again.id, again.newer), (pulled.id, false));
    assert_eq!(
        ear.lines(),
        [
            format!("{by_digest}: Pulling from t/app"),
            format!("Digest: {}", pulled.digest),
            format!("Status: Image is up to date for {by_digest}")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_in_dockers_words_and_order() {
    let layers = layers();
    let pushed = or_skip!(pushed(&layers));
    let stage = Stage::new();
    let ear = Arc::new(Ear::default());
    let pulled = stage
        .images
        .pull(Pull::of(&pushed.name).unwrap(), ear.clone())
        .await
        .unwrap()
        .remove(0);
    let lines = ear.lines();
    assert_eq!(lines[0], "one: Pulling from t/app");
    for (index, layer) in layers.iter().enumerate() {
        let short = layer.digest().short().to_owned();
        assert_eq!(lines[1 + index], format!("{short}: Pulling fs layer"));
        let own: Vec<_> = lines
            .iter()
            .filter_map(|line| line.strip_prefix(&format!("{short}: ")))
            .collect();
        let own: Vec<_> = own.into_iter().filter(|status| *status != "Waiting").collect();
        assert_eq!(
            own,
            [
                "Pulling fs layer",
                "Verifying Checksum",
                "Download complete",
                "Pull complete"
            ]
        );
    }
    assert_eq!(lines[lines.len() - 2], format!("Digest: {}", pulled.digest));
    assert_eq!(
        lines[lines.len() - 1],
        format!("Status: Downloaded newer image for {}", pushed.name)
    );
    let big = layers[0].digest().short().to_owned();
    let amount = ear
        .messages()
        .into_iter()
        .rfind(|message| message.id.as_ref() == Some(&big) && message.status == "Downloading");
    let size = layers[0].blob.len() as u64;
    assert_eq!(
        amount.unwrap().detail,
        crate::Detail::Amount {
            current: size,
            total: size
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_029_shared_layers_are_not_fetched_again() {
    let layers = layers();
    let pushed = or_skip!(pushed(&layers));
    let mut other = layers.clone();
    other[3] = Layer::of(&[("etc/d", b"d")], Compression::Gzip);
    or_skip!(push(&pushed.registry, &other, "t/other:one", &[]));
    let stage = Stage::new();
    stage
        .images
        .pull(Pull::of(&pushed.name).unwrap(), Arc::new(Silent))
        .await
        .unwrap();
    let since = pushed.registry.trace().len();
    let ear = Arc::new(Ear::default());
    let name = format!("{}/t/other:one", pushed.registry.authority());
    stage.images.pull(Pull::of(&name).unwrap(), ear.clone()).await.unwrap();
    let trace = requests(&pushed.registry, since);
    assert_eq!(trace.len(), 3, "{trace:#?}");
    assert!(trace[2].contains(other[3].digest().hex()));
    assert_eq!(
        ear.lines()
            .iter()
            .filter(|line| line.ends_with(": Already exists"))
            .count(),
        3
    );
    // Row 2: the three shared layers stay when one image goes, and go with the last.
    let removed = stage.images.remove(&name, Removal::default()).unwrap();
    assert_eq!(
        removed
            .iter()
            .filter(|removed| matches!(removed, Removed::Layer(_)))
            .count(),
        1
    );
    let shared: Vec<_> = stage.images.list();
    assert_eq!((shared.len(), shared[0].shared_size), (1, 0));
    stage.images.remove(&pushed.name, Removal::default()).unwrap();
    stage.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pulls_of_one_image_share_one_download() {
    let layers = layers();
    let pushed = or_skip!(pushed(&layers));
    let stage = Stage::new();
    let since = pushed.registry.trace().len();
    let pull = || stage.images.pull(Pull::of(&pushed.name).unwrap(), Arc::new(Silent));
    let (one, two, three) = tokio::join!(pull(), pull(), pull());
    assert_eq!(one.unwrap()[0].id, two.unwrap()[0].id);
    three.unwrap();
    let trace = requests(&pushed.registry, since);
    for layer in &layers {
        let count = trace.iter().filter(|line| line.contains(layer.digest().hex())).count();
        assert_eq!(count, 1, "{trace:#?}");
    }
    assert!(stage.leases.held(tierce_store::ResourceKind::Layer).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_028_docker_schema_2_oci_and_indexes_are_read_and_platforms_chosen() {
    let registry = or_skip!(DockerRegistry::start(&RegistryOptions::default()));
    let (ours, theirs) = (layers(), vec![Layer::of(&[("etc/arm", b"x")], Compression::Gzip)]);
    or_skip!(push(&registry, &ours[..1], "t/docker:one", &["--format", "v2s2"]));
    let host = tierce_oci::Platform::host();
    let mut layout = ImageLayout::new();
    let native = layout.image(&ours, &ImageLayout::config(&ours, ("linux", &host.architecture)));
    let foreign = layout.image(&theirs, &ImageLayout::config(&theirs, ("linux", "s390x")));
    let index = layout.index(&[(("linux", "s390x"), foreign), (("linux", &host.architecture), native)]);
    layout.name("multi", index.clone());
    or_skip!(layout.push("multi", &format!("{}/t/multi:one", registry.authority()), &[]));
    let stage = Stage::new();
    let pull = |name: &str, platform: Option<&str>| Pull {
        platform: platform.map(|platform| platform.parse().unwrap()),
        ..Pull::of(&format!("{}/{name}", registry.authority())).unwrap()
    };
    stage
        .images
        .pull(pull("t/docker:one", None), Arc::new(Silent))
        .await
        .unwrap();
    let pulled = stage
        .images
        .pull(pull("t/multi:one", None), Arc::new(Silent))
        .await
        .unwrap()
        .remove(0);
    // The digest of a name is that of the index, as Docker has it.
    assert_eq!(pulled.digest.as_str(), index["digest"]);
    assert_eq!(
        stage.images.get(&pulled.id).unwrap().config.architecture,
        host.architecture
    );
    let other = stage
        .images
        .pull(pull("t/multi:one", Some("linux/s390x")), Arc::new(Silent))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(stage.images.get(&other.id).unwrap().config.architecture, "s390x");
    assert!(other.newer && other.id != pulled.id);
    let error = stage
        .images
        .pull(pull("t/multi:one", Some("linux/riscv64")), Arc::new(Silent))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no matching manifest for linux/riscv64 in the manifest list entries"
    );
    assert_eq!(error.kind(), Kind::NotFound);
    // A single manifest for another platform is taken, with Docker's warning.
    let ear = Arc::new(Ear::default());
    stage
        .images
        .pull(pull("t/docker:one", Some("linux/s390x")), ear.clone())
        .await
        .unwrap();
    let last = ear.lines().pop().unwrap();
    assert!(
        last.starts_with("WARNING: image with reference ") && last.ends_with("(linux/s390x)"),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tags_are_pulled() {
    let layers = layers();
    let pushed = or_skip!(pushed(&layers[..1]));
    or_skip!(push(&pushed.registry, &layers[..2], "t/app:two", &[]));
    let stage = Stage::new();
    let repository = pushed.name.strip_suffix(":one").unwrap();
    let ear = Arc::new(Ear::default());
    let pull = Pull {
        all_tags: true,
        ..Pull::of(repository).unwrap()
    };
    let mut pulled: Vec<_> = stage
        .images
        .pull(pull, ear.clone())
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.name)
        .collect();
    pulled.sort();
    assert_eq!(pulled, [format!("{repository}:one"), format!("{repository}:two")]);
    assert_eq!(
        ear.lines().pop().unwrap(),
        format!("Status: Downloaded newer image for {repository}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_as_docker_does() {
    let pushed = or_skip!(pushed(&layers()[..1]));
    let stage = Stage::new();
    for name in [
        format!("{}/t/app:nope", pushed.registry.authority()),
        format!("{}/no/such:latest", pushed.registry.authority()),
    ] {
        let error = stage
            .images
            .pull(Pull::of(&name).unwrap(), Arc::new(Silent))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("manifest for {name} not found: manifest unknown: manifest unknown")
        );
        assert_eq!(error.kind(), Kind::NotFound);
    }
    stage.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_ids_tags_list_history_and_removal() {
    let layers = layers();
    let pushed = or_skip!(pushed(&layers));
    let stage = Stage::new();
    let images = &stage.images;
    let pulled = images
        .pull(Pull::of(&pushed.name).unwrap(), Arc::new(Silent))
        .await
        .unwrap()
        .remove(0);
    let (hex, short) = (pulled.id.hex().to_owned(), pulled.id.0.short().to_owned());
    for name in [
        pushed.name.as_str(),
        &hex,
        &short,
        &pulled.id.to_string(),
        &format!("sha256:{short}"),
        &hex[..1],
    ] {
        assert_eq!(images.resolve(name).unwrap(), pulled.id, "{name}");
    }
    assert_eq!(
        images.resolve("nope").unwrap_err().to_string(),
        "No such image: nope:latest"
    );
    assert_eq!(images.resolve("ffffffff").unwrap_err().kind(), Kind::NotFound);

    let alias = Reference::parse("alias").unwrap();
    images.tag(&short, &alias).unwrap();
    for (bad, text) in [
        (
            "sha256:x",
            "refusing to create an ambiguous tag using digest algorithm as name",
        ),
        (
            &format!("a@{}", pulled.digest),
            "refusing to create a tag with a digest reference",
        ),
    ] {
        let error = images.tag(&short, &Reference::parse(bad).unwrap()).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), (text, Kind::Invalid));
    }
    let repository = pushed.name.strip_suffix(":one").unwrap();
    let line = images.list().remove(0);
    assert_eq!(line.repo_tags, [pushed.name.clone(), "alias:latest".to_owned()]);
    assert_eq!(line.repo_digests, [format!("{repository}@{}", pulled.digest)]);
    assert_eq!(line.created, 1_767_323_045);
    assert_eq!(line.labels["made-by"], "testkit");
    assert_eq!(line.size, 300_003);

    // Row 21: newest first, sizes sum to the image.
    let history = images.history("alias").unwrap();
    let steps: Vec<_> = history
        .iter()
        .map(|step| (step.created_by.as_str(), step.size))
        .collect();
    assert_eq!(
        steps,
        [("step 3", 1), ("step 2", 1), ("step 1", 1), ("step 0", 300_000)]
    );
    assert_eq!(history[0].id.as_ref(), Some(&pulled.id));
    assert_eq!((history[0].tags.len(), history[1].id.clone()), (2, None));
    // Row 20.
    let details = images.inspect("alias").unwrap();
    assert_eq!(
        (details.image.config.rootfs.diff_ids.len(), details.driver.as_str()),
        (4, "vfs")
    );

    let error = images.remove(&short, Removal::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories")
    );
    let untagged = |name: String| Removed::Untagged {
        name,
        image: pulled.id.clone(),
    };
    assert_eq!(
        images.remove("alias", Removal::default()).unwrap(),
        [untagged("alias:latest".to_owned())]
    );
    let stack = ChainId::stack(&layers.iter().map(|layer| DiffId(layer.diff_id())).collect::<Vec<_>>());
    let mut expected = vec![
        untagged(pushed.name.clone()),
        untagged(format!("{repository}@{}", pulled.digest)),
        Removed::Image(pulled.id.clone()),
    ];
    expected.extend(stack.into_iter().rev().map(Removed::Layer));
    assert_eq!(images.remove(&pushed.name, Removal::default()).unwrap(), expected);
    stage.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_024_removal_is_refused_while_a_container_uses_the_image() {
    let pushed = or_skip!(pushed(&layers()[..2]));
    let stage = Stage::new();
    let images = &stage.images;
    let pulled = images
        .pull(Pull::of(&pushed.name).unwrap(), Arc::new(Silent))
        .await
        .unwrap()
        .remove(0);
    let short = pulled.id.0.short();
    let container = "daf507f553341113f4a85db3aa7a09d120ae74665518f82fc1b52408ba3c0fbd";
    let resource = Resource::image(pulled.id.to_string());
    let force = Removal {
        force: true,
        ..Removal::default()
    };
    for (running, kind, forced) in [
        (false, "stopped", "must be forced"),
        (true, "running", "cannot be forced"),
    ] {
        stage
            .leases
            .hold(resource.clone(), Lease::new(container).running(running));
        let error = images.remove(&pushed.name, Removal::default()).unwrap_err();
        let expected = format!(
            "conflict: unable to remove repository reference {:?} (must force) - container daf507f55334 is using its \
             referenced image {short}",
            pushed.name
        );
        assert_eq!((error.to_string(), error.kind()), (expected, Kind::Conflict));
        let error = images.remove(short, Removal::default()).unwrap_err();
        let expected = format!(
            "conflict: unable to delete {short} ({forced}) - image is being used by {kind} container daf507f55334"
        );
        assert_eq!((error.to_string(), error.kind()), (expected, Kind::Conflict));
    }
    assert!(matches!(
        images.remove(short, force),
        Err(Error::InUse { hard: true, .. })
    ));
    // Forced by name while it runs: the names go, the image stays.
    let removed = images.remove(&pushed.name, force).unwrap();
    assert!(
        removed
            .iter()
            .all(|removed| matches!(removed, Removed::Untagged { .. })),
        "{removed:?}"
    );
    assert!(images.get(&pulled.id).is_ok());
    assert!(images.list()[0].dangling);
    // Not pruned while it is used, pruned afterwards.
    assert!(images.prune(&crate::Prune::default()).unwrap().removed.is_empty());
    stage.leases.release_all(container);
    let pruned = images.prune(&crate::Prune::default()).unwrap();
    assert_eq!((pruned.removed.len(), pruned.reclaimed), (3, 300_001));
    stage.assert_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_the_same_images() {
    let layers = layers();
    let pushed = or_skip!(pushed(&layers));
    let stage = Stage::new();
    stage
        .images
        .pull(Pull::of(&pushed.name).unwrap(), Arc::new(Silent))
        .await
        .unwrap();
    let before = stage.images.list();
    let stage = stage.reopen();
    assert_eq!(stage.images.list(), before);
    // What a pull that died left is removed, what images need is not.
    let stranger = stage.images.layers.unpack(&layers[3].tar[..]).unwrap().0;
    stage.layers.register(stranger, None).unwrap();
    let orphan = ChainId::of(None, &DiffId(layers[3].diff_id()));
    let mut chains = ChainId::stack(&layers.iter().map(|layer| DiffId(layer.diff_id())).collect::<Vec<_>>());
    chains.push(orphan.clone());
    let entry = crate::journal::Entry {
        layers: chains,
        image: None,
    };
    stage.images.journal.begin("pull-1-1", &entry).unwrap();
    let stage = stage.reopen();
    assert!(!stage.layers.contains(&orphan));
    assert_eq!(stage.images.list(), before);
    // A layer that no journal names is left alone: it may be a builder's.
    let stranger = stage.images.layers.unpack(&layers[3].tar[..]).unwrap().0;
    stage.layers.register(stranger, None).unwrap();
    let stage = stage.reopen();
    assert!(stage.layers.contains(&orphan));
}
