//! `a is distinct from b and c`: what binds more tightly.
//!
//! sqlparser 0.62 takes all that stands behind `is [not] distinct from` for its right side, `b and c` here. In PostgreSQL `is` binds more tightly than
//! `not`, `and` and `or`. An expression with such a side is taken apart into operands and these operators, in the order in which they were written, and put
//! together again. What stands in parentheses is one operand.

use std::iter::Peekable;
use std::vec::IntoIter;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// What an expression is made of.
enum Word {
    Operand(Box<Expr>),
    Not,
    And,
    Or,
}

/// Puts an expression together as PostgreSQL reads it, if the parser has read it otherwise.
pub(super) fn read_again(expr: &mut Expr) {
    if !is_misread(expr) {
        return;
    }
    let mut words = Vec::new();
    take_apart(std::mem::replace(expr, Expr::value(Value::Null)), &mut words);
    *expr = any_of(&mut words.into_iter().peekable());
}

/// Says whether a side of `is distinct from`, in the operands of an expression, has more than belongs to it.
fn is_misread(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            is_misread(left) || is_misread(right)
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => is_misread(expr),
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            matches!(right.as_ref(), Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
                || is_misread(right)
        }
        _ => false,
    }
}

fn take_apart(expr: Expr, words: &mut Vec<Word>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            side_of_and(*left, words);
            words.push(Word::And);
            side_of_and(*right, words);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            take_apart(*left, words);
            words.push(Word::Or);
            take_apart(*right, words);
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            words.push(Word::Not);
            match *expr {
                // No parser makes it without parentheses, but a rewrite may.
                both @ Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. } => {
                    words.push(Word::Operand(Box::new(both)));
                }
                inner => take_apart(inner, words),
            }
        }
        Expr::IsDistinctFrom(left, right) => {
            compared(*right, words, |right| Expr::IsDistinctFrom(left, Box::new(right)));
        }
        Expr::IsNotDistinctFrom(left, right) => {
            compared(*right, words, |right| Expr::IsNotDistinctFrom(left, Box::new(right)));
        }
        operand => words.push(Word::Operand(Box::new(operand))),
    }
}

fn side_of_and(side: Expr, words: &mut Vec<Word>) {
    match side {
        // As above.
        either @ Expr::BinaryOp { op: BinaryOperator::Or, .. } => words.push(Word::Operand(Box::new(either))),
        side => take_apart(side, words),
    }
}

/// Takes a right side apart; its first operand alone belongs to the comparison.
fn compared(right: Expr, words: &mut Vec<Word>, with: impl FnOnce(Expr) -> Expr) {
    let mut of_right = Vec::new();
    take_apart(right, &mut of_right);
    let mut of_right = of_right.into_iter().peekable();
    let first = negated(&mut of_right);
    words.push(Word::Operand(Box::new(with(first))));
    words.extend(of_right);
}

type Words = Peekable<IntoIter<Word>>;

/// `a or b or …`
fn any_of(words: &mut Words) -> Expr {
    let mut whole = all_of(words);
    while words.next_if(|word| matches!(word, Word::Or)).is_some() {
        whole = joined(whole, BinaryOperator::Or, all_of(words));
    }
    whole
}

/// `a and b and …`
fn all_of(words: &mut Words) -> Expr {
    let mut whole = negated(words);
    while words.next_if(|word| matches!(word, Word::And)).is_some() {
        whole = joined(whole, BinaryOperator::And, negated(words));
    }
    whole
}

/// `not … a`
fn negated(words: &mut Words) -> Expr {
    match words.next() {
        Some(Word::Operand(operand)) => *operand,
        Some(Word::Not) => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(negated(words)) },
        // Operands and operators alternate, as they did where they come from.
        Some(Word::And | Word::Or) | None => Expr::value(Value::Null),
    }
}

fn joined(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn read(text: &str) -> Expr {
        Parser::new(&PostgreSqlDialect {}).try_with_sql(text).unwrap().parse_expr().unwrap()
    }

    /// Shows all parentheses.
    fn shown(expr: &Expr) -> String {
        match expr {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shown(left), shown(right)),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => format!("not {}", shown(expr)),
            Expr::IsDistinctFrom(left, right) => format!("[{} <> {}]", shown(left), shown(right)),
            Expr::IsNotDistinctFrom(left, right) => format!("[{} = {}]", shown(left), shown(right)),
            Expr::Nested(inner) => format!("{{{}}}", shown(inner)),
            other => other.to_string(),
        }
    }

    #[test]
    fn is_binds_more_tightly_than_not_and_and_or() {
        for (text, expected) in [
            ("a is distinct from b and c", "([a <> b] AND c)"),
            ("a is not distinct from b or c and d", "([a = b] OR (c AND d))"),
            ("x and a is distinct from b and c or d", "(((x AND [a <> b]) AND c) OR d)"),
            ("x or a is distinct from b and c", "(x OR ([a <> b] AND c))"),
            ("a is distinct from b and c is not distinct from d and e", "(([a <> b] AND [c = d]) AND e)"),
            ("not a is distinct from b and c", "(not [a <> b] AND c)"),
            ("a is distinct from b and not c or d", "(([a <> b] AND not c) OR d)"),
            ("a is distinct from b + 1 and c = 2", "([a <> (b + 1)] AND (c = 2))"),
            ("a is distinct from (b and c) and d", "([a <> {(b AND c)}] AND d)"),
            ("a is distinct from b", "[a <> b]"),
            ("a and b or c", "((a AND b) OR c)"),
        ] {
            let mut expr = read(text);
            read_again(&mut expr);
            assert_eq!(shown(&expr), expected, "{text}");
            let again = expr.clone();
            read_again(&mut expr);
            assert_eq!(expr, again, "{text}");
        }
    }
}
