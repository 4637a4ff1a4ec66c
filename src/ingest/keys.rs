//! The narrow side of an upsert: one fixed-size key a row, by which states of one session are found and ranked.
//!
//! Keys are 54 bytes where rows are a kilobyte, so the question "which state of each session wins" is answered without touching
//! the rows. They are kept in partitions by session, and move to temporary files beyond a budget; resolving then loads one
//! partition at a time, so memory does not grow with the number of rows.

#![allow(clippy::indexing_slicing, reason = "the bytes of a key are of a fixed number")]

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

use crate::error::{Error, Result};

/// Number of partitions: at 54 bytes a key, a hundred million rows are 84 MB a partition.
pub const PARTITIONS: usize = 64;
/// Bytes of a key in a temporary file.
const KEY_BYTES: usize = 54;

/// Where the row of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowPlace {
    /// The n-th good row of this run.
    Incoming(u64),
    /// A row of the lake: index of the file in the snapshot, row in the file.
    Stored {
        /// Index in the snapshot's list.
        file: u32,
        /// Row, from 0.
        row: u32,
    },
}

/// A state of a session, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// 128-bit hash of the session id.
    pub session: u128,
    /// 64-bit hash of the row's content.
    pub content: i64,
    /// The latest instant at which the state was seen, in microseconds.
    pub seen_us: i64,
    /// The time in workflow as bits that sort as the number does; 0 for none.
    pub time_in_workflow: u64,
    /// The second in which the session started since the Unix epoch, modulo 2^32.
    pub started_s: u32,
    /// A hash of the workflow; 0 for none.
    pub workflow: u16,
    /// Whether the session has ended.
    pub ended: bool,
    /// Where the row is.
    pub place: RowPlace,
}

const STORED_BIT: u64 = 1 << 63;
const ENDED_BIT: u64 = 1 << 62;

impl Key {
    /// Returns what ranks states of one session: ended beats running, then the later sighting, then the longer time in the
    /// workflow, then the content's hash, which is arbitrary but the same in every order of ingestion.
    pub fn rank(&self) -> (bool, i64, u64, i64) {
        (self.ended, self.seen_us, self.time_in_workflow, self.content)
    }

    /// Returns whether two keys with one session id are states of one session: they start within a second of each other, which tools that
    /// round times differ by, and do not name two workflows.
    pub fn is_same_session(&self, other: &Self) -> bool {
        let apart = self.started_s.wrapping_sub(other.started_s) as i32;
        let workflows = self.workflow == other.workflow || self.workflow == 0 || other.workflow == 0;
        apart.unsigned_abs() <= 1 && workflows
    }

    /// Names the partition that the session belongs to.
    pub fn partition(session: u128) -> usize {
        (session >> 122) as usize % PARTITIONS
    }

    fn to_bytes(self) -> [u8; KEY_BYTES] {
        let mut place = match self.place {
            RowPlace::Incoming(ordinal) => ordinal,
            RowPlace::Stored { file, row } => STORED_BIT | u64::from(file) << 32 | u64::from(row),
        };
        if self.ended {
            place |= ENDED_BIT;
        }
        let mut bytes = [0; KEY_BYTES];
        bytes[..16].copy_from_slice(&self.session.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.content.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.seen_us.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.time_in_workflow.to_le_bytes());
        bytes[40..48].copy_from_slice(&place.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.started_s.to_le_bytes());
        bytes[52..].copy_from_slice(&self.workflow.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let place = word(40);
        let ended = place & ENDED_BIT != 0;
        let rest = place & !(STORED_BIT | ENDED_BIT);
        Self {
            session: u128::from(word(0)) | u128::from(word(8)) << 64,
            content: word(16) as i64,
            seen_us: word(24) as i64,
            time_in_workflow: word(32),
            started_s: u32::from_le_bytes([bytes[48], bytes[49], bytes[50], bytes[51]]),
            workflow: u16::from_le_bytes([bytes[52], bytes[53]]),
            ended,
            place: if place & STORED_BIT == 0 {
                RowPlace::Incoming(rest)
            } else {
                RowPlace::Stored { file: (rest >> 32) as u32, row: rest as u32 }
            },
        }
    }
}

/// Maps seconds to bits that sort as the numbers do; no value sorts first.
pub fn sortable_seconds(seconds: Option<f64>) -> u64 {
    match seconds {
        None => 0,
        Some(value) => {
            // -0 and 0 are one state's value.
            let bits = (value + 0.0).to_bits();
            // 0 is taken; no number maps to it, since all-ones negative bits are a NaN.
            if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
        }
    }
}

#[derive(Debug, Default)]
struct Partition {
    keys: Vec<Key>,
    spilled: Option<BufWriter<File>>,
    spilled_keys: usize,
}

/// Keys in partitions by session.
#[derive(Debug)]
pub struct KeyStore {
    partitions: Vec<Partition>,
    in_memory: usize,
    budget: usize,
    len: u64,
}

impl KeyStore {
    /// Makes an empty store that keeps at most about `budget_bytes` in memory.
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            partitions: (0..PARTITIONS).map(|_| Partition::default()).collect(),
            in_memory: 0,
            budget: (budget_bytes / size_of::<Key>()).max(PARTITIONS),
            len: 0,
        }
    }

    /// Returns the bytes on disk so far.
    pub fn spilled_bytes(&self) -> u64 {
        self.partitions.iter().map(|partition| (partition.spilled_keys * KEY_BYTES) as u64).sum()
    }

    /// Number of keys.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Adds a key.
    ///
    /// # Errors
    /// The temporary folder cannot take more.
    pub fn push(&mut self, key: Key) -> Result<()> {
        self.partitions[Key::partition(key.session)].keys.push(key);
        self.in_memory += 1;
        self.len += 1;
        if self.in_memory >= self.budget { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        let failed = |e| Error::storage("temporary file of row keys", e);
        for partition in &mut self.partitions {
            let file = match &mut partition.spilled {
                Some(file) => file,
                none => none.insert(BufWriter::new(tempfile::tempfile().map_err(failed)?)),
            };
            for key in &partition.keys {
                file.write_all(&key.to_bytes()).map_err(failed)?;
            }
            partition.spilled_keys += partition.keys.len();
            partition.keys = Vec::new();
        }
        self.in_memory = 0;
        Ok(())
    }

    /// Returns a copy of all keys of one partition, in no order.
    ///
    /// # Errors
    /// The temporary file cannot be read back.
    pub fn load(&mut self, partition: usize) -> Result<Vec<Key>> {
        let failed = |e| Error::storage("temporary file of row keys", e);
        let partition = &mut self.partitions[partition];
        let mut keys = Vec::with_capacity(partition.spilled_keys + partition.keys.len());
        if let Some(file) = &mut partition.spilled {
            file.flush().map_err(failed)?;
            let file = file.get_mut();
            file.rewind().map_err(failed)?;
            let mut reader = BufReader::with_capacity(1 << 18, &mut *file);
            let mut bytes = [0; KEY_BYTES];
            for _ in 0..partition.spilled_keys {
                reader.read_exact(&mut bytes).map_err(failed)?;
                keys.push(Key::from_bytes(&bytes));
            }
            file.seek(std::io::SeekFrom::End(0)).map_err(failed)?;
        }
        keys.extend_from_slice(&partition.keys);
        Ok(keys)
    }
}

/// A set of sessions that answers "maybe" or "no", in a byte a session.
#[derive(Debug)]
pub struct SessionFilter {
    bits: Vec<u64>,
    mask: u64,
}

impl SessionFilter {
    /// Makes an empty filter for this many sessions.
    pub fn for_sessions(count: u64) -> Self {
        let bits = (count.max(64) * 8).next_power_of_two();
        Self { bits: vec![0; (bits / 64) as usize], mask: bits - 1 }
    }

    fn probes(&self, session: u128) -> [u64; 3] {
        let (low, high) = (session as u64, (session >> 64) as u64);
        [low & self.mask, (low.rotate_left(32) ^ high) & self.mask, low.wrapping_add(high.rotate_left(17)) & self.mask]
    }

    /// Adds a session.
    pub fn insert(&mut self, session: u128) {
        for bit in self.probes(session) {
            self.bits[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    /// Says whether the session may have been added.
    pub fn may_contain(&self, session: u128) -> bool {
        self.probes(session).iter().all(|bit| self.bits[(bit / 64) as usize] & 1 << (bit % 64) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Key> {
        let place = prop_oneof![
            (0..1u64 << 62).prop_map(RowPlace::Incoming),
            (0..1u32 << 30, any::<u32>()).prop_map(|(file, row)| RowPlace::Stored { file, row })
        ];
        let birth = (any::<u32>(), any::<u16>());
        (any::<u128>(), any::<i64>(), any::<i64>(), any::<u64>(), birth, any::<bool>(), place).prop_map(
            |(session, content, seen_us, time_in_workflow, (started_s, workflow), ended, place)| Key {
                started_s,
                workflow,
                session,
                content,
                seen_us,
                time_in_workflow,
                ended,
                place,
            },
        )
    }

    proptest! {
        #[test]
        fn a_key_comes_back_from_its_bytes(key in key()) {
            prop_assert_eq!(Key::from_bytes(&key.to_bytes()), key);
        }

        #[test]
        fn seconds_sort_as_their_bits(a in any::<Option<f64>>(), b in any::<Option<f64>>()) {
            prop_assume!(!a.is_some_and(f64::is_nan) && !b.is_some_and(f64::is_nan));
            let (x, y) = (sortable_seconds(a), sortable_seconds(b));
            prop_assert_eq!(a.partial_cmp(&b), Some(x.cmp(&y)));
        }

        #[test]
        fn a_store_beyond_its_budget_gives_back_what_it_took(keys in proptest::collection::vec(key(), 0..300)) {
            let mut store = KeyStore::new(0);
            for key in &keys {
                store.push(*key).unwrap();
            }
            for _ in 0..2 {
                let mut back = Vec::new();
                for partition in 0..PARTITIONS {
                    back.extend(store.load(partition).unwrap());
                }
                let sort = |keys: &mut Vec<Key>| keys.sort_by_key(|k| k.to_bytes());
                let mut expected = keys.clone();
                sort(&mut expected);
                sort(&mut back);
                prop_assert_eq!(&back, &expected);
            }
        }

        #[test]
        fn a_filter_never_denies_a_session_it_has(sessions in proptest::collection::vec(any::<u128>(), 0..300)) {
            let mut filter = SessionFilter::for_sessions(sessions.len() as u64);
            for session in &sessions {
                filter.insert(*session);
            }
            prop_assert!(sessions.iter().all(|s| filter.may_contain(*s)));
        }
    }
}
