//! Makes the session's zone the one that instants are read, cut and written in, as PostgreSQL does by its `TimeZone`.
//!
//! Instants are stored and typed as UTC. Two rules put functions with the zone as an argument ([`Zoned`]) where DataFusion would go by
//! the zone in the type. [`ZonedTypes`] runs before types are coerced: `timestamptz` becomes a type of UTC, and a date or a local time
//! that is compared with an instant an instant of the zone. [`ZonedCasts`] runs after it, when all casts are there: those between
//! instants on one side and texts, dates, times and local times on the other become functions; `extract`, `date_trunc`, `to_char` and
//! the sum of an instant and days get the zone. What is constant becomes a literal of UTC, so that files are left out as before.
//!
//! A type that names a zone other than UTC and the session's, as `arrow_cast` makes it, keeps it. Where all of it is UTC, nothing is
//! rewritten but how texts are read.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{Between, InList, ScalarFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, TryCast, WindowFrameBound, WindowFrameUnits,
};
use datafusion::optimizer::AnalyzerRule;

use super::{each_expression, is_comparison};
use crate::functions::with_types;
use crate::functions::zoned::{UTC, Zoned, has_zoned_parts, read, zone_literal};
use crate::zones::Tz;

/// The beginning of the year 10000.
const YEAR_10000_US: i64 = 253_402_300_800_000_000;

/// Brings instants to UTC, and dates and local times beside them to instants.
#[derive(Debug, Default)]
pub struct ZonedTypes;

/// Puts the zone where instants are cast and taken apart.
#[derive(Debug, Default)]
pub struct ZonedCasts;

impl AnalyzerRule for ZonedTypes {
    fn name(&self) -> &str {
        "zoned_types"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let session = Session::of(config);
        plan.transform_up_with_subqueries(|plan| match plan {
            // The rows of VALUES have the types that they were planned with.
            LogicalPlan::Values(_) => Ok(Transformed::no(plan)),
            plan => each_expression(plan, |expr, schema| session.with_types(expr, schema))?
                .map_data(LogicalPlan::recompute_schema),
        })
        .map(|transformed| transformed.data)
    }
}

impl AnalyzerRule for ZonedCasts {
    fn name(&self) -> &str {
        "zoned_casts"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let session = Session::of(config);
        plan.transform_up_with_subqueries(|plan| {
            check_frames(&plan, &session)?;
            check_bins(&plan, &session)?;
            each_expression(plan, |expr, schema| session.with_casts(expr, schema))?
                .map_data(LogicalPlan::recompute_schema)
        })
        .map(|transformed| transformed.data)
    }
}

/// The zone of a session.
struct Session {
    name: String,
    zone: Tz,
}

fn is_utc(name: &str) -> bool {
    matches!(name, "UTC" | "Etc/UTC" | "+00:00" | "Z")
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

fn is_local(data_type: &DataType) -> bool {
    is_date(data_type) || matches!(data_type, DataType::Timestamp(_, None))
}

fn is_series(call: &ScalarFunction) -> bool {
    matches!(call.func.name(), "generate_series" | "range")
}

fn cast(expr: Expr, to: &DataType, from: &DataType) -> Expr {
    if from == to { expr } else { Expr::Cast(Cast::new(Box::new(expr), to.clone())) }
}

impl Session {
    fn of(config: &ConfigOptions) -> Self {
        let name = config.execution.time_zone.as_deref().unwrap_or(UTC);
        // An offset such as +02:00 is left to Arrow, whose it is.
        Self { name: name.to_owned(), zone: Tz::named(name).unwrap_or(Tz::UTC) }
    }

    fn is_utc(&self) -> bool {
        self.zone == Tz::UTC
    }

    /// Returns the zone that an instant of a type is seen in; `None` where that is UTC, or an offset.
    fn zone_of(&self, data_type: &DataType) -> Option<Tz> {
        let DataType::Timestamp(_, Some(name)) = data_type else { return None };
        let zone = if is_utc(name) || **name == *self.name { self.zone } else { Tz::named(name)? };
        (zone != Tz::UTC).then_some(zone)
    }

    /// Returns a local time or a date as an instant of the zone.
    fn instant(&self, expr: Expr, given: &DataType) -> Expr {
        let local = DataType::Timestamp(TimeUnit::Microsecond, None);
        let expr = if is_date(given) { cast(expr, &local, given) } else { expr };
        Zoned::Timezone.call(vec![zone_literal(self.zone), expr])
    }

    fn with_types(&self, expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        if self.is_utc() {
            return match expr {
                Expr::ScalarFunction(call) if call.func.name() == "timezone" => {
                    self.with_instant_argument(call, schema)
                }
                other => Transformed::no(other),
            };
        }
        let type_of = |expr: &Expr| expr.get_type(schema).ok();
        let is_instant = |expr: &Expr| matches!(type_of(expr), Some(DataType::Timestamp(_, Some(_))));
        let local_type = |expr: &Expr| type_of(expr).filter(is_local);
        match expr {
            Expr::Cast(Cast { expr, field }) => match self.in_utc(field.data_type()) {
                Some(to) => Transformed::yes(Expr::Cast(Cast::new(expr, to))),
                None => Transformed::no(Expr::Cast(Cast { expr, field })),
            },
            Expr::TryCast(TryCast { expr, field }) => match self.in_utc(field.data_type()) {
                Some(to) => Transformed::yes(Expr::TryCast(TryCast::new(expr, to))),
                None => Transformed::no(Expr::TryCast(TryCast { expr, field })),
            },
            Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if is_comparison(op) || op == Operator::Minus => {
                let mut is_changed = false;
                if is_instant(&left)
                    && let Some(given) = local_type(&right)
                {
                    *right = self.instant(*right, &given);
                    is_changed = true;
                } else if is_instant(&right)
                    && let Some(given) = local_type(&left)
                {
                    *left = self.instant(*left, &given);
                    is_changed = true;
                }
                Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), is_changed)
            }
            Expr::Between(Between { mut expr, negated, mut low, mut high })
                if [&expr, &low, &high].into_iter().any(|part| is_instant(part)) =>
            {
                let mut is_changed = false;
                for part in [&mut expr, &mut low, &mut high] {
                    if let Some(given) = local_type(part) {
                        **part = self.instant(std::mem::take(part), &given);
                        is_changed = true;
                    }
                }
                Transformed::new_transformed(Expr::Between(Between { expr, negated, low, high }), is_changed)
            }
            Expr::InList(InList { expr, mut list, negated }) if is_instant(&expr) => {
                let mut is_changed = false;
                for part in &mut list {
                    if let Some(given) = local_type(part) {
                        *part = self.instant(std::mem::take(part), &given);
                        is_changed = true;
                    }
                }
                Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), is_changed)
            }
            Expr::ScalarFunction(call) if call.func.name() == "timezone" => self.with_instant_argument(call, schema),
            Expr::ScalarFunction(mut call) if is_series(&call) => {
                let mut is_changed = false;
                if let [start, stop, _] = call.args.as_mut_slice()
                    && (is_instant(start) || is_instant(stop))
                {
                    for bound in [start, stop] {
                        if let Some(given) = local_type(bound) {
                            *bound = self.instant(std::mem::take(bound), &given);
                            is_changed = true;
                        }
                    }
                }
                Transformed::new_transformed(Expr::ScalarFunction(call), is_changed)
            }
            Expr::ScalarFunction(call) if call.func.name().starts_with("to_timestamp") => {
                self.to_timestamp(call, schema)
            }
            other => Transformed::no(other),
        }
    }

    /// Returns a type of instants of the session's zone, or one that holds such, as one of UTC.
    fn in_utc(&self, data_type: &DataType) -> Option<DataType> {
        with_types(data_type, &|data_type| match data_type {
            DataType::Timestamp(unit, Some(name)) if **name == *self.name => {
                Some(DataType::Timestamp(*unit, Some(UTC.into())))
            }
            _ => None,
        })
    }

    /// Takes a text or a date in the place of an instant for one.
    fn with_instant_argument(&self, mut call: ScalarFunction, schema: &DFSchema) -> Transformed<Expr> {
        let mut is_changed = false;
        if let [_, value] = call.args.as_mut_slice() {
            let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
            match value.get_type(schema) {
                Ok(given) if is_text(&given) => *value = cast(std::mem::take(value), &instant, &given),
                Ok(given) if is_date(&given) => *value = self.instant(std::mem::take(value), &given),
                _ => return Transformed::no(Expr::ScalarFunction(call)),
            }
            is_changed = true;
        }
        Transformed::new_transformed(Expr::ScalarFunction(call), is_changed)
    }

    /// Makes `to_timestamp` give instants of UTC: numbers count from the epoch wherever one is; texts and local times are the zone's.
    fn to_timestamp(&self, mut call: ScalarFunction, schema: &DFSchema) -> Transformed<Expr> {
        let given = call.args.first().and_then(|first| first.get_type(schema).ok());
        let mut utc = ConfigOptions::default();
        utc.execution.time_zone = Some(UTC.to_owned());
        let Some(function) = call.func.inner().with_updated_config(&utc) else {
            return Transformed::no(Expr::ScalarFunction(call));
        };
        match given {
            Some(given) if is_text(&given) => {
                let Ok(to) = function.return_type(&[]) else { return Transformed::no(Expr::ScalarFunction(call)) };
                let first = call.args.drain(..1).collect::<Vec<_>>();
                let args = first.into_iter().chain([zone_literal(self.zone)]).chain(call.args).collect();
                return Transformed::yes(Expr::Cast(Cast::new(Box::new(Zoned::Read.call(args)), to)));
            }
            Some(given) if is_local(&given) => {
                if let Some(first) = call.args.first_mut() {
                    *first = self.instant(std::mem::take(first), &given);
                }
            }
            _ => {}
        }
        Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: function.into(), args: call.args }))
    }

    fn with_casts(&self, expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        match expr {
            Expr::Cast(Cast { expr, field }) => {
                let made =
                    expr.get_type(schema).ok().and_then(|from| self.converted(&expr, &from, field.data_type(), false));
                made.map_or_else(|| Transformed::no(Expr::Cast(Cast { expr, field })), Transformed::yes)
            }
            Expr::TryCast(TryCast { expr, field }) => {
                let made =
                    expr.get_type(schema).ok().and_then(|from| self.converted(&expr, &from, field.data_type(), true));
                made.map_or_else(|| Transformed::no(Expr::TryCast(TryCast { expr, field })), Transformed::yes)
            }
            Expr::ScalarFunction(call) => self.with_zone(call, schema),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if matches!(op, Operator::Plus | Operator::Minus) => {
                let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
                    return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }));
                };
                let is_interval = |data_type: &DataType| matches!(data_type, DataType::Interval(_));
                let has_days = |expr: &Expr| match expr {
                    Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) => {
                        value.months != 0 || value.days != 0
                    }
                    _ => true,
                };
                if let Some(zone) = self.zone_of(&left_type)
                    && is_interval(&right_type)
                    && has_days(&right)
                {
                    let function = if op == Operator::Plus { Zoned::Add } else { Zoned::Subtract };
                    return Transformed::yes(function.call(vec![*left, *right, zone_literal(zone)]));
                }
                if op == Operator::Plus
                    && let Some(zone) = self.zone_of(&right_type)
                    && is_interval(&left_type)
                    && has_days(&left)
                {
                    return Transformed::yes(Zoned::Add.call(vec![*right, *left, zone_literal(zone)]));
                }
                Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))
            }
            other => Transformed::no(other),
        }
    }

    /// Returns what a cast is; `None` where it is DataFusion's.
    fn converted(&self, expr: &Expr, from: &DataType, to: &DataType, is_safe: bool) -> Option<Expr> {
        if is_text(from)
            && let DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 = to
        {
            return self.read(expr, to, is_safe);
        }
        if has_zoned_parts(from, to, self.zone) {
            let function = if is_safe { Zoned::TryCast } else { Zoned::Cast };
            let to = Expr::Literal(ScalarValue::try_from(to).ok()?, None);
            return Some(function.call(vec![expr.clone(), zone_literal(self.zone), to]));
        }
        let utc = |unit: TimeUnit| DataType::Timestamp(unit, Some(UTC.into()));
        if let Some(zone) = self.zone_of(from) {
            let DataType::Timestamp(unit, _) = from else { return None };
            let local = DataType::Timestamp(*unit, None);
            let local_time = || Zoned::Timezone.call(vec![zone_literal(zone), expr.clone()]);
            return Some(match to {
                to if is_date(to) => {
                    cast(Zoned::Day.call(vec![expr.clone(), zone_literal(zone)]), to, &DataType::Date32)
                }
                DataType::Timestamp(_, None) => cast(local_time(), to, &local),
                DataType::Time32(_) | DataType::Time64(_) => cast(local_time(), to, &local),
                to if is_text(to) => {
                    cast(Zoned::Text.call(vec![expr.clone(), zone_literal(zone)]), to, &DataType::Utf8)
                }
                _ => return None,
            });
        }
        if let Some(zone) = self.zone_of(to)
            && is_local(from)
        {
            let (local, unit) = match from {
                DataType::Timestamp(unit, None) => (expr.clone(), *unit),
                _ => {
                    (cast(expr.clone(), &DataType::Timestamp(TimeUnit::Microsecond, None), from), TimeUnit::Microsecond)
                }
            };
            return Some(cast(Zoned::Timezone.call(vec![zone_literal(zone), local]), to, &utc(unit)));
        }
        None
    }

    /// Returns the instant, the local time or the day that a text says. Literals are read at once; one that is none of ours is left to
    /// DataFusion, which says what is wrong with it.
    fn read(&self, expr: &Expr, to: &DataType, is_safe: bool) -> Option<Expr> {
        let literal = match expr {
            Expr::Literal(value, _) => Some(value.try_as_str()??),
            _ => None,
        };
        let micros = |value: i64, zone: Option<&str>| {
            let value = ScalarValue::TimestampMicrosecond(Some(value), zone.map(Into::into));
            // An instant that the unit has no number for is an error of DataFusion's.
            Some(Expr::Literal(value.cast_to(to).ok()?, None))
        };
        // What DataFusion reads without the session's zone it reads right.
        let is_theirs = || matches!(expr, Expr::Literal(value, _) if value.cast_to(to).is_ok());
        if is_local(to) {
            if let Some(text) = literal {
                // Days are of the years that four digits write.
                let time = read(text).filter(|time| !is_date(to) || time.local_us < YEAR_10000_US)?;
                return if time.place.is_none() && is_theirs() { None } else { micros(time.local_us, None) };
            }
            let function = if is_safe { Zoned::TryReadLocal } else { Zoned::ReadLocal };
            let local = DataType::Timestamp(TimeUnit::Microsecond, None);
            return Some(cast(function.call(vec![expr.clone()]), to, &local));
        }
        let zone = match to {
            DataType::Timestamp(_, Some(name)) if is_utc(name) || **name == *self.name => self.zone,
            DataType::Timestamp(_, Some(name)) => Tz::named(name)?,
            _ => return None,
        };
        if let Some(text) = literal {
            if zone == Tz::UTC && is_theirs() {
                return None;
            }
            return micros(read(text)?.instant_us(zone)?, Some(UTC));
        }
        let function = if is_safe { Zoned::TryRead } else { Zoned::Read };
        let made = function.call(vec![expr.clone(), zone_literal(zone)]);
        Some(cast(made, to, &DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))))
    }

    /// Gives the zone to functions that take instants apart.
    fn with_zone(&self, mut call: ScalarFunction, schema: &DFSchema) -> Transformed<Expr> {
        let place = match call.func.name() {
            "arrow_cast" | "arrow_try_cast" => return as_utc(call, schema),
            "date_part" | "date_trunc" => 1,
            "to_char" | "to_date" | "to_local_time" | "generate_series" | "range" => 0,
            _ => return Transformed::no(Expr::ScalarFunction(call)),
        };
        let given = call.args.get(place).and_then(|value| value.get_type(schema).ok());
        if let ("to_char", [value, _], Some(given)) = (call.func.name(), call.args.as_mut_slice(), &given)
            && is_date(given)
            && !self.is_utc()
        {
            // As PostgreSQL does: it is the instant of its midnight.
            *value = self.instant(std::mem::take(value), given);
            call.args.push(zone_literal(self.zone));
            return Transformed::yes(Expr::ScalarFunction(call));
        }
        let zone = given.and_then(|given| self.zone_of(&given));
        let Some(zone) = zone else { return Transformed::no(Expr::ScalarFunction(call)) };
        let field = match call.args.first() {
            Some(Expr::Literal(value, _)) => value.try_as_str().flatten().map(str::to_ascii_lowercase),
            _ => None,
        };
        let local_of = |value: Expr| Zoned::Timezone.call(vec![zone_literal(zone), value]);
        match (call.func.name(), call.args.as_mut_slice()) {
            // The epoch is no local time.
            ("date_part", [_, _]) if field.as_deref() == Some("epoch") => {
                return Transformed::no(Expr::ScalarFunction(call));
            }
            ("date_part", [_, value]) => *value = local_of(std::mem::take(value)),
            ("date_trunc" | "to_char", [_, _]) => call.args.push(zone_literal(zone)),
            ("to_date", [value]) => {
                return Transformed::yes(Zoned::Day.call(vec![std::mem::take(value), zone_literal(zone)]));
            }
            ("generate_series", [_, _, _]) => {
                call.args.push(zone_literal(zone));
                return Transformed::yes(Zoned::Series.call(call.args));
            }
            ("range", [_, _, _]) => {
                call.args.push(zone_literal(zone));
                return Transformed::yes(Zoned::Range.call(call.args));
            }
            ("to_local_time", [value]) => return Transformed::yes(local_of(std::mem::take(value))),
            _ => return Transformed::no(Expr::ScalarFunction(call)),
        }
        Transformed::yes(Expr::ScalarFunction(call))
    }
}

/// Casts to a type by its name as a session in UTC does: the zones are those in the types, by rules that are kept fresh.
fn as_utc(call: ScalarFunction, schema: &DFSchema) -> Transformed<Expr> {
    let utc = Session { name: UTC.to_owned(), zone: Tz::UTC };
    let is_safe = call.func.name() == "arrow_try_cast";
    let made = match call.args.as_slice() {
        [value, Expr::Literal(to, _)] => {
            let to = to.try_as_str().flatten().and_then(|name| name.parse::<DataType>().ok());
            // Where Arrow reads texts it reads nanoseconds, and takes an offset off where there is no zone for it.
            let is_in_utc = |to: &DataType| matches!(to, DataType::Timestamp(_, Some(name)) if is_utc(name));
            let is_arrows = |to: &DataType| is_local(to) || is_in_utc(to) && !matches!(value, Expr::Literal(..));
            to.zip(value.get_type(schema).ok())
                .filter(|(to, from)| !(is_text(from) && is_arrows(to)))
                .and_then(|(to, from)| utc.converted(value, &from, &to, is_safe))
        }
        _ => None,
    };
    made.map_or_else(|| Transformed::no(Expr::ScalarFunction(call)), Transformed::yes)
}

/// Refuses windows whose frames are so many days or months of instants: DataFusion would count them in UTC.
///
/// # Errors
/// Such a frame where the zone is another.
fn check_frames(plan: &LogicalPlan, session: &Session) -> Result<()> {
    let LogicalPlan::Window(window) = plan else { return Ok(()) };
    let is_calendar = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(ScalarValue::IntervalMonthDayNano(Some(by)))
        | WindowFrameBound::Following(ScalarValue::IntervalMonthDayNano(Some(by))) => by.months != 0 || by.days != 0,
        _ => false,
    };
    for expr in &window.window_expr {
        let Expr::WindowFunction(call) = expr.clone().unalias() else { continue };
        let (frame, Some(key)) = (&call.params.window_frame, call.params.order_by.first()) else { continue };
        if frame.units == WindowFrameUnits::Range
            && (is_calendar(&frame.start_bound) || is_calendar(&frame.end_bound))
            && let Some(zone) = session.zone_of(&key.expr.get_type(window.input.schema())?)
        {
            return plan_err!(
                "a range of days or months of instants, whose length changes with the clocks of {zone}, cannot be a window's frame; \
                 hint: write days as hours (interval '24 hours'), or order by the local time (t at time zone '{zone}')"
            );
        }
    }
    Ok(())
}

/// Refuses bins of months of instants, which PostgreSQL has none of, and DataFusion those of UTC.
///
/// # Errors
/// Such a bin where the zone is another.
fn check_bins(plan: &LogicalPlan, session: &Session) -> Result<()> {
    let schema = merge_schema(&plan.inputs());
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            if let Expr::ScalarFunction(call) = expr
                && call.func.name() == "date_bin"
                && let [Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(width)), _), value, ..] = call.args.as_slice()
                && width.months != 0
                && let Some(zone) = session.zone_of(&value.get_type(&schema)?)
            {
                return plan_err!(
                    "date_bin of instants into months would take those of UTC, not of {zone}; hint: date_trunc('month', t) is local"
                );
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })
    .map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::sql::parser::DFParserBuilder;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;

    use super::*;
    use crate::engine::{Engine, EngineOptions, Leaves};

    /// The optimised plan, and the answer.
    async fn answer(sql: &str, zone: &str) -> (String, String) {
        let engine = Engine::new(EngineOptions {
            as_of: "2026-11-21T00:00:00Z".parse().unwrap(),
            time_zone: Tz::named(zone).unwrap(),
            memory_limit_bytes: 64 << 20,
            spill_limit_bytes: 0,
            temporary_folder: None,
            threads: NonZeroUsize::MIN,
            leaves: Leaves::Read,
        })
        .unwrap();
        let mut parser = DFParserBuilder::new(sql).with_dialect(&PostgreSqlDialect {}).build().unwrap();
        let plan = engine
            .plan(parser.parse_statement().unwrap(), &datafusion::common::ParamValues::List(Vec::new()))
            .await
            .unwrap();
        let optimized = engine.context().state().optimize(&plan).unwrap().display_indent().to_string();
        let batches = engine.context().execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
        (optimized, pretty_format_batches(&batches).unwrap().to_string())
    }

    const ROWS: &str = "(select arrow_cast(column1, 'Timestamp(Microsecond, Some(\"UTC\"))') as t from (values \
        ('2026-11-19T22:59:59.999999Z'), ('2026-11-19T23:00:00Z'), ('2026-11-20T22:59:59Z'), ('2026-11-20T23:00:00Z'), \
        (null)) as v) as v";

    #[tokio::test]
    async fn bounds_in_the_sessions_zone_are_bounds_of_the_column() {
        let start = " >= TimestampMicrosecond(1795129200000000, Some(\"UTC\"))";
        let after = " < TimestampMicrosecond(1795215600000000, Some(\"UTC\"))";
        for (condition, bounds, rows) in [
            ("t >= '2026-11-20'", vec![start], 3),
            ("t >= '2026-11-20 00:00'", vec![start], 3),
            ("t >= timestamp '2026-11-20 00:00:00'", vec![start], 3),
            ("t >= timestamptz '2026-11-20'", vec![start], 3),
            ("t >= date '2026-11-20'", vec![start], 3),
            ("'2026-11-21' > t", vec![after], 3),
            ("t::date = date '2026-11-20'", vec![start, after], 2),
            ("t::date = '2026-11-20'", vec![start, after], 2),
            ("t >= date '2026-11-20' and t < date '2026-11-20' + interval '1 day'", vec![start, after], 2),
            ("t >= current_date - interval '1 day' and t < current_date", vec![start, after], 2),
            ("t between '2026-11-20' and '2026-11-20 23:59:59'", vec![start], 2),
        ] {
            let (plan, answer) =
                answer(&format!("select count(*) as n from {ROWS} where {condition}"), "Europe/Berlin").await;
            for bound in bounds {
                assert!(plan.contains(bound), "{condition}\n{plan}");
            }
            assert!(answer.contains(&format!("| {rows} ")), "{condition}: {rows}\n{answer}\n{plan}");
        }
    }

    #[tokio::test]
    async fn in_utc_nothing_is_rewritten() {
        let sql = format!(
            "select t::date as a, t::text as b, extract(hour from t), date_trunc('day', t), t + interval '1 day', t::timestamp as c \
             from {ROWS} where t >= '2026-11-20'"
        );
        let (plan, _) = answer(&sql, "UTC").await;
        for word in ["session_", "timezone(", "local_day("] {
            assert!(!plan.contains(word), "{plan}");
        }
    }

    #[tokio::test]
    async fn a_type_that_names_a_zone_is_seen_in_it_by_the_newest_rules() {
        let sql = "select extract(hour from t), t::date as a, t::text as b from (select arrow_cast(timestamptz '2026-11-20T07:30:00Z', \
                   'Timestamp(Microsecond, Some(\"America/Vancouver\"))') as t)";
        let (_, made) = answer(sql, "UTC").await;
        assert!(made.contains("| 0 ") && made.contains("2026-11-20T00:30:00-07:00"), "{made}");
        let named = "'Timestamp(Microsecond, Some(\"America/Vancouver\"))'";
        for (cast, shown) in [
            (format!("arrow_cast(arrow_cast(t, {named}), 'Utf8')"), "2026-11-20T00:30:00-07:00"),
            (format!("arrow_cast(arrow_cast(t, {named}), 'Timestamp(Microsecond, None)')"), "2026-11-20T00:30:00 "),
            (format!("arrow_cast(arrow_cast(t, {named}), 'Date32')"), "2026-11-20 "),
            (format!("arrow_cast('2026-11-20 00:30', {named}) = t"), "true"),
            (format!("arrow_cast(concat('2026-11-20 00:30', ''), {named}) = t"), "true"),
            (format!("array_to_string(make_array(arrow_cast(t, {named}))::text[], ',')"), "2026-11-20T00:30:00-07:00"),
        ] {
            let sql = format!("select {cast} as x from (select timestamptz '2026-11-20T07:30:00Z' as t)");
            let (_, made) = answer(&sql, "UTC").await;
            assert!(made.contains(shown), "{cast}\n{made}");
        }
    }
}
