//! Reads lengths of time that people write: `90`, `90s`, `1h30m`, `2 days 3 hours`, `01:30:00`, `PT1H30M`.
//!
//! A length is in seconds, as time_in_workflow is. Months and years are refused: they are no fixed number of seconds.

/// Reads a length of time and returns its seconds; a leading `-` makes it negative.
///
/// # Errors
/// What is wrong, in words that follow the quoted value.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest.trim_start()),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = if rest.contains(':') {
        clock_seconds(rest)
    } else if let Some(period) = rest.strip_prefix(['P', 'p']) {
        iso_seconds(period)
    } else if let Some(number) = decimal(rest) {
        Some(number)
    } else {
        unit_seconds(rest, unit)
    };
    match value {
        Some(value) if value.is_finite() => Ok(sign * value),
        _ => Err("write seconds, 1h30m, 2 days 3 hours, 01:30:00 or PT1H30M".to_owned()),
    }
}

/// Reads digits with at most one point; not what else Rust takes for a number, such as `inf` and `1e5`.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.chars().any(|c| c.is_ascii_digit());
    (digits && text.chars().all(|c| c.is_ascii_digit() || c == '.')).then(|| text.parse().ok()).flatten()
}

fn clock_seconds(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let whole =
        |part: &str| -> Option<f64> { part.chars().all(|c| c.is_ascii_digit()).then(|| decimal(part)).flatten() };
    let (hours, minutes, seconds) = (whole(hours)?, whole(minutes)?, decimal(seconds)?);
    (parts.next().is_none() && minutes < 60.0 && seconds < 60.0).then_some(hours * 3_600.0 + minutes * 60.0 + seconds)
}

fn iso_seconds(period: &str) -> Option<f64> {
    let period = period.to_ascii_uppercase();
    let (days, time) = period.split_once('T').map_or((period.as_str(), None), |(days, time)| (days, Some(time)));
    let days = match (days, time) {
        ("", Some(_)) => 0.0,
        _ => unit_seconds(days, |name| match name {
            "D" => Some(86_400.0),
            "W" => Some(604_800.0),
            _ => None,
        })?,
    };
    let time = match time {
        None => 0.0,
        Some(time) => unit_seconds(time, |name| match name {
            "H" => Some(3_600.0),
            "M" => Some(60.0),
            "S" => Some(1.0),
            _ => None,
        })?,
    };
    Some(days + time)
}

/// Adds up numbers with units, such as `1h 30m`; at least one.
fn unit_seconds(text: &str, unit: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at_checked(letters)?;
        total += decimal(number)? * unit(name)?;
        rest = after.trim_start();
    }
    Some(total)
}

fn unit(name: &str) -> Option<f64> {
    Some(match name.to_lowercase().as_str() {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_documented_form_is_read() {
        for (text, value) in [
            ("90", 90.0),
            ("1.5", 1.5),
            ("-90", -90.0),
            ("90s", 90.0),
            ("250 ms", 0.25),
            ("15m", 900.0),
            ("1h30m", 5_400.0),
            ("1 h 30 min", 5_400.0),
            ("2 days 3 hours", 183_600.0),
            ("-1 week", -604_800.0),
            ("01:30:00", 5_400.0),
            ("100:00:00.5", 360_000.5),
            ("PT1H30M", 5_400.0),
            ("P1DT1S", 86_401.0),
            ("P2W", 1_209_600.0),
            ("pt0.5s", 0.5),
        ] {
            assert_eq!(seconds(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_fixed_length_is_refused() {
        for text in [
            "", "-", "abc", "1 month", "P1M", "P1Y", "P", "PT", "P1DT", "1:30", "01:60:00", "1h30", "h", "inf", "nan",
            "1e5", "1..2", "--1",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = seconds(&text);
        }

        #[test]
        fn whole_seconds_come_back_from_every_form(total in 0_u32..1_000_000) {
            let (hours, minutes, rest) = (total / 3_600, total / 60 % 60, total % 60);
            for text in [
                format!("{total}"),
                format!("{hours}h{minutes}m{rest}s"),
                format!("{hours}:{minutes:02}:{rest:02}"),
                format!("PT{hours}H{minutes}M{rest}S"),
            ] {
                prop_assert_eq!(seconds(&text), Ok(f64::from(total)));
            }
        }
    }
}
