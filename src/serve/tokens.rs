//! Tokens, which stand for a log-in for some hours.
//!
//! The server keeps the hash of a token alone, and looks at the users file whenever one comes: a user who is taken out of it, or has another
//! password, is out at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::hub::Hub;
use super::scram::{Verifier, random};
use super::users::Caller;
use crate::error::{Error, Result};

/// How long a token holds.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(8 * 60 * 60);
/// Tokens at once; beyond them the one that ends first makes place.
const MOST_TOKENS: usize = 10_000;
/// Passwords that are hashed at once.
const MOST_LOG_INS: usize = 2;

struct Token {
    name: String,
    /// What was kept of the password when the token was made.
    verifier: Verifier,
    /// By the clock that never goes back.
    ends: Duration,
}

/// The tokens of a server.
pub(super) struct Tokens {
    tokens: Mutex<HashMap<[u8; 32], Token>>,
    hashing: Semaphore,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { tokens: Mutex::default(), hashing: Semaphore::new(MOST_LOG_INS) }
    }
}

fn hashed(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Tokens {
    /// Compares a password; only some are hashed at once, so that guessing takes no more than its share.
    ///
    /// # Errors
    /// A usage error for a password or a user that is none; a users file that cannot be read.
    pub async fn compare(&self, hub: &Arc<Hub>, user: &str, password: &str) -> Result<Caller> {
        let _turn = self.hashing.acquire().await.map_err(Error::internal)?;
        hub.log_in(user, password).await
    }

    /// Logs in a user of a server that has some, and makes a token for it.
    ///
    /// # Errors
    /// As [`Tokens::compare`].
    pub async fn log_in(&self, hub: &Arc<Hub>, user: &str, password: &str) -> Result<(Caller, String)> {
        let users = hub.users().ok_or_else(|| Error::internal("a log-in where there are no users"))?;
        // Before the password is compared: one that is changed meanwhile makes the token none.
        let (_, verifier) = users.find(user, (hub.clocks().now)())?;
        let caller = self.compare(hub, user, password).await?;
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let passed = (hub.clocks().passed)();
        let made = Token { name: caller.name.clone(), verifier, ends: passed + TOKEN_LIFE };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| token.ends > passed);
        if tokens.len() >= MOST_TOKENS
            && let Some(first) = tokens.iter().min_by_key(|(_, token)| token.ends).map(|(hash, _)| *hash)
        {
            tokens.remove(&first);
        }
        tokens.insert(hashed(&token), made);
        Ok((caller, token))
    }

    /// Makes a token none.
    pub fn forget(&self, token: &str) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(&hashed(token));
    }

    /// Finds whom a token stands for; `None` for one that is none any more.
    ///
    /// # Errors
    /// A users file that cannot be read.
    pub fn caller(&self, hub: &Hub, token: &str) -> Result<Option<Caller>> {
        let kept = {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let passed = (hub.clocks().passed)();
            // The hash of what was sent is looked up: how long that takes tells nothing of the tokens.
            let token = tokens.get(&hashed(token)).filter(|token| token.ends > passed);
            token.map(|token| (token.name.clone(), token.verifier.clone()))
        };
        let (Some((name, verifier)), Some(users)) = (kept, hub.users()) else { return Ok(None) };
        match users.find(&name, (hub.clocks().now)())? {
            (Some(caller), now) if now == verifier => Ok(Some(caller)),
            _ => Ok(None),
        }
    }
}
