//! Images as archives: save, load, import. The rooms below do the work; here are the events.

use crate::container::context::blocking;
use crate::error::{Error, Result};
use crate::image::{Import, Loaded, OutputOnly, Platform, Progress, Silent};
use std::io::{Read, Write};
use std::sync::Arc;
use tierce_oci::ImageId;

/// Images about to be written as one archive.
pub struct Saving {
    images: crate::image::Images,
    inner: tierce_image::Saving,
}

impl Saving {
    /// Writes the archive; waits for the disk.
    pub fn write(self, output: impl Write) -> Result<()> {
        let ids = self.inner.ids();
        self.inner.write(output).map_err(Error::below)?;
        for id in ids {
            self.images.publish("save", &id.to_string(), &id.to_string());
        }
        Ok(())
    }
}

impl crate::image::Images {
    /// Chooses images to save and holds them until they are written.
    pub async fn save(&self, names: Vec<String>, platform: Option<Platform>) -> Result<Saving> {
        let store = Arc::clone(&self.store);
        let inner = blocking(move || store.saving(&names, platform.as_ref()).map_err(Error::below)).await?;
        let images = self.clone();
        Ok(Saving { images, inner })
    }

    /// Loads the images of an archive. `quiet` leaves out how far each layer is.
    pub async fn load(
        &self,
        input: impl Read + Send + 'static,
        platform: Option<Platform>,
        quiet: bool,
        progress: Arc<dyn Progress>,
    ) -> Result<Vec<Loaded>> {
        let store = Arc::clone(&self.store);
        let progress = if quiet { OutputOnly::over(progress) } else { progress };
        let loaded = blocking(move || store.load(input, platform.as_ref(), &progress).map_err(Error::below)).await?;
        for image in &loaded {
            self.publish("load", &image.id.to_string(), &image.id.to_string());
        }
        Ok(loaded)
    }

    /// The image room itself, for what a registry is asked and makes no event.
    pub fn store(&self) -> &tierce_image::Images {
        &self.store
    }

    /// Makes an image from an archive at hand.
    pub async fn import(&self, input: impl Read + Send + 'static, import: Import) -> Result<ImageId> {
        let store = Arc::clone(&self.store);
        let id = blocking(move || store.import(input, &import).map_err(Error::below)).await?;
        self.publish("import", &id.to_string(), &id.to_string());
        Ok(id)
    }

    /// Makes an image from an archive at an address.
    pub async fn import_from(
        &self,
        address: &str,
        import: Import,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<ImageId> {
        let progress = progress.unwrap_or_else(|| Arc::new(Silent));
        let imported = self.store.import_from(address, import, &progress).await;
        let id = imported.map_err(Error::below)?;
        self.publish("import", &id.to_string(), &id.to_string());
        Ok(id)
    }
}
