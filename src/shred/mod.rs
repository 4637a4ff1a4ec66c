//! Typed columns for the JSON paths that a file holds, which only our scan knows of ("shredding"): how they are made.
//!
//! Data, Source Details and Action Data stay the exact text that came in. Beside it a data file carries leaf columns, one for
//! each path and kind of value worth having (`choice`), and a manifest in its footer (`manifest`) that says which there are
//! and which paths the file holds at all. Two functions of ours have columns of their values beside them (`computed`). What a scan
//! makes of them is in `engine::leaves`. Every answer is the same as without leaves.
//!
//! What a function answers on odd input (first of two equal keys, documents that break off, numbers in strings) is what
//! datafusion-functions-json does: `document` walks a document once for all leaves with the same parser, and falls back to
//! the very look-up of the functions where a document is broken. The elements of arrays are documents of their own (`elements`).

mod candidates;
pub(crate) mod check;
pub(crate) mod choice;
pub(crate) mod computed;
pub(crate) mod document;
pub(crate) mod elements;
pub(crate) mod fuzz;
pub(crate) mod leaf;
pub(crate) mod limits;
pub(crate) mod manifest;
pub(crate) mod pools;
pub(crate) mod shredder;
pub(crate) mod sparse;
mod values;

pub use elements::MAX_ELEMENTS;
pub(crate) use leaf::Kind;
pub use limits::{LeafLimits, PathRules};
pub use manifest::MANIFEST_KEY;
pub(crate) use manifest::Manifest;
pub(crate) use shredder::{FileShredder, Piece};
