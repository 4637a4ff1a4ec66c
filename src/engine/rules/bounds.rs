//! Compares instants with instants where a length of time between them is compared with a constant.
//!
//! `now() - started_at > interval '2 days'` compares lengths row by row. As `started_at < now() - interval '2 days'` it is a bound of a
//! column, by which files, row groups and pages are left out. Two steps lead there: a duration's length that is compared with a
//! constant is the duration compared with a constant of its own unit, rounded the way the operator allows; and the difference of a constant instant and another
//! is within a duration where the other is beyond a third. Both are equivalent for every value, null included, since the steps are taken only where
//! nothing overflows; where the difference itself would, the bound goes on.
//!
//! `-x < 5` of integers is `x > -5` likewise.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::{each_expression, is_comparison};
use crate::functions::interval::Part;
use crate::functions::postgres::Checked;

/// The rule of DataFusion that folds constants; ours follows it, before filters are pushed down.
const RUNS_AFTER: &str = "simplify_expressions";

/// Turns bounds of lengths of time into bounds of instants.
#[derive(Debug, Default)]
pub struct Bounds;

impl Bounds {
    /// Puts the rule into its place among others.
    pub fn among(mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        let place = rules.iter().position(|rule| rule.name() == RUNS_AFTER).map_or(rules.len(), |place| place + 1);
        rules.insert(place, Arc::new(Self));
        rules
    }
}

impl OptimizerRule for Bounds {
    fn name(&self) -> &str {
        "bounds"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        each_expression(plan, with_bound)
    }
}

/// Rewrites one comparison.
fn with_bound(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::BinaryExpr(comparison) = &expr else { return Transformed::no(expr) };
    if let Some(bound) = of_negation(comparison) {
        return Transformed::yes(Expr::BinaryExpr(bound));
    }
    let durations = of_durations(comparison, schema);
    let instants = of_instants(durations.as_ref().unwrap_or(comparison));
    match instants.or(durations) {
        Some(bound) => Transformed::yes(Expr::BinaryExpr(bound)),
        None => Transformed::no(expr),
    }
}

/// The comparison with a literal on the right.
fn literal_right(comparison: &BinaryExpr) -> Option<(&Expr, Operator, &ScalarValue)> {
    match (comparison.left.as_ref(), comparison.right.as_ref()) {
        (other, Expr::Literal(literal, _)) => Some((other, comparison.op, literal)),
        (Expr::Literal(literal, _), other) => Some((other, comparison.op.swap()?, literal)),
        _ => None,
    }
}

/// Compares an integer, not its negative, with a constant.
fn of_negation(comparison: &BinaryExpr) -> Option<BinaryExpr> {
    let (other, op, literal) = literal_right(comparison)?;
    let integer = Checked::negated(other)?;
    if !is_comparison(op) || literal.is_null() {
        return None;
    }
    let right = Box::new(Expr::Literal(literal.arithmetic_negate().ok()?, None));
    Some(BinaryExpr { left: Box::new(integer.clone()), op: op.swap()?, right })
}

/// Compares a duration, not its length, with a constant.
fn of_durations(comparison: &BinaryExpr, schema: &DFSchema) -> Option<BinaryExpr> {
    let (other, op, literal) = literal_right(comparison)?;
    let ScalarValue::Decimal128(Some(length_ns), _, 0) = literal else { return None };
    let [duration] = Part::Length.arguments_of(other)? else { return None };
    let DataType::Duration(unit) = duration.get_type(schema).ok()? else { return None };
    let unit_ns: i128 = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    let floor = length_ns.div_euclid(unit_ns);
    let is_whole = length_ns.rem_euclid(unit_ns) == 0;
    let count = match op {
        _ if is_whole => floor,
        Operator::Gt | Operator::LtEq => floor,
        Operator::Lt | Operator::GtEq => floor + 1,
        _ => return None,
    };
    let count = Some(i64::try_from(count).ok()?);
    let literal = match unit {
        TimeUnit::Second => ScalarValue::DurationSecond(count),
        TimeUnit::Millisecond => ScalarValue::DurationMillisecond(count),
        TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(count),
        TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(count),
    };
    let right = Box::new(Expr::Literal(literal, None));
    Some(BinaryExpr { left: Box::new(duration.clone()), op, right })
}

/// Compares an instant, not its distance from a constant one, with a constant.
fn of_instants(comparison: &BinaryExpr) -> Option<BinaryExpr> {
    let (difference, op, distance) = literal_right(comparison)?;
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) = difference else { return None };
    if !is_comparison(op) {
        return None;
    }
    let distance = count(distance)?;
    let (instant, op, bound) = match (left.as_ref(), right.as_ref()) {
        // With a constant on both sides there is nothing to be gained.
        (Expr::Literal(..), Expr::Literal(..)) => return None,
        (Expr::Literal(from, _), instant) => (instant, op.swap()?, shifted(from, distance.checked_neg()?)?),
        (instant, Expr::Literal(from, _)) => (instant, op, shifted(from, distance)?),
        _ => return None,
    };
    Some(BinaryExpr { left: Box::new(instant.clone()), op, right: Box::new(Expr::Literal(bound, None)) })
}

fn count(duration: &ScalarValue) -> Option<i64> {
    match duration {
        ScalarValue::DurationSecond(count)
        | ScalarValue::DurationMillisecond(count)
        | ScalarValue::DurationMicrosecond(count)
        | ScalarValue::DurationNanosecond(count) => *count,
        _ => None,
    }
}

/// An instant by a count of its own unit later, which is the unit of its differences.
fn shifted(instant: &ScalarValue, by: i64) -> Option<ScalarValue> {
    Some(match instant {
        ScalarValue::TimestampSecond(Some(at), zone) => {
            ScalarValue::TimestampSecond(Some(at.checked_add(by)?), zone.clone())
        }
        ScalarValue::TimestampMillisecond(Some(at), zone) => {
            ScalarValue::TimestampMillisecond(Some(at.checked_add(by)?), zone.clone())
        }
        ScalarValue::TimestampMicrosecond(Some(at), zone) => {
            ScalarValue::TimestampMicrosecond(Some(at.checked_add(by)?), zone.clone())
        }
        ScalarValue::TimestampNanosecond(Some(at), zone) => {
            ScalarValue::TimestampNanosecond(Some(at.checked_add(by)?), zone.clone())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::common::ParamValues;
    use std::num::NonZeroUsize;

    use crate::zones::Tz;
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::sql::parser::DFParser;

    use crate::engine::{Engine, EngineOptions, Leaves};

    /// The optimised plan, and the answer.
    async fn answer(sql: &str) -> (String, String) {
        let engine = Engine::new(EngineOptions {
            as_of: "2026-11-21T00:00:00Z".parse().unwrap(),
            time_zone: Tz::UTC,
            memory_limit_bytes: 64 << 20,
            spill_limit_bytes: 0,
            temporary_folder: None,
            threads: NonZeroUsize::MIN,
            leaves: Leaves::Read,
        })
        .unwrap();
        let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
        let plan = engine.plan(statement, &ParamValues::List(Vec::new())).await.unwrap();
        let optimized = engine.context().state().optimize(&plan).unwrap().display_indent().to_string();
        let batches = engine.context().execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
        (optimized, pretty_format_batches(&batches).unwrap().to_string())
    }

    const ROWS: &str = "(select arrow_cast(column1, 'Timestamp(Microsecond, Some(\"UTC\"))') as t from (values \
        ('2026-11-18T23:59:59.999999Z'), ('2026-11-19T00:00:00Z'), ('2026-11-19T00:00:00.000001Z'), ('2026-11-25T00:00:00Z'), \
        (null), ('0001-01-01T00:00:00Z'), ('9999-12-31T00:00:00Z')) as v) as v";

    #[tokio::test]
    async fn bounds_of_lengths_are_bounds_of_columns() {
        for (condition, bound, rows) in [
            ("now() - t > interval '2 days'", ") < Timestamp", 2),
            ("now() - t >= interval '48 hours'", ") <= Timestamp", 3),
            ("interval '2 days' > now() - t", ") > Timestamp", 3),
            ("now() - t = interval '2 days'", ") = Timestamp", 1),
            ("now() - t <> interval '2 days'", ") != Timestamp", 5),
            ("t - now() > interval '-2 days'", ") > Timestamp", 3),
            ("now() - t between interval '1 day' and interval '2 days'", " >= Timestamp", 2),
            ("now() - t > interval '1 mon'", ") < Timestamp", 1),
            ("now() - t > '2 days'", ") < Timestamp", 2),
            ("now() - t > interval '2 days' - interval '1 nanosecond'", ") < Timestamp", 3),
            // Not representable as a bound: compared by length.
            ("now() - t < interval '2000000000 days'", "interval_length", 6),
            ("now() - t > interval '-2000000000 days'", "interval_length", 6),
            ("now() - t is not distinct from null::interval", "", 1),
        ] {
            let (plan, answer) = answer(&format!("select count(*) as n from {ROWS} where {condition}")).await;
            assert!(plan.contains(bound), "{condition}\n{plan}");
            assert!(answer.contains(&format!("| {rows} ")), "{condition}: {rows}\n{answer}\n{plan}");
        }
    }

    #[tokio::test]
    async fn a_bound_of_a_negative_is_one_of_the_column() {
        let rows = "(values (3), (-5), (0), (null), (9223372036854775807)) as v(x)";
        for (condition, bound, count) in [
            ("-x < 5", "column1 > Int64(-5)", 3),
            ("-x >= 5", "column1 <= Int64(-5)", 1),
            ("5 > -x", "column1 > Int64(-5)", 3),
            ("-x = -3", "column1 = Int64(3)", 1),
            ("-x in (-3, 5)", "", 2),
            ("-x is not distinct from 5", "column1 IS NOT DISTINCT FROM Int64(-5)", 1),
            // There is no number that this is the negative of.
            ("-x = -9223372036854775807 - 1", "", 0),
        ] {
            let (plan, answer) = answer(&format!("select count(*) as n from {rows} where {condition}")).await;
            assert!(plan.contains(bound), "{condition}\n{plan}");
            assert!(answer.contains(&format!("| {count} ")), "{condition}: {count}\n{answer}\n{plan}");
        }
    }
}
