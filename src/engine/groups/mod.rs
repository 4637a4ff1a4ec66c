//! Partial aggregation over few groups.
//!
//! DataFusion's partial aggregate hashes the text of every row and compares it with the text of the group that it finds. Most keys of
//! sessions have few values, and Parquet stores them in dictionaries. The views of equal texts then point at the same bytes, so that most rows
//! are told by the place that their view points at ([`intern`]). [`FewGroupsExec`] finds the group of each row that way. The states of
//! counts, sums, means and extremes are kept by the group accumulators of the functions themselves.
//!
//! The operator takes the place of DataFusion's where all keys and all aggregates are of these kinds. When a partition has more than
//! [`MOST_GROUPS`] groups, or memory runs short, the operator gives out the states that it has, and DataFusion's partial aggregate reads
//! the remaining rows. The final aggregate merges the states of both, as it merges those of partitions.

mod exec;
mod intern;
#[cfg(test)]
mod tests;

#[cfg(test)]
use exec::FewGroups;
pub use exec::FewGroupsExec;

/// Groups of a partition beyond which DataFusion's partial aggregate takes over: its hash table is made for many groups.
pub(super) const MOST_GROUPS: usize = 16_384;
