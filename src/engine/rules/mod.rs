//! Our rules for the optimizer, one a file.

mod clock;
mod durations;
mod elements;
mod window;

pub use clock::{AsOfClock, reads_clock};
pub use durations::Durations;
pub use elements::LeavesOfElements;
pub use window::LeavesOfWindows;
