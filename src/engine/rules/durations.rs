//! Adds durations, not calendar intervals, to instants.
//!
//! `started_at + interval '1 hour'` adds months, days and nanoseconds, each value through the calendar of the column's zone: over a
//! hundred nanoseconds a row, and in the condition of a join for each pair of rows. Hours, and in UTC days too, are a fixed number of
//! microseconds, and adding those is one machine instruction. The rule puts such a duration where the literal interval stands. The
//! instants are the same, and go on where the calendar ends, in the year 262,143.

use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::each_expression;

const DAY_NS: i64 = 86_400_000_000_000;

/// Replaces intervals of fixed length that are added to instants, or taken from them.
#[derive(Debug, Default)]
pub struct Durations;

impl OptimizerRule for Durations {
    fn name(&self) -> &str {
        "durations"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        each_expression(plan, with_duration)
    }
}

/// Replaces the interval of one addition or subtraction.
fn with_duration(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return Transformed::no(expr) };
    let (instant, interval) = match (op, left.as_ref(), right.as_ref()) {
        (Operator::Plus | Operator::Minus, instant, Expr::Literal(interval, _)) => (instant, interval),
        (Operator::Plus, Expr::Literal(interval, _), instant) => (instant, interval),
        _ => return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
    };
    let duration = match interval {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => {
            instant.get_type(schema).ok().and_then(|instant| duration(*interval, &instant))
        }
        _ => None,
    };
    let Some(duration) = duration else { return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })) };
    let duration = Box::new(Expr::Literal(duration, None));
    let replaced = match left.as_ref() {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(_), _) => BinaryExpr { left: duration, op, right },
        _ => BinaryExpr { left, op, right: duration },
    };
    Transformed::yes(Expr::BinaryExpr(replaced))
}

/// Returns an interval as the duration that it is for instants of a type; `None` where it has no fixed length there, or one that
/// the instants cannot hold.
fn duration(interval: IntervalMonthDayNano, instant: &DataType) -> Option<ScalarValue> {
    let DataType::Timestamp(unit, zone) = instant else { return None };
    // Elsewhere a day may have 23 or 25 hours.
    let days_are_fixed = zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "+00:00"));
    if interval.months != 0 || (interval.days != 0 && !days_are_fixed) {
        return None;
    }
    let nanoseconds = i64::from(interval.days).checked_mul(DAY_NS)?.checked_add(interval.nanoseconds)?;
    let in_units = |unit_ns: i64| (nanoseconds % unit_ns == 0).then_some(nanoseconds / unit_ns);
    Some(match unit {
        TimeUnit::Second => ScalarValue::DurationSecond(Some(in_units(1_000_000_000)?)),
        TimeUnit::Millisecond => ScalarValue::DurationMillisecond(Some(in_units(1_000_000)?)),
        TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(Some(in_units(1_000)?)),
        TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(Some(nanoseconds)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use proptest::prelude::*;

    use super::*;

    /// Answers with the rule or without; the text of the physical plan and of the answer.
    async fn answer(sql: &str, with_rule: bool) -> (String, String) {
        let mut builder = SessionStateBuilder::new()
            .with_config(SessionConfig::new().with_target_partitions(1))
            .with_default_features();
        if with_rule {
            builder = builder.with_optimizer_rule(Arc::new(Durations));
        }
        let context = SessionContext::new_with_state(builder.build());
        let frame = context.sql(sql).await.unwrap();
        let plan = frame.clone().create_physical_plan().await.unwrap();
        let plan = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
        // Names of columns quote the interval.
        let plan = plan.replace("\"IntervalMonthDayNano {", "");
        (plan, pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string())
    }

    const ROWS: &str = "(select arrow_cast(column1, 'Timestamp(Microsecond, Some(\"UTC\"))') as t from (values \
        ('2024-02-28T23:30:00Z'), ('1969-12-31T23:59:59.999999Z'), ('2026-03-29T00:59:00Z'), (null)) as v) as v";

    #[tokio::test]
    async fn the_answers_and_the_names_are_the_same() {
        for (expression, is_replaced) in [
            ("t + interval '1 hour'", true),
            ("interval '36 hours' + t", true),
            ("t - interval '2 days 3 minutes'", true),
            ("t - interval '1 month'", false),
            ("t + interval '1 month 1 hour'", false),
            ("t + interval '1 nanosecond'", false),
            ("arrow_cast(t, 'Timestamp(Second, None)') + interval '1 day'", true),
            ("arrow_cast(t, 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))') + interval '1 hour'", true),
            ("arrow_cast(t, 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))') + interval '1 day'", false),
            ("case when t + interval '90 minutes' > now() then 1 else 2 end", true),
        ] {
            let sql = format!("select {expression} from {ROWS}");
            let ((_, expected), (plan, given)) = (answer(&sql, false).await, answer(&sql, true).await);
            assert_eq!(given, expected, "{sql}");
            assert_eq!(!plan.contains("IntervalMonthDayNano {"), is_replaced, "{sql}\n{plan}");
        }
    }

    #[tokio::test]
    async fn filters_and_joins_are_rewritten_too() {
        let sql = format!(
            "select a.t, count(*) from {ROWS} join (select t as u from {ROWS}) as b on b.u > a.t and b.u < a.t + interval '900 days' \
             where t - interval '5 hours' > timestamp '1960-01-01' group by a.t order by 1"
        )
        .replacen("as v join", "as a join", 1);
        let ((_, expected), (plan, given)) = (answer(&sql, false).await, answer(&sql, true).await);
        assert_eq!(given, expected);
        assert!(given.contains('1') && !plan.contains("IntervalMonthDayNano {"), "{plan}");
    }

    proptest! {
        #[test]
        fn a_duration_is_as_long_as_its_interval(
            days in -100_000..100_000_i32,
            microseconds in -1_000_000_000_000..1_000_000_000_000_i64,
            instant in -62_135_596_800_000_000..253_402_300_800_000_000_i64,
        ) {
            let zone: Option<Arc<str>> = Some("UTC".into());
            let instant = ScalarValue::TimestampMicrosecond(Some(instant), zone);
            let interval = IntervalMonthDayNano::new(0, days, microseconds * 1_000);
            let fixed = duration(interval, &instant.data_type()).unwrap();
            let expected = instant.add(ScalarValue::IntervalMonthDayNano(Some(interval))).unwrap();
            prop_assert_eq!(instant.add(fixed).unwrap(), expected);
        }
    }
}
