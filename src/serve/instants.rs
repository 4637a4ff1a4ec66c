//! Instants as clients of a server write them, and zones by their names.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::error::{Error, Result};
use crate::zones::Tz;

/// Reads an instant: with an offset, or as a date or local time of the zone. A local time that exists twice is the earlier one.
///
/// # Errors
/// A text that is none, or a local time that the zone skips. `name` is what the setting is called.
pub(super) fn instant(name: &str, text: &str, time_zone: Tz) -> Result<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    let found = local.and_then(|local| local.and_local_timezone(time_zone).earliest());
    found.map(|instant| instant.to_utc()).ok_or_else(|| {
        Error::usage(format!("{name} is not an instant: {text:?}"))
            .with_hint("write it as 2026-11-21T00:00:00Z, or as a date or local time of the time zone")
    })
}

/// Finds a zone by its IANA name.
///
/// # Errors
/// A name that no zone has.
pub(super) fn zone(name: &str, text: &str) -> Result<Tz> {
    Tz::named(text.trim()).ok_or_else(|| {
        Error::usage(format!("{name} is not a time zone: {text:?}"))
            .with_hint("write its IANA name, for example Europe/Berlin or UTC")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_their_zone() {
        let berlin = zone("time_zone", "Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-11-21T00:00:00Z", "2026-11-21T00:00:00+00:00"),
            (" 2026-11-21T00:00:00+02:00 ", "2026-11-20T22:00:00+00:00"),
            ("2026-11-21", "2026-11-20T23:00:00+00:00"),
            ("2026-11-21 12:30", "2026-11-21T11:30:00+00:00"),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00"),
        ] {
            assert_eq!(instant("as_of", text, berlin).unwrap().to_rfc3339(), expected, "{text}");
        }
        for text in ["", "now", "2026-13-01", "2026-03-29T02:30:00"] {
            assert!(instant("as_of", text, berlin).is_err(), "{text}");
        }
        assert!(zone("time_zone", "Mars/Olympus").unwrap_err().to_string().contains("time_zone"));
    }
}
