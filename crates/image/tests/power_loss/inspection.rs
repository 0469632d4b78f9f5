//! What must hold after every restart.

use crate::stage::{CONTAINER, Stage, Step, Store};
use crate::{begun, ended, settled};
use std::collections::BTreeSet;
use std::path::Path;
use tierce_oci::{ChainId, Digest, Hasher};
use tierce_testkit::data_root::{Claims, disagreements};

/// How often something was noted.
fn count(notes: &[String], what: &str) -> usize {
    notes.iter().filter(|note| *note == what).count()
}

/// The steps that had begun and not ended.
pub(crate) fn interrupted(notes: &[String], groups: &[&[Step]]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for step in groups.iter().copied().flatten() {
        if count(notes, &begun(step)) > count(notes, &ended(step)) && !steps.contains(step) {
            steps.push(*step);
        }
    }
    steps
}

/// What was acknowledged and settled must be so, and no name may be back that was taken away; what was under way, or is
/// on its way to the disk, may be so or not.
pub(crate) fn wrong_names(stage: &Stage, store: &Store, notes: &[String], groups: &[&[Step]]) -> Vec<String> {
    let mut wrong = Vec::new();
    let steps: Vec<&Step> = groups.iter().copied().flatten().collect();
    let names: BTreeSet<&str> = steps.iter().map(|step| step.name()).chain(["base"]).collect();
    let open = interrupted(notes, groups);
    for name in names {
        let found = store.images.find(&stage.full_name(name)).ok();
        let last = notes.iter().rev().find_map(|note| {
            let step = steps.iter().find(|step| step.name() == name && *note == ended(step))?;
            Some(!matches!(step, Step::Remove(_)))
        });
        let expected = last.unwrap_or(name == "base");
        let on_its_way = expected && last.is_some() && !is_settled(notes, &steps, name);
        if found.is_some() != expected && !on_its_way && !open.iter().any(|step| step.name() == name) {
            wrong.push(format!("{name} should be there: {expected}, is: {}", found.is_some()));
        }
        if let (Some(image), Some(id)) = (found, stage.id_of(name))
            && image.id != id
        {
            wrong.push(format!("{name} leads to {}", image.id));
        }
    }
    wrong
}

/// Whether what was last made under this name is known to be on the disk.
fn is_settled(notes: &[String], steps: &[&Step], name: &str) -> bool {
    let last = |note: fn(&Step) -> String| {
        notes
            .iter()
            .rposition(|found| steps.iter().any(|step| step.name() == name && *found == note(step)))
    };
    last(settled) > last(ended)
}

/// Every image listed has a name, its configuration, and layers that give their digests.
pub(crate) fn incomplete(store: &Store) -> Vec<String> {
    let mut wrong = Vec::new();
    for summary in store.images.list() {
        let image = store.images.get(&summary.id).unwrap();
        if Digest::sha256_of(&image.raw) != image.id.0 {
            wrong.push(format!("{}: not its configuration", image.id));
        }
        if summary.repo_tags.is_empty() {
            wrong.push(format!("{}: has no name", image.id));
        }
        let diff_ids = &image.config.rootfs.diff_ids;
        for (chain, diff_id) in ChainId::stack(diff_ids).iter().zip(diff_ids) {
            let mut hasher = Writer(Hasher::default());
            match store.layers.tar_stream(chain, &mut hasher) {
                Ok(_) if hasher.0.finish() == diff_id.0 => {}
                Ok(_) => wrong.push(format!("{}: layer {chain} has another digest", image.id)),
                Err(error) => wrong.push(format!("{}: {error}", image.id)),
            }
        }
    }
    wrong
}

struct Writer(Hasher);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything below the data root that nothing needs.
pub(crate) fn orphans(store: &Store, root: &Path) -> Vec<String> {
    let images = store.images.list().into_iter().map(|summary| {
        let image = store.images.get(&summary.id).unwrap();
        (summary.id, image.config.rootfs.diff_ids.clone())
    });
    let claims = Claims {
        images: images.collect(),
        containers: vec![CONTAINER.to_owned()],
        layers_size: store.images.layers_size(),
    };
    disagreements(root, &claims)
}
