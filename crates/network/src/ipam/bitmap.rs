//! A fixed number of slots, each free or taken.

/// The slots.
#[derive(Debug, Clone)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    length: u64,
}

impl Bitmap {
    /// `length` free slots.
    pub(crate) fn new(length: u64) -> Self {
        Self {
            words: vec![0; length.div_ceil(64) as usize],
            length,
        }
    }

    /// Takes a slot; `false` if it is taken already or does not exist.
    pub(crate) fn take(&mut self, slot: u64) -> bool {
        let Some(word) = self.words.get_mut((slot / 64) as usize).filter(|_| slot < self.length) else {
            return false;
        };
        let bit = 1 << (slot % 64);
        let free = *word & bit == 0;
        *word |= bit;
        free
    }

    /// Gives a slot back; `false` if it was free.
    pub(crate) fn give_back(&mut self, slot: u64) -> bool {
        let Some(word) = self.words.get_mut((slot / 64) as usize).filter(|_| slot < self.length) else {
            return false;
        };
        let bit = 1 << (slot % 64);
        let taken = *word & bit != 0;
        *word &= !bit;
        taken
    }

    /// Takes the lowest free slot of `from..until`.
    pub(crate) fn take_first(&mut self, from: u64, until: u64) -> Option<u64> {
        let until = until.min(self.length);
        let mut slot = from;
        while slot < until {
            let free = !self.words.get((slot / 64) as usize)? >> (slot % 64);
            if free == 0 {
                slot = (slot / 64 + 1) * 64;
                continue;
            }
            slot += u64::from(free.trailing_zeros());
            return (slot < until && self.take(slot)).then_some(slot);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set(length in 1u64..300, steps in prop::collection::vec((0u8..3, 0u64..320, 0u64..320), 0..200)) {
            let mut bitmap = Bitmap::new(length);
            let mut model = BTreeSet::new();
            for (kind, a, b) in steps {
                match kind {
                    0 => prop_assert_eq!(bitmap.take(a), a < length && model.insert(a)),
                    1 => prop_assert_eq!(bitmap.give_back(a), model.remove(&a)),
                    _ => {
                        let expected = (a..b.min(length)).find(|slot| !model.contains(slot));
                        prop_assert_eq!(bitmap.take_first(a, b), expected);
                        model.extend(expected);
                    }
                }
            }
        }
    }
}
