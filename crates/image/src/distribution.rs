//! `distribution`: which blob is which layer, and where it was seen. Used by push, and by dockerd on the same root.
//!
//! ```text
//! diffid-by-digest/sha256/<hex of blob>          sha256:<diff id>
//! v2metadata-by-diffid/sha256/<hex of diff id>   [{"Digest":…,"SourceRepository":…,"HMAC":…}], newest last
//! ```
//! Source: moby `distribution/metadata/v2_metadata_service.go`. It is a cache: losing an entry costs an upload.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tierce_fsops::Durability;
use tierce_oci::{DiffId, Digest, Hasher};

/// Docker keeps so many homes of a layer.
const MOST_HOMES: usize = 50;

/// A blob that holds a layer, and a repository that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Home {
    /// The blob.
    pub(crate) digest: Digest,
    /// Full name of the repository.
    pub(crate) source_repository: String,
    /// Proof of credentials used on push; empty after a pull.
    #[serde(rename = "HMAC", default)]
    pub(crate) hmac: String,
}

impl Home {
    /// The blob `digest` in `repository`, where it was found without proof.
    pub(crate) fn of(digest: &Digest, repository: &str) -> Self {
        Self {
            digest: digest.clone(),
            source_repository: repository.to_owned(),
            hmac: String::new(),
        }
    }

    /// The blob `digest` in `repository`, pushed by who has the fingerprint `key`. The proof tells later that a mount
    /// from there is likely to be allowed, and does not tell whose it was (moby `ComputeV2MetadataHMAC`).
    pub(crate) fn signed(digest: &Digest, repository: &str, key: &str) -> Self {
        let message = [digest.as_str().as_bytes(), repository.as_bytes()];
        Self {
            hmac: hmac(key.as_bytes(), &message),
            ..Self::of(digest, repository)
        }
    }
}

/// HMAC-SHA256 (RFC 2104) in hexadecimal.
fn hmac(key: &[u8], message: &[&[u8]]) -> String {
    const BLOCK: usize = 64;
    let hashed = raw(&Digest::sha256_of(key));
    let key = if key.len() > BLOCK { &hashed[..] } else { key };
    let pad = |mask: u8| -> Vec<u8> {
        let bytes = key.iter().copied().chain(std::iter::repeat(0));
        bytes.take(BLOCK).map(|byte| byte ^ mask).collect()
    };
    let mut inner = Hasher::default();
    inner.update(&pad(0x36));
    for piece in message {
        inner.update(piece);
    }
    let mut outer = Hasher::default();
    outer.update(&pad(0x5c));
    outer.update(&raw(&inner.finish()));
    outer.finish().hex().to_owned()
}

/// The bytes of a digest.
fn raw(digest: &Digest) -> Vec<u8> {
    let nibble = |byte: u8| (byte as char).to_digit(16).unwrap_or_default() as u8;
    let pairs = digest.hex().as_bytes().chunks_exact(2);
    pairs.map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

/// The two mappings.
#[derive(Debug)]
pub(crate) struct Distribution {
    by_digest: PathBuf,
    by_diff_id: PathBuf,
}

impl Distribution {
    /// Opens the mappings in `root` (`image/<driver>/distribution`) and removes what writes that a crash interrupted
    /// have left.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        tierce_fsops::create_dir_all(root, 0o700)?;
        let distribution = Self {
            by_digest: root.join("diffid-by-digest/sha256"),
            by_diff_id: root.join("v2metadata-by-diffid/sha256"),
        };
        for directory in [&distribution.by_digest, &distribution.by_diff_id] {
            tierce_fsops::remove_unfinished(directory)?;
        }
        Ok(distribution)
    }

    /// Notes a home of the layer `diff_id`.
    pub(crate) fn note(&self, diff_id: &DiffId, home: Home) -> Result<(), Error> {
        let by_digest = self.by_digest.join(home.digest.hex());
        let mut homes = self.homes(diff_id);
        homes.retain(|known| *known != home);
        homes.push(home);
        homes.drain(..homes.len().saturating_sub(MOST_HOMES));
        self.write_homes(diff_id, &homes)?;
        write(&by_digest, diff_id.to_string().as_bytes())
    }

    /// Forgets a home that turned out to be none.
    pub(crate) fn forget(&self, diff_id: &DiffId, home: &Home) -> Result<(), Error> {
        let mut homes = self.homes(diff_id);
        homes.retain(|known| known != home);
        self.write_homes(diff_id, &homes)
    }

    /// Forgets everything about a layer that is about to go.
    pub(crate) fn forget_layer(&self, diff_id: &DiffId) -> Result<(), Error> {
        let path = self.by_diff_id.join(diff_id.hex());
        let Some(bytes) = tierce_fsops::read_if_exists(&path)? else {
            return Ok(());
        };
        let blobs: Vec<OsString> = match serde_json::from_slice::<Vec<Home>>(&bytes) {
            Ok(homes) => homes.iter().map(|home| home.digest.hex().into()).collect(),
            // These files are not synced. After a loss of power any of them may be empty, or zeroes.
            Err(_) => tierce_fsops::names(&self.by_digest)?,
        };
        for blob in blobs {
            let path = self.by_digest.join(blob);
            if read_diff_id(&path).is_none_or(|layer| layer == *diff_id) {
                tierce_fsops::remove_file(&path)?;
            }
        }
        // Last, for it is what the others are found by.
        Ok(tierce_fsops::remove_file(&path)?)
    }

    /// Forgets everything about the layers that are not to be kept.
    pub(crate) fn keep_only(&self, keep: impl Fn(&DiffId) -> bool) -> Result<(), Error> {
        for name in tierce_fsops::names(&self.by_diff_id)? {
            let hex = name.to_str().unwrap_or_default();
            if let Ok(digest) = Digest::from_sha256_hex(hex)
                && !keep(&DiffId(digest.clone()))
            {
                self.forget_layer(&DiffId(digest))?;
            }
        }
        Ok(())
    }

    fn write_homes(&self, diff_id: &DiffId, homes: &[Home]) -> Result<(), Error> {
        let path = self.by_diff_id.join(diff_id.hex());
        let json = tierce_store::to_json(homes).map_err(|error| Error::Damaged {
            path: path.clone(),
            cause: error.to_string(),
        })?;
        write(&path, &json)
    }

    /// The layer that a blob holds, where that is known.
    pub(crate) fn diff_id(&self, digest: &Digest) -> Option<DiffId> {
        read_diff_id(&self.by_digest.join(digest.hex()))
    }

    /// Where a layer was seen; nothing when that is not known or the file is damaged.
    pub(crate) fn homes(&self, diff_id: &DiffId) -> Vec<Home> {
        let bytes = tierce_fsops::read_if_exists(&self.by_diff_id.join(diff_id.hex()))
            .ok()
            .flatten();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }
}

/// The layer that a file of `diffid-by-digest` names.
fn read_diff_id(path: &Path) -> Option<DiffId> {
    let bytes = tierce_fsops::read_if_exists(path).ok()??;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        tierce_fsops::create_dir_all(parent, 0o755)?;
    }
    Ok(tierce_fsops::write_atomic_with(
        path,
        bytes,
        0o644,
        Durability::Process,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_016_both_mappings_are_dockers_to_the_byte() {
        let root = tempfile::tempdir().unwrap();
        let distribution = Distribution::open(root.path()).unwrap();
        let (diff_id, digest) = (DiffId(Digest::sha256_of(b"tar")), Digest::sha256_of(b"gzip"));
        let home = Home::of(&digest, "docker.io/library/alpine");
        distribution.note(&diff_id, home.clone()).unwrap();
        distribution.note(&diff_id, home).unwrap();
        let by_digest = root.path().join("diffid-by-digest/sha256").join(digest.hex());
        assert_eq!(std::fs::read_to_string(by_digest).unwrap(), diff_id.to_string());
        let by_diff_id = root.path().join("v2metadata-by-diffid/sha256").join(diff_id.hex());
        let expected = format!(r#"[{{"Digest":"{digest}","SourceRepository":"docker.io/library/alpine","HMAC":""}}]"#);
        assert_eq!(std::fs::read_to_string(&by_diff_id).unwrap(), expected);
        for number in 0..60 {
            distribution
                .note(&diff_id, Home::of(&digest, &format!("r/{number}")))
                .unwrap();
        }
        let homes = distribution.homes(&diff_id);
        assert_eq!((homes.len(), homes[49].source_repository.as_str()), (50, "r/59"));
        std::fs::write(by_diff_id, b"").unwrap();
        let home = Home::of(&digest, "r");
        distribution.note(&diff_id, home.clone()).unwrap();
        assert_eq!(distribution.homes(&diff_id).len(), 1);
        distribution.forget(&diff_id, &home).unwrap();
        assert_eq!(distribution.homes(&diff_id), []);
    }

    #[test]
    fn a_layer_that_goes_is_forgotten_even_when_a_file_was_lost() {
        let root = tempfile::tempdir().unwrap();
        let distribution = Distribution::open(root.path()).unwrap();
        let layers = [b"a", b"b", b"c"].map(|tar| DiffId(Digest::sha256_of(tar)));
        for layer in &layers {
            for blob in ["gzip", "zstd"] {
                let blob = Digest::sha256_of(format!("{blob} of {layer}").as_bytes());
                distribution.note(layer, Home::of(&blob, "r")).unwrap();
            }
        }
        let count = |directory: &PathBuf| std::fs::read_dir(directory).unwrap().count();
        let counts = |distribution: &Distribution| (count(&distribution.by_diff_id), count(&distribution.by_digest));
        distribution.forget_layer(&layers[0]).unwrap();
        distribution.forget_layer(&layers[0]).unwrap();
        assert_eq!(counts(&distribution), (2, 4));
        std::fs::write(distribution.by_diff_id.join(layers[1].hex()), [0; 90]).unwrap();
        distribution.forget_layer(&layers[1]).unwrap();
        assert_eq!(counts(&distribution), (1, 2));
        assert_eq!(distribution.homes(&layers[2]).len(), 2);
        std::fs::write(distribution.by_digest.join(".tmp-x-1-1"), b"x").unwrap();
        drop(Distribution::open(root.path()).unwrap());
        assert_eq!(counts(&distribution), (1, 2));
    }

    #[test]
    fn the_proof_is_the_standards() {
        // What a dockerd 28.5 wrote after a push without credentials.
        let digest = "sha256:ca3710447968b591b2bc4ea9e99d4ec29d4c3674161fae766ffaf39489c4c77d";
        let nobody = tierce_registry::Credentials::default().fingerprint();
        assert_eq!(
            Home::signed(&digest.parse().unwrap(), "127.0.0.1:5055/ok", &nobody).hmac,
            "e741b71e917938dd5bc13730409c5e81fe1ae5a25afbf270ab9156e729b9efa2"
        );
        // RFC 4231, test cases 2 and 6.
        assert_eq!(
            hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hmac(
                &[0xaa; 131],
                &[b"Test Using Larger Than Block-Size Key - Hash Key First"]
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
