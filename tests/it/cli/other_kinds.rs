//! Exports that come packed, in archives, or as other kinds of file.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use crate::support::{Desk, EXPORTED};

const AT: [&str; 2] = ["--exported-at", EXPORTED];

fn zip_of(desk: &Desk, files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, source) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(&std::fs::read(desk.path(source)).unwrap()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn an_archive_is_taken_in_once_and_its_bad_records_can_be_replayed() {
    let desk = Desk::new();
    let files = [
        ("2026/all.csv", "data/workflow_sessions.csv"),
        ("2026/odd.csv", "data/unusual/cp1252.csv"),
        ("README.md", "data/README.md"),
    ];
    std::fs::write(desk.path("export.zip"), zip_of(&desk, &files)).unwrap();
    let ingest = [&["ingest", "export.zip"], &AT[..]].concat();
    let first = desk.run(&ingest);
    assert_eq!(first.code, 3, "{}", first.err);
    assert!(first.out.contains("export.zip/2026/all.csv: 2004 rows read = 2000 inserted"), "{}", first.out);
    assert!(first.out.contains("  left out of the archive for their endings: \"README.md\"\n"), "{}", first.out);
    assert!(first.out.contains("export.zip/2026/odd.csv: "), "{}", first.out);
    let again = desk.run(&ingest).fine();
    assert!(again.contains("export.zip/2026/all.csv: already in version 1, nothing to do\n"), "{again}");
    assert!(again.ends_with("nothing was committed\n"), "{again}");
    let unpacked = desk.run(&[&["ingest", "data/workflow_sessions.csv"], &AT[..]].concat()).fine();
    assert!(unpacked.contains("already in version 1"), "{unpacked}");
    assert_eq!(desk.value("select max(file) from quarantine", &[]), "export.zip/2026/odd.csv");
    let replayed = desk.run(&["ingest", "--replay-quarantine", "--encoding", "cp1252"]).fine();
    assert!(replayed.starts_with("quarantine: 1 rows read = 1 inserted"), "{replayed}");
}

#[test]
fn what_a_query_writes_comes_back_equal() {
    let desk = Desk::with_lake();
    let sql = "select * from workflow_sessions";
    let all = "select * from workflow_sessions order by session_id";
    let expected = desk.query(all, &["--csv"]).fine();
    for name in ["out.arrow", "out.parquet"] {
        desk.query(sql, &["-o", name]).fine();
        let lake = format!("lake-{name}");
        let out = desk.run(&[&["ingest", "--lake", &lake, name], &AT[..]].concat()).fine();
        assert!(out.contains("2000 rows read = 2000 inserted"), "{out}");
        assert_eq!(desk.run(&["query", "--lake", &lake, "--csv", "-c", all]).fine(), expected, "{name}");
    }
}

#[test]
fn options_of_other_formats_are_told_by_their_own_names() {
    let desk = Desk::new();
    for (file, flags, words, hint) in [
        (
            "pandas.xlsx",
            ["--dialect", "excel-de"],
            "is an XLSX workbook, and --dialect excel-de is one of delimited text",
            "--date-format de",
        ),
        (
            "pandas.ods",
            ["--dialect", "spark"],
            "is an OpenDocument spreadsheet, and --dialect spark",
            "without --dialect",
        ),
        (
            "pyarrow.parquet",
            ["--dialect", "postgres-text"],
            "is a Parquet file, and --dialect postgres-text",
            "--null-mark '\\N'",
        ),
        (
            "chdb.arrow",
            ["--skip-lines", "1"],
            "is an Arrow file, and --skip-lines leaves out lines",
            "without --skip-lines",
        ),
        (
            "chdb.avro",
            ["--columns", "session_id,started_at"],
            "is an Avro file, and --columns names",
            "without --columns",
        ),
        ("delta", ["--dialect", "mysql"], "is a Delta table, and --dialect mysql", "without --dialect"),
        (
            "duckdb.ndjson",
            ["--dialect", "mysql"],
            "is JSON, and --dialect mysql is one of delimited text",
            "without --dialect",
        ),
        ("duckdb.csv", ["--records", "$.data"], "is delimited text, and --records says where", "without --records"),
        (
            "pyarrow.parquet",
            ["--input-format", "csv"],
            "is a Parquet file, which is declared to be something else",
            "leave out --input-format",
        ),
    ] {
        let path = format!("data/interop/{file}");
        let ran = desk.run(&[&["ingest", &path], &flags[..]].concat());
        assert!(ran.code == 3 && ran.err.contains(words) && ran.err.contains(hint), "{file} {flags:?} {ran:#?}");
        assert!(flags[0] == "--input-format" || !ran.err.contains("--input-format"), "{ran:#?}");
    }
    for (file, flags, note) in [
        ("pandas.xlsx", ["--delimiter", ";"], "--delimiter means nothing for an XLSX workbook"),
        ("pyarrow.parquet", ["--encoding", "cp1252"], "--encoding means nothing for a Parquet file"),
        ("duckdb.csv", ["--sheet", "2"], "--sheet means nothing for delimited text"),
    ] {
        let path = format!("data/interop/{file}");
        let out = desk.run(&[&["ingest", "--lake", file, &path], &flags[..]].concat()).fine();
        assert!(out.contains(note) && out.contains("6 inserted"), "{out}");
    }
}

#[test]
fn zeros_behind_packed_data_are_passed_over_and_other_bytes_are_refused_with_what_helps() {
    let desk = Desk::new();
    let text = "Session Id,Started At\ns1,2026-11-20T10:00:00Z\ns2,2026-11-20T11:00:00Z\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    let gzip = packed.finish().unwrap();
    let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    let bzip2 = packed.finish().unwrap();
    for (name, bytes, tool) in [("a.csv.gz", &gzip, "gzip"), ("a.csv.bz2", &bzip2, "bzip2")] {
        std::fs::write(desk.path(name), [&bytes[..], &[0; 5000]].concat()).unwrap();
        let out = desk.run(&[&["ingest", "--lake", tool, name], &AT[..]].concat()).fine();
        assert!(out.contains("2 rows read = 2 inserted"), "{out}");
        std::fs::write(desk.path(name), [&bytes[..], b"more"].concat()).unwrap();
        let ran = desk.run(&[&["ingest", "--lake", tool, name], &AT[..]].concat());
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains(&format!("behind the {tool} data stand bytes that are none of it")), "{ran:?}");
        assert!(ran.err.contains(&format!("{tool} -dc {name:?} > \"a.csv\"")), "{ran:?}");
    }
}
