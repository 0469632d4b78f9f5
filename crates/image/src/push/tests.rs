//! Pushes to Debian's `docker-registry`.

use crate::testing::{Ear, Stage, or_skip};
use crate::{Import, Pull, Push, Silent};
use std::sync::Arc;
use tierce_oci::{Digest, Platform, Reference};
use tierce_testkit::layout::{Compression, ImageLayout, Layer, tar_of};
use tierce_testkit::loopback::{DockerRegistry, RegistryOptions};

fn registry() -> Result<DockerRegistry, String> {
    DockerRegistry::start(&RegistryOptions::default())
}

/// Bytes that gzip cannot make smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn layers() -> Vec<Layer> {
    vec![
        Layer::of(&[("bin/tool", &noise(5 << 20))], Compression::Gzip),
        Layer::of(&[("etc/a", b"a")], Compression::Zstd),
        Layer::of(&[("etc/b", b"b")], Compression::Gzip),
    ]
}

fn push_of(name: &str) -> Push {
    Push {
        reference: Reference::parse(name).unwrap(),
        platform: None,
        credentials: None,
    }
}

/// Requests that change something, without the sessions' names.
fn changes(trace: &[String]) -> Vec<String> {
    let changing = trace
        .iter()
        .filter(|line| !line.starts_with("GET") && !line.starts_with("HEAD"));
    changing
        .map(|line| {
            let mut words = line.split(['?', ' ']);
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let path = path.split("/uploads/").next().unwrap();
            format!("{method} {path}")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_005_row_035_what_is_pushed_is_what_is_pulled_and_row_014_bit_for_bit() {
    let registry = or_skip!(registry());
    let (stage, layers) = (Stage::new(), layers());
    let name = format!("{}/t/app:one", registry.authority());
    let id = stage.image(&layers, &name);
    let ear = Arc::new(Ear::default());
    let published = stage.images.push(push_of(&name), ear.clone()).await.unwrap().remove(0);

    let elsewhere = Stage::new();
    let pulled = elsewhere
        .images
        .pull(Pull::of(&name).unwrap(), Arc::new(Silent))
        .await
        .unwrap()
        .remove(0);
    assert_eq!((&pulled.id, &pulled.digest), (&id, &published.digest));
    // Row 5: the digest appears with the push, where a pull writes it.
    let repository = name.strip_suffix(":one").unwrap();
    let digests = [format!("{repository}@{}", published.digest)];
    for stage in [&stage, &elsewhere] {
        let details = stage.images.inspect(&name).unwrap();
        assert_eq!(details.repo_digests, digests);
    }
    let lines = ear.lines();
    assert_eq!(lines[0], format!("The push refers to repository [{repository}]"));
    for (index, layer) in layers.iter().rev().enumerate() {
        let short = layer.diff_id().short().to_owned();
        assert_eq!(lines[1 + index], format!("{short}: Preparing"));
        assert!(lines.contains(&format!("{short}: Pushed")), "{lines:#?}");
    }
    let end = &lines[lines.len() - 2];
    assert_eq!(
        *end,
        format!("one: digest: {} size: {}", published.digest, published.size)
    );
    let aux = ear.messages().pop().unwrap().published.unwrap();
    assert_eq!(aux, published);
    // The manifest is written as dockerd writes it.
    let hex = published.digest.hex();
    let blob = registry
        .storage()
        .join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    let manifest = std::fs::read_to_string(blob).unwrap();
    let begin = format!(
        "{{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"application/vnd.docker.distribution.manifest.v2+json\",\n   \
         \"config\": {{\n      \"mediaType\": \"application/vnd.docker.container.image.v1+json\",\n      \"size\": {},\n      \
         \"digest\": \"{id}\"\n   }},\n   \"layers\": [\n      {{\n         \"mediaType\": \
         \"application/vnd.docker.image.rootfs.diff.tar.gzip\",\n         \"size\": ",
        stage.images.get(&id).unwrap().raw.len()
    );
    assert!(manifest.starts_with(&begin), "{manifest}");
    assert_eq!(manifest.len() as u64, published.size);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_035_an_image_in_oci_form_keeps_its_digest_at_its_registry_and_gets_dockers_form_elsewhere() {
    let (registry, other) = (or_skip!(registry()), or_skip!(registry()));
    let mut layout = ImageLayout::new();
    let layers = layers();
    let image = layout.image(&layers, &ImageLayout::config(&layers, ("linux", "amd64")));
    let index = layout.index(&[(("linux", "amd64"), image.clone())]);
    layout.name("plain", image.clone());
    layout.name("index", index);
    or_skip!(layout.push("plain", &format!("{}/t/app:one", registry.authority()), &[]));
    or_skip!(layout.push("index", &format!("{}/t/multi:one", registry.authority()), &["--all"]));
    for source in ["t/app", "t/multi"] {
        let stage = Stage::new();
        let pulled = format!("{}/{source}:one", registry.authority());
        stage
            .images
            .pull(Pull::of(&pulled).unwrap(), Arc::new(Silent))
            .await
            .unwrap();
        for (authority, kept) in [(registry.authority(), true), (other.authority(), false)] {
            let name = format!("{authority}/{source}/moved:two");
            stage.images.tag(&pulled, &Reference::parse(&name).unwrap()).unwrap();
            let published = stage
                .images
                .push(push_of(&name), Arc::new(Silent))
                .await
                .unwrap()
                .remove(0);
            assert_eq!(
                published.digest.to_string() == image["digest"].as_str().unwrap(),
                kept,
                "{name}"
            );
            let again = Stage::new();
            let back = again
                .images
                .pull(Pull::of(&name).unwrap(), Arc::new(Silent))
                .await
                .unwrap()
                .remove(0);
            assert_eq!(back.id, stage.images.resolve(&pulled).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_030_only_what_the_registry_lacks_travels() {
    let registry = or_skip!(registry());
    let (stage, base) = (Stage::new(), layers());
    let mut changed = base.clone();
    changed.push(Layer::of(&[("etc/c", b"c")], Compression::Gzip));
    let name = |name: &str| format!("{}/{name}", registry.authority());
    stage.image(&base, &name("t/app:one"));
    stage.image(&changed, &name("t/app:two"));
    stage.image(&changed, &name("t/other:one"));
    stage
        .images
        .push(push_of(&name("t/app:one")), Arc::new(Silent))
        .await
        .unwrap();
    // A change of one layer: that layer, the configuration, the manifest.
    let since = registry.trace().len();
    let ear = Arc::new(Ear::default());
    stage
        .images
        .push(push_of(&name("t/app:two")), ear.clone())
        .await
        .unwrap();
    let made = changes(&registry.trace()[since..]);
    let upload = ["POST /v2/t/app/blobs", "PUT /v2/t/app/blobs"];
    assert_eq!(
        made,
        [&upload[..], &upload[..], &["PUT /v2/t/app/manifests/two"]].concat()
    );
    let exist = |ear: &Ear| {
        ear.lines()
            .iter()
            .filter(|line| line.ends_with(": Layer already exists"))
            .count()
    };
    assert_eq!(exist(&ear), 3);
    // To another repository of the registry: nothing but the configuration travels.
    let since = registry.trace().len();
    let ear = Arc::new(Ear::default());
    stage
        .images
        .push(push_of(&name("t/other:one")), ear.clone())
        .await
        .unwrap();
    let lines = ear.lines();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.ends_with(": Mounted from t/app"))
            .count(),
        4,
        "{lines:#?}"
    );
    let puts: Vec<String> = changes(&registry.trace()[since..])
        .into_iter()
        .filter(|line| line.starts_with("PUT") || line.starts_with("PATCH"))
        .collect();
    assert_eq!(puts, ["PUT /v2/t/other/blobs", "PUT /v2/t/other/manifests/one"]);
    // And once more: nothing changes but the manifest's date.
    let since = registry.trace().len();
    stage
        .images
        .push(push_of(&name("t/other:one")), Arc::new(Silent))
        .await
        .unwrap();
    assert_eq!(changes(&registry.trace()[since..]), ["PUT /v2/t/other/manifests/one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_016_the_layers_of_a_pulled_image_are_not_compressed_again() {
    let registry = or_skip!(registry());
    let layers = layers();
    let mut layout = ImageLayout::new();
    let image = layout.image(&layers, &ImageLayout::config(&layers, ("linux", "amd64")));
    layout.name("x", image);
    let name = |name: &str| format!("{}/{name}", registry.authority());
    or_skip!(layout.push("x", &name("t/app:one"), &[]));
    let stage = Stage::new();
    let pull = Pull::of(&name("t/app:one")).unwrap();
    stage.images.pull(pull, Arc::new(Silent)).await.unwrap();
    stage
        .images
        .tag(&name("t/app:one"), &Reference::parse(&name("t/app:two")).unwrap())
        .unwrap();
    let since = registry.trace().len();
    stage
        .images
        .push(push_of(&name("t/app:two")), Arc::new(Silent))
        .await
        .unwrap();
    assert_eq!(changes(&registry.trace()[since..]), ["PUT /v2/t/app/manifests/two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tags_and_the_texts_of_what_cannot_be_pushed() {
    let registry = or_skip!(registry());
    let stage = Stage::new();
    let name = format!("{}/t/app", registry.authority());
    let import = |text: &str| {
        let import = Import {
            config: tierce_oci::container::Config::default(),
            message: String::new(),
            platform: Platform::host(),
            name: Some(Reference::parse(&format!("{name}:{text}")).unwrap()),
        };
        stage
            .images
            .import(&*tar_of(&[("a", text.as_bytes())]), &import)
            .unwrap();
    };
    import("one");
    import("two");
    let text = async |push: Push| stage.images.push(push, Arc::new(Silent)).await.unwrap_err().to_string();
    assert_eq!(
        text(push_of("t/absent:one")).await,
        "An image does not exist locally with the tag: t/absent"
    );
    assert_eq!(
        text(push_of(&format!("{name}:three"))).await,
        format!("tag does not exist: {name}:three")
    );
    let by_digest = format!("{name}@{}", Digest::sha256_of(b""));
    assert_eq!(text(push_of(&by_digest)).await, "cannot push a digest reference");
    let foreign = Push {
        platform: Some("linux/s390x".parse().unwrap()),
        ..push_of(&format!("{name}:one"))
    };
    assert!(
        text(foreign)
            .await
            .contains("does not match the specified platform (linux/s390x)")
    );
    let published = stage.images.push(push_of(&name), Arc::new(Silent)).await.unwrap();
    let tags: Vec<&str> = published.iter().map(|one| one.tag.as_str()).collect();
    assert_eq!(tags, ["one", "two"]);
    assert!(stage.leases.held(tierce_store::ResourceKind::Layer).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_has_changed_on_disk_is_not_pushed() {
    let registry = or_skip!(registry());
    let (stage, layers) = (Stage::new(), layers());
    let name = format!("{}/t/app:one", registry.authority());
    stage.image(&layers, &name);
    // The driver keeps a copy for each layer above.
    let changed: Vec<u8> = noise(5 << 20).into_iter().rev().collect();
    let tools = walk(&stage.root.path().join("vfs/dir")).into_iter();
    for tool in tools.filter(|path| path.ends_with("bin/tool")) {
        std::fs::write(tool, &changed).unwrap();
    }
    let error = stage.images.push(push_of(&name), Arc::new(Silent)).await.unwrap_err();
    assert!(
        error.to_string().contains("has changed since the layer was unpacked"),
        "{error}"
    );
    assert!(
        !registry
            .trace()
            .iter()
            .any(|line| line.contains("PUT /v2/t/app/manifests"))
    );
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = crate::testing::entries(directory);
    let below: Vec<_> = found
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|path| walk(path))
        .collect();
    found.extend(below);
    found
}
