//! Inner joins by key whose filter also bounds one side by the other: what happened to the same caller within the hour.
//!
//! The stock operator makes all pairs of rows with equal keys before it looks at the filter, so that the pairs of a frequent phone
//! number grow with the square of its sessions. [`IntervalJoinExec`] keeps the rows of each key of the build side sorted by an
//! expression that the filter bounds, and finds by binary search those rows that a row of the other side can meet.
//!
//! ```text
//! rows of the build side, key by key:   +1201…: 08:00 08:20 11:05 | +1202…: 07:30 09:10 | …
//! a row of the other side:              +1201… at 08:50, of the hour before it: 08:00 08:20
//! ```
//!
//! One expression is what rows are sorted by. Others that are bounded too (the start and the end of a span) are searched by the
//! greatest value so far, and the least that is still to come: where they rise with the first that finds exactly what is asked for,
//! else some rows too many. The filter is evaluated on what was found, unless nothing of it is left to check. It stands
//! in place of the stock operator but for: other kinds of joins, keys for which null equals null, a
//! limit, keys that are floats, nested or of two types, filters without `left < right` (or `<=`, `>`, `>=`) over integers, dates, instants or
//! durations of one type, and filters that give another answer each time.
//!
//! The rows of the other side stay in their order; those that one of them meets come sorted by the bounded expression, then in the
//! order in which they were read. Where the build side does not fit into memory the stock operator takes over; it has no other
//! means either, and fails unless it needs less. An error of the filter that only pairs out of bounds would cause does not
//! occur. The filter that the build side's keys put on the scan of the other side has their least and greatest value, and all of
//! them or two bits of each one's hash; with several partitions no scan waits for it, as one does for the stock operator's.

mod bounds;
mod build;
mod exec;
mod groups;
mod key_bits;
mod key_filter;
mod probe;
mod terms;
#[cfg(test)]
mod tests;

#[cfg(test)]
use exec::IntervalJoin;
pub use exec::IntervalJoinExec;
