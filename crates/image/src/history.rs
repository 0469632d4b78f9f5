//! How an image came to be.
//!
//! Source: moby `daemon/images/image_history.go`.

use crate::list::split;
use crate::model::unix_seconds;
use crate::{Error, HistoryStep, Images};
use tierce_oci::ChainId;

impl Images {
    /// The steps of the image that `name` means, newest first.
    ///
    /// # Errors
    /// As [`Self::resolve`]; [`Error::BadHistory`].
    pub fn history(&self, name: &str) -> Result<Vec<HistoryStep>, Error> {
        let image = self.find(name)?;
        let mut chains = ChainId::stack(&image.config.rootfs.diff_ids).into_iter();
        let mut steps = Vec::new();
        for entry in &image.config.history {
            let size = if entry.empty_layer {
                0
            } else {
                let bad = || Error::BadHistory {
                    image: image.id.0.short().to_owned(),
                };
                self.layers.size(&chains.next().ok_or_else(bad)?)
            };
            steps.push(HistoryStep {
                id: None,
                created: unix_seconds(entry.created.as_deref()),
                created_by: entry.created_by.clone(),
                tags: Vec::new(),
                size,
                comment: entry.comment.clone(),
            });
        }
        steps.reverse();
        // The newest step made this image, the one before it the image's parent, as far as parents are known here.
        let mut made = Some(image);
        for step in &mut steps {
            let Some(image) = made else { break };
            step.id = Some(image.id.clone());
            step.tags = split(&self.names.of(&image.id)).0;
            made = image.parent.as_ref().and_then(|parent| self.records.get(parent));
        }
        Ok(steps)
    }
}
