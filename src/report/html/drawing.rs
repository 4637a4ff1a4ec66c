//! The charts of the page, one card a report, between the figures and the tables.

use std::fmt::Write;

use crate::zones::Tz;

use super::escape::Escaped;
use super::summary::shown_rows;
use super::{Placed, Status};
use crate::report::chart::{self, ChartKind, text};

/// Writes the chart of a report as a card, with what the report says and the way to its rows. Returns whether there is one: reports that
/// failed, those whose chart is figures or a table, and those without a chart have none.
///
/// # Errors
/// A chart that does not fit the result; nothing is written then.
pub(super) fn write(report: &Placed<'_>, zone: Tz, out: &mut String) -> crate::Result<bool> {
    let section = report.section;
    let Some(spec) = report.chart.as_ref() else { return Ok(false) };
    if matches!(section.status, Status::Failed(_)) || matches!(spec.kind, ChartKind::Table | ChartKind::Number) {
        return Ok(false);
    }
    let drawn = section.drawn.as_deref().unwrap_or(&section.batches);
    let chart = chart::svg(spec, &section.title, drawn, zone)?;
    let (place, title) = (&report.place, Escaped(&section.title));
    let _ = writeln!(
        out,
        "<section class=\"card drawing\" id=\"{place}.chart\" aria-labelledby=\"{place}.drawn\">\n<h2 id=\"{place}.drawn\">{title}</h2>"
    );
    if let Some(description) = &section.description {
        let _ = writeln!(out, "<p class=\"description\">{}</p>", Escaped(description));
    }
    let mut caption = chart.description;
    let rows = shown_rows(drawn);
    if rows < section.total_rows {
        let (rows, all) = (text::grouped(rows as f64), text::grouped(section.total_rows as f64));
        let _ = write!(caption, " Drawn from the first {rows} of {all} rows.");
    }
    let _ = writeln!(
        out,
        "<figure>\n<div class=\"plot\" role=\"region\" aria-label=\"Chart: {title}\" tabindex=\"0\">{}</div>\n<figcaption>{}</figcaption>\n</figure>\n\
         <div class=\"foot\"><a class=\"up\" href=\"#{place}\" aria-label=\"Rows and files of {title}\">Rows and files</a></div>\n</section>",
        chart.svg,
        Escaped(&caption)
    );
    Ok(true)
}
