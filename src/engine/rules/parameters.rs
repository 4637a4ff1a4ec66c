//! Parameters, whose types DataFusion finds in fewer places than PostgreSQL.
//!
//! Clients send most values without a type. PostgreSQL finds one by the place: an integer behind LIMIT, a text behind `->>`. Where DataFusion finds none, or
//! takes what stands in for the value for a text and refuses it, [`Places`] says it.
//!
//! DataFusion puts values into a plan that is made, and takes a parameter whose type no operator tells for null while it makes it: `data->>$key` and `unnest($list)`
//! in a select list were errors about null. It takes what is added to an instant for an instant, and wants a number in the frame of a window. So
//! [`with_parameters`] makes such a parameter a cast of itself to the type of its value, and writes the number into the frame.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{ParamValues, ScalarValue};
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
        let integer =
            INTEGERS.iter().find(|(known, _)| name.value.eq_ignore_ascii_case(known)).map(|(_, place)| *place);
        let is_json = is_of_json(&name.value);
        for (index, argument) in arguments.iter().enumerate() {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument else { continue };
            if integer.is_some_and(|place| place == index || place == usize::MAX) {
                self.note(argument, DataType::Int64);
            } else if is_json {
                self.note(argument, DataType::Utf8);
            }
        }
    }
}

/// The name of a parameter, without its `$`.
fn parameter(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$')
}

/// The number of a parameter such as `$2`.
fn numbered(expr: &Expr) -> Option<usize> {
    parameter(expr)?.parse().ok().filter(|number| *number > 0)
}

/// Says whether what stands to the right of an operator is a key or a path of JSON.
fn takes_key(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Arrow
            | BinaryOperator::LongArrow
            | BinaryOperator::HashArrow
            | BinaryOperator::HashLongArrow
            | BinaryOperator::Question
    )
}

/// Says whether a function reads JSON, by its name: its other arguments are paths.
fn is_of_json(function: &str) -> bool {
    function.to_ascii_lowercase().starts_with("json_")
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
            Expr::BinaryOp { op, right, .. } if takes_key(op) => self.note(right, DataType::Utf8),
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

/// Says the types of parameters by their values, where DataFusion would not find them.
pub fn with_parameters(mut statement: Statement, values: &ParamValues) -> Statement {
    visit(&mut statement, &mut Saying(values));
    statement
}

struct Saying<'v>(&'v ParamValues);

impl Saying<'_> {
    fn value_of(&self, expr: &Expr) -> Option<&ScalarValue> {
        let name = parameter(expr)?;
        let given = match self.0 {
            ParamValues::Map(named) => named.get(name),
            ParamValues::List(list) => list.get(name.parse::<usize>().ok()?.checked_sub(1)?),
        };
        given.map(|given| &given.value)
    }

    fn say(&self, expr: &mut Expr) {
        let Some(data_type) = self.value_of(expr).and_then(|value| named(&value.data_type())) else { return };
        let inner = Box::new(expr.clone());
        *expr = Expr::Cast { kind: CastKind::Cast, expr: inner, data_type, array: false, format: None };
    }
}

impl VisitorMut for Saying<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { op, right, .. } if takes_key(op) => self.say(right),
            Expr::BinaryOp { op: BinaryOperator::Plus | BinaryOperator::Minus, left, right } => {
                for side in [left, right] {
                    if self.value_of(side).is_some_and(|value| matches!(value.data_type(), DataType::Interval(_))) {
                        self.say(side);
                    }
                }
            }
            Expr::Function(function) => {
                for bound in frame_bounds(function) {
                    let rows = self.value_of(bound).filter(|value| value.data_type().is_integer());
                    if let Some(rows) = rows.filter(|rows| !rows.is_null()).map(ToString::to_string) {
                        *bound = number(&rows);
                    }
                }
                let FunctionArguments::List(list) = &mut function.args else { return ControlFlow::Continue(()) };
                for arg in &mut list.args {
                    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
                        self.say(arg);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The name of a type in SQL, of those that need one; others are told by their values alone.
fn named(data_type: &DataType) -> Option<ast::DataType> {
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ast::DataType::Text,
        DataType::Int64 => ast::DataType::BigInt(None),
        DataType::Float64 => ast::DataType::Double(ast::ExactNumberInfo::None),
        DataType::Boolean => ast::DataType::Boolean,
        DataType::Interval(_) => ast::DataType::Interval { fields: None, precision: None },
        DataType::List(item) => {
            let item = named(item.data_type()).filter(|_| !item.data_type().is_nested())?;
            ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(Box::new(item), None))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::common::metadata::ScalarAndMetadata;

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
            ("select json_value(a, $1), a #> $2 from t", 2, vec![(1, DataType::Utf8), (2, DataType::Utf8)]),
            ("select x from t where x in ($1, $2) and y between $3 and $4", 4, vec![]),
            ("select 1", 0, vec![]),
        ] {
            let places = Places::of(&parsed(sql));
            assert_eq!((places.count, places.types), (count, types.into_iter().collect()), "{sql}");
        }
    }

    #[test]
    fn parameters_are_said_to_be_what_their_values_are() {
        let value = |value: ScalarValue| ScalarAndMetadata::from(value);
        let interval = ScalarValue::IntervalMonthDayNano(None);
        let values = ParamValues::List(vec![value(7_i64.into()), value(interval), value("k".into())]);
        let sql = "select sum(x) over (order by x rows $1 preceding), t + $2, $1, abs($1), data ->> $3 from t";
        assert_eq!(
            with_parameters(parsed(sql), &values).to_string(),
            "SELECT sum(x) OVER (ORDER BY x ROWS 7 PRECEDING), t + CAST($2 AS INTERVAL), $1, \
             abs(CAST($1 AS BIGINT)), data ->> CAST($3 AS TEXT) FROM t"
        );
    }
}
