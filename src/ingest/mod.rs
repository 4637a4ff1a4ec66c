//! Takes exports in: finds the columns under any spelling, converts text to typed arrays, puts bad records aside.
//!
//! The flow of one file: [`expand()`] finds it, a [`Reader`] decompresses and decodes it and cuts it into blocks of whole
//! records (sequential, cheap), and a [`Converter`] turns each block into a [`ReadBatch`] (parallel, where the time goes).
//! Records that cannot be stored come out beside the rows, and [`replay()`] reads one again. What becomes of the rows is
//! decided by `run`.
//!
//! Inside: `packed` is bytes, `stream` is text, `cut` drives the splitters of `csv`, `json`, `pages` and `wrapped`, `layout` is matched
//! headers, and `rows` has the rules that every format's values go through, with `time` and `values` for single ones. `sheets` and `avro`
//! make text of what is none, so that their records go the way of JSON's.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub(crate) mod convert;
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
mod bytes;
mod csv;
mod cut;
mod dates;
mod day_numbers;
mod decide;
mod delimited;
mod delta;
mod detect;
mod dialect;
mod erased;
mod escaped;
mod extended;
mod fingerprint;
mod folders;
mod frames;
mod gist;
mod guess;
mod header;
mod inner_variants;
mod inspect;
mod ipc;
mod ipc_file;
mod ipc_stream;
mod json;
mod json_rows;
mod keys;
mod kinds;
mod layout;
mod lengths;
mod lists;
mod mapped;
mod options;
mod packed;
mod pages;
mod parquet_footer;
mod parquet_rows;
mod parquet_types;
mod places;
mod presets;
mod printed;
mod quarantine;
mod requarantine;
mod resolve;
mod rewrite;
mod rows;
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

pub(crate) use attempts::Attempts;
pub(crate) use erased::Erased;
pub(crate) use fingerprint::KeyColumns;
pub(crate) use keys::{KeyStore, PARTITIONS};
pub(crate) use thinned::without_rows;

pub use archive::Member;
pub use convert::Converter;
pub use dates::{DateFormat, DatePattern};
pub use delta::Delta;
pub use dialect::{Declared, Escape};
pub use expand::expand;
pub use fingerprint::{content_hashes, session_hash};
pub use inspect::{Inspection, Look, inspect};
pub use keys::{Key, RowPlace};
pub use options::IngestOptions;
pub use presets::{LOCALES, PRESETS};
pub use reader::{Block, FileSummary, ReadBatch, Reader, Reject};
pub use replay::replay;
pub use requarantine::replay_quarantine;
pub use resolve::{Outcome, Resolution, resolve};
pub use run::ingest;
pub use signs::{Sign, SignKind};
pub use source::{Encoding, InputFormat, ReadOptions, SourceFile, content_hash};
pub use stage::{Limits, Progress};
pub use time::day_of_date;
pub use upkeep::{FANOUT_PROPERTY, MAX_ROWS_PROPERTY, UpkeepOptions, optimize, planned};
pub use wrapped::RecordsPath;

pub use crate::lake::ledger::{Counts, FileLedger, Ledger, Upkeep, Warning, Warnings};
