//! A Bloom filter over the hashes of the build side's keys, for the scan of the probe side: two bytes a key, of which two bits are set in one
//! word. No row with a partner is left out; of the others about 2 % pass.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use super::terms::{hash_keys, keys_of};

/// Bits for each key, of which two are set.
const BITS: usize = 16;

/// The filter. Both bits of a hash are in the same word, so that a look-up touches one cache line.
#[derive(Debug)]
pub(super) struct KeyBits {
    words: Vec<u64>,
}

impl KeyBits {
    /// Makes an empty filter with room for so many keys.
    pub(super) fn for_keys(keys: usize) -> Self {
        Self { words: vec![0; (keys * BITS).div_ceil(64).next_power_of_two()] }
    }

    pub(super) fn add(&mut self, hash: u64) {
        let place = self.place(hash);
        self.words[place] |= bits(hash);
    }

    /// Says whether a hash may have been added.
    fn has(&self, hash: u64) -> bool {
        self.words[self.place(hash)] & bits(hash) == bits(hash)
    }

    fn place(&self, hash: u64) -> usize {
        hash as usize & (self.words.len() - 1)
    }
}

fn bits(hash: u64) -> u64 {
    1 << (hash >> 58) | 1 << ((hash >> 52) & 63)
}

/// Says of a row whether its keys may be among those of the build side.
#[derive(Debug)]
pub(super) struct MayBeKey {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    bits: Arc<KeyBits>,
    hash_mask: u64,
}

impl MayBeKey {
    pub(super) fn new(keys: Vec<Arc<dyn PhysicalExpr>>, bits: Arc<KeyBits>, hash_mask: u64) -> Self {
        Self { keys, bits, hash_mask }
    }
}

impl fmt::Display for MayBeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "may_be_key({})", keys.join(", "))
    }
}

impl PartialEq for MayBeKey {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys && Arc::ptr_eq(&self.bits, &other.bits)
    }
}

impl Eq for MayBeKey {}

impl Hash for MayBeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.keys.hash(state);
        Arc::as_ptr(&self.bits).hash(state);
    }
}

impl PhysicalExpr for MayBeKey {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let (keys, _) = keys_of(&self.keys, batch)?;
        let mut hashes = Vec::new();
        hash_keys(&keys, batch.num_rows(), self.hash_mask, &mut hashes)?;
        let may_be = BooleanBuffer::collect_bool(hashes.len(), |row| self.bits.has(hashes[row]));
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(may_be))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.keys.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self::new(children, Arc::clone(&self.bits), self.hash_mask)))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_pass_and_few_others() {
        let hash = |key: u64| {
            let mixed = (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
        };
        for keys in [1, 100, 1_024, 10_000] {
            let mut bits = KeyBits::for_keys(keys);
            (0..keys as u64).for_each(|key| bits.add(hash(key)));
            assert!((0..keys as u64).all(|key| bits.has(hash(key))));
            let others = (1 << 20..(1 << 20) + 10_000).filter(|key| bits.has(hash(*key))).count();
            assert!(others < 500, "{keys}: {others}");
        }
    }
}
