//! Our rules for the optimizer, one a file.

mod bounds;
mod clock;
mod durations;
mod elements;
mod intervals;
mod window;

pub use bounds::Bounds;
pub use clock::{AsOfClock, reads_clock};
pub use durations::Durations;
pub use elements::LeavesOfElements;
pub use intervals::{IntervalTexts, Intervals, with_read_intervals};
pub use window::LeavesOfWindows;
