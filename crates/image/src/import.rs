//! An image from a root file system.

use crate::{Error, Images};
use std::io::Read;
use tierce_oci::{Platform, Reference};
use tierce_store::{Lease, Resource};

/// What to make an image of besides the archive.
#[derive(Debug, Clone)]
pub struct Import {
    /// The member `config` of the image's configuration: Docker's container configuration as JSON.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Commit message, such as "Imported from -".
    pub message: String,
    /// What the root file system is made for.
    pub platform: Platform,
    /// Name for the image; none leaves it nameless.
    pub name: Option<Reference>,
}

impl Images {
    /// Makes an image of one layer from a tar archive, compressed or not.
    ///
    /// # Errors
    /// [`Error::Layer`] when the archive cannot be unpacked; [`Error::BadTag`]; file errors.
    pub fn import(&self, archive: impl Read + Send, import: &Import) -> Result<tierce_oci::ImageId, Error> {
        if let Some(name) = &import.name {
            crate::tag::check_target(name)?;
        }
        let (ingest, applied) = self.layers.unpack(archive)?;
        let raw = configuration(import, &applied.diff_id.to_string())?;
        let config = tierce_oci::ImageConfig::from_json(&raw)?;
        let work = self.work_name("import");
        let chain = tierce_oci::ChainId::of(None, &applied.diff_id);
        self.leases.hold(Resource::layer(chain.to_string()), Lease::new(&work));
        let made = self.layers.register(ingest, None).and_then(|()| {
            let _change = self.change();
            let id = self.records.insert(&raw, &config)?;
            self.records
                .set_last_updated(&id, &jiff::Timestamp::now().to_string())?;
            Ok(id)
        });
        self.leases.release_all(&work);
        if made.is_err() {
            self.release_layers(&[chain])?;
        }
        let id = made?;
        if let Some(name) = &import.name {
            self.put_name(&id, name)?;
        }
        Ok(id)
    }
}

/// The configuration document, its members in the order in which Docker writes them: sorted.
fn configuration(import: &Import, diff_id: &str) -> Result<Vec<u8>, Error> {
    let created = jiff::Timestamp::now().to_string();
    let mut document = serde_json::json!({
        "architecture": import.platform.architecture,
        "comment": import.message,
        "config": import.config,
        "created": created,
        "history": [{"created": created, "comment": import.message}],
        "os": import.platform.os,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    });
    if !import.platform.variant.is_empty() {
        document["variant"] = import.platform.variant.clone().into();
    }
    serde_json::to_vec(&document).map_err(|source| {
        Error::Record(tierce_store::Error::Encode {
            name: "image configuration".to_owned(),
            source,
        })
    })
}
