//! Converts blocks of records into columns.
//!
//! A converter has all it needs and changes nothing, so that several threads may convert blocks of one file at once; the
//! batches are the same whichever thread made them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::bare_words;
use super::batch::{Block, Payload, ReadBatch, Reject};
use super::context::Context;
use super::converter::Converter;
use super::csv::field_of;
use super::cut::{Span, TextBlock};
use super::delimited::{RecordFields, breaks_at_backslash, is_unquoted};
use super::dialect::{null_mark, quoted_null_mark};
use super::fault::Fault;
use super::formats::InputFormat;
use super::json_rows::{Extra, JsonRows};
use super::layout::Layout;
use super::parquet_rows::{RowsBlock, convert_rows, guarded};
use super::row::Row;
use super::rows::RowBuilder;
use super::signs::Sign;
use super::{Encoding, Warnings};
use crate::error::{Error, Result};

/// What takes the records of a format apart.
enum RecordReader<'c> {
    Csv(RecordFields<'c>),
    Objects(JsonRows<'c>),
    Arrays { layout: &'c Layout, rows: JsonRows<'c> },
}

impl RecordReader<'_> {
    fn read<'a>(&'a mut self, converter: &Converter, record: &'a str, line: u64) -> Result<Row<'a>, Fault> {
        match self {
            Self::Csv(fields) => fields.read(record, converter.extra == Extra::Keep),
            Self::Objects(rows) => {
                let mut row = rows.read_object(record, line)?;
                row.null_mark = converter.declared.nulls.is_empty() && row.has_mark(quoted_null_mark);
                Ok(row)
            }
            Self::Arrays { layout, rows } => {
                let mut row = rows.read_array(record, layout, line)?;
                row.null_mark = converter.declared.nulls.is_empty()
                    && match converter.format {
                        // What was pasted into a sheet has the marks of the program that it came from.
                        InputFormat::Xlsx | InputFormat::Ods => row.has_mark(null_mark),
                        _ => row.has_mark(quoted_null_mark),
                    };
                Ok(row)
            }
        }
    }
}

impl Converter {
    /// Converts a block.
    ///
    /// # Errors
    /// Only defects of ours, the engine's limits, and Parquet pages that contradict each other: what is wrong with a record is
    /// a [`Reject`].
    pub fn convert(&self, block: Block) -> Result<ReadBatch> {
        match block.payload {
            Payload::Text(block) => self.convert_text(&block),
            Payload::Rows(block) => self.convert_arrow(&block),
        }
    }

    /// Returns what a replay needs to know beside the record, as a JSON object: format, delimiter, headers, zone, character
    /// set, export time. Batches of pages have contexts of their own ([`ReadBatch::context`]), since each page has its headers.
    pub fn context(&self) -> String {
        Context::of(self, self.layout.as_deref()).to_json()
    }

    /// Returns the export time of rows that have none of their own, in microseconds since the Unix epoch: the one that the
    /// user gave, else the file's modification time, else the fallback.
    pub fn exported_at_us(&self) -> i64 {
        self.rules.exported_at_us.unwrap_or(self.rules.default_exported_at_us)
    }

    fn convert_text(&self, block: &TextBlock) -> Result<ReadBatch> {
        let layout = block.layout.as_deref().or(self.layout.as_deref());
        let mut reader = match (self.format, layout) {
            (InputFormat::Csv | InputFormat::Tsv, Some(layout)) => {
                RecordReader::Csv(RecordFields::new(layout, self.dialect, &self.declared))
            }
            (
                InputFormat::Pages
                | InputFormat::Ndjson
                | InputFormat::JsonArray
                | InputFormat::Xlsx
                | InputFormat::Ods
                | InputFormat::Avro,
                Some(layout),
            ) => {
                RecordReader::Arrays { layout, rows: JsonRows::new(&self.header_map, &self.declared.nulls, self.extra) }
            }
            (
                InputFormat::Csv
                | InputFormat::Tsv
                | InputFormat::Pages
                | InputFormat::Xlsx
                | InputFormat::Ods
                | InputFormat::Avro,
                None,
            ) => {
                return Err(Error::internal("records without headers"));
            }
            // A replayed row of a Parquet or Arrow file is a JSON object.
            (InputFormat::Ndjson | InputFormat::JsonArray, None)
            | (InputFormat::Parquet | InputFormat::Arrow | InputFormat::Delta, _) => {
                RecordReader::Objects(JsonRows::new(&self.header_map, &self.declared.nulls, self.extra))
            }
        };
        // Checking the block at once is several times faster than record by record; only a block with a bad byte needs that.
        let whole = std::str::from_utf8(&block.bytes).ok();
        let mut builder = RowBuilder::new(&self.rules, block.spans.len());
        let mut lines = Vec::with_capacity(block.spans.len());
        let mut rejects = Vec::new();
        // Rows of a sheet and records of a file in blocks have numbers only.
        let is_csv = matches!(self.format, InputFormat::Csv | InputFormat::Tsv);
        let nulls = &self.declared.nulls;
        let mends_words = !is_csv && bare_words::are_declared(nulls);
        let has_offsets = !matches!(self.format, InputFormat::Xlsx | InputFormat::Ods | InputFormat::Avro);
        for span in &block.spans {
            let raw = block.bytes.get(span.start..span.end).unwrap_or_default();
            let text = match &span.fault {
                Some(reason) => Err(self.explained(reason, raw)),
                None => match whole {
                    Some(whole) => Ok(whole.get(span.start..span.end).unwrap_or_default()),
                    None => std::str::from_utf8(raw)
                        .map_err(|error| self.undecodable(block, span, raw, error.valid_up_to(), layout)),
                },
            };
            let mended = text.as_ref().ok().filter(|_| mends_words).and_then(|text| bare_words::without(text, nulls));
            let text = text.map(|text| mended.as_deref().unwrap_or(text));
            let outcome = match text.and_then(|text| Ok((text, reader.read(self, text, span.line)?))) {
                Ok((text, row)) => builder.push(&row)?.map_err(|fault| self.explained_by_null(fault, &row, text)),
                Err(fault) if is_csv => Err(fault),
                Err(fault) => Err(explained_by_word(fault, raw)),
            };
            match outcome {
                Ok(()) => lines.push(span.line),
                Err(fault) => rejects.push(Reject {
                    line: Some(span.line),
                    byte_offset: has_offsets.then_some(block.offset + span.start as u64),
                    column: fault.column,
                    reason: fault.reason,
                    raw: raw.to_vec(),
                    truncated: span.truncated,
                    sign: fault.sign,
                }),
            }
        }
        let columns = match &reader {
            RecordReader::Objects(rows) => {
                (seen(rows.slots()), rows.unknown_keys().map(str::to_owned).collect(), rows.notes().collect())
            }
            RecordReader::Csv(_) | RecordReader::Arrays { .. } => of_layout(layout),
        };
        let (rows, warnings) = builder.finish()?;
        let context = Context::of(self, layout).to_json().into();
        Ok(self.batch((rows, lines), rejects, warnings, columns, context))
    }

    /// Adds to why a record is broken what may be declared to read it.
    fn explained(&self, reason: &str, record: &[u8]) -> Fault {
        let is_csv = matches!(self.format, InputFormat::Csv | InputFormat::Tsv);
        if is_csv && self.dialect.is_plain() && breaks_at_backslash(record, self.dialect.delimiter) {
            let sign = Sign::backslashed_quote();
            let reason = format!("{reason}; quotes are escaped by backslashes here, which {} reads", sign.flag);
            return Fault { sign: Some(Box::new(sign)), ..Fault::record(reason) };
        }
        Fault::record(reason)
    }

    /// Names the flag that reads a text which stands for no value, where a flag can.
    fn explained_by_null(&self, fault: Fault, row: &Row<'_>, record: &str) -> Fault {
        let is_csv = matches!(self.format, InputFormat::Csv | InputFormat::Tsv);
        let text = row.text_of(fault.column.as_deref());
        let is_quoted = text.is_some_and(|text| is_csv && !is_unquoted(record, text, self.dialect));
        fault.explained_by_null(text, is_quoted)
    }

    fn undecodable(&self, block: &TextBlock, span: &Span, raw: &[u8], at: usize, layout: Option<&Layout>) -> Fault {
        let is_csv = matches!(self.format, InputFormat::Csv | InputFormat::Tsv);
        let column = layout.filter(|_| is_csv).and_then(|layout| layout.column_name(field_of(raw, at, self.dialect)));
        let offset = block.offset + (span.start + at) as u64;
        let reason = match self.encoding {
            Encoding::Utf8 => {
                let byte = raw.get(at).copied().unwrap_or_default();
                format!("not UTF-8: byte 0x{byte:02x} at byte offset {offset}")
            }
            Encoding::Utf16 => format!("not UTF-16: half a character at byte offset {offset} of the text"),
            Encoding::Cp1252 => format!("not code page 1252 at byte offset {offset} of the text"),
        };
        Fault { column, ..Fault::record(reason) }
    }

    fn convert_arrow(&self, block: &RowsBlock) -> Result<ReadBatch> {
        let Some(layout) = self.layout.as_deref() else {
            return Err(Error::internal("a Parquet file without headers"));
        };
        let mut builder = RowBuilder::new(&self.rules, block.batch.num_rows());
        let kind = if self.format == InputFormat::Arrow { "Arrow" } else { "Parquet" };
        let rejected = guarded(&self.rules.source, kind, || convert_rows(block, layout, self, &mut builder))?;
        let refused: HashSet<u64> = rejected.iter().map(|row| row.number).collect();
        let numbers = (0..block.batch.num_rows()).map(|row| block.number(row));
        let lines = numbers.filter(|number| !refused.contains(number)).collect();
        let rejects = rejected
            .into_iter()
            .map(|row| Reject {
                line: Some(row.number),
                byte_offset: None,
                column: row.fault.column,
                reason: row.fault.reason,
                raw: row.json.into_bytes(),
                truncated: false,
                sign: row.fault.sign,
            })
            .collect();
        let (rows, warnings) = builder.finish()?;
        let mut columns = of_layout(Some(layout));
        columns.2.extend(block.extension_notes(layout));
        Ok(self.batch((rows, lines), rejects, warnings, columns, self.context().into()))
    }

    /// Adds to what the records have what the names of folders have.
    fn batch(
        &self,
        (rows, lines): (RecordBatch, Vec<u64>),
        rejects: Vec<Reject>,
        warnings: Warnings,
        (slots, mut unknown_columns, notes): ColumnsOf,
        context: Arc<str>,
    ) -> ReadBatch {
        let folders = &self.rules.folders;
        unknown_columns.extend(folders.unknown().map(str::to_owned));
        let columns_seen = slots | seen(folders.slots());
        let source = self.rules.source.as_str().into();
        ReadBatch { source, rows, lines, rejects, warnings, columns_seen, unknown_columns, notes, context }
    }
}

/// Says what else a record is that is no JSON, and names the flag that reads a word which JSON does not have for a number.
fn explained_by_word(fault: Fault, record: &[u8]) -> Fault {
    if fault.sign.is_some() || !fault.reason.starts_with("broken JSON") {
        return fault;
    }
    let record = record.trim_ascii();
    if record.starts_with(b"{'") {
        let reason = format!("{}; it is a dict as Python's str() shows it: json.dumps() writes JSON", fault.reason);
        return Fault { reason, ..fault };
    }
    if record.ends_with(b"},") {
        let reason = format!("{}; it ends with a comma: sed 's/,$//' takes commas between records out", fault.reason);
        return Fault { reason, ..fault };
    }
    let word = std::str::from_utf8(record).ok().and_then(bare_words::first_of);
    fault.explained_by_null(word, false)
}

/// Returns a bit for each slot.
fn seen(slots: impl Iterator<Item = usize>) -> u32 {
    slots.fold(0, |seen, slot| seen | (1 << slot))
}

/// Returns the columns of a layout: ours as bits, the others by name.
fn of_layout(layout: Option<&Layout>) -> ColumnsOf {
    let unknown = layout.iter().flat_map(|layout| layout.headers.unknown()).map(str::to_owned).collect();
    let notes = layout.iter().flat_map(|layout| layout.headers.notes()).collect();
    (seen(layout.iter().flat_map(|layout| layout.slots())), unknown, notes)
}

/// What records fill, which of their columns are none of ours, and what is to be said of how they were taken.
type ColumnsOf = (u32, Vec<String>, Vec<String>);
