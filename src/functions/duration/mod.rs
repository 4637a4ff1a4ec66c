//! Measures, writes and reads durations. A duration is a number of seconds (Float64), as in Time in Workflow.

mod format_duration;
mod parse_duration;
mod session_duration;

pub(crate) use format_duration::FORMAT_DURATION;
pub(crate) use parse_duration::PARSE_DURATION;
pub use parse_duration::parse_duration;
pub(crate) use session_duration::SESSION_DURATION;
