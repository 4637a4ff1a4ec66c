//! PostgreSQL's template patterns for dates and times: `YYYY-MM-DD HH24:MI:SS`, `FMMonth DDth`, `"Q"Q`.
//!
//! What is no pattern stands for itself. Names are in English, as in the C locale.

use std::fmt::Write;

/// What a pattern is filled in with.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    /// The astronomical year, in which 0 is 1 BC; of an interval its years.
    pub(super) year: i64,
    /// From 1; of an interval from 0.
    pub(super) month: i64,
    /// The day of the month; of an interval its days.
    pub(super) day: i64,
    /// The day of the year from 1; of an interval all its days, a year taken for 12 months of 30.
    pub(super) day_of_year: i64,
    /// From 0, which is Sunday.
    pub(super) weekday: i64,
    /// The year of ISO weeks, and the week.
    pub(super) iso_week: (i64, i64),
    /// Days since the Julian day 0.
    pub(super) julian_day: i64,
    /// Of an interval any number.
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) microsecond: i64,
    /// Seconds that the clock is ahead of UTC, and the abbreviation of its time; of an instant only.
    pub(super) zone: Option<(i64, &'static str)>,
    /// Whether the fields are those of an interval, which has no names of days and months.
    pub(super) is_interval: bool,
}

/// The words of PostgreSQL's patterns, longer ones before those they begin with.
const WORDS: &[&str] = &[
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "Day", "Dy", "D", "FF1", "FF2", "FF3",
    "FF4", "FF5", "FF6", "FX", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI", "MM",
    "MONTH", "MON", "MS", "Month", "Mon", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ",
    "US", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y", "a.d.", "a.m.", "ad", "am", "b.c.", "bc", "cc", "day", "ddd",
    "dd", "dy", "d", "ff1", "ff2", "ff3", "ff4", "ff5", "ff6", "fx", "hh24", "hh12", "hh", "iddd", "id", "iw", "iyyy",
    "iyy", "iy", "i", "j", "mi", "mm", "month", "mon", "ms", "of", "p.m.", "pm", "q", "rm", "sssss", "ssss", "ss",
    "tzh", "tzm", "tz", "us", "ww", "w", "y,yyy", "yyyy", "yyy", "yy", "y",
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Literal(char),
    Word {
        word: &'static str,
        /// `FM`: without blanks and zeros in front of it or behind it.
        is_bare: bool,
        /// `TH` or `th`: an ordinal.
        ordinal: Option<&'static str>,
    },
}

/// A pattern taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

/// How a name is written.
#[derive(Debug, Clone, Copy)]
enum Letters {
    Upper,
    Lower,
    Asis,
}

impl Pattern {
    /// Takes a pattern apart.
    pub(super) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut after = rest;
            let (mut is_bare, mut is_translated) = (false, false);
            while let Some(next) = ["FM", "fm", "TM", "tm"].iter().find_map(|prefix| after.strip_prefix(prefix)) {
                is_bare |= after.starts_with(['F', 'f']);
                is_translated |= after.starts_with(['T', 't']);
                after = next;
            }
            if let Some(word) = WORDS.iter().find(|word| after.starts_with(**word)) {
                after = after.get(word.len()..).unwrap_or_default();
                let ordinal = ["TH", "th"].into_iter().find(|suffix| after.starts_with(suffix));
                rest = after.get(ordinal.map_or(0, str::len)..).unwrap_or_default();
                if let Some(spelled) = rest.strip_prefix("SP") {
                    rest = spelled;
                }
                // Translated names are not filled up with blanks.
                is_bare |= is_translated && matches!(word.to_ascii_uppercase().as_str(), "MONTH" | "DAY");
                pieces.push(Piece::Word { word, is_bare, ordinal });
                continue;
            }
            // A prefix without a word behind it is swallowed, as PostgreSQL does.
            rest = after;
            let mut chars = rest.chars();
            match chars.next() {
                Some('"') => {
                    while let Some(c) = chars.next() {
                        match c {
                            '"' => break,
                            '\\' => pieces.extend(chars.next().map(Piece::Literal)),
                            c => pieces.push(Piece::Literal(c)),
                        }
                    }
                }
                Some('\\') if chars.as_str().starts_with('"') => pieces.extend(chars.next().map(Piece::Literal)),
                Some(c) => pieces.push(Piece::Literal(c)),
                None => {}
            }
            rest = chars.as_str();
        }
        Self(pieces)
    }

    /// Fills the pattern in. `None` where it asks an interval for names of days.
    pub(super) fn fill(&self, fields: &Fields, out: &mut String) -> Option<()> {
        for piece in &self.0 {
            match piece {
                Piece::Literal(c) => out.push(*c),
                Piece::Word { word, is_bare, ordinal } => {
                    let start = out.len();
                    push(word, *is_bare, fields, out)?;
                    if let Some(ordinal) = ordinal {
                        push_ordinal(start, ordinal, out);
                    }
                }
            }
        }
        Some(())
    }
}

/// Appends the ending of an ordinal to the number that was just written; nothing to what is no number.
fn push_ordinal(start: usize, ending: &str, out: &mut String) {
    let written = out.get(start..).unwrap_or_default();
    if !written.ends_with(|c: char| c.is_ascii_digit()) {
        return;
    }
    let mut digits = written.chars().rev();
    let (last, before) = (digits.next(), digits.next());
    let lower = match (before, last) {
        (Some('1'), _) => "th",
        (_, Some('1')) => "st",
        (_, Some('2')) => "nd",
        (_, Some('3')) => "rd",
        _ => "th",
    };
    if ending == "TH" { out.push_str(&lower.to_ascii_uppercase()) } else { out.push_str(lower) }
}

/// Appends a name, filled up with blanks to a width unless it is bare.
fn push_name(name: &str, letters: Letters, width: usize, is_bare: bool, out: &mut String) {
    let width = if is_bare { 0 } else { width };
    let name = match letters {
        Letters::Upper => name.to_ascii_uppercase(),
        Letters::Lower => name.to_ascii_lowercase(),
        Letters::Asis => name.to_owned(),
    };
    let _ = write!(out, "{name:<width$}");
}

fn letters(word: &str) -> Letters {
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (Some(first), _) if first.is_ascii_lowercase() => Letters::Lower,
        (_, Some(second)) if second.is_ascii_lowercase() => Letters::Asis,
        _ => Letters::Upper,
    }
}

fn name_of<'a>(names: &[&'a str], place: i64) -> Option<&'a str> {
    names.get(usize::try_from(place).ok()?).copied()
}

/// Appends what a word stands for.
fn push(word: &str, is_bare: bool, fields: &Fields, out: &mut String) -> Option<()> {
    let written = letters(word);
    // Zeros are filled in to a width; a sign counts for one more.
    let number = |value: i64, width: usize, out: &mut String| {
        let width = if is_bare { 0 } else { width + usize::from(value < 0) };
        let _ = write!(out, "{value:0width$}");
    };
    let unsigned = |value: i64, width: usize, out: &mut String| {
        let width = if is_bare { 0 } else { width };
        let _ = write!(out, "{value:0width$}");
    };
    let fraction = |value: i64, width: usize, out: &mut String| {
        let _ = write!(out, "{value:0width$}");
    };
    let shown_year = |year: i64| if fields.is_interval || year > 0 { year } else { 1 - year };
    let named = |fields: &Fields| if fields.is_interval { None } else { Some(()) };
    let dotted = word.contains('.');
    match word.to_ascii_uppercase().as_str() {
        "HH" | "HH12" => number(if fields.hour % 12 == 0 { 12 } else { fields.hour % 12 }, 2, out),
        "HH24" => number(fields.hour, 2, out),
        "MI" => number(fields.minute, 2, out),
        "SS" => number(fields.second, 2, out),
        "MS" => fraction(fields.microsecond / 1_000, 3, out),
        "US" => fraction(fields.microsecond, 6, out),
        "FF1" => fraction(fields.microsecond / 100_000, 1, out),
        "FF2" => fraction(fields.microsecond / 10_000, 2, out),
        "FF3" => fraction(fields.microsecond / 1_000, 3, out),
        "FF4" => fraction(fields.microsecond / 100, 4, out),
        "FF5" => fraction(fields.microsecond / 10, 5, out),
        "FF6" => fraction(fields.microsecond, 6, out),
        "SSSS" | "SSSSS" => {
            let _ = write!(out, "{}", fields.hour * 3_600 + fields.minute * 60 + fields.second);
        }
        "AM" | "PM" | "A.M." | "P.M." => {
            let name = match (fields.hour % 24 >= 12, dotted) {
                (false, false) => "AM",
                (true, false) => "PM",
                (false, true) => "A.M.",
                (true, true) => "P.M.",
            };
            push_name(name, written, 0, true, out);
        }
        "AD" | "BC" | "A.D." | "B.C." => {
            named(fields)?;
            let name = match (fields.year > 0, dotted) {
                (true, false) => "AD",
                (false, false) => "BC",
                (true, true) => "A.D.",
                (false, true) => "B.C.",
            };
            push_name(name, written, 0, true, out);
        }
        "YYYY" => number(shown_year(fields.year), 4, out),
        "YYY" => number(shown_year(fields.year) % 1_000, 3, out),
        "YY" => number(shown_year(fields.year) % 100, 2, out),
        "Y" => number(shown_year(fields.year) % 10, 1, out),
        "Y,YYY" => {
            let year = shown_year(fields.year);
            let _ = write!(out, "{},{:03}", year / 1_000, year % 1_000);
        }
        "IYYY" => number(shown_year(fields.iso_week.0), 4, out),
        "IYY" => number(shown_year(fields.iso_week.0) % 1_000, 3, out),
        "IY" => number(shown_year(fields.iso_week.0) % 100, 2, out),
        "I" => number(shown_year(fields.iso_week.0) % 10, 1, out),
        "MONTH" | "MON" | "DAY" | "DY" if fields.is_interval => return None,
        "RM" if fields.month == 0 && fields.year == 0 => {}
        "RM" if fields.month == 0 => push_name(if fields.year > 0 { "XII" } else { "I" }, written, 4, is_bare, out),
        "MONTH" => push_name(name_of(&MONTHS, fields.month - 1)?, written, 9, is_bare, out),
        "MON" => push_name(name_of(&MONTHS, fields.month - 1)?.get(..3)?, written, 0, true, out),
        "RM" => push_name(name_of(&ROMAN, fields.month - 1)?, written, 4, is_bare, out),
        "MM" => number(fields.month, 2, out),
        "DAY" => push_name(name_of(&DAYS, fields.weekday)?, written, 9, is_bare, out),
        "DY" => push_name(name_of(&DAYS, fields.weekday)?.get(..3)?, written, 0, true, out),
        "DDD" => unsigned(fields.day_of_year, 3, out),
        "IDDD" => unsigned((fields.iso_week.1 - 1) * 7 + (fields.weekday + 6) % 7 + 1, 3, out),
        "DD" => unsigned(fields.day, 2, out),
        "D" => {
            named(fields)?;
            let _ = write!(out, "{}", fields.weekday + 1);
        }
        "ID" => {
            named(fields)?;
            let _ = write!(out, "{}", if fields.weekday == 0 { 7 } else { fields.weekday });
        }
        "WW" => unsigned((fields.day_of_year - 1) / 7 + 1, 2, out),
        "IW" => unsigned(fields.iso_week.1, 2, out),
        "W" => {
            let _ = write!(out, "{}", (fields.day - 1) / 7 + 1);
        }
        "Q" if fields.month == 0 => {}
        "Q" => {
            let _ = write!(out, "{}", (fields.month - 1) / 3 + 1);
        }
        "CC" => {
            let year = fields.year;
            let century = if fields.is_interval {
                year / 100
            } else if year > 0 {
                (year - 1) / 100 + 1
            } else {
                year / 100 - 1
            };
            number(century, 2, out);
        }
        "J" => {
            let _ = write!(out, "{}", fields.julian_day);
        }
        "TZ" => {
            named(fields)?;
            push_name(fields.zone.map_or("", |(_, name)| name), written, 0, true, out);
        }
        "TZH" => {
            named(fields)?;
            let offset = fields.zone.map_or(0, |(offset, _)| offset);
            let _ = write!(out, "{}{:02}", sign(offset), offset.abs() / 3_600);
        }
        "TZM" => {
            named(fields)?;
            let offset = fields.zone.map_or(0, |(offset, _)| offset);
            let _ = write!(out, "{:02}", offset.abs() / 60 % 60);
        }
        "OF" => {
            named(fields)?;
            let offset = fields.zone.map_or(0, |(offset, _)| offset);
            let _ = write!(out, "{}{:02}", sign(offset), offset.abs() / 3_600);
            if offset % 3_600 != 0 {
                let _ = write!(out, ":{:02}", offset.abs() / 60 % 60);
            }
            if offset % 60 != 0 {
                let _ = write!(out, ":{:02}", offset.abs() % 60);
            }
        }
        // FX is for reading.
        _ => {}
    }
    Some(())
}

fn sign(offset: i64) -> char {
    if offset < 0 { '-' } else { '+' }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(pattern: &str) -> Option<String> {
        let fields = Fields {
            year: 2026,
            month: 2,
            day: 3,
            day_of_year: 34,
            weekday: 2,
            iso_week: (2026, 6),
            julian_day: 2_461_075,
            hour: 16,
            minute: 5,
            second: 6,
            microsecond: 7_089,
            zone: Some((-12_600, "NST")),
            is_interval: false,
        };
        let mut out = String::new();
        Pattern::parse(pattern).fill(&fields, &mut out).map(|()| out)
    }

    #[test]
    fn patterns_are_filled_in() {
        for (pattern, text) in [
            ("YYYY-MM-DD HH24:MI:SS.US", "2026-02-03 16:05:06.007089"),
            ("FMDay, FMDDth FMMonth", "Tuesday, 3rd February"),
            ("Day|Month|", "Tuesday  |February |"),
            ("HH12:MI am", "04:05 pm"),
            ("\"Q\"Q \"\\\"\"", "Q1 \""),
            ("TZ OF TZH:TZM", "NST -03:30 -03:30"),
            ("no word", "no 1or3"),
        ] {
            assert_eq!(filled(pattern).as_deref(), Some(text), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in "\\PC*", words in "(FM|TM|TH|SP|[A-Za-z\"\\\\, ]){0,20}") {
            let _ = (filled(&pattern), filled(&words));
            let interval = Fields { year: i64::MIN / 4, month: -3, day: i64::MIN / 4, hour: i64::MIN / 4_000_000, is_interval: true, ..Fields::default() };
            let _ = Pattern::parse(&words).fill(&interval, &mut String::new());
        }
    }
}
