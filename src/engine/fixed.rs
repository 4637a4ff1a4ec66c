//! Values among the settings of a session that no SET changes.

use std::any::Any;
use std::fmt::Debug;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{Result, plan_err};

/// What a session is told by its settings, for rules and planners that are the same for all sessions.
pub trait Told: Debug + Clone + Send + Sync + 'static {
    /// The prefix that settings of it would have.
    const PREFIX: &'static str;
}

/// Such a value as settings hold it.
#[derive(Debug, Clone)]
pub struct Fixed<T>(pub T);

impl<T: Told> ExtensionOptions for Fixed<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _: &str) -> Result<()> {
        plan_err!("there is no setting {key:?}")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

impl<T: Told> ConfigExtension for Fixed<T> {
    const PREFIX: &'static str = T::PREFIX;
}
