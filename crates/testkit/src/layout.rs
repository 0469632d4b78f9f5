//! Images made by a test: an OCI layout on disk that `skopeo` puts into a registry.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tierce_oci::Digest;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain tar.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// A layer: its archive, and the blob made of it.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The uncompressed archive.
    pub tar: Vec<u8>,
    /// The archive as transferred.
    pub blob: Vec<u8>,
    /// How.
    pub compression: Compression,
}

impl Layer {
    /// A layer of regular files (name, content).
    ///
    /// # Panics
    /// When it cannot be compressed.
    pub fn of(files: &[(&str, &[u8])], compression: Compression) -> Self {
        Self::from_tar(tar_of(files), compression)
    }

    /// A layer of an archive.
    ///
    /// # Panics
    /// When it cannot be compressed.
    pub fn from_tar(tar: Vec<u8>, compression: Compression) -> Self {
        let blob = match compression {
            Compression::None => tar.clone(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder
                    .write_all(&tar)
                    .and_then(|()| encoder.finish())
                    .unwrap_or_else(|error| panic!("gzip: {error}"))
            }
            Compression::Zstd => zstd::encode_all(&tar[..], 3).unwrap_or_else(|error| panic!("zstd: {error}")),
        };
        Self { tar, blob, compression }
    }

    /// Digest of the archive.
    pub fn diff_id(&self) -> Digest {
        Digest::sha256_of(&self.tar)
    }

    /// Digest of the blob.
    pub fn digest(&self) -> Digest {
        Digest::sha256_of(&self.blob)
    }

    fn media_type(&self) -> &'static str {
        match self.compression {
            Compression::None => tierce_oci::media_type::OCI_LAYER,
            Compression::Gzip => tierce_oci::media_type::OCI_LAYER_GZIP,
            Compression::Zstd => tierce_oci::media_type::OCI_LAYER_ZSTD,
        }
    }

    /// The descriptor of the blob.
    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type(), "digest": self.digest().to_string(), "size": self.blob.len()})
    }
}

/// A ustar archive of regular files owned by root.
pub fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, "14000000000\0");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// An OCI layout in a temporary directory.
pub struct ImageLayout {
    directory: tempfile::TempDir,
    manifests: Vec<Value>,
}

impl ImageLayout {
    /// An empty layout.
    ///
    /// # Panics
    /// When the temporary directory cannot be written.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        let layout = Self {
            directory,
            manifests: Vec::new(),
        };
        fs::create_dir_all(layout.directory.path().join("blobs/sha256"))
            .unwrap_or_else(|error| panic!("cannot make a layout: {error}"));
        layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Adds a blob and returns its digest.
    pub fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256_of(bytes);
        self.write(&format!("blobs/sha256/{}", digest.hex()), bytes);
        digest
    }

    /// A configuration for layers, one step of history each.
    pub fn config(layers: &[Layer], platform: (&str, &str)) -> Value {
        json!({
            "architecture": platform.1,
            "os": platform.0,
            "created": "2026-01-02T03:04:05Z",
            "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "Labels": {"made-by": "testkit"}},
            "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|l| l.diff_id().to_string()).collect::<Vec<_>>()},
            "history": layers.iter().enumerate().map(|(index, _)| json!({
                "created": "2026-01-02T03:04:05Z", "created_by": format!("step {index}")
            })).collect::<Vec<_>>(),
        })
    }

    /// Writes an image's blobs and returns the descriptor of its manifest.
    pub fn image(&self, layers: &[Layer], config: &Value) -> Value {
        for layer in layers {
            self.blob(&layer.blob);
        }
        let config = config.to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": tierce_oci::media_type::OCI_MANIFEST,
            "config": {
                "mediaType": tierce_oci::media_type::OCI_CONFIG,
                "digest": self.blob(config.as_bytes()).to_string(),
                "size": config.len()
            },
            "layers": layers.iter().map(Layer::descriptor).collect::<Vec<_>>(),
        })
        .to_string();
        json!({
            "mediaType": tierce_oci::media_type::OCI_MANIFEST,
            "digest": self.blob(manifest.as_bytes()).to_string(),
            "size": manifest.len()
        })
    }

    /// Writes an index over images for platforms and returns its descriptor.
    pub fn index(&self, images: &[((&str, &str), Value)]) -> Value {
        let manifests: Vec<Value> = images
            .iter()
            .map(|((os, architecture), descriptor)| {
                let mut descriptor = descriptor.clone();
                descriptor["platform"] = json!({"os": os, "architecture": architecture});
                descriptor
            })
            .collect();
        let index = json!({
            "schemaVersion": 2, "mediaType": tierce_oci::media_type::OCI_INDEX, "manifests": manifests
        })
        .to_string();
        json!({
            "mediaType": tierce_oci::media_type::OCI_INDEX,
            "digest": self.blob(index.as_bytes()).to_string(),
            "size": index.len()
        })
    }

    /// Gives a descriptor a name in the layout.
    pub fn name(&mut self, name: &str, descriptor: Value) {
        let mut descriptor = descriptor;
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        self.manifests.push(descriptor);
        let index = json!({"schemaVersion": 2, "manifests": self.manifests});
        self.write("index.json", index.to_string().as_bytes());
    }

    /// Copies what has `name` here to `destination` (`host:port/repository:tag`) with `skopeo` and extra arguments.
    ///
    /// # Panics
    /// When `skopeo` is there and fails.
    pub fn push(&self, name: &str, destination: &str, arguments: &[&str]) -> Result<(), String> {
        let source: PathBuf = self.directory.path().to_owned();
        // Unless the format is to change, every byte shall be as the test made it.
        let preserve = if arguments.contains(&"--format") {
            None
        } else {
            Some("--preserve-digests")
        };
        let output = Command::new("skopeo")
            .args([
                "--insecure-policy",
                "copy",
                "--all",
                "--dest-tls-verify=false",
                "--quiet",
            ])
            .args(preserve)
            .args(arguments)
            .arg(format!("oci:{}:{name}", source.display()))
            .arg(format!("docker://{destination}"))
            .output()
            .map_err(|_| "skopeo is not installed".to_owned())?;
        assert!(
            output.status.success(),
            "skopeo copy: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

impl Default for ImageLayout {
    fn default() -> Self {
        Self::new()
    }
}
