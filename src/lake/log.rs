//! The log of a table at one version, as deltalake's kernel reads it.
//!
//! What deltalake keeps of a log costs some ten kilobytes a file: each action's statistics as a text and as columns of their own. Here the kernel
//! replays the log, and its batches of actions are handed on one at a time, with statistics as the texts that they are, and dropped. The protocol,
//! the metadata and the history need no file. A log that was read before is read on: of the files, what came and what went since; and the names
//! of application transactions are read once for all that ask for one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, MapArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{Int32Type, Int64Type};
use delta_kernel::actions::LOG_TXN_SCHEMA;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::scan::StatsOptions;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{Engine, Snapshot};
use deltalake::DeltaTableError;
use deltalake::kernel::{Metadata, Protocol};
use deltalake::logstore::LogStoreRef;
use percent_encoding::percent_decode_str;
use tokio::sync::OnceCell;
use url::Url;

use super::layout::Version;

/// What reading a log gives, or what is wrong with it.
type Read<T> = std::result::Result<T, DeltaTableError>;

/// The log of a table at one version.
#[derive(Debug, Clone)]
pub(super) struct Log {
    store: LogStoreRef,
    read: SnapshotRef,
    /// The versions that application transactions left, by their names, once one was asked for.
    transactions: Arc<OnceCell<HashMap<String, i64>>>,
}

impl Log {
    /// Reads protocol and metadata of a table at a version, or its newest.
    pub(super) async fn read(store: &LogStoreRef, table: &Url, version: Option<Version>) -> Read<Self> {
        let mut table = table.clone();
        if !table.path().ends_with('/') {
            table.set_path(&format!("{}/", table.path()));
        }
        let read = blocking(store, move |engine| {
            let mut builder = Snapshot::builder_for(table);
            if let Some(version) = version {
                builder = builder.at_version(version);
            }
            builder.build(engine)
        });
        match read.await {
            Ok(read) => Ok(Self::of(store, read)),
            Err(DeltaTableError::KernelError(error)) if error.to_string().contains("No files in log segment") => {
                Err(DeltaTableError::NotATable(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    fn of(store: &LogStoreRef, read: SnapshotRef) -> Self {
        Self { store: Arc::clone(store), read, transactions: Arc::default() }
    }

    /// Looks for newer versions, and reads the newest.
    pub(super) async fn newest(&self) -> Read<Self> {
        let read = Arc::clone(&self.read);
        let read = blocking(&self.store, move |engine| Snapshot::builder_from(read).build(engine)).await?;
        Ok(Self::of(&self.store, read))
    }

    /// The version.
    pub(super) fn version(&self) -> Version {
        self.read.version()
    }

    /// What a reader and a writer must know.
    pub(super) fn protocol(&self) -> &Protocol {
        self.read.table_configuration().protocol()
    }

    /// The columns and properties.
    pub(super) fn metadata(&self) -> &Metadata {
        self.read.table_configuration().metadata()
    }

    /// Returns the version that an application transaction of this name left. The first call reads the names of all, which takes as long as reading
    /// one. A name that the log may forget by now counts for as long as it is there.
    pub(super) async fn transaction_version(&self, name: &str) -> Read<Option<i64>> {
        let read = || async {
            let read = Arc::clone(&self.read);
            blocking(&self.store, move |engine| {
                let mut versions = HashMap::new();
                // The newest first, which counts.
                for part in read.log_segment().read_actions(engine, LOG_TXN_SCHEMA.clone())? {
                    let batch: RecordBatch = ArrowEngineData::try_from_engine_data(part?.actions)?.into();
                    for (name, version) in transactions(&batch)? {
                        versions.entry(name.to_owned()).or_insert(version);
                    }
                }
                Ok(versions)
            })
            .await
        };
        Ok(self.transactions.get_or_try_init(read).await?.get(name).copied())
    }

    /// Writes a checkpoint of the version.
    pub(super) async fn write_checkpoint(&self) -> Read<()> {
        let read = Arc::clone(&self.read);
        blocking(&self.store, move |engine| read.checkpoint(engine, None).map(drop)).await
    }

    /// Hands all that the log says of the version's files to what takes them, one batch of actions after the other.
    pub(super) async fn files<T: Send + 'static>(
        &self,
        mut takes: T,
        take: impl Fn(&mut T, &Added<'_>) + Send + 'static,
    ) -> Read<T> {
        let read = Arc::clone(&self.read);
        blocking(&self.store, move |engine| {
            // Statistics as texts, which are gone through once; columns that folders stand for are found in each action.
            let scan = read.scan_builder().with_stats(StatsOptions::json_only()).without_row_transforms().build()?;
            for part in scan.scan_metadata(engine)? {
                let (data, selected) = part?.scan_files.into_parts();
                let batch: RecordBatch = ArrowEngineData::try_from_engine_data(data)?.into();
                take_selected(&Adds::of_scan(&batch)?, batch.num_rows(), &selected, &mut takes, &take);
            }
            Ok(takes)
        })
        .await
    }

    /// Hands what came after an earlier version and is there now to what takes it, and lists the paths of what went. `None` where the log does not have
    /// all commits since.
    pub(super) async fn files_since<T: Send + 'static>(
        &self,
        version: Version,
        mut takes: T,
        take: impl Fn(&mut T, &Added<'_>) + Send + 'static,
    ) -> Read<Option<(T, Vec<String>)>> {
        let read = Arc::clone(&self.read);
        blocking(&self.store, move |engine| {
            let Some(mut changes) = read.incremental_scan_builder(version).build(engine)? else { return Ok(None) };
            for part in changes.by_ref() {
                let (data, selected) = part?.into_parts();
                let batch: RecordBatch = ArrowEngineData::try_from_engine_data(data)?.into();
                take_selected(&Adds::of_commits(&batch)?, batch.num_rows(), &selected, &mut takes, &take);
            }
            let gone = changes.into_summary()?.removes;
            Ok(Some((takes, gone.iter().map(|key| as_people_write(key.path()).into_owned()).collect())))
        })
        .await
    }
}

/// Returns a path of the log as people write it.
pub(super) fn as_people_write(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

fn take_selected<T>(
    adds: &Adds<'_>,
    rows: usize,
    selected: &[bool],
    takes: &mut T,
    take: &impl Fn(&mut T, &Added<'_>),
) {
    for row in 0..rows {
        // What is not told of is selected.
        if selected.get(row).copied().unwrap_or(true) {
            take(takes, &Added { adds, row });
        }
    }
}

fn missing(name: &str) -> delta_kernel::Error {
    delta_kernel::Error::generic(format!("a batch of actions without {name}"))
}

/// Lists the names and versions of application transactions in a batch of actions.
fn transactions(batch: &RecordBatch) -> delta_kernel::DeltaResult<impl Iterator<Item = (&str, i64)>> {
    let all = batch.column_by_name("txn").and_then(|all| all.as_struct_opt()).ok_or_else(|| missing("txn"))?;
    let names = all.column_by_name("appId").and_then(|names| names.as_string_opt::<i32>());
    let versions = all.column_by_name("version").and_then(|versions| versions.as_primitive_opt::<Int64Type>());
    let (names, versions) = names.zip(versions).ok_or_else(|| missing("the parts of transactions"))?;
    let is_one = |row: &usize| all.is_valid(*row) && names.is_valid(*row) && versions.is_valid(*row);
    Ok((0..batch.num_rows()).filter(is_one).map(|row| (names.value(row), versions.value(row))))
}

/// Runs what reads a log where it may wait.
async fn blocking<T: Send + 'static>(
    store: &LogStoreRef,
    read: impl FnOnce(&dyn Engine) -> delta_kernel::DeltaResult<T> + Send + 'static,
) -> Read<T> {
    let engine = store.engine(None);
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(|| read(engine.as_ref())));
    // The kernel panics over some damage, which is then found by who looks for it.
    Ok(done.await.map_err(|error| DeltaTableError::Generic(error.to_string()))??)
}

/// A batch of what the log says of files, by its columns.
struct Adds<'a> {
    paths: &'a StringArray,
    sizes: &'a Int64Array,
    statistics: Option<&'a StringArray>,
    tags: Option<&'a MapArray>,
    partitions: Option<&'a MapArray>,
    deletions: Option<Deletions<'a>>,
}

struct Deletions<'a> {
    all: &'a StructArray,
    storages: &'a StringArray,
    texts: &'a StringArray,
    offsets: Option<&'a Int32Array>,
    sizes: &'a Int32Array,
    rows: &'a Int64Array,
}

impl<'a> Adds<'a> {
    /// Of a scan's batch, which has a row for each file.
    fn of_scan(batch: &'a RecordBatch) -> delta_kernel::DeltaResult<Self> {
        let constants = batch.column_by_name("fileConstantValues").and_then(|column| column.as_struct_opt());
        Self::of(|name| batch.column_by_name(name), |name| constants.and_then(|all| all.column_by_name(name)))
    }

    /// Of a batch of commits' actions, which has what is added in a column.
    fn of_commits(batch: &'a RecordBatch) -> delta_kernel::DeltaResult<Self> {
        let all =
            batch.column_by_name("add").and_then(|column| column.as_struct_opt()).ok_or_else(|| missing("add"))?;
        Self::of(|name| all.column_by_name(name), |name| all.column_by_name(name))
    }

    fn of(
        column: impl Fn(&str) -> Option<&'a ArrayRef>,
        constant: impl Fn(&str) -> Option<&'a ArrayRef>,
    ) -> delta_kernel::DeltaResult<Self> {
        let text = |name: &str| column(name).and_then(|column| column.as_string_opt::<i32>());
        let map = |name: &str| constant(name).and_then(|map| map.as_map_opt());
        let sizes = column("size").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let deletions = column("deletionVector").and_then(|column| column.as_struct_opt());
        Ok(Self {
            paths: text("path").ok_or_else(|| missing("path"))?,
            sizes: sizes.ok_or_else(|| missing("size"))?,
            statistics: text("stats"),
            tags: map("tags"),
            partitions: map("partitionValues"),
            deletions: match deletions.filter(|all| all.null_count() < all.len()) {
                Some(all) => Some(Deletions::of(all).ok_or_else(|| missing("the parts of deletion vectors"))?),
                None => None,
            },
        })
    }
}

impl<'a> Deletions<'a> {
    fn of(all: &'a StructArray) -> Option<Self> {
        let text = |name: &str| all.column_by_name(name)?.as_string_opt::<i32>();
        Some(Self {
            all,
            storages: text("storageType")?,
            texts: text("pathOrInlineDv")?,
            offsets: all.column_by_name("offset").and_then(|offsets| offsets.as_primitive_opt::<Int32Type>()),
            sizes: all.column_by_name("sizeInBytes")?.as_primitive_opt::<Int32Type>()?,
            rows: all.column_by_name("cardinality")?.as_primitive_opt::<Int64Type>()?,
        })
    }
}

/// What the log says of one file.
pub(super) struct Added<'a> {
    adds: &'a Adds<'a>,
    row: usize,
}

impl<'a> Added<'a> {
    /// The path from the table's folder, as people write it.
    pub(super) fn path(&self) -> Cow<'a, str> {
        as_people_write(self.adds.paths.value(self.row))
    }

    /// Size in bytes.
    pub(super) fn size_bytes(&self) -> u64 {
        u64::try_from(self.adds.sizes.value(self.row)).unwrap_or_default()
    }

    /// The statistics, as a text.
    pub(super) fn statistics(&self) -> Option<&'a str> {
        let all = self.adds.statistics.filter(|all| all.is_valid(self.row))?;
        Some(all.value(self.row))
    }

    /// What writers put beside it.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        entries(self.adds.tags, self.row)
    }

    /// The values of the columns that folders stand for.
    pub(super) fn partition_values(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        entries(self.adds.partitions, self.row)
    }

    /// What the log says of the file's deletion vector, if it has one.
    pub(super) fn deletion_vector(&self) -> Option<LoggedVector<'a>> {
        let row = self.row;
        let has = |all: &&Deletions<'_>| all.all.is_valid(row) && all.storages.is_valid(row);
        let all = self.adds.deletions.as_ref().filter(has)?;
        let offset = all.offsets.filter(|offsets| offsets.is_valid(row)).map(|offsets| offsets.value(row));
        Some((all.storages.value(row), all.texts.value(row), offset, (all.sizes.value(row), all.rows.value(row))))
    }
}

/// How a deletion vector is stored, the text, the offset, and the size and the number of rows.
pub(super) type LoggedVector<'a> = (&'a str, &'a str, Option<i32>, (i32, i64));

/// Lists the entries of a map of texts.
fn entries(map: Option<&MapArray>, row: usize) -> impl Iterator<Item = (&str, Option<&str>)> {
    let map = map.filter(|map| map.is_valid(row));
    let parts = map.and_then(|map| {
        let (keys, values) = (map.keys().as_string_opt::<i32>()?, map.values().as_string_opt::<i32>()?);
        let offsets = map.value_offsets();
        let place = |at: usize| usize::try_from(*offsets.get(at)?).ok();
        Some((keys, values, place(row)?..place(row + 1)?))
    });
    parts.into_iter().flat_map(|(keys, values, range)| {
        range.map(move |at| (keys.value(at), values.is_valid(at).then(|| values.value(at))))
    })
}
