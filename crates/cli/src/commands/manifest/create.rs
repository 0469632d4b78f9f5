//! `tierce manifest create`

use super::parse_as;
use super::remote::Remote;
use super::store::Store;
use super::{documents::ImageManifest, parse};
use crate::error::Error;
use clap::Args;
use tierce_oci::Reference;
use tierce_settings::Settings;

#[derive(Args)]
pub(crate) struct Create {
    /// Amend an existing manifest list
    #[arg(short, long)]
    amend: bool,
    /// Allow communication with an insecure registry
    #[arg(long)]
    insecure: bool,
    #[arg(value_name = "MANIFEST_LIST")]
    list: String,
    #[arg(required = true, value_name = "MANIFEST")]
    manifests: Vec<String>,
}

impl Create {
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Error> {
        let list = parse_as(&self.list, "manifest list")?;
        let store = Store::open(settings);
        if !self.amend && store.list(&list)?.is_some() {
            return Err(Error::failed(
                "refusing to amend an existing manifest list with no --amend flag",
            ));
        }
        for name in &self.manifests {
            let name = parse(name)?;
            let manifest = self.look_up(settings, &store, &list, &name).await?;
            store.save(&list, &name, &manifest)?;
        }
        println!("Created manifest list {list}");
        Ok(())
    }

    /// The manifest that the list has already, else the registry's.
    async fn look_up(
        &self,
        settings: &Settings,
        store: &Store,
        list: &Reference,
        name: &Reference,
    ) -> Result<ImageManifest, Error> {
        match store.get(list, name)? {
            Some(manifest) => Ok(manifest),
            None => Remote::of(settings, name, self.insecure)?.image(name).await,
        }
    }
}
