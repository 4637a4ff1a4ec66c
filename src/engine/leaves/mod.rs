//! Reads the leaf columns that [`shred`](crate::shred) writes, in place of JSON text.
//!
//! While a file is scanned, [`adapter`] replaces calls such as `json_get_str(data, 'variables', 'customer_tier')` by the leaf column, by
//! NULL where no document of the file has the path, or leaves the parse of the text. What a call gives where it is not simply one of the
//! columns is put together by [`mod@derive`]. [`element_calls`] are those on all elements of an array, [`computed_calls`] those of functions
//! whose values are stored, and [`extract`] reads what must be parsed, once for all calls. Every answer is the same as without leaves.

pub mod adapter;
pub mod computed_calls;
pub mod derive;
pub mod element_calls;
pub mod extract;
mod indexed_calls;
mod row_filter;
#[cfg(test)]
mod tests;

pub use adapter::ShredAdapterFactory;
