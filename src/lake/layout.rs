//! Every storage choice on one page, each with its reason.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::schema::{self, COLUMNS, CONTENT_HASH, EXTRA, Kind};

/// The Delta table of sessions, a folder of the lake.
pub const SESSIONS: &str = "workflow_sessions";
/// The Delta table of input that could not be stored.
pub const QUARANTINE: &str = "quarantine";
/// The Delta table of facts "the state with this content hash was seen at this instant".
///
/// An export repeats the states of sessions that ended long ago. The latest instant at which a state was seen decides which of
/// two states wins, so it must be kept; but rewriting a file of ended sessions only to move `_exported_at` forward would
/// rewrite the lake at every ingest. A sighting is a few bytes beside the data, true whatever becomes of the table, and so
/// may be committed before the ingest that found it.
pub const SIGHTINGS: &str = "sightings";

/// The Delta table of files that were taken in long ago, by hashes of their names: the log of sessions forgets these names after
/// [`KNOWN_FOR`], since every checkpoint has all that it knows. A file an hour is 8 kB of names a day in each of them.
pub const TAKEN: &str = "taken";
/// How long the log of sessions knows the names of files that were taken in.
pub const KNOWN_FOR: &str = "interval 400 days";
/// The Delta table of sessions that were erased, which an ingest must not bring back. It has no ids: [`crate::ingest`] makes fingerprints of them
/// with a key that is among the table's properties, so that a fingerprint says nothing in another lake.
pub const ERASED: &str = "erased";
/// The property of that table that has the key, in hexadecimal.
pub const ERASED_KEY: &str = "sessionlake.key";

/// The folder in that of the sessions with the index of their ids, which is derived from the data files (`lake::index`).
pub const INDEX: &str = "_sessions";
/// Files that tell of their ids from which on there is an index of all, unless the lake says otherwise. What files are merged to stands in the index anew, so that
/// of a lake that is fed each hour, which has some forty files, the index would be written several times over: it is for lakes that are large. Fewer
/// files are asked one by one, side by side.
pub const INDEXED_FILES: usize = 64;
/// Sessions that the file at the top of the index has itself, at most: 32 kB, which each ingest writes anew. Of hourly exports of 100 sessions
/// it is a fifth of what an ingest writes.
pub const INDEX_RECENT: usize = 4_096;
/// How many times as many sessions a segment of the index has as what is written behind it, at least. With 16 a hundred million sessions have
/// four segments at most, each of which a look-up asks once, and a session is written eight times for each of them on average, in 8 bytes.
pub const INDEX_FANOUT: u64 = 16;
/// Sessions of a block of a segment, the least that is read of one: 16 kB. Its place and sum take 8 bytes at the top: of a hundred million sessions
/// 390 kB. An ingest of 200 sessions reads 3.2 MB of blocks, however many others there are.
pub const INDEX_BLOCK: usize = 2_048;

/// A version of a Delta table, from 0.
pub type Version = u64;

/// Rows of a data file at most. A file is what an update rewrites and what the log prunes: at 262,144 rows (some 45 MB) an
/// ingest that changes one old session rewrites little, and ten million sessions are forty files. Two whole row groups.
pub const FILE_ROWS: usize = 2 * ROW_GROUP_ROWS;
/// Rows of a row group at most: two to a file, so that two threads share a file, while a column chunk of ids stays some
/// hundred kilobytes. A million generated sessions take 169.0 MB in row groups of 32,768 rows, 168.4 in 65,536, 168.1 in 131,072, and
/// 168.0 where a file is one (columns alone, written by PyArrow). The writer's memory does not depend on it: it holds the compressed columns of a row group, some 25 MB.
pub const ROW_GROUP_ROWS: usize = 131_072;
/// Rows that a file's leaf columns and encodings are chosen from: its first ones.
pub const SAMPLE_ROWS: usize = 32_768;
/// Rows of the sample that are looked at to tell columns whose values hardly repeat.
pub const VARIETY_ROWS: usize = 4_096;
/// The column that is as large as all others.
pub const LARGEST_COLUMN: &str = "data";
/// Rows of a data page at most: the unit that the page index prunes, and inside which rows are clustered. Pages of `data` end at the
/// writer's usual megabyte before: with 2,048 rows. Of 131,072 generated sessions it takes 13.06 MB so, 13.19 in pages of half the size,
/// 13.43 of a quarter, 13.96 of an eighth, and 13.00 of twice the size. Smaller ones would not be worth it: looking one session
/// up takes 9 CPU milliseconds, less than two of them for its page of `data`.
pub const PAGE_ROWS: usize = 8_192;
/// What the rows of a page are ordered by, before time (`lake::cluster`).
///
/// On 131,072 generated sessions `data` takes 15.45 MB in the order of time, 13.30 with pages of 8,192 rows ordered by workflow,
/// 13.08 by workflow and step, and no less with more columns; compressing it takes a tenth less time. By workflow and step in
/// 2,048 rows it takes 13.59 MB, in 4,096 13.29, in 16,384 12.92, in the whole row group 12.68.
pub const CLUSTER_COLUMNS: [&str; 2] = ["workflow_id", "current_workflow_item_id"];
/// What the footers of our files name as the program that wrote them, before its version.
pub const PROGRAM: &str = "sessionlake ";
/// Zstandard level. Of 131,072 generated sessions, clustered, `data` takes 13.08 MB at level 1; level 3 makes it 1 % larger for a
/// third more time, and session ids, phone numbers and Source Details 5 to 12 % larger. Level 5 takes 10 % off `data` for three times
/// the time: some 3 CPU seconds a million sessions, a quarter of the whole ingest.
pub const ZSTD_LEVEL: i32 = 1;
/// The level of files of few rows, and of small files that upkeep makes: they are written anew many times before they are large, and that is what a lake
/// that is fed each hour writes most of. Of an hour's 126 sessions a file takes 34.5 kB at level 1, 30.4 at 9 and 29.5 at 15, for some two milliseconds.
pub const SMALL_ZSTD_LEVEL: i32 = 9;
/// A checkpoint of the log every so many versions, so that opening a lake reads few small files.
pub const CHECKPOINT_INTERVAL: u64 = 20;
/// Share of absent ids for which a bloom filter says "maybe".
pub const BLOOM_FALSE_POSITIVES: f64 = 0.01;
/// Text longer than this has no minimum or maximum in the log's statistics.
pub const STATISTICS_TEXT_BYTES: usize = 64;

/// The JSON columns whose paths get leaf columns.
pub const SHREDDED_COLUMNS: [&str; 3] = ["action_data", "data", "source_details"];
/// Leaf columns of a file at most, where nobody says otherwise.
///
/// Measured on 200,000 generated sessions, CPU seconds on a busy machine, queries as whole processes: grouping by
/// `variables.customer_tier` (in all rows), a mean of `variables.confidence` by `variables.intent` (half of the rows), grouping by
/// `variables.web_chat_contact_by` (one row of twelve) and by the domain of `details.email` (all rows).
///
/// | budget | bytes | ingest | tier | confidence | contact by | domain |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | 0 | 33.5 MB | 2.3 | 0.27 | 0.49 | 0.37 | 0.35 |
/// | 16 | 36.5 MB | 2.8 | 0.02 | 0.33 | 0.38 | 0.03 |
/// | 32 | 37.5 MB | 3.0 | 0.01 | 0.04 | 0.40 | 0.03 |
/// | 64 | 39.2 MB | 3.2 | 0.03 | 0.04 | 0.02 | 0.04 |
/// | 128 | 39.1 MB | 3.3 | 0.02 | 0.04 | 0.01 | 0.03 |
///
/// Beyond 64 only paths of a hundredth of the rows are left there, and the limit of bytes (in `shred::choice`) decides. Documents of other
/// systems have more: of 100,000 sessions with 500 paths, each in 1 to 20 % of the rows, a path of 5 % took 0.30 CPU seconds with 64 columns, and 0.04
/// with 402, for 46.1 MB in place of 38.7.
pub const LEAF_BUDGET: usize = 512;

/// Rows up to which a file that is small beside its lake has no leaves: of a hundred sessions they are two thirds of the 60 kB, and most of the work of
/// writing them; and to read their text is little beside what a query reads of the lake.
pub const LEAFLESS_ROWS: u64 = 1_024;
/// How many times as many rows the lake must have.
pub const LEAFLESS_SHARE: u64 = 16;

/// The property of a lake that names JSON paths which always have a place beside the text, as [`crate::shred::PathRules::parse`] reads them.
pub const LEAVES_INCLUDE: &str = "sessionlake.leaves.include";
/// The property of a lake that names those which never have one.
pub const LEAVES_EXCLUDE: &str = "sessionlake.leaves.exclude";

/// Says whether a file of so many rows has leaves in a lake of so many rows.
pub fn has_leaves(rows: u64, lake_rows: u64) -> bool {
    rows > LEAFLESS_ROWS || rows.saturating_mul(LEAFLESS_SHARE) > lake_rows
}

/// Columns with a bloom filter in every row group: those that single values are looked up in. With the page indexes they are 2.5
/// of the 147 MB that a million sessions take without leaves.
pub const BLOOM_COLUMNS: [&str; 2] = ["session_id", "source_details_phone_number"];

/// Bytes of a leaf column in a row group up to which it is not compressed. Of 197 columns of a file of a million generated sessions 108 took less than
/// 32 KiB or held truth values; zstd saved 0.17 of their 3 MB and of the file's 47. Each column that is compressed has a context of zstd of its own while its row
/// group is written: the peak of an ingest of 50,000 sessions on one thread fell from 336 to 302 MB.
const SMALL_BYTES: usize = 32 << 10;
/// Different values of such a column at most in the sample: the dictionary has their texts.
const SMALL_DISTINCT: usize = 256;
/// Bytes of its dictionary at most. Without this bound a pool of payloads took 1.6 MB in each row group that zstd makes 0.3 of.
const SMALL_DICTIONARY_BYTES: usize = 8 << 10;
/// What a dictionary has of a text beside its bytes: how long it is.
const DICTIONARY_ENTRY_BYTES: usize = 4;

/// How large files become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// Rows of a file at most.
    pub file_rows: usize,
    /// Rows of a row group at most.
    pub row_group_rows: usize,
}

impl FileLimits {
    /// Returns limits by which so many rows make as few files as the usual ones, of about the same size each: whole pages, so that only the
    /// last page of a file is not full.
    pub fn even(rows: u64) -> Self {
        let usual = Self::default();
        let share = |rows: usize, most: usize| {
            let each = rows.div_ceil(rows.div_ceil(most).max(1)).next_multiple_of(PAGE_ROWS);
            each.clamp(PAGE_ROWS, most.max(PAGE_ROWS))
        };
        let file_rows = share(usize::try_from(rows).unwrap_or(usize::MAX / 2), usual.file_rows);
        Self { file_rows, row_group_rows: share(file_rows, usual.row_group_rows) }
    }
}

impl Default for FileLimits {
    /// Returns the limits of this page.
    fn default() -> Self {
        Self { file_rows: FILE_ROWS, row_group_rows: ROW_GROUP_ROWS }
    }
}

/// Says whether a data file has a name as our writer makes them: `ended-`, and 32 digits.
pub fn is_named_as_ours(path: &str) -> bool {
    let named = path.strip_suffix(".parquet").and_then(|name| name.rsplit_once('-'));
    named.is_some_and(|(_, digits)| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Says whether the log keeps a minimum and maximum of this column. Ranges of JSON text prune nothing, and the two largest
/// columns need not be compared value by value.
pub fn has_range(name: &str) -> bool {
    COLUMNS.iter().any(|column| column.name == name && column.kind != Kind::Json)
}

/// What a sample says of the columns of a file, by their names.
#[derive(Debug, Default)]
pub struct Looks {
    /// Those whose values hardly repeat: a dictionary of them is as large as they are.
    pub varied: BTreeSet<String>,
    /// Leaf columns that take so little that compressing them saves nothing.
    pub small: BTreeSet<String>,
    /// How many rows the file has, if these are all.
    pub rows: Option<usize>,
    /// Whether it pays to compress with more work than usual.
    pub harder: bool,
}

/// What the sampled rows of a column have.
#[derive(Debug, Clone, Copy)]
pub struct Variety {
    /// Rows with a value.
    pub values: usize,
    /// Different values.
    pub distinct: usize,
    /// Those of them that one row has.
    pub once: usize,
    /// What all values take.
    pub bytes: usize,
}

/// Says whether a column takes little in a row group, of whose so many sampled rows this is seen: its dictionary's
/// numbers are packed into the bits that they need, what has no value takes less than a bit, and the dictionary has each text once, of which
/// those that the sample has once stand for others like them.
pub fn is_small(rows: usize, seen: &Variety) -> bool {
    let Variety { values, distinct, once, bytes } = *seen;
    let others = once * (ROW_GROUP_ROWS / rows.max(1)).saturating_sub(1);
    let all = (distinct + others).min(ROW_GROUP_ROWS);
    let bits = usize::BITS - all.saturating_sub(1).leading_zeros();
    let dictionary = all * (bytes / values.max(1) + DICTIONARY_ENTRY_BYTES);
    distinct <= SMALL_DISTINCT
        && dictionary <= SMALL_DICTIONARY_BYTES
        && (values * bits as usize + rows) * (ROW_GROUP_ROWS / 8) <= SMALL_BYTES * rows
}

/// Returns the Parquet writer's properties for files of this schema, whose columns look so.
pub fn writer_properties(schema: &SchemaRef, looks: &Looks) -> WriterProperties {
    let level = if looks.harder { SMALL_ZSTD_LEVEL } else { ZSTD_LEVEL };
    let level = ZstdLevel::try_new(level).unwrap_or_default();
    // Where a column chunk is one page, an index of its pages says nothing more than the footer does: 0.7 kB of a file of a hundred sessions.
    let is_page = looks.rows.is_some_and(|rows| rows as u64 <= LEAFLESS_ROWS);
    let statistics = if is_page { EnabledStatistics::Chunk } else { EnabledStatistics::Page };
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(format!("{PROGRAM}{}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        // The limit of rows a page is checked once a write batch only.
        .set_write_batch_size(1_024)
        .set_statistics_enabled(statistics)
        .set_bloom_filter_fpp(BLOOM_FALSE_POSITIVES)
        .set_bloom_filter_enabled(false);
    for field in schema.fields() {
        builder = column_properties(builder, schema, field.name());
        if looks.small.contains(field.name()) {
            builder =
                builder.set_column_compression(ColumnPath::from(field.name().as_str()), Compression::UNCOMPRESSED);
        }
        if looks.varied.contains(field.name()) {
            // Measured on a million generated sessions, bits a value with a dictionary that overflows and without one: phone numbers
            // 49.8 and 43.4, time in workflow 50.7 and 33.4, order numbers 51.6 and 40.7; customer numbers as integers 44.2, and
            // 29.9 as deltas.
            let path = ColumnPath::from(field.name().as_str());
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
            if matches!(field.data_type(), DataType::Int64) && field.name() != CONTENT_HASH {
                builder = builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
        }
    }
    builder.build()
}

fn column_properties(builder: WriterPropertiesBuilder, schema: &Schema, name: &str) -> WriterPropertiesBuilder {
    let path = ColumnPath::from(name);
    let mut builder = builder;
    if BLOOM_COLUMNS.contains(&name) {
        builder = builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_max_ndv(path.clone(), ROW_GROUP_ROWS as u64);
    }
    let is_json = COLUMNS.iter().any(|column| column.name == name && column.kind == Kind::Json);
    match name {
        // Every value differs, so a dictionary would be built and thrown away. Shared prefixes (DELTA_BYTE_ARRAY) take session ids
        // from 69.7 to 68.2 bits only: less than their slower reading is worth.
        "session_id" | "data" | EXTRA => builder = builder.set_column_dictionary_enabled(path.clone(), false),
        CONTENT_HASH => {
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
        _ => {}
    }
    if is_json || name == EXTRA {
        builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::Chunk);
    }
    if let Ok(field) = schema.field_with_name(name)
        && matches!(field.data_type(), DataType::Timestamp(..))
    {
        // Sorted or nearly sorted microseconds: deltas are a few bytes where a dictionary would be as large as the data.
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    builder
}

/// Returns the columns of a table of the lake by its name.
pub(crate) fn table_schema(table: &str) -> SchemaRef {
    match table {
        QUARANTINE => schema::quarantine_schema(),
        SIGHTINGS => schema::sightings_schema(),
        TAKEN => schema::taken_schema(),
        ERASED => schema::erased_schema(),
        _ => schema::stored_schema(),
    }
}
