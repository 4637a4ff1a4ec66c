//! The rules of one zone: which offset its clocks have from when on.

use std::borrow::Cow;

use chrono::MappedLocalTime;
use jiff_core::Timestamp;
use jiff_core::tz::tzif::TimeZone as Read;

/// Seconds of 400 years, after which the calendar repeats, weekdays too.
const CYCLE_SECONDS: i64 = 146_097 * 86_400;

/// Seconds within which all changes lie that a local time can have to do with: no clock was ever moved by more than a day, and none
/// is further from UTC than a day.
const AROUND_SECONDS: i64 = 2 * 86_400;

/// The time that clocks show in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Seconds that local time is ahead of UTC; less than a day.
    pub(super) offset: i32,
    /// The place of its abbreviation.
    abbreviation: u16,
}

/// A change of the clocks.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// The instant in seconds since the Unix epoch.
    start: i64,
    span: Span,
}

/// The rules of a zone.
#[derive(Debug)]
pub(super) struct Rules {
    name: Cow<'static, str>,
    /// Before the first change.
    first: Span,
    /// In the order of time. Where clocks change every year for ever, the years of one cycle of the calendar are here.
    changes: Vec<Change>,
    /// The instant up to which the changes are here; later ones are those of 400 years before.
    end: i64,
    abbreviations: Vec<Cow<'static, str>>,
}

impl Rules {
    /// Makes the rules of UTC.
    pub(super) const fn utc() -> Self {
        Self {
            name: Cow::Borrowed("UTC"),
            first: Span { offset: 0, abbreviation: 0 },
            changes: Vec::new(),
            end: i64::MAX,
            abbreviations: Vec::new(),
        }
    }

    /// Reads rules out of the bytes of a file of compiled zone data (TZif).
    ///
    /// # Errors
    /// Bytes that are not such a file, or have an offset of a day or more; the text says why.
    pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let read = Read::parse(bytes).map_err(|error| format!("not zone data: {error}"))?;
        let mut rules = Self {
            name: Cow::Owned(name.to_owned()),
            first: Span { offset: 0, abbreviation: 0 },
            changes: Vec::new(),
            end: i64::MAX,
            abbreviations: Vec::new(),
        };
        let info = |seconds: i64| Timestamp::from_second(seconds).ok().map(|instant| read.to_offset_info(instant));
        let mut last = Timestamp::MIN.as_second();
        for (index, start) in read.transitions.timestamps.iter().enumerate() {
            last = start.as_second();
            let Some(info) = info(last) else { continue };
            let span = rules.span(info.offset().seconds(), info.abbreviation().as_str())?;
            // The first one stands for all time before the others.
            if index == 0 {
                rules.first = span;
            } else {
                rules.changes.push(Change { start: last, span });
            }
        }
        if let Some(posix) = &read.posix_tz
            && let Some(mut at) =
                posix.next_transition(Timestamp::from_second(last.max(0)).unwrap_or(Timestamp::UNIX_EPOCH))
        {
            // A day more than a cycle, so that the whole of a cycle has all that is around it.
            rules.end = last.max(0) + CYCLE_SECONDS + 4 * AROUND_SECONDS;
            while at.timestamp().as_second() < rules.end {
                let span = rules.span(at.offset().seconds(), at.abbreviation().as_str())?;
                rules.changes.push(Change { start: at.timestamp().as_second(), span });
                let Some(next) = posix.next_transition(at.timestamp()) else { break };
                at = next;
            }
        }
        // Changes of nothing but the rule by which they came.
        let mut before = rules.first;
        rules.changes.retain(|change| std::mem::replace(&mut before, change.span) != change.span);
        rules.changes.shrink_to_fit();
        Ok(rules)
    }

    fn span(&mut self, offset: i32, abbreviation: &str) -> Result<Span, String> {
        if offset.abs() >= 86_400 {
            return Err(format!("an offset of {offset} seconds is a day or more"));
        }
        let found = self.abbreviations.iter().position(|known| known == abbreviation);
        let place = found.unwrap_or_else(|| {
            self.abbreviations.push(Cow::Owned(abbreviation.to_owned()));
            self.abbreviations.len() - 1
        });
        Ok(Span { offset, abbreviation: u16::try_from(place).map_err(|_| "too many abbreviations".to_owned())? })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn abbreviation(&self, span: Span) -> &str {
        self.abbreviations.get(usize::from(span.abbreviation)).map_or("UTC", |text| text)
    }

    /// Returns what the clocks show at an instant in seconds since the Unix epoch.
    pub(super) fn at(&self, seconds: i64) -> Span {
        let seconds = self.within(seconds);
        let after = self.changes.partition_point(|change| change.start <= seconds);
        self.before(after)
    }

    /// Returns what the clocks show before the change at a place.
    fn before(&self, place: usize) -> Span {
        place.checked_sub(1).and_then(|place| self.changes.get(place)).map_or(self.first, |change| change.span)
    }

    /// Moves an instant that is later than the changes known back by cycles of the calendar.
    fn within(&self, seconds: i64) -> i64 {
        // Two cycles overlap by some days, so that what is around a local time is there too.
        let end = self.end.saturating_sub(2 * AROUND_SECONDS);
        if seconds < end {
            return seconds;
        }
        let beyond = seconds - end;
        seconds - (beyond / CYCLE_SECONDS + 1) * CYCLE_SECONDS
    }

    /// Finds what the clocks show when they show a local time, in seconds since 1970-01-01T00:00:00 on the same clock. Of two the
    /// earlier comes first.
    pub(super) fn of_local(&self, local: i64) -> MappedLocalTime<Span> {
        let local = self.within(local);
        let mut found = MappedLocalTime::None;
        let mut place = self.changes.partition_point(|change| change.start <= local.saturating_sub(AROUND_SECONDS));
        loop {
            let span = self.before(place);
            let instant = local.saturating_sub(i64::from(span.offset));
            let start = place.checked_sub(1).and_then(|place| self.changes.get(place)).map_or(i64::MIN, |c| c.start);
            let end = self.changes.get(place).map_or(i64::MAX, |change| change.start);
            if start <= instant && instant < end {
                found = match found {
                    MappedLocalTime::None => MappedLocalTime::Single(span),
                    MappedLocalTime::Single(first) | MappedLocalTime::Ambiguous(first, _) => {
                        MappedLocalTime::Ambiguous(first, span)
                    }
                };
            }
            if end > local.saturating_add(AROUND_SECONDS) {
                return found;
            }
            place += 1;
        }
    }

    /// Returns what the clocks showed before they skipped a local time.
    pub(super) fn before_gap(&self, local: i64) -> Span {
        let local = self.within(local);
        let from = self.changes.partition_point(|change| change.start <= local.saturating_sub(AROUND_SECONDS));
        let mut place = from;
        // The change after which the clocks show more than the time that was skipped.
        while let Some(change) = self.changes.get(place) {
            if change.start.saturating_add(i64::from(change.span.offset)) > local {
                break;
            }
            place += 1;
        }
        self.before(place)
    }

    /// Lists the changes of the offset in a stretch of time: the instant, and the offsets before and after.
    #[cfg(test)]
    pub(super) fn offset_changes(&self, from: i64, until: i64) -> Vec<(i64, i32, i32)> {
        let mut before = self.first.offset;
        let mut found = Vec::new();
        for change in &self.changes {
            let earlier = std::mem::replace(&mut before, change.span.offset);
            if earlier != before && (from..until).contains(&change.start) {
                found.push((change.start, earlier, before));
            }
        }
        found
    }
}
