//! An OCI image layout: `index.json`, manifests and configurations as blobs. Source: OCI image-spec `image-layout.md`.

use super::Plan;
use super::contents::{Contents, bad};
use crate::Error;
use tierce_oci::{Descriptor, Index, Manifest, Platform, Reference, media_type};

/// The full name, as containerd and dockerd write it.
const NAME: &str = "io.containerd.image.name";
/// A tag, or a name with a tag as skopeo writes it.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// More layers than any driver can stack.
const MOST_LAYERS: usize = 1000;

/// The images of a layout; of one for several platforms, that which suits `wanted` best.
pub(super) fn plans(contents: &Contents, wanted: &Platform) -> Result<Vec<Plan>, Error> {
    let index = Index::from_json(contents.document_of("index.json")?).map_err(bad)?;
    let mut plans: Vec<(Descriptor, Plan)> = Vec::new();
    for entry in &index.manifests {
        let name = name(entry)?;
        let Some(manifest) = manifest_of(contents, entry, wanted)? else {
            continue;
        };
        // One image under several names has an entry for each.
        if let Some((_, plan)) = plans.iter_mut().find(|(known, _)| known.digest == manifest.digest) {
            plan.names.extend(name);
            continue;
        }
        let mut plan = plan(contents, &manifest)?;
        plan.names.extend(name);
        plans.push((manifest, plan));
    }
    Ok(plans.into_iter().map(|(_, plan)| plan).collect())
}

/// The descriptor of the manifest that an entry leads to; `None` for things that are no images.
fn manifest_of(contents: &Contents, entry: &Descriptor, wanted: &Platform) -> Result<Option<Descriptor>, Error> {
    if !media_type::is_index(&entry.media_type) {
        let image = matches!(
            entry.media_type.as_str(),
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST | ""
        );
        return Ok(Some(entry.clone()).filter(|_| image));
    }
    let index = Index::from_json(document(contents, entry)?).map_err(bad)?;
    let chosen = index.choose(wanted).ok_or_else(|| Error::NoPlatform {
        platform: wanted.to_string(),
    })?;
    if media_type::is_index(&chosen.media_type) {
        return Err(bad("its index leads to an index that leads to another"));
    }
    Ok(Some(chosen.clone()))
}

fn plan(contents: &Contents, descriptor: &Descriptor) -> Result<Plan, Error> {
    let manifest = Manifest::from_json(document(contents, descriptor)?).map_err(bad)?;
    if manifest.layers.len() > MOST_LAYERS {
        return Err(bad(format!("an image of it has {} layers", manifest.layers.len())));
    }
    let layers = manifest.layers.iter().map(|layer| {
        if media_type::is_foreign_layer(&layer.media_type) {
            return Err(bad(format!("layer {} is a foreign layer", layer.digest)));
        }
        path(layer)
    });
    Ok(Plan {
        config: document(contents, &manifest.config)?.to_vec(),
        layers: layers.collect::<Result<_, _>>()?,
        names: Vec::new(),
        parent: None,
    })
}

/// The document of a descriptor; its digest is checked because its name is one.
fn document<'a>(contents: &'a Contents, descriptor: &Descriptor) -> Result<&'a [u8], Error> {
    let bytes = contents.document_of(&path(descriptor)?)?;
    if bytes.len() as u64 == descriptor.size {
        Ok(bytes)
    } else {
        Err(bad(format!(
            "{} has {} bytes, its descriptor says {}",
            descriptor.digest,
            bytes.len(),
            descriptor.size
        )))
    }
}

fn path(descriptor: &Descriptor) -> Result<String, Error> {
    if descriptor.digest.is_sha256() {
        Ok(format!("blobs/sha256/{}", descriptor.digest.hex()))
    } else {
        Err(bad(format!("unsupported digest algorithm of {}", descriptor.digest)))
    }
}

/// The name that an entry gives its image, if it gives a whole one.
fn name(entry: &Descriptor) -> Result<Option<Reference>, Error> {
    let whole = entry.annotations.get(NAME);
    let short = entry.annotations.get(REF_NAME).filter(|text| text.contains([':', '/']));
    let Some(text) = whole.or(short) else { return Ok(None) };
    let reference = Reference::parse(text)?;
    Ok(Some(reference.with_default_tag()).filter(|reference| reference.digest().is_none()))
}
