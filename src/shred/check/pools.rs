//! What the pools of a row hold, and what they ought to.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{Array, RecordBatch, StringViewArray};
use arrow::datatypes::DataType;
use jiter::{Jiter, JiterResult, Peek};

use super::Fields;
use super::columns::texts_of;
use super::reader::Value;
use crate::error::{Error, Result};
use crate::json::{each_member, without_lone_surrogates};
use crate::shred::leaf::{ALL_KINDS, NULL, coded_pool_key, pool_key, pool_name};
use crate::shred::manifest::PathNode;
use crate::shred::pools::Pools;

/// Bits of the mask of pools.
const MASK: u8 = 32;

/// Whether values are in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Rule {
    /// They must not be: a query would take them for the path's.
    #[default]
    Not,
    /// No query asks the pool for them.
    May,
    Must,
}

/// Which values of a path are in its pool.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pooled {
    /// Kinds that must be there, and those that may.
    must: u8,
    may: u8,
    arrays: Rule,
    objects: Rule,
}

impl Pooled {
    fn rule(self, value: Value) -> Rule {
        match value {
            Value::Array => self.arrays,
            Value::Object => self.objects,
            value if self.must & value.kind() != 0 => Rule::Must,
            value if self.may & value.kind() != 0 => Rule::May,
            _ => Rule::Not,
        }
    }
}

/// The pools of one JSON column.
#[derive(Debug)]
pub(super) struct StoredPools {
    pools: Vec<StoredPool>,
    /// What they have in the row.
    entries: Vec<Entry>,
    /// By the number of a path, where it was last put among the entries.
    places: Vec<usize>,
}

#[derive(Debug)]
struct StoredPool {
    number: u8,
    place: usize,
    documents: Option<StringViewArray>,
    /// The number of the path of each key that queries ask for.
    keys: HashMap<String, usize>,
}

#[derive(Debug)]
struct Entry {
    path: usize,
    pool: usize,
    value: Range<usize>,
    is_met: bool,
}

impl StoredPools {
    /// Makes those of a column that have all their values.
    pub fn new(column: &str, lost: u32, fields: &mut Fields) -> Self {
        let whole = (0..MASK).filter(|number| lost >> number & 1 == 0);
        let pools = whole.filter_map(|number| {
            let place = fields.place(&pool_name(column, number), DataType::Utf8View)?;
            Some(StoredPool { number, place, documents: None, keys: HashMap::new() })
        });
        Self { pools: pools.collect(), entries: Vec::new(), places: Vec::new() }
    }

    /// Adds a path of the manifest, by its number; says which of its values the pools have.
    pub fn add(&mut self, path: usize, keys: &[String], node: &PathNode) -> Pooled {
        let containers = if node.has_containers { Rule::Must } else { Rule::May };
        let (pool, key, pooled) = match node.pool {
            _ if node.leaf => {
                let missed = node.missed & ALL_KINDS;
                let must = if node.has_exceptions && !node.unpooled { missed } else { 0 };
                let pooled = Pooled { must, may: missed & !must, arrays: containers, objects: containers };
                if must == 0 && !node.has_containers {
                    return Pooled::default();
                }
                (Pools::EXCEPTIONS, pool_key(keys), pooled)
            }
            Some(pool) if !node.unpooled => {
                let must = ALL_KINDS | NULL;
                let pooled = Pooled { must, may: 0, arrays: Rule::Must, objects: containers };
                (pool, node.pool_code.map_or_else(|| pool_key(keys), coded_pool_key), pooled)
            }
            _ => return Pooled::default(),
        };
        let Some(pool) = self.pools.iter_mut().find(|known| known.number == pool) else { return Pooled::default() };
        pool.keys.insert(key, path);
        if self.places.len() <= path {
            self.places.resize(path + 1, 0);
        }
        pooled
    }

    /// Takes the documents of a batch.
    ///
    /// # Errors
    /// A batch of other columns.
    pub fn begin(&mut self, batch: &RecordBatch) -> Result<()> {
        for pool in &mut self.pools {
            let column = batch.columns().get(pool.place);
            pool.documents = Some(texts_of(column.ok_or_else(|| Error::internal("a pool to compare is missing"))?)?);
        }
        Ok(())
    }

    /// Reads what the pools have in a row.
    pub fn read(&mut self, row: usize) {
        self.entries.clear();
        for (number, pool) in self.pools.iter().enumerate() {
            let Some(text) = pool.document(row) else { continue };
            // Half a surrogate pair is read as U+FFFD, and everything else has its place.
            if read_entries(text, number, pool, &mut self.entries, &mut self.places).is_err()
                && let Some(mended) = without_lone_surrogates(text)
            {
                // Of what breaks off the rest is not there.
                let _ = read_entries(&mended, number, pool, &mut self.entries, &mut self.places);
            }
        }
    }

    /// Takes note of a value of the row, as its document writes it; says whether its pool has the same, where it ought to.
    pub fn has(&mut self, row: usize, path: usize, pooled: Pooled, value: Value, raw: Option<&str>) -> bool {
        let rule = pooled.rule(value);
        if rule == Rule::Not {
            return true;
        }
        let place = self.places.get(path).copied().unwrap_or_default();
        let entry = self.entries.get_mut(place).filter(|entry| entry.path == path);
        let is_there = entry.is_some_and(|entry| {
            let document = self.pools.get(entry.pool).and_then(|pool| pool.document(row));
            entry.is_met = raw.is_some() && document.and_then(|text| text.get(entry.value.clone())) == raw;
            entry.is_met
        });
        is_there || rule == Rule::May || raw.is_none()
    }

    /// Lists the paths of which the pools have something in the row that its document does not have.
    pub fn left(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().filter(|entry| !entry.is_met).map(|entry| entry.path)
    }
}

/// Reads the document of a pool; of several equal keys the first counts.
fn read_entries(
    text: &str,
    number: usize,
    pool: &StoredPool,
    entries: &mut Vec<Entry>,
    places: &mut [usize],
) -> JiterResult<()> {
    let mut jiter = Jiter::new(text.as_bytes());
    if jiter.peek()? != Peek::Object {
        return Ok(());
    }
    let path_of = |key: &str| pool.keys.get(key).copied();
    each_member(&mut jiter, path_of, |jiter, path, peek| {
        let start = jiter.current_index();
        jiter.known_skip(peek)?;
        let value = start..jiter.current_index();
        if let Some(path) = path
            && let Some(place) = places.get_mut(path)
            && entries.get(*place).is_none_or(|entry| entry.path != path)
        {
            *place = entries.len();
            entries.push(Entry { path, pool: number, value, is_met: false });
        }
        Ok(())
    })
}

impl StoredPool {
    fn document(&self, row: usize) -> Option<&str> {
        self.documents.as_ref().filter(|texts| row < texts.len() && texts.is_valid(row)).map(|texts| texts.value(row))
    }
}
