//! What one server may be asked for at once: connections, questions, time, rows, bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// The limits of a server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, of all protocols together.
    pub connections: usize,
    /// Questions that are computed at once; others wait for their turn.
    pub queries: usize,
    /// Questions that wait at once; more are refused.
    pub waiting: usize,
    /// The longest that a question may take, from the moment it came to its last row.
    pub statement: Duration,
    /// The longest that a connection may do nothing.
    pub idle: Duration,
    /// The longest that a client may take to say who it is.
    pub login: Duration,
    /// The longest that a client may take to send a request that has begun, and the longest that it may leave an answer unread.
    pub handshake: Duration,
    /// Rows of an answer at most.
    pub rows: u64,
    /// Bytes of an answer at most, as they go over the wire.
    pub bytes: u64,
    /// Bytes of a message of a client at most.
    pub message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100,
            queries: 8,
            waiting: 1_000,
            statement: Duration::from_secs(5 * 60),
            idle: Duration::from_secs(60 * 60),
            login: Duration::from_secs(10),
            handshake: Duration::from_secs(30),
            rows: 100_000_000,
            bytes: 10 << 30,
            message_bytes: 16 << 20,
        }
    }
}

/// The doors that connections and questions go through.
#[derive(Debug)]
pub(super) struct Doors {
    limits: Limits,
    seats: Arc<AtomicUsize>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    long: Arc<Semaphore>,
}

/// Texts of statements that are longer than this are taken apart and planned few at a time, apart from those that listen.
const LONG_BYTES: usize = 16 << 10;
/// How many long texts are worked on at once. Each may take some hundred megabytes, and a thread, even when nobody waits for it any more.
const LONG_AT_ONCE: usize = 2;

/// A connection that is counted. The next may take its place once it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The turn of a question.
pub(super) type Turn = OwnedSemaphorePermit;

impl Doors {
    pub fn new(limits: Limits) -> Self {
        let turns = Arc::new(Semaphore::new(limits.queries.max(1)));
        Self {
            limits,
            seats: Arc::default(),
            turns,
            waiting: AtomicUsize::new(0),
            long: Arc::new(Semaphore::new(LONG_AT_ONCE)),
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a connection.
    ///
    /// # Errors
    /// As many as there may be.
    pub fn seat(&self) -> Result<Seat> {
        let limit = self.limits.connections;
        let counted =
            self.seats.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < limit).then_some(taken + 1));
        match counted {
            Ok(_) => Ok(Seat(Arc::clone(&self.seats))),
            Err(_) => Err(Error::Limit {
                message: format!("there are {limit} connections already"),
                hint: Some("close one, or raise ⟨max-connections⟩".to_owned()),
            }),
        }
    }

    /// Connections now.
    pub fn seats_taken(&self) -> usize {
        self.seats.load(Ordering::Relaxed)
    }

    /// Questions that wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Questions that are computed now.
    pub fn running(&self) -> usize {
        self.limits.queries.max(1) - self.turns.available_permits()
    }

    /// Waits for a turn: first come, first served.
    ///
    /// # Errors
    /// As many wait as may.
    pub async fn turn(&self) -> Result<Turn> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let place = Waiting::among(&self.waiting, self.limits.waiting)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        drop(place);
        Ok(turn)
    }

    /// Waits for the turn of a text, which is kept for as long as the text is worked on; a short one needs none.
    pub async fn long(&self, text: &str) -> Result<Option<Turn>> {
        match text.len() > LONG_BYTES {
            true => Arc::clone(&self.long).acquire_owned().await.map(Some).map_err(Error::internal),
            false => Ok(None),
        }
    }
}

/// A place among those that wait.
struct Waiting<'w>(&'w AtomicUsize);

impl<'w> Waiting<'w> {
    fn among(waiting: &'w AtomicUsize, limit: usize) -> Result<Self> {
        let counted =
            waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < limit).then_some(now + 1));
        match counted {
            Ok(_) => Ok(Self(waiting)),
            Err(_) => Err(Error::Limit {
                message: format!("{limit} questions wait already"),
                hint: Some("ask again later, or raise ⟨max-waiting⟩".to_owned()),
            }),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The error of a question that took too long.
pub(super) fn too_long(limit: Duration) -> Error {
    Error::Limit {
        message: format!("stopped after {} s", limit.as_secs_f64()),
        hint: Some("let the question read less, or raise ⟨timeout⟩".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_and_given_back() {
        let doors = Doors::new(Limits { connections: 2, ..Limits::default() });
        let (first, second) = (doors.seat().unwrap(), doors.seat().unwrap());
        assert!(matches!(doors.seat(), Err(Error::Limit { .. })));
        drop(first);
        assert_eq!(doors.seats_taken(), 1);
        let third = doors.seat().unwrap();
        drop((second, third));
        assert_eq!(doors.seats_taken(), 0);
    }

    #[tokio::test]
    async fn questions_wait_for_their_turn_up_to_the_limit() {
        let doors = Arc::new(Doors::new(Limits { queries: 1, waiting: 1, ..Limits::default() }));
        let turn = doors.turn().await.unwrap();
        let other = tokio::spawn({
            let doors = Arc::clone(&doors);
            async move { doors.turn().await.map(drop) }
        });
        while doors.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(doors.turn().await, Err(Error::Limit { .. })));
        assert_eq!(doors.running(), 1);
        drop(turn);
        other.await.unwrap().unwrap();
        assert_eq!((doors.waiting(), doors.running()), (0, 0));
        // Who gives up waiting gives the place back.
        let turn = doors.turn().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(1), doors.turn()).await.is_err());
        assert_eq!(doors.waiting(), 0);
        drop(turn);
    }
}
