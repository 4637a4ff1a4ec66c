//! Reads dates and times of day in texts, as PostgreSQL writes and reads them in ISO style.
//!
//! `2026-11-20`, `2026-11-20 14:00`, `2026-11-20T14:00:00.25+01:00`, `20261120 1400`, `2026-11-20 02:00 PM`,
//! `2026-11-20 14:00 Europe/Berlin`. Of fractions of a second what is finer than a microsecond is rounded.

use chrono::NaiveDate;

use crate::zones::Tz;

const SECOND_US: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// Where the clock of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// So many seconds ahead of UTC.
    Offset(i64),
    /// In a zone.
    Zone(Tz),
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadTime {
    /// What the clock shows, in microseconds since 1970-01-01T00:00:00.
    pub local_us: i64,
    /// Where the clock is, if the text says so.
    pub place: Option<Place>,
}

impl ReadTime {
    /// Returns the instant, in microseconds since the Unix epoch, where a text that says no place is of the zone given.
    pub fn instant_us(self, zone: Tz) -> Option<i64> {
        match self.place.unwrap_or(Place::Zone(zone)) {
            Place::Offset(seconds) => self.local_us.checked_sub(seconds.checked_mul(SECOND_US)?),
            Place::Zone(zone) => super::of_local(zone, self.local_us, SECOND_US),
        }
    }
}

/// Reads a date, with a time of day and a place where the text has them.
pub fn read(text: &str) -> Option<ReadTime> {
    let mut rest = Rest(text.trim_ascii().as_bytes());
    let days = rest.date()?;
    let had_separator = rest.separator();
    let mut time_us = 0;
    if had_separator && rest.0.first().is_some_and(u8::is_ascii_digit) {
        time_us = rest.time()?;
    }
    let place = rest.place()?;
    let local_us = days.checked_mul(DAY_SECONDS * SECOND_US)?.checked_add(time_us)?;
    Some(ReadTime { local_us, place })
}

/// What is left of a text.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Takes up to so many digits off the front, and says how many there were.
    fn number(&mut self, most: usize) -> Option<(i64, usize)> {
        let count = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(count)?;
        let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        self.0 = rest;
        (count > 0).then_some((value, count))
    }

    fn take(&mut self, accepted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        accepted.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// Takes the `T` or the blanks between date and time; says whether there were any.
    fn separator(&mut self) -> bool {
        if self.take(b"Tt").is_some() {
            return true;
        }
        let mut any = false;
        while self.take(b" ").is_some() {
            any = true;
        }
        any
    }

    /// Takes a date, as days since 1970-01-01.
    fn date(&mut self) -> Option<i64> {
        let (year, digits) = self.number(8)?;
        let (year, month, day) = match (digits, self.take(b"-/")) {
            (8, None) => (year / 10_000, year / 100 % 100, year % 100),
            (4..=6, Some(sign)) => {
                let (month, _) = self.number(2)?;
                self.take(&[sign])?;
                (year, month, self.number(2)?.0)
            }
            _ => return None,
        };
        let date =
            NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
        Some(i64::from(date.to_epoch_days()))
    }

    /// Takes a time of day, in microseconds.
    fn time(&mut self) -> Option<i64> {
        let (first, digits) = self.number(6)?;
        let has_colon = digits <= 2 && self.take(b":").is_some();
        let (mut hour, minute, second, fraction) = match digits {
            1 | 2 if has_colon => {
                let minute = self.number(2).filter(|(_, digits)| *digits == 2)?.0;
                if self.take(b":").is_none() {
                    (first, minute, 0, 0)
                } else {
                    let second = self.number(2).filter(|(_, digits)| *digits == 2)?.0;
                    (first, minute, second, self.fraction()?)
                }
            }
            // PostgreSQL has hours alone only before a half of the day.
            1 | 2 => (first, 0, 0, 0),
            4 => (first / 100, first % 100, 0, 0),
            6 => (first / 10_000, first / 100 % 100, first % 100, self.fraction()?),
            _ => return None,
        };
        let after = self.0.iter().position(|byte| *byte != b' ').and_then(|at| self.0.get(at..)).unwrap_or_default();
        let half = |name: &[u8]| {
            after.get(..2).is_some_and(|text| text.eq_ignore_ascii_case(name))
                && !after.get(2).is_some_and(u8::is_ascii_alphabetic)
        };
        if half(b"am") || half(b"pm") {
            if !(1..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + if half(b"pm") { 12 } else { 0 };
            self.0 = after.get(2..).unwrap_or_default();
        } else if digits <= 2 && !has_colon {
            return None;
        }
        // Second 60 is the first of the next minute, and hour 24 the first of the next day.
        let is_end_of_day = hour == 24 && minute == 0 && second == 0 && fraction == 0;
        if minute > 59 || second > 60 || (hour > 23 && !is_end_of_day) {
            return None;
        }
        Some((hour * 3_600 + minute * 60 + second) * SECOND_US + fraction)
    }

    /// Takes the digits behind a point, as microseconds; 0 where there is none.
    fn fraction(&mut self) -> Option<i64> {
        if self.take(b".,").is_none() {
            return Some(0);
        }
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.0.get(..count)?;
        let digit = |at: usize| digits.get(at).map_or(0, |digit| i64::from(digit - b'0'));
        let micros = (0..6).fold(0, |value, at| value * 10 + digit(at)) + i64::from(digit(6) >= 5);
        self.0 = self.0.get(count..)?;
        (count > 0).then_some(micros)
    }

    /// Takes what says where the clock is: `None` where the text goes on otherwise.
    fn place(&mut self) -> Option<Option<Place>> {
        while self.take(b" ").is_some() {}
        if self.0.is_empty() {
            return Some(None);
        }
        if let Some(sign) = self.take(b"+-") {
            let (number, digits) = self.number(4)?;
            let (hours, minutes) = match digits {
                1 | 2 if self.take(b":").is_some() => (number, self.number(2)?.0),
                1 | 2 => (number, 0),
                4 => (number / 100, number % 100),
                _ => return None,
            };
            let seconds = if self.take(b":").is_some() { self.number(2)?.0 } else { 0 };
            // PostgreSQL knows offsets up to 15:59:59.
            if !self.0.is_empty() || hours > 15 || minutes > 59 || seconds > 59 {
                return None;
            }
            let seconds = hours * 3_600 + minutes * 60 + seconds;
            return Some(Some(Place::Offset(if sign == b'-' { -seconds } else { seconds })));
        }
        let name = std::str::from_utf8(self.0).ok()?;
        if name.eq_ignore_ascii_case("z") {
            return Some(Some(Place::Offset(0)));
        }
        Tz::named(name).map(|zone| Some(Place::Zone(zone)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str, zone: &str) -> Option<String> {
        let instant = read(text)?.instant_us(Tz::named(zone).unwrap())?;
        Some(DateTime::from_timestamp_micros(instant)?.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn texts_are_of_the_zone_or_of_the_place_they_name() {
        for (text, instant) in [
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-11-20 14:00", "2026-11-20T13:00:00Z"),
            (" 2026-11-20T14:00:00.25 ", "2026-11-20T13:00:00.250Z"),
            ("2026-11-20 14:00:00.1234565", "2026-11-20T13:00:00.123457Z"),
            ("2026-11-20 14:00Z", "2026-11-20T14:00:00Z"),
            ("2026-11-20 14:00:00 UTC", "2026-11-20T14:00:00Z"),
            ("2026-11-20 14:00:00-05", "2026-11-20T19:00:00Z"),
            ("2026-11-20 14:00:00 +05:30", "2026-11-20T08:30:00Z"),
            ("2026-11-20 14:00:00+0530", "2026-11-20T08:30:00Z"),
            ("2026-11-20 14:00 America/New_York", "2026-11-20T19:00:00Z"),
            ("2026-11-20 02:00 PM", "2026-11-20T13:00:00Z"),
            ("2026-11-20 12 am", "2026-11-19T23:00:00Z"),
            ("20261120T140000", "2026-11-20T13:00:00Z"),
            ("20261120 1400", "2026-11-20T13:00:00Z"),
            ("2026-1-2 3:04", "2026-01-02T02:04:00Z"),
            ("2026-11-20 24:00", "2026-11-20T23:00:00Z"),
            // In a gap, and twice on the clock.
            ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),
            ("2026-10-25 02:30", "2026-10-25T01:30:00Z"),
            ("2026-10-25 02:30+02", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(utc(text, "Europe/Berlin").as_deref(), Some(instant), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_and_time_is_not_taken_for_one() {
        for text in [
            "",
            "today",
            "2026",
            "2026-11",
            "2026-13-01",
            "2026-02-30",
            "2026-11-20 14",
            "2026-11-20 25:00",
            "2026-11-20 14:60",
            "2026-11-20 14:00:00.",
            "2026-11-20 14:00 Mars",
            "2026-11-20x",
            "2026-11-20 14:00+16",
            "2026-11-20 14:00+01:00 x",
            "2026-11-20 13:00 PM",
            "20-11-2026",
            "2026-11-20 14:5",
            "1770681418",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", digits in "[-0-9:. TZ+]*") {
            for text in [text, digits] {
                let _ = read(&text).map(|time| time.instant_us(Tz::UTC));
            }
        }
    }
}
