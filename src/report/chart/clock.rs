//! What stands along an axis of time: local times, or instants.
//!
//! Days, weeks and months stand where local clocks show them, so that they are evenly spaced though a day may have 23 or 25 hours. Hours and
//! what is shorter stand as instants: of the two hours that clocks show twice each has its place, and where clocks skip one there is no
//! gap. What is shown twice is told apart by its offset.

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, Offset, TimeZone};

use super::scale;
use crate::zones::Tz;

/// The usual change of clocks.
const HOUR_SECONDS: i64 = 3_600;

/// What the places along an axis of time are, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Clock {
    /// What local clocks show, since the epoch.
    Shown,
    /// Instants since the epoch, moved by what local clocks were ahead of UTC at the first of them.
    Going { zone: Tz, ahead: i64 },
}

impl Clock {
    /// Chooses by the instants that are to stand along an axis, and returns their places too.
    pub(super) fn of(instants: &[Option<f64>], zone: Tz) -> (Self, Vec<Option<f64>>) {
        let mut all: Vec<f64> = instants.iter().flatten().copied().filter(|instant| instant.is_finite()).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        let offset = |instant: f64| i64::from(zone.offset_at(instant.floor() as i64));
        let step = all.windows(2).filter_map(|pair| Some(pair.get(1)? - pair.first()?)).min_by(f64::total_cmp);
        let offsets = || all.iter().map(|&instant| offset(instant));
        let change = offsets().max().unwrap_or(0) - offsets().min().unwrap_or(0);
        if step.is_some_and(|step| step > change.max(HOUR_SECONDS) as f64) {
            let shown = |instant: f64| instant + offset(instant) as f64;
            return (Self::Shown, instants.iter().map(|instant| instant.map(shown)).collect());
        }
        let ahead = offsets().next().unwrap_or(0);
        let places = instants.iter().map(|instant| instant.map(|instant| instant + ahead as f64));
        (Self::Going { zone, ahead }, places.collect())
    }

    /// What local clocks show at a place, in seconds since the epoch.
    fn shown(self, place: f64) -> f64 {
        match self {
            Self::Shown => place,
            Self::Going { zone, ahead } => {
                let instant = place - ahead as f64;
                instant + f64::from(zone.offset_at(instant.floor() as i64))
            }
        }
    }

    /// How far clocks are ahead of UTC at a place, if they show its time twice.
    fn offset_of_two(self, place: f64) -> Option<FixedOffset> {
        let Self::Going { zone, ahead } = self else { return None };
        let local = local(self.shown(place))?;
        let instant = (place - ahead as f64).floor() as i64;
        match zone.offset_from_local_datetime(&local) {
            MappedLocalTime::Ambiguous(_, _) => FixedOffset::east_opt(zone.offset_at(instant)),
            _ => None,
        }
    }

    /// Writes the local time of a place: the date, and the time where it is not midnight.
    pub(super) fn text(self, place: f64) -> String {
        let text = scale::moment(self.shown(place));
        match self.offset_of_two(place) {
            Some(offset) if text.contains(':') => format!("{text} {offset}"),
            Some(offset) => format!("{text} 00:00 {offset}"),
            None => text,
        }
    }

    /// Writes it as short as an axis needs it.
    pub(super) fn short_text(self, place: f64) -> String {
        let text = self.text(place);
        let mut words = text.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (_, _, _, Some(time)) => time.to_owned(),
            (Some(day), Some(month), Some(_), None) => format!("{day} {month}"),
            _ => text,
        }
    }

    /// Returns about `most` places on whole hours, days, weeks or months, with their texts; of a time that clocks show twice the first.
    pub(super) fn ticks(self, from: f64, to: f64, most: usize) -> Vec<(f64, String)> {
        let Self::Going { zone, ahead } = self else { return scale::time_ticks(from, to, most) };
        let first = self.shown(from);
        let ticks = scale::time_ticks(first, self.shown(to).max(first + (to - from)), most);
        let placed = ticks.into_iter().filter_map(|(shown, text)| {
            let offset = match zone.offset_from_local_datetime(&local(shown)?) {
                MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => offset.fix(),
                MappedLocalTime::None => return None,
            };
            Some((shown - f64::from(offset.local_minus_utc()) + ahead as f64, text))
        });
        placed.filter(|(place, _)| (from..=to).contains(place)).collect()
    }
}

fn local(seconds: f64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds.floor() as i64, 0).map(|instant| instant.naive_utc())
}
