//! The inputs of a command, of which some may be in object stores: those are copied to this machine first.
//!
//! What a URL means is what the same name means on this machine: a file, a folder with all below it, a pattern, the folder of a Delta table. The copies
//! are in the temporary folder for as long as the command runs, with the times of the files that they are of; messages and the ledger have the URLs.

use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use glob::{MatchOptions, Pattern};
use sessionlake::ingest::{self, SourceFile};
use sessionlake::lake::{StoreFolder, is_cloud};
use sessionlake::{Error, Result};
use tempfile::TempDir;

use super::shared::Settings;

/// Folders that are copied at once.
const AT_ONCE: usize = 4;

/// The files that arguments mean.
pub struct Inputs {
    /// In the order of the arguments.
    pub files: Vec<SourceFile>,
    /// What holds the copies: they go with it.
    pub copies: Vec<TempDir>,
}

impl Inputs {
    /// Finds the files that arguments mean, and copies those in object stores.
    ///
    /// # Errors
    /// As [`ingest::expand()`]; storage errors.
    pub async fn find(arguments: &[String], settings: &Settings) -> Result<Self> {
        let found = stream::iter(arguments).map(|argument| async move {
            match is_cloud(argument) {
                true => copied(argument, settings).await.map(Some),
                false => Ok(None),
            }
        });
        let copies: Vec<Option<Copied>> = found.buffered(AT_ONCE).try_collect().await?;
        // What is not in a store is looked for together: standard input can be named once.
        let names: Vec<String> = arguments
            .iter()
            .zip(&copies)
            .map(|(argument, copied)| copied.as_ref().map_or(argument, |copied| &copied.name).clone())
            .collect();
        let renamed = |text: &str| copies.iter().flatten().fold(text.to_owned(), |text, copied| copied.renamed(&text));
        let mut files = ingest::expand(&names).map_err(|error| match error {
            Error::Usage { message, hint } => {
                Error::Usage { message: renamed(&message), hint: hint.map(|hint| renamed(&hint)) }
            }
            Error::NotFound { message, hint } => Error::NotFound { message: renamed(&message), hint },
            error => error,
        })?;
        for file in &mut files {
            file.name = renamed(&file.name);
        }
        Ok(Self { files, copies: copies.into_iter().flatten().map(|copied| copied.temporary).collect() })
    }
}

/// What was copied for one argument.
struct Copied {
    /// The argument as a name on this machine.
    name: String,
    /// The copy of what `url` names.
    folder: String,
    url: String,
    temporary: TempDir,
}

impl Copied {
    /// Has a text name what is in the store, and not the copy.
    fn renamed(&self, text: &str) -> String {
        text.replace(&self.folder, &self.url)
    }
}

/// Splits a URL into the folder that all of its files are in, and what names them there.
fn split(url: &str) -> (&str, &str) {
    let pattern = url.find(['*', '?', '[']).unwrap_or(url.len());
    let host = url.find("://").map_or(0, |place| place + 3);
    let folder = url.get(..pattern).and_then(|literal| literal.rfind('/')).filter(|place| *place >= host);
    url.split_at(folder.map_or(url.len(), |place| place + 1))
}

/// Says whether a file below a folder may be asked for by naming the folder: an export, or what tells that the folder is a table.
fn is_wanted(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let tells_a_table = |part: &&str| matches!(*part, "_delta_log" | ".hoodie") || part.ends_with(".metadata.json");
    parts.iter().any(tells_a_table) || !parts.iter().any(|part| part.starts_with(['.', '_']))
}

/// Copies what a URL names.
async fn copied(url: &str, settings: &Settings) -> Result<Copied> {
    let (root, rest) = split(url);
    let absent = |what: &str| Error::NotFound { message: format!("{what} {url:?}"), hint: None };
    let temporary = settings.temporary("sessionlake-inputs-")?;
    let folder = temporary.path().join("inputs");
    let store = StoreFolder::of(&settings.place(root)?)?;
    let rest = rest.trim_end_matches('/');
    let is_pattern = rest.contains(['*', '?', '[']);
    let names = if !rest.is_empty() && !is_pattern && store.has(rest).await? {
        vec![rest.to_owned()]
    } else if is_pattern {
        let pattern = Pattern::new(rest).map_err(|error| {
            Error::usage(format!("broken pattern {url:?}: {} at character {}", error.msg, root.len() + error.pos + 1))
        })?;
        let options =
            MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..MatchOptions::new() };
        // A folder that matches stands for all that is below it.
        let matches = |name: &String| {
            let ends = name.match_indices('/').map(|(place, _)| place).chain([name.len()]);
            ends.into_iter().any(|end| pattern.matches_with(&name[..end], options)) && is_wanted(name)
        };
        let names: Vec<String> = store.list().await?.into_iter().filter(matches).collect();
        if names.is_empty() {
            return Err(absent("no input files match"));
        }
        names
    } else {
        let below = if rest.is_empty() { String::new() } else { format!("{rest}/") };
        let inside = StoreFolder::of(&settings.place(&format!("{root}{below}"))?)?;
        let names: Vec<String> =
            inside.list().await?.into_iter().filter(|name| is_wanted(name)).map(|name| below.clone() + &name).collect();
        if names.is_empty() {
            return Err(absent("no such input file or folder"));
        }
        names
    };
    tokio::fs::create_dir_all(&folder).await.map_err(|e| Error::storage("temporary folder", e))?;
    store.fetch(&names, "", &folder).await?;
    let name = if rest.is_empty() { folder.clone() } else { Path::join(&folder, rest) };
    let folder = format!("{}/", folder.display());
    Ok(Copied { name: name.display().to_string(), folder, url: root.to_owned(), temporary })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_behind_the_folder_that_all_its_files_are_in() {
        for (url, folder, rest) in [
            ("s3://bucket/exports/a.csv", "s3://bucket/exports/", "a.csv"),
            ("s3://bucket/exports/", "s3://bucket/exports/", ""),
            ("s3://bucket/exports", "s3://bucket/", "exports"),
            ("s3://bucket", "s3://bucket", ""),
            ("s3://bucket/2026-*/[ab].csv", "s3://bucket/", "2026-*/[ab].csv"),
            ("s3://bucket/a/2026-1?/x*", "s3://bucket/a/", "2026-1?/x*"),
            ("s3://b*cket/a", "s3://b*cket/a", ""),
        ] {
            assert_eq!(split(url), (folder, rest), "{url}");
        }
    }

    #[test]
    fn what_a_folder_stands_for_are_exports_and_what_tells_a_table() {
        for name in ["a.csv", "2026/a.csv.gz", "t/_delta_log/0.json", "t/.hoodie/x", "t/metadata/v1.metadata.json"] {
            assert!(is_wanted(name), "{name}");
        }
        for name in ["_temporary/a.csv", ".x/a.csv", "2026/_SUCCESS", "a/.a.csv.crc"] {
            assert!(!is_wanted(name), "{name}");
        }
    }
}
