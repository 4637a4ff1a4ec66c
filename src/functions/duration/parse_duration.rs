//! `parse_duration(text)`: a duration out of the usual spellings, in seconds. Parameters and the command line read theirs with it too.

use std::sync::{Arc, LazyLock};

use arrow::array::Float64Builder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use crate::functions::arguments::{self, Call, Kind, Parameters};
use crate::functions::frame::Function;
use crate::functions::reference::DURATIONS;

const PARAMETERS: Parameters = Parameters::required(&[("text", Kind::Text)]);

/// Longest text that is read; a longer one is no duration.
const MAX_BYTES: usize = 64;

/// Units with their milliseconds, longest first.
const UNITS: [(&[&str], u64); 6] = [
    (&["w", "week", "weeks"], 604_800_000),
    (&["d", "day", "days"], 86_400_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["s", "sec", "secs", "second", "seconds"], SECOND),
    (&["ms", "msec", "msecs", "millisecond", "milliseconds"], 1),
];

/// Milliseconds of a second.
const SECOND: u64 = 1_000;

/// The function.
pub(crate) static PARSE_DURATION: Function = Function {
    parameters: Some(PARAMETERS),
    documentation: Some(&DOCUMENTATION),
    ..Function::new("parse_duration", |_| Ok(DataType::Float64), run)
};

/// Reads a duration in seconds; `None` if the text is none of the known forms: `90`, `1h30m`, `2 days 3 hours`, `250 ms`, `01:30:00`,
/// `1:30` (minutes and seconds), `PT1H30M`, each with an optional sign in front. Months and years are no fixed number of seconds.
pub fn parse_duration(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.len() > MAX_BYTES {
        return None;
    }
    let (is_negative, body) = match text.as_bytes().first()? {
        b'-' => (true, text[1..].trim_start()),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let seconds = match body.as_bytes().first()? {
        b'P' | b'p' => iso(&body[1..])?,
        b'0'..=b'9' | b'.' => number(body).or_else(|| clock(body)).or_else(|| units(body))?,
        _ => return None,
    };
    Some(if is_negative { -seconds } else { seconds })
}

/// Reads a plain number of seconds; the first character is a digit or a dot, so neither `inf` nor `nan` comes here.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|seconds| seconds.is_finite())
}

/// Reads `hh:mm:ss(.fff)` or `mm:ss(.fff)`. The first part may be as long as it likes, the others are below 60.
fn clock(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [minutes, seconds] => ("0", *minutes, *seconds),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return None,
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let below_60 = |text: &str| whole(text).filter(|value| text.len() <= 2 && *value < 60);
    let minutes = if parts.len() == 2 { whole(minutes)? } else { below_60(minutes)? };
    let total =
        whole(hours)?.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(below_60(seconds)?)?;
    join(total, fraction)
}

/// Reads `1h 02m 05.25s` and the like: units from long to short, each once, a fraction only in the last.
fn units(text: &str) -> Option<f64> {
    components(text, |unit| {
        UNITS.iter().position(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(unit)))
    })
}

/// Reads an ISO 8601 duration after its `P`. Years and months have no fixed length and are not accepted.
fn iso(text: &str) -> Option<f64> {
    let upper = text.to_ascii_uppercase().replace(',', ".");
    let (date, time) = match upper.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (upper.as_str(), ""),
    };
    let days = |unit: &str| ["W", "D"].iter().position(|name| *name == unit);
    let times = |unit: &str| ["H", "M", "S"].iter().position(|name| *name == unit).map(|index| index + 2);
    match (date.is_empty(), time.is_empty()) {
        (true, true) => None,
        (false, true) => components(date, days),
        (true, false) => components(time, times),
        // With a time behind, the days are not the last component, so they have no fraction.
        (false, false) if date.contains('.') => None,
        (false, false) => Some(components(date, days)? + components(time, times)?),
    }
}

/// Sums numbers with units; `unit` gives a unit's place in [`UNITS`].
fn components(text: &str, unit: impl Fn(&str) -> Option<usize>) -> Option<f64> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut next_unit = 0;
    loop {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, tail) = rest.split_at(digits_end);
        let tail = tail.trim_start();
        let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (name, tail) = tail.split_at(unit_end);
        let index = unit(name).filter(|index| *index >= next_unit)?;
        next_unit = index + 1;
        let milliseconds = UNITS.get(index)?.1;
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let integer = if integer.is_empty() && !fraction.is_empty() { 0 } else { whole(integer)? };
        total = total.checked_add(integer.checked_mul(milliseconds)?)?;
        rest = tail.trim_start();
        if rest.is_empty() {
            return match milliseconds {
                // All units before are whole seconds.
                SECOND => join(total / SECOND, fraction),
                1 => Some(join(total, fraction)? / SECOND as f64),
                _ => Some((total as f64 + join(0, fraction)? * milliseconds as f64) / SECOND as f64),
            };
        }
        if digits.contains('.') {
            return None;
        }
    }
}

/// Reads an integer of digits only.
fn whole(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Joins whole seconds and the digits of a fraction. Read as one decimal, the result is the nearest double; a sum might be one off.
fn join(seconds: u64, fraction: &str) -> Option<f64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{seconds}.{fraction}").parse().ok()
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let texts = call.text(0)?;
    let mut seconds = Float64Builder::with_capacity(call.rows);
    for row in 0..call.rows {
        seconds.append_option(texts.get(row).and_then(parse_duration));
    }
    call.result(Arc::new(seconds.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        DURATIONS,
        "parse_duration(text)",
        "Reads a duration and returns its seconds. Understood are what `format_duration` writes (`1h 02m 05s`, also `90 min`, \
         `1.5 hours` or `250 ms`), clock times (`01:02:05.250`, or `62:05` as minutes and seconds), ISO 8601 (`PT1H2M5S`, `P1DT2H`, \
         `P2W`; years and months have no fixed length), and plain numbers of seconds (`45`, `4.5e1`), each with an optional \
         sign in front. Null for anything else.",
        &[("text", "The duration as text.")],
        "SELECT parse_duration('1h 02m 05s'), parse_duration('01:02:05'), parse_duration('PT45.3S');\n-- 3725.0, 3725.0, 45.3",
    )
});

#[cfg(test)]
mod tests {
    use super::super::format_duration::format_duration;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_read() {
        for (text, seconds) in [
            ("1h 02m 05s", 3_725.0),
            ("1h2m5s", 3_725.0),
            ("  -1m 30s ", -90.0),
            ("3d 00h 00m 01.5s", 259_201.5),
            ("45.3s", 45.3),
            (".5s", 0.5),
            ("250 ms", 0.25),
            ("0.5ms", 0.0005),
            ("1s 1ms", 1.001),
            ("2 days 3 hours", 183_600.0),
            ("90 min", 5_400.0),
            ("1.5 Hours", 5_400.0),
            ("2 weeks", 1_209_600.0),
            ("01:02:05", 3_725.0),
            ("01:02:05.250", 3_725.25),
            ("100:00:00", 360_000.0),
            ("62:05", 3_725.0),
            ("00:00:05.000", 5.0),
            ("-0:30", -30.0),
            ("PT1H2M5S", 3_725.0),
            ("P1DT2H", 93_600.0),
            ("P2W", 1_209_600.0),
            ("-PT0,5S", -0.5),
            ("pt1h", 3_600.0),
            ("PT1.5H", 5_400.0),
            ("45", 45.0),
            ("+4.5e1", 45.0),
            ("1.6e-6", 1.6e-6),
            ("0", 0.0),
        ] {
            assert_eq!(parse_duration(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_null() {
        for text in [
            "",
            " ",
            "-",
            "abc",
            "1x",
            "1h 1h",
            "1s 1h",
            "1.5h 3m",
            "5 5s",
            "s",
            "1:2:3:4",
            "1:60",
            "1:60:00",
            "1:-5",
            ":05",
            "1:",
            "P",
            "PT",
            "P1Y",
            "P1M",
            "P1",
            "P1H",
            "PT1D",
            "P1.5DT1H",
            "P1DT",
            "--5",
            "inf",
            "nan",
            "1e999",
            "1h-2m",
            "1.2.3s",
            "0x10",
            "99999999999999999999h",
            "1h 02m 05s trailing",
            "٣s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration(&"1".repeat(100)), None);
    }

    proptest! {
        #[test]
        fn a_formatted_duration_reads_back_to_the_millisecond(milliseconds in -2_000_000_000_000_000_i64..=2_000_000_000_000_000) {
            let seconds = milliseconds as f64 / 1_000.0;
            let text = format_duration(seconds).unwrap();
            prop_assert_eq!(parse_duration(&text), Some(seconds), "{}", text);
        }

        #[test]
        fn rounding_to_the_millisecond_is_all_that_formatting_loses(seconds in -1e9_f64..1e9) {
            let read = parse_duration(&format_duration(seconds).unwrap()).unwrap();
            prop_assert!((read - seconds).abs() <= 0.000_501, "{} {}", read, seconds);
        }

        #[test]
        fn a_clock_time_equals_its_iso_form(hours in 0_u32..1_000, minutes in 0_u32..60, seconds in 0_u32..60, ms in 0_u32..1_000) {
            let clock = format!("{hours:02}:{minutes:02}:{seconds:02}.{ms:03}");
            let iso = format!("PT{hours}H{minutes}M{seconds}.{ms:03}S");
            prop_assert!(parse_duration(&clock).is_some());
            prop_assert_eq!(parse_duration(&clock), parse_duration(&iso));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}", like in "[-+PT0-9.:dhms ,e]{0,16}") {
            parse_duration(&text);
            parse_duration(&like);
        }
    }
}
