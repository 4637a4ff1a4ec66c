//! Turns the arguments of an ingest into input files: files, folders, globs and `-`; an archive stands for the files inside of it, and the
//! folder of a Delta table is one input.
//!
//! The order is the order of the arguments, and by name within a folder or glob, so that the same call reads the same files
//! in the same order everywhere. Hidden files, names that begin with an underscore and files of unknown endings are skipped in
//! folders, never when they are named.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::archive::members;
use super::detect::{is_archive_name, is_known_name};
use super::source::Delta;
use super::source::SourceFile;
use crate::error::{Error, Result, io_error};
use crate::lake::foreign::is_table;
use crate::lake::layout;

/// Folders nested deeper than this are refused: a loop of links is more likely than a tree of that depth.
const MAX_FOLDER_DEPTH: usize = 64;

/// Lists the input files that the arguments mean: files, folders (recursively, files of known endings in name order, those that begin
/// with a point or an underscore skipped), glob patterns, and `-` for standard input.
///
/// A name that exists is that file or folder, even if it looks like a pattern.
///
/// # Errors
/// An argument that matches nothing, a broken pattern, `-` twice, a folder that cannot be read, or files that are a part of a table of Delta,
/// Iceberg or Hudi: rows that were removed from it would come back.
pub fn expand(arguments: &[String]) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for argument in arguments {
        if argument == "-" {
            if files.iter().any(|file: &SourceFile| file.path.is_none()) {
                return Err(Error::usage("standard input is named twice"));
            }
            files.push(SourceFile {
                name: "-".to_owned(),
                path: None,
                size_bytes: None,
                modified_us: None,
                member: None,
                delta: None,
            });
            continue;
        }
        let before = files.len();
        let path = Path::new(argument);
        // Links are followed here: the user named this path.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                if !is_table(path) {
                    require_outside_of_tables(path)?;
                }
                walk(path, 0, &mut files)?;
                if files.len() == before {
                    return Err(not_found(format!("no input files in folder {argument:?}"))
                        .with_hint("in a folder only files that end in .csv, .tsv, .json, .ndjson, .jsonl, .parquet, .arrow, .feather, .avro, .xlsx or .ods are read, also with .gz, .zst, .bz2, .xz or .lz4 behind, and archives that end in .zip, .tar or .tgz; name others one by one"));
                }
            }
            Ok(_) => push(path, &mut files)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_pattern(argument) => {
                expand_pattern(argument, &mut files)?;
                if files.len() == before {
                    return Err(not_found(format!("no input files match {argument:?}")));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(not_found(format!("no such input file or folder {argument:?}")));
            }
            Err(error) => return Err(io_error(path)(error)),
        }
    }
    Ok(files)
}

fn not_found(message: String) -> Error {
    Error::NotFound { message, hint: None }
}

fn is_pattern(argument: &str) -> bool {
    argument.contains(['*', '?', '['])
}

fn expand_pattern(pattern: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let paths = glob::glob_with(pattern, options).map_err(|error| {
        Error::usage(format!("broken pattern {pattern:?}: {} at character {}", error.msg, error.pos + 1))
    })?;
    let mut known_parent: Option<PathBuf> = None;
    for path in paths {
        let path = path.map_err(|error| {
            let context = error.path().display().to_string();
            Error::storage(context, std::io::Error::from(error))
        })?;
        let parent = path.parent().unwrap_or(&path);
        if known_parent.as_deref() != Some(parent) {
            require_outside_of_tables(&path)?;
            known_parent = Some(parent.to_owned());
        }
        if path.is_dir() {
            walk(&path, 0, files)?;
        } else {
            push(&path, files)?;
        }
    }
    Ok(())
}

/// Adds a file, or the files inside of it if it is an archive.
fn push(path: &Path, files: &mut Vec<SourceFile>) -> Result<()> {
    let file = describe(path)?;
    // What can be read only once, a pipe, is no archive.
    let inside = if file.size_bytes.is_some() { members(&file, path)? } else { None };
    match inside {
        Some(inside) => files.extend(inside),
        None => files.push(file),
    }
    Ok(())
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<SourceFile>) -> Result<()> {
    if depth > MAX_FOLDER_DEPTH {
        return Err(Error::usage(format!("folders are nested more than {MAX_FOLDER_DEPTH} deep at {folder:?}")));
    }
    if is_table(folder) {
        files.push(SourceFile {
            name: folder.to_string_lossy().into_owned(),
            path: Some(folder.to_owned()),
            size_bytes: None,
            modified_us: None,
            member: None,
            delta: Some(Delta::Folder),
        });
        return Ok(());
    }
    refuse_other_tables(folder)?;
    // Beside the sessions a lake has tables of its own.
    let is_lake = is_table(&folder.join(layout::SESSIONS));
    let beside = [layout::QUARANTINE, layout::SIGHTINGS, layout::TAKEN, layout::ERASED];
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error(folder))? {
        let entry = entry.map_err(io_error(folder))?;
        if is_lake && beside.iter().any(|table| entry.file_name() == *table) && is_table(&entry.path()) {
            continue;
        }
        // Names that begin so are those of other programs' own files: _temporary, _SUCCESS, .crc.
        if !entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            entries.push(entry);
        }
    }
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path: PathBuf = entry.path();
        // Links to folders are not followed: they may lead in circles.
        if entry.file_type().map_err(io_error(&path))?.is_dir() {
            walk(&path, depth + 1, files)?;
        } else if (is_known_name(&path.to_string_lossy()) || is_archive_name(&path.to_string_lossy())) && !path.is_dir()
        {
            push(&path, files)?;
        }
    }
    Ok(())
}

/// Refuses what lies inside of a Delta table: not all files there are of its newest version.
fn require_outside_of_tables(path: &Path) -> Result<()> {
    let absolute = std::path::absolute(path).map_err(io_error(path))?;
    match absolute.ancestors().skip(1).find(|folder| is_table(folder)) {
        Some(table) => Err(Error::usage(format!(
            "{path:?} is a part of the Delta table {table:?}, whose files are not all of its newest version"
        ))
        .with_hint("name the table's folder to take in its newest version, or files in it one by one")),
        None => Ok(()),
    }
}

/// Refuses folders with the tables of other formats, for the same reason.
fn refuse_other_tables(folder: &Path) -> Result<()> {
    if folder.join(".hoodie").is_dir() {
        return Err(Error::usage(format!("folder {folder:?} is a Hudi table, which is not read"))
            .with_hint("write its rows into a Parquet file with Spark, and take that in"));
    }
    let is_described = |entry: fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".metadata.json");
    let mut described = fs::read_dir(folder.join("metadata")).into_iter().flatten().flatten();
    if described.any(is_described) {
        let text = folder.to_string_lossy().replace(['\'', '"'], "?");
        return Err(Error::usage(format!("folder {folder:?} is an Iceberg table, which is not read")).with_hint(
            format!(
                "write its rows into a Parquet file and take that in: duckdb -c \"install iceberg; load iceberg; \
             copy (from iceberg_scan('{text}')) to 'sessions.parquet'\""
            ),
        ));
    }
    Ok(())
}

fn describe(path: &Path) -> Result<SourceFile> {
    let metadata = fs::metadata(path).map_err(io_error(path))?;
    // Pipes and devices report neither a length nor a time that mean anything.
    let regular = metadata.is_file();
    let modified_us =
        metadata.modified().ok().filter(|_| regular).and_then(|time| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).ok(),
            Err(before) => i64::try_from(before.duration().as_micros()).ok().map(|micros| -micros),
        });
    Ok(SourceFile {
        name: path.to_string_lossy().into_owned(),
        path: Some(path.to_owned()),
        size_bytes: regular.then_some(metadata.len()),
        modified_us,
        member: None,
        delta: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, argument: &str) -> Vec<String> {
        let root = folder.path().to_str().unwrap();
        expand(&[format!("{root}{argument}")])
            .unwrap()
            .into_iter()
            .map(|file| file.name.strip_prefix(root).unwrap().trim_start_matches('/').to_owned())
            .collect()
    }

    #[test]
    fn a_folder_gives_known_endings_in_name_order_without_hidden_files() {
        let folder =
            folder(&["b.csv", "a.json.gz", "sub/c.ndjson.zst", ".hidden.csv", "README.md", "z.parquet", ".git/x.csv"]);
        assert_eq!(names(&folder, ""), ["a.json.gz", "b.csv", "sub/c.ndjson.zst", "z.parquet"]);
    }

    #[test]
    fn what_other_programs_keep_beside_their_files_is_left_out() {
        let folder = folder(&["a.csv", "_temporary/b.csv", "_started.json", "sub/_x.csv", "sub/c.csv"]);
        assert_eq!(names(&folder, ""), ["a.csv", "sub/c.csv"]);
        assert_eq!(names(&folder, "/_started.json"), ["_started.json"]);
    }

    #[test]
    fn a_delta_table_is_one_input_and_no_folder_of_files() {
        let folder = folder(&["t/a.parquet", "t/_delta_log/00000000000000000000.json"]);
        for argument in ["", "/t", "/*"] {
            let files = expand(&[format!("{}{argument}", folder.path().to_str().unwrap())]).unwrap();
            assert_eq!((files.len(), &files[0].delta), (1, &Some(Delta::Folder)), "{argument}");
            assert_eq!(files[0].path, Some(folder.path().join("t")));
        }
        for argument in ["/t/*.parquet", "/t/_delta_log", "/t/*"] {
            let error = expand(&[format!("{}{argument}", folder.path().to_str().unwrap())]).unwrap_err();
            assert!(error.to_string().contains("is a part of the Delta table"), "{error}");
            assert!(error.hint().unwrap().starts_with("name the table's folder"));
        }
        assert_eq!(names(&folder, "/t/a.parquet"), ["t/a.parquet"]);
    }

    #[test]
    fn of_a_lake_the_sessions_are_read() {
        let log = "_delta_log/00000000000000000000.json";
        let tables = ["workflow_sessions", "quarantine", "sightings"].map(|table| format!("{table}/{log}"));
        let folder = folder(&[&tables[0], &tables[1], &tables[2], "x.csv"]);
        assert_eq!(names(&folder, ""), ["workflow_sessions", "x.csv"]);
    }

    #[test]
    fn tables_of_other_formats_are_named() {
        for (file, words) in
            [("t/metadata/v1.metadata.json", "is an Iceberg table"), ("t/.hoodie/hoodie.properties", "is a Hudi table")]
        {
            let folder = folder(&["t/a.parquet", file]);
            let error = expand(&[folder.path().to_str().unwrap().to_owned()]).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let folder = folder(&["metadata/a.json"]);
        assert_eq!(names(&folder, ""), ["metadata/a.json"]);
    }

    #[test]
    fn a_named_file_is_taken_whatever_its_ending() {
        let folder = folder(&["export.txt", "a[1].csv"]);
        assert_eq!(names(&folder, "/export.txt"), ["export.txt"]);
        assert_eq!(names(&folder, "/a[1].csv"), ["a[1].csv"]);
        let file = &expand(&[folder.path().join("export.txt").to_str().unwrap().to_owned()]).unwrap()[0];
        assert_eq!(file.size_bytes, Some(1));
        assert!(file.modified_us.is_some());
    }

    #[test]
    fn a_pattern_gives_its_matches_in_name_order() {
        let folder = folder(&["b1.csv", "a1.csv", "c.json", ".a9.csv"]);
        assert_eq!(names(&folder, "/*1.csv"), ["a1.csv", "b1.csv"]);
        assert_eq!(names(&folder, "/*.csv"), ["a1.csv", "b1.csv"]);
    }

    #[test]
    fn an_argument_that_matches_nothing_is_an_error() {
        let folder = folder(&["notes.md"]);
        let root = folder.path().to_str().unwrap();
        for argument in [root.to_owned(), format!("{root}/*.csv"), format!("{root}/none.csv")] {
            assert!(matches!(expand(&[argument]), Err(Error::NotFound { .. })));
        }
        assert!(matches!(expand(&[format!("{root}/***")]), Err(Error::Usage { .. })));
    }

    #[test]
    fn standard_input_may_be_named_once() {
        let dash = "-".to_owned();
        assert_eq!(expand(std::slice::from_ref(&dash)).unwrap()[0].path, None);
        assert!(expand(&[dash.clone(), dash]).is_err());
    }
}
