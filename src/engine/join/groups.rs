//! The hash table of the build side: from the hash of a key to the range of rows that have it. It has open addressing and linear probing.

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

/// Slots of the first table, whose memory is not counted.
const FIRST_SLOTS: usize = 64;

/// A hash with the rows that have it, by their places in the order of the build side.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u64,
    from: u32,
    /// The place after the last; 0 where the slot is free.
    to: u32,
}

/// The hash table. At most three quarters of its slots are taken.
#[derive(Debug)]
pub(super) struct Groups {
    slots: Vec<Slot>,
    len: usize,
}

impl Groups {
    /// Finds the places of the rows with a hash.
    pub(super) fn find(&self, hash: u64) -> Option<(u32, u32)> {
        let slot = &self.slots[find(&self.slots, hash)];
        (slot.to > 0).then_some((slot.from, slot.to))
    }

    /// How many hashes there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place of the first row of each hash.
    pub(super) fn firsts(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().filter(|slot| slot.to > 0).map(|slot| slot.from)
    }

    /// The hashes, in no order.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().filter(|slot| slot.to > 0).map(|slot| slot.hash)
    }

    /// The bytes that the table takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.slots.as_slice())
    }
}

/// Finds the slot that has a hash, or the free one where linear probing puts it.
fn find(slots: &[Slot], hash: u64) -> usize {
    let mask = slots.len() - 1;
    let mut index = hash as usize & mask;
    while slots[index].to > 0 && slots[index].hash != hash {
        index = (index + 1) & mask;
    }
    index
}

/// The hashes of rows as they come: each hash has a number, in the order of first appearance.
#[derive(Debug)]
pub(super) struct NumberedGroups {
    /// Slots whose `from` is the number of the hash.
    groups: Groups,
    /// The rows of each hash.
    counts: Vec<u32>,
}

impl NumberedGroups {
    pub(super) fn new() -> Self {
        Self { groups: Groups { slots: vec![Slot::default(); FIRST_SLOTS], len: 0 }, counts: Vec::new() }
    }

    /// Makes room for some hashes more, and counts it.
    ///
    /// # Errors
    /// Memory that does not suffice.
    pub(super) fn reserve(&mut self, more: usize, reservation: &MemoryReservation) -> Result<()> {
        let least = (self.groups.len + more) / 3 * 4 + 4;
        if least <= self.groups.slots.len() {
            return Ok(());
        }
        let len = least.next_power_of_two();
        let old_bytes = self.groups.bytes();
        let is_counted = self.groups.slots.len() > FIRST_SLOTS;
        reservation.try_grow(len * size_of::<Slot>())?;
        let mut slots = vec![Slot::default(); len];
        for slot in self.groups.slots.iter().filter(|slot| slot.to > 0) {
            let index = find(&slots, slot.hash);
            slots[index] = *slot;
        }
        self.groups.slots = slots;
        if is_counted {
            reservation.shrink(old_bytes);
        }
        Ok(())
    }

    /// Takes in a row, and returns the number of its hash.
    pub(super) fn add(&mut self, hash: u64) -> u32 {
        let index = find(&self.groups.slots, hash);
        let slot = &mut self.groups.slots[index];
        if slot.to == 0 {
            *slot = Slot { hash, from: self.counts.len() as u32, to: 1 };
            self.groups.len += 1;
            self.counts.push(0);
        }
        let group = slot.from;
        self.counts[group as usize] += 1;
        group
    }

    /// Lays the rows of each hash one after the other: the table of their places, and the place where each number's begin.
    pub(super) fn placed(self) -> (Groups, Vec<u32>) {
        let Self { mut groups, counts } = self;
        let mut begins = Vec::with_capacity(counts.len() + 1);
        let mut place = 0;
        for count in counts {
            begins.push(place);
            place += count;
        }
        begins.push(place);
        for slot in groups.slots.iter_mut().filter(|slot| slot.to > 0) {
            let group = slot.from as usize;
            (slot.from, slot.to) = (begins[group], begins[group + 1]);
        }
        (groups, begins)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_hash_has_its_rows(hashes in prop::collection::vec((0_u64..40, 0_u64..4), 0..300), piece in 1_usize..50) {
            // Low bits that are alike, so that slots are fought for.
            let hashes: Vec<u64> = hashes.iter().map(|(high, low)| high << 40 | low).collect();
            let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
            let reservation = MemoryConsumer::new("test").register(&pool);
            let mut groups = NumberedGroups::new();
            let (mut numbers, mut counts) = (HashMap::new(), HashMap::new());
            for piece in hashes.chunks(piece) {
                groups.reserve(piece.len(), &reservation).unwrap();
                for hash in piece {
                    let next = numbers.len() as u32;
                    prop_assert_eq!(groups.add(*hash), *numbers.entry(*hash).or_insert(next));
                    *counts.entry(*hash).or_insert(0) += 1;
                }
            }
            let (groups, begins) = groups.placed();
            prop_assert_eq!(begins.last().copied(), Some(hashes.len() as u32));
            for (hash, number) in &numbers {
                let (from, to) = groups.find(*hash).unwrap();
                prop_assert_eq!((from, to - from), (begins[*number as usize], counts[hash]));
            }
            prop_assert_eq!(groups.find(u64::MAX), None);
        }
    }
}
