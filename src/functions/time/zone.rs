//! What a zone's clocks show at an instant, at the price of an array look-up.
//!
//! [`Tz`] searches its table of changes anew for each instant. A [`ZoneClock`] remembers, for each UTC day it was asked
//! about, the offset and where in the day it changes; rows of one batch mostly share a few days.
//!
//! Limits: a zone that changed its offset twice within one UTC day would be seen as changing once; none in the database does.

use crate::zones::Tz;
use chrono::{DateTime, Offset, TimeZone};

/// Microseconds in a second.
pub(crate) const SECOND_US: i64 = 1_000_000;

/// Microseconds in a day of 24 hours.
pub(crate) const DAY_US: i64 = 86_400 * SECOND_US;

/// Instants beyond this, about 260,000 years from 1970, have no calendar date in chrono.
const MAX_INSTANT_US: i64 = 8_200_000_000_000 * SECOND_US;

/// Days that a clock remembers; a power of two. A year and a half of days, 16 KiB.
const REMEMBERED_DAYS: usize = 512;

/// The offsets of one UTC day, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Day {
    number: i64,
    offset_us: i64,
    /// Where in the day the offset changes; `i64::MAX` if it does not.
    changes_at_us: i64,
    later_offset_us: i64,
}

/// A zone's clock, with the days that it was asked about.
#[derive(Debug, Clone)]
pub(crate) struct ZoneClock {
    zone: Tz,
    days: Vec<Option<Day>>,
}

impl ZoneClock {
    /// Makes the clock of a zone.
    pub(crate) fn new(zone: Tz) -> Self {
        Self { zone, days: vec![None; REMEMBERED_DAYS] }
    }

    /// Makes the clock of a zone by its name; `None` if there is no such zone.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Tz::named(name).map(Self::new)
    }

    /// Returns the local time at an instant, in microseconds as if the zone were UTC; `None` beyond the calendar.
    pub(crate) fn local_us(&mut self, instant_us: i64) -> Option<i64> {
        if instant_us.abs() > MAX_INSTANT_US {
            return None;
        }
        Some(instant_us + self.offset_us(instant_us))
    }

    /// Returns how far local time is ahead of UTC at an instant, in microseconds.
    pub(crate) fn offset_us(&mut self, instant_us: i64) -> i64 {
        let number = instant_us.div_euclid(DAY_US);
        let slot = number.rem_euclid(REMEMBERED_DAYS as i64) as usize;
        let day = match self.days.get(slot).copied().flatten() {
            Some(day) if day.number == number => day,
            _ => {
                let day = self.read_day(number);
                if let Some(place) = self.days.get_mut(slot) {
                    *place = Some(day);
                }
                day
            }
        };
        if instant_us < day.changes_at_us { day.offset_us } else { day.later_offset_us }
    }

    /// Returns the first instant at which the local date-time is or is past `local_us`.
    ///
    /// For a local midnight that is the start of the day: where clocks skip midnight it is the moment of the skip, where they
    /// show midnight twice the first of the two.
    pub(crate) fn first_instant_from(&mut self, local_us: i64) -> i64 {
        let (low, high) = (local_us - DAY_US, local_us + DAY_US);
        let (before, after) = (self.offset_us(low), self.offset_us(high));
        if before == after {
            return local_us - before;
        }
        let change = self.change_within(low, high);
        if local_us - before < change { local_us - before } else { change.max(local_us - after) }
    }

    /// Tells whether local time, once it has reached `local_us`, never falls back behind it.
    pub(crate) fn never_repeats(&mut self, local_us: i64) -> bool {
        let (low, high) = (local_us - DAY_US, local_us + DAY_US);
        let (before, after) = (self.offset_us(low), self.offset_us(high));
        before <= after || {
            let change = self.change_within(low, high);
            local_us - before >= change || change + after >= local_us
        }
    }

    /// Returns the instant within `low..=high` from which the offset is that of `high`; the two ends differ.
    pub(crate) fn change_within(&mut self, mut low: i64, mut high: i64) -> i64 {
        let offset = self.offset_us(high);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.offset_us(middle) == offset {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    }

    fn read_day(&self, number: i64) -> Day {
        let start = number.saturating_mul(DAY_US / SECOND_US);
        let end = start.saturating_add(DAY_US / SECOND_US);
        let (first, last) = (self.read_offset(start), self.read_offset(end - 1));
        let mut day =
            Day { number, offset_us: first * SECOND_US, changes_at_us: i64::MAX, later_offset_us: last * SECOND_US };
        if first != last {
            let (mut low, mut high) = (start, end - 1);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if self.read_offset(middle) == first {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            day.changes_at_us = high * SECOND_US;
        }
        day
    }

    /// Returns the offset in seconds at a Unix time in seconds; 0 beyond the calendar, where nobody asks.
    fn read_offset(&self, seconds: i64) -> i64 {
        DateTime::from_timestamp(seconds, 0).map_or(0, |instant| {
            i64::from(self.zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc())
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads an RFC 3339 instant as microseconds.
    pub(crate) fn us(text: &str) -> i64 {
        text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_micros()
    }

    /// Zones with the oddest rules: half-hour shifts, midnight shifts, date line changes, Ramadan.
    pub(crate) const ODD_ZONES: [&str; 14] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/Havana",
        "America/Santiago",
        "America/St_Johns",
        "Asia/Beirut",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Antarctica/Troll",
        "Pacific/Chatham",
    ];

    #[test]
    fn changes_are_found_to_the_second() {
        let mut clock = ZoneClock::new(Tz::named("Europe/Berlin").unwrap());
        let change = us("2026-03-29T01:00:00Z");
        assert_eq!(clock.offset_us(change - 1), 3_600 * SECOND_US);
        assert_eq!(clock.offset_us(change), 7_200 * SECOND_US);
        assert_eq!(clock.change_within(change - DAY_US, change + DAY_US), change);
    }

    #[test]
    fn days_start_where_their_clocks_say() {
        for (zone, midnight, start) in [
            ("Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-28T23:00:00Z"),
            // Clocks jump from 24:00 to 01:00.
            ("America/Santiago", "2026-09-06T00:00:00Z", "2026-09-06T04:00:00Z"),
            // Clocks fall back from 01:00 to 00:00: midnight comes twice.
            ("America/Havana", "2026-11-01T00:00:00Z", "2026-11-01T04:00:00Z"),
            // Clocks fall back from 24:00 to 23:00: the day starts an hour later.
            ("Asia/Beirut", "2026-10-25T00:00:00Z", "2026-10-24T22:00:00Z"),
            // The 30th of December was skipped.
            ("Pacific/Apia", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-31T00:00:00Z", "2011-12-30T10:00:00Z"),
        ] {
            let mut clock = ZoneClock::named(zone).unwrap();
            assert_eq!(clock.first_instant_from(us(midnight)), us(start), "{zone} {midnight}");
        }
    }

    #[test]
    fn only_a_clock_that_falls_back_over_midnight_repeats_it() {
        let repeats = |zone: &str, midnight: &str| !ZoneClock::named(zone).unwrap().never_repeats(us(midnight));
        // Newfoundland used to fall back at 00:01 to 23:01 of the day before.
        assert!(repeats("America/St_Johns", "2005-10-30T00:00:00Z"));
        assert!(!repeats("America/Havana", "2026-11-01T00:00:00Z"));
        assert!(!repeats("Asia/Beirut", "2026-10-25T00:00:00Z"));
        assert!(!repeats("America/Santiago", "2026-09-06T00:00:00Z"));
        assert!(!repeats("Europe/Berlin", "2026-10-25T00:00:00Z"));
    }

    proptest! {
        #[test]
        fn the_clock_agrees_with_its_zone(
            zone in prop::sample::select(Tz::all()),
            seconds in prop::collection::vec(-2_000_000_000_i64..4_000_000_000, 1..50),
        ) {
            let mut clock = ZoneClock::new(zone);
            for second in seconds {
                // The neighbours too: mostly the same day, sometimes the same slot.
                for second in [second, second + 1, second + 3_600, second + 512 * 86_400] {
                    let expected = clock.read_offset(second) * SECOND_US;
                    prop_assert_eq!(clock.offset_us(second * SECOND_US), expected, "{} {}", zone, second);
                }
            }
        }

        #[test]
        fn the_first_instant_is_reached_and_not_before(
            zone in prop::sample::select(ODD_ZONES.to_vec()),
            day in 3_650_i64..24_000,
        ) {
            let mut clock = ZoneClock::named(zone).unwrap();
            let midnight = day * DAY_US;
            let start = clock.first_instant_from(midnight);
            prop_assert!(clock.local_us(start).unwrap() >= midnight);
            for before in [1, SECOND_US, 3_600 * SECOND_US, 20 * 3_600 * SECOND_US] {
                prop_assert!(clock.local_us(start - before).unwrap() < midnight);
            }
        }

        #[test]
        fn no_instant_makes_it_panic(instant in any::<i64>(), zone in prop::sample::select(ODD_ZONES.to_vec())) {
            ZoneClock::named(zone).unwrap().local_us(instant);
        }
    }
}
