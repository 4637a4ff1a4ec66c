//! When sessions start: the daily and weekly rhythm of callers in the eastern United States.
//!
//! Each hour of the period has a weight; session i of n starts where the cumulated weight passes i/n, give or take a few
//! sessions. So starts are known without sorting, nearly in order, and any session's without the others'. The zone's clock
//! changes are those of the IANA database in the lock file.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike};

use super::random::{Purpose, Random};
use crate::error::{Error, Result};
use crate::zones::Tz;

const HOUR_US: i64 = 3_600_000_000;
/// Microseconds of a day.
pub(super) const DAY_US: i64 = 24 * HOUR_US;

/// Sessions per local hour, as shares: quiet nights, a peak before noon, a second one in the afternoon.
const HOURS: [u64; 24] =
    [9, 6, 4, 3, 4, 8, 20, 45, 84, 112, 121, 116, 98, 104, 113, 108, 96, 80, 61, 46, 36, 27, 19, 13];
/// Sessions per weekday from Monday, as shares.
const WEEKDAYS: [u64; 7] = [118, 108, 103, 101, 105, 52, 34];

/// The hours of a period with their weights.
#[derive(Debug)]
pub(super) struct Calendar {
    seed: u64,
    sessions: u64,
    first_us: i64,
    /// Weight of all hours up to and with this one.
    cumulated: Vec<u64>,
}

impl Calendar {
    /// Lays out `days` days from `first_day`, midnight UTC.
    ///
    /// # Errors
    /// A period of no days, of more than 36,525 days, or outside the years 1970 to 9999.
    pub(super) fn new(seed: u64, sessions: u64, first_day: NaiveDate, days: u32) -> Result<Self> {
        if days == 0 || days > 36_525 {
            return Err(Error::usage(format!("days must be from 1 to 36525, not {days}")));
        }
        let first = first_day.and_time(NaiveTime::MIN).and_utc();
        let first_us = first.timestamp_micros();
        let last_year =
            DateTime::from_timestamp_micros(first_us + i64::from(days) * DAY_US).map_or(0, |day| day.year());
        if first.year() < 1970 || last_year == 0 || last_year > 9999 {
            return Err(Error::usage(format!("the period from {first_day} must lie in the years 1970 to 9999")));
        }
        // A folder of zones that a user names may lack it.
        let new_york = Tz::named("America/New_York").unwrap_or(Tz::UTC);
        let mut total = 0;
        let cumulated = (0..i64::from(days) * 24)
            .filter_map(|hour| DateTime::from_timestamp_micros(first_us + hour * HOUR_US))
            .zip(0_u64..)
            .map(|(instant, index)| {
                let local = instant.with_timezone(&new_york);
                let rhythm = HOURS[local.hour() as usize] * WEEKDAYS[local.weekday().num_days_from_monday() as usize];
                let noise = 85 + Random::new(seed, Purpose::Rhythm, index).below(31);
                // One day in about 40 is busier: an outage, a bill run.
                let day = Random::new(seed, Purpose::Rhythm, (1 << 40) + index / 24).below(40);
                total += rhythm * noise * if day == 0 { 17 } else { 10 };
                total
            })
            .collect();
        Ok(Self { seed, sessions, first_us, cumulated })
    }

    /// Returns the first instant of the period, in microseconds since the Unix epoch.
    pub(super) fn first_us(&self) -> i64 {
        self.first_us
    }

    /// Returns the first instant after the period, in microseconds since the Unix epoch.
    pub(super) fn end_us(&self) -> i64 {
        self.first_us + self.cumulated.len() as i64 * HOUR_US
    }

    /// Returns when session `index` starts, in microseconds since the Unix epoch, within the period.
    pub(super) fn start_us(&self, index: u64) -> i64 {
        let mut random = Random::new(self.seed, Purpose::Start, index);
        let bits = random.next();
        // Neighbours change places within this many sessions, as they do in exports.
        let spread = (self.sessions / 64 + 1).min(32);
        let position = (u128::from(index) << 32) + u128::from(bits >> 32) * u128::from(spread);
        let positions = u128::from(self.sessions + spread - 1) << 32;
        let total = self.cumulated.last().copied().unwrap_or(1);
        let reached = (position << 30) / (positions >> 30).max(1);
        let target = (reached.saturating_mul(u128::from(total)) >> 30).min((u128::from(total) << 30) - 1);
        let hour = self.cumulated.partition_point(|weight| (u128::from(*weight) << 30) <= target);
        let before = if hour == 0 { 0 } else { self.cumulated[hour - 1] };
        let weight = u128::from(self.cumulated[hour] - before);
        let inside = (target - (u128::from(before) << 30)) * HOUR_US as u128 / (weight << 30);
        let exact = self.first_us + hour as i64 * HOUR_US + inside as i64;
        exact - exact.rem_euclid(Self::precision_us(bits))
    }

    /// Returns the precision of a session's instants in microseconds, from random bits: exports mix three.
    pub(super) fn precision_us(bits: u64) -> i64 {
        match bits & 15 {
            0..=4 => 1_000_000,
            5..=10 => 1_000,
            _ => 1,
        }
    }

    /// Returns the precision of this session's instants in microseconds.
    pub(super) fn precision_of(&self, index: u64) -> i64 {
        Self::precision_us(Random::new(self.seed, Purpose::Start, index).next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(sessions: u64) -> Calendar {
        Calendar::new(1, sessions, NaiveDate::from_ymd_opt(2026, 10, 1).unwrap(), 51).unwrap()
    }

    #[test]
    fn starts_fill_the_period_nearly_in_order() {
        for sessions in [1, 2, 200, 20_000] {
            let calendar = calendar(sessions);
            let starts: Vec<i64> = (0..sessions).map(|index| calendar.start_us(index)).collect();
            assert!(starts.iter().all(|start| (calendar.first_us()..calendar.end_us()).contains(start)));
            for (index, start) in starts.iter().enumerate().skip(40) {
                assert!(*start >= starts[index - 40], "session {index} starts before the one 40 earlier");
            }
        }
        let calendar = calendar(20_000);
        assert!(calendar.start_us(0) < calendar.first_us() + DAY_US);
        assert!(calendar.start_us(19_999) > calendar.end_us() - DAY_US);
    }

    #[test]
    fn noon_is_busier_than_night_and_monday_than_sunday() {
        let calendar = calendar(20_000);
        let (mut noon, mut night, mut monday, mut sunday) = (0, 0, 0, 0);
        for index in 0..20_000 {
            let local = DateTime::from_timestamp_micros(calendar.start_us(index))
                .unwrap()
                .with_timezone(&Tz::named("America/New_York").unwrap());
            noon += u32::from(local.hour() == 11);
            night += u32::from(local.hour() == 3);
            monday += u32::from(local.weekday() == chrono::Weekday::Mon);
            sunday += u32::from(local.weekday() == chrono::Weekday::Sun);
        }
        assert!(noon > night * 10, "{noon} at noon, {night} at night");
        assert!(monday > sunday * 2, "{monday} on Mondays, {sunday} on Sundays");
    }

    #[test]
    fn a_period_must_have_days_that_can_be_written() {
        let day = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        assert!(Calendar::new(1, 1, day(2026), 0).is_err());
        assert!(Calendar::new(1, 1, day(1969), 1).is_err());
        assert!(Calendar::new(1, 1, day(9999), 366).is_err());
        assert!(Calendar::new(1, 1, day(9998), 1).is_ok());
    }
}
