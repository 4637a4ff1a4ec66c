//! Sorting by the first bits of each row's key.
//!
//! The stock operator sorts each batch by comparing column after column, then merges the batches by keys written as bytes; for the
//! million sessions of a window by caller that is most of the query. [`PrefixSortExec`] holds the batches, packs the first 128 bits of
//! each row's key into a number, sorts the numbers, and compares columns only where numbers are equal. Rows with equal keys stay
//! in the order they came in. It stands in place of the stock operator where there is no limit and the first column
//! is of a type that packs. Where the rows do not fit into memory it gives them to the stock operator, which spills.

mod exec;
mod prefix;
#[cfg(test)]
mod tests;

pub use exec::PrefixSortExec;
