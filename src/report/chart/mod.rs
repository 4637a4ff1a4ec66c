//! Draws a result as SVG, for the page and without a script.
//!
//! [`svg`] gives the element and the chart in words. Colours, dashes and text sizes are classes that [`STYLE`] defines for a
//! light and a dark screen, so a page carries them once. Marks have tooltips; everything that is left out is said in the
//! description. The bytes depend on the data only.

mod bars;
mod clock;
mod data;
mod draw;
mod figures;
mod heat;
mod lines;
mod scale;
mod spec;
mod words;

#[cfg(test)]
mod tests;

use crate::zones::Tz;
use arrow::array::RecordBatch;

pub use figures::{Figure, figures};
pub use spec::{ChartKind, ChartSpec};

use self::draw::{Anchor, Drawing, WIDTH, text_width};
use self::scale::Unit;
use crate::Result;

/// Numbers as charts write them, for the table beside them.
pub(super) mod text {
    pub(in crate::report) use super::scale::{group, grouped};
}

/// The style sheet of all charts.
pub const STYLE: &str = include_str!("style.css");

/// A drawn chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// The `<svg>` element; empty for a table.
    pub svg: String,
    /// The chart in words, for those who do not see it, with what is not drawn.
    pub description: String,
}

/// Words that a chart shows beside its data.
struct Labels<'a> {
    unit: Unit<'a>,
    /// What the numbers are.
    values: &'a str,
}

/// Draws a chart of a result; instants are placed in the given zone. A result without rows gives a chart that says so.
///
/// # Errors
/// [`crate::Error::Usage`] for a column that the result does not have, see [`ChartSpec::check`].
pub fn svg(spec: &ChartSpec, title: &str, batches: &[RecordBatch], time_zone: Tz) -> Result<Chart> {
    if let Some(batch) = batches.first() {
        spec.check(&batch.schema())?;
    }
    let unit = Unit::of(spec.unit.as_deref());
    let names = spec.y.join(", ");
    let values = match (unit, spec.y.as_slice()) {
        (Unit::Named(unit), [name]) if unit != name => format!("{name} ({unit})"),
        (Unit::Named(unit), [_, _, ..]) => unit.to_owned(),
        (_, [name]) => name.clone(),
        _ => String::new(),
    };
    let labels = Labels { unit, values: &values };
    let (drawing, height, description) = match spec.kind {
        ChartKind::Table => return Ok(Chart { svg: String::new(), description: String::new() }),
        ChartKind::Number => return number(spec, title, batches, time_zone),
        ChartKind::Histogram => {
            let bins = data::bins(spec, batches, time_zone)?;
            let description = words::histogram(&bins, spec, unit);
            if bins.counts.is_empty() {
                return Ok(empty(title, description));
            }
            let counted = spec.y.first().map_or("rows", String::as_str);
            let (drawing, height) = bars::histogram(&bins, &spec.x, counted, unit);
            (drawing, height, description)
        }
        kind => {
            let plot = data::plot(spec, batches, time_zone)?;
            let description = words::plot(&plot, spec, &names, unit);
            if plot.is_empty() {
                return Ok(empty(title, description));
            }
            let (drawing, height) = match kind {
                ChartKind::HeatMap => heat::draw(&plot, &labels),
                ChartKind::Line | ChartKind::Area => lines::draw(&plot, kind, &labels),
                _ => bars::draw(&plot, kind, &labels),
            };
            (drawing, height, description)
        }
    };
    Ok(Chart { svg: drawing.finish(WIDTH, height, title, &description), description })
}

fn empty(title: &str, description: String) -> Chart {
    let mut drawing = Drawing::default();
    drawing.text(WIDTH / 2.0, 46.0, Anchor::Middle, "muted", "no rows", 60);
    Chart { svg: drawing.finish(WIDTH, 80.0, title, &description), description }
}

fn number(spec: &ChartSpec, title: &str, batches: &[RecordBatch], time_zone: Tz) -> Result<Chart> {
    let figures = figures(spec, batches, time_zone)?;
    let sentences: Vec<String> = figures
        .iter()
        .map(|figure| match &figure.before {
            Some(before) => format!("{}: {} ({before})", figure.label, figure.value),
            None => format!("{}: {}", figure.label, figure.value),
        })
        .collect();
    let description = if figures.is_empty() { "No rows.".to_owned() } else { format!("{}.", sentences.join("; ")) };
    if figures.is_empty() {
        return Ok(empty(title, description));
    }
    let mut drawing = Drawing::default();
    let (mut x, mut y) = (0.0, 0.0);
    for figure in &figures {
        let width = (text_width(&figure.value) * 3.0).max(text_width(&figure.label)).max(120.0) + 30.0;
        if x + width > WIDTH && x > 0.0 {
            (x, y) = (0.0, y + 84.0);
        }
        drawing.text(x, y + 36.0, Anchor::Start, "figure", &figure.value, 24);
        drawing.text(x, y + 58.0, Anchor::Start, "muted", &figure.label, 40);
        x += width;
    }
    Ok(Chart { svg: drawing.finish(WIDTH, y + 70.0, title, &description), description })
}
