//! How dates and times are written where they are not ISO 8601: in another order, by a pattern, or as a number of days.
//!
//! The format is declared and never guessed. All formats but patterns understand ISO 8601 as well, which no date of theirs can be taken
//! for; a pattern is exact, since a date that it does not fit may be one of another pattern that reads as something else.

use std::fmt;

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems, parse, parse_and_remainder};
use chrono::{DateTime, Datelike, FixedOffset};

use super::day_numbers::{self, Epoch};
use super::extended::net_date;
use super::numbers::Numbers;
use super::time::{Instant, TimeFault, in_range, is_abbreviation, parse_instant, resolve_abbreviated, resolve_local};
use crate::error::{Error, Result};
use crate::zones::Tz;

/// How dates and times are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateFormat {
    /// Year, month, day, as ISO 8601 has it.
    #[default]
    Iso,
    /// Day, month, year: `20.11.2026 11:00`, `20/11/2026`.
    DayFirst,
    /// Month, day, year: `11/20/2026 11:00 AM`.
    MonthFirst,
    /// Year, month, day with other characters between: `2026/11/20 11:00`.
    YearFirst,
    /// Days since 1899-12-30 on the local clock, as spreadsheets count from March 1900 on.
    ExcelSerial,
    /// Days since 1904-01-01 on the local clock, as spreadsheets of old Macs count.
    #[serde(rename = "excel_serial_1904")]
    ExcelSerial1904,
    /// Julian days, which begin at noon, on the local clock.
    Julian,
    /// A pattern of `strptime`.
    Pattern(DatePattern),
}

impl DateFormat {
    /// The names of formats.
    pub const NAMES: [&str; 8] = ["iso", "de", "uk", "us", "jp", "excel-serial", "excel-serial-1904", "julian"];

    /// Reads the name of a format, or a pattern of `strptime` such as `%d.%m.%Y %H:%M`.
    ///
    /// # Errors
    /// A name that is none, or a pattern that gives no instant.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "iso" => Self::Iso,
            "de" | "uk" => Self::DayFirst,
            "us" => Self::MonthFirst,
            "jp" => Self::YearFirst,
            "excel-serial" => Self::ExcelSerial,
            "excel-serial-1904" => Self::ExcelSerial1904,
            "julian" => Self::Julian,
            _ if text.contains('%') => Self::Pattern(DatePattern::parse(text)?),
            _ => {
                return Err(Error::usage(format!("⟨date-format⟩ {text:?} is neither a format nor a pattern"))
                    .with_hint(format!(
                        "formats are {}; a pattern is written as '%d.%m.%Y %H:%M:%S'",
                        Self::NAMES.join(", ")
                    )));
            }
        })
    }

    /// Returns the format as it is named on the command line; `None` for ISO 8601 and patterns.
    pub(super) fn flag(&self) -> Option<&'static str> {
        Some(match self {
            Self::Iso | Self::Pattern(_) => return None,
            Self::DayFirst => "de",
            Self::MonthFirst => "us",
            Self::YearFirst => "jp",
            Self::ExcelSerial => "excel-serial",
            Self::ExcelSerial1904 => "excel-serial-1904",
            Self::Julian => "julian",
        })
    }

    /// Returns the day that numbers count from, where dates are numbers.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::ExcelSerial => Some(Epoch::EXCEL_1900),
            Self::ExcelSerial1904 => Some(Epoch::EXCEL_1904),
            Self::Julian => Some(Epoch::JULIAN),
            _ => None,
        }
    }

    /// Reads an instant in this format; times without a zone are local in `zone`.
    pub(super) fn read(&self, text: &str, numbers: Numbers, zone: Tz) -> Result<Instant, TimeFault> {
        match self {
            Self::Iso => parse_instant(text, zone).or_else(|fault| of_net(text, fault)),
            Self::Pattern(pattern) => pattern.read(text.trim_ascii(), zone),
            Self::DayFirst | Self::MonthFirst | Self::YearFirst => {
                let iso = iso_of(text.trim_ascii(), self);
                parse_instant(iso.as_deref().unwrap_or(text), zone).or_else(|fault| of_net(text, fault))
            }
            Self::ExcelSerial | Self::ExcelSerial1904 | Self::Julian => {
                let plain = if numbers.are_plain() { None } else { numbers.plain(text) };
                let epoch = self.epoch().ok_or(TimeFault::Unreadable)?;
                match day_numbers::local_of_text(plain.as_deref().unwrap_or(text), epoch) {
                    Some(local_us) => resolve_local(local_us?, zone),
                    None => parse_instant(text, zone).or_else(|fault| of_net(text, fault)),
                }
            }
        }
    }
}

fn of_net(text: &str, fault: TimeFault) -> Result<Instant, TimeFault> {
    let micros = net_date(text).ok_or(fault)?.checked_mul(1000).ok_or(TimeFault::OutOfRange)?;
    in_range(micros).map(|micros| Instant { micros, ambiguous: false })
}

/// Writes a date in another order as ISO 8601, with the time behind it; `None` where it is none of that order.
pub(super) fn iso_of(text: &str, format: &DateFormat) -> Option<String> {
    // Some locales write blanks that do not break.
    let breaking = (!text.is_ascii()).then(|| text.replace(['\u{a0}', '\u{202f}'], " "));
    let text = breaking.as_deref().unwrap_or(text);
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, time.trim_ascii()),
        None => (text, ""),
    };
    let date = date.trim_end_matches(',');
    let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '.' | '/' | '-'))?;
    // Some locales close a date with the separator.
    let mut parts = date.strip_suffix('.').unwrap_or(date).split(separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    let (day, month, year) = match format {
        DateFormat::DayFirst => (first, second, third),
        DateFormat::MonthFirst => (second, first, third),
        DateFormat::YearFirst => (third, second, first),
        _ => return None,
    };
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || !digits(day, 2) || !digits(month, 2) || !digits(year, 4) || year.len() != 4 {
        return None;
    }
    let mut iso = format!("{year}-{month:0>2}-{day:0>2}");
    if time.is_empty() {
        return Some(iso);
    }
    let (time, zone) = match time.rsplit_once(' ') {
        Some((time, name)) if is_abbreviation(name) => (time.trim_ascii_end(), Some(name)),
        _ => (time, None),
    };
    let lower = time.to_ascii_lowercase();
    let (clock, half) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(clock), _) => (clock.trim_ascii_end(), Some(0)),
        (_, Some(clock)) => (clock.trim_ascii_end(), Some(12)),
        _ => (time, None),
    };
    let (hour, rest) = clock.split_once(':')?;
    if !digits(hour, 2) {
        return None;
    }
    let hour: u32 = hour.parse().ok()?;
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    iso.push_str(&format!(" {hour:02}:{rest}"));
    if let Some(zone) = zone {
        iso.push_str(&format!(" {zone}"));
    }
    Some(iso)
}

/// A pattern of `strptime`, checked to give an instant.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatePattern {
    text: String,
    items: Vec<Item<'static>>,
    /// Whether `Z`, `UTC` or `GMT` stands in it behind the clock, which says the zone although it is no specifier.
    is_utc: bool,
}

impl PartialEq for DatePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for DatePattern {}

impl fmt::Debug for DatePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl From<DatePattern> for String {
    fn from(pattern: DatePattern) -> Self {
        pattern.text
    }
}

impl TryFrom<String> for DatePattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl DatePattern {
    /// Reads a pattern: the specifiers of C's `strptime` as the library chrono has them, with `%f` behind a point for digits of a
    /// fraction, as Python has it.
    ///
    /// # Errors
    /// An unknown specifier, a pattern without a date, or one whose parts contradict each other.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::usage(format!("⟨date-format⟩ {text:?} {what}"));
        let items = StrftimeItems::new(text).parse_to_owned().map_err(|_| {
            wrong("has a specifier that is not known".to_owned()).with_hint(
                "specifiers are those of strptime: %Y %m %d %H %M %S %.f %z, %b for names of months, %p for AM and PM",
            )
        })?;
        let items = with_fractions(items).ok_or_else(|| {
            wrong("has %f without a point before it".to_owned())
                .with_hint("digits of a fraction are %.f with their point, or %3f, %6f or %9f without one")
        })?;
        let mut parts: Vec<(&str, &str)> = Vec::new();
        for item in &items {
            let Some(part) = part_of(item) else { continue };
            if let Some((_, before)) = parts.iter().find(|(known, _)| *known == part.0) {
                let message = format!("has the {} twice, as {before} and {}", part.0, part.1);
                return Err(wrong(message).with_hint("months are %m and minutes %M; hours are %H, or %I with %p"));
            }
            parts.push(part);
        }
        let has = |part: &str| parts.iter().any(|(known, _)| *known == part);
        if has("instant") && parts.iter().any(|(part, _)| !matches!(*part, "instant" | "fraction")) {
            return Err(wrong("has %s, which is the whole instant, beside other parts".to_owned()));
        }
        for (part, needs, hint) in [
            ("half of the day", "hour", "%p belongs to the hour %I"),
            ("minute", "hour", "hours are %H, or %I with %p; months are %m"),
            ("second", "minute", "minutes are %M"),
            ("fraction", "second", "seconds are %S"),
        ] {
            if has(part) && !has(needs) && !has("instant") {
                return Err(wrong(format!("has a {part} without {} {needs}", article(needs))).with_hint(hint));
            }
        }
        let is_utc = !has("offset") && !has("zone") && !has("instant") && names_utc(&items);
        let pattern = Self { text: text.to_owned(), items, is_utc };
        match pattern.probe() {
            Ok(()) => Ok(pattern),
            Err(Missing::Half) => Err(wrong("has hours of a half of the day without AM or PM".to_owned())
                .with_hint("write %I with %p, or %H for hours of 24")),
            Err(Missing::Date) => Err(wrong("has no whole date".to_owned())
                .with_hint("a date is %Y-%m-%d, %F, a day of the year (%Y-%j) or of a week (%G-%V-%u), or an instant in seconds (%s)")),
        }
    }

    /// Reads what the pattern writes for a known instant.
    fn probe(&self) -> Result<(), Missing> {
        let known = DateTime::from_timestamp(1_793_884_029, 123_456_000)
            .zip(FixedOffset::east_opt(19_800))
            .map(|(instant, offset)| instant.with_timezone(&offset))
            .ok_or(Missing::Date)?;
        let written = known.format_with_items(self.items.iter()).to_string();
        let mut parsed = Parsed::new();
        self.parse_into(&mut parsed, &written).map_err(|_| Missing::Date)?;
        if parsed.timestamp().is_some() {
            return Ok(());
        }
        if parsed.hour_mod_12().is_some() && parsed.hour_div_12().is_none() {
            return Err(Missing::Half);
        }
        match parsed.to_naive_date() {
            Ok(date) if date == known.date_naive() => Ok(()),
            _ => Err(Missing::Date),
        }
    }

    /// Reads an instant; one without an offset is local in `zone`. What is finer than microseconds is cut off.
    pub(super) fn read(&self, text: &str, zone: Tz) -> Result<Instant, TimeFault> {
        let fault = |error: chrono::ParseError| match error.kind() {
            chrono::format::ParseErrorKind::OutOfRange | chrono::format::ParseErrorKind::Impossible => {
                TimeFault::OutOfRange
            }
            _ => TimeFault::Unreadable,
        };
        let mut parsed = Parsed::new();
        let name = self.parse_into(&mut parsed, text).map_err(fault)?;
        if parsed.timestamp().is_some() {
            let utc = parsed.to_naive_datetime_with_offset(0).map_err(fault)?;
            return in_range(utc.and_utc().timestamp_micros()).map(|micros| Instant { micros, ambiguous: false });
        }
        // Two digits where four are declared are no year of the first century.
        if parsed.year().is_some_and(|year| (2..100).contains(&year)) {
            return Err(TimeFault::OutOfRange);
        }
        let date = parsed.to_naive_date().map_err(fault)?;
        let time = if parsed.hour_mod_12().is_none() {
            chrono::NaiveTime::MIN
        } else {
            if parsed.minute().is_none() {
                parsed.set_minute(0).map_err(fault)?;
            }
            parsed.to_naive_time().map_err(fault)?
        };
        if !(1..=9999).contains(&date.year()) {
            return Err(TimeFault::OutOfRange);
        }
        let local_us = date.and_time(time).and_utc().timestamp_micros();
        match parsed.offset() {
            Some(seconds) => {
                in_range(local_us - i64::from(seconds) * 1_000_000).map(|micros| Instant { micros, ambiguous: false })
            }
            None => match name {
                None if self.is_utc => in_range(local_us).map(|micros| Instant { micros, ambiguous: false }),
                None => resolve_local(local_us, zone),
                Some(name) if name.contains('/') => {
                    resolve_local(local_us, Tz::named(name).ok_or(TimeFault::Unreadable)?)
                }
                Some(name) => resolve_abbreviated(local_us, name, zone),
            },
        }
    }

    /// Takes a text apart, and returns the name of its zone where the pattern has one (`%Z`). Behind an offset a comment may stand, as JavaScript
    /// writes it: `GMT+0100 (Central European Standard Time)`.
    fn parse_into<'t>(&self, parsed: &mut Parsed, text: &'t str) -> chrono::ParseResult<Option<&'t str>> {
        let is_name = |item: &Item<'_>| matches!(item, Item::Fixed(Fixed::TimezoneName));
        let Some(at) = self.items.iter().position(is_name) else {
            let rest = parse_and_remainder(parsed, text, self.items.iter())?;
            let is_comment = rest.starts_with(" (") && rest.ends_with(')') && parsed.offset().is_some();
            return if is_comment {
                Ok(None)
            } else {
                parse(parsed, rest, std::iter::empty::<&Item<'_>>()).map(|()| None)
            };
        };
        let (before, after) = self.items.split_at(at);
        let rest = parse_and_remainder(parsed, text, before.iter())?;
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+' | ':');
        let (name, rest) = rest.split_at(rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()));
        parse(parsed, rest, after.iter().skip(1))?;
        Ok(Some(name))
    }
}

/// Returns whether the name of UTC stands among the text of a pattern, behind its clock.
fn names_utc(items: &[Item<'_>]) -> bool {
    let is_of_clock = |item: &Item<'_>| {
        matches!(part_of(item), Some(("hour" | "minute" | "second" | "fraction" | "half of the day", _)))
    };
    let behind = items.iter().skip_while(|item| !is_of_clock(item));
    behind
        .filter_map(|item| match item {
            Item::Literal(text) => Some(*text),
            Item::OwnedLiteral(text) => Some(&**text),
            _ => None,
        })
        .any(|text| matches!(text, "Z" | "UTC" | "GMT"))
}

enum Missing {
    Date,
    Half,
}

fn article(part: &str) -> &'static str {
    if part == "hour" { "an" } else { "a" }
}

/// Makes `.%f`, which the library takes for a count of nanoseconds, digits of a fraction; `None` where no point stands before it.
fn with_fractions(items: Vec<Item<'static>>) -> Option<Vec<Item<'static>>> {
    let mut made: Vec<Item<'static>> = Vec::with_capacity(items.len());
    for item in items {
        if !matches!(item, Item::Numeric(Numeric::Nanosecond, _)) {
            made.push(item);
            continue;
        }
        let before = match made.pop()? {
            Item::Literal(text) => text.to_owned(),
            Item::OwnedLiteral(text) => text.into(),
            _ => return None,
        };
        let before = before.strip_suffix('.')?;
        if !before.is_empty() {
            made.push(Item::OwnedLiteral(before.into()));
        }
        made.push(Item::Fixed(Fixed::Nanosecond));
    }
    Some(made)
}

/// Names the part of an instant that an item is, and its specifier. What only confirms other parts (weekdays, weeks) is none.
fn part_of(item: &Item<'_>) -> Option<(&'static str, &'static str)> {
    Some(match item {
        Item::Numeric(number, _) => match number {
            Numeric::Year => ("year", "%Y"),
            Numeric::YearMod100 => ("year", "%y"),
            Numeric::IsoYear => ("year of the week", "%G"),
            Numeric::Month => ("month", "%m"),
            Numeric::Day => ("day", "%d"),
            Numeric::Ordinal => ("day of the year", "%j"),
            Numeric::Hour => ("hour", "%H"),
            Numeric::Hour12 => ("hour", "%I"),
            Numeric::Minute => ("minute", "%M"),
            Numeric::Second => ("second", "%S"),
            Numeric::Timestamp => ("instant", "%s"),
            _ => return None,
        },
        Item::Fixed(fixed) => match fixed {
            Fixed::ShortMonthName => ("month", "%b"),
            Fixed::LongMonthName => ("month", "%B"),
            Fixed::LowerAmPm | Fixed::UpperAmPm => ("half of the day", "%p"),
            Fixed::Nanosecond | Fixed::Nanosecond3 | Fixed::Nanosecond6 | Fixed::Nanosecond9 => ("fraction", "%.f"),
            Fixed::TimezoneName => ("zone", "%Z"),
            Fixed::TimezoneOffset
            | Fixed::TimezoneOffsetZ
            | Fixed::TimezoneOffsetColon
            | Fixed::TimezoneOffsetColonZ
            | Fixed::TimezoneOffsetDoubleColon
            | Fixed::TimezoneOffsetTripleColon => ("offset", "%z"),
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::*;

    fn read(format: &str, text: &str, zone: Tz) -> Result<String, TimeFault> {
        let instant = DateFormat::parse(format).unwrap().read(text, Numbers::default(), zone)?;
        let time = DateTime::from_timestamp_micros(instant.micros).unwrap();
        let mark = if instant.ambiguous { "?" } else { "" };
        Ok(format!("{}{mark}", time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
    }

    #[test]
    fn dates_in_another_order_become_iso() {
        use DateFormat::{DayFirst, Iso, MonthFirst, YearFirst};
        for (text, order, iso) in [
            ("20.11.2026 11:00", DayFirst, Some("2026-11-20 11:00")),
            ("20.11.2026 12:00:01", DayFirst, Some("2026-11-20 12:00:01")),
            ("1/2/2026", DayFirst, Some("2026-02-01")),
            ("1/2/2026", MonthFirst, Some("2026-01-02")),
            ("11/20/2026, 1:05:09 PM", MonthFirst, Some("2026-11-20 13:05:09")),
            ("11/20/2026, 1:05:09\u{202f}PM", MonthFirst, Some("2026-11-20 13:05:09")),
            ("11/20/2026 12:05 am", MonthFirst, Some("2026-11-20 00:05")),
            ("11/20/2026 12:05 PM EST", MonthFirst, Some("2026-11-20 12:05 EST")),
            ("11/20/2026 13:05 pm", MonthFirst, None),
            ("2026-11-20", DayFirst, None),
            ("20.11.26", DayFirst, None),
            ("2026/11/20 9:05", YearFirst, Some("2026-11-20 09:05")),
            ("2026.11.20.", YearFirst, Some("2026-11-20")),
            ("20/11/2026", YearFirst, None),
            ("20.11.2026", Iso, None),
            ("tomorrow", DayFirst, None),
        ] {
            assert_eq!(iso_of(text, &order).as_deref(), iso, "{text}");
        }
    }

    #[test]
    fn patterns_read_what_they_say_and_nothing_else() {
        use TimeFault::{OutOfRange, Unreadable};
        let berlin = Tz::named("Europe/Berlin").unwrap();
        for (pattern, text, expected) in [
            ("%d-%b-%Y %H:%M:%S", "20-Nov-2026 11:00:00", Ok("2026-11-20T10:00:00Z")),
            ("%d-%b-%y %I.%M.%S.%f %p", "20-NOV-26 11.00.00.123456 AM", Ok("2026-11-20T10:00:00.123456Z")),
            ("%b %e %Y %I:%M%p", "Nov  5 2026 12:05AM", Ok("2026-11-04T23:05:00Z")),
            ("%a, %d %b %Y %H:%M:%S GMT%z", "Fri, 20 Nov 2026 10:00:00 GMT+0000", Ok("2026-11-20T10:00:00Z")),
            ("%d/%b/%Y:%H:%M:%S %z", "20/Nov/2026:11:00:00 +0530", Ok("2026-11-20T05:30:00Z")),
            ("%Y-%m-%d-%H.%M.%S%.f", "2026-11-20-11.00.00.5", Ok("2026-11-20T10:00:00.500Z")),
            ("%Y-%m-%d-%H.%M.%S%.f", "2026-11-20-11.00.00", Ok("2026-11-20T10:00:00Z")),
            ("%Y%m%d %H%M%S%3f", "20261120 110000250", Ok("2026-11-20T10:00:00.250Z")),
            ("%d.%m.%Y %H", "20.11.2026 11", Ok("2026-11-20T10:00:00Z")),
            ("%Y-%j", "2026-324", Ok("2026-11-19T23:00:00Z")),
            ("%G-W%V-%u", "2026-W47-5", Ok("2026-11-19T23:00:00Z")),
            ("%a %b %d %H:%M:%S %Z %Y", "Fri Nov 20 11:00:00 CET 2026", Ok("2026-11-20T10:00:00Z")),
            ("%a %b %d %H:%M:%S %Z %Y", "Fri Nov 20 10:00:00 UTC 2026", Ok("2026-11-20T10:00:00Z")),
            ("%a %b %d %H:%M:%S %Z %Y", "Fri Nov 20 11:00:00 CEST 2026", Err(Unreadable)),
            ("%a %b %d %H:%M:%S %Z %Y", "Fri Nov 20 11:00:00 EST 2026", Err(Unreadable)),
            ("%F %T %Z", "2026-10-25 02:30:00 CET", Ok("2026-10-25T01:30:00Z")),
            ("%F %T %Z", "2026-10-25 02:30:00 CEST", Ok("2026-10-25T00:30:00Z")),
            ("%F %T %Z", "2026-11-20 05:00:00 America/New_York", Ok("2026-11-20T10:00:00Z")),
            ("%F %T %z (%Z)", "2026-11-20 11:00:00 +0100 (EST)", Ok("2026-11-20T10:00:00Z")),
            (
                "%a %b %d %Y %H:%M:%S GMT%z",
                "Fri Nov 20 2026 11:00:00 GMT+0100 (Central European Standard Time)",
                Ok("2026-11-20T10:00:00Z"),
            ),
            ("%F %T", "2026-11-20 11:00:00 (CET)", Err(Unreadable)),
            ("%Y-%m-%dT%H:%M:%SZ", "2026-11-20T10:00:00Z", Ok("2026-11-20T10:00:00Z")),
            ("%d.%m.%Y %H:%M:%S.%fZ", "20.11.2026 10:00:00.5Z", Ok("2026-11-20T10:00:00.500Z")),
            ("%a, %d %b %Y %H:%M:%S GMT", "Fri, 20 Nov 2026 10:00:00 GMT", Ok("2026-11-20T10:00:00Z")),
            ("%a %b %d %H:%M:%S UTC %Y", "Fri Nov 20 10:00:00 UTC 2026", Ok("2026-11-20T10:00:00Z")),
            ("Z %d.%m.%Y %H:%M", "Z 20.11.2026 11:00", Ok("2026-11-20T10:00:00Z")),
            ("%s%.f", "1795168800.25", Ok("2026-11-20T10:00:00.250Z")),
            ("%F %T", " 2026-11-20 11:00:00 ", Ok("2026-11-20T10:00:00Z")),
            ("%F %T", "2026-11-20 11:00:60", Ok("2026-11-20T10:01:00Z")),
            ("%F %T", "2026-03-29 02:30:00", Ok("2026-03-29T01:30:00Z?")),
            ("%F %T", "2026-10-25 02:30:00", Ok("2026-10-25T00:30:00Z?")),
            ("%F %T", "2026-11-20 24:00:00", Err(OutOfRange)),
            ("%F %T", "2026-11-20", Err(Unreadable)),
            ("%F %T", "2026-11-20 11:00:00 x", Err(Unreadable)),
            ("%d.%m.%Y", "31.02.2026", Err(OutOfRange)),
            ("%d.%m.%Y", "20.11.26", Err(OutOfRange)),
            ("%d.%m.%Y", "2026-11-20", Err(Unreadable)),
            // The day of the week must be that of the date.
            ("%a %d.%m.%Y", "Mon 20.11.2026", Err(OutOfRange)),
            ("%Y-%d-%m", "2026-11-20", Err(OutOfRange)),
            ("%Y%j", "1795168800", Err(Unreadable)),
        ] {
            assert_eq!(read(pattern, text, berlin), expected.map(str::to_owned), "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_that_give_no_instant_are_refused() {
        for (pattern, words) in [
            ("%H:%M", "has no whole date"),
            ("%d.%m", "has no whole date"),
            ("%Y-%m", "has no whole date"),
            ("%G-%V", "has no whole date"),
            ("%d.%m.%Y %I:%M", "without AM or PM"),
            ("%d.%m.%Y %H:%m", "has the month twice, as %m and %m"),
            ("%d.%m.%Y %H %I %p", "has the hour twice, as %H and %I"),
            ("%Y %y-%m-%d", "has the year twice, as %Y and %y"),
            ("%F %M:%S", "has a minute without an hour"),
            ("%F %H:%S", "has a second without a minute"),
            ("%F %H:%M%.f", "has a fraction without a second"),
            ("%F %p", "has a half of the day without an hour"),
            ("%F %H%M%S%f", "has %f without a point"),
            ("%s %F", "has %s, which is the whole instant"),
            ("%F %T %", "a specifier that is not known"),
            ("%F %Q", "a specifier that is not known"),
            ("100%", "a specifier that is not known"),
            ("dd.mm.yyyy", "is neither a format nor a pattern"),
        ] {
            let error = DateFormat::parse(pattern).unwrap_err();
            assert!(error.to_string().contains(words), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_format_is_read_back_from_what_is_kept_of_it() {
        for name in DateFormat::NAMES.into_iter().chain(["%d.%m.%Y %H:%M:%S.%f"]) {
            let format = DateFormat::parse(name).unwrap();
            let kept = serde_json::to_string(&format).unwrap();
            assert_eq!(serde_json::from_str::<DateFormat>(&kept).unwrap(), format, "{kept}");
        }
        assert!(serde_json::from_str::<DateFormat>(r#"{"pattern":"%H"}"#).is_err());
        // What files are known by hangs on these.
        assert_eq!(format!("{:?}", DateFormat::DayFirst), "DayFirst");
        assert_eq!(format!("{:?}", DateFormat::parse("%F").unwrap()), r#"Pattern("%F")"#);
    }

    #[test]
    fn days_are_counted_on_the_local_clock_and_iso_is_read_beside_them() {
        let berlin = Tz::named("Europe/Berlin").unwrap();
        for (format, text, expected) in [
            ("excel-serial", "46346.4583333333", Ok("2026-11-20T10:00:00Z")),
            ("excel-serial-1904", "44884.4583333333", Ok("2026-11-20T10:00:00Z")),
            ("julian", "2461364.95833333", Ok("2026-11-20T10:00:00Z")),
            // The hour that the clocks repeat, and the one that they skip.
            ("excel-serial", "46320.1041666667", Ok("2026-10-25T00:30:00Z?")),
            ("excel-serial", "46110.1041666667", Ok("2026-03-29T01:30:00Z?")),
            ("excel-serial", "2026-11-20 11:00", Ok("2026-11-20T10:00:00Z")),
            ("excel-serial", "20261120", Err(TimeFault::OutOfRange)),
            ("excel-serial", "46346,5", Err(TimeFault::Unreadable)),
            ("julian", "60000", Err(TimeFault::OutOfRange)),
        ] {
            assert_eq!(read(format, text, berlin), expected.map(str::to_owned), "{format} {text}");
        }
        let comma = Numbers { decimal_comma: true, thousands: None };
        let instant = DateFormat::ExcelSerial.read("46346,5", comma, Tz::UTC).unwrap();
        assert_eq!(instant.micros, 1_795_176_000_000_000);
    }
}
