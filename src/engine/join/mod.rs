//! Range joins: inner joins by key whose filter also bounds one side by the other, as "the same caller within the hour" does.
//!
//! DataFusion's hash join makes all pairs of rows with equal keys before it evaluates the filter, so that the pairs of a frequent phone
//! number grow with the square of its sessions. [`IntervalJoinExec`] is a hash join too. It keeps the build rows of each key sorted by an
//! expression that the filter bounds, and finds by binary search the range of build rows that a probe row can meet.
//!
//! ```text
//! build rows, key by key:   +1201…: 08:00 08:20 11:05 | +1202…: 07:30 09:10 | …
//! a probe row:              +1201… at 08:50, of the hour before it: 08:00 08:20
//! ```
//!
//! The build rows of a key are sorted by one expression. A second bounded expression (the end of a span whose start is sorted) has a
//! running maximum and, from the other end, a running minimum, which never fall; a binary search over these narrows the range further. The
//! range is exact where the second expression rises with the first. Elsewhere it has some rows too many, and the filter is evaluated on its
//! pairs. The filter is not evaluated where the ranges are exact and have checked all of it.
//!
//! The operator takes the place of DataFusion's for inner joins with no limit, whose keys are neither floats nor nested nor of two types, whose
//! nulls equal nothing, and whose filter gives the same answer each time and has `left < right` (or `<=`, `>`, `>=`) over integers, dates,
//! instants or durations of one type. All other joins stay with DataFusion's operator.
//!
//! Probe rows stay in their order. The build rows that a probe row meets come sorted by the bounded expression, and those of equal values in the
//! order in which they were read. Where the build side does not fit into memory, DataFusion's operator takes over; it does not spill either, so
//! that the query fails unless that operator needs less. A filter that would fail for a pair outside of the range alone does not fail.
//!
//! The build side also makes a dynamic filter for the scan of the probe side. It has the least and the greatest key, and either all keys or two
//! bits of each key's hash. With several partitions no scan waits for this filter, whereas one does for that of DataFusion's operator.

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
