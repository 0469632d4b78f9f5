//! Images as archives (save, load, import), and what a registry is asked. The rooms below do the work; here are the
//! events.

use crate::container::context::blocking;
use crate::error::{Error, Result};
use crate::image::{
    Credentials, Found, Import, Loaded, Message, Platform, Progress, Reference, Remote, Search, Secret, Silent,
};
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

/// Lets only the words through that are output.
struct OutputOnly(Arc<dyn Progress>);

impl Progress for OutputOnly {
    fn report(&self, message: Message) {
        if message.output {
            self.0.report(message);
        }
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
        let progress: Arc<dyn Progress> = if quiet {
            Arc::new(OutputOnly(progress))
        } else {
            progress
        };
        let loaded = blocking(move || store.load(input, platform.as_ref(), &progress).map_err(Error::below)).await?;
        for image in &loaded {
            self.publish("load", &image.id.to_string(), &image.id.to_string());
        }
        Ok(loaded)
    }

    /// What a registry has behind a name.
    pub async fn look_up(&self, reference: &Reference, credentials: Option<Credentials>) -> Result<Remote> {
        self.store.look_up(reference, credentials).await.map_err(Error::below)
    }

    /// Searches an index.
    pub async fn search(&self, search: &Search) -> Result<Vec<Found>> {
        self.store.search(search).await.map_err(Error::below)
    }

    /// Tries credentials at a registry; the identity token to keep, if it gives one.
    pub async fn log_in(&self, server: &str, credentials: &Credentials) -> Result<Option<Secret>> {
        self.store.log_in(server, credentials).await.map_err(Error::below)
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
