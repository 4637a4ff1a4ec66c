//! Which rows of a run go into files together: pure logic over what the log says of the files that are written anew.
//!
//! A session that was corrected takes its file along, with all the rows in it. So a file that is written anew stays for itself: if it took in all
//! that comes with it, one correction an hour would write the whole lake anew each hour. Incoming sessions go to the file that has their time,
//! where it is a large one and is written anyway, so that files share no more time than before; the others go into a new file.

use datafusion::common::ScalarValue;

use super::runs::Liveness;
use crate::lake::{DataFile, layout};

/// Rows up to which a file of running sessions is merged with those that come: nearly all of them end within a day, and leave it one after the other.
const MERGED_ACTIVE_ROWS: u64 = 512;
/// Running sessions from which on those that began long ago get a file of their own, so that they are not written anew each hour.
const SETTLING_ROWS: u64 = 64;
/// What is long ago for a session that runs, in microseconds: two days. Of generated sessions that run so long one in forty ends in an hour, so that the
/// file is seldom written anew; of those that run for a day one in twenty, which is nearly each hour.
const SETTLED_US: i64 = 48 * 3_600_000_000;
/// How much longer ago the first of them began, so that those of a day make one small file, and not those of each ingest one.
const SETTLING_US: i64 = 24 * 3_600_000_000;
/// Small files of ended sessions that are written anew one by one at most; more are merged.
const SMALL_APART: usize = 12;
/// Rows that are looked through at most to put them where they belong, an incoming one once for each file. Where there are more, all is merged: so
/// many sessions at once are no corrections.
const PLACED_ROWS: u64 = 1 << 22;

/// A stored file that is written anew, without some rows.
pub(super) struct Rewritten {
    pub(super) file: DataFile,
    /// The rows that give way, in order.
    pub(super) without: Vec<u32>,
}

/// Says whether a file may hold sessions of this liveness, by what the log knows.
pub(super) fn may_hold(file: &DataFile, liveness: Liveness) -> bool {
    match liveness {
        Liveness::Active => file.columns.null_count("ended_at") != Some(0),
        Liveness::Ended => !file.is_active(),
    }
}

/// Instants from the first to the last, in microseconds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Span {
    pub(super) const ALL: Self = Self { first: i64::MIN, last: i64::MAX };

    pub(super) fn has(self, instant: i64) -> bool {
        self.first <= instant && instant <= self.last
    }
}

/// Rows that are written together.
pub(super) struct Part<'a> {
    /// Files of which rows stay.
    pub(super) stored: Vec<&'a Rewritten>,
    /// The starts of the rows that are taken of them.
    pub(super) keeps: Span,
    /// The starts of the incoming rows that go here, if no part before takes them; `None` where there are none.
    pub(super) takes: Option<Span>,
}

impl Part<'_> {
    /// Returns how many rows stay of the files, as far as the log knows.
    pub(super) fn stored_rows(&self) -> u64 {
        let staying = |rewritten: &&Rewritten| {
            rewritten.file.rows.unwrap_or_default().saturating_sub(rewritten.without.len() as u64)
        };
        self.stored.iter().map(staying).sum()
    }
}

/// Returns which of the parts takes an incoming row that starts then; the last one takes all.
pub(super) fn part_of(parts: &[Part<'_>], start: i64) -> usize {
    let taken = parts.iter().position(|part| part.takes.is_some_and(|takes| takes.has(start)));
    taken.unwrap_or(parts.len().saturating_sub(1))
}

/// Returns the starts of a file's sessions, if the log knows them.
pub(super) fn span_of(file: &DataFile) -> Option<Span> {
    let started = file.columns.get("started_at")?;
    let instant = |value: &Option<ScalarValue>| match value {
        Some(ScalarValue::TimestampMicrosecond(instant, _)) => *instant,
        _ => None,
    };
    Some(Span { first: instant(&started.minimum)?, last: instant(&started.maximum)? })
}

/// Says how what is written of one liveness is put into files: files that stay for themselves first, and what takes all other rows last. `newest` is
/// the latest start in the lake.
pub(super) fn parts(rewritten: &[Rewritten], liveness: Liveness, incoming: u64, newest: Option<i64>) -> Vec<Part<'_>> {
    let held: Vec<&Rewritten> = rewritten.iter().filter(|rewritten| may_hold(&rewritten.file, liveness)).collect();
    let rest = |stored| Part { stored, keeps: Span::ALL, takes: Some(Span::ALL) };
    if incoming.saturating_mul(held.len() as u64) > PLACED_ROWS {
        return vec![rest(held)];
    }
    let rows_of = |rewritten: &Rewritten| rewritten.file.rows.unwrap_or(u64::MAX);
    let is_small = |rewritten: &&Rewritten| rows_of(rewritten) <= layout::LEAFLESS_ROWS;
    let many = held.iter().filter(|rewritten| is_small(rewritten)).count() > SMALL_APART;
    let merges = |rewritten: &&Rewritten| match liveness {
        Liveness::Active => rows_of(rewritten) <= MERGED_ACTIVE_ROWS,
        Liveness::Ended => many && is_small(rewritten),
    };
    let (merged, apart): (Vec<_>, Vec<_>) = held.into_iter().partition(merges);
    let mut parts: Vec<Part<'_>> = apart
        .into_iter()
        .map(|rewritten| {
            let takes = span_of(&rewritten.file).filter(|_| !is_small(&rewritten));
            Part { stored: vec![rewritten], keeps: Span::ALL, takes }
        })
        .collect();
    let rows = merged.iter().map(|rewritten| rows_of(rewritten)).fold(incoming, u64::saturating_add);
    match newest {
        Some(newest) if liveness == Liveness::Active && rows > SETTLING_ROWS && settles(&merged, newest) => {
            let recent = newest.saturating_sub(SETTLED_US);
            let settled = Span { last: recent.saturating_sub(1), ..Span::ALL };
            parts.push(Part { stored: merged.clone(), keeps: settled, takes: Some(settled) });
            let running = Span { first: recent, ..Span::ALL };
            parts.push(Part { stored: merged, keeps: running, takes: Some(Span::ALL) });
        }
        _ => parts.push(rest(merged)),
    }
    parts
}

/// Says whether some running sessions of these files began so long ago that they get a file of their own.
fn settles(merged: &[&Rewritten], newest: i64) -> bool {
    let before = newest.saturating_sub(SETTLED_US).saturating_sub(SETTLING_US);
    merged.iter().filter_map(|rewritten| span_of(&rewritten.file)).any(|span| span.first < before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::ColumnStatistics;

    const HOUR: i64 = 3_600_000_000;

    /// A file of so many rows, all running or all ended, that start in these hours; one row of it gives way.
    fn file(rows: u64, running: bool, first: i64, last: i64) -> Rewritten {
        let instant = |hour: i64| Some(ScalarValue::TimestampMicrosecond(Some(hour * HOUR), Some("UTC".into())));
        let started =
            ColumnStatistics { minimum: instant(first), maximum: instant(last), ..ColumnStatistics::default() };
        let nulls = if running { rows } else { 0 };
        let ended = ColumnStatistics { null_count: Some(nulls), ..ColumnStatistics::default() };
        let columns = [("started_at".to_owned(), started), ("ended_at".to_owned(), ended)].into_iter().collect();
        let path = format!("{rows}-{first}");
        Rewritten { file: DataFile { path, rows: Some(rows), columns, ..DataFile::default() }, without: vec![0] }
    }

    fn told(parts: &[Part<'_>]) -> Vec<(Vec<u64>, bool)> {
        let rows = |part: &Part<'_>| part.stored.iter().filter_map(|stored| stored.file.rows).collect();
        parts.iter().map(|part| (rows(part), part.takes.is_some())).collect()
    }

    #[test]
    fn files_of_ended_sessions_stay_for_themselves_and_large_ones_take_what_has_their_time() {
        let files = [file(90_000, false, 0, 100), file(300, false, 90, 110), file(40, true, 100, 111)];
        let ended = parts(&files, Liveness::Ended, 200, Some(111 * HOUR));
        assert_eq!(told(&ended), [(vec![90_000], true), (vec![300], false), (vec![], true)]);
        assert_eq!([0, 50, 100, 101, 500].map(|hour| part_of(&ended, hour * HOUR)), [0, 0, 0, 2, 2]);
        assert_eq!(ended.iter().map(Part::stored_rows).collect::<Vec<_>>(), [89_999, 299, 0]);
        // So many at once are no corrections: all is merged.
        let all = parts(&files, Liveness::Ended, PLACED_ROWS, None);
        assert_eq!(told(&all), [(vec![90_000, 300], true)]);
        // And so are very many small files.
        let small: Vec<Rewritten> = (0..=SMALL_APART as i64).map(|n| file(100, false, n, n + 1)).collect();
        assert_eq!(parts(&small, Liveness::Ended, 10, None).len(), 1);
        assert_eq!(parts(&small[1..], Liveness::Ended, 10, None).len(), SMALL_APART + 1);
    }

    #[test]
    fn running_sessions_are_merged_until_those_of_long_ago_settle() {
        let files = [file(40, true, 27, 100), file(2_000, true, 0, 60)];
        let few = parts(&files, Liveness::Active, 20, Some(100 * HOUR));
        assert_eq!(told(&few), [(vec![2_000], true), (vec![40], true)]);
        let more = parts(&files, Liveness::Active, 25, Some(100 * HOUR));
        assert_eq!(told(&more), [(vec![2_000], true), (vec![40], true), (vec![40], true)]);
        assert_eq!([30, 61, 51, 52, 200].map(|hour| part_of(&more, hour * HOUR)), [0, 2, 0, 0, 2]);
        let (settled, running) = (&more[1], &more[2]);
        for (hour, is_settled) in [(0, true), (51, true), (52, false), (100, false)] {
            let is = [settled.keeps.has(hour * HOUR), running.keeps.has(hour * HOUR)];
            assert_eq!(is, [is_settled, !is_settled], "hour {hour}");
        }
        // Those of the last day before that wait for others.
        let later = [file(300, true, 28, 100)];
        assert_eq!(told(&parts(&later, Liveness::Active, 25, Some(100 * HOUR))), [(vec![300], true)]);
        assert!(parts(&[], Liveness::Ended, 0, None).len() == 1);
    }
}
