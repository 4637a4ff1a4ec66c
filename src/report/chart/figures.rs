//! Large figures: what a number chart shows, as text.

use crate::zones::Tz;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;

use super::clock::Clock;
use super::data::Column;
use super::scale::{Unit, grouped};
use super::spec::{self, ChartSpec};
use crate::Result;

/// One large figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What it counts.
    pub label: String,
    /// The figure with its unit; a dash for null.
    pub value: String,
    /// What it was before and how much that has changed; none where nothing is known of it.
    pub before: Option<String>,
}

/// Figures of one chart.
const MOST_FIGURES: usize = 12;

/// A column of figures.
struct Values {
    name: String,
    kind: Option<DataType>,
    numbers: Vec<Option<f64>>,
    texts: Vec<Option<String>>,
    /// What the numbers of times are.
    clock: Clock,
}

impl Values {
    fn read(name: &str, batches: &[RecordBatch], zone: Tz) -> Result<Self> {
        let column = Column::find(name, batches)?;
        let kind = batches.first().and_then(|batch| batch.column_by_name(name)).map(|array| array.data_type().clone());
        let (clock, numbers) = column.places(zone);
        Ok(Self { name: name.to_owned(), kind, numbers, texts: column.texts(zone), clock })
    }

    /// Returns the number of a row, where it is one and no moment.
    fn number(&self, row: usize) -> Option<f64> {
        let is_number = self.kind.as_ref().is_some_and(spec::is_number);
        self.numbers.get(row).copied().flatten().filter(|number| is_number && number.is_finite())
    }

    /// Returns the text of a row, as a figure shows it.
    fn shown(&self, row: usize, unit: Unit<'_>) -> String {
        let number = self.numbers.get(row).copied().flatten();
        let shown = match &self.kind {
            Some(DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64) => {
                number.map(|place| self.clock.text(place))
            }
            // Text is a figure too: it is shown as it is printed.
            _ => self.number(row).map(|number| unit.text(rounded(number, unit))),
        };
        shown.or_else(|| self.texts.get(row).cloned().flatten()).unwrap_or_else(|| "–".to_owned())
    }
}

/// Rounds to what is read at a glance; the table has more.
fn rounded(number: f64, unit: Unit<'_>) -> f64 {
    match unit {
        Unit::Share => (number * 1e3).round() / 1e3,
        _ if number.abs() >= 10.0 => (number * 10.0).round() / 10.0,
        _ => number,
    }
}

/// Returns the figures of a number chart: one of every `y`, or of every `y` and row where `x` names the rows; at most 12. A
/// name of a row that ends in a comma and `%` or `s` gives its figure that unit.
///
/// # Errors
/// As [`svg`](super::svg).
pub fn figures(spec: &ChartSpec, batches: &[RecordBatch], time_zone: Tz) -> Result<Vec<Figure>> {
    let of_chart = Unit::of(spec.unit.as_deref());
    let names = if spec.x.is_empty() { None } else { Some(Column::find(&spec.x, batches)?.texts(time_zone)) };
    let rows = match &names {
        Some(names) => names.len(),
        None => batches.iter().map(RecordBatch::num_rows).sum::<usize>().min(1),
    };
    let columns: Vec<Values> =
        spec.y.iter().map(|name| Values::read(name, batches, time_zone)).collect::<Result<_>>()?;
    let before = spec.before.as_ref().map(|name| Values::read(name, batches, time_zone)).transpose()?;
    let mut figures = Vec::new();
    for row in 0..rows {
        let name = names.as_ref().map(|names| names.get(row).cloned().flatten().unwrap_or_else(|| "(none)".to_owned()));
        let (name, unit) = match name.as_deref().and_then(unit_behind) {
            Some((name, unit)) => (Some(name.to_owned()), unit),
            None => (name, of_chart),
        };
        for column in &columns {
            let label = match &name {
                Some(name) if columns.len() == 1 => name.clone(),
                Some(name) => format!("{name}, {}", column.name.replace('_', " ")),
                None => column.name.replace('_', " "),
            };
            let before = before.as_ref().and_then(|before| compared(column, before, row, unit));
            figures.push(Figure { label, value: column.shown(row, unit), before });
        }
    }
    figures.truncate(MOST_FIGURES);
    Ok(figures)
}

/// Takes a unit off the end of a name: `contained, %`.
fn unit_behind(name: &str) -> Option<(&str, Unit<'static>)> {
    let (name, unit) = name.rsplit_once(',')?;
    let unit = match Unit::of(Some(unit)) {
        Unit::Percent => Unit::Percent,
        Unit::Seconds => Unit::Seconds,
        _ => return None,
    };
    Some((name.trim_end(), unit))
}

/// Says what a figure was before, and how much that has changed: shares by points, all else in percent.
fn compared(now: &Values, before: &Values, row: usize, unit: Unit<'_>) -> Option<String> {
    let was = before.number(row)?;
    let says = format!("{} {}", before.name.replace('_', " "), before.shown(row, unit));
    let Some(is) = now.number(row) else { return Some(says) };
    let signed = |change: f64, unit: &str| {
        let size = grouped((change.abs() * 10.0).round() / 10.0);
        let sign = match size.as_str() {
            "0" => "±",
            _ if change < 0.0 => "−",
            _ => "+",
        };
        format!("{sign}{size}{unit} · {says}")
    };
    Some(match unit {
        Unit::Percent => signed(is - was, " points"),
        Unit::Share => signed(100.0 * (is - was), " points"),
        // Of nothing there is no percentage.
        _ if was == 0.0 => says,
        _ => signed(100.0 * (is - was) / was.abs(), "%"),
    })
}
