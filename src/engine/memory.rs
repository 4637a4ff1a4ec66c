//! A memory pool that remembers the most it ever held.
//!
//! The limit, and who must spill, is the business of the pool inside; this one only watches, so that a report can say how much
//! memory it took.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Watches another pool.
#[derive(Debug)]
pub struct PeakPool {
    inner: Arc<dyn MemoryPool>,
    peak_bytes: AtomicUsize,
}

impl PeakPool {
    /// Watches a pool from now on.
    pub fn new(inner: Arc<dyn MemoryPool>) -> Self {
        Self { inner, peak_bytes: AtomicUsize::new(0) }
    }

    /// The most bytes that were reserved at once.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    fn look(&self) {
        self.peak_bytes.fetch_max(self.inner.reserved(), Ordering::Relaxed);
    }
}

impl fmt::Display for PeakPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}

impl MemoryPool for PeakPool {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.inner.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.inner.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.inner.grow(reservation, additional);
        self.look();
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.inner.try_grow(reservation, additional)?;
        self.look();
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.inner.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn the_peak_stays_when_memory_is_given_back() {
        let watched = Arc::new(PeakPool::new(Arc::new(GreedyMemoryPool::new(100))));
        let pool: Arc<dyn MemoryPool> = Arc::clone(&watched) as _;
        let reservation = MemoryConsumer::new("test").register(&pool);
        reservation.try_grow(60).unwrap();
        reservation.shrink(50);
        assert!(reservation.try_grow(95).is_err());
        reservation.try_grow(5).unwrap();
        assert_eq!((watched.peak_bytes(), watched.reserved()), (60, 15));
    }
}
