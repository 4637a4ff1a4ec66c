//! Connections that have not said yet who it is, apart from those that have.
//!
//! Whoever can reach a server can connect. If such connections took the seats of users, anybody could keep all users out by connecting and saying
//! nothing. So they are guests until somebody has logged in over them: they have places of their own and little time, and where all places are taken
//! the one that has waited longest goes. A log-in takes some hundredths of a second; to be in its way, others would have to come in their hundreds in
//! that time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::limits::Seat;
use crate::error::Result;

/// Places of guests, beside as many for each connection that may be.
const PLACES: usize = 256;

/// The guests of a server.
#[derive(Debug)]
pub struct Guests {
    places: usize,
    waiting: Mutex<VecDeque<Arc<Notify>>>,
}

impl Guests {
    pub fn beside(connections: usize) -> Self {
        Self { places: connections.saturating_mul(2).saturating_add(PLACES), waiting: Mutex::default() }
    }

    /// Takes in one more, for whom the one that has waited longest may have to go.
    fn take(&self) -> Arc<Notify> {
        let (leave, mut waiting) =
            (Arc::<Notify>::default(), self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.len() >= self.places
            && let Some(first) = waiting.pop_front()
        {
            first.notify_one();
        }
        waiting.push_back(Arc::clone(&leave));
        leave
    }

    fn forget(&self, guest: &Arc<Notify>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = waiting.iter().position(|waiting| Arc::ptr_eq(waiting, guest)) {
            waiting.remove(place);
        }
    }
}

/// How a connection is there: as a guest, or on a seat. It leaves when it is dropped.
#[derive(Debug)]
pub struct Entry {
    guests: Arc<Guests>,
    guest: Arc<Notify>,
    seat: Mutex<Option<Seat>>,
}

impl Entry {
    /// Takes in a connection of which nothing is known.
    pub fn of_guest(guests: &Arc<Guests>) -> Self {
        Self { guests: Arc::clone(guests), guest: guests.take(), seat: Mutex::default() }
    }

    /// Says whether nobody has logged in yet.
    pub fn is_guest(&self) -> bool {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Gives a seat to a connection over which somebody has logged in, once.
    ///
    /// # Errors
    /// As many connections as there may be.
    pub fn sign_in(&self, admit: impl FnOnce() -> Result<Seat>) -> Result<()> {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        if seat.is_none() {
            *seat = Some(admit()?);
            self.guests.forget(&self.guest);
        }
        Ok(())
    }

    /// Waits until the place of a guest is for another.
    pub async fn sent_away(self: Arc<Self>) {
        loop {
            self.guest.notified().await;
            // Who has logged in meanwhile stays.
            if self.is_guest() {
                return;
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.guests.forget(&self.guest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_guest_that_has_waited_longest_goes_for_the_next() {
        let guests = Guests { places: 2, waiting: Mutex::default() };
        let [first, second, third] = [(); 3].map(|()| guests.take());
        first.notified().await;
        assert_eq!(guests.waiting.lock().unwrap().len(), 2);
        guests.forget(&first);
        guests.forget(&second);
        let fourth = guests.take();
        for stays in [second, third, fourth] {
            assert!(tokio::time::timeout(std::time::Duration::from_millis(1), stays.notified()).await.is_err());
        }
    }
}
