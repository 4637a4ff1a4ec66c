//! Instants and zones as people write them: in flags, in settings of sessions, in headers and bodies of requests.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::{Tz, ZoneFault, nearest};
use crate::error::{Error, Result};

/// Reads an instant: with an offset, or as a date or local time of the zone. A local time that exists twice is the earlier one.
///
/// # Errors
/// A text that is none, or a local time that the zone skips. `name` is what the flag or setting is called.
pub fn read_instant(name: &str, text: &str, time_zone: Tz) -> Result<DateTime<Utc>> {
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
            .with_hint("write it as 2026-11-21T00:00:00Z, or as a date or local time of ⟨time-zone⟩")
    })
}

/// Finds a zone by its IANA name.
///
/// # Errors
/// A name that no zone has, with the nearest that one has; rules that cannot be read.
pub fn read_zone(name: &str) -> Result<Tz> {
    name.trim().parse().map_err(|fault| match fault {
        ZoneFault::Unknown => Error::usage(format!("unknown time zone {name:?}")).with_hint(match nearest(name) {
            Some(name) => format!("did you mean {name:?}?"),
            None => "zones have IANA names such as UTC, Europe/Berlin or America/New_York".to_owned(),
        }),
        fault => Error::usage(format!("time zone {name:?}: {fault}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_their_zone() {
        let berlin = read_zone(" Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-11-21T00:00:00Z", "2026-11-21T00:00:00+00:00"),
            (" 2026-11-21T00:00:00+02:00 ", "2026-11-20T22:00:00+00:00"),
            ("2026-11-21", "2026-11-20T23:00:00+00:00"),
            ("2026-11-21 12:30", "2026-11-21T11:30:00+00:00"),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00"),
        ] {
            assert_eq!(read_instant("as_of", text, berlin).unwrap().to_rfc3339(), expected, "{text}");
        }
        // The last is in the hour that the clocks skip.
        for text in ["", "now", "2026-13-01", "2026-03-29T02:30:00"] {
            assert!(read_instant("as_of", text, berlin).is_err(), "{text}");
        }
        let error = read_zone("Europe/Berlni").unwrap_err();
        assert!(error.to_string().contains("Europe/Berlni") && error.hint().unwrap().contains("Europe/Berlin"));
        assert!(read_zone("Mars/Olympus").is_err());
    }
}
