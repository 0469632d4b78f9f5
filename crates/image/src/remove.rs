//! Taking names from images, and images away.
//!
//! Source: moby `daemon/images/image_delete.go`; order, conflicts and texts are its. The journal knows of an image that
//! goes before its last name does, so that a removal which a crash cuts short is ended by the next start.

use crate::images::release_in_change;
use crate::journal::Entry;
use crate::resolve::is_id_prefix;
use crate::{Error, Images, Removal, Removed};
use std::collections::BTreeSet;
use tierce_oci::{ChainId, ImageId, Reference};
use tierce_store::{Lease, Resource};

/// Which conflicts stand in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Respect {
    /// Those that no force overcomes: children, running containers.
    Hard,
    /// Also stopped containers.
    HardAndStopped,
    /// All, names among them.
    All,
}

impl Images {
    /// Removes a name, or an image with all its names when `name` is its id.
    ///
    /// # Errors
    /// As [`Self::resolve`]; [`Error::ReferenceInUse`] and [`Error::InUse`] with Docker's texts. What was removed before
    /// an error stays removed.
    pub fn remove(&self, name: &str, removal: Removal) -> Result<Vec<Removed>, Error> {
        let _change = self.change();
        Ok(remove_in_change(self, name, removal)?.0)
    }
}

/// The containers that were made from an image.
pub(crate) fn users(images: &Images, id: &ImageId) -> Vec<Lease> {
    images.leases.holders(&Resource::image(id.to_string()))
}

/// [`Images::remove`] for who holds [`Images::change`]; also says how many bytes went.
pub(crate) fn remove_in_change(images: &Images, name: &str, removal: Removal) -> Result<(Vec<Removed>, u64), Error> {
    let id = images.resolve(name)?;
    let mut work = Work {
        images,
        removed: Vec::new(),
        reclaimed: 0,
        noted: None,
    };
    let references = images.names.of(&id);
    let by_reference = !is_id_prefix(&id, name);
    if by_reference {
        let reference = Reference::parse(name)?.with_default_tag();
        if !removal.force && is_single(&references) {
            work.check_reference(name, &id)?;
        }
        if work.untag_with_digests(&reference, references, &id, removal.force)? {
            return Ok(work.done());
        }
    } else if is_single(&references) {
        let respect = if removal.force {
            Respect::Hard
        } else {
            Respect::HardAndStopped
        };
        work.check(&id, respect)?;
        work.note(&id)?;
        work.untag(&references, &id)?;
    }
    work.delete(&id, removal.force, !removal.keep_parents, by_reference)?;
    Ok(work.done())
}

/// One removal, and what it did so far.
struct Work<'a> {
    images: &'a Images,
    removed: Vec<Removed>,
    reclaimed: u64,
    /// The image that the journal says is going, and the name of its entry.
    noted: Option<(ImageId, String)>,
}

impl Drop for Work<'_> {
    /// An image that stays after all must not go at the next start.
    fn drop(&mut self) {
        if let Some((id, name)) = self.noted.take()
            && self.images.records.get(&id).is_some()
            && let Err(error) = self.images.journal.end(&name)
        {
            tracing::warn!(%id, %error, "a removal that failed cannot be forgotten; the next start may end it");
        }
    }
}

impl Work<'_> {
    /// What was removed, and how many bytes went.
    fn done(mut self) -> (Vec<Removed>, u64) {
        (std::mem::take(&mut self.removed), self.reclaimed)
    }

    /// Has the next start end what begins now, should it be cut short: no check stands in its way any more.
    fn note(&mut self, id: &ImageId) -> Result<(), Error> {
        if self.noted.as_ref().is_none_or(|(noted, _)| noted != id) {
            let name = self.images.work_name("removal");
            let entry = Entry {
                layers: ChainId::stack(&self.images.get(id)?.config.rootfs.diff_ids),
                image: Some(id.clone()),
            };
            self.images.journal.begin(&name, &entry)?;
            self.noted = Some((id.clone(), name));
        }
        Ok(())
    }

    /// The noted image is gone with all that was its own.
    fn ended(&mut self) -> Result<(), Error> {
        match self.noted.take() {
            Some((_, name)) => self.images.journal.end(&name),
            None => Ok(()),
        }
    }

    /// A name that is the last of an image stays while a container was made from the image.
    fn check_reference(&self, name: &str, id: &ImageId) -> Result<(), Error> {
        let Some(user) = users(self.images, id).into_iter().next() else {
            return Ok(());
        };
        Err(Error::ReferenceInUse {
            reference: name.to_owned(),
            container: short(&user.holder),
            image: id.0.short().to_owned(),
        })
    }

    /// Removes one reference, and the digests of its repository when no tag of that is left. Returns whether the image
    /// still has names.
    fn untag_with_digests(
        &mut self,
        reference: &Reference,
        references: Vec<Reference>,
        id: &ImageId,
        force: bool,
    ) -> Result<bool, Error> {
        let going = match reference.digest() {
            Some(digest) => reference.with_digest(digest.clone()),
            None => reference.clone(),
        };
        let same_repository = |other: &Reference| other.name() == going.name();
        let rest = references.into_iter().filter(|other| *other != going);
        let (mut digests, mut rest): (Vec<_>, Vec<_>) =
            rest.partition(|other| other.digest().is_some() && same_repository(other));
        let tag_left = rest
            .iter()
            .any(|other| other.digest().is_none() && same_repository(other));
        if going.digest().is_some() || tag_left {
            rest.append(&mut digests);
        }
        digests.insert(0, going);
        let respect = if force { Respect::Hard } else { Respect::HardAndStopped };
        if rest.is_empty() && self.check(id, respect).is_ok() {
            self.note(id)?;
        }
        self.untag(&digests, id)?;
        Ok(!rest.is_empty())
    }

    fn untag(&mut self, references: &[Reference], id: &ImageId) -> Result<(), Error> {
        self.images.names.remove(references)?;
        let untagged = |reference: &Reference| Removed::Untagged {
            name: reference.familiar(),
            image: id.clone(),
        };
        self.removed.extend(references.iter().map(untagged));
        Ok(())
    }

    /// Removes an image, what is left of its names, and (with `parents`) its nameless parents. `quiet`: a conflict is
    /// no error, unless the image has neither name nor user.
    fn delete(&mut self, id: &ImageId, force: bool, parents: bool, quiet: bool) -> Result<(), Error> {
        let images = self.images;
        let respect = if force { Respect::Hard } else { Respect::All };
        if let Err(conflict) = self.check(id, respect) {
            let used = matches!(conflict, Error::InUse { by_container: true, .. });
            let dangling = images.names.of(id).is_empty() && images.records.children(id).is_empty();
            return if quiet && (!dangling || used) {
                Ok(())
            } else {
                Err(conflict)
            };
        }
        let image = images.get(id)?;
        self.note(id)?;
        self.untag(&images.names.of(id), id)?;
        images.records.remove(id)?;
        self.removed.push(Removed::Image(id.clone()));
        for (chain, size) in release_in_change(images, &ChainId::stack(&image.config.rootfs.diff_ids))? {
            self.removed.push(Removed::Layer(chain));
            self.reclaimed += size;
        }
        self.ended()?;
        match image
            .parent
            .as_ref()
            .filter(|parent| parents && images.records.get(parent).is_some())
        {
            Some(parent) => self.delete(parent, false, true, true),
            None => Ok(()),
        }
    }

    fn check(&self, id: &ImageId, respect: Respect) -> Result<(), Error> {
        let conflict = |hard, by_container, reason: String| {
            Err(Error::InUse {
                image: id.0.short().to_owned(),
                hard,
                by_container,
                reason,
            })
        };
        if !self.images.records.children(id).is_empty() {
            return conflict(true, false, "image has dependent child images".to_owned());
        }
        let users = users(self.images, id);
        if let Some(user) = users.iter().find(|user| user.running) {
            return conflict(
                true,
                true,
                format!("image is being used by running container {}", short(&user.holder)),
            );
        }
        if respect == Respect::All && !self.images.names.of(id).is_empty() {
            return conflict(false, false, "image is referenced in multiple repositories".to_owned());
        }
        match users.first().filter(|_| respect != Respect::Hard) {
            Some(user) => conflict(
                false,
                true,
                format!("image is being used by stopped container {}", short(&user.holder)),
            ),
            None => Ok(()),
        }
    }
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// Whether all references are one tag at most, and digests of the same repository.
fn is_single(references: &[Reference]) -> bool {
    if references.len() <= 1 {
        return true;
    }
    let (digests, tags): (Vec<&Reference>, Vec<&Reference>) =
        references.iter().partition(|reference| reference.digest().is_some());
    let repositories: BTreeSet<String> = digests.iter().map(|reference| reference.name()).collect();
    match tags.as_slice() {
        [] => repositories.len() == 1,
        [tag] => repositories.len() == 1 && repositories.contains(&tag.name()),
        _ => false,
    }
}
