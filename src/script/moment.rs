//! Dates and instants as people write them: `today`, `-7 days`, `start of month -1 month`, `2026-03-01T09:00+01:00`.
//!
//! A moment is an anchor followed by steps, taken from left to right and counted from the clock: the as-of instant, seen in a
//! time zone. Days and longer units move on the local calendar, so `-1 day` keeps the time of day across a change of the
//! clocks; hours and shorter units are elapsed time. A local time that a change of the clocks skips becomes the first instant
//! after it; of two equal local times the one with the offset of the step before is taken, else the earlier. A written local
//! time that does not exist or exists twice is refused instead, since there the writer can add the offset.

use std::fmt::Display;

use crate::zones::Tz;
use chrono::{
    DateTime, Datelike, Days, Duration, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Timelike, Utc,
};

/// The clock of a run: no code below the command line reads another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The instant that counts as now.
    pub as_of: DateTime<Utc>,
    /// The zone in which days, weeks and months begin and local times are read.
    pub time_zone: Tz,
}

/// A date or instant as written, before it is counted from a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    anchor: Anchor,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// Nothing written: now for an instant, today for a date.
    Implied,
    Now,
    /// Midnight this many days from today.
    Day(i64),
    Date(NaiveDate),
    Local(NaiveDateTime),
    Instant(DateTime<Utc>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Shift(i64, Unit),
    Start(Unit),
    End(Unit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

const FORM: &str = "write 2026-03-01, 2026-03-01T09:00:00Z, today, -7 days, start of month or start of month -1 month";
const RANGE: &str = "only the years 1 to 9999 can be given";

impl Moment {
    /// Reads a moment.
    ///
    /// # Errors
    /// What to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let lower = text.to_lowercase();
        let (anchor, rest) = match written(text)? {
            Some(found) => found,
            None => word_anchor(&lower),
        };
        let rest = rest.to_lowercase();
        let steps = steps(&rest).ok_or_else(|| FORM.to_owned())?;
        if anchor == Anchor::Implied && steps.is_empty() {
            return Err(FORM.to_owned());
        }
        Ok(Self { anchor, steps })
    }

    /// Counts a calendar day from a clock: the local day that the moment falls on.
    ///
    /// # Errors
    /// The day is out of range, or a local time in it does not exist.
    pub(super) fn date(&self, clock: &Clock) -> Result<NaiveDate, String> {
        let today = clock.as_of.with_timezone(&clock.time_zone).date_naive();
        let start = match self.anchor {
            Anchor::Implied => Some(today),
            Anchor::Day(days) => Some(shift_date(today, days, Unit::Day).ok_or(RANGE)?),
            Anchor::Date(date) => Some(date),
            Anchor::Now | Anchor::Local(_) | Anchor::Instant(_) => None,
        };
        // Days alone stay on the calendar: the way through instants would lose a day that a zone skipped.
        let calendar = start.and_then(|start| {
            self.steps.iter().try_fold(start, |date, step| match *step {
                Step::Shift(count, unit) => shift_date(date, count, unit),
                Step::Start(unit) => start_date(date, unit),
                Step::End(unit) => shift_date(start_date(date, unit)?, 1, unit)?.pred_opt(),
            })
        });
        let date = match calendar {
            Some(date) => date,
            None => self.instant(clock)?.with_timezone(&clock.time_zone).date_naive(),
        };
        if (1..=9999).contains(&date.year()) { Ok(date) } else { Err(RANGE.to_owned()) }
    }

    /// Counts an instant from a clock, to the microsecond.
    ///
    /// # Errors
    /// The instant is out of range, or a written local time does not exist or exists twice.
    pub(super) fn instant(&self, clock: &Clock) -> Result<DateTime<Utc>, String> {
        let zone = clock.time_zone;
        let now = clock.as_of.with_timezone(&zone);
        let start = match self.anchor {
            Anchor::Implied | Anchor::Now => Some(now),
            Anchor::Day(days) => shift_date(now.date_naive(), days, Unit::Day).and_then(|date| midnight(zone, date)),
            Anchor::Date(date) => midnight(zone, date),
            Anchor::Local(local) => Some(exactly(zone, local)?),
            Anchor::Instant(instant) => Some(instant.with_timezone(&zone)),
        };
        let end = start.and_then(|start| self.steps.iter().try_fold(start, |at, step| take(at, *step)));
        match end {
            Some(end) if (1..=9999).contains(&end.with_timezone(&Utc).year()) => Ok(end.with_timezone(&Utc)),
            _ => Err(RANGE.to_owned()),
        }
    }
}

/// Takes one step from an instant, or nothing where it leads out of range.
fn take(at: DateTime<Tz>, step: Step) -> Option<DateTime<Tz>> {
    let zone = at.timezone();
    match step {
        Step::Shift(count, unit) => match elapsed(unit) {
            Some(seconds) => at.checked_add_signed(Duration::try_seconds(count.checked_mul(seconds)?)?),
            None => {
                let date = shift_date(at.date_naive(), count, unit)?;
                let before = at.offset().fix().local_minus_utc();
                resolve(zone, date.and_time(at.time()), Some(before))
            }
        },
        Step::Start(unit) => match unit {
            Unit::Second | Unit::Minute | Unit::Hour => {
                let seconds = match unit {
                    Unit::Second => 0,
                    Unit::Minute => at.second(),
                    _ => at.minute() * 60 + at.second(),
                };
                let nanoseconds = i64::from(at.nanosecond() % 1_000_000_000);
                at.checked_sub_signed(Duration::seconds(i64::from(seconds)))?
                    .checked_sub_signed(Duration::nanoseconds(nanoseconds))
            }
            unit => midnight(zone, start_date(at.date_naive(), unit)?),
        },
        Step::End(unit) => {
            let next = match elapsed(unit) {
                Some(seconds) => take(at, Step::Start(unit))?.checked_add_signed(Duration::seconds(seconds))?,
                None => midnight(zone, shift_date(start_date(at.date_naive(), unit)?, 1, unit)?)?,
            };
            next.checked_sub_signed(Duration::microseconds(1))
        }
    }
}

/// The seconds of a unit that is elapsed time; none for those of the calendar.
fn elapsed(unit: Unit) -> Option<i64> {
    match unit {
        Unit::Second => Some(1),
        Unit::Minute => Some(60),
        Unit::Hour => Some(3_600),
        _ => None,
    }
}

/// Moves a day on the calendar; the 31st becomes the last day of a shorter month. None for units below a day.
fn shift_date(date: NaiveDate, count: i64, unit: Unit) -> Option<NaiveDate> {
    let months = match unit {
        Unit::Day | Unit::Week => {
            let days = count.checked_mul(if unit == Unit::Week { 7 } else { 1 })?;
            let distance = Days::new(days.unsigned_abs());
            return if days < 0 { date.checked_sub_days(distance) } else { date.checked_add_days(distance) };
        }
        Unit::Month => 1,
        Unit::Quarter => 3,
        Unit::Year => 12,
        Unit::Second | Unit::Minute | Unit::Hour => return None,
    };
    let months = count.checked_mul(months)?;
    let distance = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { date.checked_sub_months(distance) } else { date.checked_add_months(distance) }
}

/// The first day of the unit that a day lies in; weeks begin on Monday. None for units below a day.
fn start_date(date: NaiveDate, unit: Unit) -> Option<NaiveDate> {
    match unit {
        Unit::Day => Some(date),
        Unit::Week => date.checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday()))),
        Unit::Month => date.with_day(1),
        Unit::Quarter => NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1),
        Unit::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
        Unit::Second | Unit::Minute | Unit::Hour => None,
    }
}

/// The first instant of a local day.
fn midnight(zone: Tz, date: NaiveDate) -> Option<DateTime<Tz>> {
    resolve(zone, date.and_time(NaiveTime::MIN), None)
}

/// Finds the instant of a local time; `offset` (seconds east of UTC) decides between two.
fn resolve(zone: Tz, local: NaiveDateTime, offset: Option<i32>) -> Option<DateTime<Tz>> {
    // The longest gap on record is the day that Samoa skipped in 2011.
    const LONGEST_GAP_MINUTES: i64 = 25 * 60;
    match zone.from_local_datetime(&local) {
        chrono::LocalResult::Single(at) => Some(at),
        chrono::LocalResult::Ambiguous(first, second) => {
            let same = |at: &DateTime<Tz>| Some(at.offset().fix().local_minus_utc()) == offset;
            Some(if same(&second) && !same(&first) { second } else { first })
        }
        chrono::LocalResult::None => {
            let minute = local.with_second(0)?.with_nanosecond(0)?;
            (1..=LONGEST_GAP_MINUTES).find_map(|minutes| {
                zone.from_local_datetime(&minute.checked_add_signed(Duration::minutes(minutes))?).earliest()
            })
        }
    }
}

/// Finds the instant of a local time that was written out.
fn exactly(zone: Tz, local: NaiveDateTime) -> Result<DateTime<Tz>, String> {
    match zone.from_local_datetime(&local) {
        chrono::LocalResult::Single(at) => Ok(at),
        chrono::LocalResult::None => Err(format!("this time does not exist in {zone}, whose clocks skip it")),
        chrono::LocalResult::Ambiguous(first, second) => {
            let with = |at: DateTime<Tz>| -> Box<dyn Display> { Box::new(at.offset().fix()) };
            Err(format!("this time exists twice in {zone}: add {} or {}", with(first), with(second)))
        }
    }
}

/// Reads a written date or time at the start of a text, the longest that there is, and returns what follows it.
fn written(text: &str) -> Result<Option<(Anchor, &str)>, String> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(None);
    }
    let blanks = text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at);
    let mut ends: Vec<usize> = blanks.chain([text.len()]).collect();
    // More words than this are steps for certain; without a bound a long text would cost the square of its length.
    ends.sort_unstable();
    let ends = ends.iter().take(4).chain(ends.last()).rev();
    for &end in ends {
        let Some((head, rest)) = text.split_at_checked(end) else { continue };
        if let Some(anchor) = iso(head.trim()) {
            return Ok(Some((anchor, rest)));
        }
    }
    // `7 days ago` begins with a digit too; a broken date, such as a 30 February, does not go on with a unit.
    if text.contains('-') { Err(FORM.to_owned()) } else { Ok(None) }
}

/// Reads one ISO date or time: `2026-03-01`, `2026-03-01T09:00[:00[.5]]`, with `Z` or an offset, `T` or a blank between.
fn iso(text: &str) -> Option<Anchor> {
    let day_end = 10;
    let (day, rest) = text.split_at_checked(day_end)?;
    if day.bytes().enumerate().any(|(at, b)| if at == 4 || at == 7 { b != b'-' } else { !b.is_ascii_digit() }) {
        return None;
    }
    let date = NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
    if rest.is_empty() {
        return Some(Anchor::Date(date));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(end)?;
    let form = match time.len() {
        5 => "%H:%M",
        8 => "%H:%M:%S",
        10.. => "%H:%M:%S%.f",
        _ => return None,
    };
    let time = NaiveTime::parse_from_str(time, form).ok()?;
    let local = date.and_time(time);
    let zone = zone.trim();
    if zone.is_empty() {
        return Some(Anchor::Local(local));
    }
    let seconds = if zone.eq_ignore_ascii_case("z") { 0 } else { offset_seconds(zone)? };
    Some(Anchor::Instant(local.checked_sub_signed(Duration::seconds(seconds))?.and_utc()))
}

/// Reads `+01`, `+0130` or `+01:30`.
fn offset_seconds(text: &str) -> Option<i64> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits = text.get(1..)?;
    let compact: String = match digits.len() {
        5 if digits.as_bytes().get(2) == Some(&b':') => digits.replace(':', ""),
        2 | 4 => digits.to_owned(),
        _ => return None,
    };
    if !compact.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = compact.get(..2)?.parse().ok()?;
    let minutes: i64 = compact.get(2..).filter(|rest| !rest.is_empty()).map_or(Some(0), |rest| rest.parse().ok())?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn word_anchor(text: &str) -> (Anchor, &str) {
    for (word, anchor) in
        [("now", Anchor::Now), ("today", Anchor::Day(0)), ("yesterday", Anchor::Day(-1)), ("tomorrow", Anchor::Day(1))]
    {
        if let Some(rest) = text.strip_prefix(word)
            && !rest.starts_with(char::is_alphanumeric)
        {
            return (anchor, rest);
        }
    }
    (Anchor::Implied, text)
}

/// Reads steps to the end of a text in lower case.
fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (step, after) = match rest.chars().next()? {
            sign @ ('+' | '-') => shift(rest.get(1..)?, if sign == '-' { -1 } else { 1 })?,
            digit if digit.is_ascii_digit() => {
                let (step, after) = shift(rest, -1)?;
                let (ago, after) = word(after)?;
                (step, (ago == "ago").then_some(after)?)
            }
            _ => {
                let (edge, after) = word(rest)?;
                let (of, after) = word(after)?;
                let (name, after) = word(after)?;
                let unit = unit(name)?;
                match (edge, of) {
                    ("start", "of") => (Step::Start(unit), after),
                    ("end", "of") => (Step::End(unit), after),
                    _ => return None,
                }
            }
        };
        steps.push(step);
        rest = after.trim_start();
    }
    Some(steps)
}

fn shift(text: &str, sign: i64) -> Option<(Step, &str)> {
    let text = text.trim_start();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, after) = text.split_at_checked(digits)?;
    let (name, after) = word(after)?;
    Some((Step::Shift(sign * number.parse::<i64>().ok()?, unit(name)?), after))
}

/// Takes a word of letters from the start of a text.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    if end == 0 { None } else { text.split_at_checked(end) }
}

fn unit(name: &str) -> Option<Unit> {
    Some(match name {
        "s" | "sec" | "second" | "seconds" => Unit::Second,
        // No `m`: a minute to one reader is a month to the next.
        "min" | "minute" | "minutes" => Unit::Minute,
        "h" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "month" | "months" => Unit::Month,
        "quarter" | "quarters" => Unit::Quarter,
        "y" | "year" | "years" => Unit::Year,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "moment_tests.rs"]
mod tests;
