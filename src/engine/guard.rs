//! A table of which a session sees some rows, and values that are masked.
//!
//! [`Guarded`] stands before the sessions. Its node puts out the rows that the guard lets through, each as its [`Veil`] leaves it, and what a
//! query asks for is computed from that alone: no filter, join, cast or function of a query meets a row or a value that its caller may not
//! see. A whole row is masked at once, whichever of its columns are asked for, so that a value is masked the same way in each query.
//!
//! Limits: a filter of a query goes to the scan, where it leaves out files and pages, only if it can fail on no value and is about columns that
//! no veil changes, such as `started_at`. Whoever counts time may learn how many rows were read.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics, internal_datafusion_err, project_schema};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType, col, lit};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlanProperties, Partitioning, PlanProperties};
use futures::StreamExt;

use super::own::Node;
use super::passing::{Passing, PassingExec};

/// The column that rows are chosen by.
const CHOSEN_BY: &str = "workflow_id";

/// Masks rows.
pub trait Veil: fmt::Debug + Send + Sync + Any {
    /// Masks the texts of whole rows. Columns, types and the number of rows stay.
    ///
    /// # Errors
    /// A defect of ours.
    fn masked(&self, rows: &RecordBatch) -> crate::Result<RecordBatch>;
}

/// What a session may see.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Masks each row; none shows rows as they are.
    pub veil: Option<Arc<dyn Veil>>,
    /// The workflows whose sessions are there; none is all of them.
    pub workflows: Option<BTreeSet<String>>,
}

impl Guard {
    /// Says whether everything is there as it is.
    pub fn is_open(&self) -> bool {
        self.veil.is_none() && self.workflows.is_none()
    }

    /// Says whether a veil may change a column.
    fn may_change(&self, data_type: &DataType) -> bool {
        let is_text = matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary | DataType::BinaryView
        );
        self.veil.is_some() && (is_text || data_type.is_nested())
    }
}

/// The sessions behind a guard.
#[derive(Debug)]
pub(super) struct Guarded {
    inner: Arc<dyn TableProvider>,
    guard: Arc<Guard>,
}

impl Guarded {
    /// Puts a guard before a table that has the column `workflow_id`.
    pub fn new(inner: Arc<dyn TableProvider>, guard: Arc<Guard>) -> Self {
        Self { inner, guard }
    }

    /// Says whether a filter may be evaluated on rows as they are: it fails on no value, and is about columns that stay as they are.
    fn is_harmless(&self, filter: &Expr) -> bool {
        let is_plain = |expr: &Expr| match expr {
            Expr::Column(column) => self
                .inner
                .schema()
                .field_with_name(&column.name)
                .is_ok_and(|field| !self.guard.may_change(field.data_type())),
            Expr::Literal(..) => true,
            _ => false,
        };
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
                self.is_harmless(left) && self.is_harmless(right)
            }
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq,
                right,
            }) => is_plain(left) && is_plain(right),
            Expr::Between(between) => is_plain(&between.expr) && is_plain(&between.low) && is_plain(&between.high),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => is_plain(inner),
            Expr::InList(list) => {
                is_plain(&list.expr) && list.list.iter().all(|item| matches!(item, Expr::Literal(..)))
            }
            _ => false,
        }
    }

    /// The condition on rows, if there is one.
    fn condition(&self) -> Option<Expr> {
        let workflows = self.guard.workflows.as_ref()?;
        let list = workflows.iter().map(|id| lit(ScalarValue::Utf8View(Some(id.clone())))).collect();
        Some(col(CHOSEN_BY).in_list(list, false))
    }
}

#[async_trait]
impl TableProvider for Guarded {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Inexact: the filter is evaluated again above, on what the guard puts out.
        let support = |filter: &&Expr| match self.is_harmless(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Node> {
        let schema = self.inner.schema();
        let asked: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let is_veiled = asked
            .iter()
            .any(|index| schema.fields().get(*index).is_some_and(|field| self.guard.may_change(field.data_type())));
        let condition = self.condition();
        // A veil needs whole rows. Without one, the asked columns and that of the condition are enough.
        let read: Vec<usize> = match (is_veiled, &condition) {
            (true, _) => (0..schema.fields().len()).collect(),
            (false, Some(_)) => {
                let chosen_by = schema.index_of(CHOSEN_BY)?;
                asked.iter().copied().chain((!asked.contains(&chosen_by)).then_some(chosen_by)).collect()
            }
            (false, None) => asked.clone(),
        };
        let limit = limit.filter(|_| condition.is_none());
        let all_filters: Vec<Expr> =
            filters.iter().filter(|filter| self.is_harmless(filter)).cloned().chain(condition.clone()).collect();
        let mut node = self.inner.scan(state, Some(&read), &all_filters, limit).await?;
        if let Some(condition) = condition {
            let of_read = DFSchema::try_from(node.schema())?;
            let predicate = state.create_physical_expr(condition, &of_read)?;
            node = Arc::new(FilterExec::try_new(predicate, node)?);
        }
        let places = asked.iter().map(|index| {
            let place = read.iter().position(|read| read == index);
            place.ok_or_else(|| internal_datafusion_err!("a guarded column that is not read"))
        });
        let places = places.collect::<Result<Vec<_>>>()?;
        let veil = self.guard.veil.clone().filter(|_| is_veiled);
        Ok(PassingExec::node(Shown { veil, places, schema: project_schema(&schema, Some(&asked))? }, node))
    }
}

/// Puts out what a guard lets through. Filters of those above are not for those below.
struct Shown {
    veil: Option<Arc<dyn Veil>>,
    /// The columns that are put out, as places among those of the input.
    places: Vec<usize>,
    schema: SchemaRef,
}

impl Passing for Shown {
    fn name(&self) -> &'static str {
        "GuardExec"
    }

    fn properties(&self, input: &Node) -> Arc<PlanProperties> {
        let known = EquivalenceProperties::new(Arc::clone(&self.schema));
        let partitioning = Partitioning::UnknownPartitioning(input.output_partitioning().partition_count());
        Arc::new(PlanProperties::new(known, partitioning, EmissionType::Incremental, input.boundedness()))
    }

    fn keeps_order(&self) -> bool {
        // Sorts stay above: masked values are in another order than those below.
        false
    }

    fn execute(&self, input: &Node, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = input.execute(partition, context)?;
        let (veil, places, schema) = (self.veil.clone(), self.places.clone(), Arc::clone(&self.schema));
        let shown = rows.map(move |batch| {
            let mut batch = batch?;
            if let Some(veil) = &veil {
                batch = veil.masked(&batch)?;
            }
            Ok(batch.project(&places)?.with_schema(Arc::clone(&schema))?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), shown)))
    }

    fn statistics(&self, input: &Arc<Statistics>) -> Arc<Statistics> {
        // How many rows there are is no secret behind the condition; what their columns hold is.
        Arc::new(Statistics { num_rows: input.num_rows, ..Statistics::new_unknown(&self.schema) })
    }
}
