//! Our rules for the optimizer, one a file.

mod clock;

pub use clock::{AsOfClock, reads_clock};
