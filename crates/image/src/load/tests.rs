//! Archives of others, and archives that lie.

use crate::testing::{Ear, Stage};
use crate::{Error, Loaded, Progress};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use tierce_layer::tar::{Entry, EntryKind, Writer};
use tierce_oci::{ChainId, DiffId, Digest};
use tierce_testkit::layout::{Compression, ImageLayout, Layer};

fn layers() -> Vec<Layer> {
    vec![
        Layer::of(&[("bin/tool", &[7; 300_000])], Compression::Gzip),
        Layer::of(&[("etc/a", b"a")], Compression::Zstd),
    ]
}

/// An archive under construction.
struct Tar(Writer<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(Writer::new(Vec::new()))
    }

    fn file(mut self, name: &str, content: &[u8]) -> Self {
        let mut entry = Entry::new(name.into(), EntryKind::File);
        entry.size = content.len() as u64;
        self.0.begin(&entry).unwrap();
        self.0.write_content(content).unwrap();
        self
    }

    fn link(mut self, name: &str, kind: EntryKind, target: &str) -> Self {
        let mut entry = Entry::new(name.into(), kind);
        entry.link = target.into();
        self.0.begin(&entry).unwrap();
        self
    }

    fn end(self) -> Vec<u8> {
        self.0.finish().unwrap()
    }
}

fn config(layers: &[Layer]) -> Vec<u8> {
    ImageLayout::config(layers, ("linux", "amd64")).to_string().into_bytes()
}

fn manifest(layers: &[&str], tags: &[&str]) -> Vec<u8> {
    let item: Value = json!([{"Config": "config.json", "RepoTags": tags, "Layers": layers}]);
    item.to_string().into_bytes()
}

fn load(stage: &Stage, archive: &[u8]) -> (Result<Vec<Loaded>, Error>, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let progress: Arc<dyn Progress> = ear.clone();
    (stage.images.load(archive, None, &progress), ear)
}

fn refusal(archive: &[u8]) -> String {
    let stage = Stage::new();
    let (loaded, _) = load(&stage, archive);
    let text = loaded.unwrap_err().to_string();
    // Nothing of it stays.
    assert!(
        stage.images.list().is_empty() && stage.layers.layers().is_empty(),
        "{text}"
    );
    assert!(
        crate::testing::entries(&stage.root.path().join("vfs/dir")).is_empty(),
        "{text}"
    );
    text
}

#[test]
fn row_036_the_older_form_with_links_and_compressed_layers() {
    let layers = layers();
    let archive = Tar::new()
        .file(
            "manifest.json",
            &manifest(&["one/layer.tar", "two/layer.tar"], &["app:one"]),
        )
        .file("one/VERSION", b"1.0")
        .file("blob.tar", &layers[0].tar)
        .link("one/layer.tar", EntryKind::Symlink, "../blob.tar")
        .file("two/layer.tar", &layers[1].blob)
        .file("config.json", &config(&layers))
        .end();
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &archive).unwrap();
        encoder.finish().unwrap()
    };
    for bytes in [&archive, &gzip, &zstd::encode_all(&*archive, 1).unwrap()] {
        let stage = Stage::new();
        let (loaded, ear) = load(&stage, bytes);
        let loaded = loaded.unwrap();
        assert_eq!(loaded[0].names, ["app:one"]);
        let image = stage.images.find("app:one").unwrap();
        assert_eq!(image.id.0, Digest::sha256_of(&config(&layers)));
        assert_eq!(ear.lines(), ["Loaded image: app:one\n"]);
        let loading = ear
            .messages()
            .into_iter()
            .filter(|message| message.status == "Loading layer");
        assert!(loading.count() >= 2);
        assert!(stage.leases.held(tierce_store::ResourceKind::Layer).is_empty());
    }
}

#[test]
fn what_is_here_is_not_unpacked_again_and_names_move() {
    let stage = Stage::new();
    let layers = layers();
    let old = stage.image(&layers[..1], "app:one");
    let new = [layers[1].clone(), layers[0].clone()];
    // The first layer of one image is the second of the other: there is one copy of the archive for both.
    let blob = |layer: &Layer| format!("blobs/sha256/{}", layer.diff_id().hex());
    let names: Vec<String> = new.iter().map(blob).collect();
    let archive = Tar::new()
        .file(&names[0], &new[0].tar)
        .file(&names[1], &new[1].tar)
        .file("config.json", &config(&new))
        .file("manifest.json", &manifest(&[&names[0], &names[1]], &["app:one"]))
        .end();
    let (loaded, ear) = load(&stage, &archive);
    let id = loaded.unwrap().remove(0).id;
    assert_eq!(
        ear.lines(),
        [
            format!("The image app:one already exists, renaming the old one with ID {old} to empty string\n"),
            "Loaded image: app:one\n".to_owned()
        ]
    );
    let short = layers[0].diff_id().short().to_owned();
    assert!(ear.messages().iter().all(|message| message.id.as_ref() != Some(&short)));
    assert_eq!(stage.images.find("app:one").unwrap().id, id);
    // Bit for bit also on its new stack.
    let diff_ids: Vec<DiffId> = new.iter().map(|layer| DiffId(layer.diff_id())).collect();
    let mut bytes = Vec::new();
    stage
        .layers
        .tar_stream(&ChainId::stack(&diff_ids)[1], &mut bytes)
        .unwrap();
    assert!(bytes == new[1].tar);
    // Once more: nothing is new.
    let (loaded, ear) = load(&stage, &archive);
    assert_eq!(loaded.unwrap()[0].id, id);
    assert_eq!(ear.lines(), ["Loaded image: app:one\n"]);
    assert_eq!(ear.messages().len(), 1);
}

#[test]
fn row_036_an_oci_layout_with_several_platforms_and_an_image_without_a_name() {
    let (ours, theirs) = (layers(), vec![Layer::of(&[("etc/arm", b"x")], Compression::Gzip)]);
    let mut layout = ImageLayout::new();
    let native = layout.image(&ours, &ImageLayout::config(&ours, ("linux", "amd64")));
    let foreign = layout.image(&theirs, &ImageLayout::config(&theirs, ("linux", "s390x")));
    let index = layout.index(&[(("linux", "s390x"), foreign), (("linux", "amd64"), native)]);
    layout.name("example.org/app:one", index);
    let archive = Command::new("tar")
        .arg("-cC")
        .arg(layout.path())
        .arg(".")
        .output()
        .unwrap()
        .stdout;
    let stage = Stage::new();
    for (platform, expected) in [("linux/amd64", "amd64"), ("linux/s390x", "s390x")] {
        let ear: Arc<dyn Progress> = Arc::new(Ear::default());
        let platform = platform.parse().unwrap();
        let loaded = stage.images.load(&*archive, Some(&platform), &ear).unwrap();
        assert_eq!(loaded[0].names, ["example.org/app:one"]);
        let image = stage.images.find("example.org/app:one").unwrap();
        assert_eq!(image.config.architecture, expected);
    }
    let mut layout = ImageLayout::new();
    let image = layout.image(&ours, &ImageLayout::config(&ours, ("linux", "amd64")));
    layout.name("latest", image);
    let archive = Command::new("tar")
        .arg("-cC")
        .arg(layout.path())
        .arg(".")
        .output()
        .unwrap()
        .stdout;
    let (loaded, ear) = load(&Stage::new(), &archive);
    assert_eq!(ear.lines(), [format!("Loaded image ID: {}\n", loaded.unwrap()[0].id)]);
}

#[test]
fn archives_that_lie_are_refused_and_leave_nothing() {
    let layers = layers();
    let good = config(&layers);
    let pair = ["a.tar", "b.tar"];
    let with = |manifest: &[u8], config: &[u8], first: &[u8]| {
        Tar::new()
            .file("a.tar", first)
            .file("b.tar", &layers[1].tar)
            .file("config.json", config)
            .file("manifest.json", manifest)
            .end()
    };
    assert_eq!(
        refusal(&Tar::new().file("x", b"x").end()),
        "invalid archive: does not contain a manifest.json"
    );
    let wrong = refusal(&with(&manifest(&pair, &[]), &good, &layers[1].tar));
    assert_eq!(
        wrong,
        format!(
            "invalid diffID for layer 0: expected \"{}\", got \"{}\"",
            layers[0].diff_id(),
            layers[1].diff_id()
        )
    );
    assert_eq!(
        refusal(&with(&manifest(&pair[..1], &[]), &good, &layers[0].tar)),
        "invalid manifest, layers length mismatch: expected 1, got 2"
    );
    assert_eq!(
        refusal(&with(b"null", &good, &layers[0].tar)),
        "invalid manifest, manifest cannot be null (but can be [])"
    );
    assert!(refusal(&with(b"{", &good, &layers[0].tar)).contains("failed to decode manifest.json"));
    assert!(refusal(&with(&manifest(&["a.tar", "gone"], &[]), &good, &layers[0].tar)).contains("the layer \"gone\""));
    assert!(refusal(&with(&manifest(&pair, &["app"]), &good, &layers[0].tar)).contains("invalid tag \"app\""));
    let windows = String::from_utf8(good.clone()).unwrap().replace("linux", "windows");
    assert_eq!(
        refusal(&with(&manifest(&pair, &[]), windows.as_bytes(), &layers[0].tar)),
        "cannot load windows image on linux"
    );
    // A layer that is no archive, one with a hostile entry, and one that is cut off with the whole.
    assert!(!refusal(&with(&manifest(&pair, &[]), &good, b"\x1f\x8bxx")).is_empty());
    let mut cut = with(&manifest(&pair, &[]), &good, &layers[0].tar);
    cut.truncate(100_000);
    assert!(refusal(&cut).starts_with("invalid archive: "));
}

#[test]
fn names_and_links_cannot_leave_the_archive() {
    let layers = layers();
    let tail = |tar: Tar| {
        tar.file("config.json", &config(&layers[..1]))
            .file("manifest.json", &manifest(&["a.tar"], &[]))
            .end()
    };
    let outside = tail(Tar::new().link("a.tar", EntryKind::Symlink, "../../etc/passwd"));
    assert!(refusal(&outside).contains("leads out of the archive"));
    let outside = tail(Tar::new().file("../a.tar", &layers[0].tar));
    assert!(refusal(&outside).contains("leads out of the archive"));
    let endless = tail(Tar::new().link("a.tar", EntryKind::Symlink, "b.tar").link(
        "b.tar",
        EntryKind::HardLink,
        "a.tar",
    ));
    assert!(refusal(&endless).contains("have no end"));
    let device = tail(Tar::new().link("a.tar", EntryKind::CharDevice, ""));
    assert!(refusal(&device).contains("neither a file nor a directory nor a link"));
}

#[test]
fn a_blob_must_be_what_its_name_says() {
    let layers = layers();
    let mut layout = ImageLayout::new();
    let image = layout.image(&layers, &ImageLayout::config(&layers, ("linux", "amd64")));
    let manifest = image["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap()
        .to_owned();
    layout.name("example.org/app:one", image);
    // The compressed layer is replaced by another compression of the same archive: only its digest tells.
    let other = zstd::encode_all(&*layers[0].tar, 19).unwrap();
    for (hex, bytes) in [(layers[0].digest().hex(), &other), (&*manifest, &b"{}".to_vec())] {
        let path = layout.path().join("blobs/sha256").join(hex);
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let archive = Command::new("tar")
            .arg("-cC")
            .arg(layout.path())
            .arg(".")
            .output()
            .unwrap()
            .stdout;
        let text = refusal(&archive);
        assert!(
            text.contains(&format!("the digest of \"blobs/sha256/{hex}\" is")),
            "{text}"
        );
        std::fs::write(&path, before).unwrap();
    }
}
