//! Writes the results of a run as one self-contained page.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono_tz::Tz;

use super::chart::ChartSpec;
use crate::{Error, Result};

/// A page of reports.
#[derive(Debug, Clone)]
pub struct Page {
    /// The heading, also the title of the document.
    pub title: String,
    /// What the page covers, below the heading: a day, a lake.
    pub subtitle: String,
    /// What the run was made from, as name and value: lake, version, as-of instant, zone.
    pub facts: Vec<(String, String)>,
    /// The reports, in the order they are shown.
    pub reports: Vec<Section>,
}

/// How a report ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It ran, and its checks held.
    Done,
    /// It did not run to its end, with the error.
    Failed(String),
    /// It ran, and these checks did not hold.
    CheckFailed(Vec<String>),
}

/// One report of a page.
#[derive(Debug, Clone)]
pub struct Section {
    /// The name that links go to; made fit for an address and unique where it is not.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What the report says and how to read it.
    pub description: Option<String>,
    /// How it ended.
    pub status: Status,
    /// What the numbers of its chart count.
    pub unit: Option<String>,
    /// Its chart.
    pub chart: Option<ChartSpec>,
    /// The columns of the result.
    pub schema: SchemaRef,
    /// The first rows, as many as the page shows.
    pub batches: Vec<RecordBatch>,
    /// The rows of the whole result.
    pub total_rows: u64,
    /// The files that hold the whole result, as label and relative address.
    pub files: Vec<(String, String)>,
    /// The SQL that made it.
    pub sql: String,
    /// Its parameters, as name and value.
    pub parameters: Vec<(String, String)>,
    /// Its checks in words, and whether each held.
    pub checks: Vec<(String, bool)>,
    /// Further links, as label and address: relative or https.
    pub links: Vec<(String, String)>,
}

/// Writes a page.
///
/// # Errors
/// [`Error::Storage`] when the sink fails.
pub fn write(_page: &Page, _time_zone: Tz, _sink: &mut dyn Write) -> Result<()> {
    Err(Error::NotBuilt { message: "pages are not written yet".to_owned() })
}
