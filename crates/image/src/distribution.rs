//! `distribution`: which blob is which layer, and where it was seen. Used by push, and by dockerd on the same root.
//!
//! ```text
//! diffid-by-digest/sha256/<hex of blob>          sha256:<diff id>
//! v2metadata-by-diffid/sha256/<hex of diff id>   [{"Digest":…,"SourceRepository":…,"HMAC":…}], newest last
//! ```
//! Source: moby `distribution/metadata/v2_metadata_service.go`. It is a cache: losing an entry costs an upload.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tierce_fsops::Durability;
use tierce_oci::{DiffId, Digest};

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

/// The two mappings.
#[derive(Debug)]
pub(crate) struct Distribution {
    by_digest: PathBuf,
    by_diff_id: PathBuf,
}

impl Distribution {
    /// Opens the mappings in `root` (`image/<driver>/distribution`).
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        tierce_fsops::create_dir_all(root, 0o700)?;
        Ok(Self {
            by_digest: root.join("diffid-by-digest/sha256"),
            by_diff_id: root.join("v2metadata-by-diffid/sha256"),
        })
    }

    /// Notes that `repository` has the layer `diff_id` as the blob `digest`.
    pub(crate) fn note(&self, diff_id: &DiffId, digest: &Digest, repository: &str) -> Result<(), Error> {
        let home = Home {
            digest: digest.clone(),
            source_repository: repository.to_owned(),
            hmac: String::new(),
        };
        let mut homes = self.homes(diff_id);
        homes.retain(|known| *known != home);
        homes.push(home);
        homes.drain(..homes.len().saturating_sub(MOST_HOMES));
        let path = self.by_diff_id.join(diff_id.hex());
        let json = serde_json::to_vec(&homes).map_err(|error| Error::Damaged {
            path: path.clone(),
            cause: error.to_string(),
        })?;
        write(&path, &json)?;
        write(&self.by_digest.join(digest.hex()), diff_id.to_string().as_bytes())
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
        distribution
            .note(&diff_id, &digest, "docker.io/library/alpine")
            .unwrap();
        distribution
            .note(&diff_id, &digest, "docker.io/library/alpine")
            .unwrap();
        let by_digest = root.path().join("diffid-by-digest/sha256").join(digest.hex());
        assert_eq!(std::fs::read_to_string(by_digest).unwrap(), diff_id.to_string());
        let by_diff_id = root.path().join("v2metadata-by-diffid/sha256").join(diff_id.hex());
        let expected = format!(r#"[{{"Digest":"{digest}","SourceRepository":"docker.io/library/alpine","HMAC":""}}]"#);
        assert_eq!(std::fs::read_to_string(&by_diff_id).unwrap(), expected);
        for number in 0..60 {
            distribution.note(&diff_id, &digest, &format!("r/{number}")).unwrap();
        }
        let homes = distribution.homes(&diff_id);
        assert_eq!((homes.len(), homes[49].source_repository.as_str()), (50, "r/59"));
        std::fs::write(by_diff_id, b"").unwrap();
        distribution.note(&diff_id, &digest, "r").unwrap();
        assert_eq!(distribution.homes(&diff_id).len(), 1);
    }
}
