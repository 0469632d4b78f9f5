//! The start: reads what is there, and mends what a crash left.
//!
//! Nothing is under way yet, so a content that no repository has is garbage, and so is a tag without its manifest. A
//! blob that no manifest lists may be about to get one; it keeps what is left of its lease.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tierce_fsops as fsops;
use tierce_oci::{Digest, Hasher};

use super::disk::{Disk, Kind, digest_of};
use super::document;
use super::error::Result;
use super::index::{Held, Holder, Index};
use super::name::{Name, Tag};

/// What the names of half-written files begin with; see `tierce_fsops::write_atomic`.
const HALF_WRITTEN: &str = ".tmp-";

/// Reads the store at `disk` into memory and removes what nobody needs.
pub(super) fn load(disk: &Disk, lease: Duration) -> Result<Index> {
    for upload in names(&disk.uploads())? {
        fsops::remove_file(&disk.uploads().join(upload))?;
    }
    let mut index = Index::default();
    for name in repositories(disk)? {
        read_blobs(disk, &name, &mut index)?;
        read_manifests(disk, &name, &mut index)?;
        read_tags(disk, &name, &mut index)?;
        lease_the_rest(disk, &name, &mut index, lease);
        if index.forget_if_empty(&name) || !index.repositories.contains_key(&name) {
            disk.remove_repository(&name);
        }
    }
    remove_contents(disk, &index)?;
    Ok(index)
}

/// All repositories that have a directory.
fn repositories(disk: &Disk) -> Result<Vec<Name>> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(above) = open.pop() {
        for entry in names(&disk.repositories().join(&above))? {
            if entry.starts_with('_') {
                continue;
            }
            let path = if above.is_empty() {
                entry
            } else {
                format!("{above}/{entry}")
            };
            if let Some(name) = Name::parse(&path) {
                found.push(name);
            } else {
                tracing::warn!(path, "this is no name of a repository and is left alone");
            }
            open.push(path);
        }
    }
    Ok(found)
}

fn read_blobs(disk: &Disk, name: &Name, index: &mut Index) -> Result<()> {
    for file in files(disk, name, Kind::Blobs)? {
        let Some(digest) = digest_of(&file) else { continue };
        match std::fs::metadata(disk.content(&digest)) {
            Ok(metadata) => drop(index.add_blob(name, &digest, metadata.len())),
            Err(error) => {
                tracing::warn!(%name, %digest, %error, "a blob's bytes are gone: push the image again");
                disk.remove(name, Kind::Blobs, [file.as_str()])?;
            }
        }
    }
    Ok(())
}

fn read_manifests(disk: &Disk, name: &Name, index: &mut Index) -> Result<()> {
    for file in files(disk, name, Kind::Manifests)? {
        let Some(digest) = digest_of(&file) else { continue };
        let Some((media_type, bytes)) = disk.manifest(name, &digest)?.filter(|(_, bytes)| is(bytes, &digest)) else {
            tracing::warn!(%name, %digest, "a manifest is not what it was and is dropped: push the image again");
            disk.remove(name, Kind::Manifests, [file.as_str()])?;
            continue;
        };
        match document::read(Some(&media_type), &bytes) {
            Ok((media_type, document)) => {
                let held = Held {
                    media_type,
                    size: bytes.len() as u64,
                    document,
                };
                index.add_manifest(name, digest, held, None);
            }
            Err(error) => tracing::warn!(%name, %digest, %error, "a manifest is not understood and is left alone"),
        }
    }
    Ok(())
}

fn read_tags(disk: &Disk, name: &Name, index: &mut Index) -> Result<()> {
    for file in files(disk, name, Kind::Tags)? {
        let Some(tag) = Tag::parse(&file) else { continue };
        let digest = disk.tag(name, &tag)?;
        let repository = index.repositories.entry(name.clone()).or_default();
        if let Some(digest) = digest.filter(|digest| repository.manifests.contains_key(digest)) {
            repository.tags.insert(tag, digest);
        } else {
            tracing::warn!(%name, %tag, "a tag has no manifest and is dropped");
            disk.remove(name, Kind::Tags, [file.as_str()])?;
        }
    }
    Ok(())
}

/// Gives blobs that no manifest lists what is left of their lease; whose it was is not known any more.
fn lease_the_rest(disk: &Disk, name: &Name, index: &mut Index, lease: Duration) {
    let Some(repository) = index.repositories.get_mut(name) else {
        return;
    };
    for (digest, blob) in repository.blobs.iter_mut().filter(|(_, blob)| blob.users == 0) {
        let left = lease.saturating_sub(disk.age(name, digest));
        blob.lease(Holder::from(""), Instant::now() + left);
    }
}

/// Removes contents that no repository has.
fn remove_contents(disk: &Disk, index: &Index) -> Result<()> {
    for algorithm in names(&disk.contents())? {
        for prefix in names(&disk.contents().join(&algorithm))? {
            for hex in names(&disk.contents().join(&algorithm).join(&prefix))? {
                let Ok(digest) = format!("{algorithm}:{hex}").parse::<Digest>() else {
                    tracing::warn!(hex, "this is no content of the hub's and is left alone");
                    continue;
                };
                if !index.has_content(&digest) {
                    tracing::info!(%digest, "removed a content that no repository has");
                    disk.remove_content(&digest)?;
                }
            }
        }
    }
    Ok(())
}

/// The files of a kind, without half-written ones, which are removed.
fn files(disk: &Disk, name: &Name, kind: Kind) -> Result<Vec<String>> {
    let directory: PathBuf = disk.directory(name, kind);
    let (half_written, whole): (Vec<_>, Vec<_>) = names(&directory)?
        .into_iter()
        .partition(|file| file.starts_with(HALF_WRITTEN));
    for file in half_written {
        fsops::remove_file(&directory.join(file))?;
    }
    Ok(whole)
}

/// The names in a directory that are UTF-8; all of ours are.
fn names(directory: &Path) -> Result<Vec<String>> {
    let names = fsops::names(directory)?;
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

fn is(bytes: &[u8], digest: &Digest) -> bool {
    Hasher::of(digest.algorithm()).is_some_and(|mut hasher| {
        hasher.update(bytes);
        hasher.finish() == *digest
    })
}
