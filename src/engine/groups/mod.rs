//! The first half of an aggregation over few groups.
//!
//! The stock operator hashes every text that is grouped by and compares it with the one it found. Most keys of sessions have few
//! values, which stand in the file as the entries of a dictionary, so that most rows show the same text at the same place as one before
//! them ([`intern`]). [`FewGroupsExec`] gives each row its group by that, and the states of counts, sums, means and extremes to
//! the accumulators of the functions themselves. It stands in place of the stock operator where all keys and
//! aggregates are such. Beyond some thousand groups, and where memory is short, what was made so far goes out and the stock
//! operator takes the rest: the second half of the aggregation brings the two together.

mod exec;
mod intern;
#[cfg(test)]
mod tests;

#[cfg(test)]
use exec::FewGroups;
pub use exec::FewGroupsExec;

/// Groups of a partition beyond which the stock operator goes on: its table is made for many.
pub(super) const MOST_GROUPS: usize = 16_384;
