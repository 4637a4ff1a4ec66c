//! The table of what could not be stored, which is opened when it is first asked for.
//!
//! Nearly every question asks of sessions alone. The log of the quarantine is then not read: in a store that is three requests of eleven, and
//! of five where all else is cached. Whoever shares a [`LakeView`](super::LakeView) sees the version that was found at the first question.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as EngineResult;
use datafusion::common::project_schema;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use tokio::sync::OnceCell;

use super::lake_table::LakeTable;
use super::scan::Leaves;
use super::stores::register_store;
use crate::error::{Error, Result};
use crate::lake::{Lake, Snapshot, Table, Version, layout};
use crate::schema;

/// The quarantine of a lake at a version.
#[derive(Debug, Clone)]
pub(super) struct Quarantine {
    lake: Lake,
    /// `None` for the newest.
    version: Option<Version>,
    /// What was opened; nothing where the lake has none.
    opened: Arc<OnceCell<Option<(Table, Snapshot)>>>,
}

impl Quarantine {
    /// Names the quarantine of a lake at a version, or at the newest.
    pub fn of(lake: &Lake, version: Option<Version>) -> Self {
        Self { lake: lake.clone(), version, opened: Arc::default() }
    }

    /// Returns the table and its files; `None` where the lake has none.
    ///
    /// # Errors
    /// A version that is not there; storage errors.
    pub async fn opened(&self) -> Result<Option<&(Table, Snapshot)>> {
        let open = || async {
            let Some(mut table) = self.lake.open(layout::QUARANTINE).await? else { return Ok::<_, Error>(None) };
            if let Some(version) = self.version {
                table.travel_to_version(version).await?;
            }
            let snapshot = table.snapshot()?;
            Ok(Some((table, snapshot)))
        };
        Ok(self.opened.get_or_try_init(open).await?.as_ref())
    }
}

/// The quarantine as a table of a session.
#[derive(Debug)]
pub(super) struct QuarantineTable {
    schema: SchemaRef,
    /// `None` for one without rows.
    quarantine: Option<Quarantine>,
    leaves: Leaves,
}

impl QuarantineTable {
    pub fn new(quarantine: Option<Quarantine>, leaves: Leaves) -> Self {
        Self { schema: schema::quarantine_schema(), quarantine, leaves }
    }
}

#[async_trait]
impl TableProvider for QuarantineTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let opened = match &self.quarantine {
            Some(quarantine) => quarantine.opened().await?,
            None => None,
        };
        let Some((table, snapshot)) = opened else {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        };
        let store = register_store(state.runtime_env(), table)?;
        let files = Arc::clone(&snapshot.files);
        LakeTable::new("quarantine", snapshot.version, store, Arc::clone(&self.schema), files, self.leaves)
            .counting(table.costs())
            .told(table)
            .scan(state, projection, filters, limit)
            .await
    }
}
