//! Tickets: a statement with what it sees, as a client carries it from the description of an answer to the answer.
//!
//! Whoever makes a ticket up asks a question like any other: it is looked at again, as its caller.

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::engine::At;
use crate::error::{Error, Result};
use crate::serve::Settings;
use crate::zones::read_zone;

/// A statement and what it sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    pub sql: String,
    version: u64,
    as_of_us: i64,
    time_zone: String,
}

impl Ticket {
    /// Makes the ticket of a statement that was described.
    pub fn of(sql: String, version: u64, settings: &Settings, as_of: DateTime<chrono::Utc>) -> Self {
        Self { sql, version, as_of_us: as_of.timestamp_micros(), time_zone: settings.time_zone.name().to_owned() }
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }

    /// Reads a ticket.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|_| Error::usage("the ticket is none of this server"))
    }

    /// What its statement sees.
    ///
    /// # Errors
    /// An instant or a zone that are none.
    pub fn settings(&self, first: Settings) -> Result<Settings> {
        let as_of =
            DateTime::from_timestamp_micros(self.as_of_us).ok_or_else(|| Error::usage("the ticket has no instant"))?;
        let time_zone = read_zone(&self.time_zone)?;
        Ok(Settings { at: At::Version(self.version), as_of: Some(as_of), time_zone, ..first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zones::Tz;

    #[test]
    fn a_ticket_is_read_as_it_was_made() {
        let first = Settings { at: At::Newest, as_of: None, time_zone: Tz::UTC, timeout: None };
        let ticket = Ticket::of("select 1".to_owned(), 7, &first, DateTime::UNIX_EPOCH);
        let read = Ticket::read(&ticket.to_bytes().unwrap()).unwrap();
        assert_eq!(read, ticket);
        assert_eq!(read.settings(first).unwrap().at, At::Version(7));
        for bytes in [&b""[..], b"{}", b"\xff", b"{\"sql\":1}"] {
            assert!(Ticket::read(bytes).is_err());
        }
    }
}
