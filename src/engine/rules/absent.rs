//! Makes a scalar subquery null where it finds no row.
//!
//! DataFusion 55.2 takes the nullability of a scalar subquery from its column (apache/datafusion #24513). `(select 'open' from t
//! where …)` then counts as never null: `is null` becomes false while the query is planned, and `coalesce` leaves its other
//! arguments out. The rule puts a function around such a column that says that it may be null. The function counts as volatile,
//! so that nothing computes it while planning; it gives what it is given.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Subquery, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

/// The rule.
#[derive(Debug)]
pub struct AbsentRows;

impl AnalyzerRule for AbsentRows {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| node.map_expressions(|expr| expr.transform_up(may_be_null))).data()
    }

    fn name(&self) -> &str {
        "absent_rows"
    }
}

fn may_be_null(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::ScalarSubquery(subquery) = expr else { return Ok(Transformed::no(expr)) };
    if subquery.subquery.schema().fields().iter().any(|field| field.is_nullable()) || has_a_row(&subquery.subquery) {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let plan = Arc::new(nullable_columns(&subquery.subquery)?);
    Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: plan, ..subquery })))
}

/// Returns a plan for the same rows of which no column says that it has no nulls.
///
/// # Errors
/// Those of DataFusion's builder, which would be a defect.
pub fn nullable_columns(plan: &Arc<LogicalPlan>) -> Result<LogicalPlan> {
    let columns = plan.schema().iter().map(|(qualifier, field)| {
        let column = Column::from((qualifier, field));
        if field.is_nullable() {
            return Expr::Column(column);
        }
        let (relation, name) = (column.relation.clone(), column.name.clone());
        NULLABLE.call(vec![Expr::Column(column)]).alias_qualified(relation, name)
    });
    LogicalPlanBuilder::from(Arc::clone(plan)).project(columns)?.build()
}

/// Says whether a plan gives a row whatever it reads: an aggregate without groups does.
pub(super) fn has_a_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_a_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_a_row(&alias.input),
        LogicalPlan::Sort(sort) => has_a_row(&sort.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Values(values) => !values.values.is_empty(),
        _ => false,
    }
}

static NULLABLE: LazyLock<ScalarUDF> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Volatile);
    ScalarUDF::new_from_impl(Nullable { signature })
});

/// Gives its argument, of which nobody knows that it is not null.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Nullable {
    signature: Signature,
}

impl ScalarUDFImpl for Nullable {
    fn name(&self) -> &str {
        "nullable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type] => Ok(data_type.clone()),
            _ => exec_err!("nullable() takes one argument"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.into_iter().next() {
            Some(value) => Ok(value),
            None => exec_err!("nullable() takes one argument"),
        }
    }
}
