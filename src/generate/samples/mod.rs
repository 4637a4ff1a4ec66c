//! The files of `data/`: made here, compared with what is there, and written anew with `SESSIONLAKE_BLESS=1`.
//!
//! Compressed files are compared after decompression and Parquet files by their rows: the bytes may change with a crate.

mod crafted;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::tests::{parquet_cells, parse_delimited};
use super::{GenerateCompression, GenerateFormat, GenerateOptions, generate};

/// Files by their path under `data/`, with `/` between folders.
type Files = BTreeMap<String, Vec<u8>>;

/// The largest that `data/workflow_sessions.csv` may be.
const MAIN_BYTES: usize = 2_500_000;

fn data_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

fn add_generated(files: &mut Files, folder: &str, change: impl Fn(&mut GenerateOptions)) {
    let out = tempfile::tempdir().unwrap();
    let mut options = GenerateOptions::new(out.path(), 200);
    change(&mut options);
    for file in generate(&options, &|_, _| {}).unwrap().files {
        let name = file.path.file_name().unwrap().to_str().unwrap();
        files.insert(format!("{folder}{name}"), std::fs::read(&file.path).unwrap());
    }
}

fn all_files() -> Files {
    let mut files = Files::new();
    // These two seeds are ones that give every kind of oddity at least once, and one long Data only.
    add_generated(&mut files, "", |options| {
        (options.sessions, options.seed, options.odd_per_million) = (2_000, 385, 7_500);
    });
    for (format, compression) in [
        (GenerateFormat::Csv, GenerateCompression::Gzip),
        (GenerateFormat::Tsv, GenerateCompression::None),
        (GenerateFormat::Ndjson, GenerateCompression::None),
        (GenerateFormat::Ndjson, GenerateCompression::Zstd),
        (GenerateFormat::JsonArray, GenerateCompression::None),
        (GenerateFormat::Pages, GenerateCompression::None),
        (GenerateFormat::Parquet, GenerateCompression::None),
    ] {
        add_generated(&mut files, "formats/", |options| {
            (options.format, options.compression) = (format, compression);
            (options.seed, options.odd_per_million) = (310, 60_000);
        });
    }
    add_generated(&mut files, "snapshots/", |options| {
        (options.sessions, options.seed, options.snapshots, options.days) = (240, 113, 3, 10);
        options.first_day = chrono::NaiveDate::from_ymd_opt(2026, 11, 11).unwrap();
    });
    files.extend(crafted::unusual().into_iter().map(|(name, bytes)| (format!("unusual/{name}"), bytes)));
    files.extend(crafted::broken().into_iter().map(|(name, bytes)| (format!("broken/{name}"), bytes)));
    files
}

/// Lists the files under a folder that samples may be in: all but the page about them and git's settings.
fn files_there(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files_there(&entry.path(), &format!("{name}/"), found);
        } else if !matches!(name.as_str(), "README.md" | ".gitattributes") {
            found.insert(name);
        }
    }
}

/// Returns bytes that are the same for files that mean the same.
fn content(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    match name {
        _ if name.starts_with("broken/") => return bytes.to_vec(),
        _ if name.ends_with(".gz") => {
            flate2::read::GzDecoder::new(bytes).read_to_end(&mut content).unwrap();
        }
        _ if name.ends_with(".zst") => content = zstd::decode_all(bytes).unwrap(),
        _ if name.ends_with(".parquet") => {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            std::io::Write::write_all(&mut file, bytes).unwrap();
            content = format!("{:?}", parquet_cells(file.path())).into_bytes();
        }
        _ => return bytes.to_vec(),
    }
    content
}

#[test]
fn the_sample_files_are_what_generate_makes_today() {
    let expected = all_files();
    let folder = data_folder();
    if std::env::var_os("SESSIONLAKE_BLESS").is_some() {
        for (name, bytes) in &expected {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let same = std::fs::read(&path).is_ok_and(|there| there.len() == bytes.len() && there == *bytes);
            if !same {
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
    for (name, bytes) in &expected {
        let there = std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("data/{name}: {error}"));
        assert!(
            content(name, &there) == content(name, bytes),
            "data/{name} is stale: run this test with SESSIONLAKE_BLESS=1 and look at the difference"
        );
    }
    let mut found = BTreeSet::new();
    files_there(&folder, "", &mut found);
    // What other tools wrote is made by tests/interop/run.sh.
    found.retain(|name| !name.starts_with("interop/"));
    assert_eq!(found, expected.into_keys().collect(), "files in data/ (left) and those that are made (right)");
}

#[test]
fn the_page_about_the_samples_names_every_file() {
    let page = std::fs::read_to_string(data_folder().join("README.md")).unwrap();
    for name in all_files().keys() {
        let short = name.rsplit('/').next().unwrap();
        assert!(page.contains(&format!("`{short}`")), "data/README.md does not name {name}");
    }
}

#[test]
fn the_main_sample_is_small_and_has_answers_for_the_standard_reports() {
    let bytes = &all_files()["workflow_sessions.csv"];
    assert!(bytes.len() <= MAIN_BYTES, "{} bytes", bytes.len());
    let rows = parse_delimited(std::str::from_utf8(bytes).unwrap(), ',');
    let column = |name: &str| rows[0].iter().position(|header| header == name).unwrap();
    let (started, ended, action) = (column("Started At"), column("Ended At"), column("Action Data"));
    let (phone, workflow, version) =
        (column("Source Details - Phone Number"), column("Workflow Id"), column("Version Id"));
    let count = |keep: &dyn Fn(&Vec<String>) -> bool| rows[1..].iter().filter(|row| keep(row)).count();
    assert!(count(&|row| row[started].starts_with("2026-11-20")) >= 20, "sessions of yesterday");
    assert!(count(&|row| row[ended].is_empty()) >= 8, "active sessions");
    assert!(count(&|row| row[ended].is_empty() && row[started].as_str() < "2026-11-18") >= 4, "stuck sessions");
    let ended_with = |word: &str| count(&|row| !row[ended].is_empty() && row[action].contains(word));
    assert!(ended_with("end") > 700 && ended_with("createInteraction") > 500);
    let distinct = |column: usize| rows[1..].iter().map(|row| &row[column]).collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(workflow), 24);
    assert!(distinct(version) > 40, "{} versions", distinct(version));
    // Returning callers: the same number twice within a day, in order of start.
    let mut last = BTreeMap::new();
    let mut returns = 0;
    for row in rows[1..].iter().filter(|row| row[phone].starts_with('+')) {
        let at = chrono::DateTime::parse_from_rfc3339(&row[started]).unwrap();
        if let Some(before) = last.insert(&row[phone], at) {
            returns += u32::from(at.signed_duration_since(before).num_hours() < 24);
        }
    }
    assert!(returns >= 40, "{returns} returns within a day");
}
