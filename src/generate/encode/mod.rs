//! The formats of an export: rows in, one chunk of a file out.
//!
//! A chunk knows nothing of its neighbours, so that chunks can be made on any thread; what stands before, between and after
//! them is the business of [`super::file`].

mod columnar;
mod delimited;
mod json;
mod pages;

pub(super) use columnar::parquet_writer;
pub(super) use pages::Pager;

use arrow::record_batch::RecordBatch;

use super::row::Row;
use super::{GenerateFormat, odd::Odd, session::World};
use crate::error::Result;
use columnar::Columns;

/// Part of a file, encoded.
#[derive(Debug)]
pub(super) enum Body {
    /// Text that stands in the file as it is.
    Text(String),
    /// Records that are put on pages.
    Records(Vec<pages::Record>),
    /// Rows of a Parquet file.
    Batch(RecordBatch),
}

/// Part of a file, with what is in it.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) body: Body,
    pub(super) counts: Counts,
}

/// What is in a file or a part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) rows: u64,
    pub(super) sessions: u64,
    pub(super) active: u64,
    pub(super) odd: u64,
}

impl Counts {
    /// Adds those of another part.
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.sessions += other.sessions;
        self.active += other.active;
        self.odd += other.odd;
    }
}

/// One export: what it holds of the sessions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Export {
    /// When it is made, in microseconds since the Unix epoch.
    pub(super) instant_us: i64,
    /// Sessions that changed last before this instant are left out.
    pub(super) changed_from_us: i64,
}

enum Encoder {
    Delimited(char, String),
    Json(JsonStyle, String),
    Pages(Vec<pages::Record>),
    Columns(Box<Columns>),
}

#[derive(Clone, Copy)]
enum JsonStyle {
    Lines,
    Array,
}

impl Encoder {
    fn new(format: GenerateFormat, sessions: usize) -> Self {
        // Rows are about 1,100 bytes in CSV, where quotes are doubled, and less elsewhere.
        let text = String::with_capacity(sessions * 1200);
        match format {
            GenerateFormat::Csv => Self::Delimited(',', text),
            GenerateFormat::Tsv => Self::Delimited('\t', text),
            GenerateFormat::Ndjson => Self::Json(JsonStyle::Lines, text),
            GenerateFormat::JsonArray => Self::Json(JsonStyle::Array, text),
            GenerateFormat::Pages => Self::Pages(Vec::with_capacity(sessions)),
            GenerateFormat::Parquet => Self::Columns(Box::default()),
        }
    }

    fn row(&mut self, row: &Row<'_>) {
        match self {
            Self::Delimited(delimiter, out) => delimited::push_row(out, row, *delimiter),
            Self::Json(JsonStyle::Lines, out) => {
                json::push_row(out, row);
                out.push('\n');
            }
            Self::Json(JsonStyle::Array, out) => {
                // The file drops the first of these.
                out.push_str(ARRAY_SEPARATOR);
                json::push_row(out, row);
            }
            Self::Pages(records) => records.push(pages::record(row)),
            Self::Columns(columns) => columns.row(row),
        }
    }

    fn finish(self) -> Result<Body> {
        Ok(match self {
            Self::Delimited(_, out) | Self::Json(_, out) => Body::Text(out),
            Self::Pages(records) => Body::Records(records),
            Self::Columns(columns) => Body::Batch(columns.finish()?),
        })
    }
}

/// What stands between the rows of a JSON array, and before the first in a chunk.
pub(super) const ARRAY_SEPARATOR: &str = ",\n";

/// Returns what a file of this format starts with.
pub(super) fn file_start(format: GenerateFormat) -> String {
    match format {
        GenerateFormat::Csv => delimited::header(','),
        GenerateFormat::Tsv => delimited::header('\t'),
        GenerateFormat::JsonArray => "[\n".to_owned(),
        GenerateFormat::Ndjson | GenerateFormat::Pages | GenerateFormat::Parquet => String::new(),
    }
}

/// Returns what a file of this format ends with.
pub(super) fn file_end(format: GenerateFormat) -> &'static str {
    if format == GenerateFormat::JsonArray { "\n]\n" } else { "" }
}

/// Encodes the sessions of a range that an export holds.
///
/// # Errors
/// Columns that do not fit together, which is a defect.
pub(super) fn encode(
    world: &World,
    export: Export,
    sessions: std::ops::Range<u64>,
    format: GenerateFormat,
) -> Result<Chunk> {
    let mut encoder = Encoder::new(format, sessions.end.saturating_sub(sessions.start) as usize);
    let counts = rows(world, export, sessions, |row| encoder.row(row));
    Ok(Chunk { body: encoder.finish()?, counts })
}

/// Calls `take` with every row that an export holds of a range of sessions, in the order of their indexes.
pub(super) fn rows<'w>(
    world: &'w World,
    export: Export,
    sessions: std::ops::Range<u64>,
    mut take: impl FnMut(&Row<'w>),
) -> Counts {
    let mut counts = Counts::default();
    let mut row = Row::default();
    for index in sessions {
        let plan = world.plan(index);
        let Some(state) = world.state(&plan, export.instant_us) else { continue };
        if world.changed_us(&plan, state) < export.changed_from_us {
            continue;
        }
        world.fill(&mut row, &plan, state);
        take(&row);
        counts.rows += 1;
        counts.sessions += 1;
        counts.active += u64::from(!state.ended);
        counts.odd += u64::from(plan.odd.is_some());
        match plan.odd {
            Some(Odd::Duplicate) => {
                take(&row);
                counts.rows += 1;
            }
            Some(Odd::Stale) if state.ended => {
                if let Some(earlier) = world.state(&plan, plan.start_us + 1 + (state.at_us - plan.start_us) / 2) {
                    world.fill(&mut row, &plan, earlier);
                    take(&row);
                    counts.rows += 1;
                }
            }
            _ => {}
        }
    }
    counts
}
