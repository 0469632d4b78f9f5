//! What the store refuses or fails at.

use tierce_fault::{Fault, Kind};
use tierce_oci::Digest;

/// What a change or a look into the store answers.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// An operation that the store refused or failed at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] tierce_fsops::Error),
    /// Somebody else has the root.
    #[error("open {0}: another hub uses it; stop that one, or choose another --root")]
    InUse(String),
    /// No repository of that name has anything.
    #[error("repository {0} is not known here")]
    NameUnknown(String),
    /// The repository has no such manifest or tag.
    #[error("repository {name} has no manifest {which}")]
    ManifestUnknown {
        /// The repository.
        name: String,
        /// The tag or digest.
        which: String,
    },
    /// The repository has no such blob.
    #[error("repository {name} has no blob {digest}")]
    BlobUnknown {
        /// The repository.
        name: String,
        /// The blob.
        digest: Digest,
    },
    /// A manifest lists what the repository does not have.
    #[error(
        "the manifest lists what repository {name} does not have: push {} first",
        list(digests)
    )]
    ManifestBlobUnknown {
        /// The repository.
        name: String,
        /// What is missing.
        digests: Vec<Digest>,
    },
    /// It is no manifest that can be kept.
    #[error("the manifest cannot be kept: {0}")]
    ManifestInvalid(String),
    /// A manifest longer than registries take.
    #[error("the manifest is longer than {0} bytes")]
    ManifestTooLong(usize),
    /// The bytes are not those of the digest.
    #[error("the bytes have the digest {found}, not {expected}")]
    DigestMismatch {
        /// What was said.
        expected: Digest,
        /// What was sent.
        found: Digest,
    },
    /// A digest of an algorithm that is not computed here.
    #[error("digests of {0} are not computed here: use sha256 or sha512")]
    Algorithm(String),
    /// A blob that manifests still list.
    #[error("blob {digest} of {name} belongs to {users} manifest(s): delete those, and it goes with the last")]
    BlobInUse {
        /// The repository.
        name: String,
        /// The blob.
        digest: Digest,
        /// How many manifests of the repository list it.
        users: usize,
    },
    /// No upload of that id is under way in the repository.
    #[error(
        "no upload {0} is under way: it ended, was idle for too long, or began before the hub did; begin a new one"
    )]
    UploadUnknown(String),
    /// Another request writes to the upload.
    #[error("another request is writing to upload {0}: wait for it")]
    UploadBusy(String),
    /// More uploads than a hub keeps.
    #[error("{0} uploads are under way: wait until some end")]
    TooManyUploads(usize),
    /// The kernel gave no random bytes.
    #[error("choose an id: {0}")]
    Random(getrandom::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Disk(error) => error.kind(),
            Self::InUse(_) | Self::BlobInUse { .. } | Self::UploadBusy(_) => Kind::Conflict,
            Self::NameUnknown(_) | Self::ManifestUnknown { .. } | Self::BlobUnknown { .. } | Self::UploadUnknown(_) => {
                Kind::NotFound
            }
            Self::ManifestBlobUnknown { .. }
            | Self::ManifestInvalid(_)
            | Self::ManifestTooLong(_)
            | Self::DigestMismatch { .. }
            | Self::Algorithm(_) => Kind::Invalid,
            Self::TooManyUploads(_) => Kind::Exhausted,
            Self::Random(_) => Kind::Internal,
        }
    }
}

fn list(digests: &[Digest]) -> String {
    let texts: Vec<&str> = digests.iter().map(Digest::as_str).collect();
    texts.join(", ")
}
