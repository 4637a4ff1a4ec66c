//! Numbered parameters in places that say more of their type than DataFusion finds there.
//!
//! Clients send most values without a type. PostgreSQL finds one by the place: an integer behind LIMIT, a text behind `->>`. DataFusion finds none in
//! these places, takes what stands in for the value for a text, and refuses it. It also wants a number, and no parameter, in the frame of a window, and takes what is
//! added to an instant for an instant.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, LimitClause,
    Subscript, TableFactor, Value, VisitorMut, WindowFrameBound, WindowType,
};

use super::visit;
use super::words::number;

/// Functions of which an argument, counted from 0, is an integer.
const INTEGERS: [(&str, usize); 9] = [
    ("lag", 1),
    ("lead", 1),
    ("nth_value", 1),
    ("ntile", 0),
    ("round", 1),
    ("trunc", 1),
    ("repeat", 1),
    ("generate_series", usize::MAX),
    ("range", usize::MAX),
];

/// The numbered parameters of a statement: the greatest number, and the types that their places say.
pub struct Places {
    /// The greatest number of a parameter, 0 without any.
    pub count: usize,
    /// Types by number.
    pub types: BTreeMap<usize, DataType>,
}

impl Places {
    /// Looks at a statement as it was parsed.
    pub fn of(statement: &Statement) -> Self {
        let mut places = Self { count: 0, types: BTreeMap::new() };
        visit(&mut statement.clone(), &mut places);
        places
    }

    fn note(&mut self, expr: &Expr, data_type: DataType) {
        let mut expr = expr;
        while let Expr::Nested(inner) = expr {
            expr = inner;
        }
        if let Some(number) = numbered(expr) {
            self.types.entry(number).or_insert(data_type);
        }
    }

    fn note_arguments(&mut self, name: &ast::ObjectName, arguments: &[FunctionArg]) {
        let [ast::ObjectNamePart::Identifier(name)] = name.0.as_slice() else { return };
        for (known, place) in INTEGERS {
            if !name.value.eq_ignore_ascii_case(known) {
                continue;
            }
            for (index, argument) in arguments.iter().enumerate() {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument
                    && (place == index || place == usize::MAX)
                {
                    self.note(argument, DataType::Int64);
                }
            }
        }
    }
}

/// Reads the number of a parameter such as `$2`.
fn numbered(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$')?.parse().ok().filter(|number| *number > 0)
}

impl VisitorMut for Places {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                limit.iter().for_each(|limit| self.note(limit, DataType::Int64));
                offset.iter().for_each(|offset| self.note(&offset.value, DataType::Int64));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                [offset, limit].into_iter().for_each(|expr| self.note(expr, DataType::Int64));
            }
            None => {}
        }
        let quantity = query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref());
        quantity.into_iter().for_each(|rows| self.note(rows, DataType::Int64));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(args), .. } = factor {
            self.note_arguments(name, &args.args);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.count = self.count.max(numbered(expr).unwrap_or_default());
        match expr {
            Expr::BinaryOp {
                op: BinaryOperator::LongArrow | BinaryOperator::Arrow | BinaryOperator::Question,
                right,
                ..
            } => self.note(right, DataType::Utf8),
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let AccessExpr::Subscript(Subscript::Index { index }) = access {
                        self.note(index, DataType::Int64);
                    }
                }
            }
            Expr::Function(function) => {
                if let FunctionArguments::List(list) = &function.args {
                    self.note_arguments(&function.name, &list.args);
                }
                frame_bounds(function).for_each(|bound| self.note(bound, DataType::Int64));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The lengths in the frame of a window.
fn frame_bounds(function: &mut ast::Function) -> impl Iterator<Item = &mut Expr> {
    let frame = match &mut function.over {
        Some(WindowType::WindowSpec(window)) => window.window_frame.as_mut(),
        _ => None,
    };
    let bounds = frame.into_iter().flat_map(|frame| [Some(&mut frame.start_bound), frame.end_bound.as_mut()]);
    bounds.flatten().filter_map(|bound| match bound {
        WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows)) => Some(rows.as_mut()),
        _ => None,
    })
}

/// What is known of a parameter where a statement is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// A number.
    Integer(i64),
    /// A length of time, whatever its value.
    Interval,
    /// Something else.
    Other,
}

/// Writes numbers into frames of windows in the place of parameters, and says of intervals that are added or subtracted that they are some.
pub fn with_places(mut statement: Statement, given: impl Fn(usize) -> Given) -> Statement {
    visit(&mut statement, &mut Writing(given));
    statement
}

struct Writing<F>(F);

impl<F: Fn(usize) -> Given> VisitorMut for Writing<F> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => {
                for bound in frame_bounds(function) {
                    if let Some(Given::Integer(rows)) = numbered(bound).map(&self.0) {
                        *bound = number(&rows.to_string());
                    }
                }
            }
            Expr::BinaryOp { op: BinaryOperator::Plus | BinaryOperator::Minus, left, right } => {
                for side in [left, right] {
                    if numbered(side).map(&self.0) == Some(Given::Interval) {
                        let data_type = ast::DataType::Interval { fields: None, precision: None };
                        let expr = side.clone();
                        **side =
                            Expr::Cast { kind: CastKind::DoubleColon, expr, data_type, array: false, format: None };
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(sql: &str) -> Statement {
        crate::script::parse("q", sql).unwrap().statements.remove(0).parsed
    }

    #[test]
    fn places_say_the_types_of_parameters() {
        for (sql, count, types) in [
            ("select 1 limit $1 offset ($2)", 2, vec![(1, DataType::Int64), (2, DataType::Int64)]),
            ("select 1 fetch first $1 rows only", 1, vec![(1, DataType::Int64)]),
            (
                "select a -> $1 ->> $2, (b)[$3] from t",
                3,
                vec![(1, DataType::Utf8), (2, DataType::Utf8), (3, DataType::Int64)],
            ),
            (
                "select * from generate_series(1, $1), (select lag(x, $3) over (order by x) from t) s",
                3,
                vec![(1, DataType::Int64), (3, DataType::Int64)],
            ),
            (
                "select sum(x) over (order by x rows between $1 preceding and $2 following), $4 from t",
                4,
                vec![(1, DataType::Int64), (2, DataType::Int64)],
            ),
            ("select x from t where x in ($1, $2) and y between $3 and $4", 4, vec![]),
            ("select 1", 0, vec![]),
        ] {
            let places = Places::of(&parsed(sql));
            assert_eq!((places.count, places.types), (count, types.into_iter().collect()), "{sql}");
        }
    }

    #[test]
    fn numbers_stand_in_frames_and_intervals_are_said_to_be_some() {
        let given = |number: usize| [Given::Other, Given::Integer(7), Given::Interval][number.min(2)];
        let written =
            with_places(parsed("select sum(x) over (order by x rows $1 preceding), t + $2, $1 from t"), given);
        assert_eq!(
            written.to_string(),
            "SELECT sum(x) OVER (ORDER BY x ROWS 7 PRECEDING), t + $2::INTERVAL, $1 FROM t"
        );
    }
}
