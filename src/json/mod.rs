//! Reads and writes JSON text. All modules that do either do it here.
//!
//! Nothing here builds a tree of a document. A value is a piece of the document's text, and reading goes no further than to the value that
//! is asked for. There are two ways to go through a document, and they agree on where each value ends:
//!
//! - [`plain`] is quick and takes documents in which nothing is unusual.
//! - jiter, the parser of datafusion-functions-json, takes all others, so that what a document means is what the SQL functions say.
//!
//! `skim` finds the values at several paths ([`paths`]) in one pass, 64 bytes at a time. [`without_lone_surrogates`] mends what the parser
//! refuses although the grammar has it, and [`elements`] cuts arrays.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod block;
pub(crate) mod elements;
mod follow;
pub(crate) mod fuzz;
mod jsonpath;
pub(crate) mod kinds;
mod members;
pub(crate) mod numbers;
pub(crate) mod paths;
mod pick;
pub(crate) mod plain;
mod reader;
mod scanner;
mod skim;
mod strings;
mod surrogates;
pub(crate) mod value;

pub use block::places_of;
pub use follow::{Place, Step, look_up};
pub use jsonpath::Path;
pub use members::each_member;
pub use pick::{Picked, pick};
pub use plain::blanks;
pub use reader::Reader;
pub use scanner::{Scanner, key_at, value_length};
pub use skim::Skimmer;
pub use strings::{Escaping, decoded, place_in, push_json_string, push_json_string_as, quoted, string_end};
pub use surrogates::without_lone_surrogates;
pub use value::scalar_text;

/// Says whether a text is one JSON value and nothing else to the parser that the SQL functions use, which nests to a depth of 200.
pub fn is_json(text: &str) -> bool {
    plain::is_plain_json(text.as_bytes()) || parses(text)
}

/// Says so by the parser alone.
fn parses(text: &str) -> bool {
    let mut parser = jiter::Jiter::new(text.as_bytes());
    parser.next_skip().is_ok() && parser.finish().is_ok()
}
