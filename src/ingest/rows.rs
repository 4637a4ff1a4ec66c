//! Builds the stored columns out of rows of cells, by the same rules for every input format.
//!
//! - Empty text is null. In a JSON column so is the bare word `null`; in others that word is text.
//! - Session id and start are required. A start, end, export time or number that cannot be read rejects the row.
//! - JSON that is none is kept as it is, with a warning. Action Data may be a bare word without one.
//! - A column that the input does not have may stand in the name of a folder ([`super::folders`]).
//! - Communication types get their documented spelling; unknown ones are kept, with a warning.
//! - An absent phone number comes from Source Details, an absent time in workflow from start and end. A column that is there
//!   and empty stays null.
//!
//! A row is judged whole before any of it is appended, so that a rejected row leaves nothing behind.

#![allow(clippy::indexing_slicing, reason = "columns are numbered by the schema")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, StringViewArray, StringViewBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::extended::{Extended, extended};
use super::fault::Fault;
use super::row::{Cell, Row, TIME_IN_WORKFLOW, position_of};
use super::rules::Rules;
use super::time::{Instant, day_of, is_plausible};
use super::typed::{is_day_number, read_seconds, read_time};
use super::values::{Json, SourcePhone, communication_type, quoted, same_phone, source_phone};
use super::{Warning, Warnings};
use crate::error::Result;
use crate::schema::{COLUMNS, CONTENT_HASH, EXPORTED_AT, Kind, stored_schema};

const ACTION_DATA: usize = position_of("action_data");
const COMMUNICATION_TYPE: usize = position_of("communication_type");
const DATA: usize = position_of("data");
const ENDED_AT: usize = position_of("ended_at");
const SESSION_ID: usize = position_of("session_id");
const PHONE_NUMBER: usize = position_of("source_details_phone_number");
const SOURCE_DETAILS: usize = position_of("source_details");
const STARTED_AT: usize = position_of("started_at");
enum ColumnBuilder {
    Text(StringViewBuilder),
    Time(TimestampMicrosecondBuilder),
    Seconds(Float64Builder),
}

/// The stored columns under construction.
pub(super) struct RowBuilder<'r> {
    rules: &'r Rules,
    columns: Vec<ColumnBuilder>,
    exported_at: TimestampMicrosecondBuilder,
    extra: StringViewBuilder,
    rows: usize,
    warnings: Warnings,
    phone_scratch: String,
    extra_scratch: String,
}

impl<'r> RowBuilder<'r> {
    /// Makes room for about this many rows.
    pub(super) fn new(rules: &'r Rules, capacity: usize) -> Self {
        let columns = COLUMNS.iter().map(|column| match column.kind {
            Kind::Text | Kind::Json => ColumnBuilder::Text(StringViewBuilder::with_capacity(capacity)),
            Kind::Timestamp => ColumnBuilder::Time(time_builder(capacity)),
            Kind::Seconds => ColumnBuilder::Seconds(Float64Builder::with_capacity(capacity)),
        });
        Self {
            rules,
            columns: columns.collect(),
            exported_at: time_builder(capacity),
            extra: StringViewBuilder::with_capacity(capacity),
            rows: 0,
            warnings: Warnings::new(),
            phone_scratch: String::new(),
            extra_scratch: String::new(),
        }
    }

    /// Appends a row, or says why it cannot be stored.
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<Result<(), Fault>> {
        let rules = self.rules;
        if rules.folders.is_empty() {
            return self.push_whole(row);
        }
        let mut extra = std::mem::take(&mut self.extra_scratch);
        let pushed = self.push_whole(&rules.folders.fill(row, rules.keep_extra, &mut extra));
        self.extra_scratch = extra;
        pushed
    }

    fn push_whole(&mut self, row: &Row<'_>) -> Result<Result<(), Fault>> {
        let cells = &row.cells;
        if let Err(fault) = check_session_id(cells[SESSION_ID]) {
            return Ok(Err(fault));
        }
        let times = match Times::read(row, self.rules) {
            Ok(times) => times,
            Err(fault) => return Ok(Err(fault)),
        };
        let mut warned = Warned {
            null_mark: row.null_mark,
            backslash: row.backslash,
            repeated_key: row.repeated_key,
            lone_surrogate: row.lone_surrogate,
            ..Warned::default()
        };
        let mut texts = [None; COLUMNS.len()];
        for ((column, cell), text) in COLUMNS.iter().zip(cells).zip(&mut texts) {
            *text = match column.kind {
                Kind::Text => plain_text(*cell),
                Kind::Json => json_text(*cell),
                Kind::Timestamp | Kind::Seconds => None,
            };
        }
        for index in [ACTION_DATA, DATA] {
            if let (Some(text), Cell::Text(_) | Cell::Literal(_)) = (texts[index], cells[index]) {
                warned.see(json_cell(index, text));
            }
        }
        if let Some(text) = texts[COMMUNICATION_TYPE] {
            match communication_type(text) {
                Some(documented) => texts[COMMUNICATION_TYPE] = Some(documented),
                None => warned.unknown_communication_type = true,
            }
        }
        let mut scratch = std::mem::take(&mut self.phone_scratch);
        if let Some(details) = texts[SOURCE_DETAILS] {
            let (phone, json) = source_phone(details, &mut scratch);
            warned.see(json);
            match phone {
                SourcePhone::None => {}
                SourcePhone::Number(number) => match (cells[PHONE_NUMBER], texts[PHONE_NUMBER]) {
                    (Cell::Absent, _) => texts[PHONE_NUMBER] = Some(number),
                    (_, Some(given)) if !given.trim_ascii().is_empty() => {
                        warned.phone_differs = !same_phone(given, number);
                    }
                    _ => {}
                },
            }
        }
        warned.count(&times, &mut self.warnings);
        let appended = self.append(&texts, &times, row.extra);
        self.phone_scratch = scratch;
        appended.map(Ok)
    }

    fn append(&mut self, texts: &[Option<&str>], times: &Times, extra: Option<&str>) -> Result<()> {
        for (index, builder) in self.columns.iter_mut().enumerate() {
            match builder {
                ColumnBuilder::Text(builder) => match texts.get(index).copied().flatten() {
                    Some(text) => builder.try_append_value(text)?,
                    None => builder.append_null(),
                },
                ColumnBuilder::Time(builder) if index == STARTED_AT => builder.append_value(times.started_us),
                ColumnBuilder::Time(builder) => builder.append_option(times.ended_us),
                ColumnBuilder::Seconds(builder) => builder.append_option(times.seconds),
            }
        }
        self.exported_at.append_value(times.exported_us);
        match extra {
            Some(extra) => self.extra.try_append_value(extra)?,
            None => self.extra.append_null(),
        }
        self.rows += 1;
        Ok(())
    }

    /// Returns the rows and what was odd about them.
    pub(super) fn finish(mut self) -> Result<(RecordBatch, Warnings)> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(COLUMNS.len() + 3);
        for builder in &mut self.columns {
            arrays.push(match builder {
                ColumnBuilder::Text(builder) => Arc::new(builder.finish()),
                ColumnBuilder::Time(builder) => Arc::new(builder.finish()),
                ColumnBuilder::Seconds(builder) => Arc::new(builder.finish()),
            });
        }
        arrays.push(Arc::new(self.exported_at.finish()));
        arrays.push(Arc::new(repeated(&self.rules.source, self.rows)?));
        arrays.push(Arc::new(self.extra.finish()));
        Ok((RecordBatch::try_new(read_schema(), arrays)?, self.warnings))
    }
}

/// Returns the schema of converted rows: the stored one without the content hash, which is the upsert's business.
pub(super) fn read_schema() -> SchemaRef {
    let stored = stored_schema();
    let fields: Vec<_> = stored.fields().iter().filter(|field| field.name() != CONTENT_HASH).cloned().collect();
    Arc::new(Schema::new(fields))
}

fn time_builder(capacity: usize) -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(capacity).with_timezone("UTC")
}

/// Repeats one text without copying it for every row.
fn repeated(text: &str, rows: usize) -> Result<StringViewArray> {
    let one = StringViewArray::from(vec![text]);
    let view = one.views().first().copied().unwrap_or_default();
    Ok(StringViewArray::try_new(vec![view; rows].into(), one.data_buffers().to_vec(), None)?)
}

fn check_session_id(cell: Cell<'_>) -> Result<(), Fault> {
    match cell {
        Cell::Text(id) | Cell::Literal(id) if !id.trim_ascii().is_empty() => Ok(()),
        Cell::Nested(value) if plain_text(cell).is_some_and(|id| id != value) => Ok(()),
        Cell::Nested(value) => {
            Err(Fault::column(COLUMNS[SESSION_ID].name, format!("session id {} is not text", quoted(value))))
        }
        _ => Err(Fault::column(COLUMNS[SESSION_ID].name, "no session id")),
    }
}

fn plain_text(cell: Cell<'_>) -> Option<&str> {
    match cell {
        Cell::Text(text) | Cell::Literal(text) => Some(text),
        Cell::Nested(json) => match extended(json) {
            Some(Extended::Plain(text)) => Some(text),
            Some(Extended::Milliseconds(_)) | None => Some(json),
        },
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

fn json_text(cell: Cell<'_>) -> Option<&str> {
    match cell {
        Cell::Text(text) | Cell::Literal(text) | Cell::Nested(text) if !text.is_empty() && !is_null_word(text) => {
            Some(text)
        }
        _ => None,
    }
}

fn is_null_word(text: &str) -> bool {
    text.len() < 64 && text.trim_ascii() == "null"
}

/// Action Data may be a bare word such as `end`; what starts like JSON must be JSON there too.
fn json_cell(index: usize, text: &str) -> Json {
    let bare = index == ACTION_DATA && !matches!(text.trim_ascii_start().as_bytes().first(), Some(b'{' | b'[' | b'"'));
    if bare { Json::Sound } else { Json::of(text) }
}

/// The times of a row.
struct Times {
    started_us: i64,
    ended_us: Option<i64>,
    seconds: Option<f64>,
    exported_us: i64,
    /// Whether the seconds are the export's own.
    recorded: bool,
    ambiguous: bool,
    /// Whether the start or the end is before 1990 or more than a day behind the export.
    implausible: bool,
    /// Whether such a one is a number as days are counted by.
    day_number: bool,
}

impl Times {
    fn read(row: &Row<'_>, rules: &Rules) -> Result<Self, Fault> {
        let started = read_time(row.cells[STARTED_AT], COLUMNS[STARTED_AT].name, rules)?
            .ok_or_else(|| Fault::column(COLUMNS[STARTED_AT].name, "no started at"))?;
        let ended = read_time(row.cells[ENDED_AT], COLUMNS[ENDED_AT].name, rules)?.filter(|ended| {
            rules.no_end_days.is_empty() || !rules.no_end_days.contains(&day_of(ended.micros, rules.time_zone))
        });
        let cell = row.cells[TIME_IN_WORKFLOW];
        let recorded = !matches!(cell, Cell::Absent);
        let mut seconds = read_seconds(cell, COLUMNS[TIME_IN_WORKFLOW].name, rules, row.milliseconds)?;
        if !recorded {
            seconds = ended.map(|ended| seconds_between(started.micros, ended.micros));
        }
        let exported = match rules.exported_at_us {
            Some(micros) => Some(Instant { micros, ambiguous: false }),
            None => read_time(row.exported_at, EXPORTED_AT, rules)?,
        };
        let all = [Some(started), ended, exported];
        let exported_us = exported.map_or(rules.default_exported_at_us, |instant| instant.micros);
        let implausible = |instant: Option<Instant>| instant.is_some_and(|it| !is_plausible(it.micros, exported_us));
        let (started_odd, ended_odd) = (implausible(Some(started)), implausible(ended));
        let is_day_number = |index: usize| is_day_number(row.cells.get(index).copied().unwrap_or_default(), rules);
        Ok(Self {
            started_us: started.micros,
            ended_us: ended.map(|instant| instant.micros),
            seconds,
            exported_us,
            recorded,
            ambiguous: all.iter().flatten().any(|instant| instant.ambiguous),
            implausible: started_odd || ended_odd,
            day_number: (started_odd && is_day_number(STARTED_AT)) || (ended_odd && is_day_number(ENDED_AT)),
        })
    }
}

fn seconds_between(from_us: i64, to_us: i64) -> f64 {
    (to_us - from_us) as f64 / 1e6
}

/// What is odd about one row.
#[derive(Default)]
struct Warned {
    invalid_json: bool,
    unknown_communication_type: bool,
    phone_differs: bool,
    null_mark: bool,
    backslash: bool,
    repeated_key: bool,
    lone_surrogate: bool,
}

impl Warned {
    /// Notes what a JSON cell is.
    fn see(&mut self, json: Json) {
        self.invalid_json |= json == Json::Broken;
        self.lone_surrogate |= json == Json::Halved;
    }

    fn count(&self, times: &Times, warnings: &mut Warnings) {
        let elapsed = times.ended_us.map(|ended_us| seconds_between(times.started_us, ended_us));
        let off = match (elapsed, times.seconds) {
            (Some(elapsed), Some(seconds)) => times.recorded && (seconds - elapsed).abs() > 1.0,
            _ => false,
        };
        for (odd, warning) in [
            (self.invalid_json, Warning::InvalidJson),
            (self.unknown_communication_type, Warning::UnknownCommunicationType),
            (self.phone_differs, Warning::PhoneDiffers),
            (elapsed.is_some_and(|elapsed| elapsed < 0.0), Warning::EndedBeforeStarted),
            (off, Warning::TimeInWorkflowOff),
            (times.ambiguous, Warning::AmbiguousLocalTime),
            (times.implausible, Warning::ImplausibleTime),
            (times.day_number, Warning::DayNumber),
            (self.null_mark, Warning::NullMark),
            (self.backslash, Warning::BackslashEscape),
            (self.repeated_key, Warning::RepeatedKey),
            (self.lone_surrogate, Warning::LoneSurrogate),
        ] {
            if odd {
                *warnings.entry(warning).or_default() += 1;
            }
        }
    }
}
