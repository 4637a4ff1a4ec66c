//! Makes the as-of instant the clock of every query.
//!
//! `now()` and its kin would read the machine's clock, each query at its own instant; a report could not be made again. This rule
//! runs on every plan before any other, and puts the session's as-of instant where the clock was asked, also into
//! `session_duration`, which measures running sessions up to it.

use crate::engine::fixed::{Fixed, Told};
use crate::zones::Tz;
use chrono::{DateTime, NaiveTime, Offset, TimeZone, Utc};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, expr::ScalarFunction};
use datafusion::optimizer::AnalyzerRule;

/// The as-of instant of a session, among its settings: the rules are the same for all sessions. No SET changes it.
#[derive(Debug, Clone)]
pub struct AsOf(pub DateTime<Utc>);

impl Told for AsOf {
    const PREFIX: &'static str = "sessionlake_clock";
}

/// Replaces calls that ask for the time by the as-of instant.
#[derive(Debug)]
pub struct AsOfClock;

/// The instant of one session; `current_date` is the local day in its zone.
struct Clock {
    as_of: DateTime<Utc>,
}

impl Clock {
    fn instant(&self) -> Expr {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(self.as_of.timestamp_micros()), Some("UTC".into())), None)
    }

    fn replace(&self, expr: Expr, time_zone: Tz) -> Transformed<Expr> {
        let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return Transformed::no(expr) };
        let local = time_zone.from_utc_datetime(&self.as_of.naive_utc());
        match (func.name(), args.len()) {
            ("now" | "current_timestamp", 0) => Transformed::yes(self.instant()),
            ("current_date" | "today", 0) => {
                let epoch = chrono::NaiveDate::default();
                let days = local.date_naive().signed_duration_since(epoch).num_days();
                Transformed::yes(Expr::Literal(ScalarValue::Date32(i32::try_from(days).ok()), None))
            }
            ("current_time", 0) => {
                let day_us = 86_400_000_000_i64;
                let offset_us = i64::from(local.offset().fix().local_minus_utc()) * 1_000_000;
                let of_day = (self.as_of.timestamp_micros() + offset_us).rem_euclid(day_us);
                Transformed::yes(Expr::Literal(ScalarValue::Time64Nanosecond(Some(of_day * 1_000)), None))
            }
            ("session_duration", 2) => {
                let args = args.into_iter().chain([self.instant()]).collect();
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            ("age", 1) => {
                let midnight = local.date_naive().and_time(NaiveTime::MIN).and_utc().timestamp_micros();
                let midnight = Expr::Literal(ScalarValue::TimestampMicrosecond(Some(midnight), None), None);
                let args = std::iter::once(midnight).chain(args).collect();
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            _ => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
        }
    }
}

/// Says whether a plan asks for the time, before this rule has answered it.
///
/// # Errors
/// A defect of ours.
pub fn reads_clock(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(ScalarFunction { func, args }) = expr {
                    let name = func.name();
                    found |= CLOCK_FUNCTIONS.contains(&name) || name == "session_duration";
                    found |= name == "age" && args.len() == 1;
                }
                Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    Ok(found)
}

/// The functions that ask for the time.
pub const CLOCK_FUNCTIONS: [&str; 5] = ["now", "current_timestamp", "current_date", "today", "current_time"];

impl AnalyzerRule for AsOfClock {
    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let time_zone = config.execution.time_zone.as_deref().and_then(Tz::named).unwrap_or(Tz::UTC);
        let Some(Fixed(AsOf(as_of))) = config.extensions.get().cloned() else {
            return internal_err!("a session without a clock");
        };
        let clock = Clock { as_of };
        plan.transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            let plan = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let replaced = expr.transform_up(|expr| Ok(clock.replace(expr, time_zone)))?;
                Ok(replaced.update_data(|expr| name.restore(expr)))
            })?;
            plan.map_data(LogicalPlan::recompute_schema)
        })
        .map(|transformed| transformed.data)
    }

    fn name(&self) -> &str {
        "as_of_clock"
    }
}
