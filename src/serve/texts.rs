//! Texts of statements, as clients send them: a short one is taken apart where it came in, a long one on the threads that compute, so that
//! those that listen are free for others.
//!
//! What a text is made into takes a hundred times its bytes, which no pool of memory counts. So the words of a statement are limited, and long
//! texts are worked on few at a time.

use std::sync::Arc;
use std::time::Duration;

use super::hub::{Hub, Stopping};
use super::limits::too_long;
use crate::error::{Error, Result};
use crate::script::{self, Script};

/// Words, signs and blanks of a statement at most.
const MOST_WORDS: usize = 300_000;

impl Hub {
    /// Does what a text needs to be taken apart, in so much time.
    ///
    /// # Errors
    /// A text of too many words; the limit of time.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        limit: Duration,
        text: &Arc<str>,
        work: impl FnOnce(&Arc<str>) -> T + Send + 'static,
    ) -> Result<T> {
        let apart = async {
            let Some(turn) = self.long_turn(text).await? else { return Ok(work(text)) };
            let text = Arc::clone(text);
            let work = self.compute().spawn(async move {
                let _turn = turn;
                require_few_words(&text)?;
                Ok(work(&text))
            });
            Stopping(work).outcome().await?
        };
        tokio::time::timeout(limit, apart).await.unwrap_or_else(|_| Err(too_long(limit)))
    }

    /// Takes the text of a statement apart.
    ///
    /// # Errors
    /// What is wrong with its syntax, with its place; as [`Hub::apart`].
    pub(super) async fn script(&self, limit: Duration, name: &'static str, text: &str) -> Result<Script> {
        self.apart(limit, &Arc::from(text), move |text| script::parse(name, text)).await?
    }
}

fn require_few_words(text: &str) -> Result<()> {
    match script::has_more_words(text, MOST_WORDS) {
        true => Err(Error::Limit {
            message: format!("the statement has more than {MOST_WORDS} words"),
            hint: Some("send long lists as parameters that are arrays: = any($1)".to_owned()),
        }),
        false => Ok(()),
    }
}
