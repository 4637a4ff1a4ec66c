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

/// Ingests files of so many rows, one an hour, each with a tier: rows written, all rows, and the most files there were.
fn lived(sizes: impl Iterator<Item = u64>, fanout: usize) -> (u64, u64, usize) {
    let (mut files, mut written, mut rows, mut most): (Vec<Shape>, u64, u64, usize) = (Vec::new(), 0, 0, 0);
    for (now, size) in sizes.enumerate() {
        let now = now as i64 * HOUR_US;
        files = numbered(files);
        files.push(file(files.len(), size, now - 2 * HOUR_US, now));
        (written, rows) = (written + size, rows + size);
        let merged = tier(&files, fanout, layout::FILE_ROWS as u64);
        if !merged.is_empty() {
            let (gone, mut left): (Vec<Shape>, Vec<Shape>) =
                files.into_iter().partition(|file| merged.contains(&file.index));
            let sum: u64 = gone.iter().map(|file| file.rows).sum();
            written += sum;
            let first = gone.iter().filter_map(|file| file.range).map(|range| range.0).min().unwrap();
            let last = gone.iter().filter_map(|file| file.range).map(|range| range.1).max().unwrap();
            let count = files_of(sum);
            (0..count).for_each(|_| left.push(file(0, sum / count, first, last)));
            files = left;
        }
        most = most.max(files.len());
    }
    (written, rows, most)
}

#[test]
fn a_year_of_hours_is_few_files_and_every_row_is_written_a_few_times() {
    let (written, rows, most) = lived((0..8_760).map(|_| 100), 10);
    assert!(written <= rows * 5 && most <= 80, "{written} of {rows} rows, {most} files");
    let (written, rows, most) = lived((0..8_760).map(|hour| 20 + hour % 24 * 40), 10);
    assert!(written <= rows * 6 && most <= 130, "{written} of {rows} rows, {most} files");
    // What is large from the start is written once.
    let (written, rows, _) = lived((0..50).map(|_| 150_000), 10);
    assert_eq!(written, rows);
}

#[test]
fn the_last_files_of_two_days_stay_some_of_each_size() {
    let hour = |rows: u64, n: i64| file(0, rows, n * HOUR_US, (n + 1) * HOUR_US);
    let hours = |rows: u64, hours: std::ops::Range<i64>| numbered(hours.map(|n| hour(rows, n)).collect());
    for rows in [100, 2_000] {
        assert!(tier(&hours(rows, 0..24), 8, 100_000).is_empty());
        assert!(tier(&hours(rows, 0..31), 8, 100_000).is_empty());
        assert_eq!(tier(&hours(rows, 0..32), 8, 100_000), (0..8).collect::<Vec<_>>());
    }
    // Some of each size.
    let both = [hours(100, 0..20), hours(2_000, 0..20)].concat();
    assert!(tier(&numbered(both), 8, 100_000).is_empty());
    // Of exports each five minutes there are many more.
    let often = numbered((0..33).map(|n| file(0, 8, n, n + 300)).collect());
    assert_eq!(tier(&often, 8, 100_000), (0..9).collect::<Vec<_>>());
    // What is older than two days, and running sessions, are merged as ever.
    let mut older = hours(100, 0..8);
    older.push(hour(100, 100));
    assert_eq!(tier(&numbered(older), 8, 100_000).len(), 8);
    let running = numbered((0..8).map(|n| Shape { active: true, ..hour(100, n) }).collect());
    assert_eq!(tier(&running, 8, 100_000).len(), 8);
}

#[test]
fn a_lake_of_many_small_files_gets_better_with_every_ingest() {
    let mut files = numbered((0..3_000).map(|n| file(0, 200, n, n + 3)).collect());
    let mut runs = 0;
    loop {
        let merged = tier(&files, 8, 100_000);
        let rows: u64 = merged.iter().map(|index| files[*index].rows).sum();
        if merged.is_empty() {
            break;
        }
        assert!(rows <= 100_000 + 80_000);
        files.retain(|file| !merged.contains(&file.index));
        files.push(file(0, rows, 0, 9));
        files = numbered(files);
        runs += 1;
    }
    assert!(files.len() < 60 && runs < 30, "{} files after {runs} runs", files.len());
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
}
