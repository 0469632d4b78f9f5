//! What can go wrong with images. Texts that Docker's clients and scripts match on are Docker's to the letter.

use std::path::PathBuf;
use std::sync::Arc;
use tierce_fault::{Fault, Kind};
use tierce_oci::{DiffId, Digest};

/// Failure of an operation on images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No image of that name or id.
    #[error("No such image: {0}")]
    NotFound(String),
    /// An abbreviated id fits more than one image.
    #[error("No such image: {name} (the abbreviated ID fits {count} images)")]
    Ambiguous {
        /// What was asked for, in the form of [`Self::NotFound`].
        name: String,
        /// How many images it fits.
        count: usize,
    },
    /// A name cannot be removed while a container needs it.
    #[error(
        "conflict: unable to remove repository reference {reference:?} (must force) - container {container} is using \
         its referenced image {image}"
    )]
    ReferenceInUse {
        /// The name as it was given.
        reference: String,
        /// First twelve characters of the container's id.
        container: String,
        /// First twelve characters of the image's id.
        image: String,
    },
    /// An image cannot be removed.
    #[error("conflict: unable to delete {image} ({}) - {reason}", if *.hard { "cannot be forced" } else { "must be forced" })]
    InUse {
        /// First twelve characters of the image's id.
        image: String,
        /// Whether `--force` does not help.
        hard: bool,
        /// Whether a container is the reason.
        by_container: bool,
        /// Why.
        reason: String,
    },
    /// The registry has no such manifest.
    #[error("manifest for {reference} not found: {source}")]
    NoManifest {
        /// The reference in familiar form.
        reference: String,
        /// What the registry said.
        source: tierce_registry::Error,
    },
    /// The registry has no such repository.
    #[error("repository {name} not found: {source}")]
    NoRepository {
        /// The repository in familiar form.
        name: String,
        /// What the registry said.
        source: tierce_registry::Error,
    },
    /// The registry does not let us.
    #[error("pull access denied for {name}, repository does not exist or may require 'docker login': {source}")]
    Denied {
        /// The repository in familiar form.
        name: String,
        /// What the registry said.
        source: tierce_registry::Error,
    },
    /// An index has nothing for the platform.
    #[error("no matching manifest for {platform} in the manifest list entries")]
    NoPlatform {
        /// The platform asked for.
        platform: String,
    },
    /// The image is of a format that nobody makes any more.
    #[error(
        "support for Docker Image Format v1 and Docker Image manifest version 2, schema 1 has been removed in Docker \
         Engine v28.2. More information at https://docs.docker.com/go/deprecated-image-specs/"
    )]
    Schema1,
    /// The manifest is not one of an image that can be used.
    #[error("cannot pull {reference}: {cause}")]
    Unusable {
        /// The reference in familiar form.
        reference: String,
        /// Why.
        cause: String,
    },
    /// The image is for another operating system.
    #[error("image operating system {os:?} cannot be used on this platform: operating system is not supported")]
    OperatingSystem {
        /// The operating system.
        os: String,
    },
    /// Manifest and configuration do not belong together.
    #[error("layers from manifest don't match image configuration: {cause}")]
    Mismatch {
        /// What does not match.
        cause: String,
    },
    /// A layer's uncompressed content is not the one of the configuration.
    #[error(
        "layers from manifest don't match image configuration: blob {blob} unpacks to {actual}, expected {expected}"
    )]
    WrongDiffId {
        /// The layer as transferred.
        blob: Digest,
        /// By the configuration.
        expected: DiffId,
        /// What came out.
        actual: DiffId,
    },
    /// No name of the repository is known here.
    #[error("An image does not exist locally with the tag: {0}")]
    NothingToPush(String),
    /// The tag is not known here.
    #[error("tag does not exist: {0}")]
    NoTag(String),
    /// All names of the repository are digests.
    #[error("no tags to push for {0}")]
    NoTags(String),
    /// A push must name a tag.
    #[error("cannot push a digest reference")]
    PushByDigest,
    /// A name with a tag or digest is not known here.
    #[error("reference does not exist")]
    NoReference,
    /// No layer, nothing to save.
    #[error("empty export - not implemented")]
    NothingToSave,
    /// The image to save is for another platform.
    #[error("no suitable export target found for platform {0}")]
    NoExportPlatform(String),
    /// An archive to load is none, or lies.
    #[error("{0}")]
    BadArchive(String),
    /// A change of a configuration that is none.
    #[error("{0}")]
    BadChange(String),
    /// A search that makes no sense.
    #[error("{0}")]
    BadSearch(String),
    /// The image is for another platform than the one asked for.
    #[error(
        "image with reference {reference} was found but its platform ({have}) does not match the specified platform ({wanted})"
    )]
    OtherPlatform {
        /// The name.
        reference: String,
        /// What it is for.
        have: String,
        /// What was asked for.
        wanted: String,
    },
    /// A tag may not look like this.
    #[error("{0}")]
    BadTag(&'static str),
    /// The history of an image lists more layers than the image has.
    #[error("cannot read the history of {image}: too many non-empty layers in History section")]
    BadHistory {
        /// First twelve characters of the image's id.
        image: String,
    },
    /// A pull was given up.
    #[error("the pull was cancelled")]
    Cancelled,
    /// A file of the image store is not what it should be.
    #[error("cannot read {}: {cause}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A task of ours died.
    #[error("cannot finish {task}: {cause}")]
    Task {
        /// What it did.
        task: &'static str,
        /// How it died.
        cause: String,
    },
    /// The failure of a layer's transfer that several pulls wait for.
    #[error("{0}")]
    Shared(Arc<Error>),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] tierce_registry::Error),
    /// The configuration of an image could not be had.
    #[error("error pulling image configuration: {0}")]
    Config(#[source] tierce_registry::Error),
    /// A blob is not what it should be.
    #[error(transparent)]
    Content(#[from] tierce_content::Error),
    /// A layer cannot be unpacked or kept.
    #[error("failed to register layer: {0}")]
    Layer(#[from] tierce_layer::Error),
    /// A name or document is malformed.
    #[error(transparent)]
    Document(#[from] tierce_oci::Error),
    /// A record cannot be kept.
    #[error(transparent)]
    Record(#[from] tierce_store::Error),
    /// The file system said no.
    #[error(transparent)]
    File(#[from] tierce_fsops::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_)
            | Self::Ambiguous { .. }
            | Self::NothingToPush(_)
            | Self::NoTag(_)
            | Self::NoTags(_)
            | Self::NoReference
            | Self::OtherPlatform { .. }
            | Self::NoManifest { .. }
            | Self::NoRepository { .. }
            | Self::Denied { .. }
            | Self::NoPlatform { .. } => Kind::NotFound,
            Self::ReferenceInUse { .. } | Self::InUse { .. } => Kind::Conflict,
            Self::Schema1
            | Self::Unusable { .. }
            | Self::OperatingSystem { .. }
            | Self::Mismatch { .. }
            | Self::PushByDigest
            | Self::NothingToSave
            | Self::NoExportPlatform(_)
            | Self::BadArchive(_)
            | Self::BadChange(_)
            | Self::BadSearch(_)
            | Self::BadTag(_) => Kind::Invalid,
            Self::WrongDiffId { .. } | Self::Damaged { .. } | Self::BadHistory { .. } => Kind::DataLoss,
            Self::Cancelled => Kind::Cancelled,
            Self::Task { .. } => Kind::Internal,
            Self::Shared(error) => error.kind(),
            Self::Registry(error) | Self::Config(error) => error.kind(),
            Self::Content(error) => error.kind(),
            Self::Layer(error) => error.kind(),
            Self::Document(error) => error.kind(),
            Self::Record(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }
}
