//! Prints the values of a column as text or JSON.
//!
//! A column's type is looked at once a batch, by [`values`]; what comes back prints cells. Every Arrow type has a printer, and
//! printers cannot fail: an instant beyond the calendar's range is printed by its number of years all the same.
//!
//! Lists, structs and maps are JSON in either form, so that they mean the same in a CSV cell as in a JSON document.

pub(super) mod nested;
mod number;
mod text;
mod time;

pub(super) use time::DisplayZone;

use arrow::array::{Array, ArrowPrimitiveType, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalUnit, IntervalYearMonthType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::functions::interval::push_postgres;

/// What the text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A cell of its own: text without quotes.
    Text,
    /// A cell for people: as text, but lengths of time as PostgreSQL writes them.
    People,
    /// A value in a JSON document: text in quotes, numbers and booleans bare.
    Json,
}

/// The printable cells of one column of one batch.
pub(super) trait Values {
    /// Returns whether the cell is null, looking through dictionaries, runs and unions.
    fn is_null(&self, row: usize) -> bool;

    /// Appends the cell's text; only for cells that are not null.
    fn append(&self, row: usize, out: &mut String);

    /// Returns the cell's text where the column holds it as it is to be printed.
    fn borrow(&self, _row: usize) -> Option<&str> {
        None
    }
}

/// Appends a cell as JSON, null included.
fn append_json(values: &dyn Values, row: usize, out: &mut String) {
    if values.is_null(row) {
        out.push_str("null");
    } else {
        values.append(row, out);
    }
}

/// Makes the printer of a column.
pub(super) fn values(array: &dyn Array, form: Form, zone: DisplayZone) -> Box<dyn Values + '_> {
    use number::{push_decimal, push_float, push_integer};
    let bare = Quotes::None;
    // In JSON, what is not a number, a boolean or nested stands in quotes.
    let quotes = if form == Form::Json { Quotes::Double } else { Quotes::None };
    let (push_length, push_duration): (time::PushLength, time::PushLength) = match form {
        Form::People => (push_postgres, time::push_days_and_time),
        Form::Text | Form::Json => (time::push_period, time::push_period),
    };
    match array.data_type() {
        DataType::Null => Box::new(AllNull),
        DataType::Boolean => Box::new(Booleans(array.as_boolean())),
        DataType::Int8 => primitive::<Int8Type>(array, bare, push_integer),
        DataType::Int16 => primitive::<Int16Type>(array, bare, push_integer),
        DataType::Int32 => primitive::<Int32Type>(array, bare, push_integer),
        DataType::Int64 => primitive::<Int64Type>(array, bare, push_integer),
        DataType::UInt8 => primitive::<UInt8Type>(array, bare, push_integer),
        DataType::UInt16 => primitive::<UInt16Type>(array, bare, push_integer),
        DataType::UInt32 => primitive::<UInt32Type>(array, bare, push_integer),
        DataType::UInt64 => primitive::<UInt64Type>(array, bare, push_integer),
        DataType::Float16 => primitive::<Float16Type>(array, bare, move |value, out| {
            push_float(value.to_f32(), value.is_finite(), form, out);
        }),
        DataType::Float32 => {
            primitive::<Float32Type>(array, bare, move |value, out| push_float(value, value.is_finite(), form, out))
        }
        DataType::Float64 => {
            primitive::<Float64Type>(array, bare, move |value, out| push_float(value, value.is_finite(), form, out))
        }
        DataType::Decimal32(_, scale) => {
            let scale = *scale;
            primitive::<Decimal32Type>(array, bare, move |value, out| push_decimal(value, scale, out))
        }
        DataType::Decimal64(_, scale) => {
            let scale = *scale;
            primitive::<Decimal64Type>(array, bare, move |value, out| push_decimal(value, scale, out))
        }
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            primitive::<Decimal128Type>(array, bare, move |value, out| push_decimal(value, scale, out))
        }
        DataType::Decimal256(_, scale) => {
            let scale = *scale;
            primitive::<Decimal256Type>(array, bare, move |value, out| push_decimal(value, scale, out))
        }
        DataType::Timestamp(unit, own_zone) => {
            time::timestamps(array, *unit, own_zone.is_some().then_some(zone), quotes)
        }
        DataType::Date32 => primitive::<Date32Type>(array, quotes, |days, out| time::push_date(i64::from(days), out)),
        DataType::Date64 => primitive::<Date64Type>(array, quotes, time::push_date_milliseconds),
        DataType::Time32(unit) | DataType::Time64(unit) => time::times_of_day(array, *unit, quotes),
        DataType::Duration(unit) => time::durations(array, *unit, quotes, push_duration),
        DataType::Interval(IntervalUnit::YearMonth) => {
            primitive::<IntervalYearMonthType>(array, quotes, move |months, out| push_length(months, 0, 0, out))
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            primitive::<IntervalDayTimeType>(array, quotes, move |value, out| {
                push_length(0, value.days.into(), i128::from(value.milliseconds) * 1_000_000, out);
            })
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            primitive::<IntervalMonthDayNanoType>(array, quotes, move |value, out| {
                push_length(value.months, value.days.into(), i128::from(value.nanoseconds), out);
            })
        }
        DataType::Utf8 => text::strings(array.as_string::<i32>(), form),
        DataType::LargeUtf8 => text::strings(array.as_string::<i64>(), form),
        DataType::Utf8View => text::strings(array.as_string_view(), form),
        DataType::Binary => text::bytes(array.as_binary::<i32>(), quotes),
        DataType::LargeBinary => text::bytes(array.as_binary::<i64>(), quotes),
        DataType::BinaryView => text::bytes(array.as_binary_view(), quotes),
        DataType::FixedSizeBinary(_) => text::bytes(array.as_fixed_size_binary(), quotes),
        DataType::List(_) => nested::list(array.as_list::<i32>(), zone),
        DataType::LargeList(_) => nested::list(array.as_list::<i64>(), zone),
        DataType::ListView(_) => nested::list_view(array.as_list_view::<i32>(), zone),
        DataType::LargeListView(_) => nested::list_view(array.as_list_view::<i64>(), zone),
        DataType::FixedSizeList(_, length) => nested::fixed_size_list(array.as_fixed_size_list(), *length, zone),
        DataType::Struct(_) => nested::structs(array.as_struct(), zone),
        DataType::Map(_, _) => nested::map(array.as_map(), zone),
        DataType::Union(fields, _) => nested::union(array.as_union(), fields, form, zone),
        DataType::Dictionary(key, _) => nested::dictionary(array, key, form, zone),
        DataType::RunEndEncoded(run_ends, _) => nested::runs(array, run_ends.data_type(), form, zone),
    }
}

/// Returns whether values of the type are numbers, which line up on the right.
pub(super) fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_number(value),
        DataType::RunEndEncoded(_, value) => is_number(value.data_type()),
        other => other.is_numeric(),
    }
}

/// Returns whether the text of a value can only hold letters, digits and `+-.:`, and is never empty.
pub(super) fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_plain(value),
        DataType::RunEndEncoded(_, value) => is_plain(value.data_type()),
        other => other.is_numeric() || other.is_temporal() || matches!(other, DataType::Boolean | DataType::Null),
    }
}

/// Whether a printer puts its text in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Double,
}

impl Quotes {
    fn push(self, out: &mut String) {
        if self == Self::Double {
            out.push('"');
        }
    }
}

struct AllNull;

impl Values for AllNull {
    fn is_null(&self, _row: usize) -> bool {
        true
    }

    fn append(&self, _row: usize, out: &mut String) {
        out.push_str("null");
    }
}

struct Booleans<'a>(&'a BooleanArray);

impl Values for Booleans<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn append(&self, row: usize, out: &mut String) {
        out.push_str(if self.0.value(row) { "true" } else { "false" });
    }
}

/// Cells of fixed width, each printed by one function.
struct Primitive<'a, N, F> {
    values: &'a [N],
    nulls: Option<&'a NullBuffer>,
    quotes: Quotes,
    print: F,
}

impl<N: Copy, F: Fn(N, &mut String)> Values for Primitive<'_, N, F> {
    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    fn append(&self, row: usize, out: &mut String) {
        self.quotes.push(out);
        (self.print)(self.values[row], out);
        self.quotes.push(out);
    }
}

fn primitive<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    quotes: Quotes,
    print: impl Fn(T::Native, &mut String) + 'a,
) -> Box<dyn Values + 'a> {
    let array = array.as_primitive::<T>();
    Box::new(Primitive { values: array.values(), nulls: array.nulls(), quotes, print })
}
