//! Says in the log who was refused, and never so often that whoever tries ports or tokens fills a disk with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long only the number of refusals is noted after one was told.
const QUIET: Duration = Duration::from_secs(10);

/// The refusals of a worker.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_quiet: AtomicBool,
    untold: AtomicU64,
}

impl Refusals {
    /// Notes that somebody was refused; nothing of what was sent is told. To be called on a runtime.
    pub fn note(&self, who: Option<SocketAddr>, why: &'static str) {
        if self.0.is_quiet.swap(true, Ordering::Relaxed) {
            self.0.untold.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let who = who.map_or_else(|| "somebody in this process".to_owned(), |who| who.ip().to_string());
        tracing::warn!(target: "worker", who, "refused: {why}");
        let state = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(QUIET).await;
            state.tell_rest();
        });
    }
}

impl State {
    /// Says how many were refused meanwhile, and lets the next one be told.
    fn tell_rest(&self) {
        let untold = self.untold.swap(0, Ordering::Relaxed);
        if untold > 0 {
            tracing::warn!(target: "worker", untold, "refused others in the last {} s", QUIET.as_secs());
        }
        self.is_quiet.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_refusal_is_told_at_once_and_the_others_are_counted() {
        let refusals = Refusals::default();
        for _ in 0..1_000 {
            refusals.note(None, "a token that is not the worker's");
        }
        assert_eq!(refusals.0.untold.load(Ordering::Relaxed), 999);
        refusals.0.tell_rest();
        refusals.note(None, "a token that is not the worker's");
        assert_eq!(refusals.0.untold.load(Ordering::Relaxed), 0);
        assert!(refusals.0.is_quiet.load(Ordering::Relaxed));
    }
}
