//! Runs of reports below a folder: a list, and the files that each run says are its own.
//!
//! Nothing else of the folder is served: no file that no run wrote, none through a link, no hidden one. Those who see masked values see masked
//! runs alone, and those who see some workflows see no runs, since a page of a run is about all of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::problem::Problem;
use crate::error::{Error, Result};
use crate::report::{MANIFEST_FILE, Manifest, Privacy, ReportStatus, html};
use crate::serve::Caller;

/// Folders in folders that are looked into.
const DEPTH: usize = 3;
/// Folders that are looked into at most.
const MOST_FOLDERS: usize = 10_000;
/// Runs that are listed at most, the newest.
const MOST_RUNS: usize = 300;
/// Bytes of a manifest at most.
const MOST_BYTES: u64 = 16 << 20;
/// Bytes that are read at once.
const PIECE: usize = 64 << 10;
/// What stands for itself in a part of an address.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'/')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

/// Says whether a caller may see a run.
fn may_see(caller: &Caller, manifest: &Manifest) -> bool {
    let guard = &caller.guard;
    guard.workflows.is_none() && (guard.veil.is_none() || manifest.privacy == Privacy::Redacted)
}

/// Lists the runs below a folder that a caller may see, the newest first.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn list(root: &Path, caller: &Caller) -> Result<Value> {
    let mut found = Vec::new();
    let mut left = MOST_FOLDERS;
    look(root, String::new(), DEPTH, &mut left, &mut found);
    found.sort_by(|one, other| other.written.cmp(&one.written).then_with(|| one.name.cmp(&other.name)));
    found.truncate(MOST_RUNS);
    let mut runs: Vec<(Manifest, String)> = found
        .into_iter()
        // One that is being replaced, or is damaged, is no reason not to list the others.
        .filter_map(|run| Some((manifest(&run.path).ok().flatten()?, run.name)))
        .filter(|(manifest, _)| may_see(caller, manifest))
        .collect();
    runs.sort_by(|(one, a), (other, b)| other.as_of.cmp(&one.as_of).then_with(|| a.cmp(b)));
    let runs: Vec<Value> = runs.iter().map(|(manifest, name)| described(manifest, name)).collect();
    Ok(json!({ "offered": true, "runs": runs }))
}

fn described(manifest: &Manifest, name: &str) -> Value {
    let parts = name.split('/').filter(|part| !part.is_empty()).chain(["index.html"]);
    let page = parts.map(|part| utf8_percent_encode(part, ESCAPED).to_string()).collect::<Vec<_>>().join("/");
    json!({
        "page": format!("/reports/{page}"),
        "folder": name,
        "title": manifest.title,
        "description": manifest.description,
        "window": manifest.window.as_ref().map(|window| window.title()),
        "as_of": manifest.as_of.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        "time_zone": manifest.time_zone,
        "version": manifest.lake.version,
        "privacy": if manifest.privacy == Privacy::Redacted { "redacted" } else { "kept" },
        "reports": manifest.reports.len(),
        "failed": manifest.count(ReportStatus::Failed),
        "checks": manifest.count(ReportStatus::CheckFailed),
    })
}

struct Found {
    path: PathBuf,
    /// From the folder, with slashes; empty for the folder itself.
    name: String,
    written: SystemTime,
}

fn look(folder: &Path, name: String, depth: usize, left: &mut usize, found: &mut Vec<Found>) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    let manifest = fs::symlink_metadata(folder.join(MANIFEST_FILE)).ok().filter(fs::Metadata::is_file);
    if let Some(metadata) = manifest {
        let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        found.push(Found { path: folder.to_owned(), name, written });
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(std::result::Result::ok).take(MOST_FOLDERS) {
        let Ok(part) = entry.file_name().into_string() else { continue };
        // A link may lead anywhere, and a hidden folder is a run that is being written.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && is_tame(&part) && depth > 0 {
            let below = if name.is_empty() { part } else { format!("{name}/{part}") };
            look(&entry.path(), below, depth - 1, left, found);
        }
    }
}

/// Says whether a part of a path is the name of something that shows.
fn is_tame(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', '\0', ':'])
}

fn manifest(folder: &Path) -> Result<Option<Manifest>> {
    let small = fs::symlink_metadata(folder.join(MANIFEST_FILE)).is_ok_and(|m| m.is_file() && m.len() <= MOST_BYTES);
    if small { Manifest::find(folder) } else { Ok(None) }
}

/// Opens a file of a run by what stands behind `/reports/` in an address, without its escapes.
///
/// # Errors
/// A path that names no file of a run that the caller may see.
pub(super) fn open(root: &Path, caller: &Caller, path: &str) -> Result<(File, u64, &'static str), Problem> {
    let parts: Vec<&str> = path.split('/').collect();
    if !parts.iter().all(|part| is_tame(part)) {
        return Err(Problem::not_found());
    }
    // Step by step, so that no part is a link. The run is the first folder on the way that has a manifest.
    let (mut at, mut run, mut inside) = (root.to_owned(), manifest(root)?, Vec::new());
    for part in &parts {
        if run.is_some() {
            inside.push(*part);
        }
        at.push(part);
        let metadata = fs::symlink_metadata(&at).map_err(|_| Problem::not_found())?;
        if metadata.is_symlink() {
            return Err(Problem::not_found());
        }
        if run.is_none() && metadata.is_dir() {
            run = manifest(&at)?;
        }
    }
    let file = inside.join("/");
    let run = run.filter(|run| may_see(caller, run)).ok_or_else(Problem::not_found)?;
    if file != MANIFEST_FILE && !run.outputs().any(|output| output.file == file) {
        return Err(Problem::not_found());
    }
    let opened = File::open(&at).map_err(|error| Error::storage(file.clone(), error))?;
    let metadata = opened.metadata().map_err(|error| Error::storage(file.clone(), error))?;
    if !metadata.is_file() {
        return Err(Problem::not_found());
    }
    Ok((opened, metadata.len(), content_type(&file)))
}

fn content_type(file: &str) -> &'static str {
    match file.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "json" => "application/json",
        "ndjson" => "application/x-ndjson",
        "csv" => "text/csv; charset=utf-8",
        "tsv" => "text/tab-separated-values; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "parquet" => "application/vnd.apache.parquet",
        "arrow" => "application/vnd.apache.arrow.file",
        _ => "application/octet-stream",
    }
}

/// Sends a file in pieces.
pub(super) fn send(file: File, length: u64, content_type: &'static str) -> Response {
    let file = tokio::fs::File::from_std(file);
    // No more than was said, should it grow meanwhile: runs are replaced as a whole, and this is the file that was opened.
    let pieces = futures::stream::try_unfold((file, length), |(mut file, left)| async move {
        use tokio::io::AsyncReadExt;
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        Ok(Some((Bytes::from(piece), (file, left - read as u64))))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let policy = match content_type.starts_with("text/html") {
        true => HeaderValue::from_str(&format!("{}; frame-ancestors 'none'", html::POLICY)),
        false => {
            // Only the page is for looking at; all else is for a folder of the reader's.
            headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
            HeaderValue::from_str("default-src 'none'; frame-ancestors 'none'")
        }
    };
    if let Ok(policy) = policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::engine::Guard;

    fn text(opened: Result<(File, u64, &'static str), Problem>) -> Option<String> {
        let mut text = String::new();
        opened.ok()?.0.read_to_string(&mut text).unwrap();
        Some(text)
    }

    fn run(folder: &Path, title: &str, as_of: &str, privacy: &str) {
        fs::create_dir_all(folder.join(".page")).unwrap();
        let output = |file: &str| json!({ "file": file, "bytes": 1, "sha256": "" });
        let manifest = json!({
            "format": 1, "sessionlake": "0", "job": "j", "title": title, "lake": { "uri": "/l", "version": 3 },
            "as_of": as_of, "time_zone": "UTC", "privacy": privacy, "html_rows": 1, "seconds": 0.0,
            "page": output("index.html"), "reports": [],
        });
        fs::write(folder.join(MANIFEST_FILE), manifest.to_string()).unwrap();
        fs::write(folder.join("index.html"), title).unwrap();
        fs::write(folder.join("mine.txt"), "secret").unwrap();
        fs::write(folder.join(".page/x.arrow"), "secret").unwrap();
    }

    #[test]
    fn runs_are_listed_and_their_files_alone_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("reports");
        run(&root.join("days/2026-11-19"), "Older", "2026-11-20T00:00:00Z", "redacted");
        run(&root.join("days/2026-11-20"), "Newer", "2026-11-21T00:00:00Z", "kept");
        run(&root.join(".days.partial"), "Partial", "2026-11-21T00:00:00Z", "kept");
        run(&folder.path().join("outside"), "Outside", "2026-11-21T00:00:00Z", "kept");
        fs::write(root.join("loose.txt"), "secret").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path().join("outside"), root.join("link")).unwrap();
            let index = root.join("days/2026-11-19/index.html");
            fs::remove_file(&index).unwrap();
            std::os::unix::fs::symlink(folder.path().join("outside/mine.txt"), index).unwrap();
        }
        let all = Caller::everything("a");
        let titles = |caller: &Caller| -> Vec<String> {
            let listed = list(&root, caller).unwrap();
            let runs = listed["runs"].as_array().unwrap().clone();
            runs.iter().map(|run| run["title"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(titles(&all), ["Newer", "Older"]);
        assert_eq!(text(open(&root, &all, "days/2026-11-20/index.html")).as_deref(), Some("Newer"));
        assert!(text(open(&root, &all, "days/2026-11-20/run.json")).is_some());
        for path in [
            "",
            "days",
            "days/2026-11-20",
            "days/2026-11-20/mine.txt",
            "days/2026-11-20/.page/x.arrow",
            "days/2026-11-20/../2026-11-20/index.html",
            "days//2026-11-20/index.html",
            "../outside/index.html",
            "/etc/passwd",
            "loose.txt",
            "link/index.html",
            ".days.partial/index.html",
            "days/2026-11-20/index.html/",
            "days/2026-11-20/index.html\0",
            #[cfg(unix)]
            "days/2026-11-19/index.html",
        ] {
            assert_eq!(text(open(&root, &all, path)), None, "{path}");
        }
        let mut masked = all.clone();
        let veil = crate::serve::veil::Redacted::default();
        masked.guard = std::sync::Arc::new(Guard { veil: Some(std::sync::Arc::new(veil)), workflows: None });
        assert_eq!(titles(&masked), ["Older"]);
        assert_eq!(text(open(&root, &masked, "days/2026-11-20/index.html")), None);
        let mut some = all.clone();
        some.guard = std::sync::Arc::new(Guard { veil: None, workflows: Some(Default::default()) });
        assert_eq!(titles(&some), Vec::<String>::new());
        assert_eq!(text(open(&root, &some, "days/2026-11-20/index.html")), None);
    }

    #[test]
    fn a_folder_that_is_a_run_itself_is_one() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), "Only", "2026-11-20T00:00:00Z", "kept");
        let listed = list(folder.path(), &Caller::everything("a")).unwrap();
        assert_eq!(listed["runs"][0]["page"], "/reports/index.html");
        assert_eq!(text(open(folder.path(), &Caller::everything("a"), "index.html")).as_deref(), Some("Only"));
    }
}
