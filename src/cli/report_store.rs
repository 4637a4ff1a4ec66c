//! Folders of reports, on this machine and in object stores.
//!
//! A run is made in a folder of this machine. For a store it is a temporary one, which first gets what is in the store, so that a run goes on from the
//! earlier one as it does here. No store renames a folder: the files of a run go into a folder of its own, `run-…`, and `run.json` beside it,
//! which is written last and at once, names it. So whoever reads by `run.json` sees one run, whole. The earlier run's folder goes then.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sessionlake::lake::{FileState, Lake, StoreFolder, is_cloud};
use sessionlake::report::MANIFEST_FILE;
use sessionlake::{Error, Result};
use tempfile::TempDir;

use super::shared::Settings;

/// What the names of folders of runs begin with.
const RUN: &str = "run-";
/// The key of the file that names the folder.
const RUN_KEY: &str = "run";

/// A folder of a run.
pub struct Place {
    /// As it was named.
    pub shown: PathBuf,
    /// Where it is on this machine.
    pub folder: PathBuf,
    stored: Option<Stored>,
}

/// What a store has of it.
struct Stored {
    store: StoreFolder,
    /// The file that names the run that is there, and the folder.
    earlier: Option<(FileState, String)>,
    _temporary: TempDir,
}

impl Place {
    /// Finds a folder; what a store has of it is fetched.
    ///
    /// # Errors
    /// A folder in a store that has files, but no run; storage errors.
    pub async fn open(named: &Path, settings: &Settings) -> Result<Self> {
        let shown = named.to_owned();
        let Some(place) = in_store(named, settings)? else {
            return Ok(Self { folder: shown.clone(), shown, stored: None });
        };
        let store = StoreFolder::of(&place)?;
        let temporary = settings.temporary("sessionlake-reports-")?;
        let folder = temporary.path().join("run");
        let found = store.read(MANIFEST_FILE).await?;
        let names = store.list().await?;
        let earlier = match found {
            Some((text, state)) => {
                let named: Option<Value> = serde_json::from_slice(&text).ok();
                let run = named.as_ref().and_then(|value| value.get(RUN_KEY)?.as_str()).filter(|run| is_run(run));
                let Some(run) = run else {
                    return Err(Error::usage(format!("{}/{MANIFEST_FILE}: it names no run", shown.display()))
                        .with_hint("name a folder of its own for the reports with ⟨out⟩"));
                };
                let from = format!("{run}/");
                let of_run: Vec<String> = names.into_iter().filter(|name| name.starts_with(&from)).collect();
                store.fetch(&of_run, &from, &folder).await?;
                Some((state, run.to_owned()))
            }
            // Folders of windows, and of runs that were stopped before they were whole.
            None => {
                let is_known = |name: &String| name.split('/').any(is_run) || name.ends_with("/run.json");
                if let Some(other) = names.iter().find(|name| !is_known(name)) {
                    return Err(Error::usage(format!(
                        "{:?} has files, {other:?} among them, but is not the folder of a run",
                        shown.display()
                    ))
                    .with_hint("name a folder of its own for the reports with ⟨out⟩"));
                }
                None
            }
        };
        Ok(Self { shown, folder, stored: Some(Stored { store, earlier, _temporary: temporary }) })
    }

    /// Puts a run that is whole into the store, if it belongs there.
    ///
    /// # Errors
    /// [`Error::Conflict`] where another run got there meanwhile; storage errors. The earlier run is then what is there.
    pub async fn put(&self) -> Result<()> {
        let Some(Stored { store, earlier, .. }) = &self.stored else { return Ok(()) };
        let run = format!("{RUN}{}", uuid::Uuid::new_v4().simple());
        let mut put = Vec::new();
        let outcome = self.put_all(store, &run, earlier.as_ref().map(|(state, _)| state), &mut put).await;
        match outcome {
            Ok(()) => {
                if let Some((_, earlier)) = earlier {
                    let from = format!("{earlier}/");
                    // Files that stay take space, and do nothing else.
                    let names = store.list().await.unwrap_or_default();
                    store.remove(&names.into_iter().filter(|name| name.starts_with(&from)).collect::<Vec<_>>()).await;
                }
                Ok(())
            }
            Err(error) => {
                store.remove(&put).await;
                Err(error)
            }
        }
    }

    async fn put_all(
        &self,
        store: &StoreFolder,
        run: &str,
        earlier: Option<&FileState>,
        put: &mut Vec<String>,
    ) -> Result<()> {
        let mut files = Vec::new();
        files_below(&self.folder, run, &mut files).map_err(|e| Error::storage(self.folder.display().to_string(), e))?;
        for (name, path) in &files {
            put.push(name.clone());
            store.put(name, path).await?;
        }
        let path = self.folder.join(MANIFEST_FILE);
        let text = std::fs::read(&path).map_err(|e| Error::storage(path.display().to_string(), e))?;
        let mut manifest: Value = serde_json::from_slice(&text).map_err(Error::internal)?;
        place_files(&mut manifest, run);
        if let Value::Object(manifest) = &mut manifest {
            manifest.insert(RUN_KEY.to_owned(), Value::from(run));
        }
        let text = serde_json::to_vec_pretty(&manifest).map_err(Error::internal)?;
        store.replace(MANIFEST_FILE, text, earlier).await
    }
}

/// Finds the folders of runs in one that is named: itself, or those in it.
///
/// # Errors
/// A folder without a run; storage errors.
pub async fn runs_in(named: &Path, settings: &Settings) -> Result<Option<Vec<PathBuf>>> {
    let Some(place) = in_store(named, settings)? else { return Ok(None) };
    let names = StoreFolder::of(&place)?.list().await?;
    if names.iter().any(|name| name == MANIFEST_FILE) {
        return Ok(Some(vec![named.to_owned()]));
    }
    let ends = format!("/{MANIFEST_FILE}");
    let inner = names.iter().filter_map(|name| name.strip_suffix(&ends));
    let mut found: Vec<PathBuf> =
        inner.filter(|folder| !folder.contains('/') && !is_run(folder)).map(|folder| named.join(folder)).collect();
    found.sort();
    Ok(Some(found))
}

/// Returns the place of a folder that is in a store.
pub(super) fn in_store(named: &Path, settings: &Settings) -> Result<Option<Lake>> {
    match named.to_str().filter(|name| is_cloud(name)) {
        Some(name) => settings.place(name).map(Some),
        None => Ok(None),
    }
}

fn is_run(name: &str) -> bool {
    name.strip_prefix(RUN).is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Lists files with the names that they get.
fn files_below(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let below = format!("{name}/{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => files_below(&entry.path(), &below, files)?,
            false => files.push((below, entry.path())),
        }
    }
    Ok(())
}

/// Puts a folder before the paths of a manifest's files.
fn place_files(value: &mut Value, run: &str) {
    match value {
        Value::Object(object) => {
            if object.contains_key("sha256")
                && object.contains_key("bytes")
                && let Some(Value::String(file)) = object.get_mut("file")
            {
                *file = format!("{run}/{file}");
            }
            object.values_mut().for_each(|value| place_files(value, run));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| place_files(value, run)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_files_of_a_manifest_get_their_folder() {
        let output = |file: &str| json!({ "file": file, "bytes": 1, "sha256": "00" });
        let mut manifest = json!({
            "page": output("index.html"),
            "reports": [{ "file": "a.sql", "sql_sha256": "00", "outputs": [output("a.csv")], "page_rows": output(".page/a") }],
        });
        place_files(&mut manifest, "run-1");
        let expected = json!({
            "page": output("run-1/index.html"),
            "reports": [{ "file": "a.sql", "sql_sha256": "00", "outputs": [output("run-1/a.csv")], "page_rows": output("run-1/.page/a") }],
        });
        assert_eq!(manifest, expected);
    }

    #[test]
    fn folders_of_runs_are_known_by_their_names() {
        assert!(is_run("run-0123456789abcdef0123456789abcdef"));
        assert!(!is_run("run-1") && !is_run("2026-11-20") && !is_run("run-0123456789abcdef0123456789abcdeg"));
    }
}
