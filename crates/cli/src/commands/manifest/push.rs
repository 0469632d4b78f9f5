//! `tierce manifest push`

use super::documents::{self, ImageManifest};
use super::parse;
use super::remote::{Remote, failed};
use super::store::Store;
use crate::error::Error;
use clap::Args;
use tierce_oci::{DEFAULT_TAG, Reference, media_type};
use tierce_registry::{Destination, Mount};
use tierce_settings::Settings;

#[derive(Args)]
pub(crate) struct Push {
    /// Allow push to an insecure registry
    #[arg(long)]
    insecure: bool,
    /// Remove the local manifest list after push
    #[arg(short, long)]
    purge: bool,
    #[arg(value_name = "MANIFEST_LIST")]
    list: String,
}

impl Push {
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Error> {
        let target = parse(&self.list)?;
        let store = Store::open(settings);
        let manifests = store.list(&target)?;
        let manifests = manifests.ok_or_else(|| Error::failed(format!("No such manifest: {target}")))?;
        if manifests.is_empty() {
            return Err(Error::failed(format!("{target} not found")));
        }
        for manifest in &manifests {
            check(manifest, &target)?;
        }
        let entries: Vec<_> = manifests.iter().map(|manifest| &manifest.descriptor).collect();
        let (kind, list) = documents::list_of(&entries)?;
        let destination = Remote::of(settings, &target, self.insecure)?.destination(&target)?;
        for manifest in &manifests {
            push(&destination, &target, manifest).await?;
        }
        let tag = target.tag().unwrap_or(DEFAULT_TAG);
        let digest = destination
            .put_manifest(tag, kind, list.into_bytes().into())
            .await
            .map_err(failed)?;
        println!("{digest}");
        if self.purge { store.remove(&target) } else { Ok(()) }
    }
}

/// Refuses what a list cannot have.
fn check(manifest: &ImageManifest, target: &Reference) -> Result<(), Error> {
    let name = &manifest.reference;
    let platform = manifest.descriptor.platform.as_ref();
    if !platform.is_some_and(|platform| !platform.os.is_empty() && !platform.architecture.is_empty()) {
        return Err(Error::failed(format!(
            "manifest {name} must have an OS and Architecture to be pushed to a registry"
        )));
    }
    let source = parse(name)?;
    if source.domain() != target.domain() {
        return Err(Error::failed(format!(
            "cannot use source images from a different registry than the target image: {} != {}",
            source.domain(),
            target.domain()
        )));
    }
    Ok(())
}

/// Puts a member into the list's repository, and before it what it refers to.
async fn push(destination: &Destination, target: &Reference, manifest: &ImageManifest) -> Result<(), Error> {
    let source = parse(&manifest.reference)?;
    if source.path() != target.path() {
        for digest in manifest.blobs()? {
            let mounted = destination.mount_blob(&digest, source.path()).await.map_err(failed)?;
            if !matches!(mounted, Mount::Mounted) {
                return Err(Error::failed(format!(
                    "cannot push {target}: its registry does not mount {digest} from {}; push {} to {} first",
                    source.name(),
                    manifest.reference,
                    target.name()
                )));
            }
        }
    }
    let digest = &manifest.descriptor.digest;
    let kind = if manifest.descriptor.media_type == media_type::OCI_MANIFEST {
        media_type::OCI_MANIFEST
    } else {
        media_type::DOCKER_MANIFEST
    };
    let pushed = destination
        .put_manifest(digest.as_str(), kind, manifest.bytes()?.into())
        .await
        .map_err(failed)?;
    println!("Pushed ref {}@{digest} with digest: {pushed}", target.name());
    Ok(())
}
