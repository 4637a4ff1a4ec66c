//! Grids of colours: positions across, series down.

use super::Labels;
use super::data::Plot;
use super::draw::{Anchor, Area, Drawing, LABEL, WIDTH, text_width};
use crate::report::html::escape::shortened;

/// Shades that are told apart.
const SHADES: usize = 7;
const ROW: f64 = 26.0;

/// Draws a grid; each cell has its number in it where there is room.
pub(super) fn draw(plot: &Plot, labels: &Labels<'_>) -> (Drawing, f64) {
    let mut drawing = Drawing::default();
    let widest = plot.series.iter().map(|series| text_width(&shortened(&series.name, LABEL))).fold(0.0, f64::max);
    let left = widest + 14.0;
    let columns = plot.positions.len().max(1) as f64;
    let width = ((WIDTH - left) / columns).min(90.0);
    let top = 34.0;
    let values = || plot.series.iter().flat_map(|series| series.values.iter().flatten().copied());
    let smallest = values().fold(f64::INFINITY, f64::min);
    let largest = values().fold(f64::NEG_INFINITY, f64::max);
    // Counts are shaded from zero, so that the shade is their size; halves keep the span of huge numbers finite.
    let from = if smallest >= 0.0 { 0.0 } else { smallest };
    let shade = |value: f64| {
        let span = largest / 2.0 - from / 2.0;
        if span <= 0.0 {
            return 0;
        }
        (((value / 2.0 - from / 2.0) / span * SHADES as f64) as usize).min(SHADES - 1)
    };
    drawing.text(0.0, 14.0, Anchor::Start, "muted", labels.values, 60);
    if smallest <= largest {
        legend(&mut drawing, labels, from, largest);
    }
    for (row, series) in plot.series.iter().enumerate() {
        let y = top + row as f64 * ROW;
        drawing.text(left - 8.0, y + ROW / 2.0 + 4.0, Anchor::End, "", &series.name, LABEL);
        for (column, value) in series.values.iter().enumerate() {
            let x = left + column as f64 * width;
            let area = Area { left: x, top: y, right: x + width - 2.0, bottom: y + ROW - 2.0 };
            let Some(value) = value else {
                drawing.rectangle(area, "none", "");
                continue;
            };
            let place = plot.positions.get(column).map_or("", |position| position.label.as_str());
            let tooltip = format!("{}, {place}: {}", series.name, labels.unit.text(*value));
            drawing.rectangle(area, &format!("h{}", shade(*value)), &tooltip);
            let text = labels.unit.short(*value);
            if text_width(&text) + 4.0 <= width {
                let class = format!("t{} cell", shade(*value));
                drawing.text(x + width / 2.0 - 1.0, y + ROW / 2.0 + 3.0, Anchor::Middle, &class, &text, LABEL);
            }
        }
    }
    let bottom = top + plot.series.len() as f64 * ROW;
    let widest = plot.positions.iter().map(|position| text_width(&position.short)).fold(0.0, f64::max);
    let every = ((widest.min(110.0) + 8.0) / width).ceil().max(1.0) as usize;
    let area = Area { left, top, right: left + width * columns, bottom };
    drawing.positions(area, plot, &|index| left + (index as f64 + 0.5) * width - 1.0, every);
    (drawing, bottom + 28.0)
}

/// Draws the shades with the numbers at their ends, at the right above the grid.
fn legend(drawing: &mut Drawing, labels: &Labels<'_>, from: f64, to: f64) {
    let (low, high) = (labels.unit.short(from), labels.unit.short(to));
    let end = WIDTH - text_width(&high) - 8.0;
    let start = end - SHADES as f64 * 14.0;
    drawing.text(start - 6.0, 14.0, Anchor::End, "muted", &low, LABEL);
    for shade in 0..SHADES {
        let left = start + shade as f64 * 14.0;
        drawing.rectangle(Area { left, top: 4.0, right: left + 13.0, bottom: 16.0 }, &format!("h{shade}"), "");
    }
    drawing.text(end + 6.0, 14.0, Anchor::Start, "muted", &high, LABEL);
}
