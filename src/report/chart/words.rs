//! Says in words what a chart shows: its form, its extent, and where it is lowest and highest.

use super::data::{Bins, Plot, Series};
use super::scale::{self, Unit};
use super::{ChartKind, ChartSpec};

/// Series that are described one by one.
const MOST_DESCRIBED: usize = 3;

fn form(kind: ChartKind) -> &'static str {
    match kind {
        ChartKind::Bar => "Bars",
        ChartKind::StackedBar => "Stacked bars",
        ChartKind::Line => "Lines",
        ChartKind::Area => "Layers",
        ChartKind::HeatMap => "A heat map",
        ChartKind::Histogram => "A histogram",
        ChartKind::Table => "A table",
        ChartKind::Number => "Figures",
    }
}

/// Describes an x-y chart or a heat map.
pub(super) fn plot(plot: &Plot, spec: &ChartSpec, names: &str, unit: Unit<'_>) -> String {
    let mut sentences = Vec::new();
    let by = spec.series.as_ref().map(|series| format!(" and {series}")).unwrap_or_default();
    let what = format!("{} of {names} by {}{by}", form(spec.kind), spec.x);
    if plot.is_empty() {
        sentences.push(format!("{what}: no rows."));
    } else {
        let span = match (plot.positions.first(), plot.positions.last()) {
            (Some(first), Some(last)) if plot.positions.len() > 1 => {
                format!(", from {} to {}", first.label, last.label)
            }
            (Some(only), _) => format!(", at {}", only.label),
            _ => String::new(),
        };
        sentences.push(format!("{what}{span}."));
        if spec.kind == ChartKind::HeatMap || plot.series.len() > MOST_DESCRIBED {
            sentences.extend(extremes_of_all(plot, unit));
        } else {
            let several = plot.series.len() > 1;
            sentences.extend(plot.series.iter().filter_map(|series| extremes(plot, series, several, unit)));
        }
    }
    sentences.extend(plot.notes.iter().cloned());
    sentences.join(" ")
}

fn label(plot: &Plot, position: usize) -> &str {
    plot.positions.get(position).map_or("", |position| position.label.as_str())
}

fn extremes(plot: &Plot, series: &Series, several: bool, unit: Unit<'_>) -> Option<String> {
    let values =
        || series.values.iter().enumerate().filter_map(|(position, value)| value.map(|value| (position, value)));
    let highest = values().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let lowest = values().reduce(|best, next| if next.1 < best.1 { next } else { best })?;
    let name = if several { format!("{}: h", series.name) } else { "H".to_owned() };
    let high = format!("{name}ighest {} ({})", unit.text(highest.1), label(plot, highest.0));
    Some(if lowest.0 == highest.0 {
        format!("{high}.")
    } else {
        format!("{high}, lowest {} ({}).", unit.text(lowest.1), label(plot, lowest.0))
    })
}

fn extremes_of_all(plot: &Plot, unit: Unit<'_>) -> Option<String> {
    let values = || {
        plot.series.iter().flat_map(|series| {
            let known = move |(position, value): (usize, &Option<f64>)| value.map(|value| (series, position, value));
            series.values.iter().enumerate().filter_map(known)
        })
    };
    let highest = values().reduce(|best, next| if next.2 > best.2 { next } else { best })?;
    let lowest = values().reduce(|best, next| if next.2 < best.2 { next } else { best })?;
    let say = |(series, position, value): (&Series, usize, f64)| {
        format!("{} ({}, {})", unit.text(value), series.name, label(plot, position))
    };
    Some(format!("Highest {}, lowest {}.", say(highest), say(lowest)))
}

/// Describes a histogram.
pub(super) fn histogram(bins: &Bins, spec: &ChartSpec, unit: Unit<'_>) -> String {
    let mut sentences = Vec::new();
    let fullest = bins.counts.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    match fullest {
        None => sentences.push(format!("A histogram of {}: no rows.", spec.x)),
        Some((index, count)) => {
            let from = bins.start + index as f64 * bins.width;
            let end = bins.start + bins.counts.len() as f64 * bins.width;
            sentences.push(format!(
                "A histogram of {} over {} rows, in {} bins from {} to {}. Most, {}, are from {} to {}.",
                spec.x,
                scale::grouped(bins.rows as f64),
                bins.counts.len(),
                unit.text(bins.start),
                unit.text(end),
                scale::grouped(*count),
                unit.text(from),
                unit.text(from + bins.width)
            ));
        }
    }
    sentences.extend(bins.notes.iter().cloned());
    sentences.join(" ")
}
