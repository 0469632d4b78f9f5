//! One more name for an image.

use crate::{Error, Images};
use tierce_oci::{ImageId, Reference};

impl Images {
    /// Gives the image `source` the name `target` (tag `latest` when it has none), taking it from another image.
    ///
    /// # Errors
    /// As [`Self::resolve`]; [`Error::BadTag`] for names that would be ambiguous.
    pub fn tag(&self, source: &str, target: &Reference) -> Result<ImageId, Error> {
        let id = self.resolve(source)?;
        self.put_name(&id, target)?;
        Ok(id)
    }

    /// Names a locally made or just tagged image.
    pub(crate) fn put_name(&self, id: &ImageId, target: &Reference) -> Result<(), Error> {
        check_target(target)?;
        let _change = self.change();
        // Between the look-up and here it may have been removed.
        self.get(id)?;
        self.names.set(&[(target.clone().with_default_tag(), id.clone())])?;
        self.records.set_last_updated(id, &jiff::Timestamp::now().to_string())
    }
}

/// Refuses names that no tag may have. Docker's texts.
pub(crate) fn check_target(target: &Reference) -> Result<(), Error> {
    if target.digest().is_some() {
        return Err(Error::BadTag("refusing to create a tag with a digest reference"));
    }
    if matches!(target.familiar_name().as_str(), "sha256" | "sha384" | "sha512") {
        return Err(Error::BadTag(
            "refusing to create an ambiguous tag using digest algorithm as name",
        ));
    }
    Ok(())
}
