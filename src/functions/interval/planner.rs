//! Plans the operators of intervals that DataFusion has none for.
//!
//! `extract` as our `date_part`, `interval * number` and `interval / number`, a text literal where an interval is compared with it, a duration added to a date,
//! and a time added to a date.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::sqlparser::ast::BinaryOperator;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};

use super::{DatePart, INTERVAL, Part, is_interval, is_length};
use crate::functions::arguments::scalar_text;

/// Plans the operators; before DataFusion's own planners, for `extract` is theirs too.
#[derive(Debug, Default)]
pub struct IntervalPlanner;

impl ExprPlanner for IntervalPlanner {
    fn plan_binary_op(&self, mut raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_known = matches!(
            raw.op,
            BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
        );
        if !is_known {
            return Ok(PlannerResult::Original(raw));
        }
        // Where a type is not known, as of a parameter, DataFusion says what there is to say.
        let (Ok(left), Ok(right)) = (raw.left.get_type(schema), raw.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(raw));
        };
        let is_date = |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Date64);
        let planned = match raw.op {
            BinaryOperator::Multiply if is_length(&left) && is_number(&right) => {
                Part::Multiply.call(vec![raw.left, raw.right])
            }
            BinaryOperator::Multiply if is_number(&left) && is_length(&right) => {
                Part::Multiply.call(vec![raw.right, raw.left])
            }
            BinaryOperator::Divide if is_length(&left) && is_number(&right) => {
                Part::Divide.call(vec![raw.left, raw.right])
            }
            BinaryOperator::Multiply | BinaryOperator::Divide => return Ok(PlannerResult::Original(raw)),
            _ => {
                let adds = matches!(raw.op, BinaryOperator::Plus | BinaryOperator::Minus);
                if is_length(&left) && is_text_literal(&raw.right) {
                    raw.right = cast(raw.right, INTERVAL);
                } else if is_length(&right) && is_text_literal(&raw.left) && (!adds || is_interval(&right)) {
                    raw.left = cast(raw.left, INTERVAL);
                } else if adds && is_date(&left) && is_interval(&right) && may_have_time(&raw.right) {
                    raw.left = cast(raw.left, DataType::Timestamp(TimeUnit::Microsecond, None));
                } else if raw.op == BinaryOperator::Plus
                    && is_date(&right)
                    && is_interval(&left)
                    && may_have_time(&raw.left)
                {
                    raw.right = cast(raw.right, DataType::Timestamp(TimeUnit::Microsecond, None));
                } else if adds
                    && is_date(&left)
                    && let DataType::Duration(unit) = right
                {
                    raw.left = cast(raw.left, DataType::Timestamp(unit, None));
                } else if raw.op == BinaryOperator::Plus
                    && is_date(&right)
                    && let DataType::Duration(unit) = left
                {
                    raw.right = cast(raw.right, DataType::Timestamp(unit, None));
                }
                return Ok(PlannerResult::Original(raw));
            }
        };
        Ok(PlannerResult::Planned(planned))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction { func: DatePart::function(), args })))
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// Says whether an interval may have a time, of which DataFusion's dates keep nothing. What a literal has is known.
fn may_have_time(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(interval), _) => {
            interval.is_some_and(|interval| interval.nanoseconds != 0)
        }
        Expr::Literal(ScalarValue::IntervalYearMonth(_), _) => false,
        _ => true,
    }
}

fn is_text_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if scalar_text(value).is_some())
}

fn cast(expr: Expr, to: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to))
}
