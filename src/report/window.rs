//! The stretch of time that a run looks at: a day, a week, a month, or from one day to another.
//!
//! Days are local days of the run's time zone, weeks begin on Monday. A window gives its parameters to the reports that have
//! them, and its end is their clock unless the run's as-of instant comes sooner: a window of the past then gives the same
//! answers whenever it is run.

use crate::zones::Tz;
use chrono::{DateTime, Datelike, Days, Duration, Months, NaiveDate, TimeZone, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The length of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A local day.
    Day,
    /// Seven local days from Monday.
    Week,
    /// A calendar month.
    Month,
}

/// Windows that one command may ask for.
const MOST_WINDOWS: usize = 5_000;

impl Unit {
    /// Returns the name, which is also that of the parameter with the first day.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

impl std::str::FromStr for Unit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(Error::usage(format!("unknown window {text:?}")).with_hint("one of day, week, month")),
        }
    }
}

/// Days in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The unit, unless the days were chosen freely.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<Unit>,
    /// The first day.
    pub from: NaiveDate,
    /// The day after the last.
    pub until: NaiveDate,
}

impl Window {
    /// Returns the window that a day lies in.
    ///
    /// # Errors
    /// A day at the end of time.
    pub fn containing(unit: Unit, day: NaiveDate) -> Result<Self> {
        let window = match unit {
            Unit::Day => day.checked_add_days(Days::new(1)).map(|until| (day, until)),
            Unit::Week => day
                .checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday())))
                .and_then(|from| Some((from, from.checked_add_days(Days::new(7))?))),
            Unit::Month => day.with_day(1).and_then(|from| Some((from, from.checked_add_months(Months::new(1))?))),
        };
        let (from, until) = window.ok_or_else(|| Error::usage(format!("no {} around {day}", unit.name())))?;
        Ok(Self { unit: Some(unit), from, until })
    }

    /// Returns the days from one to another, both included, as one window.
    ///
    /// # Errors
    /// An end before the start.
    pub fn span(from: NaiveDate, last: NaiveDate) -> Result<Self> {
        check_range(from, last)?;
        let until = last.succ_opt().ok_or_else(|| Error::usage(format!("no day after {last}")))?;
        Ok(Self { unit: None, from, until })
    }

    /// Returns every window with a day between two, both included, the earliest first.
    ///
    /// # Errors
    /// An end before the start, or more windows than a person means.
    pub fn every(unit: Unit, from: NaiveDate, last: NaiveDate) -> Result<Vec<Self>> {
        check_range(from, last)?;
        let mut windows = vec![Self::containing(unit, from)?];
        while let Some(window) = windows.last().filter(|window| window.until <= last) {
            if windows.len() == MOST_WINDOWS {
                return Err(Error::usage(format!("more than {MOST_WINDOWS} windows between {from} and {last}"))
                    .with_hint("take a longer ⟨window⟩, or run it in parts"));
            }
            windows.push(Self::containing(unit, window.until)?);
        }
        Ok(windows)
    }

    /// Returns the last window that has ended at an instant.
    ///
    /// # Errors
    /// An instant at the beginning of time.
    pub fn last_complete(unit: Unit, as_of: DateTime<Utc>, time_zone: Tz) -> Result<Self> {
        let today = as_of.with_timezone(&time_zone).date_naive();
        let current = Self::containing(unit, today)?;
        let before = current.from.pred_opt().ok_or_else(|| Error::usage(format!("no day before {}", current.from)))?;
        Self::containing(unit, before)
    }

    /// Names the window: `2026-11-20`, `2026-W47`, `2026-11`, or `2026-11-01_2026-11-20` with the last day.
    pub fn name(&self) -> String {
        match self.unit {
            Some(Unit::Day) => self.from.to_string(),
            Some(Unit::Week) => self.from.format("%G-W%V").to_string(),
            Some(Unit::Month) => self.from.format("%Y-%m").to_string(),
            None => format!("{}_{}", self.from, self.last()),
        }
    }

    /// Names the window for a reader: `Friday, 20 November 2026`, `Week 47, 16 to 22 November 2026`.
    pub fn title(&self) -> String {
        let last = self.last();
        let days = || {
            let form = match (self.from.year() == last.year(), self.from.month() == last.month()) {
                (true, true) => "%-d",
                (true, false) => "%-d %B",
                (false, _) => "%-d %B %Y",
            };
            format!("{} to {}", self.from.format(form), last.format("%-d %B %Y"))
        };
        match self.unit {
            Some(Unit::Day) => self.from.format("%A, %-d %B %Y").to_string(),
            Some(Unit::Week) => format!("Week {}, {}", self.from.iso_week().week(), days()),
            Some(Unit::Month) => self.from.format("%B %Y").to_string(),
            None if self.from == last => self.from.format("%A, %-d %B %Y").to_string(),
            None => days(),
        }
    }

    /// The last day.
    pub fn last(&self) -> NaiveDate {
        self.until.pred_opt().unwrap_or(self.until)
    }

    /// The clock of the window: its end, or the as-of instant where that is sooner.
    ///
    /// # Errors
    /// A day that the zone does not have.
    pub fn clock(&self, as_of: DateTime<Utc>, time_zone: Tz) -> Result<DateTime<Utc>> {
        Ok(start_of_day(self.until, time_zone)?.min(as_of))
    }

    /// Returns the value of a parameter that the window sets, or nothing for other names. Values are days, which parameters of
    /// type timestamp read as the first instant of the local day.
    pub fn parameter(&self, name: &str) -> Option<String> {
        match name {
            "since" | "from" => Some(self.from.to_string()),
            "until" | "to" => Some(self.until.to_string()),
            _ if self.unit.is_some_and(|unit| unit.name() == name) => Some(self.from.to_string()),
            _ => None,
        }
    }
}

/// Names of parameters that a window may set, for messages.
pub const PARAMETERS: &str = "since, until, from, to, day, week, month";

fn check_range(from: NaiveDate, last: NaiveDate) -> Result<()> {
    if last < from {
        return Err(Error::usage(format!("the window ends on {last}, before it begins on {from}")));
    }
    Ok(())
}

/// Returns the first instant of a local day; where the clocks skip midnight it is the first one after.
fn start_of_day(day: NaiveDate, time_zone: Tz) -> Result<DateTime<Utc>> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    // The longest gap was a whole day, when Samoa changed sides of the date line.
    (0..=24 * 4)
        .find_map(|quarters| time_zone.from_local_datetime(&(midnight + Duration::minutes(15 * quarters))).earliest())
        .map(|instant| instant.to_utc())
        .ok_or_else(|| Error::usage(format!("{time_zone} has no {day}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn windows_follow_the_calendar() {
        let name = |unit, of: &str| Window::containing(unit, day(of)).unwrap().name();
        assert_eq!(name(Unit::Day, "2026-11-20"), "2026-11-20");
        assert_eq!(name(Unit::Week, "2026-11-22"), "2026-W47");
        assert_eq!(name(Unit::Week, "2027-01-03"), "2026-W53");
        assert_eq!(name(Unit::Month, "2026-02-28"), "2026-02");
        assert_eq!(Window::span(day("2026-11-01"), day("2026-11-20")).unwrap().name(), "2026-11-01_2026-11-20");
        assert!(Window::span(day("2026-11-02"), day("2026-11-01")).is_err());
    }

    #[test]
    fn a_reader_is_told_the_days() {
        let title = |unit, on| Window::containing(unit, day(on)).unwrap().title();
        assert_eq!(title(Unit::Day, "2026-11-20"), "Friday, 20 November 2026");
        assert_eq!(title(Unit::Week, "2026-11-20"), "Week 47, 16 to 22 November 2026");
        assert_eq!(title(Unit::Week, "2027-01-01"), "Week 53, 28 December 2026 to 3 January 2027");
        assert_eq!(title(Unit::Month, "2026-02-28"), "February 2026");
        assert_eq!(
            Window::span(day("2026-10-30"), day("2026-11-01")).unwrap().title(),
            "30 October to 1 November 2026"
        );
    }

    #[test]
    fn the_last_complete_window_ended_before_the_local_now() {
        let at =
            |instant: &str, zone, unit| Window::last_complete(unit, instant.parse().unwrap(), zone).unwrap().name();
        assert_eq!(at("2026-11-20T23:30:00Z", Tz::UTC, Unit::Day), "2026-11-19");
        assert_eq!(at("2026-11-20T23:30:00Z", Tz::named("Europe/Berlin").unwrap(), Unit::Day), "2026-11-20");
        assert_eq!(at("2026-11-22T12:00:00Z", Tz::UTC, Unit::Week), "2026-W46");
        assert_eq!(at("2026-11-22T12:00:00Z", Tz::UTC, Unit::Month), "2026-10");
    }

    #[test]
    fn the_clock_is_the_end_of_the_window_but_never_the_future() {
        let window = Window::containing(Unit::Day, day("2026-03-29")).unwrap();
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        assert_eq!(
            window.clock(now, Tz::named("Europe/Berlin").unwrap()).unwrap().to_rfc3339(),
            "2026-03-29T22:00:00+00:00"
        );
        let early = "2026-03-29T08:00:00Z".parse().unwrap();
        assert_eq!(window.clock(early, Tz::named("Europe/Berlin").unwrap()).unwrap(), early);
        // Midnight does not exist on this day.
        let gap = Window::containing(Unit::Day, day("2018-11-03")).unwrap();
        assert_eq!(
            gap.clock(now, Tz::named("America/Sao_Paulo").unwrap()).unwrap().to_rfc3339(),
            "2018-11-04T03:00:00+00:00"
        );
    }

    #[test]
    fn a_window_sets_the_parameters_that_reports_call_it_by() {
        let window = Window::containing(Unit::Week, day("2026-11-20")).unwrap();
        let set = |name: &str| window.parameter(name);
        assert_eq!(set("since").as_deref(), Some("2026-11-16"));
        assert_eq!(set("until").as_deref(), Some("2026-11-23"));
        assert_eq!(set("week").as_deref(), Some("2026-11-16"));
        assert_eq!(set("day"), None);
    }

    proptest! {
        #[test]
        fn windows_meet_without_gap_or_overlap(start in 0..20_000_i32, length in 0..400_u64, unit in 0..3_usize) {
            let unit = [Unit::Day, Unit::Week, Unit::Month][unit];
            let from = NaiveDate::from_num_days_from_ce_opt(730_000 + start).unwrap();
            let last = from + Days::new(length);
            let windows = Window::every(unit, from, last).unwrap();
            prop_assert!(windows[0].from <= from && from < windows[0].until);
            prop_assert!(windows.windows(2).all(|pair| pair[0].until == pair[1].from));
            let end = windows[windows.len() - 1];
            prop_assert!(end.from <= last && last < end.until);
        }
    }
}
