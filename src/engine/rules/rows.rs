//! Rows compared with rows, value by value: `(a, b) < (c, d)`, `row(a, b) is null`, `(a, b) is distinct from (c, d)`, `(a, b) in ((1, 2), (3, 4))`.
//!
//! DataFusion makes structs of rows, and these are null as no row is: never for the nulls in them, where a row is null if all its values are, and not null if none is;
//! and of two rows with a null it knows whether they are equal, where PostgreSQL does not. Rows in subqueries are the matter of
//! [`rows_in`](super::rows_in).

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
};

use super::words::{binary, is_named, is_short, nested, not};

/// Writes `row(a, b)` as `(a, b)` where rows are compared, and `= any` and `<> all` of a subquery as `in` and `not in`.
pub(super) fn name(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, op, right } if is_comparison(op) => {
            make_row(left);
            make_row(right);
        }
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
            make_row(left);
            make_row(right);
        }
        Expr::IsNull(row) | Expr::IsNotNull(row) | Expr::InSubquery { expr: row, .. } => make_row(row),
        Expr::InList { expr: row, list, .. } => {
            make_row(row);
            list.iter_mut().for_each(make_row);
        }
        Expr::Between { expr: row, low, high, .. } => {
            make_row(row);
            make_row(low);
            make_row(high);
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
            make_row(left);
            if let (Expr::Tuple(_), Expr::Subquery(subquery)) = (left.as_ref(), right.as_ref()) {
                *expr = Expr::InSubquery { expr: left.clone(), subquery: subquery.clone(), negated: false };
            }
        }
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
            make_row(left);
            if let (Expr::Tuple(_), Expr::Subquery(subquery)) = (left.as_ref(), right.as_ref()) {
                *expr = Expr::InSubquery { expr: left.clone(), subquery: subquery.clone(), negated: true };
            }
        }
        _ => {}
    }
}

/// Returns what stands for a comparison of rows; `None` for other expressions.
///
/// # Errors
/// Breaks with why they cannot be compared.
pub(super) fn compared(expr: &Expr) -> ControlFlow<String, Option<Expr>> {
    ControlFlow::Continue(Some(match expr {
        Expr::BinaryOp { left, op, right } if is_comparison(op) => match pair(left, right)? {
            Some((left, right)) => of_two(left, op, right)?,
            None => return ControlFlow::Continue(None),
        },
        Expr::IsDistinctFrom(left, right) => match pair(left, right)? {
            Some((left, right)) => distinct(left, right),
            None => return ControlFlow::Continue(None),
        },
        Expr::IsNotDistinctFrom(left, right) => match pair(left, right)? {
            Some((left, right)) => not(distinct(left, right)),
            None => return ControlFlow::Continue(None),
        },
        Expr::IsNull(row) => match row.as_ref() {
            Expr::Tuple(values) => all(values.iter().map(|value| Expr::IsNull(Box::new(nested(value.clone()))))),
            _ => return ControlFlow::Continue(None),
        },
        Expr::IsNotNull(row) => match row.as_ref() {
            Expr::Tuple(values) => all(values.iter().map(|value| Expr::IsNotNull(Box::new(nested(value.clone()))))),
            _ => return ControlFlow::Continue(None),
        },
        Expr::InList { expr: row, list, negated } => {
            let mut any: Option<Expr> = None;
            for other in list {
                let Some((row, other)) = pair(row, other)? else { return ControlFlow::Continue(None) };
                let equal = equal(row, other);
                any = Some(match any {
                    Some(any) => binary(any, BinaryOperator::Or, equal),
                    None => equal,
                });
            }
            match any {
                Some(any) if *negated => not(nested(any)),
                Some(any) => nested(any),
                None => return ControlFlow::Continue(None),
            }
        }
        Expr::Between { expr: row, negated, low, high } => {
            let (Some((least, low)), Some((most, high))) = (pair(row, low)?, pair(row, high)?) else {
                return ControlFlow::Continue(None);
            };
            let least = of_two(least, &BinaryOperator::GtEq, low)?;
            let within = nested(binary(least, BinaryOperator::And, of_two(most, &BinaryOperator::LtEq, high)?));
            if *negated { not(within) } else { within }
        }
        _ => return ControlFlow::Continue(None),
    }))
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// Makes the row of a call of `row`, and takes parentheses off a row.
fn make_row(expr: &mut Expr) {
    match expr {
        Expr::Nested(inner) => {
            make_row(inner);
            if matches!(inner.as_ref(), Expr::Tuple(_)) {
                *expr = std::mem::replace(inner.as_mut(), Expr::value(Value::Null));
            }
        }
        Expr::Function(function) => {
            if let Some(values) = values(function) {
                *expr = Expr::Tuple(values);
            }
        }
        _ => {}
    }
}

fn values(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if !is_named(function, "row") || list.args.is_empty() {
        return None;
    }
    let value = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    };
    list.args.iter().map(value).collect()
}

/// The values of two rows.
type Pair<'a> = (&'a [Expr], &'a [Expr]);

/// The values of two rows; `None` where there are not two.
fn pair<'a>(left: &'a Expr, right: &'a Expr) -> ControlFlow<String, Option<Pair<'a>>> {
    match (left, right) {
        (Expr::Tuple(left), Expr::Tuple(right)) if left.len() == right.len() => {
            ControlFlow::Continue(Some((left, right)))
        }
        (Expr::Tuple(left), Expr::Tuple(right)) => ControlFlow::Break(format!(
            "unequal number of entries in row expressions: {} and {}",
            left.len(),
            right.len()
        )),
        (Expr::Tuple(_), Expr::Subquery(_)) | (Expr::Subquery(_), Expr::Tuple(_)) => ControlFlow::Break(
            "a row is not compared with that of a subquery: write (a, b) in (subquery), or join it".to_owned(),
        ),
        _ => ControlFlow::Continue(None),
    }
}

fn of_two(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> ControlFlow<String, Expr> {
    match op {
        BinaryOperator::Eq => ControlFlow::Continue(equal(left, right)),
        BinaryOperator::NotEq => ControlFlow::Continue(not(equal(left, right))),
        _ if left.iter().chain(right).all(is_short) => match ordered(left, op, right) {
            Some(ordered) => ControlFlow::Continue(nested(ordered)),
            None => ControlFlow::Break("a row without values is not compared".to_owned()),
        },
        _ => ControlFlow::Break(format!(
            "rows of long expressions are not compared by {op}: compute the values in a subquery and compare those"
        )),
    }
}

fn all(conditions: impl Iterator<Item = Expr>) -> Expr {
    let all = conditions.reduce(|a, b| binary(a, BinaryOperator::And, b));
    nested(all.unwrap_or_else(|| Expr::value(Value::Boolean(true))))
}

fn equal(left: &[Expr], right: &[Expr]) -> Expr {
    let pairs = left.iter().zip(right);
    all(pairs.map(|(left, right)| binary(nested(left.clone()), BinaryOperator::Eq, nested(right.clone()))))
}

fn distinct(left: &[Expr], right: &[Expr]) -> Expr {
    let same = |(left, right): (&Expr, &Expr)| {
        let [left, right] = [left, right].map(|expr| Box::new(nested(expr.clone())));
        nested(Expr::IsNotDistinctFrom(left, right))
    };
    not(all(left.iter().zip(right).map(same)))
}

/// Compares rows from left to right: the first values that differ decide.
fn ordered(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Option<Expr> {
    let strict = match op {
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        _ => BinaryOperator::Gt,
    };
    let mut pairs = left.iter().zip(right).rev();
    let (left, right) = pairs.next()?;
    let last = binary(nested(left.clone()), op.clone(), nested(right.clone()));
    Some(pairs.fold(last, |rest, (left, right)| {
        let [left, right] = [left, right].map(|expr| nested(expr.clone()));
        let equal = binary(left.clone(), BinaryOperator::Eq, right.clone());
        let then = nested(binary(equal, BinaryOperator::And, nested(rest)));
        binary(binary(left, strict.clone(), right), BinaryOperator::Or, then)
    }))
}
