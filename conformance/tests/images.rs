//! Images on disk and from a registry: rows 1 to 34 as far as they are seen from outside.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tierce_oci::{ChainId, DiffId, Digest};
use tierce_testkit::{Compression, Daemon, Entry, ImageBuilder, wait_until};

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn metadata(daemon: &Daemon) -> PathBuf {
    daemon.data_root().join("image/overlay2")
}

/// An image of three small layers.
fn layered() -> ImageBuilder {
    let file = |name, content: &str| [Entry::File(name, content.into(), 0o644)];
    ImageBuilder::busybox()
        .layer(&file("one", "1"))
        .layer(&file("two", "22"))
}

fn id_of(daemon: &Daemon, image: &str) -> String {
    daemon
        .inspect(image, "{{.Id}}")
        .trim_start_matches("sha256:")
        .to_owned()
}

#[test]
fn row_001_the_data_root_has_dockers_rooms() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["run", "--rm", "-v", "/volume", &image, "true"]).ok();
    assert_eq!(
        daemon.docker(&["info", "--format", "{{.DockerRootDir}}"]).ok(),
        daemon.data_root().to_string_lossy()
    );
    for room in ["image/overlay2", "overlay2", "containers", "volumes"] {
        assert!(daemon.data_root().join(room).is_dir(), "{room}");
    }
}

#[test]
fn row_003_metadata_is_small() {
    let (daemon, _image) = Daemon::with_busybox();
    let size = |path: &Path| -> u64 {
        tierce_testkit::Run::run(std::process::Command::new("du").args(["-sb", "--"]).arg(path))
            .ok()
            .split('\t')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert!(size(&daemon.data_root().join("image")) * 10 < size(&daemon.data_root().join("overlay2")));
}

#[test]
fn row_004_names_and_digests_lead_to_the_id() {
    let (daemon, image) = Daemon::with_busybox();
    let id = format!("sha256:{}", id_of(&daemon, &image));
    let names = &json(&metadata(&daemon).join("repositories.json"))["Repositories"]["127.0.0.1:5000/busybox"];
    let names = names.as_object().unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names.values().all(|value| value.as_str() == Some(id.as_str())),
        "{names:?}"
    );
    assert!(names.contains_key("127.0.0.1:5000/busybox:latest"));
    assert!(
        names
            .keys()
            .any(|name| name.starts_with("127.0.0.1:5000/busybox@sha256:"))
    );
}

#[test]
fn row_006_row_007_the_id_is_the_digest_of_the_stored_configuration() {
    let (daemon, image) = Daemon::with_busybox();
    let id = id_of(&daemon, &image);
    let bytes = fs::read(metadata(&daemon).join("imagedb/content/sha256").join(&id)).unwrap();
    assert_eq!(Digest::sha256_of(&bytes).hex(), id);
    let config: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(config["os"], "linux");
    assert_eq!(config["rootfs"]["type"], "layers");
    assert!(config["history"].is_array() && config["config"]["Env"].is_array() && config["architecture"].is_string());
}

#[test]
fn row_008_a_pulled_image_has_no_local_metadata() {
    let (daemon, image) = Daemon::with_busybox();
    assert!(
        !metadata(&daemon)
            .join("imagedb/metadata/sha256")
            .join(id_of(&daemon, &image))
            .exists()
    );
}

#[test]
fn row_009_row_010_pull_prints_the_digest_of_the_manifest() {
    let mut daemon = Daemon::start();
    for (name, compression) in [
        ("plain", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ] {
        let image = layered().compression(compression);
        let layout = tempfile::tempdir().unwrap();
        let manifest = image.write_layout(layout.path());
        let reference = daemon.registry().push(&image, name);
        let output = daemon.docker(&["pull", &reference]).ok();
        assert!(output.contains(&format!("Digest: {manifest}")), "{output}");
        assert!(
            output.contains(&format!("Status: Downloaded newer image for {reference}:latest")),
            "{output}"
        );
        assert_eq!(daemon.docker(&["run", "--rm", &reference, "cat", "/two"]).ok(), "22");
        let again = daemon.docker(&["pull", &reference]).ok();
        assert!(again.contains("Status: Image is up to date for"), "{again}");
    }
}

#[test]
fn row_011_row_012_row_013_each_layer_has_its_record() {
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&layered(), "layered");
    let config = json(
        &metadata(&daemon)
            .join("imagedb/content/sha256")
            .join(id_of(&daemon, &image)),
    );
    let diffs: Vec<DiffId> = serde_json::from_value(config["rootfs"]["diff_ids"].clone()).unwrap();
    let mut parent: Option<ChainId> = None;
    for diff in &diffs {
        let chain = ChainId::of(parent.as_ref(), diff);
        let record = metadata(&daemon).join("layerdb/sha256").join(chain.hex());
        assert_eq!(text(&record.join("diff")), diff.to_string());
        let cache = text(&record.join("cache-id"));
        assert!(cache.len() == 64 && cache != chain.hex() && cache != diff.hex());
        assert!(daemon.data_root().join("overlay2").join(&cache).join("diff").is_dir());
        match &parent {
            Some(parent) => assert_eq!(text(&record.join("parent")), parent.to_string()),
            None => assert!(!record.join("parent").exists()),
        }
        assert!(record.join("tar-split.json.gz").is_file());
        parent = Some(chain);
    }
    let top = metadata(&daemon).join("layerdb/sha256").join(parent.unwrap().hex());
    assert_eq!(text(&top.join("size")), "2");
}

#[test]
fn row_015_a_container_has_its_mount_record() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon.docker(&["create", &image]).ok();
    let record = metadata(&daemon).join("layerdb/mounts").join(&id);
    let diffs: Vec<DiffId> = serde_json::from_str(&daemon.inspect(&image, "{{json .RootFS.Layers}}")).unwrap();
    assert_eq!(
        text(&record.join("parent")),
        ChainId::stack(&diffs).pop().unwrap().to_string()
    );
    let mount = text(&record.join("mount-id"));
    assert_eq!(text(&record.join("init-id")), format!("{mount}-init"));
    daemon.docker(&["rm", &id]).ok();
    assert!(!record.exists());
    assert!(!daemon.data_root().join("overlay2").join(&mount).exists());
}

#[test]
fn row_017_no_manifest_stays() {
    let (daemon, _image) = Daemon::with_busybox();
    let found = tierce_testkit::Run::run(
        std::process::Command::new("grep")
            .args(["-rl", "schemaVersion"])
            .arg(metadata(&daemon)),
    );
    assert_eq!(found.stdout, "");
}

#[test]
fn row_019_a_spoilt_blob_is_refused_and_leaves_nothing() {
    let mut daemon = Daemon::start();
    let reference = daemon.registry().push(&layered(), "spoilt");
    let layout = tempfile::tempdir().unwrap();
    layered().write_layout(layout.path());
    let layer = layers_of(layout.path()).remove(1);
    let config = manifest_of(layout.path())["config"]["digest"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    for blob in [layer, config] {
        let file = daemon.registry().blob(&blob);
        let honest = fs::read(&file).unwrap();
        let mut spoilt = honest.clone();
        spoilt[honest.len() / 2] ^= 1;
        fs::write(&file, spoilt).unwrap();
        let error = daemon.docker(&["pull", &reference]).fails(1);
        assert!(
            error.contains(&format!("verification failed for digest {blob}")),
            "{error}"
        );
        assert_eq!(daemon.docker(&["images", "-aq"]).ok(), "");
        // The layers that were on their way beside the spoilt one are given up, not waited for; so it is in Docker.
        wait_until("nothing of the image is left", Duration::from_secs(30), || {
            bulk(&daemon).is_empty()
        });
        fs::write(&file, honest).unwrap();
    }
    daemon.docker(&["pull", &reference]).ok();
}

/// What the data root holds of layers and images, whole or in the making.
fn bulk(daemon: &Daemon) -> Vec<PathBuf> {
    let rooms = [
        "image/overlay2/layerdb/sha256",
        "image/overlay2/layerdb/tmp",
        "image/overlay2/imagedb/content/sha256",
        "overlay2",
        "overlay2/l",
    ];
    let entries = rooms
        .iter()
        .flat_map(|room| fs::read_dir(daemon.data_root().join(room)).into_iter().flatten());
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("overlay2/l"))
        .collect()
}

fn manifest_of(layout: &Path) -> Value {
    let digest = &json(&layout.join("index.json"))["manifests"][0]["digest"];
    let name = digest.as_str().unwrap().trim_start_matches("sha256:");
    json(&layout.join("blobs/sha256").join(name))
}

fn layers_of(layout: &Path) -> Vec<Digest> {
    manifest_of(layout)["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["digest"].as_str().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn row_020_inspect_shows_layers_and_directories() {
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&layered(), "layered");
    assert_eq!(daemon.inspect(&image, "{{len .RootFS.Layers}}"), "3");
    for key in ["LowerDir", "MergedDir", "UpperDir", "WorkDir"] {
        let directory = daemon.inspect(&image, &format!("{{{{.GraphDriver.Data.{key}}}}}"));
        assert!(
            directory.starts_with(&*daemon.data_root().to_string_lossy()),
            "{key}: {directory}"
        );
    }
}

#[test]
fn row_021_history_has_a_line_a_step_and_the_sizes_add_up() {
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&layered(), "layered");
    let lines = daemon
        .docker(&[
            "history",
            "--no-trunc",
            "--human=false",
            "--format",
            "{{.Size}} {{.CreatedBy}}",
            &image,
        ])
        .ok();
    let steps: Vec<(u64, &str)> = lines
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(size, by)| (size.parse().unwrap(), by))
        .collect();
    assert_eq!(
        steps.iter().map(|step| step.1).collect::<Vec<_>>(),
        ["layer 2", "layer 1", "layer 0"]
    );
    assert_eq!(
        steps.iter().map(|step| step.0).sum::<u64>().to_string(),
        daemon.inspect(&image, "{{.Size}}")
    );
}

#[test]
fn row_023_nothing_done_in_a_container_changes_the_image() {
    let (daemon, image) = Daemon::with_busybox();
    let lower = daemon.inspect(&image, "{{.GraphDriver.Data.UpperDir}}");
    let sum = || {
        tierce_testkit::Run::run(std::process::Command::new("sh").args([
            "-c",
            &format!("cd {lower} && find . | sort | sha256sum; sha256sum bin/busybox etc/passwd"),
        ]))
        .ok()
    };
    let (before, id) = (sum(), id_of(&daemon, &image));
    daemon
        .docker(&[
            "run",
            "--rm",
            &image,
            "sh",
            "-c",
            "echo x >> /etc/passwd; rm /bin/ls; chmod 0 /bin/cat; mkdir /new",
        ])
        .ok();
    assert_eq!((sum(), id_of(&daemon, &image)), (before, id));
}

#[test]
fn row_024_an_image_in_use_is_not_removed() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon.docker(&["run", "-d", &image, "sleep", "100"]).ok();
    for _ in 0..2 {
        let (status, body) = daemon.request("DELETE", &format!("/images/{}", id_of(&daemon, &image)), None);
        assert_eq!(status, 409, "{body}");
        assert!(body.contains(&id[..12]), "{body}");
        daemon.docker(&["kill", &id]);
    }
    daemon.docker(&["rm", "-f", &id]).ok();
    let removed = daemon.docker(&["rmi", &image]).ok();
    assert!(
        removed.contains("Untagged: ") && removed.contains("Deleted: sha256:"),
        "{removed}"
    );
    assert_eq!(fs::read_dir(daemon.data_root().join("overlay2/l")).unwrap().count(), 0);
}

#[test]
fn row_002_layers_go_with_their_last_reference() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["tag", &image, "second:1"]).ok();
    let layers = || fs::read_dir(daemon.data_root().join("overlay2/l")).unwrap().count();
    let removed = daemon.docker(&["rmi", "second:1"]).ok();
    assert_eq!((removed.as_str(), layers()), ("Untagged: second:1", 1));
    daemon.docker(&["rmi", &image]).ok();
    assert_eq!(layers(), 0);
}

#[test]
fn row_025_the_container_has_the_images_tree_and_the_hosts_kernel() {
    let (daemon, image) = Daemon::with_busybox();
    let release = tierce_testkit::Run::run(std::process::Command::new("uname").arg("-r")).ok();
    assert_eq!(daemon.docker(&["run", "--rm", &image, "uname", "-r"]).ok(), release);
    daemon
        .docker(&[
            "run", "--rm", &image, "ls", "-d", "/dev", "/proc", "/bin", "/etc", "/lib", "/usr", "/tmp", "/run",
        ])
        .ok();
}

#[test]
fn row_027_row_028_pull_asks_in_order() {
    let mut daemon = Daemon::start();
    let reference = daemon.registry().push(&layered(), "order");
    daemon.docker(&["pull", &reference]).ok();
    let requests: Vec<String> = daemon
        .registry()
        .requests()
        .into_iter()
        .filter(|line| line.contains("/order/"))
        .collect();
    let layout = tempfile::tempdir().unwrap();
    layered().write_layout(layout.path());
    let layers = layers_of(layout.path());
    let at = |part: &str| {
        requests
            .iter()
            .position(|line| line.contains(part))
            .unwrap_or_else(|| panic!("{part}: {requests:?}"))
    };
    assert_eq!(at("/manifests/"), 0, "{requests:?}");
    for layer in &layers {
        assert!(at(layer.as_str()) > 1, "the configuration comes first: {requests:?}");
        assert_eq!(
            requests.iter().filter(|line| line.contains(layer.as_str())).count(),
            1,
            "{requests:?}"
        );
    }
    // Present already: the manifest is asked for, nothing else.
    daemon.docker(&["pull", &reference]).ok();
    let more: Vec<String> = daemon
        .registry()
        .requests()
        .into_iter()
        .filter(|line| line.contains("/order/"))
        .skip(requests.len())
        .collect();
    assert!(
        !more.is_empty() && more.iter().all(|line| line.contains("/manifests/")),
        "{more:?}"
    );
}

#[test]
fn row_029_known_layers_are_not_fetched() {
    let mut daemon = Daemon::start();
    daemon.add_image(&layered(), "first");
    let second = layered().layer(&[Entry::File("three", b"333".to_vec(), 0o644)]);
    let reference = daemon.registry().push(&second, "second");
    let output = daemon.docker(&["pull", &reference]).ok();
    assert_eq!(output.matches("Already exists").count(), 3, "{output}");
    let blobs = daemon
        .registry()
        .requests()
        .iter()
        .filter(|line| line.contains("/second/blobs/"))
        .count();
    assert_eq!(blobs, 2, "the configuration and one layer");
}

#[test]
fn row_034_run_pulls_what_is_absent_and_only_that() {
    let mut daemon = Daemon::start();
    let reference = daemon.registry().push(&ImageBuilder::busybox(), "implicit");
    let output = daemon.docker(&["run", "--rm", &reference, "echo", "ran"]);
    assert_eq!(output.stdout, "ran\n");
    assert!(
        output
            .stderr
            .contains(&format!("Unable to find image '{reference}:latest' locally")),
        "{}",
        output.stderr
    );
    let before = daemon.registry().requests().len();
    daemon.docker(&["run", "--rm", &reference, "true"]).ok();
    assert_eq!(daemon.registry().requests().len(), before);
    let output = daemon.tierce(&["run", "--rm", &reference, "echo", "ran"]);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("ran\n", ""));
}

#[test]
fn tierce_and_docker_list_the_same() {
    let (daemon, _image) = Daemon::with_busybox();
    for arguments in [
        &["images"][..],
        &["images", "--digests", "--no-trunc"],
        &["images", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}"],
    ] {
        assert_eq!(daemon.docker(arguments).ok(), daemon.tierce(arguments).ok());
    }
}

#[test]
fn row_016_what_a_pull_learned_is_written_down_and_used() {
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&layered(), "known");
    let layout = tempfile::tempdir().unwrap();
    layered().write_layout(layout.path());
    let diffs: Vec<DiffId> = serde_json::from_str(&daemon.inspect(&image, "{{json .RootFS.Layers}}")).unwrap();
    let records = metadata(&daemon).join("distribution");
    for (diff, blob) in diffs.iter().zip(layers_of(layout.path())) {
        assert_eq!(
            text(&records.join("diffid-by-digest/sha256").join(blob.hex())),
            diff.to_string()
        );
        let known = json(
            &records
                .join("v2metadata-by-diffid/sha256")
                .join(diff.to_string().trim_start_matches("sha256:")),
        );
        assert_eq!(known[0]["Digest"], blob.to_string(), "{known}");
        assert_eq!(known[0]["SourceRepository"], "127.0.0.1:5000/known", "{known}");
    }
}

#[test]
fn row_022_a_base_is_shared_and_stays_while_a_child_needs_it() {
    let mut daemon = Daemon::start();
    let base = daemon.add_image(&ImageBuilder::busybox(), "base");
    let child = daemon.add_image(&layered(), "child");
    let stack = |image: &str| -> Vec<String> {
        serde_json::from_str(&daemon.inspect(image, "{{json .RootFS.Layers}}")).unwrap()
    };
    assert_eq!(stack(&base)[..], stack(&child)[..1]);
    let layers = || fs::read_dir(daemon.data_root().join("overlay2/l")).unwrap().count();
    assert_eq!(layers(), 3);
    daemon.docker(&["rmi", &base]).ok();
    assert_eq!(layers(), 3);
    assert_eq!(
        daemon.docker(&["run", "--rm", &child, "cat", "/one", "/two"]).ok(),
        "122"
    );
}
