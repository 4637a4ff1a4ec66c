//! Bars: standing, lying, stacked, and the bins of a histogram.

use super::data::{Axis, Bins, Plot};
use super::draw::{Anchor, Area, Drawing, HEIGHT, LABEL, Mark, WIDTH, color, text_width};
use super::scale::{self, Linear, Unit};
use super::{ChartKind, Labels};
use crate::report::html::escape::shortened;

/// Height of one lying bar and of the space below it.
const BAR: f64 = 18.0;
const SPACE: f64 = 8.0;

/// Returns the ends of the axis that all bars fit on; zero is always on it.
pub(super) fn extent(plot: &Plot, stacked: bool) -> (f64, f64) {
    let (mut smallest, mut largest) = (0.0_f64, 0.0_f64);
    for index in 0..plot.positions.len() {
        let values = plot.series.iter().filter_map(|series| series.values.get(index).copied().flatten());
        if stacked {
            let (below, above) =
                values.fold(
                    (0.0, 0.0),
                    |(below, above), value| {
                        if value < 0.0 { (below + value, above) } else { (below, above + value) }
                    },
                );
            (smallest, largest) = (smallest.min(below), largest.max(above));
        } else {
            for value in values {
                (smallest, largest) = (smallest.min(value), largest.max(value));
            }
        }
    }
    (smallest, largest)
}

/// Returns the tooltip of a value.
pub(super) fn tooltip(plot: &Plot, series: usize, position: usize, value: f64, unit: Unit<'_>) -> String {
    let label = plot.positions.get(position).map_or("", |position| position.label.as_str());
    let name = plot.series.get(series).map_or("", |series| series.name.as_str());
    if plot.series.len() > 1 {
        format!("{label}, {name}: {}", unit.text(value))
    } else {
        format!("{label}: {}", unit.text(value))
    }
}

/// One bar: its series, position, and from where to where it reaches.
struct Bar {
    series: usize,
    position: usize,
    value: f64,
    from: f64,
    to: f64,
    /// Which of the bars side by side at its position it is.
    lane: usize,
}

fn bars(plot: &Plot, stacked: bool) -> Vec<Bar> {
    let mut bars = Vec::new();
    for position in 0..plot.positions.len() {
        let (mut below, mut above) = (0.0, 0.0);
        for (series, values) in plot.series.iter().enumerate() {
            let Some(value) = values.values.get(position).copied().flatten() else { continue };
            let from = match (stacked, value < 0.0) {
                (false, _) => 0.0,
                (true, true) => below,
                (true, false) => above,
            };
            let to = from + value;
            if value < 0.0 {
                below = to
            } else {
                above = to
            }
            bars.push(Bar { series, position, value, from, to, lane: if stacked { 0 } else { series } });
        }
    }
    bars
}

/// Draws bars, lying where the categories are too long to stand below them.
pub(super) fn draw(plot: &Plot, kind: ChartKind, labels: &Labels<'_>) -> (Drawing, f64) {
    let stacked = kind == ChartKind::StackedBar;
    let slot = (WIDTH - 60.0) / plot.positions.len().max(1) as f64;
    let widest = plot.positions.iter().map(|position| text_width(&position.label)).fold(0.0, f64::max);
    if plot.axis == Axis::Category && widest + 8.0 > slot {
        lying(plot, stacked, labels)
    } else {
        standing(plot, stacked, labels)
    }
}

fn standing(plot: &Plot, stacked: bool, labels: &Labels<'_>) -> (Drawing, f64) {
    let mut drawing = Drawing::default();
    let (smallest, largest) = extent(plot, stacked);
    let axis = Linear::new(smallest, largest, 5.0, labels.unit);
    let left = axis.ticks.iter().map(|tick| text_width(&axis.label(*tick, labels.unit))).fold(0.0, f64::max) + 12.0;
    let legend = drawing.legend(&plot.series, Mark::Square, left);
    let area = Area { left, top: legend + 30.0, right: WIDTH - 6.0, bottom: legend + HEIGHT };
    drawing.vertical_axis(area, &axis, labels.unit, labels.values);
    let slot = area.width() / plot.positions.len().max(1) as f64;
    let lanes = if stacked { 1 } else { plot.series.len().max(1) };
    let room = (slot * 0.76).min(64.0 * lanes as f64);
    let width = room / lanes as f64;
    let center = |position: usize| area.left + (position as f64 + 0.5) * slot;
    let height = |value: f64| area.bottom - axis.place(value) * area.height();
    for bar in bars(plot, stacked) {
        let left = center(bar.position) - room / 2.0 + bar.lane as f64 * width;
        let (one, other) = (height(bar.from), height(bar.to));
        // Less than a pixel is nothing to see, and a value that is there should be seen.
        let top =
            if bar.value != 0.0 && (one - other).abs() < 1.0 { one.min(other).min(one - 1.0) } else { one.min(other) };
        let inner = if width > 3.0 { width - 1.0 } else { width };
        let shape = Area { left, top, right: left + inner, bottom: one.max(other) };
        let tooltip = tooltip(plot, bar.series, bar.position, bar.value, labels.unit);
        drawing.rectangle(shape, &format!("f {}", color(bar.series)), &tooltip);
    }
    let widest = plot.positions.iter().map(|position| text_width(&position.short)).fold(0.0, f64::max);
    let every = ((widest + 10.0) / slot).ceil().max(1.0) as usize;
    drawing.positions(area, plot, &center, every);
    (drawing, area.bottom + 28.0)
}

fn lying(plot: &Plot, stacked: bool, labels: &Labels<'_>) -> (Drawing, f64) {
    let mut drawing = Drawing::default();
    let (smallest, largest) = extent(plot, stacked);
    let axis = Linear::new(smallest, largest, 6.0, labels.unit);
    let widest = plot.positions.iter().map(|position| text_width(&shortened(&position.label, LABEL)));
    let left = widest.fold(0.0, f64::max) + 12.0;
    let legend = drawing.legend(&plot.series, Mark::Square, left);
    let lanes = if stacked { 1 } else { plot.series.len().max(1) };
    let group = if lanes > 1 { BAR * 0.7 * lanes as f64 } else { BAR };
    let top = legend + 28.0;
    // Room on the right for the number behind a bar.
    let right = WIDTH - 64.0;
    let bottom = top + plot.positions.len() as f64 * (group + SPACE);
    let area = Area { left, top, right, bottom };
    let place = |value: f64| area.left + axis.place(value) * area.width();
    for tick in &axis.ticks {
        let class = if *tick == 0.0 { "base" } else { "grid" };
        drawing.line((place(*tick), top - 4.0), (place(*tick), bottom), class);
        drawing.text(place(*tick), bottom + 16.0, Anchor::Middle, "muted", &axis.label(*tick, labels.unit), LABEL);
    }
    drawing.text(left, top - 12.0, Anchor::Start, "muted", labels.values, 60);
    let row = |position: usize| top + SPACE / 2.0 + position as f64 * (group + SPACE);
    for (index, position) in plot.positions.iter().enumerate() {
        drawing.text(left - 8.0, row(index) + group / 2.0 + 4.0, Anchor::End, "", &position.label, LABEL);
    }
    let height = group / lanes as f64;
    for bar in bars(plot, stacked) {
        let top = row(bar.position) + bar.lane as f64 * height;
        let (one, other) = (place(bar.from), place(bar.to));
        let (start, mut end) = (one.min(other), one.max(other));
        if bar.value != 0.0 {
            end = end.max(start + 1.0);
        }
        let shape = Area { left: start, top, right: end, bottom: top + height - if lanes > 1 { 1.0 } else { 0.0 } };
        let tooltip = tooltip(plot, bar.series, bar.position, bar.value, labels.unit);
        drawing.rectangle(shape, &format!("f {}", color(bar.series)), &tooltip);
        if !stacked && bar.value >= 0.0 {
            let text = labels.unit.short(bar.value);
            drawing.text(end + 6.0, top + height / 2.0 + 4.0, Anchor::Start, "muted", &text, LABEL);
        }
    }
    (drawing, bottom + 26.0)
}

/// Draws the bins of a histogram.
pub(super) fn histogram(bins: &Bins, x: &str, counted: &str, unit: Unit<'_>) -> (Drawing, f64) {
    let mut drawing = Drawing::default();
    let largest = bins.counts.iter().copied().fold(0.0, f64::max);
    let smallest = bins.counts.iter().copied().fold(0.0, f64::min);
    let axis = Linear::new(smallest, largest, 5.0, Unit::None);
    let left = axis.ticks.iter().map(|tick| text_width(&axis.label(*tick, Unit::None))).fold(0.0, f64::max) + 12.0;
    let area = Area { left, top: 30.0, right: WIDTH - 20.0, bottom: HEIGHT };
    drawing.vertical_axis(area, &axis, Unit::None, counted);
    let end = bins.start + bins.counts.len() as f64 * bins.width;
    let width = area.width() / bins.counts.len().max(1) as f64;
    for (index, count) in bins.counts.iter().enumerate() {
        let from = bins.start + index as f64 * bins.width;
        let (one, other) = (axis.place(0.0), axis.place(*count));
        let shape = Area {
            left: area.left + index as f64 * width,
            top: area.bottom - one.max(other) * area.height(),
            right: area.left + (index + 1) as f64 * width - 1.0,
            bottom: area.bottom - one.min(other) * area.height(),
        };
        let tooltip = format!("{} to {}: {}", unit.text(from), unit.text(from + bins.width), scale::grouped(*count));
        drawing.rectangle(shape, "f s1", &tooltip);
    }
    let across = Linear::new(bins.start, end, 8.0, unit);
    let y = area.bottom + 18.0;
    for tick in across.ticks.iter().filter(|tick| (bins.start..=end * (1.0 + 1e-9)).contains(*tick)) {
        let place = area.left + scale::share(*tick, bins.start, end) * area.width();
        drawing.line((place, area.bottom), (place, area.bottom + 4.0), "base");
        drawing.text(place, y, Anchor::Middle, "muted", &across.label(*tick, unit), LABEL);
    }
    drawing.text(area.right, y + 18.0, Anchor::End, "muted", x, 60);
    (drawing, y + 26.0)
}
