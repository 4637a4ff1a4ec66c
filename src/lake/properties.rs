//! What a lake says of how it is kept: properties of its table of sessions, which stand in the log for all who write it.

use std::sync::Arc;

use chrono::TimeDelta;
use deltalake::kernel::{Action, Metadata};
use serde_json::Value;

use super::layout::{INDEXED_FILES, LEAVES_EXCLUDE, LEAVES_INCLUDE, SHREDDED_COLUMNS};
use super::leaves::LeafPolicy;
use super::table::Table;
use crate::error::{Error, Result};
use crate::shred::PathRules;

/// Small files that stay beside those of the last day before ingests merge some; 0 leaves the merging out.
pub const SMALL_FILES: &str = "sessionlake.upkeep.files";
/// Sessions that one ingest merges at most.
pub const MAX_ROWS: &str = "sessionlake.upkeep.rows";
/// Columns for JSON paths of a data file at most.
pub const LEAVES: &str = "sessionlake.leaves";
/// Data files from which on there is an index of the session ids of all; 0 for none.
pub const INDEX_FILES: &str = "sessionlake.index.files";
/// How long sessions are kept after they began.
pub const RETENTION: &str = "sessionlake.retention";
/// What the names of our properties begin with, which may be left out where they are given.
const PREFIX: &str = "sessionlake.";

/// A property that a lake may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// Its name in the log.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// What counts where it is not set.
    pub unless_set: &'static str,
    kind: Kind,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number of at least so much.
    Number(u64),
    /// A length of time.
    Time,
    /// JSON paths, with commas between them.
    Paths,
}

/// The properties that a lake may have.
pub const PROPERTIES: [Property; 7] = [
    Property {
        name: SMALL_FILES,
        meaning: "small files beside those of the last day, of which ingests merge some once there are more; 0 leaves it out",
        unless_set: "12",
        kind: Kind::Number(0),
    },
    Property {
        name: MAX_ROWS,
        meaning: "sessions that one ingest merges at most, about",
        unless_set: "262144",
        kind: Kind::Number(1),
    },
    Property {
        name: INDEX_FILES,
        meaning: "data files from which on there is an index of the session ids of all; 0 for none",
        unless_set: "64",
        kind: Kind::Number(0),
    },
    Property {
        name: LEAVES,
        meaning: "columns for JSON paths that a data file has at most, beside the text; 0 for none",
        unless_set: "512",
        kind: Kind::Number(0),
    },
    Property {
        name: LEAVES_INCLUDE,
        meaning: "JSON paths that have a column whatever it takes, such as data.variables.order_id, with commas between them",
        unless_set: "none",
        kind: Kind::Paths,
    },
    Property {
        name: LEAVES_EXCLUDE,
        meaning: "JSON paths that have no column, and share none",
        unless_set: "none",
        kind: Kind::Paths,
    },
    Property {
        name: RETENTION,
        meaning: "how long sessions are kept after they began, such as 400d; older ones are erased by ingests and optimize",
        unless_set: "for ever",
        kind: Kind::Time,
    },
];

impl Property {
    /// Finds a property by its name, with or without `sessionlake.` before it.
    ///
    /// # Errors
    /// A name that none has.
    pub fn named(name: &str) -> Result<&'static Self> {
        let found = PROPERTIES.iter().find(|property| {
            property.name == name || property.name.strip_prefix(PREFIX).is_some_and(|short| short == name)
        });
        found.ok_or_else(|| {
            let names: Vec<&str> = PROPERTIES.iter().map(|property| property.name).collect();
            Error::usage(format!("a lake has no property {name:?}"))
                .with_hint(format!("the properties are {}", names.join(", ")))
        })
    }

    /// Checks a value.
    ///
    /// # Errors
    /// One that the property cannot have.
    pub fn check(&self, value: &str) -> Result<()> {
        let (fits, what) = match self.kind {
            Kind::Number(least) => {
                (value.parse::<u64>().is_ok_and(|number| number >= least), format!("a number of at least {least}"))
            }
            Kind::Paths => match PathRules::parse(value, "", &SHREDDED_COLUMNS) {
                Ok(_) => (true, String::new()),
                Err(why) => (false, format!("a list of JSON paths ({why})")),
            },
            Kind::Time => (length(value).is_some(), "a time of at least a day, such as 400d, 60w or 48h".to_owned()),
        };
        match fits {
            true => Ok(()),
            false => Err(Error::usage(format!("the property {} of a lake is {what}, and not {value:?}", self.name))),
        }
    }
}

/// Reads a length of time of at least a day: a number, and h, d or w for hours, days or weeks.
fn length(text: &str) -> Option<TimeDelta> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number = digits.parse::<i64>().ok()?;
    let hours = match text.get(digits.len()..)?.trim() {
        "h" => number,
        "d" => number.checked_mul(24)?,
        "w" => number.checked_mul(24 * 7)?,
        _ => return None,
    };
    // More than ten thousand years is no time that anyone means.
    (24..=87_660_000).contains(&hours).then(|| TimeDelta::hours(hours))
}

impl Table {
    /// Returns a property that is a number, if it is set.
    ///
    /// # Errors
    /// A property that is none; a log that cannot be read.
    pub fn number_property(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.property(name)? else { return Ok(None) };
        let number = text
            .parse::<u64>()
            .map_err(|_| Error::usage(format!("the property {name} of the lake is {text:?}, which is no number")))?;
        Ok(Some(number))
    }

    /// Returns from how many data files on there is an index of session ids. The index is never needed for an answer, so that a property that is no number
    /// counts as none.
    pub(super) fn indexed_files(&self) -> usize {
        match self.number_property(INDEX_FILES).ok().flatten() {
            None => INDEXED_FILES,
            Some(0) => usize::MAX,
            Some(files) => usize::try_from(files).unwrap_or(usize::MAX),
        }
    }

    /// Returns what leaf columns may take in the files of a run that asks for at most so many a file. The log and the properties are read once.
    ///
    /// # Errors
    /// A log that cannot be read; a property of the lake that is no number, or names no paths.
    pub fn leaf_policy(&self, asked: usize) -> Result<LeafPolicy> {
        let most = self.number_property(LEAVES)?.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        let property = |name: &str| Ok::<_, Error>(self.property(name)?.unwrap_or_default());
        let (included, excluded) = (property(LEAVES_INCLUDE)?, property(LEAVES_EXCLUDE)?);
        let rules = PathRules::parse(&included, &excluded, &SHREDDED_COLUMNS).map_err(|why| {
            let names = format!("{} or {}", LEAVES_INCLUDE, LEAVES_EXCLUDE);
            let hint = "write paths as data.variables.order_id, data.details.* or data.variables.events[*].type, with commas between them";
            Error::usage(format!("the lake's property {names} has {why}")).with_hint(hint)
        })?;
        Ok(LeafPolicy {
            columns: most.map_or(asked, |most| asked.min(most)),
            lake_rows: self.snapshot()?.rows().unwrap_or_default(),
            rules: Arc::new(rules),
        })
    }

    /// Returns how long sessions are kept after they began; `None` for ever.
    ///
    /// # Errors
    /// A property that is no time; a log that cannot be read.
    pub fn retention(&self) -> Result<Option<TimeDelta>> {
        let Some(text) = self.property(RETENTION)? else { return Ok(None) };
        match length(&text) {
            Some(time) => Ok(Some(time)),
            None => Err(Error::usage(format!(
                "the property {RETENTION} of the lake is {text:?}, which is no time of at least a day, such as 400d"
            ))),
        }
    }

    /// Makes the action of a commit that sets properties, or takes them away.
    pub(super) fn with_properties(&self, changes: &[(String, Option<String>)]) -> Result<Action> {
        let mut metadata = serde_json::to_value(self.log()?.metadata()).map_err(Error::internal)?;
        let held = metadata.as_object_mut().ok_or_else(|| Error::internal("metadata that is no object"))?;
        let configuration = held.entry("configuration").or_insert_with(|| serde_json::json!({}));
        let configuration = configuration.as_object_mut().ok_or_else(|| Error::internal("no configuration"))?;
        for (name, value) in changes {
            match value {
                Some(value) => drop(configuration.insert(name.clone(), Value::from(value.as_str()))),
                None => drop(configuration.remove(name)),
            }
        }
        Ok(Action::Metadata(serde_json::from_value::<Metadata>(metadata).map_err(Error::internal)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Commit, Lake, layout};

    #[test]
    fn lengths_of_time_are_whole_hours_days_and_weeks() {
        let hours = |text: &str| length(text).map(|time| time.num_hours());
        assert_eq!([hours("48h"), hours(" 400d"), hours("2w")], [Some(48), Some(9_600), Some(336)]);
        for wrong in ["", "d", "400", "23h", "1.5d", "1y", "-3d", "99999999999999d", "4d5", "١d"] {
            assert_eq!(hours(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn values_are_checked_and_names_may_be_short() {
        let property = Property::named("upkeep.rows").unwrap();
        assert_eq!(property.name, MAX_ROWS);
        assert!(property.check("0").is_err() && property.check("1").is_ok() && property.check("many").is_err());
        let property = Property::named("leaves.include").unwrap();
        assert!(property.check("data.variables.order_id, data.details.*").is_ok() && property.check("date.x").is_err());
        assert!(Property::named("sessionlake.retention").unwrap().check("400d").is_ok());
        assert!(Property::named("Retention").is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn properties_are_set_and_taken_away_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
        let mut table = lake.open_or_create(layout::SESSIONS).await.unwrap();
        let change = |name: &str, value: Option<&str>| Commit {
            properties: vec![(name.to_owned(), value.map(str::to_owned))],
            ..Commit::default()
        };
        table.commit(change(LEAVES, Some("7"))).await.unwrap();
        table.commit(change(RETENTION, Some("30d"))).await.unwrap();
        let mut table = lake.open(layout::SESSIONS).await.unwrap().unwrap();
        let columns = |asked| table.leaf_policy(asked).unwrap().limits(2_000).columns;
        assert_eq!((columns(500), columns(3)), (7, 3));
        assert_eq!(table.retention().unwrap(), Some(TimeDelta::days(30)));
        assert!(table.property("delta.checkpointInterval").unwrap().is_some());
        table.commit(change(LEAVES, None)).await.unwrap();
        let columns = table.leaf_policy(500).unwrap().limits(2_000).columns;
        assert_eq!((columns, table.retention().unwrap()), (500, Some(TimeDelta::days(30))));
        let operations: Vec<String> =
            table.history().await.unwrap().into_iter().skip(1).map(|entry| entry.operation).collect();
        assert_eq!(operations, ["SET TBLPROPERTIES"; 3]);
        table.commit(change(RETENTION, Some("soon"))).await.unwrap();
        assert!(table.retention().is_err());
    }
}
