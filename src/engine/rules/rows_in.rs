//! `(a, b) in (subquery)`: a row looked for among those of a subquery, in words that DataFusion knows.
//!
//! Two rows are equal where each pair of their values is, and differ where one pair does; where nulls leave it open, it is null. So the answer is
//! true where the subquery has a row for which that is true, else null where it has one for which it is null, else false: a `case` over two
//! `exists`. A conjunct of `where` need only say whether it is true, and is one `exists`, which is planned as a semi-join.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Ident, Query, SetExpr, Statement, TableFactor, Value,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::rows;

/// The longest subquery that may stand twice: with each level of them its length doubles.
const LONGEST_BYTES: usize = 10_000;

/// What the rows of the subquery are called.
const ROWS: &str = "rows_of_subquery";

/// Rewrites the conjuncts of a condition of which only the truth counts.
pub(super) fn conjuncts(condition: &mut Expr) {
    rows::name(condition);
    match condition {
        Expr::Nested(inner) => conjuncts(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left);
            conjuncts(right);
        }
        Expr::InSubquery { expr, subquery, negated: false } => {
            if let Expr::Tuple(row) = expr.as_ref()
                && let Some(found) = exists(row, subquery, |equal| equal)
            {
                *condition = found;
            }
        }
        _ => {}
    }
}

/// Returns what stands for a row looked for in a subquery, or not found in it; `None` for other expressions.
pub(super) fn value(expr: &Expr) -> Option<Expr> {
    let Expr::InSubquery { expr, subquery, negated } = expr else { return None };
    let Expr::Tuple(row) = expr.as_ref() else { return None };
    if subquery.to_string().len() > LONGEST_BYTES {
        return None;
    }
    let found = exists(row, subquery, |equal| equal)?;
    let open = exists(row, subquery, |equal| Expr::IsNull(Box::new(equal)))?;
    let value = |value: Value| Expr::value(value);
    let found = CaseWhen { condition: found, result: value(Value::Boolean(!negated)) };
    let open = CaseWhen { condition: open, result: value(Value::Null) };
    Some(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![found, open],
        else_result: Some(Box::new(value(Value::Boolean(*negated)))),
    })
}

/// Says whether a subquery has a row for which what is asked of its equality with this one is true.
fn exists(row: &[Expr], subquery: &Query, asked: impl Fn(Expr) -> Expr) -> Option<Expr> {
    let names: Vec<String> = (1..=row.len()).map(|number| format!("value_{number}")).collect();
    let text = format!("select 1 from (select 1) as {ROWS}({})", names.join(", "));
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, &text).ok()?;
    let Statement::Query(mut query) = statements.pop()? else { return None };
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let TableFactor::Derived { subquery: rows, .. } = &mut select.from.first_mut()?.relation else { return None };
    **rows = subquery.clone();
    let pairs = row.iter().zip(names).map(|(value, name)| Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(value.clone()))),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::CompoundIdentifier(vec![Ident::new(ROWS), Ident::new(name)])),
    });
    let both = |left, right| Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) };
    select.selection = Some(asked(Expr::Nested(Box::new(pairs.reduce(both)?))));
    Some(Expr::Exists { subquery: query, negated: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Expr {
        Parser::new(&PostgreSqlDialect {}).try_with_sql(text).unwrap().parse_expr().unwrap()
    }

    #[test]
    fn conjuncts_ask_for_a_row_and_values_for_one_that_is_open_too() {
        let exists = |asked: &str| {
            format!("EXISTS (SELECT 1 FROM (SELECT 1, 2) AS rows_of_subquery (value_1, value_2) WHERE {asked})")
        };
        let equal = "((a) = rows_of_subquery.value_1 AND (b) = rows_of_subquery.value_2)";
        let mut both = condition("x > 1 and ((a, b) in (select 1, 2))");
        conjuncts(&mut both);
        assert_eq!(both.to_string(), format!("x > 1 AND ({})", exists(equal)));
        let mut either = condition("x > 1 or (a, b) in (select 1, 2)");
        conjuncts(&mut either);
        assert_eq!(either.to_string(), "x > 1 OR (a, b) IN (SELECT 1, 2)");
        let value = value(&condition("(a, b) not in (select 1, 2)")).unwrap();
        let (found, open) = (exists(equal), exists(&format!("{equal} IS NULL")));
        assert_eq!(value.to_string(), format!("CASE WHEN {found} THEN false WHEN {open} THEN NULL ELSE true END"));
        assert_eq!(super::value(&condition("a in (select 1)")), None);
    }
}
