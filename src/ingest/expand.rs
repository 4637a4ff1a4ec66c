//! Turns the arguments of an ingest into input files: files, folders, globs and `-`; an archive stands for the files inside of it.
//!
//! The order is the order of the arguments, and by name within a folder or glob, so that the same call reads the same files
//! in the same order everywhere. Hidden files, names that begin with an underscore and files of unknown endings are skipped in
//! folders, never when they are named.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::archive::members;
use super::detect::{is_archive_name, is_known_name};
use super::source::SourceFile;
use crate::error::{Error, Result, io_error};

/// Folders nested deeper than this are refused: a loop of links is more likely than a tree of that depth.
const MAX_FOLDER_DEPTH: usize = 64;

/// The folder of a Delta table's log.
const DELTA_LOG: &str = "_delta_log";

/// Lists the input files that the arguments mean: files, folders (recursively, files of known endings in name order, those that begin
/// with a point or an underscore skipped), glob patterns, and `-` for standard input.
///
/// A name that exists is that file or folder, even if it looks like a pattern.
///
/// # Errors
/// An argument that matches nothing, a broken pattern, `-` twice, a folder that cannot be read, or one that is a Delta table: rows that
/// were removed from it would come back.
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
            });
            continue;
        }
        let before = files.len();
        let path = Path::new(argument);
        // Links are followed here: the user named this path.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                walk(path, 0, &mut files)?;
                if files.len() == before {
                    return Err(not_found(format!("no input files in folder {argument:?}"))
                        .with_hint("in a folder only files that end in .csv, .tsv, .json, .ndjson, .jsonl, .parquet, .arrow, .feather, .xlsx or .ods are read, also with .gz, .zst, .bz2, .xz or .lz4 behind, and archives that end in .zip, .tar or .tgz; name others one by one"));
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
    for path in paths {
        let path = path.map_err(|error| {
            let context = error.path().display().to_string();
            Error::storage(context, std::io::Error::from(error))
        })?;
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
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error(folder))? {
        let entry = entry.map_err(io_error(folder))?;
        if entry.file_name() == DELTA_LOG {
            return Err(Error::usage(format!(
                "folder {folder:?} is a Delta table, whose files are not all of its newest version"
            ))
            .with_hint(
                "write the table's rows into one Parquet file with an engine that reads Delta, and take that in",
            ));
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
    fn a_delta_table_is_no_folder_of_files() {
        let folder = folder(&["t/a.parquet", "t/_delta_log/00000000000000000000.json"]);
        for argument in ["", "/t", "/*"] {
            let error = expand(&[format!("{}{argument}", folder.path().to_str().unwrap())]).unwrap_err();
            assert!(error.to_string().contains("is a Delta table"), "{error}");
            assert!(error.hint().is_some());
        }
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
