//! Images made for a test, as OCI layouts.

use crate::Run;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use tierce_oci::{Digest, media_type};

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain tar.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// One file of a layer.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Path, content, permission bits.
    File(&'static str, Vec<u8>, u32),
    /// Path.
    Directory(&'static str),
    /// Path, target.
    Link(&'static str, &'static str),
}

/// An image in the making.
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    layers: Vec<Vec<u8>>,
    config: Value,
    platform: (String, String),
    compression: Compression,
}

impl ImageBuilder {
    /// An image without layers.
    pub fn empty() -> Self {
        Self {
            layers: Vec::new(),
            config: json!({ "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"] }),
            platform: ("linux".to_owned(), tierce_oci::Platform::host().architecture),
            compression: Compression::Gzip,
        }
    }

    /// An image with Debian's static busybox and links for its programs.
    pub fn busybox() -> Self {
        let installed = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .expect("busybox-static is installed");
        let staging = tempfile::tempdir().expect("a temporary directory");
        let root = staging.path();
        for directory in [
            "bin", "etc", "dev", "proc", "sys", "tmp", "run", "usr/bin", "usr/lib", "lib", "root", "home", "var/www",
        ] {
            fs::create_dir_all(root.join(directory)).expect("make a directory");
        }
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("set a mode");
        fs::copy(installed, root.join("bin/busybox")).expect("copy busybox");
        fs::set_permissions(root.join("bin/busybox"), fs::Permissions::from_mode(0o755)).expect("set a mode");
        // Not the copy: another test's child may still hold the handle it was written by (ETXTBSY).
        for applet in Command::new(installed)
            .arg("--list")
            .run()
            .ok()
            .lines()
            .filter(|name| *name != "busybox")
        {
            fs::hard_link(root.join("bin/busybox"), root.join("bin").join(applet)).expect("link an applet");
        }
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n",
        )
        .expect("write passwd");
        fs::write(root.join("etc/group"), "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n").expect("write group");
        Self::empty().layer_from(root)
    }

    /// Adds a layer with the content of a directory.
    #[must_use]
    pub fn layer_from(mut self, directory: &Path) -> Self {
        let arguments = [
            "--create",
            "--numeric-owner",
            "--owner=0",
            "--group=0",
            "--sort=name",
            "--mtime=2024-01-01",
            ".",
        ];
        let output = Command::new("tar")
            .arg("--directory")
            .arg(directory)
            .args(arguments)
            .output()
            .expect("run tar");
        assert!(
            output.status.success(),
            "tar: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.layers.push(output.stdout);
        self
    }

    /// Adds a layer with these entries.
    #[must_use]
    pub fn layer(self, entries: &[Entry]) -> Self {
        let staging = tempfile::tempdir().expect("a temporary directory");
        for entry in entries {
            let (Entry::File(name, ..) | Entry::Directory(name) | Entry::Link(name, _)) = entry;
            let path = staging.path().join(name.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a parent")).expect("make a directory");
            match entry {
                Entry::File(_, content, mode) => {
                    fs::write(&path, content).expect("write a file");
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("set a mode");
                }
                Entry::Directory(_) => fs::create_dir_all(&path).expect("make a directory"),
                Entry::Link(_, target) => std::os::unix::fs::symlink(target, &path).expect("make a link"),
            }
        }
        self.layer_from(staging.path())
    }

    /// Adds a layer of these tar bytes, whatever they are.
    #[must_use]
    pub fn raw_layer(mut self, tar: Vec<u8>) -> Self {
        self.layers.push(tar);
        self
    }

    /// Sets a member of the container configuration.
    #[must_use]
    pub fn config(mut self, name: &str, value: Value) -> Self {
        self.config[name] = value;
        self
    }

    /// Sets operating system and architecture.
    #[must_use]
    pub fn platform(mut self, os: &str, architecture: &str) -> Self {
        self.platform = (os.to_owned(), architecture.to_owned());
        self
    }

    /// Sets how layers are compressed.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Writes an OCI layout with the one tag `latest`; returns the manifest's digest.
    pub fn write_layout(&self, directory: &Path) -> Digest {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("make the layout");
        let put = |bytes: &[u8], kind: &str| {
            let digest = Digest::sha256_of(bytes);
            fs::write(blobs.join(digest.hex()), bytes).expect("write a blob");
            json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
        };
        let diff_ids: Vec<Digest> = self.layers.iter().map(|tar| Digest::sha256_of(tar)).collect();
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|tar| put(&self.compress(tar), self.layer_type()))
            .collect();
        let history: Vec<Value> = (0..self.layers.len())
            .map(|layer| json!({ "created": "2024-01-01T00:00:00Z", "created_by": format!("layer {layer}") }))
            .collect();
        let config = json!({
            "architecture": self.platform.1,
            "os": self.platform.0,
            "created": "2024-01-01T00:00:00Z",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        });
        let config = put(config.to_string().as_bytes(), media_type::OCI_CONFIG);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": layers,
        });
        let manifest = put(manifest.to_string().as_bytes(), media_type::OCI_MANIFEST);
        let digest = manifest["digest"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("a digest");
        let mut named = manifest;
        named["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        named["platform"] = json!({ "os": self.platform.0, "architecture": self.platform.1 });
        let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [named] });
        fs::write(directory.join("index.json"), index.to_string()).expect("write the index");
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("write the layout");
        digest
    }

    fn layer_type(&self) -> &'static str {
        match self.compression {
            Compression::None => media_type::OCI_LAYER,
            Compression::Gzip => media_type::OCI_LAYER_GZIP,
            Compression::Zstd => media_type::OCI_LAYER_ZSTD,
        }
    }

    fn compress(&self, tar: &[u8]) -> Vec<u8> {
        match self.compression {
            Compression::None => tar.to_vec(),
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(tar).expect("compress");
                encoder.finish().expect("compress")
            }
            Compression::Zstd => zstd::encode_all(tar, 1).expect("compress"),
        }
    }
}
