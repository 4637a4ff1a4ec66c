//! Writes the cells of a row as the values of a record: a JSON list, in the order of the header.
//!
//! A cell becomes what its column wants of it. A date is a time without a zone, to the microsecond; a length of time is one in a column
//! of seconds, and a clock elsewhere; a number keeps the digits that the file has; an error (`#NAME?`) is no value.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime};

use super::super::dialect::Declared;
use super::Value;
use crate::json::push_json_string;
use crate::schema::{COLUMNS, HeaderMatch, Kind};

/// Digits of a number that spreadsheet programs keep.
const DIGITS: usize = 15;

const DAY_US: i64 = 86_400_000_000;

/// Days from the origin of dates to 1970-01-01.
const EPOCH_DAYS: i64 = 25_569;

/// 1900-03-01: days before are one off, since a 29 February 1900 is counted that never was.
const FIRST_RIGHT_DAY: i64 = 61;

/// A date this late in a column of seconds is no length of time.
const LONGEST_DAYS: f64 = 36_525.0;

/// Most days that a date can have: those of the year 9999 and some.
const MOST_DAYS: f64 = 3e6;

/// What was odd about cells, by column.
#[derive(Debug, Default)]
pub(super) struct Odd {
    /// Errors that became null.
    errors: BTreeMap<String, u64>,
    /// Numbers with more digits than spreadsheet programs keep, where an identifier stands.
    long_numbers: BTreeMap<String, u64>,
    /// Cells outside of the columns that have a header.
    pub(super) outside: u64,
    /// Groups of cells that are merged into one, of which the first alone has the value.
    merged: u64,
    /// Where some of them begin.
    merged_at: Vec<String>,
}

impl Odd {
    /// Says what a person should know, a sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        let of = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(column, count)| format!("{column:?} ({count})")).collect::<Vec<_>>().join(", ")
        };
        let mut notes = Vec::new();
        if !self.errors.is_empty() {
            notes.push(format!(
                "cells that hold an error of the spreadsheet, such as #NAME?, or a formula that was not computed, are null: {}",
                of(&self.errors)
            ));
        }
        if !self.long_numbers.is_empty() {
            notes.push(format!(
                "cells of identifiers are numbers of more than {DIGITS} digits, of which spreadsheet programs keep {DIGITS}, so \
                 that the last ones may be lost: {}",
                of(&self.long_numbers)
            ));
        }
        if self.merged > 0 {
            notes.push(format!(
                "cells are merged, of which the file gives the value to the first alone and the others are null: {} {}, at {}{}",
                self.merged,
                if self.merged == 1 { "group" } else { "groups" },
                self.merged_at.join(", "),
                if self.merged > self.merged_at.len() as u64 { ", …" } else { "" }
            ));
        }
        if self.outside > 0 {
            notes.push(format!("cells in columns without a header are left out: {}", self.outside));
        }
        notes
    }
}

impl Odd {
    /// Counts cells that are merged into one.
    pub(super) fn see_merged(&mut self, header: &str, row: u64) {
        self.merged += 1;
        if self.merged_at.len() < 3 {
            self.merged_at.push(format!("{header:?} in row {row}"));
        }
    }
}

fn kind_of(target: HeaderMatch) -> Option<Kind> {
    match target {
        HeaderMatch::Column(index) => COLUMNS.get(index).map(|column| column.kind),
        HeaderMatch::TimeInWorkflowMilliseconds => Some(Kind::Seconds),
        HeaderMatch::ExportedAt => Some(Kind::Timestamp),
        HeaderMatch::Unknown | HeaderMatch::LeftOut => None,
    }
}

/// Adds a cell to a record.
pub(super) fn push(
    out: &mut String,
    value: &Value,
    target: HeaderMatch,
    header: &str,
    declared: &Declared,
    odd: &mut Odd,
) {
    let kind = kind_of(target);
    match value {
        Value::Text(text) if text.is_empty() || declared.nulls.contains(text) => out.push_str("null"),
        Value::Text(text) => push_json_string(out, text),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(digits) => push_number(out, digits, kind, header, declared, odd),
        Value::Time(text) => push_json_string(out, &to_microseconds(text)),
        Value::Length(iso) if kind == Some(Kind::Seconds) => push_json_string(out, iso),
        Value::Length(iso) => push_json_string(out, clock_of_iso(iso).as_deref().unwrap_or(iso)),
        Value::Days { days, is_elapsed } => match shown(*days, *is_elapsed, kind) {
            Some(text) => push_json_string(out, &text),
            None => out.push_str(&number_of(&days.to_string()).unwrap_or_else(|| "null".to_owned())),
        },
        // Without a time a session would be running, or have no length, so that an error is told of its row.
        Value::Error(error) if matches!(kind, Some(Kind::Timestamp | Kind::Seconds)) => push_json_string(out, error),
        Value::Error(_) => {
            *odd.errors.entry(header.to_owned()).or_default() += 1;
            out.push_str("null");
        }
    }
}

fn push_number(out: &mut String, digits: &str, kind: Option<Kind>, header: &str, declared: &Declared, odd: &mut Odd) {
    let Some(number) = number_of(digits) else { return push_json_string(out, digits) };
    if kind == Some(Kind::Text) && number.split('.').next().is_some_and(|whole| whole.len() > DIGITS) {
        *odd.long_numbers.entry(header.to_owned()).or_default() += 1;
    }
    // Numbers as texts have the declared sign, and one rule reads both.
    match kind {
        Some(Kind::Seconds) if declared.decimal_comma => push_json_string(out, &number.replace('.', ",")),
        _ => out.push_str(&number),
    }
}

/// Returns a number as JSON has it: whole ones by their digits, others by the shortest that mean the same.
pub(super) fn number_of(digits: &str) -> Option<String> {
    let digits = digits.trim();
    let (sign, unsigned) = digits.strip_prefix('-').map_or(("", digits), |unsigned| ("-", unsigned));
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain(unsigned) && (unsigned.len() == 1 || !unsigned.starts_with('0')) {
        return Some(digits.to_owned());
    }
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite())?;
    // `3.9112345678901232E16` has all digits of a whole number.
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if let Ok(exponent) = exponent.parse::<usize>()
        && exponent <= 20
        && exponent >= fraction.trim_end_matches('0').len()
        && is_plain(whole)
    {
        let fraction = fraction.trim_end_matches('0');
        let all = format!("{whole}{fraction}{}", "0".repeat(exponent - fraction.len()));
        let all = all.trim_start_matches('0');
        return Some(if all.is_empty() { "0".to_owned() } else { format!("{sign}{all}") });
    }
    let size = number.abs();
    Some(if size == 0.0 || (1e-7..1e21).contains(&size) { number.to_string() } else { format!("{number:e}") })
}

/// Writes days since the origin as their column wants them; `None` is no date.
fn shown(days: f64, is_elapsed: bool, kind: Option<Kind>) -> Option<String> {
    if !days.is_finite() || days.abs() > MOST_DAYS {
        return None;
    }
    // The whole days apart, what is left of a day is exact to far less than a microsecond.
    let whole = days.floor();
    let micros = ((days - whole) * DAY_US as f64).round() as i64;
    let whole = whole as i64;
    let total = whole * DAY_US + micros;
    if kind == Some(Kind::Seconds) && (is_elapsed || days < LONGEST_DAYS) {
        let (sign, size) = (if total < 0 { "-" } else { "" }, total.unsigned_abs());
        return Some(format!("{sign}PT{}.{:06}S", size / 1_000_000, size % 1_000_000));
    }
    if is_elapsed || whole < 1 {
        return Some(clock(total));
    }
    let since_epoch = whole - EPOCH_DAYS + i64::from(whole < FIRST_RIGHT_DAY);
    let time = DateTime::from_timestamp_micros(since_epoch * DAY_US + micros)?.naive_utc();
    Some(written(time))
}

fn written(time: NaiveDateTime) -> String {
    let micros = time.and_utc().timestamp_subsec_micros();
    if time.time() == chrono::NaiveTime::MIN {
        return time.format("%Y-%m-%d").to_string();
    }
    let seconds = time.format("%Y-%m-%dT%H:%M:%S");
    if micros == 0 { seconds.to_string() } else { format!("{seconds}.{micros:06}") }
}

fn clock(micros: i64) -> String {
    let (sign, size) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (seconds, part) = (size / 1_000_000, size % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let part = if part == 0 { String::new() } else { format!(".{part:06}") };
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{part}")
}

/// Rounds the fraction of a time: programs write nanoseconds of what they hold to less than that.
fn to_microseconds(text: &str) -> String {
    let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    let rounded = parsed.filter(|_| text.rsplit('.').next().is_some_and(|part| part.len() > 6)).and_then(|time| {
        let time = time.and_utc();
        let nanos = i64::from(time.timestamp_subsec_nanos());
        DateTime::from_timestamp_micros(time.timestamp() * 1_000_000 + (nanos + 500) / 1000)
    });
    rounded.map_or_else(|| text.to_owned(), |time| written(time.naive_utc()))
}

/// Writes `PT10H05M00S` as a clock.
fn clock_of_iso(iso: &str) -> Option<String> {
    let (hours, rest) = iso.strip_prefix("PT")?.split_once('H')?;
    let (minutes, rest) = rest.split_once('M')?;
    let seconds = rest.strip_suffix('S')?.replace(',', ".");
    let seconds: f64 = seconds.parse().ok().filter(|seconds| (0.0..61.0).contains(seconds))?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let whole = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
    Some(clock(whole.checked_mul(1_000_000)?.checked_add((seconds * 1e6).round() as i64)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::match_header;

    fn written_as(value: &Value, column: &str) -> String {
        let mut out = String::new();
        let target = match_header(column, &[]).unwrap().0;
        push(&mut out, value, target, column, &Declared::default(), &mut Odd::default());
        out
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (digits, number) in [
            ("39112345678901237", "39112345678901237"),
            ("3.9112345678901237E16", "39112345678901237"),
            ("3.91E+16", "39100000000000000"),
            ("-12", "-12"),
            ("7.0", "7"),
            ("-0.0", "0"),
            ("0", "0"),
            ("2.5000000000000001E-2", "0.025"),
            ("299.99999900000001", "299.999999"),
            ("1E-9", "1e-9"),
            ("1e300", "1e300"),
            (" 5 ", "5"),
            ("0012", "12"),
        ] {
            assert_eq!(number_of(digits).as_deref(), Some(number), "{digits}");
        }
        for text in ["", "x", "NaN", "inf", "1e999"] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_dates_clocks_or_lengths_of_time_as_their_column_wants() {
        let days = |days: f64| Value::Days { days, is_elapsed: false };
        let elapsed = |days: f64| Value::Days { days, is_elapsed: true };
        for (value, column, text) in [
            (days(46_346.416_666_666_664), "started_at", "\"2026-11-20T10:00:00\""),
            (days(46_346.0), "started_at", "\"2026-11-20\""),
            (days(46_346.999_999_999_999), "started_at", "\"2026-11-21\""),
            (days(61.0), "colour", "\"1900-03-01\""),
            (days(59.0), "colour", "\"1900-02-28\""),
            (days(1.5), "colour", "\"1900-01-01T12:00:00\""),
            (days(0.5), "started_at", "\"12:00:00\""),
            (days(0.003_5), "time_in_workflow", "\"PT302.400000S\""),
            (elapsed(1.25), "time_in_workflow", "\"PT108000.000000S\""),
            (elapsed(-0.25), "duration_ms", "\"-PT21600.000000S\""),
            (elapsed(1.25), "version_id", "\"30:00:00\""),
            (days(46_346.0), "time_in_workflow", "\"2026-11-20\""),
            (days(1e9), "started_at", "1000000000"),
            (days(f64::NAN), "started_at", "null"),
            (Value::Length("PT10H05M00.5S".to_owned()), "time_in_workflow", "\"PT10H05M00.5S\""),
            (Value::Length("PT30H05M00.5S".to_owned()), "version_id", "\"30:05:00.500000\""),
            (Value::Time("2026-11-20T10:00:00.000000954".to_owned()), "started_at", "\"2026-11-20T10:00:00.000001\""),
            (Value::Time("2026-11-20T23:59:59.999999999".to_owned()), "started_at", "\"2026-11-21\""),
            (Value::Time("2026-11-20T10:00:00Z".to_owned()), "started_at", "\"2026-11-20T10:00:00Z\""),
            (Value::Error("#N/A".to_owned()), "ended_at", "\"#N/A\""),
            (Value::Error("#N/A".to_owned()), "session_id", "null"),
            (Value::Text(String::new()), "data", "null"),
            (Value::Boolean(true), "data", "true"),
        ] {
            assert_eq!(written_as(&value, column), text, "{value:?} {column}");
        }
    }

    #[test]
    fn every_microsecond_that_is_stored_as_days_comes_back() {
        for second in [0_i64, 1, 36_000, 59_999, 86_399] {
            for micro in [0, 1, 7, 80_758, 500_000, 999_999] {
                let micros = (46_346 * 86_400 + second) * 1_000_000 + micro;
                let days = micros as f64 / DAY_US as f64;
                let expected = DateTime::from_timestamp_micros(micros - EPOCH_DAYS * DAY_US).unwrap().naive_utc();
                assert_eq!(shown(days, false, Some(Kind::Timestamp)), Some(written(expected)));
            }
        }
    }
}
