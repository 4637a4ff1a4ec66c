//! Writes the results of a run as one self-contained page.
//!
//! No script, no font, nothing that is fetched: the page can be mailed, archived and opened offline. Values come out as text
//! whatever they hold, and links go to files beside the page or to https only. The page goes from the whole to the detail: how the run
//! went and its figures (`summary.rs`), the charts (`drawing.rs`), the list of reports, and a section with the rows of each
//! (`section.rs`). `docs/reports.md` shows how to get one.

mod drawing;
pub(in crate::report) mod escape;
mod section;
mod summary;
mod table;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write;

use crate::zones::Tz;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use self::escape::Escaped;
use super::chart::{self, ChartSpec};
use crate::Result;
use crate::format::sink_error;

/// The colours of light and dark, by name, which other pages share.
pub(crate) const PALETTE: &str = include_str!("palette.css");

const STYLE: &str = concat!(include_str!("palette.css"), include_str!("style.css"));

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
    /// What the chart is drawn from, where that is more than the first rows.
    pub drawn: Option<Vec<RecordBatch>>,
    /// The rows of the whole result.
    pub total_rows: u64,
    /// What a reader of its files should know, in whole sentences.
    pub notes: Vec<String>,
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

/// A section with what was decided for the whole page.
struct Placed<'a> {
    section: &'a Section,
    /// The name that links go to.
    place: String,
    /// The chart with the section's unit, where it has none of its own.
    chart: Option<ChartSpec>,
    /// Where its figures stand.
    figures: Figures,
    /// What became of its chart.
    drawing: Drawing,
}

/// What became of the chart of a report.
#[derive(Debug)]
enum Drawing {
    /// The report has none, or one that stands elsewhere.
    None,
    /// It stands above, with the description of the report.
    Above,
    /// It does not fit the result.
    Unfit(crate::Error),
}

/// Where the figures of a report stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figures {
    /// In its section, if it has any.
    InSection,
    /// At the top of the page.
    AtTop,
}

/// What the page may load: nothing. A second fence behind the escaping.
pub(crate) const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Writes a page; instants are shown in the given zone. The same page gives the same bytes.
///
/// # Errors
/// [`crate::Error::Storage`] when the sink fails.
pub fn write(page: &Page, time_zone: Tz, sink: &mut dyn Write) -> Result<()> {
    let mut taken = HashSet::new();
    let mut reports = Vec::with_capacity(page.reports.len());
    for section in &page.reports {
        let mut chart = section.chart.clone();
        if let Some(chart) = &mut chart {
            chart.unit = chart.unit.take().or_else(|| section.unit.clone());
        }
        reports.push(Placed {
            section,
            place: escape::place_name(&section.id, &mut taken),
            chart,
            figures: Figures::InSection,
            drawing: Drawing::None,
        });
    }
    let at_top: HashSet<String> =
        summary::top_figures(&reports, time_zone).into_iter().map(|(report, _)| report.place.clone()).collect();
    for report in reports.iter_mut().filter(|report| at_top.contains(&report.place)) {
        report.figures = Figures::AtTop;
    }
    let mut out = String::new();
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">Skip to the reports</a>\n",
        Escaped(&page.title),
        chart::STYLE
    );
    summary::write(page, &reports, time_zone, &mut out);
    for report in &mut reports {
        report.drawing = match drawing::write(report, time_zone, &mut out) {
            Ok(true) => Drawing::Above,
            Ok(false) => Drawing::None,
            Err(error) => Drawing::Unfit(error),
        };
        sink.write_all(out.as_bytes()).map_err(sink_error)?;
        out.clear();
    }
    summary::write_index(page, &reports, &mut out);
    for report in &reports {
        section::write(report, time_zone, &mut out);
        sink.write_all(out.as_bytes()).map_err(sink_error)?;
        out.clear();
    }
    out.push_str("</main>\n<footer class=\"end\">Made by sessionlake ");
    out.push_str(env!("CARGO_PKG_VERSION"));
    out.push_str("</footer>\n</body>\n</html>\n");
    sink.write_all(out.as_bytes()).map_err(sink_error)?;
    sink.flush().map_err(sink_error)
}
