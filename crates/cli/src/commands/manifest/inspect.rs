//! `tierce manifest inspect`

use super::documents::{self, Entry, ImageManifest};
use super::parse;
use super::remote::{Found, Remote};
use super::store::Store;
use crate::error::Error;
use clap::Args;
use tierce_format::indent;
use tierce_oci::Reference;
use tierce_settings::Settings;

#[derive(Args)]
pub(crate) struct Inspect {
    /// Allow communication with an insecure registry
    #[arg(long)]
    insecure: bool,
    /// Output additional info including layers and platform
    #[arg(short, long)]
    verbose: bool,
    /// A manifest, or a local list and one of its manifests
    #[arg(required = true, num_args = 1..=2, value_names = ["MANIFEST_LIST", "MANIFEST"])]
    names: Vec<String>,
}

impl Inspect {
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Error> {
        let store = Store::open(settings);
        if let [list, manifest] = self.names.as_slice() {
            let (list, manifest) = (parse(list)?, parse(manifest)?);
            let missing = || Error::failed(format!("No such manifest: {manifest}"));
            return self.print(&store.get(&list, &manifest)?.ok_or_else(missing)?);
        }
        let name = parse(&self.names[0])?;
        if let Some(manifests) = store.list(&name)? {
            return self.print_list(&manifests);
        }
        let remote = Remote::of(settings, &name, self.insecure)?;
        match remote.find(&name).await? {
            Found::Image(manifest) => self.print(&manifest),
            Found::List(entries) if self.verbose => self.print_members(&remote, &name, &entries).await,
            Found::List(entries) => print_entries(&entries.iter().collect::<Vec<_>>()),
        }
    }

    async fn print_members(&self, remote: &Remote<'_>, list: &Reference, entries: &[Entry]) -> Result<(), Error> {
        let mut members = Vec::with_capacity(entries.len());
        for entry in entries {
            members.push(remote.member(list, entry).await?);
        }
        self.print_list(&members)
    }

    fn print(&self, manifest: &ImageManifest) -> Result<(), Error> {
        if self.verbose {
            println!("{}", documents::indented(manifest, "\t")?);
            return Ok(());
        }
        let bytes = manifest.bytes()?;
        println!("{}", indent::indented_by(&String::from_utf8_lossy(&bytes), "\t"));
        Ok(())
    }

    fn print_list(&self, manifests: &[ImageManifest]) -> Result<(), Error> {
        if self.verbose {
            println!("{}", documents::indented(&manifests, "\t")?);
            return Ok(());
        }
        print_entries(
            &manifests
                .iter()
                .map(|manifest| &manifest.descriptor)
                .collect::<Vec<_>>(),
        )
    }
}

fn print_entries(entries: &[&Entry]) -> Result<(), Error> {
    println!("{}", documents::list_of(entries)?.1);
    Ok(())
}
