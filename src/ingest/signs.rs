//! What speaks of another dialect than the one a file is read in, and the flag that reads it.
//!
//! A file is read as declared, and what does not fit is told. With `--strict` one such sign is enough to refuse the file whole. Signs are
//! only what a flag reads and another meaning is unlikely for: marks of null and escapes that nobody declared, numbers and dates that
//! cannot be read as declared and can in another way, numbers of days read as seconds, and a `sep=` line against the declared delimiter.
//! No signs are values that are odd in any dialect (implausible times, broken JSON), bytes that are no text (a code page reads any),
//! and records with other fields than the header.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use super::dates::{DateFormat, DatePattern};
use super::day_numbers::Epoch;
use super::dialect::is_no_value;
use super::numbers::Numbers;
use super::rules::Rules;
use super::time::{is_abbreviation, is_plausible};
use super::values::parse_number;
use super::{Warning, Warnings};
use crate::zones::Tz;

/// What a sign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignKind {
    /// A date or time that can be read in another format.
    Date,
    /// A number that is written in another way.
    Number,
    /// A number of days, read as seconds.
    DayNumber,
    /// A text that some tools write for null.
    NullMark,
    /// Escapes by backslashes.
    Backslash,
    /// A `sep=` line that names another delimiter than the declared one.
    Separator,
}

/// Something that another dialect would explain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sign {
    /// What it is.
    pub kind: SignKind,
    /// What to give to read it, as it is written in a shell.
    pub flag: String,
}

/// Signs of a file, with how many records have each.
pub(super) type Signs = BTreeMap<Sign, u64>;

/// Dates and clocks as tools write them beside what has a name, each date with each clock.
const DATES: [&str; 9] =
    ["%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%b %d, %Y,", "%b %d %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y"];
const CLOCKS: [&str; 6] = [" %H:%M:%S%.f", " %H:%M", " %I:%M:%S%.f %p", " %I:%M %p", " %I:%M%p", ""];

/// Dates and times that are one.
const WHOLE: [&str; 8] = [
    "%d-%b-%y %I.%M.%S.%f %p",
    "%d-%b-%y %I.%M.%S.%f %p %z",
    "%a %b %d %Y %H:%M:%S GMT%z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y",
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y-%m-%d-%H.%M.%S%.f",
    "%Y%m%dT%H%M%S%.f",
];

/// Dates and times with the name of a zone among them.
const ZONED: [&str; 4] =
    ["%a %b %d %H:%M:%S %Z %Y", "%a, %d %b %Y %H:%M:%S %Z", "%b %d, %Y %I:%M:%S %p %Z", "%b %d, %Y, %I:%M:%S %p %Z"];

/// Zones by whose abbreviations people write times. A zone stands for those that show the same.
const ZONES: [&str; 27] = [
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Halifax",
    "America/St_Johns",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Europe/Lisbon",
    "Europe/Moscow",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Seoul",
    "Asia/Hong_Kong",
    "Asia/Manila",
    "Asia/Jerusalem",
    "Asia/Karachi",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Perth",
    "Pacific/Auckland",
    "Africa/Johannesburg",
    "Africa/Lagos",
];

/// Other formats that are named at most: more say nothing.
const NAMED: usize = 3;

impl Sign {
    /// Says in which format a text is an instant that is none in the declared one.
    pub(super) fn of_time(text: &str, rules: &Rules) -> Option<Self> {
        // Every date has digits.
        if !text.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let reads = |format: &DateFormat, numbers: Numbers| {
            *format != rules.dates && format.read(text, numbers, rules.time_zone).is_ok()
        };
        let named = [
            ("iso", DateFormat::Iso),
            ("de", DateFormat::DayFirst),
            ("us", DateFormat::MonthFirst),
            ("jp", DateFormat::YearFirst),
        ];
        let sign = |flag: String| Some(Self { kind: SignKind::Date, flag });
        // All of them read ISO 8601, so that only the format itself is named then.
        let iso = reads(&DateFormat::Iso, rules.numbers);
        let fits: Vec<&str> = named
            .iter()
            .filter(|(name, format)| (!iso || *name == "iso") && reads(format, rules.numbers))
            .map(|(name, _)| *name)
            .collect();
        if !fits.is_empty() {
            return sign(format!("⟨date-format⟩ {}", fits.join(" or ")));
        }
        let comma = Numbers { decimal_comma: true, thousands: None };
        for (name, epoch) in [("excel-serial", Epoch::EXCEL_1900), ("julian", Epoch::JULIAN)] {
            if rules.numbers.are_plain()
                && comma.plain(text).and_then(|it| parse_number(&it)).is_some_and(|it| epoch.is_usual(it))
            {
                return sign(format!("⟨date-format⟩ {name} ⟨decimal-mark⟩ ,"));
            }
        }
        let fits: Vec<String> = patterns()
            .iter()
            .filter(|(_, pattern)| fits_well(pattern, text, rules.time_zone, rules.default_exported_at_us))
            .map(|(text, _)| format!("'{text}'"))
            .take(NAMED)
            .collect();
        if !fits.is_empty() {
            return sign(format!("⟨date-format⟩ {}", fits.join(" or ")));
        }
        sign(zoned_flag(text, rules)?)
    }

    /// Says by which marks a text is a number that is none with the declared ones.
    pub(super) fn of_number(text: &str, numbers: Numbers) -> Option<Self> {
        let marks = [
            ("⟨decimal-mark⟩ ,", Numbers { decimal_comma: true, thousands: None }),
            ("⟨thousands-mark⟩ ,", Numbers { decimal_comma: false, thousands: Some(',') }),
            ("⟨thousands-mark⟩ \"'\"", Numbers { decimal_comma: false, thousands: Some('\'') }),
            ("⟨thousands-mark⟩ ' '", Numbers { decimal_comma: false, thousands: Some(' ') }),
        ];
        let reads = |other: Numbers| other != numbers && other.plain(text).as_deref().and_then(parse_number).is_some();
        if !numbers.are_plain() && parse_number(text).is_some() {
            let flag = match numbers.thousands {
                Some('.') => "leaving out ⟨decimal-mark⟩ and ⟨thousands-mark⟩",
                _ => "⟨decimal-mark⟩ .",
            };
            return Some(Self { kind: SignKind::Number, flag: flag.to_owned() });
        }
        let fits: Vec<&str> = marks.into_iter().filter(|(_, other)| reads(*other)).map(|(flag, _)| flag).collect();
        // The decimal comma understands blanks and apostrophes between thousands as well.
        let fits = match fits.as_slice() {
            [comma @ "⟨decimal-mark⟩ ,", rest @ ..] => {
                let thousands = rest.iter().find(|flag| **flag == "⟨thousands-mark⟩ ,");
                [Some(comma), thousands].into_iter().flatten().copied().collect()
            }
            _ => fits,
        };
        (!fits.is_empty()).then(|| Self { kind: SignKind::Number, flag: fits.join(" or ") })
    }

    /// The sign of a text that some tools write for null, where a value of another type should stand; in quotes it is declared with them.
    pub(super) fn of_null(text: &str, is_quoted: bool) -> Option<Self> {
        let quote = if is_quoted { "\"" } else { "" };
        let flag = || format!("⟨null-mark⟩ '{quote}{text}{quote}'");
        is_no_value(text).then(|| Self { kind: SignKind::NullMark, flag: flag() })
    }

    /// Returns the text that would have to be declared to stand for null, where the sign is one.
    pub(super) fn mark(&self) -> Option<&str> {
        if self.kind != SignKind::NullMark {
            return None;
        }
        self.flag.strip_prefix("⟨null-mark⟩ '")?.strip_suffix('\'')
    }

    /// The sign of a record that is broken by quotes that backslashes escape.
    pub(super) fn backslashed_quote() -> Self {
        Self { kind: SignKind::Backslash, flag: "⟨dialect⟩ spark or mysql-csv".to_owned() }
    }

    /// The sign of a record in which backslashes escape delimiters, so that it seems to have more fields.
    pub(super) fn backslashed_delimiter() -> Self {
        Self { kind: SignKind::Backslash, flag: "⟨escape⟩ backslash ⟨quote⟩ none".to_owned() }
    }

    fn of_warning(warning: Warning) -> Option<Self> {
        let (kind, flag) = match warning {
            Warning::NullMark => (SignKind::NullMark, "⟨null-mark⟩ TEXT, or the ⟨dialect⟩"),
            Warning::BackslashEscape => (SignKind::Backslash, "⟨dialect⟩ postgres-text, mysql or clickhouse-tsv"),
            Warning::DayNumber => (SignKind::DayNumber, "⟨date-format⟩ excel-serial or julian"),
            Warning::UnknownCommunicationType
            | Warning::InvalidJson
            | Warning::EndedBeforeStarted
            | Warning::PhoneDiffers
            | Warning::TimeInWorkflowOff
            | Warning::AmbiguousLocalTime
            | Warning::ImplausibleTime
            | Warning::RepeatedKey
            | Warning::SameId
            | Warning::LoneSurrogate
            | Warning::UnknownColumn => return None,
        };
        Some(Self { kind, flag: flag.to_owned() })
    }
}

/// Says why a file with such signs is refused, if it has any: counts and flags.
pub(super) fn refusal(file: &str, signs: &Signs, warnings: &Warnings) -> Option<String> {
    let mut all = signs.clone();
    for (warning, count) in warnings {
        if let Some(sign) = Sign::of_warning(*warning) {
            *all.entry(sign).or_default() += count;
        }
    }
    if all.is_empty() {
        return None;
    }
    let told = all.iter().map(|(sign, count)| {
        let counted = Counted(sign.kind, *count);
        match (sign.kind, count) {
            (SignKind::Separator, _) => format!("{counted} ({} leaves it out)", sign.flag),
            (_, 1) => format!("{counted} ({} reads it)", sign.flag),
            _ => format!("{counted} ({} reads them)", sign.flag),
        }
    });
    Some(format!(
        "{file}: has the marks of another dialect, which ⟨strict⟩ refuses: {}\nhint: declare what it is written in; without ⟨strict⟩ it \
         is read as it is declared, and what does not fit is told",
        told.collect::<Vec<_>>().join(", ")
    ))
}

/// A number of records with a sign.
struct Counted(SignKind, u64);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(kind, count) = self;
        let records = if *count == 1 { "record" } else { "records" };
        let what = match kind {
            SignKind::Date => "with a date in another format",
            SignKind::Number => "with a number in another format",
            SignKind::DayNumber => "with a number of days for an instant",
            SignKind::NullMark => "with \\N, NULL, NaN or another mark of null as a text",
            SignKind::Backslash => "with escapes by backslashes",
            SignKind::Separator => return f.write_str("a line sep= that names another delimiter than is declared"),
        };
        write!(f, "{count} {records} {what}")
    }
}

/// Names the zones whose clocks show a time by an abbreviation in a text, with the format where it is not the declared one.
fn zoned_flag(text: &str, rules: &Rules) -> Option<String> {
    if !text.split(|c: char| !c.is_ascii_alphanumeric()).any(is_abbreviation) {
        return None;
    }
    let zones = || ZONES.into_iter().filter_map(Tz::named);
    let is_read = |format: &DateFormat, zone: Tz| {
        let instant = format.read(text.trim_ascii(), rules.numbers, zone);
        instant.is_ok_and(|instant| is_plausible(instant.micros, rules.default_exported_at_us))
    };
    let zoned = ZONED.into_iter().filter_map(|text| Some((format!("'{text}'"), DateFormat::parse(text).ok()?)));
    let orders = [("us", DateFormat::MonthFirst), ("de", DateFormat::DayFirst), ("jp", DateFormat::YearFirst)];
    let formats = [(String::new(), rules.dates.clone()), ("iso".to_owned(), DateFormat::Iso)];
    for (name, format) in formats.into_iter().chain(orders.map(|(name, format)| (name.to_owned(), format))).chain(zoned)
    {
        let format_flag = if name.is_empty() { name } else { format!("⟨date-format⟩ {name}") };
        // The name of UTC needs no zone to be declared.
        if !format_flag.is_empty() && is_read(&format, rules.time_zone) {
            return Some(format_flag);
        }
        let fits: Vec<&str> =
            zones().filter(|zone| is_read(&format, *zone)).map(|zone| zone.name()).take(NAMED).collect();
        if !fits.is_empty() {
            return Some(format!("{format_flag} ⟨time-zone⟩ {}", fits.join(" or ")).trim_ascii_start().to_owned());
        }
    }
    None
}

/// Says of a text that begins with a day of the week which is not that of its date, what day that is.
pub(super) fn other_weekday(text: &str, rules: &Rules) -> Option<String> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let text = text.trim_ascii();
    let (said, rest) = text.split_at_checked(3)?;
    if !DAYS.iter().any(|day| day.eq_ignore_ascii_case(said)) {
        return None;
    }
    DAYS.iter().find_map(|day| {
        let other = format!("{day}{rest}");
        if rules.dates.read(&other, rules.numbers, rules.time_zone).is_ok() {
            return Some(format!("; the day of that date is {day}, not {said}"));
        }
        let sign = Sign::of_time(&other, rules)?;
        Some(format!("; the day of that date is {day}, not {said}: with it {} would read it", sign.flag))
    })
}

fn patterns() -> &'static [(String, DatePattern)] {
    static PARSED: OnceLock<Vec<(String, DatePattern)>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let made = DATES.iter().flat_map(|date| CLOCKS.iter().map(move |clock| format!("{date}{clock}")));
        let all = made.chain(WHOLE.iter().map(|text| (*text).to_owned()));
        all.filter_map(|text| DatePattern::parse(&text).ok().map(|pattern| (text, pattern))).collect()
    })
}

/// Returns whether a pattern reads a text as an instant that a session can have: two digits for a year fit more than they mean.
fn fits_well(pattern: &DatePattern, text: &str, zone: Tz, exported_us: i64) -> bool {
    pattern.read(text.trim_ascii(), zone).is_ok_and(|instant| is_plausible(instant.micros, exported_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(patterns().len(), DATES.len() * CLOCKS.len() + WHOLE.len());
    }

    #[test]
    fn the_zones_of_an_abbreviation_are_named_with_the_format_that_reads_it() {
        let rules = Rules {
            time_zone: Tz::named("Europe/Berlin").unwrap(),
            exported_at_us: None,
            default_exported_at_us: 1_893_456_000_000_000,
            source: String::new(),
            folders: Default::default(),
            keep_extra: false,
            numbers: Numbers::default(),
            dates: DateFormat::Iso,
            iso_beside: false,
            no_end_days: Vec::new(),
        };
        for (text, flag) in [
            ("2026-11-20 10:00:00 EST", Some("⟨time-zone⟩ America/New_York")),
            ("2026-07-20 10:00:00 EDT", Some("⟨time-zone⟩ America/New_York")),
            ("2026-07-20 10:00:00 EST", None),
            ("2026-11-20 10:00:00 CST", Some("⟨time-zone⟩ America/Chicago or Asia/Shanghai")),
            ("2026-11-20 10:00:00 IST", Some("⟨time-zone⟩ Asia/Kolkata or Asia/Jerusalem")),
            ("11/20/2026 10:00 PM PST", Some("⟨date-format⟩ us ⟨time-zone⟩ America/Los_Angeles or Asia/Manila")),
            ("20.11.2026 10:00 CET", Some("⟨date-format⟩ de")),
            (
                "Fri Nov 20 10:00:00 EST 2026",
                Some("⟨date-format⟩ '%a %b %d %H:%M:%S %Z %Y' ⟨time-zone⟩ America/New_York"),
            ),
            ("Nov 20, 2026, 10:00:00 AM PDT", None),
            (
                "Jul 20, 2026, 10:00:00 AM PDT",
                Some("⟨date-format⟩ '%b %d, %Y, %I:%M:%S %p %Z' ⟨time-zone⟩ America/Los_Angeles"),
            ),
            ("Fri Nov 20 10:00:00 UTC 2026", Some("⟨date-format⟩ '%a %b %d %H:%M:%S %Z %Y'")),
            ("2026-11-20 10:00:00 XYZ", None),
            ("ask the TEAM", None),
        ] {
            assert_eq!(Sign::of_time(text, &rules).map(|sign| sign.flag).as_deref(), flag, "{text}");
        }
    }

    #[test]
    fn numbers_name_the_marks_that_read_them() {
        let plain = Numbers::default();
        let comma = Numbers { decimal_comma: true, thousands: None };
        for (text, numbers, flag) in [
            ("12,5", plain, Some("⟨decimal-mark⟩ ,")),
            ("1.234,5", plain, Some("⟨decimal-mark⟩ ,")),
            ("1.234.567", plain, Some("⟨decimal-mark⟩ ,")),
            ("1,234", plain, Some("⟨decimal-mark⟩ , or ⟨thousands-mark⟩ ,")),
            ("1,234.5", plain, Some("⟨thousands-mark⟩ ,")),
            ("1 234,5", plain, Some("⟨decimal-mark⟩ ,")),
            ("1'234.5", plain, Some("⟨thousands-mark⟩ \"'\"")),
            ("1 234.5", plain, Some("⟨thousands-mark⟩ ' '")),
            ("1.5", comma, Some("⟨decimal-mark⟩ .")),
            (
                "1.5",
                Numbers { decimal_comma: true, thousands: Some('.') },
                Some("leaving out ⟨decimal-mark⟩ and ⟨thousands-mark⟩"),
            ),
            ("a minute", plain, None),
            ("5 min, 3 s, no", plain, None),
        ] {
            assert_eq!(Sign::of_number(text, numbers).map(|sign| sign.flag).as_deref(), flag, "{text}");
        }
    }
}
