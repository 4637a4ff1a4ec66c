//! Typed columns for the JSON paths that a file holds, which only our scan knows of ("shredding").
//!
//! Data, Source Details and Action Data stay the exact text that came in. Beside it a data file carries leaf columns, one for
//! each path and kind of value worth having ([`choice`]), and a manifest in its footer ([`manifest`]) that says which there are
//! and which paths the file holds at all. While a file is scanned, [`adapter`] replaces calls such as
//! `json_get_str(data, 'variables', 'customer_tier')` by the leaf column, by NULL where no document of the file has the path, or
//! leaves the parse of the text. Two functions of ours have columns of their values beside them ([`computed`]). Every answer is the same as without leaves.
//!
//! What a function answers on odd input (first of two equal keys, documents that break off, numbers in strings) is what
//! datafusion-functions-json does: [`document`] walks a document once for all leaves with the same parser, and falls back to
//! the very look-up of the functions where a document is broken. The elements of arrays are documents of their own ([`elements`]).

pub mod adapter;
pub mod choice;
pub mod computed;
pub mod derive;
pub mod document;
pub mod element_calls;
pub mod elements;
pub mod extract;
pub mod leaf;
pub mod manifest;
pub mod plain_json;
pub mod pools;
pub mod shredder;
mod sparse;

pub use adapter::ShredAdapterFactory;
pub use leaf::{Kind, LeafSet};
pub use manifest::{MANIFEST_KEY, Manifest};
pub use shredder::FileShredder;

pub use crate::functions::without_lone_surrogates;
