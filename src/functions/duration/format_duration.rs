//! `format_duration(seconds)`: a duration as people write it.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use crate::functions::arguments::{self, Call, Kind, Parameters};
use crate::functions::frame::Function;
use crate::functions::reference::DURATIONS;

const PARAMETERS: Parameters = Parameters::required(&[("seconds", Kind::Number)]);

/// Longest duration, about 63,000 years: beyond it a double, times a thousand, no longer rounds to the right millisecond.
const MAX_SECONDS: f64 = 2e12;

/// The function.
pub(crate) static FORMAT_DURATION: Function = Function {
    parameters: Some(PARAMETERS),
    documentation: Some(&DOCUMENTATION),
    ..Function::new("format_duration", |_| Ok(DataType::Utf8View), run)
};

/// Writes a duration, rounded to the millisecond; `None` if it is not finite or too long.
pub(crate) fn format_duration(seconds: f64) -> Option<String> {
    if seconds.is_nan() || seconds.abs() > MAX_SECONDS {
        return None;
    }
    let milliseconds = (seconds * 1_000.0).round() as i64;
    let sign = if milliseconds < 0 { "-" } else { "" };
    let total = milliseconds.unsigned_abs();
    let (whole, thousandths) = (total / 1_000, total % 1_000);
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    let mut text = String::from(sign);
    // Every unit below the first is written with two digits, so that a column of durations lines up.
    let written = match (days, hours, minutes) {
        (1.., _, _) => write!(text, "{days}d {hours:02}h {minutes:02}m {seconds:02}"),
        (0, 1.., _) => write!(text, "{hours}h {minutes:02}m {seconds:02}"),
        (0, 0, 1..) => write!(text, "{minutes}m {seconds:02}"),
        (0, 0, 0) => write!(text, "{seconds}"),
    };
    written.ok()?;
    if thousandths > 0 {
        let digits = format!("{thousandths:03}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('s');
    Some(text)
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let seconds = call.numbers(0)?;
    let mut texts = StringViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        texts.append_option(seconds.get(row).and_then(format_duration));
    }
    call.result(Arc::new(texts.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        DURATIONS,
        "format_duration(seconds)",
        "Writes a duration as `45.3s`, `2m 05s`, `1h 02m 05s` or `3d 01h 02m 05s`, rounded to the millisecond, with a leading \
         `-` if it is negative. `parse_duration` reads it back. Null for NaN, infinities and more than 2e12 seconds.",
        &[("seconds", "The duration in seconds, any numeric type.")],
        "SELECT format_duration(3725), format_duration(45.3), format_duration(-90);\n-- 1h 02m 05s, 45.3s, -1m 30s",
    )
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_one_form() {
        for (seconds, text) in [
            (0.0, Some("0s")),
            (-0.0, Some("0s")),
            (45.3, Some("45.3s")),
            (0.0004, Some("0s")),
            (-0.0004, Some("0s")),
            (0.0005, Some("0.001s")),
            (59.9996, Some("1m 00s")),
            (125.0, Some("2m 05s")),
            (3_725.0, Some("1h 02m 05s")),
            (3_725.25, Some("1h 02m 05.25s")),
            (86_400.0, Some("1d 00h 00m 00s")),
            (-90.0, Some("-1m 30s")),
            (2e12, Some("23148148d 03h 33m 20s")),
            (2.1e12, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (f64::NEG_INFINITY, None),
        ] {
            assert_eq!(format_duration(seconds).as_deref(), text, "{seconds}");
        }
    }
}
