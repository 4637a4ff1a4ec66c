//! Statements that are long, which take a while to be read, looked at and copied: meanwhile a thread that listens would hear nobody else.

use std::future::poll_fn;
use std::pin::pin;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// Bytes of a statement that is read in no time.
const SHORT_BYTES: usize = 64 << 10;

/// Does work on a statement of so many bytes. Where that is long another thread goes on listening in the place of this one whenever the work
/// computes. A runtime of one thread has no other.
pub(super) async fn apart<T>(bytes: usize, work: impl Future<Output = T>) -> T {
    let has_others = Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes <= SHORT_BYTES || !has_others {
        return work.await;
    }
    let mut work = pin!(work);
    poll_fn(|context| block_in_place(|| work.as_mut().poll(context))).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Waits without giving the thread away until somebody else was heard.
    async fn busy(heard: &std::sync::atomic::AtomicBool) -> bool {
        for _ in 0..10_000 {
            if heard.load(std::sync::atomic::Ordering::SeqCst) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn others_are_heard_while_a_long_statement_is_read() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let heard = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let reading = runtime.spawn({
            let heard = std::sync::Arc::clone(&heard);
            async move { apart(SHORT_BYTES + 1, busy(&heard)).await }
        });
        runtime.spawn(async move { heard.store(true, std::sync::atomic::Ordering::SeqCst) });
        assert!(runtime.block_on(reading).unwrap());
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_reads_them_all_the_same() {
        assert_eq!(apart(SHORT_BYTES + 1, async { 1 }).await, 1);
    }
}
