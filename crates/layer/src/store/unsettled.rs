//! Layers that this kernel has and the disk may not have yet.
//!
//! To wait until a big layer is on the disk takes as long as the disk is slow, and nobody who pulls wants to: when the
//! process dies the kernel still has every byte. Only a loss of power needs the disk. So a layer is registered without
//! a sync, with a mark beside it, and [`Store::settle`] later syncs once for all and removes the marks.
//!
//! A mark is an empty file `tmp/unsettled-<boot id>-<chain id>-<cache id>`, all of it in the name: file systems with a journal keep
//! the order of names, so whoever finds the layer's name after a loss of power finds its mark too, without any sync.
//! Marks of another boot tell which layers to distrust: their archive is built once more, and those that do not give
//! their digest are removed, with what stands on them.

use super::removal::finish_removal;
use super::repair::Repaired;
use super::{Layer, Layers, Records, Store};
use crate::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use tierce_fsops as fsops;
use tierce_oci::{ChainId, Digest, Hasher};
use tierce_snapshot::{CacheId, Snapshotter};

const MARK: &str = "unsettled-";

/// One run of the kernel, from its start until the power goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot(String);

impl Boot {
    /// The one that this process lives in, random(4).
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn current() -> Result<Self, Error> {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Ok(Self::named(text.trim()))
    }

    /// One of this name, of which only letters and digits count: for tests of what another boot finds.
    pub fn named(name: &str) -> Self {
        Self(name.chars().filter(char::is_ascii_alphanumeric).collect())
    }
}

/// Whether a file system writes changes of names in their order: ext4 and xfs do. btrfs brings what is synced to the disk
/// before older changes that are not, and of others we do not know; there nothing is left for later. Nor is it when the
/// records and the snapshots are on different ones.
pub(super) fn keeps_order(records: &Path, snapshot: &Path) -> bool {
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    let there = snapshot.ancestors().find_map(device);
    // EXT4_SUPER_MAGIC and XFS_SUPER_MAGIC of statfs(2).
    let kind = rustix::fs::statfs(records).map(|found| found.f_type);
    there.is_some() && device(records) == there && matches!(kind, Ok(0xEF53 | 0x5846_5342))
}

/// A mark that was found.
struct Mark {
    path: PathBuf,
    boot: Boot,
    chain_id: ChainId,
    /// Its snapshot: the record that says so may be lost.
    cache_id: CacheId,
}

impl Mark {
    fn parse(tmp: &Path, name: &str) -> Option<Self> {
        let (boot, rest) = name.strip_prefix(MARK)?.split_once('-')?;
        let (chain, cache) = rest.split_once('-')?;
        Some(Self {
            path: tmp.join(name),
            boot: Boot(boot.to_owned()),
            chain_id: ChainId(Digest::from_sha256_hex(chain).ok()?),
            cache_id: cache.parse().ok()?,
        })
    }
}

impl Records {
    /// Marks a layer that is about to get its name.
    pub(super) fn mark_unsettled(&self, boot: &Boot, layer: &Layer) -> Result<(), Error> {
        let path = self.mark(boot, layer);
        File::create(&path).map(drop).map_err(Error::io("create", &path))
    }

    /// Takes the mark of a layer away that was removed, if it has one.
    pub(super) fn unmark(&self, boot: &Boot, layer: &Layer) -> Result<(), Error> {
        Ok(fsops::remove_file(&self.mark(boot, layer))?)
    }

    fn mark(&self, boot: &Boot, layer: &Layer) -> PathBuf {
        let name = format!("{MARK}{}-{}-{}", boot.0, layer.chain_id.hex(), layer.cache_id);
        self.tmp().join(name)
    }

    fn marks(&self) -> Result<Vec<Mark>, Error> {
        let (tmp, names) = (self.tmp(), fsops::names(&self.tmp())?);
        let marks = names.iter().filter_map(|name| Mark::parse(&tmp, name.to_str()?));
        Ok(marks.collect())
    }

    /// Looks at the layers that an earlier boot did not settle. Those that lost something are taken out of `layers`, and
    /// their names are given in `repaired`; their records and files are removed.
    pub(super) fn distrust(
        &self,
        boot: &Boot,
        driver: &dyn Snapshotter,
        layers: &mut Layers,
        repaired: &mut Repaired,
    ) -> Result<(), Error> {
        let mut marks = self.marks()?;
        marks.retain(|mark| mark.boot != *boot);
        let count = marks.len();
        let lost = |mark: &&Mark| match layers.get(&mark.chain_id) {
            Some(layer) => !self.is_whole(driver, layer),
            // It was found damaged; or its name did not reach the disk, or was removed since.
            None => self.layer(&mark.chain_id).exists(),
        };
        let mut lost: Vec<ChainId> = marks.iter().filter(lost).map(|mark| mark.chain_id.clone()).collect();
        // What stands on a lost layer cannot be used either.
        let mut next = 0;
        while let Some(below) = lost.get(next).cloned() {
            let on_it = layers.values().filter(|layer| layer.parent.as_ref() == Some(&below));
            let on_it: Vec<ChainId> = on_it.map(|layer| layer.chain_id.clone()).collect();
            lost.extend(on_it.into_iter().filter(|id| !lost.contains(id)).collect::<Vec<_>>());
            next += 1;
        }
        for chain_id in lost.iter().rev() {
            tracing::warn!(layer = %chain_id, "a layer did not reach the disk before the power went; removing it");
            layers.remove(chain_id);
            let aside = self.set_aside(chain_id)?;
            finish_removal(driver, &aside)?;
        }
        for mark in marks {
            // Its record may have been lost, so that nothing else tells of its files.
            let used = layers.values().any(|layer| layer.cache_id == mark.cache_id);
            if !used && !self.layer(&mark.chain_id).exists() {
                driver.remove(&mark.cache_id)?;
            }
            fsops::remove_file(&mark.path)?;
        }
        repaired.damaged.retain(|(chain_id, _)| !lost.contains(chain_id));
        (repaired.lost, repaired.distrusted) = (lost, count);
        Ok(())
    }

    /// Whether a layer's files still give its archive.
    fn is_whole(&self, driver: &dyn Snapshotter, layer: &Layer) -> bool {
        let mut digest = Digesting(Hasher::default());
        let tar_split = self.tar_split(&layer.chain_id);
        let built = crate::tar_split::assemble(&tar_split, &driver.diff_dir(&layer.cache_id), &mut digest);
        built.is_ok() && digest.0.finish() == layer.diff_id.0
    }
}

impl Store {
    /// Brings to the disk what is not there yet; returns how many layers that were. Takes as long as the disk does, and
    /// holds nobody up. May be called at any time; the next start asks for it when nobody has.
    ///
    /// # Errors
    /// File errors; the marks stay then.
    pub fn settle(&self) -> Result<usize, Error> {
        let _one_at_a_time = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let (marks, snapshot) = {
            // Whoever registers a layer holds this from before the mark is made, so what has a mark is there, or gone.
            let layers = self.read();
            let marks = self.records.marks()?;
            let there = marks.iter().find_map(|mark| layers.get(&mark.chain_id));
            let snapshot = there.map(|layer| self.driver.diff_dir(&layer.cache_id));
            (marks, snapshot)
        };
        if let Some(snapshot) = snapshot {
            self.records.sync(&snapshot)?;
        }
        for mark in &marks {
            fsops::remove_file(&mark.path)?;
        }
        Ok(marks.len())
    }
}

/// A digest as an output.
struct Digesting(Hasher);

impl io::Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Root, add};
    use super::*;
    use crate::apply::tests::Archive;
    use std::fs;

    fn marks(root: &Root) -> usize {
        let names = fsops::names(&root.layerdb().join("tmp")).unwrap();
        names
            .iter()
            .filter(|name| name.to_str().unwrap().starts_with(MARK))
            .count()
    }

    #[test]
    fn a_layer_is_marked_until_it_is_settled_or_removed() {
        let Some(root) = Root::new("overlay2") else { return };
        let store = root.open_in(Boot::named("one"));
        let kept = add(&store, None, &Archive::default().file("a", "1"));
        let gone = add(&store, None, &Archive::default().file("b", "2"));
        assert_eq!(marks(&root), 2);
        store.remove_unused(&[kept.chain_id.clone()].into()).unwrap();
        assert!(!store.contains(&gone.chain_id));
        assert_eq!((marks(&root), store.settle().unwrap()), (1, 1));
        assert_eq!((marks(&root), store.settle().unwrap()), (0, 0));
    }

    #[test]
    fn a_process_that_dies_loses_nothing_and_the_next_one_settles() {
        let Some(root) = Root::new("overlay2") else { return };
        let layer = add(
            &root.open_in(Boot::named("one")),
            None,
            &Archive::default().file("a", "1"),
        );
        // Looked at by nobody, since the kernel has not died.
        fs::write(root.dir.path().join(format!("overlay2/{}/diff/a", layer.cache_id)), "2").unwrap();
        let store = root.open_in(Boot::named("one"));
        assert!(store.contains(&layer.chain_id) && store.repaired().lost.is_empty());
        assert_eq!((marks(&root), store.settle().unwrap()), (1, 1));
    }

    #[test]
    fn after_a_loss_of_power_what_is_whole_stays_and_what_is_not_goes_with_what_stands_on_it() {
        let Some(root) = Root::new("overlay2") else { return };
        let store = root.open_in(Boot::named("one"));
        let settled = add(&store, None, &Archive::default().file("s", "1"));
        store.settle().unwrap();
        let whole = add(&store, None, &Archive::default().file("w", "1"));
        let spoilt = add(&store, Some(&settled), &Archive::default().file("x", "12345"));
        let above = add(&store, Some(&spoilt), &Archive::default().file("y", "1"));
        let nameless = add(&store, None, &Archive::default().file("n", "1"));
        drop(store);
        // What a file has that was never written back: its length, and nothing or zeros.
        fs::write(
            root.dir.path().join(format!("overlay2/{}/diff/x", spoilt.cache_id)),
            "\0\0\0\0\0",
        )
        .unwrap();
        let records = root.layerdb().join("sha256").join(nameless.chain_id.hex());
        fs::write(records.join("cache-id"), "").unwrap();

        let store = root.open_in(Boot::named("two"));
        let lost = &store.repaired().lost;
        for layer in [&spoilt, &above, &nameless] {
            assert!(lost.contains(&layer.chain_id) && !store.contains(&layer.chain_id));
        }
        assert_eq!(lost.len(), 3);
        assert!(store.repaired().damaged.is_empty());
        assert!(store.contains(&whole.chain_id) && store.contains(&settled.chain_id));
        let mut left = vec![settled.cache_id.to_string(), whole.cache_id.to_string()];
        left.sort();
        assert_eq!(root.snapshots(), left, "no files of lost layers are left");
        assert_eq!(marks(&root), 0);
        assert_eq!(fsops::names(&root.layerdb().join("sha256")).unwrap().len(), 2);
    }
}
