//! The data files of one version, with the statistics that the log has of them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use object_store::path::Path;

use super::checked::Seals;
use super::claims::{CHECK_KEY, Claims, LiveFiles};
use super::columns::{ColumnsBuilder, FileColumns};
use super::deletions::DeletionVector;
use super::footer::{LEAVES_KEY, NAN_KEY};
use super::ids::{IDS_KEY, IdsPlace};
use super::layout::{self, Version, table_schema};
use super::log::Added;
use super::said::Said;
use super::seal::{SEAL_KEY, Seal};
use crate::error::{Error, Result};

/// The data files of one version of a table.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version.
    pub version: Version,
    /// The files, in the order of their paths.
    pub files: Arc<Vec<DataFile>>,
}

/// One data file, as the log knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataFile {
    /// The path from the table's folder, as people write it; see [`Self::location`].
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of rows, without those that are deleted, unless a foreign writer left it out.
    pub rows: Option<u64>,
    /// What the log knows of columns, by name.
    pub columns: FileColumns,
    /// Whether the file is one of ours, by the mark that the log has on it, or, if an earlier version wrote it, by its name.
    pub is_ours: bool,
    /// Whether what the log says of the file is not what was written when it was added, and so is not used.
    pub is_doubted: bool,
    /// Which rows are deleted, where some are.
    pub deletion: Option<DeletionVector>,
    /// Where it tells of its session ids, if it does.
    pub ids: Option<IdsPlace>,
    /// Its leaf columns, if the log says how many.
    pub leaves: Option<u64>,
}

impl DataFile {
    /// Returns where the file is in the table's store. A name may hold `%`, which stands for itself.
    pub fn location(&self) -> Path {
        Path::parse(&self.path).unwrap_or_else(|_| Path::from(self.path.as_str()))
    }

    /// Says whether every session in the file is still running, as far as the log knows.
    pub fn is_active(&self) -> bool {
        match (self.rows, self.columns.null_count("ended_at")) {
            (Some(rows), Some(nulls)) => rows == nulls && rows > 0,
            _ => false,
        }
    }
}

impl Snapshot {
    /// Sums the rows of all files, or `None` where the log does not know.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Sums the bytes of all files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// What keeps a file from being read: a place, and words.
type Fault = (String, String);

/// The files that a log lists, with what is odd about them.
#[derive(Debug)]
pub(super) struct Files {
    /// In the order of their paths.
    pub(super) all: Arc<Vec<DataFile>>,
    /// Which files they are, for comparing with what the commit says.
    pub(super) live: LiveFiles,
    /// What keeps the files from being read.
    pub(super) fault: Option<Fault>,
    /// How the files can be checked.
    pub(super) seals: Vec<(Path, Seal, u64)>,
    /// What is to be told.
    pub(super) told: Vec<String>,
}

/// Files whose columns are kept together: what arrays take to grow is at most as much as they hold.
const FILES_TOGETHER: usize = 4_096;

/// Reads the files of a version out of what its log says of each.
pub(super) struct FilesReader {
    lake: String,
    table: &'static str,
    schema: SchemaRef,
    /// Names of columns that may have a NaN.
    floating: Vec<String>,
    /// The columns of the files that were read last, by the rows that `recent` names.
    columns: ColumnsBuilder,
    recent: Vec<(DataFile, u32)>,
    /// The others.
    all: Vec<DataFile>,
    live: LiveFiles,
    fault: Option<Fault>,
    seals: Vec<(Path, Seal, u64)>,
    told: Vec<String>,
}

impl FilesReader {
    /// Begins with no file.
    pub(super) fn new(lake: &str, table: &'static str) -> Self {
        let schema = table_schema(table);
        let floating = schema.fields().iter().filter(|field| field.data_type().is_floating());
        Self {
            lake: lake.to_owned(),
            table,
            floating: floating.map(|field| field.name().clone()).collect(),
            columns: ColumnsBuilder::new(&schema),
            schema,
            recent: Vec::new(),
            all: Vec::new(),
            live: LiveFiles::default(),
            fault: None,
            seals: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Takes in what the log says of a file's rows and columns. Statistics that cannot be read are none, which prunes nothing.
    pub(super) fn take(&mut self, added: &Added<'_>) {
        let path = added.path();
        self.live.add(&path, added.size_bytes());
        match self.described(added, path.into_owned()) {
            Ok(file) => self.recent.push(file),
            Err(fault) => drop(self.fault.get_or_insert(fault)),
        }
        if self.recent.len() >= FILES_TOGETHER {
            self.settle();
        }
    }

    /// Gives the files that were read last their columns.
    fn settle(&mut self) {
        let columns = std::mem::replace(&mut self.columns, ColumnsBuilder::new(&self.schema));
        let columns = Arc::new(columns.finish());
        let with_columns = |(file, row): (DataFile, u32)| DataFile { columns: columns.of_file(row), ..file };
        self.all.extend(self.recent.drain(..).map(with_columns));
    }

    /// Ends.
    pub(super) fn finish(mut self) -> Files {
        self.settle();
        let Self { mut all, live, fault, seals, told, .. } = self;
        all.shrink_to_fit();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Files { all: Arc::new(all), live, fault, seals, told }
    }

    fn described(&mut self, added: &Added<'_>, path: String) -> std::result::Result<(DataFile, u32), Fault> {
        let placed = |path: &str| match path.contains("://") {
            true => Err("is outside of the lake".to_owned()),
            false => Ok(PathBuf::from(path)),
        };
        let deletion = added
            .deletion_vector()
            .map(|(storage, text, offset, counts)| DeletionVector::of_log(storage, text, offset, counts, placed))
            .transpose()
            .map_err(|what| (self.lake.clone(), format!("the deletion vector of {path} {what}")))?;
        let mut tags = Tags::of(added);
        let size_bytes = added.size_bytes();
        let mut said = Said::of(added.statistics().unwrap_or_default());
        let is_doubted = deletion.is_none() && !tags.believes(&path, size_bytes, &said);
        if is_doubted {
            self.told.push(format!(
                "{}: {}/_delta_log: what the log says of {path} is not what was written when the file was added, so its rows are counted and \
                 searched without it; the log is damaged, or another program computed the statistics anew",
                self.lake, self.table
            ));
            said = Said::default();
            tags = Tags::default();
        }
        // More rows than a file can have are no count, and neither are more nulls than rows.
        let counted = |rows: &u64| i64::try_from(*rows).is_ok();
        let stored = said.rows.filter(counted);
        for (_, column) in &mut said.columns {
            let is_count = |nulls: &u64| {
                // Deleted rows may be the null ones.
                counted(nulls) && stored.is_none_or(|rows| *nulls <= rows) && (deletion.is_none() || *nulls == 0)
            };
            column.null_count = column.null_count.filter(is_count);
        }
        let rows = match &deletion {
            Some(deletion) => stored.and_then(|rows| rows.checked_sub(deletion.rows())),
            None => stored,
        };
        let constants = self.constants(added, &path, rows)?;
        let is_known = |name: &str| tags.nan.is_some_and(|names| !names.split(',').any(|nan| nan == name));
        let may_be_nan = |name: &str| self.floating.iter().any(|floating| floating == name) && !is_known(name);
        let row = self.columns.push(&said, &may_be_nan, constants);
        let file = DataFile {
            size_bytes,
            rows,
            is_ours: tags.nan.is_some() || layout::is_named_as_ours(&path),
            is_doubted,
            deletion,
            ids: tags.ids.and_then(|tag| IdsPlace::from_tag(tag, size_bytes)),
            leaves: tags.leaves.and_then(|tag| tag.parse::<u64>().ok()),
            path,
            columns: FileColumns::default(),
        };
        if let Some(seal) = tags.seal.and_then(|tag| Seal::from_tag(tag, size_bytes)) {
            self.seals.push((file.location(), seal, size_bytes));
        }
        Ok((file, row))
    }

    /// Reads the values that the log has in place of the file, each with the number of rows in which it is null.
    fn constants(
        &self,
        added: &Added<'_>,
        path: &str,
        rows: Option<u64>,
    ) -> std::result::Result<Vec<(String, ScalarValue, Option<u64>)>, Fault> {
        let mut constants = Vec::new();
        for (name, text) in added.partition_values() {
            let Ok(field) = self.schema.field_with_name(name) else { continue };
            let value =
                constant(text, name, field.data_type()).map_err(|words| (format!("{}: {path}", self.lake), words))?;
            let nulls = if value.is_null() { rows } else { Some(0) };
            constants.push((name.to_owned(), value, nulls));
        }
        Ok(constants)
    }
}

/// What the log says of a file beside its statistics, of what we write there.
#[derive(Debug, Default)]
struct Tags<'a> {
    nan: Option<&'a str>,
    seal: Option<&'a str>,
    ids: Option<&'a str>,
    leaves: Option<&'a str>,
    check: Option<&'a str>,
}

impl<'a> Tags<'a> {
    fn of(added: &Added<'a>) -> Self {
        let mut tags = Self::default();
        for (key, value) in added.tags() {
            match key {
                NAN_KEY => tags.nan = value,
                SEAL_KEY => tags.seal = value,
                IDS_KEY => tags.ids = value,
                LEAVES_KEY => tags.leaves = value,
                CHECK_KEY => tags.check = value,
                _ => {}
            }
        }
        tags
    }

    /// Says whether the log says of a file what was written when it was added, as far as that is known: of files of ours. Not to be asked of
    /// files with a deletion vector: a program that deletes rows says that there are fewer, and keeps our tags.
    fn believes(&self, path: &str, size_bytes: u64, statistics: &Said<'_>) -> bool {
        let Some(check) = self.check else { return true };
        Claims { path, size_bytes, statistics, nan: self.nan, seal: self.seal }.check() == check
    }
}

/// Reads the value of a column that folders stand for, as the log has it: a text, of which the empty one is null as none is.
fn constant(text: Option<&str>, name: &str, data_type: &DataType) -> std::result::Result<ScalarValue, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return ScalarValue::try_from(data_type).map_err(|e| e.to_string());
    };
    ScalarValue::try_from_string(text.to_owned(), data_type)
        .map_err(|_| format!("the log has the value {text:?} of column {name:?}, which is no {data_type}"))
}

impl Files {
    /// Returns the files as those of a version, and tells how they are checked.
    ///
    /// # Errors
    /// What keeps them from being read.
    pub(super) fn snapshot(&self, version: Version) -> Result<Snapshot> {
        match &self.fault {
            Some((place, words)) => Err(Error::storage(place.clone(), words.clone())),
            None => Ok(Snapshot { version, files: Arc::clone(&self.all) }),
        }
    }

    /// Returns the files of a later version: these without the ones that went, and those that came, of which one may have the path of one of these.
    pub(super) fn changed(&self, came: Self, gone: &[String]) -> Self {
        let goes: HashSet<&str> =
            gone.iter().map(String::as_str).chain(came.all.iter().map(|file| file.path.as_str())).collect();
        let mut live = self.live;
        let mut all = Vec::with_capacity(self.all.len() + came.all.len());
        for file in self.all.iter() {
            match goes.contains(file.path.as_str()) {
                true => live.remove(&file.path, file.size_bytes),
                false => all.push(file.clone()),
            }
        }
        for file in came.all.iter() {
            live.add(&file.path, file.size_bytes);
            all.push(file.clone());
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Self { all: Arc::new(all), live, ..came }
    }

    /// Returns the paths of the files.
    pub(super) fn paths(&self) -> HashSet<String> {
        self.all.iter().map(|file| file.path.clone()).collect()
    }

    /// Tells how the files can be checked, once.
    pub(super) fn teach(&mut self, seals: &Seals) {
        for (file, seal, size_bytes) in std::mem::take(&mut self.seals) {
            seals.learn(&file, seal, size_bytes);
        }
    }
}
