//! Taking names from images, and images away.
//!
//! Source: moby `daemon/images/image_delete.go`; order, conflicts and texts are its.

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
        Ok(self.remove_in_change(name, removal)?.0)
    }

    /// [`Self::remove`]; also says how many bytes went.
    pub(crate) fn remove_in_change(&self, name: &str, removal: Removal) -> Result<(Vec<Removed>, u64), Error> {
        let id = self.resolve(name)?;
        let mut done = Done::default();
        let references = self.names.of(&id);
        let mut by_reference = false;
        if is_id_prefix(&id, name) {
            if is_single(&references) {
                let respect = if removal.force {
                    Respect::Hard
                } else {
                    Respect::HardAndStopped
                };
                self.check(&id, respect)?;
                self.untag(&references, &id, &mut done)?;
            }
        } else {
            let reference = Reference::parse(name)?.with_default_tag();
            if !removal.force && is_single(&references) {
                self.check_reference(name, &id)?;
            }
            if self.untag_with_digests(&reference, &references, &id, &mut done)? {
                return Ok(done.into_parts());
            }
            by_reference = true;
        }
        self.delete(&id, removal.force, !removal.keep_parents, by_reference, &mut done)?;
        Ok(done.into_parts())
    }

    /// A name that is the last of an image stays while a container was made from the image.
    fn check_reference(&self, name: &str, id: &ImageId) -> Result<(), Error> {
        let Some(user) = self.users(id).into_iter().next() else {
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
        &self,
        reference: &Reference,
        references: &[Reference],
        id: &ImageId,
        done: &mut Done,
    ) -> Result<bool, Error> {
        let removed = match reference.digest() {
            Some(digest) => reference.with_digest(digest.clone()),
            None => reference.clone(),
        };
        let mut rest: Vec<Reference> = references.iter().filter(|other| **other != removed).cloned().collect();
        let mut going = vec![removed.clone()];
        let same_repository = |other: &Reference| other.name() == removed.name();
        let tag_left = rest
            .iter()
            .any(|other| other.digest().is_none() && same_repository(other));
        if removed.digest().is_none() && !tag_left {
            let (digests, others) = rest
                .into_iter()
                .partition(|other| other.digest().is_some() && same_repository(other));
            rest = others;
            going.extend::<Vec<_>>(digests);
        }
        self.untag(&going, id, done)?;
        Ok(!rest.is_empty())
    }

    fn untag(&self, references: &[Reference], id: &ImageId, done: &mut Done) -> Result<(), Error> {
        self.names.remove(references)?;
        let untagged = |reference: &Reference| Removed::Untagged {
            name: reference.familiar(),
            image: id.clone(),
        };
        done.removed.extend(references.iter().map(untagged));
        Ok(())
    }

    /// Removes an image, what is left of its names, and (with `parents`) its nameless parents. `quiet`: a conflict is
    /// no error, unless the image has neither name nor user.
    fn delete(&self, id: &ImageId, force: bool, parents: bool, quiet: bool, done: &mut Done) -> Result<(), Error> {
        let respect = if force { Respect::Hard } else { Respect::All };
        if let Err(conflict) = self.check(id, respect) {
            let used = matches!(conflict, Error::InUse { by_container: true, .. });
            return if quiet && (!self.is_dangling(id) || used) {
                Ok(())
            } else {
                Err(conflict)
            };
        }
        let image = self.get(id)?;
        self.untag(&self.names.of(id), id, done)?;
        self.records.remove(id)?;
        done.removed.push(Removed::Image(id.clone()));
        for (chain, size) in self.release_layers_in_change(&ChainId::stack(&image.config.rootfs.diff_ids))? {
            done.removed.push(Removed::Layer(chain));
            done.reclaimed += size;
        }
        match image
            .parent
            .as_ref()
            .filter(|parent| parents && self.records.get(parent).is_some())
        {
            Some(parent) => self.delete(parent, false, true, true, done),
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
        if !self.records.children(id).is_empty() {
            return conflict(true, false, "image has dependent child images".to_owned());
        }
        let users = self.users(id);
        if let Some(user) = users.iter().find(|user| user.running) {
            return conflict(
                true,
                true,
                format!("image is being used by running container {}", short(&user.holder)),
            );
        }
        if respect == Respect::All && !self.names.of(id).is_empty() {
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

    fn is_dangling(&self, id: &ImageId) -> bool {
        self.names.of(id).is_empty() && self.records.children(id).is_empty()
    }

    /// The containers that were made from an image.
    pub(crate) fn users(&self, id: &ImageId) -> Vec<Lease> {
        self.leases.holders(&Resource::image(id.to_string()))
    }
}

/// What a removal did so far.
#[derive(Debug, Default)]
struct Done {
    removed: Vec<Removed>,
    reclaimed: u64,
}

impl Done {
    fn into_parts(self) -> (Vec<Removed>, u64) {
        (self.removed, self.reclaimed)
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
