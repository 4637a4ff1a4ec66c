//! What the tables are: columns with both their names, Arrow types, meanings and aliases.
//!
//! Pure data, no I/O. Everything else that needs to know a column (ingest, the lake's layout, the engine's tables, the
//! reference pages) reads it here, so that the documented table is described once.

mod columns;
mod header;
mod tables;

pub use columns::{COLUMNS, Column, Kind, column};
pub use header::{HeaderMatch, Headers, match_headers};
pub(crate) use header::{beaten_note, match_header, normalise};
pub use tables::{
    CONTENT_HASH, EXPORTED_AT, EXTRA, SOURCE, erased_schema, meaning, quarantine_schema, sessions_schema,
    sightings_schema, stored_schema, taken_schema, timestamp_type,
};
