//! Opens and creates the tables of a lake.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use arrow::datatypes::{DataType, SchemaRef};
use deltalake::kernel::transaction::{CommitProperties, TransactionError};
use deltalake::kernel::{DataType as DeltaType, PrimitiveType, StructField};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, TableProperty};
use futures::TryStreamExt;
use object_store::ObjectStore;
use url::Url;

use super::cache::Cache;
use super::checked::{Checked, Seals};
use super::cloud;
use super::compacted::{compacted_versions, stand_in};
use super::costs::{Costs, Counted};
use super::damage;
use super::features::Facts;
use super::hiding::{Hidden, Hiding};
use super::layout::{self, Version, table_schema};
use super::log::Log;
use super::remote::Remote;
use super::snapshot::{DataFile, Files};
use super::store::{DurableLocal, Layer, NotDurable, clear_staged, create_folder};
use super::teller::Teller;
use crate::error::{Error, Result, io_error};

/// A folder, local or in an object store, that holds the tables.
#[derive(Debug, Clone)]
pub struct Lake {
    /// The lake as the user named it.
    pub name: String,
    url: Url,
    local: Option<PathBuf>,
    teller: Teller,
    layer: Option<Layer>,
    costs: Option<Arc<Costs>>,
    cache: Option<Arc<Cache>>,
    pub(super) kept: Option<KeptTables>,
    /// Once the lake was asked for something.
    reached: Arc<OnceLock<Reached>>,
}

/// The tables that a run opened, each as it was read last.
pub(super) type KeptTables = Arc<Mutex<HashMap<&'static str, Table>>>;

/// The store of a lake, which all its tables share, and the connections with it.
#[derive(Debug, Clone)]
struct Reached {
    root: Arc<dyn ObjectStore>,
    /// The same, of a lake that is not on this machine.
    remote: Option<Arc<Remote>>,
}

impl Lake {
    /// Names who hears what is odd about the lake and keeps nobody from reading it, such as a damaged checkpoint.
    #[must_use]
    pub fn telling(mut self, hears: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.teller = self.teller.heard_by(hears);
        self
    }

    /// Puts a store around the one that the lake's files are in, through which logs and data files are read and logs are written: one that
    /// counts, traces or delays, or fails where a test wants it to.
    #[must_use]
    pub fn layered(
        mut self,
        layer: impl Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> + Send + Sync + 'static,
    ) -> Self {
        self.layer = Some(Layer(Arc::new(layer)));
        self.reached = Arc::default();
        self
    }

    /// Counts what the lake is asked for.
    #[must_use]
    pub fn counting(mut self, costs: &Arc<Costs>) -> Self {
        self.costs = Some(Arc::clone(costs));
        self.reached = Arc::default();
        self
    }

    /// Begins a phase of the command, where its time is counted.
    pub fn enter(&self, phase: &'static str) {
        if let Some(costs) = &self.costs {
            costs.enter(phase);
        }
    }

    /// Keeps what is read of a lake in an object store; one on this machine needs no cache.
    #[must_use]
    pub fn caching(mut self, cache: &Arc<Cache>) -> Self {
        self.cache = Some(Arc::clone(cache));
        self.reached = Arc::default();
        self
    }

    /// Returns the lake for a run that opens a table more than once: what was read of its log is kept, and read on at the next opening. Not for
    /// what runs for days, during which a table may be put in the place of another.
    #[must_use]
    pub fn keeping_tables(&self) -> Self {
        Self { kept: Some(self.kept.clone().unwrap_or_default()), ..self.clone() }
    }

    /// Finds a lake by a folder or a URL (`file://`, `s3://`, `gs://`, `az://`). Nothing is read or made.
    ///
    /// # Errors
    /// A URL that cannot be parsed, of a scheme that no lake is at, or with more in it than a place.
    pub fn at(name: &str) -> Result<Self> {
        let parsed = Url::parse(name).ok().filter(|url| url.scheme().len() > 1);
        match parsed {
            Some(mut url) if url.scheme() != "file" => {
                cloud::check_url(&url)?;
                if !url.path().ends_with('/') {
                    url.set_path(&format!("{}/", url.path()));
                }
                Ok(Self::new(name, url, None))
            }
            parsed => {
                let path = match parsed {
                    Some(url) => {
                        url.to_file_path().map_err(|()| Error::usage(format!("not a local folder: {name:?}")))?
                    }
                    None => PathBuf::from(name),
                };
                let path = std::path::absolute(&path).map_err(|e| Error::storage(name, e))?;
                let url = Url::from_directory_path(&path)
                    .map_err(|()| Error::usage(format!("a lake cannot be at {name:?}")))?;
                Ok(Self::new(name, url, Some(path)))
            }
        }
    }

    fn new(name: &str, url: Url, local: Option<PathBuf>) -> Self {
        let (teller, reached) = (Teller::default(), Arc::default());
        Self { name: name.to_owned(), url, local, teller, layer: None, costs: None, cache: None, kept: None, reached }
    }

    /// Names the lake so that any working folder finds it: an absolute path, or the URL, in which there is nothing secret.
    pub fn uri(&self) -> String {
        match &self.local {
            Some(folder) => folder.display().to_string(),
            None => self.url.to_string(),
        }
    }

    /// Says whether the lake is in an object store, and not on this machine.
    pub fn is_remote(&self) -> bool {
        self.local.is_none()
    }

    /// Opens a table at its newest version, or `None` where the lake does not have it yet.
    ///
    /// # Errors
    /// Storage errors, and a log that cannot be read.
    pub async fn open(&self, table: &'static str) -> Result<Option<Table>> {
        match self.read_on_kept(table).await? {
            Some(kept) => Ok(Some(kept)),
            None => self.open_with(table, true).await,
        }
    }

    /// Opens a table at its newest version for what its log says of versions: its files are not read.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_log(&self, table: &'static str) -> Result<Option<Table>> {
        self.open_with(table, false).await
    }

    async fn open_with(&self, table: &'static str, lists_files: bool) -> Result<Option<Table>> {
        if let Some(folder) = &self.local
            && !is_folder(&folder.join(table).join("_delta_log"))?
        {
            return Ok(None);
        }
        let hidden = Arc::<Hidden>::default();
        let delta = self.builder(table, &hidden)?.build().map_err(|e| delta_error(&self.name, e))?;
        let mut table = Table { lists_files, ..self.table(table, delta, hidden)? };
        match table.load_at(None).await {
            Ok(()) => {}
            Err(error) => {
                // A log folder without a version: the process that made it was stopped before its first commit.
                let nothing = matches!(error, DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_));
                if nothing && !table.has_commits().await? {
                    return Ok(None);
                }
                match table.read_on(None, error).await {
                    // Its first version may have been committed since.
                    Err(named) if nothing => table.load_at(None).await.map_err(|_| named)?,
                    read => read?,
                }
            }
        }
        table.refuse_empty_commits().await?;
        if lists_files {
            table.refuse_lost_actions().await?;
        }
        Ok(Some(table))
    }

    /// Opens a table, and creates it first where the lake does not have it.
    ///
    /// # Errors
    /// Storage errors, and a log that cannot be read.
    pub async fn open_or_create(&self, table: &'static str) -> Result<Table> {
        if let Some(kept) = self.read_on_kept(table).await? {
            return Ok(kept);
        }
        if let Some(found) = self.open(table).await? {
            if let Some(folder) = &found.folder {
                clear_staged(&folder.join("_delta_log"));
            }
            found.clear_written().await;
            return Ok(found);
        }
        if let Some(folder) = &self.local {
            create_folder(&folder.join(table)).map_err(|e| Error::storage(folder.display().to_string(), e))?;
        }
        if let Some(remote) = self.reached()?.remote {
            remote.require_creates().await?;
        }
        let hidden = Arc::<Hidden>::default();
        let log_store = self.builder(table, &hidden)?.build_storage().map_err(|e| delta_error(&self.name, e))?;
        // A key for the table whose fingerprints need one.
        let key = (table == layout::ERASED).then(|| {
            let random = || uuid::Uuid::new_v4().simple().to_string();
            (layout::ERASED_KEY, Some(random() + &random()))
        });
        let created = deltalake::operations::create::CreateBuilder::new()
            .with_log_store(log_store)
            .with_configuration(key)
            .with_raise_if_key_not_exists(false)
            .with_table_name(table)
            .with_columns(delta_columns(&table_schema(table))?)
            .with_configuration_property(
                TableProperty::CheckpointInterval,
                Some(layout::CHECKPOINT_INTERVAL.to_string()),
            )
            .with_configuration_property(TableProperty::SetTransactionRetentionDuration, Some(layout::KNOWN_FOR))
            // The ledgers are in the log: it is kept, and time travel with it.
            .with_configuration_property(TableProperty::EnableExpiredLogCleanup, Some("false"))
            // Where two processes create it at once, the slower one must not describe the table anew as version 1.
            .with_commit_properties(CommitProperties::default().with_max_retries(0))
            .await;
        match created {
            Ok(delta) => {
                let mut made = self.table(table, delta, hidden)?;
                made.load_at(None).await.map_err(|e| delta_error(&self.name, e))?;
                Ok(made)
            }
            Err(error) if NotDurable::is_behind(&error) => Err(delta_error(&self.name, error)),
            // Another process made it first.
            Err(error) => match self.open(table).await? {
                Some(found) => Ok(found),
                None => Err(delta_error(&self.name, error)),
            },
        }
    }

    /// Opens the folder itself as a table, which another program may have made; [`Table::load`] reads its log.
    pub(super) fn foreign(&self) -> Result<Table> {
        let hidden = Arc::<Hidden>::default();
        let builder = self.builder_at(self.url.clone(), &hidden)?;
        let delta = builder.build().map_err(|e| delta_error(&self.name, e))?;
        self.table(".", delta, hidden)
    }

    fn table(&self, name: &'static str, delta: DeltaTable, hidden: Arc<Hidden>) -> Result<Table> {
        let folder = self.local.as_ref().map(|local| local.join(name));
        let (seals, remote, teller) = (Arc::default(), self.reached()?.remote, self.teller.clone());
        let (costs, kept) = (self.costs.clone(), self.kept.clone());
        let (uri, lake) = (self.uri(), self.name.clone());
        let (lists_files, log, files) = (true, None, None);
        Ok(Table {
            lake,
            uri,
            name,
            delta,
            log,
            files,
            lists_files,
            folder,
            hidden,
            seals,
            remote,
            costs,
            teller,
            kept,
        })
    }

    fn builder(&self, table: &str, hidden: &Arc<Hidden>) -> Result<DeltaTableBuilder> {
        let url = self.url.join(&format!("{table}/")).map_err(|e| Error::storage(self.name.clone(), e))?;
        self.builder_at(url, hidden)
    }

    fn builder_at(&self, url: Url, hidden: &Arc<Hidden>) -> Result<DeltaTableBuilder> {
        cloud::know_schemes();
        let builder = DeltaTableBuilder::from_url(url.clone()).map_err(|e| delta_error(&self.name, e))?;
        let inner = self.reached()?.root;
        Ok(builder.with_storage_backend(Arc::new(Hiding { inner, hidden: Arc::clone(hidden) }), url))
    }

    /// The URL of the lake, which ends in a slash.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the store that the lake's files are in, from its root on.
    pub(super) fn root(&self) -> Result<Arc<dyn ObjectStore>> {
        Ok(self.reached()?.root)
    }

    /// Returns the store of a lake that is not on this machine.
    pub(super) fn remote(&self) -> Result<Option<Arc<Remote>>> {
        Ok(self.reached()?.remote)
    }

    /// Makes the store of the lake's files, or returns the one that is made.
    fn reached(&self) -> Result<Reached> {
        if let Some(reached) = self.reached.get() {
            return Ok(reached.clone());
        }
        let mut inner: Arc<dyn ObjectStore> = match self.local {
            Some(_) => Arc::new(DurableLocal::new()),
            None => cloud::client(&self.url)?,
        };
        if let Some(Layer(around)) = &self.layer {
            inner = around(inner);
        }
        if let Some(costs) = self.costs.clone() {
            inner = Arc::new(Counted { inner, costs, reads_ranges_at_once: self.local.is_some() });
        }
        let made = match self.local {
            Some(_) => Reached { root: inner, remote: None },
            None => {
                let folder = object_store::path::Path::from_url_path(self.url.path());
                let folder = folder.map_err(|e| Error::usage(format!("a lake cannot be at {:?}: {e}", self.name)))?;
                let remote = Arc::new(Remote::new(inner, self.name.clone(), folder, self.cache.clone()));
                Reached { root: Arc::clone(&remote) as Arc<dyn ObjectStore>, remote: Some(remote) }
            }
        };
        Ok(self.reached.get_or_init(|| made).clone())
    }
}

/// Says whether a folder is there.
///
/// # Errors
/// One that may be there, but may not be looked at.
fn is_folder(folder: &std::path::Path) -> Result<bool> {
    match std::fs::metadata(folder) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(io_error(folder)(error)),
    }
}

fn delta_columns(schema: &SchemaRef) -> Result<Vec<StructField>> {
    schema
        .fields()
        .iter()
        .map(|field| {
            let primitive = match field.data_type() {
                DataType::Utf8View => PrimitiveType::String,
                DataType::BinaryView => PrimitiveType::Binary,
                DataType::Timestamp(..) => PrimitiveType::Timestamp,
                DataType::Float64 => PrimitiveType::Double,
                DataType::Int64 => PrimitiveType::Long,
                other => return Err(Error::internal(format!("no Delta type for {other}"))),
            };
            // Nullable throughout: other engines then read and write the table without invariants of ours in the way.
            Ok(StructField::new(field.name(), DeltaType::Primitive(primitive), true))
        })
        .collect()
}

/// Maps an error of the log to who must act.
pub(super) fn delta_error(context: &str, error: DeltaTableError) -> Error {
    match error {
        DeltaTableError::VersionAlreadyExists(_)
        | DeltaTableError::Transaction {
            source:
                TransactionError::MaxCommitAttempts(_)
                | TransactionError::CommitConflict(_)
                | TransactionError::VersionAlreadyExists(_),
        } => Error::Conflict { message: format!("{context}: another writer committed first") },
        error => Error::storage(context, error),
    }
}

/// One table of a lake, at a version.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) lake: String,
    /// The lake, as [`Lake::uri`] names it.
    pub(super) uri: String,
    /// The table's name.
    pub name: &'static str,
    /// Where the log is. What it says is read by [`Log`].
    pub(super) delta: DeltaTable,
    pub(super) log: Option<Log>,
    /// The files of the version, unless the table was opened without them.
    pub(super) files: Option<Arc<Files>>,
    pub(super) lists_files: bool,
    pub(super) folder: Option<PathBuf>,
    pub(super) hidden: Arc<Hidden>,
    pub(super) seals: Arc<Seals>,
    /// The store, of a table that is not on this machine.
    pub(super) remote: Option<Arc<Remote>>,
    pub(super) costs: Option<Arc<Costs>>,
    pub(super) teller: Teller,
    /// Where the run keeps what is read, if it does.
    pub(super) kept: Option<KeptTables>,
}

impl Table {
    /// The version that is loaded.
    pub fn version(&self) -> Version {
        self.log.as_ref().map(Log::version).unwrap_or_default()
    }

    /// What the table's scans are counted in, if they are.
    pub fn costs(&self) -> Option<&Arc<Costs>> {
        self.costs.as_ref()
    }

    /// The table's URL, which ends in a slash.
    pub fn url(&self) -> &Url {
        self.delta.table_url()
    }

    /// The object store whose root is the table's folder. Data files that a snapshot named are checked as they are read.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        let table = format!("{}/{}", self.lake.trim_end_matches('/'), self.name);
        let (seals, remote) = (Arc::clone(&self.seals), self.remote.clone());
        Arc::new(Checked { inner: self.delta.object_store(), seals, table, remote })
    }

    /// Says whether the log has checksums of the bytes of a file that a snapshot named.
    pub fn has_seal(&self, file: &DataFile) -> bool {
        self.seals.has(&file.location())
    }

    /// Lists the checkpoints that cannot be read, each with what is wrong with it. All of the newest sound one, and the commits after it, is read.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn damaged_checkpoints(&self) -> Result<Vec<(String, String)>> {
        let place = format!("{}: {}/_delta_log", self.lake, self.name);
        // What is hidden from the log's readers is what was found damaged.
        let found = damage::find(&self.delta.object_store(), None).await.map_err(|e| Error::storage(place, e))?;
        let listed = found.checkpoints.into_iter().map(|file| (format!("_delta_log/{}", file.name), file.what));
        let hidden = self.hidden.names().into_iter();
        Ok(listed.chain(hidden.map(|name| (format!("_delta_log/{name}"), "cannot be read".to_owned()))).collect())
    }

    /// Says what is odd about the table and keeps nobody from reading it, once.
    pub(super) fn tell(&self, sentence: String) {
        self.teller.tell(sentence);
    }

    /// Reads the log of a table that was opened without it.
    pub(super) async fn load(&mut self) -> Result<()> {
        if let Err(error) = self.load_at(None).await {
            self.read_on(None, error).await?;
        }
        self.refuse_empty_commits().await
    }

    /// Reads on without the checkpoints that are damaged, where the rest of the log is whole, and tells which they are.
    pub(super) async fn read_on(&mut self, up_to: Option<Version>, mut error: DeltaTableError) -> Result<()> {
        let place = format!("{}: {}/_delta_log", self.lake, self.name);
        if self.remote.as_ref().is_some_and(|remote| remote.forgets_hints()) {
            let Err(again) = self.load_at(up_to).await else { return Ok(()) };
            error = again;
        }
        if self.read_compacted().await? {
            return self.load_at(up_to).await.map_err(|e| delta_error(&self.lake, e));
        }
        let found = damage::find(&self.store(), up_to).await.map_err(|e| Error::storage(place.clone(), e))?;
        let commit = found.commit.map(|commit| format!("{} {}", commit.name, commit.what));
        let Some(first) = found.checkpoints.first() else {
            return Err(match commit {
                Some(commit) => Error::storage(place, format!("{commit}: the log is damaged")),
                None => delta_error(&place, error),
            });
        };
        for name in &found.hide {
            self.hidden.hide(name);
        }
        if let Err(error) = self.load_at(up_to).await {
            let why = commit.unwrap_or_else(|| error.to_string());
            let what = format!("{} {}, and the log is not whole without it: {why}", first.name, first.what);
            return Err(Error::storage(place, what));
        }
        for checkpoint in found.checkpoints {
            self.teller.tell(format!(
                "{place}/{} {}; the rest of the log is whole and was read instead. Deleting this file loses nothing, and the next \
                 commit writes a new checkpoint",
                checkpoint.name, checkpoint.what
            ));
        }
        Ok(())
    }

    /// Says whether the log has a version.
    async fn has_commits(&self) -> Result<bool> {
        let (store, folder) = (self.store(), object_store::path::Path::from("_delta_log"));
        let mut entries = store.list(Some(&folder));
        while let Some(entry) = entries.try_next().await.map_err(|e| Error::storage(self.lake.clone(), e))? {
            if entry.location.filename().is_some_and(|name| name.starts_with(|first: char| first.is_ascii_digit())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn facts(&self) -> Result<Facts> {
        let log = self.log()?;
        let json = |value: serde_json::Result<serde_json::Value>| value.map_err(Error::internal);
        let protocol = json(serde_json::to_value(log.protocol()))?;
        Ok(Facts::of(&protocol, &json(serde_json::to_value(log.metadata()))?))
    }

    /// Refuses to write where another program uses a feature of Delta that a commit of ours would break or lose.
    ///
    /// # Errors
    /// The feature by its name, or the column that is gone or has another type, with what undoes it.
    pub fn require_writable(&self) -> Result<()> {
        let facts = self.facts()?;
        match facts.unwritable().or(facts.misfit(&self.fields()?)) {
            Some(words) => Err(Error::storage(format!("{}: {}", self.lake, self.name), words)),
            None => Ok(()),
        }
    }

    /// Returns a property of the table, as the log has it.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub fn property(&self, name: &str) -> Result<Option<String>> {
        Ok(self.facts()?.property(name).map(str::to_owned))
    }

    /// Names the columns of other programs in the table.
    pub(super) fn foreign_columns(&self) -> Result<Vec<String>> {
        Ok(self.facts()?.others(&self.fields()?).map(str::to_owned).collect())
    }

    /// The table's columns as its log has them when we make it.
    fn fields(&self) -> Result<serde_json::Value> {
        serde_json::to_value(delta_columns(&table_schema(self.name))?).map_err(Error::internal)
    }

    /// Puts compacted files in the place of commits that are gone, and says whether any are.
    async fn read_compacted(&self) -> Result<bool> {
        stand_in(&self.store(), &self.hidden).await.map_err(|e| Error::storage(self.lake.clone(), e))
    }

    /// Refuses a log with a commit without content, which reads as a version that changed nothing: a disk that lost a write
    /// leaves such files.
    pub(super) async fn refuse_empty_commits(&mut self) -> Result<()> {
        // Where a checkpoint is hidden, all commits were read.
        let first = match self.hidden.is_empty() {
            true => self.version().saturating_sub(layout::CHECKPOINT_INTERVAL),
            false => 0,
        };
        let folder = object_store::path::Path::from("_delta_log");
        // Commits before the newest checkpoint are not read any more.
        let offset = folder.clone().join(format!("{first:020}"));
        let store = self.store();
        let mut entries = match &self.remote {
            // What the log was just read by.
            Some(remote) => remote.listed(self.url(), first),
            None => store.list_with_offset(Some(&folder), &offset),
        };
        let mut ends_in_compacted = false;
        while let Some(entry) = entries.try_next().await.map_err(|e| Error::storage(self.lake.clone(), e))? {
            if entry.size == 0 && entry.location.as_ref().ends_with(".json") {
                return Err(Error::storage(
                    format!("{}: {}/{}", self.lake, self.name, entry.location),
                    "the file is empty: the log is damaged",
                ));
            }
            let compacted = entry.location.filename().and_then(compacted_versions);
            ends_in_compacted |= compacted.is_some_and(|(_, last)| last > self.version());
        }
        drop(entries);
        if ends_in_compacted && self.read_compacted().await? {
            self.load_at(None).await.map_err(|e| delta_error(&self.lake, e))?;
        }
        Ok(())
    }
}
