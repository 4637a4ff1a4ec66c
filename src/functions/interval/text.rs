//! Reads and writes intervals as PostgreSQL does: `1 year 2 mons -3 days +04:05:06.7`.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;

use super::value::{DAY_NS, of_parts};

const HOUR_NS: i128 = 3_600_000_000_000;
const MINUTE_NS: i128 = 60_000_000_000;
const SECOND_NS: i128 = 1_000_000_000;

/// The most characters of a text that is taken for an interval.
const LONGEST_TEXT: usize = 200;

/// Appends an interval in PostgreSQL's style: `2 days 04:05:06.7`, `-1 years +3 days`, `00:00:00`.
pub fn push_postgres(months: i32, days: i64, nanoseconds: i128, out: &mut String) {
    let (mut is_empty, mut is_negative) = (true, false);
    for (count, unit) in [(i64::from(months / 12), "year"), (i64::from(months % 12), "mon"), (days, "day")] {
        if count == 0 {
            continue;
        }
        let space = if is_empty { "" } else { " " };
        let sign = if is_negative && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        let _ = write!(out, "{space}{sign}{count} {unit}{plural}");
        (is_empty, is_negative) = (false, count < 0);
    }
    if nanoseconds == 0 && !is_empty {
        return;
    }
    if !is_empty {
        out.push(' ');
    }
    if nanoseconds < 0 {
        out.push('-');
    } else if is_negative {
        out.push('+');
    }
    let length = nanoseconds.unsigned_abs();
    let (second, minute, hour) = (SECOND_NS.unsigned_abs(), MINUTE_NS.unsigned_abs(), HOUR_NS.unsigned_abs());
    let _ = write!(out, "{:02}:{:02}:{:02}", length / hour, length % hour / minute, length % minute / second);
    let fraction = length % second;
    if fraction != 0 {
        let digits = format!(".{fraction:09}");
        out.push_str(digits.trim_end_matches('0'));
    }
}

/// Reads an interval in PostgreSQL's forms: units and clock times in any order (`1 day 02:03`, `@ 3 hours ago`), `1-2` for years
/// and months, and ISO 8601 (`P1DT2H`). `None` if the text is none of them, or is out of range.
pub fn parse(text: &str) -> Option<IntervalMonthDayNano> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST_TEXT || !text.is_ascii() {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let sum = match text.strip_prefix('p') {
        Some(rest) => iso(rest)?,
        None => units(&text)?,
    };
    of_parts(sum.months, sum.days, sum.nanoseconds).ok()
}

/// What the parts of a text add up to.
#[derive(Debug, Default)]
struct Sum {
    months: i128,
    days: i128,
    nanoseconds: i128,
}

impl Sum {
    /// Adds a count of a unit; a fraction is passed down to smaller units, as PostgreSQL does.
    fn add(&mut self, count: &Count, unit: &str) -> Option<()> {
        let (months, days, nanoseconds) = match unit {
            "millennium" | "millennia" | "millenniums" | "millenia" | "mil" | "mils" => (12_000, 0, 0),
            "century" | "centuries" | "cent" | "c" => (1_200, 0, 0),
            "decade" | "decades" | "dec" | "decs" => (120, 0, 0),
            "year" | "years" | "yr" | "yrs" | "y" => (12, 0, 0),
            "month" | "months" | "mon" | "mons" => (1, 0, 0),
            "week" | "weeks" | "w" => (0, 7, 0),
            "day" | "days" | "d" => (0, 1, 0),
            "hour" | "hours" | "hr" | "hrs" | "h" => (0, 0, HOUR_NS),
            "minute" | "minutes" | "min" | "mins" | "m" => (0, 0, MINUTE_NS),
            "second" | "seconds" | "sec" | "secs" | "s" => (0, 0, SECOND_NS),
            "millisecond" | "milliseconds" | "msec" | "msecs" | "msecond" | "mseconds" | "ms" => (0, 0, 1_000_000),
            "microsecond" | "microseconds" | "usec" | "usecs" | "usecond" | "useconds" | "us" => (0, 0, 1_000),
            "nanosecond" | "nanoseconds" | "nsec" | "ns" => (0, 0, 1),
            _ => return None,
        };
        // A fraction is in billionths.
        let fraction = count.billionths;
        if months > 1 {
            self.months += count.whole * months + round(fraction * months, SECOND_NS);
        } else if months == 1 {
            self.months += count.whole;
            self.add_days(fraction * 30);
        } else if days != 0 {
            self.days += count.whole * days;
            self.add_days(fraction * days);
        } else {
            self.nanoseconds += count.whole * nanoseconds + round(fraction * nanoseconds, SECOND_NS);
        }
        Some(())
    }

    /// Adds billionths of days: whole days as days, the rest as time.
    fn add_days(&mut self, billionths: i128) {
        self.days += billionths / SECOND_NS;
        let time = billionths % SECOND_NS * i128::from(DAY_NS) / SECOND_NS;
        self.nanoseconds += round(time, 1_000) * 1_000;
    }

    fn negate(self) -> Self {
        Self { months: -self.months, days: -self.days, nanoseconds: -self.nanoseconds }
    }
}

fn round(value: i128, divisor: i128) -> i128 {
    (value + value.signum() * divisor / 2) / divisor
}

/// A decimal number: its whole part and billionths, both with its sign.
#[derive(Debug, Clone, Copy)]
struct Count {
    whole: i128,
    billionths: i128,
}

/// Takes a number off the front of a text: a sign, digits, a fraction.
fn number(text: &str) -> Option<(Count, &str)> {
    let (sign, rest) = sign(text);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at_checked(end)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.split_at_checked(end)?
        }
        None => ("", rest),
    };
    if digits.len() > 18 || (digits.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let nine: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let billionths: i128 = nine.parse().ok()?;
    Some((Count { whole: whole * sign, billionths: billionths * sign }, rest))
}

fn sign(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Reads counts with units, clock times and `years-months`.
fn units(text: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    let mut rest = text.strip_prefix('@').unwrap_or(text).trim_start();
    // A count that no unit has followed yet.
    let mut open: Option<Count> = None;
    let mut is_empty = true;
    while !rest.is_empty() {
        if rest == "ago" && open.is_none() && !is_empty {
            return Some(sum.negate());
        }
        let token_end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let token = rest.get(..token_end)?;
        if token.contains(':') {
            // `1 02:03` is a day and two hours.
            if let Some(days) = open.take() {
                sum.add(&days, "day")?;
            }
            sum.nanoseconds += clock(token)?;
            rest = rest.get(token_end..)?.trim_start();
        } else if open.is_none()
            && let Some(months) = years_and_months(token)
        {
            sum.months += months;
            rest = rest.get(token_end..)?.trim_start();
        } else if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            sum.add(&open.take()?, rest.get(..end)?)?;
            rest = rest.get(end..)?.trim_start();
        } else {
            if open.is_some() {
                return None;
            }
            let (count, after) = number(rest)?;
            if after.starts_with(|c: char| !c.is_ascii_alphabetic() && !c.is_ascii_whitespace()) {
                return None;
            }
            open = Some(count);
            rest = after.trim_start();
        }
        is_empty = false;
    }
    // A number alone is seconds.
    if let Some(seconds) = open {
        sum.add(&seconds, "second")?;
    }
    (!is_empty).then_some(sum)
}

/// Reads `h:m`, `h:m:s`, `h:m:s.f` or `m:s.f`.
fn clock(text: &str) -> Option<i128> {
    let (sign, text) = sign(text);
    let mut parts = text.split(':');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let whole = |part: &str| {
        let is_short = !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
        if is_short { part.parse::<i128>().ok() } else { None }
    };
    let seconds = |part: &str| {
        if !part.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let (count, after) = number(part)?;
        let total = count.whole * SECOND_NS + count.billionths;
        (after.is_empty() && total <= MINUTE_NS).then_some(total)
    };
    let minutes = |part: &str| whole(part).filter(|minutes| *minutes < 60);
    let total = match third {
        Some(third) => whole(first)? * HOUR_NS + minutes(second)? * MINUTE_NS + seconds(third)?,
        None if second.contains('.') => minutes(first)? * MINUTE_NS + seconds(second)?,
        None => whole(first)? * HOUR_NS + minutes(second)? * MINUTE_NS,
    };
    Some(sign * total)
}

/// Reads `y-m`.
fn years_and_months(text: &str) -> Option<i128> {
    let (sign, text) = sign(text);
    let (years, months) = text.split_once('-')?;
    let whole = |part: &str| {
        let is_short = !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
        if is_short { part.parse::<i128>().ok() } else { None }
    };
    let months = whole(months).filter(|months| *months < 12)?;
    Some(sign * (whole(years)? * 12 + months))
}

/// Reads what follows the `P` of ISO 8601.
fn iso(text: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    let (mut rest, mut is_time, mut is_empty) = (text, false, true);
    while !rest.is_empty() {
        if !is_time && let Some(after) = rest.strip_prefix('t') {
            (is_time, rest) = (true, after);
            continue;
        }
        let (count, after) = number(rest)?;
        let unit = after.chars().next()?;
        let unit_name = match (is_time, unit) {
            (false, 'y') => "year",
            (false, 'm') => "month",
            (false, 'w') => "week",
            (false, 'd') => "day",
            (true, 'h') => "hour",
            (true, 'm') => "minute",
            (true, 's') => "second",
            _ => return None,
        };
        sum.add(&count, unit_name)?;
        rest = after.get(1..)?;
        is_empty = false;
    }
    (!is_empty).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(months: i32, days: i64, nanoseconds: i128) -> String {
        let mut out = String::new();
        push_postgres(months, days, nanoseconds, &mut out);
        out
    }

    #[test]
    fn intervals_are_written_as_postgresql_writes_them() {
        assert_eq!(shown(0, 0, 0), "00:00:00");
        assert_eq!(shown(0, 2, 14_706_700_000_000), "2 days 04:05:06.7");
        assert_eq!(shown(14, 1, 0), "1 year 2 mons 1 day");
        assert_eq!(shown(-14, 3, 3_600_000_000_000), "-1 years -2 mons +3 days 01:00:00");
        assert_eq!(shown(0, -1, 7_384_000_000_000), "-1 days +02:03:04");
        assert_eq!(shown(0, 0, -250_000_000), "-00:00:00.25");
        assert_eq!(shown(0, 0, 360_000_000_000_001), "100:00:00.000000001");
        assert_eq!(shown(12, 0, -1_000_000_000), "1 year -00:00:01");
    }

    #[test]
    fn intervals_are_read_as_postgresql_reads_them() {
        for (text, expected) in [
            ("2 days 04:05:06.7", "2 days 04:05:06.7"),
            ("1 day ago", "-1 days"),
            ("@ 1 hour 2 mins ago", "-01:02:00"),
            ("1-2", "1 year 2 mons"),
            ("-1-2 +3 4:05", "-1 years -2 mons +3 days 04:05:00"),
            ("1 02:03", "1 day 02:03:00"),
            ("P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
            ("PT-3.5S", "-00:00:03.5"),
            ("1.5 months", "1 mon 15 days"),
            ("1.5 years", "1 year 6 mons"),
            ("1.5 weeks", "10 days 12:00:00"),
            ("-.5 days", "-12:00:00"),
            ("90", "00:01:30"),
            ("04:05.5", "00:04:05.5"),
            ("04:05", "04:05:00"),
            ("25 hours", "25:00:00"),
            ("1d2h3m", "1 day 02:03:00"),
            ("+1 day -1 hour", "1 day -01:00:00"),
            ("3 hours 1 day", "1 day 03:00:00"),
            ("1 microsecond", "00:00:00.000001"),
        ] {
            let read = parse(text).map(|i| shown(i.months, i.days.into(), i.nanoseconds.into()));
            assert_eq!(read.as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "day", "1 2 days", "1 dayx", "1:2:3:4", "P", "1:60", "ago", "1-13", "x 1 day", "1 day ago 2", "\u{e9}"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(months: i32, days: i32, nanoseconds: i64) {
            let read = parse(&shown(months, days.into(), nanoseconds.into()));
            prop_assert_eq!(read, Some(IntervalMonthDayNano::new(months, days, nanoseconds)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9a-zP@:. é]{0,40}") {
            parse(&text);
        }
    }
}
