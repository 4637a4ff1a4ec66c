//! SQL files on disk, and what several of them share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Script, Statement};
use crate::error::{Error, Result, SqlError};

/// Reads the text of a SQL file. The name to give to [`parse`](super::parse) is the path as it was given.
///
/// # Errors
/// A usage error for a file that cannot be read, or that is not UTF-8, with the line.
pub fn read_file(path: &Path) -> Result<String> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|e| {
        let error = Error::usage(format!("{name}: {e}"));
        if e.kind() == std::io::ErrorKind::NotFound {
            error.with_hint("is the path right? SQL itself is given with -c")
        } else {
            error
        }
    })?;
    String::from_utf8(bytes).map_err(|e| {
        let line = e
            .as_bytes()
            .get(..e.utf8_error().valid_up_to())
            .unwrap_or_default()
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        Error::usage(format!("{name}:{line}: the file is not UTF-8 text"))
    })
}

/// Lists the `.sql` files of a folder, not of those in it, in the order of their names.
///
/// # Errors
/// A usage error for a folder that cannot be read, or has none.
pub fn sql_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::usage(format!("{}: {e}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("sql")) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::usage(format!("{}: no .sql file in this folder", folder.display())));
    }
    files.sort();
    Ok(files)
}

/// Keeps the values that a script knows, where several scripts share one set. A script that is alone gets all, and
/// [`bind`](super::bind) reports the one it does not know with the names that are near.
///
/// # Errors
/// A value that none of several scripts knows.
pub fn share_out<'a>(
    scripts: impl IntoIterator<Item = &'a Script> + Clone,
    given: &BTreeMap<String, Value>,
) -> Result<Vec<BTreeMap<String, Value>>> {
    if scripts.clone().into_iter().count() == 1 {
        return Ok(vec![given.clone()]);
    }
    // With no script left, each has an error of its own that was told already.
    let none = scripts.clone().into_iter().next().is_none();
    if let Some(name) =
        given.keys().filter(|_| !none).find(|name| !scripts.clone().into_iter().any(|script| script.knows(name)))
    {
        return Err(Error::usage(format!("none of these scripts has a parameter {name:?}")));
    }
    let known =
        |script: &Script| given.iter().filter(|(n, _)| script.knows(n)).map(|(n, v)| (n.clone(), v.clone())).collect();
    Ok(scripts.into_iter().map(known).collect())
}

impl Script {
    /// Says whether the header declares this parameter, or a statement uses it.
    pub fn knows(&self, parameter: &str) -> bool {
        self.header.parameter(parameter).is_some()
            || self.statements.iter().any(|statement| statement.placeholders().any(|name| name == parameter))
    }

    /// Makes an error about a statement as a whole, underlining its first word.
    pub fn error_at(&self, statement: &Statement, message: impl Into<String>, hint: impl Into<String>) -> Error {
        SqlError {
            file: self.file.clone(),
            position: Some((statement.line, statement.column)),
            width: statement.text().split_whitespace().next().map_or(1, |word| word.chars().count()),
            source_line: self.text.lines().nth(statement.line.saturating_sub(1) as usize).map(str::to_owned),
            message: message.into(),
            hint: Some(hint.into()),
        }
        .into()
    }
}
