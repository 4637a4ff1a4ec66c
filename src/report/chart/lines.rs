//! Lines with gaps, and layers on each other.

use super::bars::{extent, tooltip};
use super::data::{Axis, Plot, Series};
use super::draw::{Anchor, Area, Drawing, HEIGHT, LABEL, Mark, WIDTH, color, text_width};
use super::scale::{self, Linear};
use super::{ChartKind, Labels};

/// Points of a line that are marked each.
const MOST_MARKS: usize = 62;
/// Share of the room that values must use when an axis does not begin at zero.
const FLAT: f64 = 0.25;

/// Draws lines or layers.
pub(super) fn draw(plot: &Plot, kind: ChartKind, labels: &Labels<'_>) -> (Drawing, f64) {
    let mut drawing = Drawing::default();
    let layered = kind == ChartKind::Area;
    let (mut smallest, mut largest) = extent(plot, layered);
    let values = || plot.series.iter().flat_map(|series| series.values.iter().flatten().copied());
    if !layered && let (Some(low), Some(high)) = (values().min_by(f64::total_cmp), values().max_by(f64::total_cmp)) {
        // Lines that would be flat far from zero are shown by themselves; their axis says so.
        let size = low.abs().max(high.abs());
        if high - low < FLAT * size && high > low && (low > 0.0 || high < 0.0) {
            (smallest, largest) = (low, high);
        }
    }
    let axis = Linear::new(smallest, largest, 5.0, labels.unit);
    let left = axis.ticks.iter().map(|tick| text_width(&axis.label(*tick, labels.unit))).fold(0.0, f64::max) + 12.0;
    let legend = drawing.legend(&plot.series, if layered { Mark::Square } else { Mark::Line }, left);
    let area = Area { left, top: legend + 30.0, right: WIDTH - 16.0, bottom: legend + HEIGHT };
    drawing.vertical_axis(area, &axis, labels.unit, labels.values);

    let ends = (plot.positions.first(), plot.positions.last());
    let (first, last) = match ends {
        (Some(first), Some(last)) if last.value > first.value => (first.value, last.value),
        (Some(only), _) => (only.value - scale::margin(only.value), only.value + scale::margin(only.value)),
        _ => (0.0, 1.0),
    };
    let across = |value: f64| area.left + scale::share(value, first, last) * area.width();
    let places: Vec<f64> = plot.positions.iter().map(|position| across(position.value)).collect();
    let up = |value: f64| area.bottom - axis.place(value) * area.height();

    if layered {
        layers(&mut drawing, plot, &places, &up, labels);
    } else {
        for (index, series) in plot.series.iter().enumerate() {
            let class = format!("l {}", color(index));
            let known = |(place, value): (&f64, &Option<f64>)| value.map(|value| (*place, up(value)));
            let points: Vec<Option<(f64, f64)>> = places.iter().zip(&series.values).map(known).collect();
            for run in points.split(Option::is_none) {
                let run: Vec<(f64, f64)> = run.iter().copied().flatten().collect();
                drawing.path(&run, &class, "");
            }
            let drawn = points.iter().flatten().count();
            for (position, point) in points.iter().enumerate() {
                let Some((x, y)) = point else { continue };
                let value = series.values.get(position).copied().flatten().unwrap_or_default();
                let alone =
                    |place: Option<usize>| place.and_then(|place| points.get(place)).copied().flatten().is_none();
                // A point between two gaps has no line that would show it.
                if drawn <= MOST_MARKS || (alone(position.checked_sub(1)) && alone(Some(position + 1))) {
                    let tooltip = tooltip(plot, index, position, value, labels.unit);
                    drawing.circle(
                        *x,
                        *y,
                        if drawn <= MOST_MARKS { 3.0 } else { 2.0 },
                        &format!("f {}", color(index)),
                        &tooltip,
                    );
                }
            }
        }
    }
    label_axis(&mut drawing, plot, area, (first, last), &across);
    (drawing, area.bottom + 28.0)
}

fn label_axis(drawing: &mut Drawing, plot: &Plot, area: Area, ends: (f64, f64), across: &dyn Fn(f64) -> f64) {
    let y = area.bottom + 18.0;
    match plot.axis {
        Axis::Time => {
            for (value, text) in plot.clock.ticks(ends.0, ends.1, 9) {
                drawing.line((across(value), area.bottom), (across(value), area.bottom + 4.0), "base");
                drawing.text(across(value), y, Anchor::Middle, "muted", &text, LABEL);
            }
        }
        Axis::Number => {
            let axis = Linear::new(ends.0, ends.1, 8.0, scale::Unit::None);
            for tick in axis.ticks.iter().filter(|tick| (ends.0..=ends.1).contains(*tick)) {
                drawing.line((across(*tick), area.bottom), (across(*tick), area.bottom + 4.0), "base");
                drawing.text(across(*tick), y, Anchor::Middle, "muted", &axis.label(*tick, scale::Unit::None), LABEL);
            }
        }
        Axis::Category => {
            let slot = area.width() / plot.positions.len().saturating_sub(1).max(1) as f64;
            let widest = plot.positions.iter().map(|position| text_width(&position.label)).fold(0.0, f64::max);
            let every = ((widest.min(110.0) + 10.0) / slot).ceil().max(1.0) as usize;
            let place = |index: usize| across(plot.positions.get(index).map_or(0.0, |position| position.value));
            drawing.positions(area, plot, &place, every);
        }
    }
}

/// Draws layers from the lowest up. Where no series has a value there is a gap; where some have, the others are of no height.
fn layers(drawing: &mut Drawing, plot: &Plot, places: &[f64], up: &dyn Fn(f64) -> f64, labels: &Labels<'_>) {
    let value = |series: &Series, position: usize| series.values.get(position).copied().flatten();
    let known: Vec<usize> = (0..places.len())
        .filter(|&position| plot.series.iter().any(|series| value(series, position).is_some()))
        .collect();
    let mut below = vec![0.0; places.len()];
    for (index, series) in plot.series.iter().enumerate() {
        let above: Vec<f64> = below
            .iter()
            .enumerate()
            .map(|(position, base)| base + value(series, position).unwrap_or(0.0).max(0.0))
            .collect();
        let point = |heights: &[f64], position: usize| {
            Some((*places.get(position)?, up(heights.get(position).copied().unwrap_or_default())))
        };
        for run in known.chunk_by(|one, next| one + 1 == *next) {
            let top: Vec<(f64, f64)> = run.iter().filter_map(|position| point(&above, *position)).collect();
            let mut outline = top.clone();
            outline.extend(run.iter().rev().filter_map(|position| point(&below, *position)));
            drawing.path(&outline, &format!("a {}", color(index)), "Z");
            drawing.path(&top, &format!("l {}", color(index)), "");
        }
        for position in 0..places.len() {
            let (Some(value), Some((x, y))) = (value(series, position), point(&above, position)) else { continue };
            if places.len() <= MOST_MARKS {
                let tooltip = tooltip(plot, index, position, value, labels.unit);
                drawing.circle(x, y, 3.0, &format!("f {}", color(index)), &tooltip);
            }
        }
        below = above;
    }
}
