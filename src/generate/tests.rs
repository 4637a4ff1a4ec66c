//! What holds between exports: bytes, formats, snapshots, shares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::value::RawValue;

use super::*;
use crate::schema::{COLUMNS, Kind, match_headers};

/// The cells of a row in the order of [`COLUMNS`], as text; instants in microseconds, seconds as the bits of a double.
type Cells = [Option<String>; 14];

fn options(out: &Path, sessions: u64) -> GenerateOptions {
    GenerateOptions { odd_per_million: 20_000, ..GenerateOptions::new(out, sessions) }
}

fn run(options: &GenerateOptions) -> GenerateSummary {
    generate(options, &|_, _| {}).unwrap()
}

fn in_temporary<T>(change: impl Fn(&mut GenerateOptions), sessions: u64, read: impl Fn(&GenerateSummary) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), sessions);
    change(&mut options);
    read(&run(&options))
}

/// Splits delimiter-separated text by RFC 4180.
pub(super) fn parse_delimited(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut characters = text.chars().peekable();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => quoted = !quoted,
            _ if quoted => cell.push(character),
            '\n' => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            _ if character == delimiter => row.push(std::mem::take(&mut cell)),
            _ => cell.push(character),
        }
    }
    assert!(!quoted && row.is_empty() && cell.is_empty(), "the text ends within a record");
    rows
}

fn canonical(index: usize, text: String) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    Some(match COLUMNS[index].kind {
        Kind::Text | Kind::Json => text,
        Kind::Timestamp => DateTime::parse_from_rfc3339(&text).unwrap().timestamp_micros().to_string(),
        Kind::Seconds => text.parse::<f64>().unwrap().to_bits().to_string(),
    })
}

fn delimited_cells(text: &str, delimiter: char) -> Vec<Cells> {
    let mut rows = parse_delimited(text, delimiter);
    let headers = rows.remove(0);
    assert_eq!(headers, COLUMNS.each_ref().map(|column| column.documented));
    rows.into_iter()
        .map(|row| {
            assert_eq!(row.len(), 14);
            let mut cells = Cells::default();
            for (index, text) in row.into_iter().enumerate() {
                cells[index] = canonical(index, text);
            }
            cells
        })
        .collect()
}

fn object_cells(object: &BTreeMap<String, Box<RawValue>>) -> Cells {
    let names: Vec<&String> = object.keys().collect();
    let headers = match_headers(&names, &[]).unwrap();
    let mut cells = Cells::default();
    for (index, column) in COLUMNS.iter().enumerate() {
        let raw = object[names[headers.position(column.name).unwrap()]].get();
        cells[index] = match raw.as_bytes()[0] {
            b'"' => canonical(index, serde_json::from_str(raw).unwrap()),
            b'n' => None,
            _ => canonical(index, raw.to_owned()),
        };
    }
    cells
}

fn page_cells(text: &str) -> Vec<Cells> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        column_headers: Vec<BTreeMap<String, String>>,
        records: Vec<Vec<String>>,
    }
    let mut rows = Vec::new();
    for line in text.lines() {
        let page: Page = serde_json::from_str(line).unwrap();
        let names: Vec<&String> = page.column_headers.iter().map(|header| &header["name"]).collect();
        let headers = match_headers(&names, &[]).unwrap();
        for mut record in page.records {
            let mut cells = Cells::default();
            for (index, column) in COLUMNS.iter().enumerate() {
                let text = std::mem::take(&mut record[headers.position(column.name).unwrap()]);
                cells[index] = canonical(index, text).filter(|text| text != "null");
            }
            rows.push(cells);
        }
    }
    rows
}

pub(super) fn parquet_cells(path: &Path) -> Vec<Cells> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let mut cells = Cells::default();
            for (index, column) in COLUMNS.iter().enumerate() {
                let array = batch.column_by_name(column.name).unwrap();
                cells[index] = (!array.is_null(row)).then(|| match column.kind {
                    Kind::Text | Kind::Json => array.as_string::<i32>().value(row).to_owned(),
                    Kind::Timestamp => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
                    Kind::Seconds => array.as_primitive::<Float64Type>().value(row).to_bits().to_string(),
                });
            }
            rows.push(cells);
        }
    }
    rows
}

fn read_cells(format: GenerateFormat, path: &Path) -> Vec<Cells> {
    if format == GenerateFormat::Parquet {
        return parquet_cells(path);
    }
    let text = std::fs::read_to_string(path).unwrap();
    match format {
        GenerateFormat::Csv => delimited_cells(&text, ','),
        GenerateFormat::Tsv => delimited_cells(&text, '\t'),
        GenerateFormat::Ndjson => text.lines().map(|line| object_cells(&serde_json::from_str(line).unwrap())).collect(),
        GenerateFormat::JsonArray => serde_json::from_str::<Vec<BTreeMap<String, Box<RawValue>>>>(&text)
            .unwrap()
            .iter()
            .map(object_cells)
            .collect(),
        GenerateFormat::Pages => page_cells(&text),
        GenerateFormat::Parquet => unreachable!(),
    }
}

fn cell(cells: &Cells, name: &str) -> Option<String> {
    cells[COLUMNS.iter().position(|column| column.name == name).unwrap()].clone()
}

#[test]
fn the_same_options_give_the_same_bytes_on_any_number_of_threads() {
    for format in GenerateFormat::ALL {
        let bytes = |threads, seed| {
            in_temporary(
                |options| {
                    (options.format, options.threads, options.seed) = (format, threads, seed);
                },
                4_200,
                |summary| std::fs::read(&summary.files[0].path).unwrap(),
            )
        };
        let once = bytes(1, 7);
        assert!(once == bytes(3, 7), "{format}");
        assert!(format != GenerateFormat::Csv || once != bytes(1, 8));
    }
}

#[test]
fn every_shape_gives_the_same_bytes_on_any_number_of_threads_and_the_same_values_in_every_format() {
    for name in Shape::names() {
        let made = |format, threads| {
            in_temporary(
                |options| {
                    (options.format, options.threads) = (format, threads);
                    options.shape = Some(Shape::named(name).unwrap());
                },
                if name == "large" { 30 } else { 300 },
                |summary| {
                    let path = &summary.files[0].path;
                    (std::fs::read(path).unwrap(), read_cells(format, path))
                },
            )
        };
        let (bytes, csv) = made(GenerateFormat::Csv, 1);
        assert!(bytes == made(GenerateFormat::Csv, 3).0, "{name}");
        assert!(csv == made(GenerateFormat::Ndjson, 1).1, "{name}");
        assert!(csv.iter().any(|cells| cell(cells, "data").is_some_and(|data| data.starts_with('{'))), "{name}");
    }
}

#[test]
fn every_format_holds_the_same_values() {
    let cells = |format| {
        in_temporary(
            |options| options.format = format,
            3_000,
            |summary| {
                let cells = read_cells(format, &summary.files[0].path);
                assert_eq!(cells.len() as u64, summary.rows, "{format}");
                cells
            },
        )
    };
    let csv = cells(GenerateFormat::Csv);
    for format in GenerateFormat::ALL {
        for (line, (expected, found)) in csv.iter().zip(cells(format)).enumerate() {
            assert_eq!(expected, &found, "row {line} of {format}");
        }
    }
}

#[test]
fn an_empty_history_is_a_whole_file_in_every_format() {
    for format in GenerateFormat::ALL {
        let rows =
            in_temporary(|options| options.format = format, 0, |summary| read_cells(format, &summary.files[0].path));
        assert!(rows.is_empty(), "{format}");
    }
}

#[test]
fn odd_and_active_sessions_have_their_shares() {
    in_temporary(
        |_| {},
        8_000,
        |summary| {
            let file = &summary.files[0];
            assert_eq!(file.sessions, 8_000);
            assert!((110..210).contains(&file.odd), "{} odd", file.odd);
            assert!((40..130).contains(&file.active), "{} active", file.active);
            assert!(file.rows > 8_000 && file.rows < 8_100, "{} rows", file.rows);
            let rows = read_cells(GenerateFormat::Csv, &file.path);
            let ids: BTreeSet<_> = rows.iter().map(|row| cell(row, "session_id")).collect();
            assert_eq!(ids.len(), 8_000);
            let exported_us = file.exported_at.timestamp_micros();
            assert!(rows.iter().all(|row| cell(row, "started_at").unwrap().parse::<i64>().unwrap() < exported_us));
            let share = |name| rows.iter().filter(|row| cell(row, name).is_some()).count() * 100 / rows.len();
            assert!(
                (50..75).contains(&share("variables_category")),
                "{} % have a category",
                share("variables_category")
            );
            let phones = share("source_details_phone_number");
            assert!((80..95).contains(&phones), "{phones} % have a phone number");
        },
    );
}

#[test]
fn no_odd_sessions_means_no_broken_json_and_no_duplicates() {
    in_temporary(
        |options| options.odd_per_million = 0,
        3_000,
        |summary| {
            assert_eq!((summary.rows, summary.files[0].odd), (3_000, 0));
            for row in read_cells(GenerateFormat::Csv, &summary.files[0].path) {
                let data: serde_json::Value = serde_json::from_str(&cell(&row, "data").unwrap()).unwrap();
                let source: serde_json::Value = serde_json::from_str(&cell(&row, "source_details").unwrap()).unwrap();
                assert_eq!(data["source"], source);
                assert_eq!(
                    source["phoneNumber"].as_str().map(str::to_owned),
                    cell(&row, "source_details_phone_number")
                );
                let instant = |name| cell(&row, name).map(|text| text.parse::<i64>().unwrap());
                let recorded = f64::from_bits(cell(&row, "time_in_workflow").unwrap().parse().unwrap());
                if let (Some(started_us), Some(ended_us)) = (instant("started_at"), instant("ended_at")) {
                    assert!(((ended_us - started_us) as f64 / 1e6 - recorded).abs() < 0.002);
                }
            }
        },
    );
}

/// Reads every snapshot, by session id.
fn snapshots(change: impl Fn(&mut GenerateOptions)) -> Vec<BTreeMap<String, Cells>> {
    in_temporary(
        |options| {
            (options.snapshots, options.odd_per_million) = (4, 0);
            change(options);
        },
        4_000,
        |summary| {
            let read = |file: &GeneratedFile| {
                let rows = read_cells(GenerateFormat::Csv, &file.path);
                rows.into_iter().map(|row| (cell(&row, "session_id").unwrap(), row)).collect()
            };
            summary.files.iter().map(read).collect()
        },
    )
}

#[test]
fn later_snapshots_agree_with_earlier_ones() {
    let snapshots = snapshots(|options| options.days = 8);
    let (mut ended_later, mut corrected, mut still_active) = (0, 0, 0);
    for pair in snapshots.windows(2) {
        assert!(pair[1].len() > pair[0].len());
        for (id, earlier) in &pair[0] {
            let later = &pair[1][id];
            for name in ["started_at", "workflow_id", "version_id", "source_details", "communication_type"] {
                assert_eq!(cell(earlier, name), cell(later, name));
            }
            match (cell(earlier, "ended_at"), cell(later, "ended_at")) {
                (Some(_), _) if earlier == later => {}
                (Some(before), Some(after)) => {
                    assert_eq!(before, after);
                    assert_ne!(cell(earlier, "variables_category"), cell(later, "variables_category"));
                    corrected += 1;
                }
                (Some(_), None) => panic!("session {id} came back to life"),
                (None, Some(_)) => ended_later += 1,
                (None, None) => {
                    let seconds = |row| f64::from_bits(cell(row, "time_in_workflow").unwrap().parse().unwrap());
                    assert!(seconds(later) > seconds(earlier) + 86_000.0);
                    still_active += 1;
                }
            }
        }
    }
    assert!(ended_later >= 3 && still_active >= 10, "{ended_later} ended later, {still_active} still active");
    assert!((1..40).contains(&corrected), "{corrected} corrected");
}

#[test]
fn a_window_leaves_out_only_what_did_not_change() {
    let whole = snapshots(|_| {});
    let windowed = snapshots(|options| options.window_days = Some(1));
    let mut table = whole[0].clone();
    for (whole, windowed) in whole.iter().zip(&windowed).skip(1) {
        assert!(windowed.len() < whole.len() / 10, "{} of {}", windowed.len(), whole.len());
        table.extend(windowed.clone());
        assert!(table == *whole);
    }
}

#[test]
fn parts_put_together_are_the_whole() {
    let whole = in_temporary(|_| {}, 1_000, |summary| read_cells(GenerateFormat::Csv, &summary.files[0].path));
    in_temporary(
        |options| options.sessions_per_file = Some(300),
        1_000,
        |summary| {
            let names: Vec<_> = summary.files.iter().map(|file| file.path.file_name().unwrap().to_owned()).collect();
            assert_eq!(names.len(), 4);
            assert_eq!(names[0], "workflow_sessions.part-00001.csv");
            let read = |file: &GeneratedFile| read_cells(GenerateFormat::Csv, &file.path);
            assert!(summary.files.iter().flat_map(read).collect::<Vec<_>>() == whole);
        },
    );
}

#[test]
fn files_carry_the_instant_of_their_export() {
    in_temporary(
        |options| options.snapshots = 2,
        50,
        |summary| {
            for (file, day) in summary.files.iter().zip(["2026-11-20", "2026-11-21"]) {
                assert_eq!(file.exported_at.to_rfc3339(), format!("{day}T00:00:00+00:00"));
                let metadata = std::fs::metadata(&file.path).unwrap();
                let since = metadata.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                assert_eq!(since, Duration::from_micros(file.exported_at.timestamp_micros().unsigned_abs()));
                assert_eq!(metadata.len(), file.bytes);
            }
        },
    );
}

#[test]
fn progress_ends_at_the_totals() {
    let folder = tempfile::tempdir().unwrap();
    let last = std::cell::Cell::new((0, 0));
    let summary = generate(&options(folder.path(), 5_000), &|rows, bytes| {
        assert!(rows > last.get().0 && bytes > last.get().1);
        last.set((rows, bytes));
    });
    let summary = summary.unwrap();
    assert_eq!(last.get(), (summary.rows, summary.bytes));
}

#[test]
fn a_file_that_cannot_be_renamed_into_place_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("workflow_sessions.csv");
    std::fs::create_dir_all(target.join("in the way")).unwrap();
    let error = generate(&options(folder.path(), 10), &|_, _| {}).unwrap_err();
    assert!(matches!(error, Error::Storage { .. }) && error.to_string().contains("workflow_sessions.csv"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn options_that_make_no_sense_are_usage_errors() {
    let wrong: [fn(&mut GenerateOptions); 8] = [
        |options| options.sessions = u64::MAX,
        |options| options.snapshots = 0,
        |options| options.days = 0,
        |options| options.odd_per_million = 1_000_001,
        |options| options.sessions_per_file = Some(0),
        |options| (options.snapshots, options.snapshot_interval_hours) = (3, 24 * 26),
        |options| (options.format, options.compression) = (GenerateFormat::Parquet, GenerateCompression::Gzip),
        |options| options.first_day = NaiveDate::MIN,
    ];
    for (place, change) in wrong.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(&folder.path().join("new"), 10);
        change(&mut options);
        assert!(matches!(generate(&options, &|_, _| {}), Err(Error::Usage { .. })), "case {place}");
        assert!(!folder.path().join("new").exists(), "case {place}");
    }
}

#[test]
fn names_of_formats_and_compressions_come_back() {
    for format in GenerateFormat::ALL {
        assert_eq!(format.to_string().parse::<GenerateFormat>().unwrap(), format);
    }
    for compression in GenerateCompression::ALL {
        assert_eq!(compression.to_string().parse::<GenerateCompression>().unwrap(), compression);
    }
    assert_eq!("xml".parse::<GenerateFormat>().unwrap_err().to_string(), "unknown format \"xml\"");
}

#[test]
fn data_has_some_hundred_paths_some_rare_and_some_of_mixed_types() {
    fn walk<'a>(path: &str, value: &'a serde_json::Value, visit: &mut dyn FnMut(&str, &'a serde_json::Value)) {
        match value.as_object() {
            Some(members) => members.iter().for_each(|(key, value)| walk(&format!("{path}.{key}"), value, visit)),
            None => visit(path, value),
        }
    }
    let texts = in_temporary(
        |options| options.odd_per_million = 0,
        6_000,
        |summary| {
            let rows = read_cells(GenerateFormat::Csv, &summary.files[0].path);
            rows.iter().map(|row| cell(row, "data").unwrap()).collect::<Vec<_>>()
        },
    );
    let mut paths: BTreeMap<String, (u32, BTreeSet<&str>)> = BTreeMap::new();
    let mut embedded = 0;
    for text in &texts {
        let data: serde_json::Value = serde_json::from_str(text).unwrap();
        walk("$", &data, &mut |path, value| {
            let kind = match value {
                serde_json::Value::Null => "null",
                serde_json::Value::Bool(_) => "boolean",
                serde_json::Value::Number(_) => "number",
                serde_json::Value::String(inner) => {
                    embedded += u32::from(inner.starts_with(['{', '[']));
                    "string"
                }
                _ => "other",
            };
            let entry = paths.entry(path.to_owned()).or_default();
            entry.0 += 1;
            entry.1.insert(kind);
        });
    }
    let rare = paths.values().filter(|(count, _)| *count < 60).count();
    let common = paths.values().filter(|(count, _)| *count > 300).count();
    let mixed = paths.values().filter(|(_, kinds)| kinds.contains("string") && kinds.len() > 1).count();
    assert!((300..600).contains(&paths.len()), "{} paths", paths.len());
    assert!(rare > 100 && (25..80).contains(&common), "{rare} rare, {common} common");
    assert!(mixed > 20 && embedded > 200, "{mixed} of mixed types, {embedded} with JSON inside strings");
    for piece in ["\\u00e9", "\\n", "\\\"", "\\\\", "é", "محمد", "王", "Анна", "\"yes\"", "\"events\":[{"] {
        assert!(texts.iter().any(|text| text.contains(piece)), "no {piece} anywhere");
    }
}
