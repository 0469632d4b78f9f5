//! Archives written by `save`, read by `skopeo` and by ourselves.

use crate::testing::Stage;
use crate::{Error, Silent};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use tierce_layer::archive::Archive;
use tierce_oci::{Digest, Reference};
use tierce_testkit::layout::{Compression, Layer};

fn layers() -> Vec<Layer> {
    vec![
        Layer::of(&[("bin/tool", &[7; 300_000])], Compression::Gzip),
        Layer::of(&[("etc/a", b"a")], Compression::Zstd),
    ]
}

fn saved(stage: &Stage, names: &[&str]) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut bytes = Vec::new();
    stage.images.saving(&names, None).unwrap().write(&mut bytes).unwrap();
    bytes
}

/// Names in order, and contents.
fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = Archive::open(archive).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = archive.next_entry().unwrap() {
        let mut content = Vec::new();
        archive.read_to_end(&mut content).unwrap();
        found.push((String::from_utf8(entry.name).unwrap(), content));
    }
    found
}

#[test]
fn row_036_the_archive_is_in_dockers_form_and_always_the_same() {
    let stage = Stage::new();
    let layers = layers();
    let id = stage.image(&layers, "app:one");
    let other = stage.image(&layers[..1], "other:one");
    stage
        .images
        .tag("app:one", &Reference::parse("app:two").unwrap())
        .unwrap();
    let bytes = saved(&stage, &["app", "other:one"]);
    assert!(bytes == saved(&stage, &["app", "other:one"]));
    let entries = entries(&bytes);
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names[..2], ["blobs/", "blobs/sha256/"]);
    assert_eq!(
        names[names.len() - 4..],
        ["index.json", "manifest.json", "oci-layout", "repositories"]
    );
    let files: BTreeMap<&str, &[u8]> = entries
        .iter()
        .map(|(name, content)| (name.as_str(), &content[..]))
        .collect();
    for (name, content) in &files {
        if let Some(hex) = name.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) {
            assert_eq!(Digest::sha256_of(content).hex(), hex);
        }
    }
    let blob = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    // Row 14: the archives are those that came.
    for layer in &layers {
        assert!(files[&*blob(&layer.diff_id())] == layer.tar);
    }
    let manifest: Value = serde_json::from_slice(files["manifest.json"]).unwrap();
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["app:one", "app:two"]));
    assert_eq!(manifest[0]["Config"], blob(&id.0));
    assert_eq!(manifest[1]["Config"], blob(&other.0));
    assert_eq!(manifest[0]["Layers"][1], blob(&layers[1].diff_id()));
    let source = format!(
        r#""LayerSources":{{"{0}":{{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":{1},"digest":"{0}"}}}}}}]"#,
        layers[0].diff_id(),
        layers[0].tar.len()
    );
    let text = std::str::from_utf8(files["manifest.json"]).unwrap();
    assert!(text.ends_with(&format!("{source}\n")), "{text}");
    let index: Value = serde_json::from_slice(files["index.json"]).unwrap();
    assert_eq!(
        index["manifests"][0]["annotations"],
        serde_json::json!({
            "io.containerd.image.name": "docker.io/library/app:one", "org.opencontainers.image.ref.name": "one"
        })
    );
    assert_eq!(index["manifests"].as_array().unwrap().len(), 3);
    let repositories = format!(
        "{{\"app\":{{\"one\":\"{top}\",\"two\":\"{top}\"}},\"other\":{{\"one\":\"{below}\"}}}}\n",
        top = layers[1].diff_id().hex(),
        below = layers[0].diff_id().hex()
    );
    assert_eq!(std::str::from_utf8(files["repositories"]).unwrap(), repositories);
    assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion": "1.0.0"}"#);
}

#[test]
fn row_036_what_is_of_an_image_has_its_time() {
    let stage = Stage::new();
    let id = stage.image(&layers(), "app:one");
    let made = stage.images.get(&id).unwrap().created_unix();
    assert_eq!(made, 1_767_323_045);
    let bytes = saved(&stage, &["app:one"]);
    let mut archive = Archive::open(&bytes[..]).unwrap();
    let mut times = BTreeMap::new();
    while let Some(entry) = archive.next_entry().unwrap() {
        times.insert(String::from_utf8(entry.name).unwrap(), entry.mtime);
    }
    let blob = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    for name in [blob(&id.0), blob(&layers()[1].diff_id()), "blobs/".to_owned()] {
        assert_eq!(times[&name], (made, 0), "{name}");
    }
    assert_eq!(times["manifest.json"], (0, 0));
}

#[test]
fn an_image_by_its_id_has_no_names() {
    let stage = Stage::new();
    let id = stage.image(&layers(), "app:one");
    let entries = entries(&saved(&stage, &[id.hex()]));
    let find = |name: &str| {
        entries
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, content)| content)
    };
    let manifest: Value = serde_json::from_slice(find("manifest.json").unwrap()).unwrap();
    assert_eq!(manifest[0]["RepoTags"], Value::Null);
    let index: Value = serde_json::from_slice(find("index.json").unwrap()).unwrap();
    assert_eq!(index["manifests"][0].get("annotations"), None);
    assert_eq!(find("repositories"), None);
    let short: String = id.hex().chars().take(12).collect();
    assert_eq!(stage.images.saving(&[short], None).unwrap().ids(), [id]);
}

#[test]
fn what_cannot_be_saved_is_told_in_dockers_words() {
    let stage = Stage::new();
    stage.image(&layers(), "app:one");
    let text = |name: &str, platform: Option<&str>| {
        let platform = platform.map(|platform| platform.parse().unwrap());
        let saving = stage.images.saving(&[name.to_owned()], platform.as_ref());
        saving.err().unwrap().to_string()
    };
    assert_eq!(text("app:three", None), "reference does not exist");
    assert!(text("absent", None).starts_with("No such image: absent"));
    assert_eq!(
        text("app:one", Some("linux/s390x")),
        "no suitable export target found for platform linux/s390x"
    );
    assert!(stage.leases.held(tierce_store::ResourceKind::Layer).is_empty());
}

#[test]
fn row_036_skopeo_reads_both_faces_of_the_archive() {
    if std::process::Command::new("skopeo").arg("--version").output().is_err() {
        println!("skipped: skopeo is not installed");
        return;
    }
    let stage = Stage::new();
    let id = stage.image(&layers(), "app:one");
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("x.tar");
    std::fs::write(&archive, saved(&stage, &["app:one"])).unwrap();
    for kind in ["docker-archive", "oci-archive"] {
        let target = directory.path().join(kind);
        let output = std::process::Command::new("skopeo")
            .args(["--insecure-policy", "copy"])
            .arg(format!("{kind}:{}", archive.display()))
            .arg(format!("dir:{}", target.display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest: Value = serde_json::from_slice(&std::fs::read(target.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["config"]["digest"], id.to_string(), "{kind}");
    }
}

#[test]
fn row_036_save_and_load_on_a_clean_root_restore_ids_tags_and_layers() {
    let (stage, clean) = (Stage::new(), Stage::new());
    let layers = layers();
    stage.image(&layers, "app:one");
    stage.image(&layers[..1], "other:one");
    let bytes = saved(&stage, &["app", "other"]);
    let silent: Arc<dyn crate::Progress> = Arc::new(Silent);
    let loaded = clean.images.load(&*bytes, None, &silent).unwrap();
    assert_eq!(loaded.len(), 2);
    for name in ["app:one", "other:one"] {
        let (before, after) = (stage.images.find(name).unwrap(), clean.images.find(name).unwrap());
        assert_eq!((&before.id, &before.raw), (&after.id, &after.raw));
    }
    // And what was loaded gives the same archive again.
    assert!(saved(&clean, &["app", "other"]) == bytes);
    assert!(matches!(
        clean.images.saving(&["gone:one".to_owned()], None).err(),
        Some(Error::NoReference)
    ));
}

#[test]
fn a_layer_that_is_being_saved_stays() {
    let stage = Stage::new();
    let layers = layers();
    stage.image(&layers, "app:one");
    let saving = stage.images.saving(&["app:one".to_owned()], None).unwrap();
    stage.images.remove("app:one", crate::Removal::default()).unwrap();
    let mut bytes = Vec::new();
    saving.write(&mut bytes).unwrap();
    assert_eq!(entries(&bytes).len(), 2 + 4 + 4);
}
