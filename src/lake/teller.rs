//! Who hears what is odd about a lake.

use std::sync::{Arc, Mutex, PoisonError};

/// What a sentence about a lake is handed to.
type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// Hears what is odd about a lake that is read all the same, each sentence once.
#[derive(Clone, Default)]
pub(super) struct Teller {
    hears: Option<Listener>,
    told: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teller")
    }
}

impl Teller {
    /// Names who hears.
    pub(super) fn heard_by(mut self, hears: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.hears = Some(Arc::new(hears));
        self
    }

    /// Tells a sentence, unless it was told before.
    pub(super) fn tell(&self, sentence: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&sentence) {
            return;
        }
        tracing::warn!("{sentence}");
        if let Some(hears) = &self.hears {
            hears(&sentence);
        }
        told.push(sentence);
    }
}
