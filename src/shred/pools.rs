//! Pools: columns that the rare paths of a JSON column share.
//!
//! A path that one row in a thousand has is not worth a column of its own. Queries ask for it all the same, and would read the whole text for
//! its few values. A pool is a column that many such paths share. Its value in a row is a small JSON document with the row's values at the
//! pool's paths, such as `{"1f~":"2026-03-04"}`; a row that has none of the paths has NULL. A key of the document is the number of the path
//! in the footer's manifest, or the path itself where the sample did not have it: `{"/variables/court_date":"2026-03-04"}`. Values are written as
//! the session's document has them, so that the same functions read a pool in place of the text.
//!
//! A query on one path decodes the values of all paths of its pool. For that reason a pool holds few rows, and paths share a pool with paths of
//! about the same frequency, from the rarest up.
//!
//! The first pool takes the paths that the sample did not have. An object whose keys are ids or names has new keys in every document and
//! would copy the document into the pool. The sample tells such an object by its many keys that one row has, and its keys stay in the text.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::document::{Pooled, Walker};
use super::leaf::is_index;
use super::sparse::SparseTexts;

/// Bytes of a value from which on it stays in the text, and with it all of its path in the file.
pub const MAX_POOLED_BYTES: usize = 2_048;
/// Pools of a JSON column at most: their bits make a mask.
const MAX_POOLS: u8 = 24;
/// Of a hundred rows, those that a pool is for.
const ROWS_PERCENT: usize = 4;
/// A path of fewer values than one in this many rows is rare, and pooled whether or not leaves left bytes over. That is more than has no leaf,
/// for a sample of 4,096 rows tells one in a hundred from the next path only by luck: a path of 0.74 % had neither in 2 files of 39, and
/// parsing the text of these two was most of what it cost to ask for it.
const RARE: usize = 66;
/// Bytes of all rare paths of a column at most, as a percentage of what its text compresses to.
const BYTES_PERCENT: usize = 12;
/// A path has few rows if it is not rare and one in so many has it, or fewer, and some rows more, by which a path of one row in twenty may have more than
/// that in a small sample.
const FEW: usize = 16;
const FEW_MORE: usize = 8;
/// Bytes of all such paths of a column at most, as a percentage of what its text compresses to. In files of many tenants nearly all values are at such paths:
/// with 50 a quarter of two thousand paths, each of 0.5 to 5 % of the rows, was left to the text. What each takes is told by itself and is more
/// than it takes among others.
const FEW_PERCENT: usize = 200;
/// Of a hundred bytes of text, those that a pool takes at most in one batch, be the sample as it may.
const LOST_PERCENT: usize = 10;
/// Bytes of a batch that a pool may take in any case.
const LOST_BYTES: usize = 64 << 10;

/// Where the values of a path are that has no leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Home {
    /// In this pool.
    Pool(u8),
    /// In the text alone.
    Text(InText),
}

impl Home {
    /// Returns the pool, if there is one.
    pub fn pool(self) -> Option<u8> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Text(_) => None,
        }
    }
}

/// Why the values of a path are in the text alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InText {
    /// A value of the sample was too long for a pool.
    #[serde(rename = "l")]
    Long,
    /// Most values are arrays or objects.
    #[serde(rename = "a")]
    Containers,
    /// A column would take more bytes than leaves and pools may.
    #[serde(rename = "c")]
    Costly,
    /// A user said so.
    #[serde(rename = "e")]
    Excluded,
}

/// How the rare paths of one JSON column share columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pools {
    /// The number of columns.
    pub count: u8,
    /// The paths that the sample had, each with its place here as its number, and where their values are.
    pub paths: Vec<(Vec<String>, Home)>,
    /// Paths below which keys that the sample did not have stay in the text, from the top down.
    pub closed: Vec<Vec<String>>,
    /// Paths of objects whose keys are ids, of which no more are noted.
    pub keyed: Vec<Vec<String>>,
}

impl Pools {
    /// The pool of paths that the sample did not have, or only once.
    pub const UNFORESEEN: u8 = 0;
    /// The pool of values at the paths of leaves whose kind the sample did not have.
    pub const EXCEPTIONS: u8 = 1;
}

/// What a sample has at one path.
#[derive(Debug, Default)]
struct Sampled {
    rows: usize,
    /// The values as documents write them.
    values: Vec<u8>,
    has_long: bool,
    /// Rows in which the value is an array or an object.
    containers: usize,
}

/// Learns from a sample which paths are rare.
#[derive(Debug, Default)]
pub(super) struct RarePaths {
    by_node: HashMap<usize, Sampled>,
}

/// What pools may take.
#[derive(Debug)]
pub(super) struct PoolLimits {
    /// Rows sampled.
    pub rows: usize,
    /// A path of one row in so many could have a leaf.
    pub rarest: usize,
    /// What the column's text compresses to.
    pub text_bytes: usize,
    /// Bytes that the leaves left over, for paths that are not rare.
    pub spare: usize,
}

/// Some paths that are pooled or left out together.
struct Unit {
    paths: Vec<usize>,
    /// The rows that have a path; those of paths that the sample had once count as one.
    rows: usize,
    bytes: usize,
    /// The path below which all of them stand that the sample had once.
    closes: Option<Vec<String>>,
}

impl RarePaths {
    /// Takes a value in.
    pub fn add(&mut self, pooled: &Pooled<'_>) {
        let sampled = self.by_node.entry(pooled.node).or_default();
        sampled.rows += 1;
        sampled.values.extend_from_slice(pooled.value.as_bytes());
        sampled.has_long |= pooled.value.len() > MAX_POOLED_BYTES;
        sampled.containers += usize::from(pooled.value.starts_with(['[', '{']));
    }

    /// Chooses the pools of a column, and says how much of the spare bytes is left; leaves have columns of their own, and what is excluded has none.
    pub fn choose(
        &self,
        walker: &Walker,
        is_leaf: impl Fn(&[String]) -> bool,
        is_excluded: impl Fn(&[String]) -> bool,
        limits: &PoolLimits,
        compressed: impl Fn(&[u8]) -> usize,
    ) -> (Pools, usize) {
        let PoolLimits { rows, rarest, text_bytes, spare } = *limits;
        let all = walker.paths();
        let documents: HashMap<&[String], u64> =
            all.iter().map(|(node, path)| (path.as_slice(), walker.documents(*node))).collect();
        let mut units: Vec<Unit> = Vec::new();
        let mut single: BTreeMap<&[String], Unit> = BTreeMap::new();
        let mut pools = Pools { count: Pools::EXCEPTIONS + 1, keyed: walker.keyed(), ..Pools::default() };
        let mut row_counts: HashMap<usize, usize> = HashMap::new();
        for (index, (node, path)) in all.iter().enumerate() {
            let Some(sampled) = self.by_node.get(node) else { continue };
            if is_leaf(path) || path.iter().any(|key| is_index(key)) {
                continue;
            }
            if is_excluded(path) {
                pools.paths.push((path.clone(), Home::Text(InText::Excluded)));
                continue;
            }
            // Arrays that are in many rows would be stored twice, and what is asked of their elements has leaves.
            let has_containers = !is_rare(sampled.rows, rows) && sampled.containers * 2 > sampled.rows;
            if sampled.has_long || has_containers {
                let reason = if has_containers { InText::Containers } else { InText::Long };
                pools.paths.push((path.clone(), Home::Text(reason)));
                continue;
            }
            row_counts.insert(index, sampled.rows);
            if sampled.rows > 1 {
                // What compresses a few bytes adds more than it saves.
                let bytes = compressed(&sampled.values).min(sampled.values.len()) + sampled.rows;
                units.push(Unit { paths: vec![index], rows: sampled.rows, bytes, closes: None });
                continue;
            }
            // The sample has this path in one row. Other rows of the file have other paths like it, about as many as the sample has. Paths
            // that stand below one object are kept or left out together: the nearest object above that two or more rows have.
            let known = (0..path.len()).rev().map(|length| &path[..length]);
            let mut known = known.skip_while(|above| documents.get(above).is_some_and(|documents| *documents < 2));
            let above = known.next().unwrap_or_default();
            let unit = single.entry(above).or_insert_with(|| Unit {
                paths: Vec::new(),
                rows: 1,
                bytes: 0,
                closes: Some(above.to_vec()),
            });
            unit.paths.push(index);
            unit.bytes += sampled.values.len() + path.last().map_or(0, String::len);
        }
        units.extend(single.into_values());
        let (mut units, mut frequent): (Vec<Unit>, Vec<Unit>) =
            units.into_iter().partition(|unit| is_rare(unit.rows, rows));
        // Units are taken out from the back while they cost too much. Of rare paths the last are those that are hardly rare, since a query
        // that parses the text for them finds a value in many of the rows that it parses; among equals the costliest is last. Of frequent
        // paths it is the one that costs most for each value.
        let order = |unit: &Unit| (unit.rows * rarest >= rows, unit.bytes);
        units.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.paths.cmp(&b.paths)));
        let cost = |a: &Unit, b: &Unit| (a.bytes * b.rows).cmp(&(b.bytes * a.rows));
        frequent.sort_by(|a, b| cost(a, b).then_with(|| a.paths.cmp(&b.paths)));
        let (mut few, mut frequent): (Vec<Unit>, Vec<Unit>) =
            frequent.into_iter().partition(|unit| is_of_few(unit.rows, rows));
        // Those of few rows have bytes of their own, which are for what the rare ones have no room for, too; but for paths that the sample had once, of
        // which there may be any number.
        let (mut out, more): (Vec<Unit>, Vec<Unit>) =
            take_out(&mut units, text_bytes * BYTES_PERCENT / 100).into_iter().partition(|unit| unit.closes.is_some());
        few.extend(more);
        few.sort_by(|a, b| cost(a, b).then_with(|| a.paths.cmp(&b.paths)));
        out.append(&mut take_out(&mut few, text_bytes * FEW_PERCENT / 100));
        out.append(&mut take_out(&mut frequent, spare));
        for costliest in out {
            match costliest.closes {
                Some(above) => pools.closed.push(above),
                None => pools
                    .paths
                    .extend(costliest.paths.iter().map(|index| (all[*index].1.clone(), Home::Text(InText::Costly)))),
            }
        }
        let spare = spare - frequent.iter().map(|unit| unit.bytes).sum::<usize>();
        units.append(&mut few);
        units.append(&mut frequent);
        pools.closed.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        let mut left: Vec<(usize, usize)> = units
            .iter()
            .flat_map(|unit| &unit.paths)
            .map(|index| (row_counts.get(index).copied().unwrap_or_default(), *index))
            .collect();
        left.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| all[a.1].1.cmp(&all[b.1].1)));
        // Where more is to be pooled than so many pools have room for, each of them takes its part.
        let room = usize::from(MAX_POOLS - Pools::EXCEPTIONS - 1);
        let repeated = || left.iter().map(|(count, _)| *count).filter(|count| *count > 1);
        let mut most = (rows * ROWS_PERCENT / 100).max(repeated().sum::<usize>() / room).max(1);
        while pools_of(repeated(), most) > room {
            most += most.div_ceil(16);
        }
        // Paths come from the rarest to the most frequent and fill one pool after the other: the next pool's number, and how many rows
        // the paths of the last pool have together.
        let (mut next, mut filled) = (Pools::EXCEPTIONS + 1, most);
        for (count, index) in left {
            let mut home = Home::Pool(Pools::UNFORESEEN);
            if count > 1 {
                if filled + count > most {
                    (next, filled) = (next + 1, 0);
                }
                filled += count;
                home = if next <= MAX_POOLS { Home::Pool(next - 1) } else { Home::Text(InText::Costly) };
            }
            pools.paths.push((all[index].1.clone(), home));
            pools.count = pools.count.max(home.pool().map_or(0, |pool| pool + 1));
        }
        pools.paths.sort();
        (pools, spare)
    }
}

/// Says whether a path that so many of the sampled rows have is one of few rows.
fn is_of_few(have_it: usize, rows: usize) -> bool {
    have_it.saturating_sub(FEW_MORE) * FEW <= rows
}

/// Counts the pools that paths of so many rows each fill one after the other, where none has more than so many.
fn pools_of(counts: impl Iterator<Item = usize>, most: usize) -> usize {
    let (mut pools, mut filled) = (0, most);
    for count in counts {
        if filled + count > most {
            (pools, filled) = (pools + 1, 0);
        }
        filled += count;
    }
    pools
}

/// Says whether a path that so many of the sampled rows have is rare.
fn is_rare(have_it: usize, rows: usize) -> bool {
    have_it == 1 || have_it * RARE < rows
}

/// Takes units out from the back until the others take no more than so many bytes; returns those taken out.
fn take_out(units: &mut Vec<Unit>, most: usize) -> Vec<Unit> {
    let mut sum: usize = units.iter().map(|unit| unit.bytes).sum();
    let mut kept = units.len();
    while sum > most {
        kept -= 1;
        sum -= units.get(kept).map_or(sum, |unit| unit.bytes);
    }
    units.split_off(kept)
}

/// Builds the pools of one JSON column for one batch.
#[derive(Debug)]
pub(super) struct PoolBuilders {
    pools: Vec<PoolBuilder>,
    text_bytes: usize,
}

#[derive(Debug)]
struct PoolBuilder {
    documents: SparseTexts,
    bytes: usize,
    /// The document of the row, not closed; empty where it has nothing so far.
    document: String,
}

impl PoolBuilders {
    /// Makes builders for so many pools, of about so many rows.
    pub fn new(count: u8, rows: usize) -> Self {
        let pool = |_| PoolBuilder { documents: SparseTexts::new(rows), bytes: 0, document: String::new() };
        Self { pools: (0..count).map(pool).collect(), text_bytes: 0 }
    }

    /// Appends what goes to pools from the document of a row.
    pub fn append<'a>(&mut self, row: usize, text_bytes: usize, values: impl Iterator<Item = Pooled<'a>>) {
        self.text_bytes += text_bytes;
        let mut touched = 0_u32;
        for value in values {
            let Some(number) = value.pool else { continue };
            let Some(pool) = self.pools.get_mut(usize::from(number)) else { continue };
            touched |= 1 << number;
            pool.document.push_str(if pool.document.is_empty() { "{\"" } else { ",\"" });
            pool.document.push_str(value.key);
            pool.document.push_str("\":");
            pool.document.push_str(value.value);
        }
        while touched != 0 {
            let pool = &mut self.pools[touched.trailing_zeros() as usize];
            touched &= touched - 1;
            pool.document.push('}');
            pool.bytes += pool.document.len();
            pool.documents.append(row, &pool.document);
            pool.document.clear();
        }
    }

    /// Returns the columns for so many rows. A pool that has become too large is left empty, and its bit is set in `lost`.
    pub fn finish(self, rows: usize, lost: &mut u32) -> Vec<ArrayRef> {
        let most = LOST_BYTES.max(self.text_bytes / 100 * LOST_PERCENT);
        let mut columns = Vec::with_capacity(self.pools.len());
        for (number, pool) in self.pools.into_iter().enumerate() {
            if pool.bytes > most {
                *lost |= 1 << number;
                columns.push(new_null_array(&DataType::Utf8View, rows));
                continue;
            }
            columns.push(pool.documents.finish(rows));
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, RecordBatch, StringViewArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::shred::manifest::PathNode;
    use crate::shred::{FileShredder, LeafLimits};

    fn choose_with(documents: &[String], text_bytes: usize, spare: usize) -> (Pools, usize) {
        let mut walker = Walker::for_sample();
        let mut rare = RarePaths::default();
        for document in documents {
            walker.walk(document);
            walker.pooled(document).for_each(|value| rare.add(&value));
        }
        let limits = PoolLimits { rows: documents.len(), rarest: 100, text_bytes, spare };
        rare.choose(&walker, |path| path == ["leaf"], |path| path == ["excluded"], &limits, <[u8]>::len)
    }

    fn choose(documents: &[String], text_bytes: usize) -> Pools {
        choose_with(documents, text_bytes, 0).0
    }

    fn pool_of(pools: &Pools, path: &str) -> Option<Option<u8>> {
        pools.paths.iter().find(|(known, _)| known.join(".") == path).map(|(_, home)| home.pool())
    }

    #[test]
    fn the_rarest_share_with_the_rarest_and_the_frequent_stay_in_the_text() {
        let document = |row: usize| {
            let mut keys = vec![r#""leaf":1"#.to_owned()];
            for (key, each) in [("most", 2), ("often", 50), ("rare_a", 101), ("rare_b", 102), ("rarer", 500)] {
                keys.extend(row.is_multiple_of(each).then(|| format!(r#""{key}":"v""#)));
            }
            keys.extend((row == 7).then(|| format!(r#""once":1,"0":2,"long":"{}""#, "x".repeat(MAX_POOLED_BYTES))));
            format!("{{{}}}", keys.join(","))
        };
        let documents: Vec<String> = (0..10_000).map(document).collect();
        let pools = choose(&documents, 1 << 20);
        assert_eq!(pool_of(&pools, "once"), Some(Some(Pools::UNFORESEEN)));
        assert_eq!(pool_of(&pools, "most"), Some(None));
        assert_eq!(pool_of(&pools, "often"), Some(Some(3)));
        assert_eq!(pool_of(&pools, "long"), Some(None));
        // A leaf and the index of an array are not for pools at all.
        assert_eq!((pool_of(&pools, "leaf"), pool_of(&pools, "0")), (None, None));
        assert_eq!(pool_of(&pools, "rarer"), Some(Some(2)));
        assert_eq!(pool_of(&pools, "rare_b"), pool_of(&pools, "rarer"));
        assert_eq!((pools.count, pools.closed.len()), (4, 0));
    }

    #[test]
    fn what_leaves_left_over_is_for_frequent_paths_the_cheapest_a_value_first() {
        let document = |row: usize| {
            let dear = if row.is_multiple_of(2) { r#","dear":"a value that costs more than it is worth""# } else { "" };
            let cheap = if row.is_multiple_of(3) { r#","cheap":1"# } else { "" };
            let rare = if row.is_multiple_of(200) { r#","rare":1"# } else { "" };
            format!(r#"{{"leaf":1{dear}{cheap}{rare}}}"#)
        };
        let documents: Vec<String> = (0..3_000).map(document).collect();
        let pooled = |spare| {
            let (pools, left) = choose_with(&documents, 1 << 20, spare);
            (["dear", "cheap", "rare"].map(|path| pool_of(&pools, path).unwrap()), pools.count, left)
        };
        assert_eq!(pooled(0), ([None, None, Some(2)], 3, 0));
        // A value and a byte for its place, a thousand times.
        assert_eq!(pooled(2_500), ([None, Some(3), Some(2)], 4, 500));
        assert_eq!(pooled(1 << 20).0, [Some(4), Some(3), Some(2)]);
    }

    #[test]
    fn many_frequent_paths_share_the_pools_that_there_may_be() {
        let document = |row: usize| {
            let keys = (0..300).filter(|key| (row + key * 7).is_multiple_of(10)).map(|key| format!(r#""k{key}":1"#));
            format!("{{{}}}", keys.collect::<Vec<_>>().join(","))
        };
        let documents: Vec<String> = (0..1_000).map(document).collect();
        let (pools, _) = choose_with(&documents, 1 << 20, 1 << 30);
        assert!(pools.count <= MAX_POOLS && pools.paths.iter().all(|(_, home)| home.pool().is_some()), "{pools:?}");
    }

    #[test]
    fn what_is_hardly_rare_gives_way_before_what_was_met_once() {
        let document = |row: usize| {
            let often = if row.is_multiple_of(80) { r#","often":"one in eighty""# } else { "" };
            let once = if row == 7 { r#","once":"a value that is long enough to cost something here""# } else { "" };
            format!(r#"{{"leaf":1{often}{once}}}"#)
        };
        let documents: Vec<String> = (0..10_000).map(document).collect();
        let both = choose(&documents, 1 << 20);
        assert_eq!((pool_of(&both, "often"), pool_of(&both, "once")), (Some(Some(2)), Some(Some(Pools::UNFORESEEN))));
        // Room for one of them.
        let one = choose(&documents, 60 * 100 / BYTES_PERCENT);
        assert_eq!((pool_of(&one, "often"), pool_of(&one, "once")), (Some(None), Some(Some(Pools::UNFORESEEN))));
        assert_eq!(one.closed.len(), 0);
    }

    /// Shreds the documents of twenty tenants, each with a hundred paths that a tenth to all of its documents have; returns the paths that are read
    /// from the text, and all.
    fn of_tenants(rows: usize) -> (usize, usize) {
        let hash = |row: usize, key: usize| xxhash_rust::xxh3::xxh3_64(format!("{row} {key}").as_bytes()) as usize;
        let document = |row: usize| {
            let tenant = hash(row, 1_000) % 20;
            let has = |key: &usize| hash(row, *key) % 1_000 < 100 + key * 9;
            let value = |key: usize| match (key % 3, hash(row, key + 500)) {
                (0, hash) => format!(r#""text-{}""#, hash % 300),
                (1, hash) => (hash % 1_000).to_string(),
                (_, hash) => (hash % 2 == 0).to_string(),
            };
            let members = (0..98).filter(has).map(|key| format!(r#","f{key}":{}"#, value(key)));
            format!(r#"{{"tenant":{tenant},"t{tenant}":{{"is":true{}}}}}"#, members.collect::<String>())
        };
        let texts: ArrayRef = Arc::new((0..rows).map(|row| Some(document(row))).collect::<StringViewArray>());
        let schema = Arc::new(Schema::new(vec![Field::new("data", DataType::Utf8View, true)]));
        let batch = RecordBatch::try_new(schema, vec![texts]).unwrap();
        // As a file of running sessions is, which are a hundredth of their lake.
        let limits = LeafLimits { lake_rows: 16_000, ..LeafLimits::of_columns(512) };
        let set = crate::shred::choice::choose(std::slice::from_ref(&batch), &["data"], &limits, rows);
        let shredder = FileShredder::new(vec!["data"], set);
        let mut at = 0;
        while at < rows {
            at += shredder.shred(&batch.slice(at, rows - at)).unwrap().rows;
        }
        let manifest = shredder.manifest();
        let root = &manifest.columns["data"];
        let paths: Vec<&PathNode> = root.children.values().flat_map(|tenant| tenant.children.values()).collect();
        (paths.iter().filter(|node| node.reason(root.lost_pools).is_some()).count(), paths.len())
    }

    #[test]
    fn paths_of_many_tenants_in_one_file_are_read_from_columns() {
        for rows in [160, 6_000] {
            let (from_text, paths) = of_tenants(rows);
            assert!(paths > 1_500 && from_text * 100 <= paths * 2, "{from_text} of {paths} in {rows} rows");
        }
    }

    #[test]
    fn keys_that_are_ids_stay_in_the_text_and_leave_room_for_others() {
        let document = |row: usize| {
            let rare = if row.is_multiple_of(200) { r#","rare":1"# } else { "" };
            format!(r#"{{"cart":{{"item-{row}":{{"name":"thing {row}","price":{row}}}}}{rare}}}"#)
        };
        let documents: Vec<String> = (0..1_000).map(document).collect();
        let pools = choose(&documents, documents.iter().map(String::len).sum());
        assert_eq!((pools.keyed.as_slice(), pools.closed.len()), (&[vec!["cart".to_owned()]][..], 0));
        assert_eq!(pool_of(&pools, "cart.item-5.name"), None);
        assert_eq!(pool_of(&pools, "rare"), Some(Some(2)));
        // What comes later is known to be left out.
        let mut walker = Walker::for_leaves(std::iter::empty(), Some(&pools));
        let later = r#"{"cart":{"item-x":{"name":"thing"}},"new":"y","rare":2}"#;
        walker.walk(later);
        let pooled: Vec<_> = walker.pooled(later).map(|value| (value.pool, value.key, value.value)).collect();
        assert_eq!(pooled, [(Some(0), "/new", "\"y\""), (Some(2), "0~", "2")]);
    }

    #[test]
    fn a_pool_that_becomes_too_large_is_left_empty() {
        let value = |pool, value| Pooled { node: 1, pool: Some(pool), key: "/k", value };
        let mut builders = PoolBuilders::new(2, 300);
        let long = format!("\"{}\"", "x".repeat(MAX_POOLED_BYTES - 2));
        for row in 0..100 {
            let values = [value(0, "1"), value(1, long.as_str())];
            builders.append(row * 2, 3_000, values.into_iter().filter(|value| value.pool == Some(1) || row == 3));
        }
        let mut lost = 0;
        let columns = builders.finish(300, &mut lost);
        assert_eq!(lost, 0b10);
        let counts: Vec<_> = columns.iter().map(|column| (column.len(), column.len() - column.null_count())).collect();
        assert_eq!(counts, [(300, 1), (300, 0)]);
        let first = columns[0].as_any().downcast_ref::<arrow::array::StringViewArray>().unwrap();
        assert_eq!(first.value(6), r#"{"/k":1}"#);
    }
}
