//! The values that this room takes and gives.

use crate::Error;
use std::collections::BTreeMap;
use std::sync::Arc;
use tierce_oci::{ChainId, Digest, ImageConfig, ImageId, Platform, Reference};
use tierce_registry::Credentials;

/// An image: its configuration document and what is known of it here.
#[derive(Debug, Clone)]
pub struct Image {
    /// Digest of [`Self::raw`].
    pub id: ImageId,
    /// The configuration document as it came, to the byte.
    pub raw: Arc<[u8]>,
    /// The configuration document, parsed.
    pub config: ImageConfig,
    /// The image it was made from, for locally made ones (`imagedb/metadata/…/parent`).
    pub parent: Option<ImageId>,
    /// When a name was last put on it here, RFC 3339 (`imagedb/metadata/…/lastUpdated`).
    pub last_updated: Option<String>,
}

impl Image {
    /// The chain of all its layers; `None` when it has none.
    pub fn chain_id(&self) -> Option<ChainId> {
        self.config.chain_id()
    }

    /// Refuses the image when it is for another platform than the one asked for.
    ///
    /// # Errors
    /// [`Error::OtherPlatform`], which tells the image by the name that was used, `reference`.
    pub fn check_platform(&self, reference: &str, wanted: &Platform) -> Result<(), Error> {
        let have = self.config.platform();
        if have.distance(wanted).is_some() {
            return Ok(());
        }
        Err(Error::OtherPlatform {
            reference: reference.to_owned(),
            have: have.to_string(),
            wanted: wanted.to_string(),
        })
    }

    /// When it was made, as far as the document tells.
    pub fn created_at(&self) -> Option<jiff::Timestamp> {
        self.config.created.as_deref().and_then(|text| text.parse().ok())
    }

    /// When it was made, in seconds since 1970; 0 when the document does not tell.
    pub fn created_unix(&self) -> i64 {
        unix_seconds(self.config.created.as_deref())
    }
}

/// Seconds since 1970 of an RFC 3339 time; 0 when there is none or it does not parse.
pub(crate) fn unix_seconds(time: Option<&str>) -> i64 {
    time.and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .map_or(0, jiff::Timestamp::as_second)
}

/// One line of `images`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The image.
    pub id: ImageId,
    /// The image it was made from here.
    pub parent: Option<ImageId>,
    /// `name:tag` in familiar form, sorted.
    pub repo_tags: Vec<String>,
    /// `name@digest` in familiar form, sorted.
    pub repo_digests: Vec<String>,
    /// Seconds since 1970.
    pub created: i64,
    /// The same to the nanosecond, as far as the configuration tells.
    pub created_at: Option<jiff::Timestamp>,
    /// Bytes of all its layers.
    pub size: u64,
    /// Bytes of those of its layers that another image has too.
    pub shared_size: u64,
    /// How many containers use it, running or not.
    pub containers: u64,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
    /// Operating system, architecture and variant.
    pub platform: Platform,
    /// Whether it has no name and no image was made from it (`dangling` of Docker's filter).
    pub dangling: bool,
    /// Whether another image was made from it here (hidden unless `--all`).
    pub intermediate: bool,
}

/// What `inspect` shows beside the configuration.
#[derive(Debug, Clone)]
pub struct Details {
    /// The image.
    pub image: Image,
    /// `name:tag` in familiar form, sorted.
    pub repo_tags: Vec<String>,
    /// `name@digest` in familiar form, sorted.
    pub repo_digests: Vec<String>,
    /// Bytes of all its layers.
    pub size: u64,
    /// Name of the storage driver.
    pub driver: String,
    /// The driver's `GraphDriver.Data` of the top layer; empty when there is no layer.
    pub driver_data: BTreeMap<String, String>,
}

/// One line of `history`, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryStep {
    /// The image that this step made, where it is known here; Docker shows `<missing>` otherwise.
    pub id: Option<ImageId>,
    /// Seconds since 1970.
    pub created: i64,
    /// The command.
    pub created_by: String,
    /// Names of the image of this step.
    pub tags: Vec<String>,
    /// Bytes of the layer that this step made; 0 when it made none.
    pub size: u64,
    /// Comment.
    pub comment: String,
}

/// One line of what a removal did, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name went, in familiar form.
    Untagged {
        /// The name.
        name: String,
        /// The image that had it.
        image: ImageId,
    },
    /// An image went.
    Image(ImageId),
    /// A layer went that nothing else used.
    Layer(ChainId),
}

/// How to remove.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removal {
    /// Go on in spite of conflicts that can be forced (`--force`).
    pub force: bool,
    /// Leave nameless parents alone (`--no-prune`).
    pub keep_parents: bool,
}

/// What to prune.
#[derive(Debug, Clone, Default)]
pub struct Prune {
    /// All images that no container uses, not only nameless ones.
    pub all: bool,
    /// Only images made before this time, seconds since 1970.
    pub until: Option<i64>,
    /// Only images that have these labels: key and, where given, value.
    pub labels: Vec<(String, Option<String>)>,
    /// Only images that do not have these labels.
    pub without_labels: Vec<(String, Option<String>)>,
}

/// What a prune did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// In order.
    pub removed: Vec<Removed>,
    /// Bytes of the layers that went.
    pub reclaimed: u64,
}

/// What to pull.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Name with tag or digest; `latest` when it has neither (unless [`Self::all_tags`]).
    pub reference: Reference,
    /// Every tag of the repository.
    pub all_tags: bool,
    /// Which platform of a multi-platform image; this host's when absent.
    pub platform: Option<Platform>,
    /// Who asks; anonymous when absent.
    pub credentials: Option<Credentials>,
}

impl Pull {
    /// An anonymous pull for this host's platform.
    ///
    /// # Errors
    /// When `name` is no reference.
    pub fn of(name: &str) -> Result<Self, Error> {
        Ok(Self {
            reference: Reference::parse(name)?,
            all_tags: false,
            platform: None,
            credentials: None,
        })
    }
}

/// What to push.
#[derive(Debug, Clone)]
pub struct Push {
    /// Name with a tag, or without for all tags.
    pub reference: Reference,
    /// Refuse an image that is not for this platform.
    pub platform: Option<Platform>,
    /// Who asks; anonymous when absent.
    pub credentials: Option<Credentials>,
}

/// What a push put at a registry, one for each tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The tag.
    pub tag: String,
    /// Digest of the manifest.
    pub digest: Digest,
    /// Bytes of the manifest.
    pub size: u64,
}

/// What a load brought, one for each image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub id: ImageId,
    /// Its names in the archive, in familiar form.
    pub names: Vec<String>,
}

/// What a pull brought, one for each reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The name that now exists, in familiar form.
    pub name: String,
    /// The image behind it.
    pub id: ImageId,
    /// Digest of the manifest or index that the registry served for the name.
    pub digest: Digest,
    /// Whether the name is new or moved to another image.
    pub newer: bool,
}
