//! Reads Parquet files: columns of any reasonable type, by the same rules as text.
//!
//! A column is cast once a batch to one of a few shapes, and each of its values then goes through the rules that a text export
//! goes through. A timestamp with a zone is an instant, and so is one of 96 bits; another without is local in the declared zone, as
//! zone-less text is.
//!
//! The Parquet crate checks what it reads, yet not everything: about one in two hundred of randomly damaged footers and pages
//! makes it or Arrow's schema reader panic. That is caught here and is an error of the file like others.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::schema::types::TypePtr;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Float64Array, NullArray, StringViewArray,
    StringViewBuilder,
};
use arrow::compute::{CastOptions, cast, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Date64Type, Field, FieldRef, Float64Type, Int32Type, Int64Type, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;

use super::arrow_json::{display, interval_texts, per_second, push_json};
use super::converter::Converter;
use super::dialect::{Declared, quoted_null_mark};
use super::fault::Fault;
use super::inner_variants;
use super::json_rows::Extra;
use super::kinds::refuse_encrypted;
use super::layout::Layout;
use super::mapped::Members;
use super::parquet_footer::{intervals, is_encrypted, without_intervals};
use super::parquet_types::{Leaves, Variants, look_through};
use super::row::{Cell, Row, slot, word_of};
use super::rows::RowBuilder;
use super::values::{Json, end_members, start_member};
use super::variant::VariantTexts;
use crate::error::{Error, Place, Result};
use crate::json::push_json_string;
use crate::lake::deletions::DeletedRows;
use crate::schema::{COLUMNS, HeaderMatch, Kind};

/// About how many bytes of rows are read at once.
const BATCH_BYTES: i64 = 4 * 1024 * 1024;

/// Names of types whose values are read as what they mean, or mean no other than what is stored.
const KNOWN_EXTENSIONS: [&str; 4] = ["arrow.uuid", "arrow.json", "arrow.parquet.variant", "arrow.fixed_shape_tensor"];

/// Types may nest this deep; a schema is read before anything else of a file and must not overflow the stack.
pub(super) const MAX_TYPE_DEPTH: usize = 100;

/// A Parquet file under way.
pub(super) struct ParquetInput {
    reader: ParquetRecordBatchReader,
    name: String,
    rows_total: u64,
    rows_read: u64,
    leaves: Leaves,
    /// Columns to be added to those of the file, which are null.
    null_columns: Vec<String>,
    /// Rows that are left out, by their numbers from 0.
    deleted: Option<DeletedRows>,
}

/// Rows of a Parquet or Arrow file.
#[derive(Debug)]
pub(super) struct RowsBlock {
    pub(super) batch: RecordBatch,
    /// Number of the first row, from 1.
    pub(super) first_row: u64,
    /// Numbers of all rows, where some between them are left out.
    pub(super) numbers: Option<Vec<u64>>,
    /// What is special of the columns.
    pub(super) leaves: Leaves,
}

impl RowsBlock {
    /// Returns the number of a row of the block in its file, from 1.
    pub(super) fn number(&self, row: usize) -> u64 {
        self.numbers.as_ref().and_then(|numbers| numbers.get(row).copied()).unwrap_or(self.first_row + row as u64)
    }

    /// Says of columns whose program gives their values a meaning that their type does not have (periods of pandas are numbers of months) that
    /// the values were taken as they are stored, a sentence each.
    pub(super) fn extension_notes(&self, layout: &Layout) -> Vec<String> {
        let schema = self.batch.schema();
        let columns =
            schema.fields().iter().zip(&layout.headers.matches).filter(|(_, target)| slot(**target).is_some());
        let unknown = columns.filter_map(|(field, _)| {
            let name = field.extension_type_name().filter(|name| !KNOWN_EXTENSIONS.contains(name))?;
            Some(format!(
                "column {:?} is of the type {name:?}, and its values were taken as they are stored",
                field.name()
            ))
        });
        unknown.collect()
    }
}

/// A column as a file has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredColumn {
    pub(super) name: String,
    /// Its type in the file, with the number that the file may give it.
    pub(super) node: Option<TypePtr>,
}

impl ParquetInput {
    /// Reads the footer; returns the columns too. Of the file's columns those are read that `wanted` says yes to.
    pub(super) fn open(
        mut file: File,
        name: &str,
        wanted: &dyn Fn(&StoredColumn) -> bool,
    ) -> Result<(Self, Vec<StoredColumn>)> {
        if is_encrypted(&mut file) {
            return Err(refuse_encrypted(name));
        }
        guarded(name, "Parquet", || {
            let broken = |error| refused(name, &error);
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(broken)?;
            let intervals = intervals(metadata.parquet_schema());
            let metadata = match intervals.is_empty() {
                true => metadata,
                false => {
                    let plain = without_intervals(metadata.metadata()).map_err(broken)?;
                    ArrowReaderMetadata::try_new(Arc::new(plain), ArrowReaderOptions::new()).map_err(broken)?
                }
            };
            let roots = metadata.parquet_schema().root_schema().get_fields();
            let stored = metadata.schema().fields().iter().enumerate();
            let column = |(at, field): (usize, &FieldRef)| StoredColumn {
                name: field.name().clone(),
                node: roots.get(at).cloned(),
            };
            let stored: Vec<StoredColumn> = stored.map(column).collect();
            let wanted: Vec<bool> = stored.iter().map(wanted).collect();
            let headers = stored.into_iter().zip(&wanted).filter(|(_, wanted)| **wanted);
            let headers: Vec<StoredColumn> = headers.map(|(column, _)| column).collect();
            if metadata.schema().fields().iter().any(|field| !shallow(field.data_type(), MAX_TYPE_DEPTH)) {
                return Err(Error::input(Place::file(name), format!("types nest more than {MAX_TYPE_DEPTH} deep")));
            }
            let (leaves, schema) = look_through(metadata.schema(), metadata.parquet_schema(), &intervals);
            let leaves = leaves.only(metadata.parquet_schema(), &wanted);
            let metadata = match schema {
                Some(schema) => {
                    let options = ArrowReaderOptions::new().with_schema(schema);
                    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(broken)?
                }
                None => metadata,
            };
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
            let groups = builder.metadata().row_groups();
            let rows: i64 = groups.iter().map(|group| group.num_rows().max(0)).fold(0, i64::saturating_add);
            let bytes: i64 = groups.iter().map(|group| group.total_byte_size().max(0)).fold(0, i64::saturating_add);
            let row_bytes = (bytes / rows.max(1)).max(1);
            let batch_rows = usize::try_from((BATCH_BYTES / row_bytes).clamp(64, 8192)).unwrap_or(64);
            let builder = match headers.len() == wanted.len() {
                true => builder,
                false => {
                    let roots = wanted.iter().enumerate().filter(|(_, wanted)| **wanted).map(|(root, _)| root);
                    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
                    builder.with_projection(mask)
                }
            };
            let reader = builder.with_batch_size(batch_rows).build().map_err(broken)?;
            let rows_total = rows.unsigned_abs();
            let null_columns = Vec::new();
            let deleted = None;
            let input = Self { reader, name: name.to_owned(), rows_total, rows_read: 0, leaves, null_columns, deleted };
            Ok((input, headers))
        })
    }

    /// Adds the columns from this position on, which the file does not have.
    pub(super) fn add_null_columns(&mut self, headers: &[String], from: usize) {
        self.null_columns = headers.get(from..).unwrap_or_default().to_vec();
    }

    /// Says where the members of the columns stand, in the order of the columns.
    pub(super) fn name_members(&mut self, members: Vec<Members>) {
        self.leaves.members = members.into();
    }

    /// Leaves out rows that are deleted.
    ///
    /// # Errors
    /// Rows that the file does not have.
    pub(super) fn leave_out(&mut self, deleted: DeletedRows) -> Result<()> {
        if deleted.last().is_some_and(|last| last >= self.rows_total) {
            let message = format!("its deletion vector deletes rows behind the {} of the file", self.rows_total);
            return Err(Error::input(Place::file(&self.name), message).with_hint("nothing of this file is stored"));
        }
        self.deleted = Some(deleted);
        Ok(())
    }

    fn with_null_columns(&self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.null_columns.is_empty() {
            return Ok(batch);
        }
        let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
        let mut columns = batch.columns().to_vec();
        for name in &self.null_columns {
            fields.push(Arc::new(Field::new(name, DataType::Null, true)));
            columns.push(Arc::new(NullArray::new(batch.num_rows())));
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// Returns the next rows, or `None` at the end.
    pub(super) fn next_block(&mut self) -> Result<Option<RowsBlock>> {
        let name = self.name.clone();
        let next =
            guarded(&name, "Parquet", || self.reader.next().transpose().map_err(|error| refused(&name, &error)))?;
        let Some(batch) = next else {
            if self.rows_read != self.rows_total {
                let message = format!("the footer promises {} rows, but there are {}", self.rows_total, self.rows_read);
                return Err(Error::input(Place::file(name), message).with_hint("nothing of this file is stored"));
            }
            return Ok(None);
        };
        let first_row = self.rows_read + 1;
        self.rows_read += batch.num_rows() as u64;
        let batch = self.with_null_columns(batch)?;
        let Some(deleted) = &self.deleted else {
            return Ok(Some(RowsBlock { batch, first_row, numbers: None, leaves: self.leaves.clone() }));
        };
        let numbers = first_row..=self.rows_read;
        let is_kept = |number: &u64| !deleted.contains(number - 1);
        let kept: BooleanArray = numbers.clone().map(|number| Some(is_kept(&number))).collect();
        let batch = filter_record_batch(&batch, &kept)?;
        let numbers = Some(numbers.filter(is_kept).collect());
        Ok(Some(RowsBlock { batch, first_row, numbers, leaves: self.leaves.clone() }))
    }

    /// Returns the part of the rows that has been read, from 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        if self.rows_total == 0 { 1.0 } else { self.rows_read as f64 / self.rows_total as f64 }
    }
}

fn refused(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::input(Place::file(name), format!("broken Parquet file: {error}")).with_hint("nothing of this file is stored")
}

/// Turns a panic over damaged pages into an error of the file. The process's panic hook still runs.
pub(super) fn guarded<T>(name: &str, kind: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::input(Place::file(name), format!("broken {kind} file: its parts contradict each other"))
            .with_hint("nothing of this file is stored"))
    })
}

pub(super) fn shallow(kind: &DataType, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return false };
    match kind {
        DataType::Struct(fields) => fields.iter().all(|field| shallow(field.data_type(), left)),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => shallow(field.data_type(), left),
        DataType::Dictionary(_, value) => shallow(value, left),
        _ => true,
    }
}

/// A column in one of the shapes that values are taken from.
enum Values {
    Text(StringViewArray),
    /// Bytes, and how many each value has where all have as many.
    Bytes(BinaryViewArray, Option<i32>),
    Number(Float64Array),
    Instants(Vec<Option<i64>>),
    LocalInstants(Vec<Option<i64>>),
    /// Structs, lists and maps as JSON text.
    Nested(ArrayRef),
}

impl Values {
    fn new(column: &ArrayRef, target: HeaderMatch) -> Result<Self> {
        let kind = match target {
            HeaderMatch::Column(index) => COLUMNS.get(index).map_or(Kind::Text, |column| column.kind),
            HeaderMatch::TimeInWorkflowMilliseconds => Kind::Seconds,
            HeaderMatch::ExportedAt => Kind::Timestamp,
            HeaderMatch::Unknown | HeaderMatch::LeftOut => Kind::Text,
        };
        let unpacked;
        let column = match column.data_type() {
            DataType::Dictionary(_, value) => {
                unpacked = cast(column, value)?;
                &unpacked
            }
            _ => column,
        };
        Ok(match (kind, column.data_type()) {
            (_, data_type) if data_type.is_nested() => Self::Nested(Arc::clone(column)),
            (_, DataType::FixedSizeBinary(width)) => {
                Self::Bytes(strictly(column, &DataType::BinaryView)?.as_binary_view().clone(), Some(*width))
            }
            (_, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
                Self::Bytes(strictly(column, &DataType::BinaryView)?.as_binary_view().clone(), None)
            }
            (Kind::Timestamp, DataType::Timestamp(unit, zone)) => {
                let ticks = strictly(column, &DataType::Int64)?;
                let micros =
                    ticks.as_primitive::<Int64Type>().iter().map(|tick| Some(micros_of(tick?, *unit))).collect();
                if zone.is_some() { Self::Instants(micros) } else { Self::LocalInstants(micros) }
            }
            (Kind::Timestamp, DataType::Date32) => {
                let days = strictly(column, &DataType::Int32)?;
                let midnight = |day: i32| i64::from(day) * 86_400_000_000;
                Self::LocalInstants(days.as_primitive::<Int32Type>().iter().map(|day| day.map(midnight)).collect())
            }
            (Kind::Timestamp, DataType::Date64) => {
                let times = column.as_primitive::<Date64Type>();
                Self::LocalInstants(times.iter().map(|ms| Some(micros_of(ms?, TimeUnit::Millisecond))).collect())
            }
            (Kind::Seconds, DataType::Duration(unit)) => {
                let ticks = strictly(column, &DataType::Int64)?;
                let second = per_second(*unit);
                Self::Number(ticks.as_primitive::<Int64Type>().iter().map(|tick| Some(tick? as f64 / second)).collect())
            }
            (Kind::Seconds, DataType::Interval(unit)) => Self::Text(interval_texts(column, *unit)?),
            (Kind::Timestamp | Kind::Seconds, data_type) if data_type.is_floating() => {
                Self::Number(strictly(column, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            // Integers and decimals go by their digits: a number of nanoseconds does not fit into a float.
            _ => match strictly(column, &DataType::Utf8View) {
                Ok(texts) => Self::Text(texts.as_string_view().clone()),
                Err(_) => Self::Text(displayed(column)?),
            },
        })
    }

    /// Returns whether one of the texts is what some tools write for null.
    fn has_marks(&self) -> bool {
        match self {
            Self::Text(array) => array.iter().flatten().any(|text| quoted_null_mark(text).is_some()),
            _ => false,
        }
    }

    fn cell<'a>(&'a self, row: usize, json: Option<&'a str>) -> Result<Cell<'a>, Fault> {
        let or_null = |cell: Option<Cell<'a>>| Ok(cell.unwrap_or(Cell::Null));
        match self {
            Self::Text(array) => or_null(array.is_valid(row).then(|| Cell::Text(array.value(row)))),
            Self::Number(array) => or_null(array.is_valid(row).then(|| Cell::Number(array.value(row)))),
            Self::Instants(micros) => or_null(micros.get(row).copied().flatten().map(Cell::Instant)),
            Self::LocalInstants(micros) => or_null(micros.get(row).copied().flatten().map(Cell::LocalInstant)),
            Self::Nested(_) => or_null(json.map(Cell::Nested)),
            Self::Bytes(array, _) if array.is_null(row) => Ok(Cell::Null),
            Self::Bytes(array, fixed) => match std::str::from_utf8(array.value(row)) {
                Ok(text) => Ok(Cell::Text(text)),
                Err(error) => {
                    let reason = format!("not UTF-8 at byte {}", error.valid_up_to());
                    Err(Fault::record(match fixed {
                        Some(width) => format!("{width} bytes of binary and no text ({reason}): export it as text"),
                        None => reason,
                    }))
                }
            },
        }
    }
}

/// Casts without turning what does not fit into null.
fn strictly(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(cast_with_options(column, to, &CastOptions { safe: false, ..CastOptions::default() })?)
}

/// Writes values one by one, where there is no cast to text or one of them has none.
fn displayed(column: &ArrayRef) -> Result<StringViewArray> {
    let mut texts = StringViewBuilder::with_capacity(column.len());
    for row in 0..column.len() {
        if column.is_null(row) {
            texts.append_null();
        } else {
            texts.try_append_value(display(column.as_ref(), row)?)?;
        }
    }
    Ok(texts.finish())
}

/// Instants that microseconds cannot hold end up out of range, which is then said of their row.
fn micros_of(ticks: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => ticks.saturating_mul(1_000_000),
        TimeUnit::Millisecond => ticks.saturating_mul(1000),
        TimeUnit::Microsecond => ticks,
        TimeUnit::Nanosecond => ticks.div_euclid(1000),
    }
}

/// A row that cannot be stored.
pub(super) struct RejectedRow {
    /// Row number in the file, from 1.
    pub(super) number: u64,
    pub(super) fault: Fault,
    /// The row as a JSON object.
    pub(super) json: String,
}

/// Converts the rows of a block.
pub(super) fn convert_rows(
    block: &RowsBlock,
    layout: &Layout,
    converter: &Converter,
    builder: &mut RowBuilder<'_>,
) -> Result<Vec<RejectedRow>> {
    let (extra_wanted, nulls) = (converter.extra, &converter.declared.nulls);
    let mut columns = block.leaves.readable(block.batch.columns())?;
    let variants = read_variants(&mut columns, &block.leaves)?;
    for (column, members) in columns.iter_mut().zip(block.leaves.members.iter()) {
        *column = members.apply(column)?;
    }
    let columns = &columns;
    let has_inner = block.leaves.variants.contains(&Variants::Inside);
    let mut values = Vec::with_capacity(columns.len());
    for (column, target) in columns.iter().zip(&layout.headers.matches) {
        values.push(if slot(*target).is_none() { None } else { Some(Values::new(column, *target)?) });
    }
    let has_marks = nulls.is_empty() && values.iter().flatten().any(Values::has_marks);
    let spliced = layout.spliced.and_then(|at| columns.get(at)).map(|column| strictly(column, &DataType::Utf8View));
    let spliced = spliced.transpose()?;
    let mut rejected = Vec::new();
    // One JSON text per column, so that a row can hold several.
    let mut nested = vec![String::new(); columns.len()];
    let mut extra = String::new();
    for index in 0..block.batch.num_rows() {
        for (value, json) in values.iter().zip(&mut nested) {
            json.clear();
            if let Some(Values::Nested(array)) = value
                && array.is_valid(index)
            {
                push_json(json, array.as_ref(), index)?;
            }
        }
        let mut damage = None;
        if has_inner {
            for (position, json) in nested.iter_mut().enumerate() {
                damage = damage.or(inner_variants::take_damage(json).map(|reason| (position, reason)));
            }
        }
        extra.clear();
        if let Some(texts) = &spliced
            && texts.is_valid(index)
        {
            splice_members(&mut extra, texts.as_string_view().value(index));
        }
        if extra_wanted == Extra::Keep {
            let keys = layout.headers.matches.iter().zip(&layout.extra_keys);
            for (position, ((target, key), column)) in keys.zip(columns).enumerate() {
                if *target == HeaderMatch::Unknown && column.is_valid(index) {
                    start_member(&mut extra, key);
                    push_value(&mut extra, column, &variants, position, index)?;
                }
            }
        }
        if has_inner && damage.is_none() {
            damage = inner_variants::take_damage(&mut extra).map(|reason| (layout.headers.names.len(), reason));
        }
        let damage =
            damage.map(|(position, reason)| Fault { column: layout.column_name(position), ..Fault::record(reason) });
        let row = match damage.or_else(|| damaged_variant(&variants, layout, index, extra_wanted)) {
            Some(fault) => Err(fault),
            None => read_row(&values, layout, index, &nested, converter),
        };
        let outcome = match row {
            Ok(mut row) => {
                row.extra = end_members(&mut extra);
                row.null_mark = has_marks && row.has_mark(quoted_null_mark);
                builder.push(&row)?.map_err(|fault| {
                    let text = row.text_of(fault.column.as_deref());
                    fault.explained_by_null(text, false)
                })
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = outcome {
            let mut json = String::new();
            for (position, (name, column)) in layout.headers.names.iter().zip(columns).enumerate() {
                let mut key = String::new();
                push_json_string(&mut key, name);
                key.push(':');
                start_member(&mut json, &key);
                push_value(&mut json, column, &variants, position, index)?;
            }
            json.push_str(if json.is_empty() { "{}" } else { "}" });
            if has_inner {
                inner_variants::take_damage(&mut json);
            }
            rejected.push(RejectedRow { number: block.number(index), fault, json });
        }
    }
    Ok(rejected)
}

/// Puts texts into the place of the columns that are VARIANT, and returns what was read of them by the columns' positions.
fn read_variants(columns: &mut [ArrayRef], leaves: &Leaves) -> Result<Vec<Option<VariantTexts>>> {
    let is_none = leaves.variants.iter().all(|variants| *variants == Variants::None);
    if is_none {
        return Ok(Vec::new());
    }
    let mut read = Vec::with_capacity(columns.len());
    for (column, variants) in columns.iter_mut().zip(&leaves.variants) {
        read.push(match variants {
            Variants::Whole => {
                let texts = VariantTexts::new(column)?;
                *column = texts.column();
                Some(texts)
            }
            Variants::Inside => {
                *column = inner_variants::readable(column, &Field::new("", column.data_type().clone(), true))?;
                None
            }
            Variants::None => None,
        });
    }
    Ok(read)
}

/// Writes a value as JSON.
fn push_value(
    output: &mut String,
    column: &ArrayRef,
    variants: &[Option<VariantTexts>],
    position: usize,
    row: usize,
) -> Result<()> {
    match variants.get(position) {
        Some(Some(variant)) => variant.push_json(output, row),
        _ => push_json(output, column.as_ref(), row),
    }
}

/// Finds a value of a row that is damaged, among those that would be stored.
fn damaged_variant(
    variants: &[Option<VariantTexts>],
    layout: &Layout,
    row: usize,
    extra_wanted: Extra,
) -> Option<Fault> {
    variants.iter().zip(&layout.headers.matches).enumerate().find_map(|(position, (variant, target))| {
        let is_stored = slot(*target).is_some() || (*target == HeaderMatch::Unknown && extra_wanted == Extra::Keep);
        let reason = variant.as_ref().filter(|_| is_stored)?.fault(row)?;
        Some(Fault { column: layout.column_name(position), ..Fault::record(reason) })
    })
}

/// Adds the members of an object to one that is being written; a text that is no object becomes a member of its own.
fn splice_members(object: &mut String, text: &str) {
    let members = text.trim_ascii().strip_prefix('{').and_then(|text| text.strip_suffix('}')).map(str::trim_ascii);
    match members {
        Some("") => {}
        Some(members) if Json::of(text) != Json::Broken => start_member(object, members),
        _ => {
            start_member(object, "\"_extra\":");
            push_json_string(object, text);
        }
    }
}

fn is_null(cell: Cell<'_>, declared: &Declared) -> bool {
    match cell {
        Cell::Text(text) => declared.is_null(text),
        Cell::Number(number) => word_of(number).is_some_and(|word| declared.is_null(word)),
        _ => false,
    }
}

fn read_row<'a>(
    values: &'a [Option<Values>],
    layout: &Layout,
    index: usize,
    nested: &'a [String],
    converter: &Converter,
) -> Result<Row<'a>, Fault> {
    let mut row = Row::default();
    let mut bytes: usize = 0;
    for (position, ((value, target), json)) in values.iter().zip(&layout.headers.matches).zip(nested).enumerate() {
        let Some(value) = value else { continue };
        let json = Some(json.as_str()).filter(|json| !json.is_empty());
        let cell = value.cell(index, json).map_err(|fault| Fault { column: layout.column_name(position), ..fault })?;
        if let Cell::Text(text) | Cell::Nested(text) = cell {
            bytes += text.len();
        }
        row.set(*target, if is_null(cell, &converter.declared) { Cell::Null } else { cell });
    }
    if bytes > converter.max_record_bytes {
        return Err(Fault::record(format!("the record has {bytes} bytes, more than a record may have")));
    }
    Ok(row)
}
