//! What turns the blocks of one file into batches, as it is opened; `convert` does it.

use std::sync::Arc;

use super::dialect::{Declared, Dialect};
use super::formats::{Encoding, InputFormat};
use super::json_rows::Extra;
use super::layout::Layout;
use super::rules::Rules;

/// Turns the blocks of one file into batches.
#[derive(Debug)]
pub struct Converter {
    pub(super) format: InputFormat,
    pub(super) encoding: Encoding,
    pub(super) dialect: Dialect,
    /// What was declared of delimited text.
    pub(super) declared: Declared,
    /// The headers, where all records share them and they do not come with the records.
    pub(super) layout: Option<Arc<Layout>>,
    pub(super) rules: Rules,
    pub(super) header_map: Vec<(String, String)>,
    pub(super) extra: Extra,
    pub(super) max_record_bytes: usize,
}
