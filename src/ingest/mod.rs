//! Takes exports in: finds the columns under any spelling, converts text to typed arrays, puts bad records aside.
//!
//! The flow of one file: [`expand()`] finds it, a [`Reader`] decompresses and decodes it and cuts it into blocks of whole
//! records (sequential, cheap), and a [`Converter`] turns each block into a [`ReadBatch`] (parallel, where the time goes).
//! Records that cannot be stored come out beside the rows, and [`replay()`] reads one again. What becomes of the rows is
//! decided by `run`.
//!
//! What goes from stage to stage is in `batch`, and what a file is read by in `converter`. Inside: `packed` is bytes, `stream` is text, `cut` drives the splitters of `csv`, `json`, `pages` and `wrapped`, `layout` is matched
//! headers, `row` is a row of cells under them, and `rows` has the rules that every format's values go through, with `time` and `values` for single ones. `sheets` and `avro`
//! make text of what is none, so that their records go the way of JSON's.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub(crate) mod expand;
pub(crate) mod reader;
pub(crate) mod replay;
pub(crate) mod source;

mod applies;
mod archive;
mod arrow_json;
pub(crate) mod attempts;
mod avro;
mod bare_words;
mod batch;
mod bytes;
mod context;
mod convert;
mod converter;
mod csv;
mod cut;
mod dates;
mod day_numbers;
mod decide;
mod delimited;
mod delta;
mod detect;
mod dialect;
mod ends;
mod erased;
mod escaped;
mod extended;
mod fault;
mod fingerprint;
mod folders;
mod formats;
mod frames;
pub(crate) mod fuzz;
mod gist;
mod guess;
mod header;
mod inner_variants;
mod inspect;
mod ipc;
mod ipc_file;
mod ipc_parts;
mod ipc_stream;
mod json;
mod json_members;
mod json_rows;
mod keys;
mod kinds;
mod layout;
mod lengths;
mod lists;
mod look;
mod mapped;
mod member;
mod numbers;
mod options;
mod packed;
mod pages;
mod parquet_footer;
mod parquet_rows;
mod parquet_types;
mod parts;
mod places;
mod presets;
mod printed;
mod put_back;
mod quarantine;
mod records_path;
mod requarantine;
mod resolve;
mod rewrite;
mod row;
mod rows;
mod rules;
mod run;
mod runs;
mod same_id;
mod sheets;
mod sightings;
mod signs;
mod stage;
mod stream;
mod suggest;
mod survey;
mod thinned;
mod time;
mod typed;
mod unix_times;
mod upkeep;
mod values;
mod variant;
mod wrapped;

#[cfg(test)]
mod archive_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod ipc_tests;
#[cfg(test)]
mod parquet_tests;
#[cfg(test)]
mod parquet_types_tests;
#[cfg(test)]
mod wrapped_tests;

pub(crate) use attempts::{Attempts, go_on_after};
pub(crate) use erased::Erased;
pub(crate) use fingerprint::KeyColumns;
pub(crate) use keys::{KeyStore, PARTITIONS};
pub(crate) use put_back::{put_back, put_back_what_is_left};
pub(crate) use thinned::without_rows;
pub(crate) use upkeep::keep_sightings;

pub use crate::lake::contents::content_hashes;
pub use batch::{Block, FileSummary, ReadBatch, Reject};
pub use converter::Converter;
pub use dates::{DateFormat, DatePattern};
pub use dialect::{Declared, Escape};
pub use expand::expand;
pub use fingerprint::session_hash;
pub use formats::{Encoding, InputFormat};
pub use inspect::{Inspection, inspect};
pub use keys::{Key, RowPlace};
pub use look::Look;
pub use member::Member;
pub use options::IngestOptions;
pub use presets::{LOCALES, PRESETS};
pub use reader::Reader;
pub use records_path::RecordsPath;
pub use replay::replay;
pub use requarantine::replay_quarantine;
pub use resolve::{Outcome, Resolution, resolve};
pub use run::ingest;
pub use signs::{Sign, SignKind};
pub use source::Delta;
pub use source::{ReadOptions, SourceFile, content_hash};
pub use stage::{Limits, Progress};
pub use time::day_of_date;
pub use upkeep::{UpkeepOptions, optimize, planned};

pub use crate::lake::ledger::{Counts, FileLedger, Ledger, Upkeep, Warning, Warnings};
