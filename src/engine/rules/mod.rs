//! Our rules for the optimizer, one a file.

mod clock;
mod window;

pub use clock::{AsOfClock, reads_clock};
pub use window::LeavesOfWindows;
