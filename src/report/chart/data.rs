//! Turns the rows of a result into what a chart draws: positions along x, and a value a position and series.
//!
//! What cannot be drawn is counted and said in a note: rows without a position, numbers that are not finite, series and
//! positions beyond what an eye can tell apart.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::zones::Tz;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use chrono::{DateTime, Offset, TimeZone};

use super::clock::Clock;
use super::scale;
use super::spec::{ChartKind, ChartSpec, is_number};
use crate::format::Cells;
use crate::{Error, Result};

/// The text of a missing category.
const NONE: &str = "(none)";
/// Series that have a colour of their own.
pub(super) const MOST_SERIES: usize = 8;
/// Positions of bars, cells and labels that are drawn.
const MOST_POSITIONS: usize = 400;
/// Numbers beyond this have no place on an axis.
const LARGEST: f64 = 1e300;

/// What the positions along an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Texts, in the order they came.
    Category,
    /// Numbers, ascending.
    Number,
    /// Times in seconds, ascending; the [`Clock`] says which.
    Time,
}

/// A position along an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Position {
    /// The number or the time; of a category its index.
    pub(super) value: f64,
    /// The whole text.
    pub(super) label: String,
    /// The text that stands at an axis.
    pub(super) short: String,
}

impl Position {
    fn new(axis: Axis, clock: Clock, value: f64) -> Self {
        let (label, short) = match axis {
            Axis::Time => (clock.text(value), clock.short_text(value)),
            _ => (scale::grouped(value), scale::grouped(value)),
        };
        Self { value, label, short }
    }
}

/// A line, a layer or a colour of bars.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    /// A value for every position; none where the result has none.
    pub(super) values: Vec<Option<f64>>,
}

/// All that an x-y chart or a heat map draws.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plot {
    pub(super) axis: Axis,
    /// What times along it are.
    pub(super) clock: Clock,
    pub(super) positions: Vec<Position>,
    pub(super) series: Vec<Series>,
    /// What is not drawn, in whole sentences.
    pub(super) notes: Vec<String>,
}

/// One column over all batches.
pub(super) struct Column {
    arrays: Vec<ArrayRef>,
}

impl Column {
    /// Finds a column by its name.
    pub(super) fn find(name: &str, batches: &[RecordBatch]) -> Result<Self> {
        let arrays = batches.iter().map(|batch| {
            batch
                .column_by_name(name)
                .map(unpacked)
                .ok_or_else(|| Error::usage(format!("the chart's column {name:?} is not in the result")))
        });
        Ok(Self { arrays: arrays.collect::<Result<_>>()? })
    }

    fn axis(&self) -> Axis {
        match self.arrays.first().map(|array| array.data_type()) {
            Some(DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _)) => Axis::Time,
            Some(other) if is_number(other) => Axis::Number,
            _ => Axis::Category,
        }
    }

    /// Says whether two of its numbers make one: counts do; of floats, which are rates and averages as often as sums, and of
    /// durations nobody knows.
    fn adds_up(&self) -> bool {
        let kind = self.arrays.first().map(|array| array.data_type());
        kind.is_none_or(|kind| kind.is_integer() || kind.is_decimal())
    }

    /// Returns the text of every row.
    pub(super) fn texts(&self, zone: Tz) -> Vec<Option<String>> {
        let mut all = Vec::new();
        for array in &self.arrays {
            let cells = Cells::new(array, zone);
            all.extend((0..array.len()).map(|row| cells.text(row).map(std::borrow::Cow::into_owned)));
        }
        all
    }

    /// Returns the number of every row; of a duration its seconds, of a date or timestamp its local seconds.
    pub(super) fn numbers(&self, zone: Tz) -> Vec<Option<f64>> {
        self.arrays.iter().flat_map(|array| numbers(array, zone)).collect()
    }

    /// Returns the place of every row along an axis, and what the places are.
    pub(super) fn places(&self, zone: Tz) -> (Clock, Vec<Option<f64>>) {
        match self.arrays.first().map(|array| array.data_type()) {
            Some(DataType::Timestamp(_, Some(_))) => Clock::of(&self.numbers(Tz::UTC), zone),
            _ => (Clock::Shown, self.numbers(zone)),
        }
    }
}

/// Unpacks dictionaries and runs, where Arrow can.
fn unpacked(array: &ArrayRef) -> ArrayRef {
    let value_type = match array.data_type() {
        DataType::Dictionary(_, value) => value.as_ref(),
        DataType::RunEndEncoded(_, value) => value.data_type(),
        _ => return ArrayRef::clone(array),
    };
    cast(array, value_type).unwrap_or_else(|_| ArrayRef::clone(array))
}

fn per_second(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn numbers(array: &ArrayRef, zone: Tz) -> Vec<Option<f64>> {
    let none = || vec![None; array.len()];
    let whole = |convert: &dyn Fn(i64) -> Option<f64>| match cast(array, &DataType::Int64) {
        Ok(whole) => whole.as_primitive::<Int64Type>().iter().map(|value| value.and_then(convert)).collect(),
        Err(_) => none(),
    };
    match array.data_type() {
        DataType::Duration(unit) => {
            let per_second = per_second(unit) as f64;
            whole(&|value| Some(value as f64 / per_second))
        }
        DataType::Timestamp(unit, own_zone) => {
            let (per_second, zone) = (per_second(unit), own_zone.is_some().then_some(zone));
            whole(&|value| {
                let seconds = value.div_euclid(per_second);
                let instant = DateTime::from_timestamp(seconds, 0)?.naive_utc();
                let offset = zone.map_or(0, |zone| zone.offset_from_utc_datetime(&instant).fix().local_minus_utc());
                let part = value.rem_euclid(per_second) as f64 / per_second as f64;
                Some((seconds + i64::from(offset)) as f64 + part)
            })
        }
        DataType::Date32 => match cast(array, &DataType::Int32).and_then(|days| cast(&days, &DataType::Int64)) {
            Ok(days) => days.as_primitive::<Int64Type>().iter().map(|days| Some(days? as f64 * 86_400.0)).collect(),
            Err(_) => none(),
        },
        DataType::Date64 => whole(&|value| Some(value.div_euclid(1_000) as f64)),
        other if is_number(other) => match cast(array, &DataType::Float64) {
            Ok(floats) => floats.as_primitive::<Float64Type>().iter().collect(),
            Err(_) => none(),
        },
        _ => none(),
    }
}

/// Returns whether a number has a place on an axis.
fn is_drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", scale::grouped(number as f64)) }
}

/// Positions by what they stand for.
struct Positions {
    axis: Axis,
    clock: Clock,
    positions: Vec<Position>,
    by_text: HashMap<String, usize>,
    by_bits: HashMap<u64, usize>,
}

impl Positions {
    fn new(axis: Axis, clock: Clock) -> Self {
        Self { axis, clock, positions: Vec::new(), by_text: HashMap::new(), by_bits: HashMap::new() }
    }

    /// Returns the index of a position, which is new where it was not yet seen; none where the row has no place.
    fn index(&mut self, text: Option<&str>, number: Option<f64>) -> Option<usize> {
        let next = self.positions.len();
        if self.axis == Axis::Category {
            let label = text.unwrap_or(NONE);
            if let Some(&index) = self.by_text.get(label) {
                return Some(index);
            }
            self.by_text.insert(label.to_owned(), next);
            self.positions.push(Position { value: next as f64, label: label.to_owned(), short: label.to_owned() });
            return Some(next);
        }
        // Zero and minus zero are one place.
        let value = number.filter(|&value| is_drawable(value))? + 0.0;
        let index = *self.by_bits.entry(value.to_bits()).or_insert(next);
        if index == next {
            self.positions.push(Position::new(self.axis, self.clock, value));
        }
        Some(index)
    }

    fn label(&self, index: usize) -> &str {
        self.positions.get(index).map_or("", |position| position.label.as_str())
    }

    /// Returns the order of the positions along the axis.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.positions.len()).collect();
        if self.axis != Axis::Category {
            let value = |index: &usize| self.positions.get(*index).map_or(0.0, |position| position.value);
            order.sort_by(|one, other| value(one).total_cmp(&value(other)));
        }
        order
    }
}

/// Says that two rows have values for one place, and that nothing true can be drawn there.
fn same_place(spec: &ChartSpec, y: &str, label: &str) -> Error {
    let columns = [Some(&spec.x), spec.series.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
    let hint = format!("let the query group by {columns}, so that there is one row of each; only counts are added up");
    Error::usage(format!("several rows have a value of {y:?} at {label:?}, and such values cannot be added up"))
        .with_hint(hint)
}

/// Reads what an x-y chart or a heat map of this spec draws.
pub(super) fn plot(spec: &ChartSpec, batches: &[RecordBatch], zone: Tz) -> Result<Plot> {
    let x = Column::find(&spec.x, batches)?;
    let axis = x.axis();
    let (x_texts, (clock, x_numbers)) = (x.texts(zone), x.places(zone));
    let layers = match &spec.series {
        Some(name) => Some((name, Column::find(name, batches)?)),
        None => None,
    };
    let layer_axis = layers.as_ref().map_or(Axis::Category, |(_, column)| column.axis());
    let layer_texts = layers.as_ref().map(|(_, column)| column.texts(zone)).unwrap_or_default();
    let (layer_clock, layer_numbers) =
        layers.as_ref().map_or((Clock::Shown, Vec::new()), |(_, column)| column.places(zone));

    let mut positions = Positions::new(axis, clock);
    // Rows of a heat map are in order of their numbers; series of other charts in the order they come.
    let mut names =
        Positions::new(if spec.kind == ChartKind::HeatMap { layer_axis } else { Axis::Category }, layer_clock);
    let mut cells: HashMap<(usize, usize), f64> = HashMap::new();
    let (mut homeless, mut endless, mut added) = (0, 0, 0);
    for y in &spec.y {
        let column = Column::find(y, batches)?;
        let adds_up = column.adds_up() && scale::Unit::of(spec.unit.as_deref()).adds_up();
        let values = column.numbers(zone);
        for (row, value) in values.into_iter().enumerate() {
            let text = |texts: &[Option<String>]| texts.get(row).cloned().flatten();
            let number = |numbers: &[Option<f64>]| numbers.get(row).copied().flatten();
            let name = match (&spec.series, spec.y.len()) {
                (None, _) => names.index(Some(y), None),
                (Some(_), 1) => names.index(text(&layer_texts).as_deref(), number(&layer_numbers)),
                (Some(_), _) => {
                    let own = text(&layer_texts);
                    names.index(Some(&format!("{}, {y}", own.as_deref().unwrap_or(NONE))), None)
                }
            };
            let (Some(position), Some(name)) = (positions.index(text(&x_texts).as_deref(), number(&x_numbers)), name)
            else {
                homeless += 1;
                continue;
            };
            match value {
                Some(value) if is_drawable(value) => match cells.entry((position, name)) {
                    Entry::Vacant(entry) => {
                        entry.insert(value);
                    }
                    Entry::Occupied(mut sum) if adds_up => {
                        added += 1;
                        *sum.get_mut() += value;
                    }
                    Entry::Occupied(_) => return Err(same_place(spec, y, positions.label(position))),
                },
                Some(_) => endless += 1,
                None => {}
            }
        }
    }
    let order = positions.order();
    let mut notes = Vec::new();
    if homeless > 0 {
        notes.push(format!("Not drawn: {} without a place on the axis.", count(homeless, "row", "rows")));
    }
    if endless > 0 {
        notes.push(format!(
            "Not drawn: {}.",
            count(endless, "value that is no finite number", "values that are no finite number")
        ));
    }
    if added > 0 {
        notes.push("Values of rows with the same place are added up.".to_owned());
    }
    let series = names.order().into_iter().map(|name| Series {
        name: names.positions.get(name).map(|position| position.label.clone()).unwrap_or_default(),
        values: order.iter().map(|position| cells.get(&(*position, name)).copied()).collect(),
    });
    let series = series.collect();
    let positions = order.iter().filter_map(|index| positions.positions.get(*index).cloned()).collect();
    let mut plot = Plot { axis, clock, positions, series, notes };
    plot.fill_gaps(spec.kind);
    plot.limit_series(spec.kind);
    plot.limit_positions(spec.kind);
    Ok(plot)
}

impl Plot {
    /// Returns whether there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.values.iter().all(Option::is_none))
    }

    /// Puts positions in where evenly spaced ones are missing, so that a day without rows is a gap and not left out.
    fn fill_gaps(&mut self, kind: ChartKind) {
        let whole = self.positions.iter().all(|position| position.value.fract() == 0.0);
        let applies = match self.axis {
            Axis::Time => whole,
            Axis::Number => whole && kind == ChartKind::HeatMap,
            Axis::Category => false,
        };
        let (Some(first), Some(last)) = (self.positions.first(), self.positions.last()) else { return };
        let (first, span) = (first.value, last.value - first.value);
        let gaps = || self.positions.windows(2).filter_map(|pair| Some(pair.get(1)?.value - pair.first()?.value));
        let Some(step) = gaps().min_by(f64::total_cmp) else { return };
        // Whole numbers close together, such as hours, are all there.
        let step = if self.axis == Axis::Number && span <= 60.0 { 1.0 } else { step };
        if !applies || step < 1.0 || span / step + 1.0 > MOST_POSITIONS as f64 || gaps().any(|gap| gap % step != 0.0) {
            return;
        }
        let steps = (span / step) as usize;
        let place = |value: f64| ((value - first) / step) as usize;
        let places: Vec<usize> = self.positions.iter().map(|position| place(position.value)).collect();
        for series in &mut self.series {
            let mut values = vec![None; steps + 1];
            for (place, value) in places.iter().zip(&series.values) {
                if let Some(slot) = values.get_mut(*place) {
                    *slot = *value;
                }
            }
            series.values = values;
        }
        self.positions =
            (0..=steps).map(|index| Position::new(self.axis, self.clock, first + index as f64 * step)).collect();
    }

    /// Leaves the largest series where there are more than colours; where they stand on each other the rest is one series.
    fn limit_series(&mut self, kind: ChartKind) {
        if kind == ChartKind::HeatMap || self.series.len() <= MOST_SERIES {
            return;
        }
        let total = |series: &Series| series.values.iter().flatten().map(|value| value.abs()).sum::<f64>();
        let mut order: Vec<(usize, f64)> = self.series.iter().map(total).enumerate().collect();
        order.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        let mut shown: Vec<usize> = order.iter().take(MOST_SERIES - 1).map(|(index, _)| *index).collect();
        shown.sort_unstable();
        let all = self.series.len();
        let rest = all - shown.len();
        let (mut kept, mut others) = (Vec::new(), Series { name: format!("{rest} others"), values: Vec::new() });
        others.values = vec![None; self.positions.len()];
        for (index, series) in std::mem::take(&mut self.series).into_iter().enumerate() {
            if shown.contains(&index) {
                kept.push(series);
                continue;
            }
            for (sum, value) in others.values.iter_mut().zip(&series.values) {
                if let Some(value) = value {
                    *sum = Some(sum.unwrap_or(0.0) + value);
                }
            }
        }
        if matches!(kind, ChartKind::StackedBar | ChartKind::Area) {
            kept.push(others);
            self.notes.push(format!("The {rest} smallest of {all} series are added up as others."));
        } else {
            self.notes.push(format!("Drawn are the {} largest of {all} series; the table has all.", kept.len()));
        }
        self.series = kept;
    }

    fn limit_positions(&mut self, kind: ChartKind) {
        let is_line = matches!(kind, ChartKind::Line | ChartKind::Area) && self.axis != Axis::Category;
        let most = match (kind, self.axis) {
            (ChartKind::HeatMap, _) => 60,
            (ChartKind::Bar | ChartKind::StackedBar, Axis::Category) => 40,
            _ => MOST_POSITIONS,
        };
        let all = self.positions.len();
        if !is_line && all > most {
            self.positions.truncate(most);
            self.series.iter_mut().for_each(|series| series.values.truncate(most));
            self.notes.push(format!(
                "Drawn are the first {most} of {} places; the table has more.",
                scale::grouped(all as f64)
            ));
        }
        if kind == ChartKind::HeatMap && self.series.len() > most {
            let all = self.series.len();
            self.series.truncate(most);
            self.notes.push(format!("Drawn are the first {most} of {all} lines; the table has more."));
        }
    }
}

/// Reads the values of a histogram and counts them in bins of equal, round width: the lower ends, the width, the counts.
pub(super) fn bins(spec: &ChartSpec, batches: &[RecordBatch], zone: Tz) -> Result<Bins> {
    let values = Column::find(&spec.x, batches)?.numbers(zone);
    let weights = match spec.y.first() {
        Some(name) => Some(Column::find(name, batches)?.numbers(zone)),
        None => None,
    };
    let weight = |row: usize| match &weights {
        Some(weights) => weights.get(row).copied().flatten().filter(|&weight| is_drawable(weight)),
        None => Some(1.0),
    };
    let rows = values.len();
    let drawn: Vec<(f64, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(row, value)| Some((value.filter(|&value| is_drawable(value))?, weight(row)?)))
        .collect();
    let mut notes = Vec::new();
    if drawn.len() < rows {
        notes.push(format!("Not counted: {} without a number.", count(rows - drawn.len(), "row", "rows")));
    }
    let smallest = drawn.iter().map(|(value, _)| *value).min_by(f64::total_cmp);
    let largest = drawn.iter().map(|(value, _)| *value).max_by(f64::total_cmp);
    let (Some(smallest), Some(largest)) = (smallest, largest) else {
        return Ok(Bins { start: 0.0, width: 1.0, counts: Vec::new(), rows: 0, notes });
    };
    // As many bins as the root of the rows, within what can be told apart.
    let wanted = (drawn.len() as f64).sqrt().ceil().clamp(5.0, 30.0);
    let width = scale::step((largest - smallest).max(f64::MIN_POSITIVE), wanted, scale::Unit::of(spec.unit.as_deref()));
    let width = if largest > smallest { width } else { 2.0 * scale::margin(largest) };
    let start = (smallest / width).floor() * width;
    let mut counts = vec![0.0; (((largest - start) / width).floor() as usize).min(100) + 1];
    let last = counts.len() - 1;
    for (value, weight) in &drawn {
        if let Some(sum) = counts.get_mut((((value - start) / width).floor().max(0.0) as usize).min(last)) {
            *sum += weight;
        }
    }
    Ok(Bins { start, width, counts, rows: drawn.len(), notes })
}

/// The bins of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bins {
    pub(super) start: f64,
    pub(super) width: f64,
    pub(super) counts: Vec<f64>,
    pub(super) rows: usize,
    pub(super) notes: Vec<String>,
}
