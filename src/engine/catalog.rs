//! The tables and views of a session, and what they are for.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{LogicalPlanBuilder, col, ident};

use super::changes::{SESSION_CHANGES, SessionChanges};
use super::config::Engine;
use super::guard::{Guard, Guarded};
use super::lake_table::LakeTable;
use super::quarantine::{Quarantine, QuarantineTable};
use super::scan::Leaves;
use super::stores::register_store;
use super::system::{System, SystemTable};
use crate::error::{Error, Result};
use crate::lake::{DataFile, Lake, Snapshot, Spent, Table, Version, layout};
use crate::schema;

/// Which version of a lake a session sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum At {
    /// The newest.
    #[default]
    Newest,
    /// This one.
    Version(Version),
    /// The newest that was committed at or before this instant.
    Time(DateTime<Utc>),
}

/// The tables of a lake, opened once: every session that [attaches](Engine::attach_view) them sees the same versions.
#[derive(Debug, Clone)]
pub struct LakeView {
    sessions: Table,
    snapshot: Snapshot,
    quarantine: Option<Quarantine>,
    /// Its tables for those who see everything, made when a session first attaches them.
    tables: Arc<OnceLock<Tables>>,
}

/// The tables of a view, for sessions that read leaves in one way.
#[derive(Debug)]
struct Tables {
    leaves: Leaves,
    all: Vec<(&'static str, Arc<dyn TableProvider>)>,
    changes: Arc<SessionChanges>,
}

impl LakeView {
    /// Opens the tables of a lake at a version. The quarantine has versions of its own: `quarantine` names one, else it is the one that is the
    /// newest when the quarantine is first asked for.
    ///
    /// # Errors
    /// A lake that is not there, or does not have the version; storage errors.
    pub async fn open(lake: &Lake, at: At, quarantine: Option<Version>) -> Result<Self> {
        let mut sessions = lake.open(layout::SESSIONS).await?.ok_or_else(|| no_lake(lake))?;
        match at {
            At::Newest => {}
            At::Version(version) => sessions.travel_to_version(version).await?,
            At::Time(instant) => sessions.travel_to_time(instant).await?,
        }
        let snapshot = sessions.snapshot()?;
        Ok(Self { sessions, snapshot, quarantine: Some(Quarantine::of(lake, quarantine)), tables: Arc::default() })
    }

    /// Looks for newer versions than the newest that was seen, and opens the newest. What is the same stays as it is.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn refreshed(&self, lake: &Lake) -> Result<Self> {
        let mut sessions = self.sessions.clone();
        sessions.refresh().await?;
        let quarantine = Some(Quarantine::of(lake, None));
        if sessions.version() == self.snapshot.version {
            return Ok(Self { sessions, quarantine, ..self.clone() });
        }
        let snapshot = sessions.snapshot()?;
        Ok(Self { sessions, snapshot, quarantine, tables: Arc::default() })
    }

    /// Lists the files of another version, which are known to the store of this one too.
    async fn travelled(&self, at: At) -> Result<Snapshot> {
        let mut sessions = self.sessions.clone();
        match at {
            At::Newest => {}
            At::Version(version) => sessions.travel_to_version(version).await?,
            At::Time(instant) => sessions.travel_to_time(instant).await?,
        }
        sessions.snapshot()
    }

    /// Opens the tables of the lake at a folder or URL, as [`LakeView::open`] does.
    ///
    /// # Errors
    /// As there, and a name that is none of a lake.
    pub async fn open_uri(uri: &str, at: At, quarantine: Option<Version>) -> Result<Self> {
        Self::open(&Lake::at(uri)?.counting(&Arc::default()), at, quarantine).await
    }

    /// What the lake was asked for up to now, if that is counted.
    pub fn spent(&self) -> Option<Spent> {
        self.sessions.costs().map(|costs| costs.spent())
    }

    /// Begins a phase of the command, where its time is counted.
    pub fn enter(&self, phase: &'static str) {
        if let Some(costs) = self.sessions.costs() {
            costs.enter(phase);
        }
    }

    /// The version of the lake.
    pub fn version(&self) -> Version {
        self.snapshot.version
    }

    /// Returns the version of the quarantine, where the lake has one, and opens it for that.
    ///
    /// # Errors
    /// A version that is not there; storage errors.
    pub async fn quarantine_version(&self) -> Result<Option<Version>> {
        let Some(quarantine) = &self.quarantine else { return Ok(None) };
        Ok(quarantine.opened().await?.map(|(_, snapshot)| snapshot.version))
    }
}

/// A table as `describe` shows it.
#[derive(Debug, Clone, Copy)]
pub struct TableNote {
    /// The name, as SQL writes it.
    pub name: &'static str,
    /// What it holds.
    pub meaning: &'static str,
}

/// The tables of every session.
pub const TABLES: [TableNote; 9] = [
    TableNote { name: "workflow_sessions", meaning: "one row a session, in its newest known state" },
    TableNote {
        name: "\"Workflow Sessions\"",
        meaning: "the same rows under the names of the platform's documentation, such as \"Session Id\"",
    },
    TableNote { name: "active_sessions", meaning: "sessions that are still running: ended_at is null" },
    TableNote { name: "ended_sessions", meaning: "sessions that have ended" },
    TableNote {
        name: "stored_sessions",
        meaning: "workflow_sessions with the columns that the lake adds: _exported_at, _source, _extra, _content_hash",
    },
    TableNote {
        name: "quarantine",
        meaning: "input that could not be stored, with its place, the reason and the raw text",
    },
    TableNote {
        name: "lake_history",
        meaning: "versions of the lake, each with the ledger of the ingest that made it, or what an upkeep did",
    },
    TableNote { name: "lake_files", meaning: "data files with rows, bytes, range of started_at and overlap" },
    TableNote {
        name: "lake_json_paths",
        meaning: "JSON paths that the data files hold, with types, how often they occur, and whether they are leaf columns",
    },
];

/// The tables of a session that sees some rows, or masked values: no others are named to it.
pub const GUARDED_TABLES: [&str; 4] = ["workflow_sessions", "Workflow Sessions", "active_sessions", "ended_sessions"];

impl Engine {
    /// Registers the tables of a lake at a version, and returns that version.
    ///
    /// # Errors
    /// A lake that is not there, or does not have the version; storage errors.
    pub async fn attach(&self, lake: &Lake, at: At) -> Result<Version> {
        let view = LakeView::open(lake, at, None).await?;
        self.attach_view(&view)?;
        Ok(view.version())
    }

    /// Registers the table of the lake's versions alone, for which the log's files and their statistics are not read.
    ///
    /// # Errors
    /// A lake that is not there; storage errors.
    pub async fn attach_history(&self, lake: &Lake) -> Result<()> {
        let table = lake.open_log(layout::SESSIONS).await?.ok_or_else(|| no_lake(lake))?;
        self.context()
            .register_table("lake_history", Arc::new(System::new(SystemTable::History, Some(table), None)))?;
        Ok(())
    }

    /// Registers the tables of a lake that is open already: many sessions then see the same versions.
    ///
    /// # Errors
    /// A defect of ours.
    pub fn attach_view(&self, view: &LakeView) -> Result<()> {
        let store = self.register_store(&view.sessions)?;
        let leaves = self.options().leaves;
        let made;
        let tables = match view.tables.get() {
            Some(tables) if tables.leaves == leaves => tables,
            _ => {
                made = Tables::of(view, &store, leaves)?;
                match view.tables.get() {
                    Some(_) => &made,
                    None => view.tables.get_or_init(|| made),
                }
            }
        };
        for (name, table) in &tables.all {
            self.context().register_table(*name, Arc::clone(table))?;
        }
        self.register_quarantine(view.quarantine.clone())?;
        self.context().register_udtf(SESSION_CHANGES, Arc::clone(&tables.changes) as _);
        Ok(())
    }

    /// Registers the rows of two versions of the sessions as the tables `earlier` and `later`, and returns the versions. Rows of files that both
    /// versions have are in neither: they are the same.
    ///
    /// # Errors
    /// A lake that is not there, or does not have the versions; storage errors.
    pub async fn attach_difference(&self, lake: &Lake, earlier: At, later: At) -> Result<(Version, Version)> {
        let newest = LakeView::open(lake, At::Newest, None).await?;
        let (from, to) = (newest.travelled(earlier).await?, newest.travelled(later).await?);
        for (name, snapshot, other) in [("earlier", &from, &to), ("later", &to, &from)] {
            let is_shared = |file: &DataFile| {
                other
                    .files
                    .binary_search_by(|known| known.path.cmp(&file.path))
                    .is_ok_and(|at| other.files.get(at) == Some(file))
            };
            let files: Vec<DataFile> = snapshot.files.iter().filter(|file| !is_shared(file)).cloned().collect();
            if snapshot.version != newest.version() {
                newest.sessions.require_kept(snapshot.version, &files).await?;
            }
            let store = self.register_store(&newest.sessions)?;
            let (version, schema) = (snapshot.version, schema::stored_schema());
            let table = LakeTable::new(name, version, store, schema, Arc::new(files), self.options().leaves);
            self.context().register_table(name, Arc::new(table.counting(newest.sessions.costs())))?;
        }
        Ok((from.version, to.version))
    }

    /// Registers the tables without rows, so that SQL can be checked where there is no lake.
    ///
    /// # Errors
    /// A defect of ours.
    pub fn attach_nothing(&self) -> Result<()> {
        let store = ObjectStoreUrl::parse("lake://nothing")?;
        let table = |name: &str, schema| -> Arc<dyn TableProvider> {
            Arc::new(LakeTable::new(name, 0, store.clone(), schema, Arc::default(), self.options().leaves))
        };
        self.register_all(views_of(table("workflow_sessions", schema::sessions_schema()))?)?;
        self.register_all(vec![("stored_sessions", table("stored_sessions", schema::stored_schema()))])?;
        self.register_quarantine(None)?;
        for (name, kind) in [
            ("lake_history", SystemTable::History),
            ("lake_files", SystemTable::Files),
            ("lake_json_paths", SystemTable::JsonPaths),
        ] {
            self.context().register_table(name, Arc::new(System::new(kind, None, None)))?;
        }
        self.context().register_udtf(SESSION_CHANGES, Arc::new(SessionChanges { sessions: None }));
        Ok(())
    }

    /// Registers those tables of a lake that a guarded session may see: the sessions, behind the guard. Tables that tell of rows or files as they
    /// are, such as the quarantine and `lake_files`, are not there.
    ///
    /// # Errors
    /// A defect of ours.
    pub fn attach_guarded(&self, view: &LakeView, guard: &Arc<Guard>) -> Result<()> {
        let store = self.register_store(&view.sessions)?;
        let (name, version, schema) = ("workflow_sessions", view.version(), schema::sessions_schema());
        let files = Arc::clone(&view.snapshot.files);
        let table = LakeTable::new(name, version, store, schema, files, self.options().leaves);
        let table = table.counting(view.sessions.costs()).indexed(&Arc::new(view.sessions.session_index()));
        self.register_all(views_of(Arc::new(Guarded::new(Arc::new(table), Arc::clone(guard))))?)
    }

    fn register_all(&self, tables: Vec<(&'static str, Arc<dyn TableProvider>)>) -> Result<()> {
        for (name, table) in tables {
            self.context().register_table(name, table)?;
        }
        Ok(())
    }

    fn register_quarantine(&self, quarantine: Option<Quarantine>) -> Result<()> {
        self.context()
            .register_table("quarantine", Arc::new(QuarantineTable::new(quarantine, self.options().leaves)))?;
        Ok(())
    }

    fn register_store(&self, table: &Table) -> Result<ObjectStoreUrl> {
        if let Some(costs) = table.costs() {
            self.count_spills(costs);
        }
        register_store(&self.context().runtime_env(), table)
    }
}

impl Tables {
    fn of(view: &LakeView, store: &ObjectStoreUrl, leaves: Leaves) -> Result<Self> {
        let (sessions, snapshot) = (&view.sessions, &view.snapshot);
        let index = Arc::new(sessions.session_index());
        let provider = |name: &str, schema| -> Arc<dyn TableProvider> {
            let files = Arc::clone(&snapshot.files);
            let table = LakeTable::new(name, snapshot.version, store.clone(), schema, files, leaves);
            Arc::new(table.counting(sessions.costs()).indexed(&index).told(sessions))
        };
        let mut all = views_of(provider("workflow_sessions", schema::sessions_schema()))?;
        all.push(("stored_sessions", provider("stored_sessions", schema::stored_schema())));
        for (name, kind, table, snapshot) in [
            ("lake_history", SystemTable::History, Some(sessions), None),
            ("lake_files", SystemTable::Files, None, Some(snapshot)),
            ("lake_json_paths", SystemTable::JsonPaths, Some(sessions), Some(snapshot)),
        ] {
            all.push((name, Arc::new(System::new(kind, table.cloned(), snapshot.cloned()))));
        }
        Ok(Self { leaves, all, changes: Arc::new(SessionChanges { sessions: Some(sessions.clone()) }) })
    }
}

fn no_lake(lake: &Lake) -> Error {
    Error::NotFound {
        message: format!("there is no lake at {:?}", lake.name),
        hint: Some("sessionlake ingest makes one; query ⟨from⟩ FILE needs none".to_owned()),
    }
}

/// The sessions with their views.
fn views_of(sessions: Arc<dyn TableProvider>) -> Result<Vec<(&'static str, Arc<dyn TableProvider>)>> {
    let scan = || LogicalPlanBuilder::scan("workflow_sessions", provider_as_source(Arc::clone(&sessions)), None);
    let documented = schema::COLUMNS.iter().map(|column| ident(column.name).alias(column.documented));
    let views = [
        ("active_sessions", scan()?.filter(col("ended_at").is_null())?.build()?),
        ("ended_sessions", scan()?.filter(col("ended_at").is_not_null())?.build()?),
        ("\"Workflow Sessions\"", scan()?.project(documented)?.build()?),
    ];
    let mut all = vec![("workflow_sessions", sessions)];
    all.extend(views.into_iter().map(|(name, plan)| (name, Arc::new(ViewTable::new(plan, None)) as _)));
    Ok(all)
}
