//! Decides what cell a value becomes: number, truth value, date or text.
//!
//! Excel keeps 15 digits of a number: a longer one becomes text, and so never another number. Dates and instants are numbers
//! of days since 1899-12-30 as Excel has them, right from March 1900 to the end of 9999; those outside are text. Lengths of time are
//! numbers of days too; those that are negative or have months are text as people write it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::zones::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use chrono::{DateTime, Offset, TimeZone};

use super::style::Style;
use crate::format::value::{DisplayZone, Form, Values, values};

/// Digits of a number that Excel keeps.
const DIGITS: usize = 15;
const DAY_SECONDS: f64 = 86_400.0;
const DAY_NS: i64 = 86_400_000_000_000;
/// Days from Excel's origin to the epoch.
const EPOCH_DAYS: f64 = 25_569.0;
const EPOCH_SECONDS: i128 = 25_569 * 86_400;
/// 1900-03-01. Excel counts a 29 February 1900 that never was, so days before are off by one.
const FIRST_DAY: f64 = 61.0;
/// The day after 9999-12-31.
const LAST_DAY: f64 = 2_958_466.0;

/// What a cell holds.
#[derive(Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Boolean(bool),
    /// A number as XML has it, and how it is shown.
    Number(Cow<'a, str>, Style),
    Text(Cow<'a, str>),
}

/// The cells of one column of one batch.
pub(super) struct Column<'a> {
    texts: Box<dyn Values + 'a>,
    kind: Kind,
}

enum Kind {
    Text,
    Boolean,
    /// Whole numbers and decimals of this scale.
    Exact(Style),
    Float,
    Time {
        units: ArrayRef,
        per_second: i64,
        form: TimeForm,
    },
}

#[derive(Clone, Copy)]
enum TimeForm {
    Date,
    Instant(Option<Tz>),
    TimeOfDay,
    Duration,
}

/// Unpacks what stands for other values, where Arrow can.
pub(super) fn unpacked(array: &ArrayRef) -> ArrayRef {
    let value_type = match array.data_type() {
        DataType::Dictionary(_, value) => value.as_ref(),
        DataType::RunEndEncoded(_, value) => value.data_type(),
        _ => return ArrayRef::clone(array),
    };
    cast(array, value_type).unwrap_or_else(|_| ArrayRef::clone(array))
}

impl<'a> Column<'a> {
    /// Makes the cells of a column that [`unpacked`] gave.
    pub(super) fn new(array: &'a ArrayRef, zone: Tz) -> Self {
        Self { texts: values(array, Form::People, DisplayZone::from(zone)), kind: kind(array, zone) }
    }

    /// Returns the text of a cell as the text formats print it; empty for null.
    pub(super) fn text(&self, row: usize) -> Cow<'_, str> {
        if self.texts.is_null(row) {
            return Cow::Borrowed("");
        }
        match self.texts.borrow(row) {
            Some(text) => Cow::Borrowed(text),
            None => {
                let mut text = String::new();
                self.texts.append(row, &mut text);
                Cow::Owned(text)
            }
        }
    }

    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        if self.texts.is_null(row) {
            return Cell::Null;
        }
        let text = self.text(row);
        match &self.kind {
            Kind::Text => Cell::Text(text),
            Kind::Boolean => Cell::Boolean(text == "true"),
            Kind::Exact(style) if digits(&text) <= DIGITS => Cell::Number(text, *style),
            Kind::Float if text.bytes().any(|byte| byte.is_ascii_digit()) => Cell::Number(text, Style::General),
            Kind::Exact(_) | Kind::Float => Cell::Text(text),
            Kind::Time { units, per_second, form } => {
                let value = units.as_primitive::<Int64Type>().value(row);
                match days(value, *per_second, *form) {
                    // All digits, where a reader may otherwise take some for what it is used to round to.
                    Some((days, style @ (Style::InstantParts | Style::TimeParts | Style::DurationParts))) => {
                        Cell::Number(Cow::Owned(format!("{days:.12}")), style)
                    }
                    Some((days, style)) => Cell::Number(Cow::Owned(days.to_string()), style),
                    None => Cell::Text(text),
                }
            }
        }
    }
}

/// Counts the digits that carry the value.
fn digits(text: &str) -> usize {
    let digits = text.bytes().filter(u8::is_ascii_digit);
    digits.skip_while(|&digit| digit == b'0').count()
}

fn kind(array: &ArrayRef, zone: Tz) -> Kind {
    let time = |per_second: i64, form: TimeForm| {
        // Times of day of 32 bits are widened by way of their own integers.
        let whole = match array.data_type() {
            DataType::Time32(_) | DataType::Date32 => cast(array, &DataType::Int32),
            _ => Ok(ArrayRef::clone(array)),
        };
        match whole.and_then(|whole| cast(&whole, &DataType::Int64)) {
            Ok(units) => Kind::Time { units, per_second, form },
            Err(_) => Kind::Text,
        }
    };
    let per_second = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    match array.data_type() {
        DataType::Boolean => Kind::Boolean,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Kind::Float,
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Kind::Exact(Style::decimals(*scale)),
        other if other.is_integer() => Kind::Exact(Style::Whole),
        DataType::Date32 => time(0, TimeForm::Date),
        DataType::Date64 => time(1_000, TimeForm::Date),
        DataType::Timestamp(unit, own_zone) => {
            time(per_second(unit), TimeForm::Instant(own_zone.is_some().then_some(zone)))
        }
        DataType::Time32(unit) | DataType::Time64(unit) => time(per_second(unit), TimeForm::TimeOfDay),
        DataType::Duration(unit) => time(per_second(unit), TimeForm::Duration),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let fixed: Int64Array = array.as_primitive::<IntervalMonthDayNanoType>().unary(fixed_ns);
            Kind::Time { units: Arc::new(fixed), per_second: 1_000_000_000, form: TimeForm::Duration }
        }
        _ => Kind::Text,
    }
}

/// Returns the nanoseconds of an interval of days and time; -1, which is no cell's number, where it has months.
fn fixed_ns(interval: IntervalMonthDayNano) -> i64 {
    let days = i64::from(interval.days).checked_mul(DAY_NS);
    let length = days.and_then(|days| days.checked_add(interval.nanoseconds));
    length.filter(|_| interval.months == 0).unwrap_or(-1)
}

/// Turns a count of units (of days, where `per_second` is 0) into Excel's days and their style, if Excel can show it.
fn days(value: i64, per_second: i64, form: TimeForm) -> Option<(f64, Style)> {
    if per_second == 0 {
        let days = value as f64 + EPOCH_DAYS;
        return (FIRST_DAY..LAST_DAY).contains(&days).then_some((days, Style::Date));
    }
    let seconds = value.div_euclid(per_second);
    let part = value.rem_euclid(per_second);
    let fraction = part as f64 / per_second as f64;
    let styles = |whole, parts| if part == 0 { whole } else { parts };
    match form {
        TimeForm::Date => {
            let days = seconds.div_euclid(86_400) as f64 + EPOCH_DAYS;
            (FIRST_DAY..LAST_DAY).contains(&days).then_some((days, Style::Date))
        }
        TimeForm::Instant(zone) => {
            let instant = DateTime::from_timestamp(seconds, 0)?.naive_utc();
            let offset = zone.map_or(0, |zone| zone.offset_from_utc_datetime(&instant).fix().local_minus_utc());
            // One division of whole numbers rounds once: a sum of parts may be a microsecond off.
            let parts =
                (i128::from(seconds) + i128::from(offset) + EPOCH_SECONDS) * i128::from(per_second) + i128::from(part);
            let days = parts as f64 / (DAY_SECONDS * per_second as f64);
            let style = styles(Style::Instant, Style::InstantParts);
            (FIRST_DAY..LAST_DAY).contains(&days).then_some((days, style))
        }
        TimeForm::TimeOfDay if (0..86_400).contains(&seconds) => {
            Some(((seconds as f64 + fraction) / DAY_SECONDS, styles(Style::Time, Style::TimeParts)))
        }
        TimeForm::Duration if seconds >= 0 && (seconds as f64) < LAST_DAY * DAY_SECONDS => {
            Some(((seconds as f64 + fraction) / DAY_SECONDS, styles(Style::Duration, Style::DurationParts)))
        }
        TimeForm::TimeOfDay | TimeForm::Duration => None,
    }
}
