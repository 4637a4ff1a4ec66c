//! The settings of a session that go with its stages.
//!
//! Both processes begin with the settings that [`settings`](super::super::config::settings) makes; what was set since is sent. What a machine has
//! of memory and threads is its own.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::exec_datafusion_err;

/// The setting of the zone of local days, which is sent always.
const TIME_ZONE: &str = "datafusion.execution.time_zone";
/// What begins the settings of whoever spreads plans, which go their own way.
const OF_OTHERS: &str = "distributed.";

/// Settings of a session that differ from those that it began with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SentSettings(Vec<(String, String)>);

impl SentSettings {
    /// Finds the settings that have other values than at the beginning.
    pub fn of(session: &ConfigOptions, began: &ConfigOptions) -> Self {
        let set = |options: &ConfigOptions| -> BTreeSet<(String, String)> {
            options.entries().into_iter().filter_map(|entry| Some((entry.key, entry.value?))).collect()
        };
        let began = set(began);
        let is_sent = |entry: &(String, String)| {
            !entry.0.starts_with(OF_OTHERS) && (entry.0 == TIME_ZONE || !began.contains(entry))
        };
        Self(set(session).into_iter().filter(is_sent).collect())
    }

    /// Writes the settings as text that a header may have.
    pub fn to_text(&self) -> String {
        STANDARD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
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
