//! `generate_series` and `range` over instants, as tables: they step on the calendar of the session's zone.
//!
//! DataFusion computes the arguments of a table function while it parses, before any rule has run: by the machine's clock, with a
//! library's rules of zones, and without parameters. So [`with_values`] computes those that are more than numbers as a query of its
//! own, and puts what came out in their place. [`Series`] makes the rows; series of numbers are DataFusion's.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{ParamValues, Result, ScalarValue, plan_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions_table::generate_series::{GenerateSeriesFunc, RangeFunc};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{self, Visit, Visitor, VisitorMut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use futures::stream;

use super::fixed::{Fixed, Told};
use super::rules::{CLOCK_FUNCTIONS, visit, with_read_intervals, with_zone_calls};
use super::{Engine, statement};
use crate::functions::interval::{INTERVAL, parse};
use crate::functions::zoned::{Steps, of_local, per_second};
use crate::zones::Tz;

/// The names of the functions, and whether the last value belongs to them.
const FUNCTIONS: [(&str, bool); 2] = [("generate_series", true), ("range", false)];

const DAY_US: i64 = 86_400_000_000;
const DAY_NS: i64 = DAY_US * 1_000;

/// Lists the functions.
pub(super) fn functions() -> impl Iterator<Item = (&'static str, Arc<dyn TableFunctionImpl>)> {
    FUNCTIONS.into_iter().map(|(name, includes_stop)| (name, Arc::new(Series { includes_stop }) as _))
}

/// Puts values in the place of what the arguments of series compute.
///
/// # Errors
/// What computing an argument ends with. One that is no expression by itself stays, for DataFusion to say so.
pub(super) async fn with_values(engine: &Engine, mut statement: Statement, values: &ParamValues) -> Result<Statement> {
    let mut calls = Calls::default();
    visit(&mut statement, &mut calls);
    if calls.found.is_empty() {
        return Ok(statement);
    }
    let mut made = Vec::new();
    for args in std::mem::take(&mut calls.found) {
        let mut found = Vec::new();
        for arg in args {
            found.push(value_of(engine, &arg, values).await?);
        }
        let found = found.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default();
        let is_of_numbers = found.iter().any(|value| value.data_type().is_integer());
        let texts = found.iter().map(|value| match value.try_as_str().flatten() {
            // As PostgreSQL takes a text that stands beside a number.
            Some(text) if is_of_numbers => text.trim().parse::<i64>().ok().map(|number| number.to_string()),
            _ => written(value),
        });
        let replaced = texts.map(|text| text.and_then(|text| parsed(&text))).collect::<Option<Vec<_>>>();
        made.push(replaced.filter(|replaced| !replaced.is_empty()));
    }
    calls.made = made;
    visit(&mut statement, &mut calls);
    Ok(statement)
}

/// Says whether the arguments of series ask for the time. The plan of a statement does not tell, for it has their values.
pub fn series_read_clock(statement: &Statement) -> bool {
    let mut calls = Calls::default();
    visit(&mut statement.clone(), &mut calls);
    let asks = |text: String| CLOCK_FUNCTIONS.iter().any(|name| text.contains(name)) || text.contains("age(");
    calls.found.iter().flatten().any(|arg| asks(arg.to_string().to_ascii_lowercase()))
}

/// The calls of series in a statement: first they are found, then their arguments are replaced, in the same order.
#[derive(Default)]
struct Calls {
    found: Vec<Vec<ast::Expr>>,
    made: Vec<Option<Vec<ast::Expr>>>,
    next: usize,
}

impl VisitorMut for Calls {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut ast::TableFactor) -> ControlFlow<()> {
        let ast::TableFactor::Table { name, args: Some(args), .. } = factor else { return ControlFlow::Continue(()) };
        let [ast::ObjectNamePart::Identifier(name)] = name.0.as_slice() else { return ControlFlow::Continue(()) };
        if !FUNCTIONS.iter().any(|(known, _)| name.value.eq_ignore_ascii_case(known)) {
            return ControlFlow::Continue(());
        }
        let given = args.args.iter().map(|arg| match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        });
        let Some(given) = given.collect::<Option<Vec<_>>>() else { return ControlFlow::Continue(()) };
        if given.iter().all(is_number) || given.iter().any(has_query) {
            return ControlFlow::Continue(());
        }
        if self.made.is_empty() {
            self.found.push(given);
        } else {
            if let Some(Some(made)) = self.made.get(self.next) {
                let made = made.iter().cloned().map(ast::FunctionArgExpr::Expr).map(ast::FunctionArg::Unnamed);
                args.args = made.collect();
            }
            self.next += 1;
        }
        ControlFlow::Continue(())
    }
}

/// Says whether an expression is made of numbers alone, which mean the same to everybody.
fn is_number(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Value(value) => matches!(value.value, ast::Value::Number(..) | ast::Value::Null),
        ast::Expr::UnaryOp { expr, .. } | ast::Expr::Nested(expr) => is_number(expr),
        ast::Expr::BinaryOp { left, right, .. } => is_number(left) && is_number(right),
        _ => false,
    }
}

/// Says whether there is a query inside of an expression.
fn has_query(expr: &ast::Expr) -> bool {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Queries).is_break()
}

/// Computes an argument as a query would; `None` where it is none.
async fn value_of(engine: &Engine, arg: &ast::Expr, values: &ParamValues) -> Result<Option<ScalarValue>> {
    let context = engine.context();
    let select = format!("select {arg}");
    let parsed = DFParserBuilder::new(select.as_str()).with_dialect(&PostgreSqlDialect {}).build();
    let Ok(statement) = parsed.and_then(|mut parser| parser.parse_statement()) else { return Ok(None) };
    let statement = with_zone_calls(with_read_intervals(statement));
    let Ok(plan) = engine.planner()?.statement_to_plan(statement).await else { return Ok(None) };
    let Ok(plan) = statement::ready(plan, values, engine.options().time_zone) else { return Ok(None) };
    let batches = context.execute_logical_plan(plan).await?.collect().await?;
    match batches.iter().find(|batch| batch.num_rows() > 0).and_then(|batch| batch.columns().first()) {
        Some(column) => Ok(Some(ScalarValue::try_from_array(column, 0)?)),
        None => Ok(None),
    }
}

/// Writes a value as SQL that every planner reads as this value.
fn written(value: &ScalarValue) -> Option<String> {
    let local = DataType::Timestamp(TimeUnit::Microsecond, None);
    Some(match value {
        ScalarValue::Null => "null".to_owned(),
        value if value.data_type().is_integer() => value.to_string(),
        ScalarValue::Date32(_) | ScalarValue::Date64(_) => written(&value.cast_to(&local).ok()?)?,
        ScalarValue::TimestampSecond(count, _)
        | ScalarValue::TimestampMillisecond(count, _)
        | ScalarValue::TimestampMicrosecond(count, _)
        | ScalarValue::TimestampNanosecond(count, _) => {
            let count = count.map_or_else(|| "null".to_owned(), |count| count.to_string());
            format!("arrow_cast({count}, '{}')", value.data_type())
        }
        ScalarValue::IntervalMonthDayNano(Some(step)) => interval(*step),
        ScalarValue::IntervalMonthDayNano(None) => format!("arrow_cast(null, '{INTERVAL}')"),
        ScalarValue::IntervalYearMonth(_) | ScalarValue::IntervalDayTime(_) => {
            written(&value.cast_to(&INTERVAL).ok()?)?
        }
        value if matches!(value.data_type(), DataType::Duration(_)) => {
            let nanoseconds = value.cast_to(&DataType::Duration(TimeUnit::Nanosecond)).ok()?;
            let ScalarValue::DurationNanosecond(Some(count)) = nanoseconds else {
                return Some(format!("arrow_cast(null, '{INTERVAL}')"));
            };
            let days = i32::try_from(count / DAY_NS).ok()?;
            interval(IntervalMonthDayNano::new(0, days, count % DAY_NS))
        }
        value => interval(parse(value.try_as_str()??)?),
    })
}

fn interval(step: IntervalMonthDayNano) -> String {
    format!("interval '{} months {} days {} nanoseconds'", step.months, step.days, step.nanoseconds)
}

fn parsed(text: &str) -> Option<ast::Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?.parse_expr().ok()
}

/// The zone of the session, among the settings by which a statement is planned: those of DataFusion say UTC then.
#[derive(Debug, Clone)]
pub(super) struct SessionZone(pub Tz);

impl Told for SessionZone {
    const PREFIX: &'static str = "sessionlake_zone";
}

/// One of the functions.
#[derive(Debug)]
struct Series {
    includes_stop: bool,
}

impl TableFunctionImpl for Series {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let literals = args.exprs().iter().map(|arg| match arg {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        });
        let literals = literals.collect::<Option<Vec<_>>>();
        let is_instant = |value: &ScalarValue| matches!(value.data_type(), DataType::Timestamp(..) | DataType::Date32);
        let [start, stop, step] = match literals.as_deref() {
            Some([start, stop, step]) if is_instant(start) || is_instant(stop) => [*start, *stop, *step],
            _ if self.includes_stop => return GenerateSeriesFunc {}.call_with_args(args),
            _ => return RangeFunc {}.call_with_args(args),
        };
        let settings = args.session().config_options();
        let session = match settings.extensions.get::<Fixed<SessionZone>>() {
            Some(Fixed(SessionZone(zone))) => *zone,
            None => settings.execution.time_zone.as_deref().and_then(Tz::named).unwrap_or(Tz::UTC),
        };
        let rows = self.rows(session, start, stop, step)?;
        Ok(Arc::new(StreamingTable::try_new(Arc::clone(&rows.schema), vec![Arc::new(rows)])?))
    }
}

impl Series {
    fn rows(&self, session: Tz, start: &ScalarValue, stop: &ScalarValue, step: &ScalarValue) -> Result<Rows> {
        let name = if self.includes_stop { "generate_series" } else { "range" };
        // Of a date and an instant the date is one too, as PostgreSQL has it.
        let zoned = [start, stop].into_iter().find_map(|value| match value.data_type() {
            DataType::Timestamp(_, zone) => zone,
            _ => None,
        });
        let unit = [start, stop].into_iter().map(|value| match value.data_type() {
            DataType::Timestamp(unit, _) => unit,
            _ => TimeUnit::Microsecond,
        });
        let unit = unit.max_by_key(|unit| per_second(*unit)).unwrap_or(TimeUnit::Microsecond);
        let zone = match zoned.as_deref() {
            None => Tz::UTC,
            Some("UTC" | "Etc/UTC" | "+00:00" | "Z") => session,
            Some(name) if name == session.name() => session,
            Some(name) => match Tz::named(name) {
                Some(zone) => zone,
                None => return plan_err!("{name}: no time zone is named {name:?}"),
            },
        };
        let count = |value: &ScalarValue| {
            let is_local = !matches!(value.data_type(), DataType::Timestamp(_, Some(_)));
            let own = match value.data_type() {
                DataType::Timestamp(_, own) => own,
                _ => None,
            };
            match value.cast_to(&DataType::Timestamp(unit, own))?.cast_to(&DataType::Int64)? {
                ScalarValue::Int64(Some(local)) if is_local && zoned.is_some() => {
                    Result::Ok(of_local(zone, local, per_second(unit)))
                }
                ScalarValue::Int64(count) => Ok(count),
                other => plan_err!("{name}: {other} is no instant"),
            }
        };
        let (start, stop) = (count(start)?, count(stop)?);
        let step = match step {
            ScalarValue::Null => None,
            ScalarValue::IntervalMonthDayNano(step) => *step,
            other => return plan_err!("{name}: argument 3 (step) must be an interval, got {}", other.data_type()),
        };
        let steps = match (start, stop, step) {
            (Some(start), Some(stop), Some(step)) => {
                Some(Steps::new(zone, per_second(unit), start, stop, self.includes_stop, step)?)
            }
            _ => None,
        };
        let field = Field::new("value", DataType::Timestamp(unit, zoned), false);
        Ok(Rows { schema: Arc::new(Schema::new(vec![field])), steps })
    }
}

/// The rows of a series.
#[derive(Debug)]
struct Rows {
    schema: SchemaRef,
    /// `None` where an argument is null: there are no rows.
    steps: Option<Steps>,
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = context.session_config().batch_size();
        let schema = Arc::clone(&self.schema);
        let batches = stream::try_unfold(self.steps.clone(), move |steps| {
            let made = batch(&schema, steps, rows);
            async move { made }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

/// Returns the next rows, and what is left of the series.
fn batch(schema: &SchemaRef, steps: Option<Steps>, rows: usize) -> Result<Option<(RecordBatch, Option<Steps>)>> {
    let Some(mut steps) = steps else { return Ok(None) };
    let mut counts = Vec::new();
    while counts.len() < rows.max(1)
        && let Some(instant) = steps.step_on()?
    {
        counts.push(instant);
    }
    if counts.is_empty() {
        return Ok(None);
    }
    let counts: ArrayRef = Arc::new(Int64Array::from(counts));
    let column = cast(&counts, schema.field(0).data_type())?;
    Ok(Some((RecordBatch::try_new(Arc::clone(schema), vec![column])?, Some(steps))))
}
