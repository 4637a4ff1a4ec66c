//! What is chosen of lists of files, and what comes of choosing again and again.

use proptest::prelude::*;

use super::*;

const HOUR_US: i64 = 3_600_000_000;

fn file(index: usize, rows: u64, first: i64, last: i64) -> Shape {
    Shape { index, active: false, rows, bytes: rows * 170, range: Some((first, last)), is_sound: true }
}

fn numbered(shapes: Vec<Shape>) -> Vec<Shape> {
    shapes.into_iter().enumerate().map(|(index, shape)| Shape { index, ..shape }).collect()
}

#[test]
fn good_files_and_lone_small_ones_are_left_alone() {
    let large = 200_000;
    let files = [file(0, large, 0, 10), file(1, 50, 10, 12), file(2, large, 12, 30), file(3, 70, 30, 31)];
    assert!(units(&files).is_empty());
    // Two small ones that follow each other are one.
    let files = numbered(vec![file(0, large, 0, 10), file(0, 50, 10, 12), file(0, 60, 12, 30), file(0, large, 31, 40)]);
    assert_eq!(units(&files), [[1, 2]]);
    // What overlaps goes together, however large, and takes its small neighbours along.
    let files = numbered(vec![
        file(0, large, 0, 10),
        file(0, large, 9, 30),
        file(0, 70, 30, 31),
        file(0, large, 31, 40),
        file(0, 80, 41, 42),
    ]);
    assert_eq!(units(&files), [[0, 1, 2]]);
    // Running sessions are for themselves.
    let files = [file(0, 50, 0, 9), Shape { active: true, ..file(1, 50, 3, 9) }];
    assert!(units(&files).is_empty());
    // A file of another writer, or with deleted rows, is written anew even if it is alone.
    let files = [file(0, large, 0, 10), Shape { is_sound: false, ..file(1, large, 10, 12) }];
    assert_eq!(units(&files), [[1]]);
    let files = [file(0, large, 0, 10), Shape { is_sound: false, range: None, ..file(1, 10, 0, 0) }];
    assert_eq!(units(&files), [[1]]);
}

#[test]
fn many_files_are_written_in_several_commits() {
    let files = numbered((0..100).map(|n| file(0, 80_000, n * 10, n * 10 + 9)).collect());
    let units = units(&files);
    assert!(units.len() > 2 && units.concat() == (0..100).collect::<Vec<_>>());
    assert!(units.iter().all(|unit| unit.len() as u64 * 80_000 <= UNIT_ROWS));
}

#[test]
fn instants_that_files_share_are_counted() {
    let deepest = |files: &[Shape]| depth(files.iter(), 100);
    assert_eq!(deepest(&[]), (0, 0));
    assert_eq!(deepest(&[file(0, 50, 0, 10), file(1, 500, 10, 20)]), (1, 100));
    assert_eq!(deepest(&[file(0, 50, 0, 10), file(1, 500, 9, 20), file(2, 7, 9, 9), file(3, 9, 20, 21)]), (3, 157));
}

/// What became of a lake: all its rows, those that were written, and the most files there were.
#[derive(Debug, Default)]
struct Life {
    files: Vec<Shape>,
    rows: u64,
    written: u64,
    most: usize,
}

impl Life {
    /// Ingests files of so many rows, one an hour, and merges after each.
    fn of(sizes: impl Iterator<Item = u64>, most: usize) -> Self {
        let mut life = Self::default();
        for (now, size) in sizes.enumerate() {
            let now = now as i64 * HOUR_US;
            life.files.push(file(0, size, now - 2 * HOUR_US, now));
            (life.written, life.rows) = (life.written + size, life.rows + size);
            life.merge(most);
            life.most = life.most.max(life.files.len());
        }
        life
    }

    /// Merges once, if something is to be merged.
    fn merge(&mut self, most: usize) -> bool {
        self.files = numbered(std::mem::take(&mut self.files));
        let merged = crowded(&self.files, most, layout::FILE_ROWS as u64);
        let (gone, left): (Vec<Shape>, Vec<Shape>) =
            self.files.drain(..).partition(|file| merged.contains(&file.index));
        assert_eq!(gone.len(), merged.len(), "a file is merged once");
        self.files = left;
        let rows: u64 = gone.iter().map(|file| file.rows).sum();
        self.written += rows;
        let first = gone.iter().filter_map(|file| file.range).map(|range| range.0).min();
        let last = gone.iter().filter_map(|file| file.range).map(|range| range.1).max();
        let count = files_of(rows);
        let range = first.zip(last);
        self.files.extend((0..count).map(|_| Shape { range, ..file(0, rows / count, 0, 0) }));
        !merged.is_empty()
    }
}

#[test]
fn a_year_of_hours_is_few_files_and_every_row_is_written_a_few_times() {
    // The first time, and four merges and a half; the files of a day, twelve others, and those that are large.
    let year = Life::of((0..8_760).map(|_| 100), 12);
    assert!(year.written * 10 <= year.rows * 53 && year.most <= 41, "{} of {}, {}", year.written, year.rows, year.most);
    let year = Life::of((0..8_760).map(|hour| 20 + hour % 24 * 7), 12);
    assert!(year.written * 10 <= year.rows * 57 && year.most <= 41, "{} of {}, {}", year.written, year.rows, year.most);
    // With fewer places more is written, and with more less.
    let written = |most| Life::of((0..2_000).map(|_| 100), most).written;
    let few = [4, 8, 16, 32].map(written);
    assert!(few.windows(2).all(|pair| pair[0] > pair[1]), "{few:?}");
    // What is large from the start is written once.
    let large = Life::of((0..50).map(|_| 150_000), 12);
    assert_eq!(large.written, large.rows);
}

#[test]
fn a_row_is_written_hardly_more_often_than_places_allow() {
    // Fewer than C(3 + 4, 4) = 35 ingests fit four places where each row is written three times at most.
    let places = 4;
    let life = |hours: i64| {
        let mut life = Life::default();
        for hour in 0..hours {
            // Whose time is not known is not of the last days.
            life.files.push(Shape { range: None, ..file(0, 1_000, hour, hour) });
            (life.written, life.rows) = (life.written + 1_000, life.rows + 1_000);
            life.merge(places);
            assert!(life.files.len() <= places);
        }
        life
    };
    for (hours, merges) in [(4, 0), (14, 1), (34, 2), (69, 3)] {
        let life = life(hours);
        assert_eq!(life.rows, life.files.iter().map(|file| file.rows).sum::<u64>());
        assert!(life.written * 10 <= life.rows * (merges + 1) * 11, "{hours} hours: {} of {}", life.written, life.rows);
    }
}

#[test]
fn the_last_files_of_two_days_stay() {
    let hour = |rows: u64, n: i64| file(0, rows, n * HOUR_US, (n + 1) * HOUR_US);
    let hours = |rows: u64, hours: std::ops::Range<i64>| numbered(hours.map(|n| hour(rows, n)).collect());
    for rows in [100, 2_000] {
        assert!(crowded(&hours(rows, 0..24), 8, 100_000).is_empty());
        assert_eq!(crowded(&hours(rows, 0..25), 8, 100_000), (0..9).rev().collect::<Vec<_>>());
    }
    // Of exports each five minutes there are many more; the last ones stay.
    let often = numbered((0..33).map(|n| file(0, 8, n, n + 300)).collect());
    let merged = crowded(&often, 8, 100_000);
    assert!(merged.len() > 8 && merged.iter().all(|index| *index < 17), "{merged:?}");
    // What is older than two days is merged where it is too much, the smallest of it, and not what is much larger.
    let mut older = [hours(20_000, 0..4), hours(100, 4..9)].concat();
    older.push(hour(100, 100));
    assert_eq!(crowded(&numbered(older.clone()), 8, 100_000), [8, 7, 6, 5, 4]);
    assert!(crowded(&numbered(older.clone()), 9, 100_000).is_empty());
    assert!(crowded(&numbered(older), 8, 100).is_empty(), "one file alone");
    // Running sessions are few, so that they have fewer files.
    let running = |count: i64| numbered((0..count).map(|n| Shape { active: true, ..hour(100, n) }).collect());
    assert!(crowded(&running(4), 12, 100_000).is_empty());
    assert_eq!(crowded(&running(5), 12, 100_000), [2, 1, 0]);
}

#[test]
fn a_lake_of_many_small_files_gets_better_with_every_ingest() {
    let mut life = Life { files: (0..3_000).map(|n| file(0, 200, n, n + 3)).collect(), ..Life::default() };
    let mut runs = 0;
    while life.merge(8) {
        runs += 1;
    }
    assert!(life.files.len() < 60 && runs < 30, "{} files after {runs} runs", life.files.len());
}

proptest! {
    /// Once all units are written, nothing is left to do, and no two files share time.
    #[test]
    fn what_was_written_anew_is_good(
        drawn in proptest::collection::vec((1..300_000_u64, 0..1_000_i64, 0..200_i64, any::<bool>()), 0..40)
    ) {
        let mut files = numbered(drawn.iter().map(|(rows, first, length, is_sound)| {
            Shape { is_sound: *is_sound, ..file(0, *rows, *first * 1_000, (*first + *length) * 1_000) }
        }).collect());
        for round in 0.. {
            let units = units(&files);
            if units.is_empty() {
                break;
            }
            prop_assert!(round < 4);
            let mut all = units.concat();
            all.sort_unstable();
            prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "a file twice");
            for unit in &units {
                let gone: Vec<&Shape> = unit.iter().map(|index| &files[*index]).collect();
                let rows: u64 = gone.iter().map(|file| file.rows).sum();
                let first = gone.iter().map(|file| file.range.unwrap().0).min().unwrap();
                let last = gone.iter().map(|file| file.range.unwrap().1).max().unwrap();
                let count = files_of(rows) as i64;
                for n in 0..count {
                    let at = |n: i64| first + (last - first) * n / count;
                    let made = file(0, rows / count as u64, at(n), at(n + 1));
                    files.push(made);
                }
            }
            let mut index = 0;
            files.retain(|_| {
                index += 1;
                !all.contains(&(index - 1))
            });
            files = numbered(files);
        }
        prop_assert!(depth(files.iter(), 0).0 <= 1);
    }

    /// Whatever there is: no file twice, none that is large, no more rows than one file more than is allowed, and few files in the end.
    #[test]
    fn ingests_leave_few_files_whatever_there_is(
        drawn in proptest::collection::vec((1..200_000_u64, 0..1_000_i64, 0..200_i64, any::<bool>()), 0..120),
        most in 1..20_usize,
        max_rows in 1..300_000_u64,
    ) {
        let mut files = numbered(drawn.iter().map(|(rows, first, length, active)| {
            Shape { active: *active, ..file(0, *rows, *first * HOUR_US, (*first + *length) * HOUR_US) }
        }).collect());
        for _ in 0..drawn.len() {
            let merged = crowded(&files, most, max_rows);
            if merged.is_empty() {
                break;
            }
            let gone: Vec<&Shape> = merged.iter().map(|index| &files[*index]).collect();
            prop_assert!(gone.len() > 1 && gone.iter().all(|file| file.rows < ENOUGH_ROWS && file.active == gone[0].active));
            let rows: u64 = gone.iter().map(|file| file.rows).sum();
            prop_assert!(rows < max_rows + ENOUGH_ROWS);
            let first = gone.iter().map(|file| file.range.unwrap().0).min().unwrap();
            let last = gone.iter().map(|file| file.range.unwrap().1).max().unwrap();
            let made = Shape { active: gone[0].active, ..file(0, rows, first, last) };
            files.retain(|file| !merged.contains(&file.index));
            files.push(made);
            files = numbered(files);
        }
        prop_assert!(crowded(&files, most, max_rows).is_empty());
        let small = files.iter().filter(|file| file.rows < ENOUGH_ROWS).count();
        // Those that stay, and where few rows are merged at once, what is larger.
        prop_assert!(max_rows < 200_000 || small <= most * 3 + most.div_ceil(RUNNING_SHARE) + RECENT_RUNNING, "{small}");
    }
}
