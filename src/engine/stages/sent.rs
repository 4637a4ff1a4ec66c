//! The settings of a session that go with its stages.
//!
//! Both processes begin with the settings that [`settings`](super::super::config::settings) makes; what was set since is sent. What a machine has
//! of memory and threads is its own.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::Result;
use datafusion::common::config::{ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::exec_datafusion_err;

use crate::functions::StandIns;

/// The setting of the zone of local days, which is sent always.
const TIME_ZONE: &str = "datafusion.execution.time_zone";
/// What begins DataFusion's own settings.
const OF_ENGINE: &str = "datafusion.";

/// Settings of a session that differ from those that it began with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SentSettings(Vec<(String, String)>);

impl SentSettings {
    /// Finds the settings that have other values than at the beginning.
    pub fn of(session: &ConfigOptions, began: &ConfigOptions) -> Self {
        let began = set(began);
        let is_sent = |entry: &(String, String)| entry.0 == TIME_ZONE || !began.contains(entry);
        Self(set(session).into_iter().filter(is_sent).collect())
    }

    /// Writes the settings as text that a header may have.
    pub fn to_text(&self) -> String {
        STANDARD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The settings of DataFusion and ours that have a value. Those of whoever spreads plans go their own way.
fn set(options: &ConfigOptions) -> BTreeSet<(String, String)> {
    let engine = options.entries().into_iter().filter(|entry| entry.key.starts_with(OF_ENGINE));
    let engine = engine.filter_map(|entry| Some((entry.key, entry.value?)));
    // Extensions leave the beginning of their names out.
    let ours = options.extensions.get::<StandIns>().map(StandIns::entries).unwrap_or_default();
    let ours = ours.into_iter().filter_map(|entry| Some((format!("{}.{}", StandIns::PREFIX, entry.key), entry.value?)));
    engine.chain(ours).collect()
}

/// Sets what was sent.
///
/// # Errors
/// A text that is none, and settings that this build does not have.
pub fn from_sent(text: &str, session: &mut ConfigOptions) -> Result<()> {
    let odd = |what: &dyn std::fmt::Display| exec_datafusion_err!("settings that are none: {what}");
    let bytes = STANDARD.decode(text).map_err(|error| odd(&error))?;
    let SentSettings(sent) = serde_json::from_slice(&bytes).map_err(|error| odd(&error))?;
    for (key, value) in sent {
        session.set(&key, &value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_set_there_and_nothing_else() {
        let mut began = ConfigOptions::default();
        began.extensions.insert(StandIns::default());
        let mut session = began.clone();
        session.set("sessionlake.own_sort", "false").unwrap();
        session.set("datafusion.execution.batch_size", "7").unwrap();
        session.set(TIME_ZONE, "Asia/Tokyo").unwrap();
        let sent = SentSettings::of(&session, &began);
        assert_eq!(sent.0.len(), 3, "{sent:?}");
        let mut there = began.clone();
        there.set("datafusion.execution.target_partitions", "3").unwrap();
        from_sent(&sent.to_text(), &mut there).unwrap();
        assert_eq!((there.execution.batch_size.get(), there.execution.target_partitions), (7, 3));
        assert_eq!(there.execution.time_zone.as_deref(), Some("Asia/Tokyo"));
        assert!(!there.extensions.get::<StandIns>().unwrap().own_sort);
        for odd in ["", "%", "aGVsbG8=", &STANDARD.encode(r#"[["no.such", "setting"]]"#)] {
            assert!(from_sent(odd, &mut there).is_err(), "{odd}");
        }
    }
}
