//! Sorting by a prefix of each row's key.
//!
//! DataFusion's operator sorts each batch by comparing column after column, then merges the batches by keys in row format. For a window by
//! caller over a million sessions, that is most of the query. [`PrefixSortExec`] buffers all batches. It packs the first 128 bits of each
//! row's key into a number whose order is that of the keys, and sorts pairs of number and row. It compares columns only for rows whose
//! numbers are equal. The sort is stable: rows with equal keys keep the order of the input.
//!
//! The operator takes the place of DataFusion's where the sort has no limit and the type of the first column can be packed. Where the rows do
//! not fit into memory, the operator hands them to DataFusion's, which spills.

mod exec;
mod prefix;
#[cfg(test)]
mod tests;

pub use exec::PrefixSortExec;
