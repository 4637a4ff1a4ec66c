//! What a session can set and show.
//!
//! A few settings are real: the instant, version and zone that questions see, and the limit of time. Those that say how values are written have
//! one value only. Others are kept and shown again, since drivers set them, and change nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::At;
use crate::error::{Error, Result};
use crate::functions::parse_duration;
use crate::script;
use crate::serve::{Settings, catalog};
use crate::zones::{read_instant, read_zone};

/// The version of PostgreSQL whose protocol and catalogue clients may expect.
pub const SERVER_VERSION: &str = "15.0";
/// The same, as clients compare it.
pub const SERVER_VERSION_NUM: &str = "150000";

/// What may become of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is kept.
    Free,
    /// It has one value; these texts, in lower case, mean it.
    Fixed(&'static [&'static str]),
    /// It cannot be set.
    Told,
    /// It is one of ours.
    Ours,
}

/// A setting: its name as it is shown, its first value, and whether clients are told of it when they connect.
struct Known {
    name: &'static str,
    value: &'static str,
    kind: Kind,
    is_reported: bool,
}

const fn known(name: &'static str, value: &'static str, kind: Kind) -> Known {
    Known { name, value, kind, is_reported: false }
}

const fn reported(name: &'static str, value: &'static str, kind: Kind) -> Known {
    Known { name, value, kind, is_reported: true }
}

const KNOWN: &[Known] = &[
    reported("application_name", "", Kind::Free),
    known("bytea_output", "hex", Kind::Fixed(&["hex"])),
    reported("client_encoding", "UTF8", Kind::Fixed(&["utf8", "utf-8", "unicode"])),
    known("client_min_messages", "notice", Kind::Free),
    reported(
        "DateStyle",
        "ISO, MDY",
        Kind::Fixed(&["iso", "iso, mdy", "iso, dmy", "iso, ymd", "iso,mdy", "iso,dmy", "iso,ymd"]),
    ),
    known("default_transaction_isolation", "read committed", Kind::Free),
    known("default_transaction_read_only", "on", Kind::Free),
    known("enable_nestloop", "on", Kind::Free),
    known("enable_seqscan", "on", Kind::Free),
    known("extra_float_digits", "1", Kind::Free),
    known("geqo", "on", Kind::Free),
    known("idle_in_transaction_session_timeout", "0", Kind::Free),
    known("idle_session_timeout", "0", Kind::Free),
    reported("in_hot_standby", "on", Kind::Told),
    reported("integer_datetimes", "on", Kind::Told),
    reported("IntervalStyle", "postgres", Kind::Fixed(&["postgres"])),
    reported("is_superuser", "off", Kind::Told),
    known("jit", "off", Kind::Free),
    known("lc_collate", "C", Kind::Told),
    known("lc_ctype", "C", Kind::Told),
    known("lc_messages", "C", Kind::Free),
    known("lc_monetary", "C", Kind::Free),
    known("lc_numeric", "C", Kind::Free),
    known("lc_time", "C", Kind::Free),
    known("lock_timeout", "0", Kind::Free),
    known("max_identifier_length", "63", Kind::Told),
    known("max_index_keys", "32", Kind::Told),
    known("row_security", "on", Kind::Free),
    known("search_path", "public", Kind::Free),
    reported("server_encoding", "UTF8", Kind::Told),
    reported("server_version", SERVER_VERSION, Kind::Told),
    known("server_version_num", SERVER_VERSION_NUM, Kind::Told),
    reported("session_authorization", "", Kind::Told),
    known("sessionlake.as_of", "", Kind::Ours),
    known("sessionlake.at_time", "", Kind::Ours),
    known("sessionlake.at_version", "newest", Kind::Ours),
    known("sessionlake.time_zone", "", Kind::Ours),
    reported("standard_conforming_strings", "on", Kind::Fixed(&["on", "true", "1", "yes"])),
    known("statement_timeout", "0", Kind::Ours),
    known("synchronous_commit", "on", Kind::Free),
    reported("TimeZone", "UTC", Kind::Ours),
    known("transaction_isolation", "read committed", Kind::Free),
    known("transaction_read_only", "on", Kind::Fixed(&["on", "true", "1", "yes"])),
];

/// Bytes of a value at most.
const MOST_BYTES: usize = 10_000;

/// The settings of a session.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// What the session began with.
    first: Settings,
    /// What questions see.
    pub now: Settings,
    /// What was set, by the name as it is shown.
    values: BTreeMap<&'static str, String>,
}

impl SessionSettings {
    /// Begins with the settings of the server.
    pub fn of(first: Settings, user: &str) -> Self {
        let values = BTreeMap::from([("session_authorization", user.to_owned())]);
        Self { first, now: first, values }
    }

    /// Sets a value, or what was there first; returns what clients are to be told, the name and value as they are shown.
    ///
    /// # Errors
    /// A setting that is not known or cannot have the value.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<Option<(&'static str, String)>> {
        let known = find(name)?;
        if value.is_some_and(|value| value.len() > MOST_BYTES) {
            return Err(Error::usage(format!("the value of {} is too long", known.name)));
        }
        let wrong = |hint: &str| {
            Error::usage(format!("{:?} is no value of {}", value.unwrap_or_default(), known.name))
                .with_hint(hint.to_owned())
        };
        match (known.kind, value) {
            (Kind::Told, _) => return Err(Error::usage(format!("{} cannot be set", known.name))),
            (Kind::Ours, value) => self.set_ours(known.name, value)?,
            (Kind::Fixed(_), None) => {}
            (Kind::Fixed(texts), Some(value)) => {
                // Some drivers send quotes with the value when they connect.
                if !texts.contains(&value.trim_matches('\'').to_lowercase().as_str()) {
                    return Err(wrong(&format!("it is {} here", known.value)));
                }
            }
            (Kind::Free, None) => drop(self.values.remove(known.name)),
            (Kind::Free, Some(value)) => drop(self.values.insert(known.name, value.to_owned())),
        }
        Ok(known.is_reported.then(|| (known.name, self.value_of(known))))
    }

    fn set_ours(&mut self, name: &'static str, value: Option<&str>) -> Result<()> {
        let instant = |text: &str| read_instant(name, text, self.now.time_zone);
        match (name, value) {
            ("sessionlake.as_of", None | Some("")) => self.now.as_of = self.first.as_of,
            ("sessionlake.as_of", Some(text)) => self.now.as_of = Some(instant(text)?),
            ("sessionlake.at_time" | "sessionlake.at_version", None | Some("" | "newest")) => {
                self.now.at = self.first.at
            }
            ("sessionlake.at_time", Some(text)) => self.now.at = At::Time(instant(text)?),
            ("sessionlake.at_version", Some(text)) => {
                let version = text.parse().map_err(|_| {
                    Error::usage(format!("{text:?} is no version")).with_hint("select * from lake_history lists them")
                })?;
                self.now.at = At::Version(version);
            }
            ("statement_timeout", None) => self.now.timeout = None,
            ("statement_timeout", Some(text)) => self.now.timeout = timeout(text)?,
            (_, None) => self.now.time_zone = self.first.time_zone,
            (_, Some(text)) if text.eq_ignore_ascii_case("local") => self.now.time_zone = self.first.time_zone,
            (_, Some(text)) => self.now.time_zone = read_zone(text)?,
        }
        Ok(())
    }

    /// Sets everything back; returns what clients are to be told.
    pub fn reset(&mut self) -> Vec<(&'static str, String)> {
        self.now = self.first;
        self.values.retain(|name, _| *name == "session_authorization");
        self.reported()
    }

    /// Shows a value: the name of its column, and the value.
    ///
    /// # Errors
    /// A setting that is not known.
    pub fn show(&self, name: &str) -> Result<(&'static str, String)> {
        match find(name) {
            Ok(known) => Ok((known.name, self.value_of(known))),
            // Those that have one value, which the catalog lists.
            Err(error) => catalog::show(name).map(|(name, value)| (name, value.to_owned())).ok_or(error),
        }
    }

    /// Lists all settings with their values.
    pub fn list(&self) -> Vec<(&'static str, String)> {
        KNOWN.iter().map(|known| (known.name, self.value_of(known))).collect()
    }

    /// Lists what clients are told when they connect.
    pub fn reported(&self) -> Vec<(&'static str, String)> {
        KNOWN.iter().filter(|known| known.is_reported).map(|known| (known.name, self.value_of(known))).collect()
    }

    fn value_of(&self, known: &Known) -> String {
        let instant = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        match (known.name, self.now.at) {
            ("TimeZone" | "sessionlake.time_zone", _) => self.now.time_zone.name().to_owned(),
            ("sessionlake.as_of", _) => self.now.as_of.map(instant).unwrap_or_default(),
            ("sessionlake.at_version", At::Version(version)) => version.to_string(),
            ("sessionlake.at_time", At::Time(at)) => instant(at),
            ("statement_timeout", _) => {
                self.now.timeout.map_or_else(|| "0".to_owned(), |limit| format!("{}ms", limit.as_millis()))
            }
            _ => self.values.get(known.name).cloned().unwrap_or_else(|| known.value.to_owned()),
        }
    }
}

fn find(name: &str) -> Result<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names = KNOWN.iter().map(|known| known.name);
        let hint = script::did_you_mean(name, names).unwrap_or_else(|| "SHOW ALL lists what can be set".to_owned());
        Error::usage(format!("unrecognized configuration parameter {name:?}")).with_hint(hint)
    })
}

/// Reads a limit of time: a number is of milliseconds, and 0 is none.
fn timeout(text: &str) -> Result<Option<Duration>> {
    let seconds = match text.trim().parse::<f64>() {
        Ok(milliseconds) => Some(milliseconds / 1e3),
        Err(_) => parse_duration(text),
    };
    match seconds {
        Some(0.0) => Ok(None),
        Some(seconds) if seconds > 0.0 && seconds < 1e9 => Ok(Some(Duration::from_secs_f64(seconds))),
        _ => Err(Error::usage(format!("{text:?} is no time")).with_hint("write milliseconds, or 30s, 5min, 1h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zones::Tz;

    fn settings() -> SessionSettings {
        let first = Settings { at: At::Newest, as_of: None, time_zone: Tz::UTC, timeout: None };
        SessionSettings::of(first, "ana")
    }

    #[test]
    fn settings_of_ours_are_real() {
        let mut settings = settings();
        let told = settings.set("timezone", Some("Europe/Berlin")).unwrap();
        assert_eq!(told, Some(("TimeZone", "Europe/Berlin".to_owned())));
        assert_eq!(settings.now.time_zone.name(), "Europe/Berlin");
        assert!(settings.set("TimeZone", Some("Europe/Berlni")).unwrap_err().hint().unwrap().contains("Europe/Berlin"));
        settings.set("sessionlake.as_of", Some("2026-11-01T00:00:00Z")).unwrap();
        assert_eq!(settings.show("sessionlake.as_of").unwrap().1, "2026-11-01T00:00:00.000000Z");
        settings.set("sessionlake.at_version", Some("7")).unwrap();
        assert_eq!(settings.now.at, At::Version(7));
        settings.set("statement_timeout", Some("250")).unwrap();
        assert_eq!(settings.now.timeout, Some(Duration::from_millis(250)));
        settings.reset();
        assert_eq!((settings.now.at, settings.now.as_of, settings.now.timeout), (At::Newest, None, None));
        assert_eq!(settings.show("session_authorization").unwrap().1, "ana");
    }

    #[test]
    fn other_settings_are_kept_or_have_one_value() {
        let mut settings = settings();
        settings.set("EXTRA_float_digits", Some("3")).unwrap();
        assert_eq!(settings.show("extra_float_digits").unwrap(), ("extra_float_digits", "3".to_owned()));
        settings.set("extra_float_digits", None).unwrap();
        assert_eq!(settings.show("extra_float_digits").unwrap().1, "1");
        assert!(settings.set("client_encoding", Some("LATIN1")).is_err());
        settings.set("client_encoding", Some("utf-8")).unwrap();
        assert_eq!(settings.show("client_encoding").unwrap().1, "UTF8");
        assert!(settings.set("server_version", Some("1")).is_err());
        assert!(settings.set("no_such", Some("1")).is_err() && settings.show("no_such").is_err());
        let names: Vec<String> = KNOWN.iter().map(|known| known.name.to_lowercase()).collect();
        assert!(names.is_sorted(), "{names:?}");
    }
}
