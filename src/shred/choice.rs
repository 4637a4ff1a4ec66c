//! Chooses the leaves of a file from a sample of its rows, by what they are worth.
//!
//! A leaf is worth the rows that have a value, and costs the bytes that its values compress to. The cost is measured: the sample's values
//! are compressed. Two limits hold. Of more leaves than a file may have, the most frequent stay. Of more bytes
//! than the budget of bytes, ids give way first, then the leaves that cost most per value. A path holds ids if its values hardly repeat and
//! have one length. Customer and order numbers are looked up one at a time, whereas amounts are added up and addresses are searched.
//!
//! What is long (notes, payloads) is never a leaf. What hardly repeats and is what another column holds already, such as the
//! phone number that is in a column of its own, in `source_details` and once more inside `data`, would be stored two or three
//! times. In a million generated sessions (110 MB of compressed JSON, 147 MB in all without leaves) these paths would cost 9.8 MB, all
//! other leaves 26 MB. Of a path that copies a column of the table, or another leaf that is more frequent, only the differences are stored.
//!
//! What a function gives of most of a path's strings, and repeats, gets a column too ([`super::computed`]), which is paid for before
//! all leaves.
//!
//! Inside the elements of arrays only what repeats, and small numbers, become leaves. Paths by index have none: `events[3]` is another thing in every
//! session. What the sample says of values is in `values`.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch, StringViewArray};
use arrow::datatypes::DataType;
use xxhash_rust::xxh3::xxh3_64;

use super::candidates::{
    Candidate, compressed_bytes, counted_bytes, leave_out_copies, leave_out_costliest, leave_out_orphans, place,
};
use super::computed::{Computed, OF_STRINGS, of_column};
use super::document::Walker;
use super::leaf::{Leaf, LeafSet, is_index};
use super::limits::LeafLimits;
use super::pools::{PoolLimits, RarePaths};
use super::values::{RAREST, Values};

/// Rows of the sample at most, spread evenly.
const SAMPLE_ROWS: usize = 4_096;
/// One sampled document of so many is compressed, to tell what the text takes.
const COMPRESSED_TEXTS: usize = 4;
/// Bytes of all leaves at most, as a percentage of what the JSON text compresses to, which is three quarters of a usual lake. At 18 %
/// customer numbers gave way, 5 MB of a lake of 198 MB: they are in every session, and to count them by number took 1.38 CPU seconds
/// in place of 0.05 on a million.
const BYTES_PERCENT: usize = 23;
/// The same for a file that is small beside its lake.
const SMALL_BYTES_PERCENT: usize = 60;
/// What all other columns of a row take, measured on a million generated sessions.
const OTHER_BYTES: usize = 36;

/// Leaf columns whose own bytes are not counted: those of usual documents.
const FREE_COLUMNS: usize = 64;
/// What a column of a row group takes beside its values: its part of the footer and of the page indexes, and the dictionary's page. Of 100,000
/// documents with 500 paths a footer grew by 340 bytes a column, and each of some thirty paths of truth values took 500 bytes more than these.
const COLUMN_BYTES: usize = 800;

/// Chooses leaf columns for row groups of so many rows like these.
pub fn choose(batches: &[RecordBatch], columns: &[&'static str], limits: &LeafLimits, group_rows: usize) -> LeafSet {
    let (budget, rules) = (limits.columns, &limits.rules);
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let step = rows.div_ceil(SAMPLE_ROWS).max(1);
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut rare_paths = Vec::new();
    let mut text_bytes = 0;
    // What is computed of whole columns, and what it takes.
    let mut computed: Vec<(Computed, usize)> = Vec::new();
    for name in columns {
        let mut walker = Walker::for_sample();
        // By path, and path inside the elements of an array.
        let mut values: BTreeMap<(usize, Option<usize>), Values> = BTreeMap::new();
        let mut rare = RarePaths::default();
        let mut some_texts = Vec::new();
        let function = of_column(name);
        let mut whole = Values::default();
        let mut sampled = 0;
        for text in sampled_texts(batches, name, step) {
            if let Some(text) = text {
                if sampled % COMPRESSED_TEXTS == 0 {
                    some_texts.extend_from_slice(text.as_bytes());
                }
                if let Some(function) = function {
                    whole.text_rows += 1;
                    whole.compute(function, sampled, text);
                }
                walker.walk(text);
                for seen in walker.values(text) {
                    values.entry((seen.node, None)).or_default().add(sampled, seen);
                }
                walker.pooled(text).for_each(|value| rare.add(&value));
                walker.arrays.sample(text, |array, number, element, walker| {
                    for seen in walker.values(element) {
                        values.entry((array, Some(seen.node))).or_default().add_element(sampled, number, seen);
                    }
                });
            }
            sampled += 1;
        }
        if let Some((function, bytes)) = function.zip(whole.cost_of_computed()) {
            computed.push((Computed { column: (*name).to_owned(), path: Vec::new(), function }, bytes));
        }
        let column_bytes = compressed_bytes(&some_texts) * COMPRESSED_TEXTS;
        text_bytes += column_bytes;
        for (node, path) in walker.paths() {
            let inside = walker.arrays.paths(node).into_iter().map(|(inside, path)| (Some(inside), Some(path)));
            for (inside_node, inside) in std::iter::once((None, None)).chain(inside) {
                let mut keys = path.iter().chain(inside.iter().flatten());
                let is_wanted = rules.includes(name, &path, inside.as_deref());
                let arrays = inside.as_ref().and_then(|_| walker.arrays.sampled(node));
                if let Some(values) = values.remove(&(node, inside_node))
                    && (is_wanted
                        || values.is_worth_it(sampled) && arrays.is_none_or(|arrays| values.is_worth_lists(arrays)))
                    && !rules.excludes(name, &path, inside.as_deref())
                    && !keys.any(|key| is_index(key))
                {
                    let (rows, bytes) = match arrays {
                        Some(arrays) => (arrays.scaled(values.rows), values.cost_in(arrays)),
                        None => (values.rows, values.cost()),
                    };
                    let computed = values.cost_of_computed().filter(|_| inside.is_none());
                    let leaf = Leaf {
                        column: (*name).to_owned(),
                        path: path.clone(),
                        inside,
                        kinds: values.kinds,
                        copy_of: None,
                    };
                    let is_of_one_length = values.is_of_one_length();
                    let hashes = values.hashes;
                    candidates.push(Candidate {
                        leaf,
                        rows,
                        copied_rows: 0,
                        bytes,
                        is_of_one_length,
                        hashes,
                        computed,
                        is_wanted,
                    });
                }
            }
        }
        rare_paths.push((*name, walker, rare, sampled, column_bytes));
    }
    // The most frequent first; paths break ties, so that the same rows give the same leaves.
    candidates.sort_by(|a, b| {
        let wanted = b.is_wanted.cmp(&a.is_wanted);
        wanted.then(b.rows.cmp(&a.rows)).then_with(|| place(&a.leaf).cmp(&place(&b.leaf)))
    });
    leave_out_copies(&mut candidates, &other_columns(batches, columns, step));
    computed.truncate(budget);
    let mut used = computed.len();
    // What a column takes of itself, for as many of its rows as were sampled.
    let column_bytes = COLUMN_BYTES * rows.min(SAMPLE_ROWS) / group_rows.max(rows).max(1);
    candidates.retain_mut(|candidate| {
        let columns = candidate.leaf.kinds.count_ones() as usize + usize::from(candidate.computed.is_some());
        let fits = used + columns <= budget;
        if fits {
            used += columns;
            candidate.bytes += column_bytes * used.saturating_sub(FREE_COLUMNS).min(columns);
        }
        fits
    });
    leave_out_orphans(&mut candidates);
    let computed_bytes =
        computed.iter().map(|(_, bytes)| bytes).chain(candidates.iter().filter_map(|c| c.computed.as_ref()));
    let computed_bytes: usize = computed_bytes.sum();
    // Short documents are a smaller part of their lake, so that as many bytes are worth more of their paths.
    let short_of = (rows.min(SAMPLE_ROWS) * OTHER_BYTES * 3 / 4).saturating_sub(text_bytes / 4);
    let counted = |bytes: usize| bytes + (short_of as u64 * bytes as u64 / text_bytes.max(1) as u64) as usize;
    let percent = if limits.is_small(group_rows) { SMALL_BYTES_PERCENT } else { BYTES_PERCENT };
    let budget_bytes = (counted(text_bytes) * percent / 100).saturating_sub(computed_bytes);
    leave_out_costliest(&mut candidates, budget_bytes);
    let mut spare = budget_bytes.saturating_sub(counted_bytes(&candidates));
    candidates.sort_by(|a, b| place(&a.leaf).cmp(&place(&b.leaf)));
    let of_strings =
        |leaf: &Leaf| Computed { column: leaf.column.clone(), path: leaf.path.clone(), function: OF_STRINGS };
    let computed = computed.into_iter().map(|(computed, _)| computed);
    let computed =
        computed.chain(candidates.iter().filter(|c| c.computed.is_some()).map(|c| of_strings(&c.leaf))).collect();
    let leaves: Vec<Leaf> = candidates.into_iter().map(|candidate| candidate.leaf).collect();
    let pools = rare_paths.into_iter().map(|(name, walker, rare, sampled, bytes)| {
        let is_leaf = |path: &[String]| {
            leaves.iter().any(|leaf| leaf.column == name && leaf.path == path && leaf.inside.is_none())
        };
        let excluded = |path: &[String]| rules.excludes(name, path, None);
        let limits = PoolLimits { rows: sampled, rarest: RAREST, text_bytes: counted(bytes), spare };
        let (pools, left) = rare.choose(&walker, is_leaf, excluded, &limits, compressed_bytes);
        spare = left;
        (name.to_owned(), pools)
    });
    let pools = pools.collect();
    LeafSet { leaves, pools, computed }
}

/// Lists every so-manieth text of a column; nothing where there is no such column.
fn sampled_texts<'a>(batches: &'a [RecordBatch], name: &str, step: usize) -> impl Iterator<Item = Option<&'a str>> {
    let columns: Vec<&StringViewArray> = batches
        .iter()
        .filter_map(|batch| batch.column_by_name(name).and_then(|column| column.as_string_view_opt()))
        .collect();
    columns.into_iter().flat_map(StringViewArray::iter).step_by(step)
}

/// Lists the sampled texts of the columns that are not JSON, as row and hash.
fn other_columns(
    batches: &[RecordBatch],
    json_columns: &[&'static str],
    step: usize,
) -> Vec<(String, Vec<(usize, u64)>)> {
    let Some(batch) = batches.first() else { return Vec::new() };
    let schema = batch.schema();
    let names = schema
        .fields()
        .iter()
        .filter(|field| *field.data_type() == DataType::Utf8View && !json_columns.contains(&field.name().as_str()));
    names
        .map(|field| {
            let texts = sampled_texts(batches, field.name(), step).enumerate();
            let values = texts.filter_map(|(row, text)| Some((row, xxh3_64(text?.as_bytes())))).collect();
            (field.name().clone(), values)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ArrayRef;
    use arrow::datatypes::{Field, Schema};

    use super::*;

    /// Numbers that look as if there were no order in them.
    fn scattered(n: usize) -> usize {
        (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20 & 0xFFFF_FFFF
    }

    fn rows(count: usize) -> RecordBatch {
        let phone = |n: usize| format!("+1{:010}", scattered(n));
        let data = (0..count).map(|n| {
            // One row of a thousand is odd.
            let in_data = if n % 1_000 == 7 { String::from("none") } else { phone(n) };
            let notes: String = (1..9).map(|part| format!("{:010} ", scattered(n * 10 + part))).collect();
            let rare = if n % 200 == 0 { r#","rare":1"# } else { "" };
            Some(format!(
                r#"{{"tier":"t{}","phone":"{in_data}","mail":"p{}@example.org","notes":"{n}{notes}","list":{{"0":"x"}}{rare}}}"#,
                n % 3,
                scattered(n)
            ))
        });
        let tier = (0..count).map(|n| Some(format!("t{}", n % 3)));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("phone", Arc::new((0..count).map(|n| Some(phone(n))).collect::<StringViewArray>())),
            ("tier", Arc::new(tier.collect::<StringViewArray>())),
            ("data", Arc::new(data.collect::<StringViewArray>())),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|c| c.1).collect()).unwrap()
    }

    fn chosen(budget: usize) -> Vec<String> {
        let batch = rows(9_000);
        let leaves = choose(
            &[batch.slice(0, 4_001), batch.slice(4_001, 4_999)],
            &["data"],
            &LeafLimits::of_columns(budget),
            9_000,
        );
        let told = |leaf: Leaf| match leaf.copy_of {
            Some(column) => format!("{} of {column}", leaf.path.join(".")),
            None => leaf.path.join("."),
        };
        leaves.leaves.into_iter().map(told).collect()
    }

    #[test]
    fn what_has_a_column_of_the_table_is_not_stored_again() {
        // Not what is long, rare, or may be an index.
        assert_eq!(chosen(10), ["mail", "phone of phone", "tier of tier"]);
        assert_eq!(chosen(0), Vec::<String>::new());
    }

    #[test]
    fn rare_keys_of_elements_and_what_hardly_repeats_have_no_lists() {
        let element = |n: usize| {
            format!(
                r#"{{"ty":"t{}","t":{},"took":{},"id":"{:08x}","v{:03}":1}}"#,
                n % 5,
                scattered(n) * 977,
                scattered(n) % 50,
                scattered(n),
                n % 300
            )
        };
        let document = |row: usize| {
            let elements: Vec<String> = (0..40).map(|n| element(row * 40 + n)).collect();
            Some(format!(r#"{{"trace":[{}]}}"#, elements.join(",")))
        };
        let data: ArrayRef = Arc::new((0..300).map(document).collect::<StringViewArray>());
        let schema = Arc::new(Schema::new(vec![Field::new("data", DataType::Utf8View, true)]));
        let batch = RecordBatch::try_new(schema, vec![data]).unwrap();
        let set = choose(&[batch], &["data"], &LeafLimits::of_columns(512), 300);
        let names: Vec<String> = set.columns().map(|(leaf, kind)| leaf.name(kind)).collect();
        assert_eq!(names, ["~shred/data/trace[]/took#i", "~shred/data/trace[]/ty#s"]);
    }
}
