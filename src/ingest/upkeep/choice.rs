//! Which data files of a version are written anew: pure logic over what the log says of them.
//!
//! Running and ended sessions are in files of their own, so that each liveness is looked at for itself. A file is good if it has enough rows,
//! shares no time with another, is of our own writer and has no deleted rows. `optimize` makes all files good ([`units`]). An ingest does a
//! little of that each time ([`crowded`]): once there are too many small files in all, the smallest are merged, as many of them as keep the number
//! of times that a row is written anew the least.

use std::cmp::Reverse;

use datafusion::common::ScalarValue;

use crate::lake::{DataFile, layout};

/// Rows from which on a file is large enough: files are made of equal sizes, of which the smallest has half of what a file may have.
pub(super) const ENOUGH_ROWS: u64 = layout::FILE_ROWS as u64 / 3;
/// Rows that are written for one commit, where files do not hang together by more: what a stop loses at most, and what a conflict costs.
const UNIT_ROWS: u64 = 8 * layout::FILE_ROWS as u64;
/// Rows that take as much as what a small file has beside its rows: of tiny files that is what they take.
const FOOTER_ROWS: u64 = 64;
/// How long sessions are corrected after they began, mostly, in microseconds. A file with one of them is written anew with all its rows, so that the
/// last files of two days stay as they are, each with an hour or so.
const RECENT_US: i64 = 48 * 3_600_000_000;
/// How many times as many of these stay at most as of the others: with an hour in each, those of the last day.
const RECENT_SHARE: usize = 2;
/// Files of running sessions that are the last ones: the one that each ingest writes anew, and what another ingest added beside it.
const RECENT_RUNNING: usize = 2;
/// One in how many of the small files are of running sessions, which are few.
const RUNNING_SHARE: usize = 6;
/// Bytes of a row, for files of which nobody says how many rows they have.
const ROW_BYTES: u64 = 200;

/// A data file, as the choice sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Its number in the list that it came from.
    pub(super) index: usize,
    /// Whether all its sessions are running.
    pub(super) active: bool,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// The first and the last start in it, in microseconds.
    pub(super) range: Option<(i64, i64)>,
    /// Whether it is of our writer, with all its rows, of one liveness, and with statistics.
    pub(super) is_sound: bool,
}

impl Shape {
    pub(super) fn of(index: usize, file: &DataFile) -> Self {
        let instant = |value: Option<&ScalarValue>| match value? {
            ScalarValue::TimestampMicrosecond(instant, _) => *instant,
            _ => None,
        };
        let started = file.columns.get("started_at");
        // As the log has them: what is cut to milliseconds is no overlap worth a rewriting.
        let range = started.and_then(|c| Some((instant(c.minimum.as_ref())?, instant(c.maximum.as_ref())?)));
        let running = file.columns.get("ended_at").and_then(|column| column.null_count);
        let is_mixed = running.is_none_or(|running| running > 0 && file.rows != Some(running));
        Self {
            index,
            active: file.is_active(),
            rows: file.rows.unwrap_or(file.size_bytes / ROW_BYTES),
            bytes: file.size_bytes,
            range,
            is_sound: file.is_ours && file.deletion.is_none() && range.is_some() && !is_mixed,
        }
    }

    /// Where it stands among the others; one whose range is not known stands before all, and alone.
    fn place(&self) -> (i64, i64, usize) {
        let (first, last) = self.range.unwrap_or((i64::MIN, i64::MIN));
        (first, last, self.index)
    }
}

/// Returns the shapes of all files.
pub(super) fn shapes(files: &[DataFile]) -> Vec<Shape> {
    files.iter().enumerate().map(|(index, file)| Shape::of(index, file)).collect()
}

fn of_liveness(shapes: &[Shape], active: bool) -> Vec<&Shape> {
    let mut found: Vec<&Shape> = shapes.iter().filter(|shape| shape.active == active).collect();
    found.sort_unstable_by_key(|shape| shape.place());
    found
}

/// Files that hang together: each shares time with another of them.
struct Component<'a> {
    files: Vec<&'a Shape>,
    last: i64,
}

impl Component<'_> {
    fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    fn is_good(&self) -> bool {
        matches!(self.files.as_slice(), [file] if file.is_sound && file.rows >= ENOUGH_ROWS)
    }
}

fn components(files: Vec<&Shape>) -> Vec<Component<'_>> {
    let mut components: Vec<Component<'_>> = Vec::new();
    for file in files {
        let (first, last, _) = file.place();
        match components.last_mut() {
            // Rows of one instant may be in two files that follow each other.
            Some(component) if first < component.last => {
                component.last = component.last.max(last);
                component.files.push(file);
            }
            _ => components.push(Component { files: vec![file], last }),
        }
    }
    components
}

/// Returns the numbers of files that are to be written anew together, a list for each commit, so that all files are good, or alone between good
/// ones.
pub(super) fn units(shapes: &[Shape]) -> Vec<Vec<usize>> {
    let mut units = Vec::new();
    for active in [true, false] {
        let mut unit: Vec<&Shape> = Vec::new();
        let mut end = |unit: &mut Vec<&Shape>| {
            let files = std::mem::take(unit);
            // A small file that nothing can be merged with is as good as it can be.
            if files.len() > 1 || files.iter().any(|file| !file.is_sound) {
                units.push(files.iter().map(|file| file.index).collect());
            }
        };
        for component in components(of_liveness(shapes, active)) {
            let rows: u64 = unit.iter().map(|file| file.rows).sum();
            if component.is_good() || (!unit.is_empty() && rows + component.rows() > UNIT_ROWS) {
                end(&mut unit);
            }
            if !component.is_good() {
                unit.extend(component.files);
            }
        }
        end(&mut unit);
    }
    units
}

/// Returns the numbers of files that an ingest merges, at most about so many rows, where there are more than `most` small ones. The last files of
/// two days stay as they are, and are not counted.
///
/// The smallest are merged. How many is told by the sizes: of files that stand by size, the one at place `i` has at most `C(d, i)` times what an ingest
/// brings. It grows by one in `d` as long as the next one is further than that, and the first place where it does is where the merge ends. So with
/// `n` places fewer than `C(d + n, n)` ingests are `n` files of which a row was written some `d` times: the fewest there are. A year of hourly exports of
/// 100 sessions writes each row five times with twelve places.
pub(super) fn crowded(shapes: &[Shape], most: usize, max_rows: u64) -> Vec<usize> {
    let newest = shapes.iter().filter_map(|shape| shape.range).map(|range| range.1).max().unwrap_or(i64::MIN);
    let last = |file: &Shape| file.range.map_or(i64::MIN, |range| range.1);
    for active in [true, false] {
        let (most, recent) = match active {
            true => (most.div_ceil(RUNNING_SHARE), RECENT_RUNNING),
            false => (most, most.saturating_mul(RECENT_SHARE)),
        };
        let most = most.max(1);
        let mut small: Vec<&Shape> = of_liveness(shapes, active);
        small.retain(|file| file.rows < ENOUGH_ROWS);
        small.sort_by_key(|file| Reverse(last(file)));
        let is_recent = |file: &&&Shape| last(file) > newest.saturating_sub(RECENT_US);
        let stay = small.iter().take(recent).take_while(is_recent).count();
        let mut others = small.split_off(stay);
        if others.len() <= most {
            continue;
        }
        // The newer of two of one size stands before the other.
        others.sort_by_key(|file| size(file));
        let mut typical: Vec<u64> = small.iter().chain(&others).take(stay.max(1)).map(|file| size(file)).collect();
        typical.sort_unstable();
        let unit = typical.get(typical.len() / 2).copied().unwrap_or(1);
        let degrees: Vec<u64> =
            others.iter().skip(1).zip(1..).map(|(file, place)| degree((size(file) + unit / 2) / unit, place)).collect();
        let ends = degrees.windows(2).position(|pair| matches!(pair, [here, next] if here + 1 < *next));
        // The first one comes on top of the others. Where there are many too many, one merge makes them few enough.
        let merged = ends.map_or(others.len(), |place| place + 2).max(others.len() - most + 1);
        let mut taken = 0;
        let within = |file: &&&Shape| {
            let fits = taken < max_rows;
            taken += file.rows;
            fits
        };
        let merged: Vec<usize> = others.iter().take(merged).take_while(within).map(|file| file.index).collect();
        if merged.len() > 1 {
            return merged;
        }
    }
    Vec::new()
}

/// Returns what a file takes, in rows.
fn size(file: &Shape) -> u64 {
    file.rows.saturating_add(FOOTER_ROWS)
}

/// Returns the greatest `d` for which `C(d, place)` is not more than `size`, which counts as 1 at least.
fn degree(size: u64, place: u64) -> u64 {
    if place <= 1 {
        return size.max(1);
    }
    let (mut degree, mut count) = (place, 1_u128);
    loop {
        // C(d + 1, i) = C(d, i) (d + 1) / (d + 1 - i), which divides evenly.
        let next = count.saturating_mul(u128::from(degree + 1)) / u128::from(degree + 1 - place);
        if next > u128::from(size) {
            return degree;
        }
        (degree, count) = (degree + 1, next);
    }
}

/// Returns how many files share an instant at most, and how many rows of them are held at once by who merges them, where of each file so many
/// are held.
pub(super) fn depth<'a>(shapes: impl Iterator<Item = &'a Shape>, held_rows: u64) -> (u64, u64) {
    let mut bounds: Vec<(i64, bool, u64)> = Vec::new();
    for shape in shapes {
        let (first, last) = shape.range.unwrap_or((i64::MIN, i64::MAX));
        bounds.push((first, true, shape.rows.min(held_rows)));
        bounds.push((last.max(first.saturating_add(1)), false, shape.rows.min(held_rows)));
    }
    // Where one ends and the next begins they do not share the instant.
    bounds.sort_unstable_by_key(|(instant, begins, _)| (*instant, *begins));
    let (mut files, mut rows, mut deepest) = (0_u64, 0_u64, (0, 0));
    for (_, begins, held) in bounds {
        match begins {
            true => (files, rows) = (files + 1, rows + held),
            false => (files, rows) = (files.saturating_sub(1), rows.saturating_sub(held)),
        }
        deepest = (files.max(deepest.0), rows.max(deepest.1));
    }
    deepest
}

/// Returns how many files so many rows make.
pub(super) fn files_of(rows: u64) -> u64 {
    rows.div_ceil(layout::FILE_ROWS as u64)
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
