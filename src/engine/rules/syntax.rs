//! Brings statements of PostgreSQL's syntax into one that DataFusion plans with PostgreSQL's meaning, before they are planned.
//!
//! What DataFusion does not know is written in words that it knows (`fetch first 3 rows only`, `|/ x`, `json`, rows compared with rows), and so
//! is what it takes for something else without a word: `float` for four bytes, `-2 ^ 2` for `-(2 ^ 2)`, `over (w order by x)` without `w`,
//! `varchar(3)` for any length. What it would answer wrongly and cannot be written in another way is refused. Columns without a name
//! get one ([`unnamed`](super::unnamed)), and calls of which DataFusion would make one name are told apart ([`apart`](super::apart)).

use std::ops::ControlFlow;

use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, LimitClause, Query, Select,
    SelectItem, SetExpr, SetOperator, SetQuantifier, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::words::{any_character, binary, call, is_named, is_short, nested, number, when};
use super::{
    aggregates, apart, arrays, frames, functions, merged, ordered, precedence, readers, rows, rows_in, unnamed, unnests,
};
use crate::functions::is_of_plans;

/// Brings a statement into DataFusion's syntax.
///
/// # Errors
/// What DataFusion would answer wrongly.
pub fn with_postgres_syntax(mut statement: Statement) -> Result<Statement> {
    let mut node = &mut statement;
    while let Statement::Explain(explain) = node {
        node = &mut explain.statement;
    }
    let flow = match node {
        Statement::Statement(statement) => statement.as_mut().visit(&mut Syntax),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.as_mut().visit(&mut Syntax),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Break(message) => plan_err!("{message}"),
        ControlFlow::Continue(()) => Ok(statement),
    }
}

struct Syntax;

impl VisitorMut for Syntax {
    /// Why the statement is refused.
    type Break = String;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        refuse_all(&query.body)?;
        merged::of_query(query)?;
        ordered::see_inputs(query);
        functions::name_columns(query);
        let Some(fetch) = &query.fetch else { return ControlFlow::Continue(()) };
        if fetch.with_ties || fetch.percent {
            return ControlFlow::Break(
                "FETCH … WITH TIES and PERCENT are not supported: take the rows whose rank() over (order by …) is small enough"
                    .to_owned(),
            );
        }
        // Without a number it is one row.
        let rows = fetch.quantity.clone().unwrap_or_else(|| number("1"));
        match &mut query.limit_clause {
            None => {
                query.limit_clause =
                    Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() });
            }
            Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(rows),
            Some(_) => return ControlFlow::Continue(()),
        }
        query.fetch = None;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<String> {
        unnests::factor(factor)
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        merged::of_select(select)?;
        unnamed::name(select);
        aggregates::name_windows(select)?;
        apart::tell(select);
        if let Some(condition) = &mut select.selection {
            rows_in::conjuncts(condition);
        }
        for item in &mut select.projection {
            // A function of sets is as many rows as it gives, where DataFusion makes a list.
            if let SelectItem::ExprWithAlias { expr, .. } = item
                && matches!(expr, Expr::Function(function) if is_named(function, "generate_series") && function.over.is_none())
            {
                *expr = call("unnest", vec![expr.clone()]);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        precedence::read_again(expr);
        rows::name(expr);
        if let Expr::Function(function) = expr {
            aggregates::refuse_clauses(function)?;
            frames::of_call(function)?;
        }
        if let Expr::Function(function) = expr
            && let [ast::ObjectNamePart::Identifier(name)] = function.name.0.as_slice()
            && is_of_plans(&name.value)
        {
            // As DataFusion says it of a function that is not there.
            return ControlFlow::Break(format!("Invalid function '{}'", name.value));
        }
        // What any() and all() ask of a list of values they ask of the values; the list itself is no column that DataFusion could compare with.
        if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr
            && let Some(rows) = arrays::rows(right)
        {
            **right = Expr::Subquery(rows);
        }
        if let Expr::BinaryOp { left, op, right } = expr
            && (is_json(left) || is_json(right))
        {
            return match op {
                BinaryOperator::StringConcat => ControlFlow::Break(
                    "|| of JSON is not supported: JSON is text here, and two texts are no document".to_owned(),
                ),
                BinaryOperator::Eq | BinaryOperator::NotEq => ControlFlow::Break(
                    "JSON is text here, whose blanks count: compare values of it, such as data->>'key'".to_owned(),
                ),
                _ => ControlFlow::Continue(()),
            };
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        if let Some(compared) = rows::compared(expr)? {
            *expr = compared;
            return ControlFlow::Continue(());
        }
        match expr {
            Expr::Cast { .. } => cast(expr),
            Expr::TypedString(typed) if is_short_text(&typed.data_type) => {
                let (inner, data_type) = (Box::new(Expr::Value(typed.value.clone())), typed.data_type.clone());
                *expr = Expr::Cast { kind: CastKind::Cast, expr: inner, data_type, array: false, format: None };
                cast(expr);
            }
            Expr::TypedString(typed) => {
                readers::write_epoch(&mut typed.value.value, &typed.data_type);
                known_type(&mut typed.data_type);
            }
            // Texts are compared and sorted by their bytes, which is what these names mean.
            Expr::Collate { expr: inner, collation } if is_of_bytes(collation) => {
                *expr = std::mem::replace(inner.as_mut(), Expr::value(Value::Null));
            }
            Expr::UnaryOp { op, expr: inner } => {
                let inner = (**inner).clone();
                match op {
                    UnaryOperator::Minus if is_power(&inner) => *expr = negated_base(inner),
                    UnaryOperator::BitwiseNot => {
                        let ones = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number("1")) };
                        *expr = nested(binary(inner, BinaryOperator::PGBitwiseXor, ones));
                    }
                    UnaryOperator::PGSquareRoot => *expr = call("sqrt", vec![inner]),
                    UnaryOperator::PGCubeRoot => *expr = call("cbrt", vec![inner]),
                    UnaryOperator::PGAbs => *expr = call("abs", vec![inner]),
                    _ => {}
                }
            }
            Expr::BinaryOp { left, op, right } => match op {
                BinaryOperator::PGOverlap => {
                    // A null is equal to nothing, and to DataFusion equal to another.
                    let values = call("list_without_nulls", vec![(**right).clone()]);
                    *expr = call("array_has_any", vec![(**left).clone(), values]);
                }
                BinaryOperator::PGStartsWith => *expr = call("starts_with", vec![(**left).clone(), (**right).clone()]),
                BinaryOperator::PGRegexMatch
                | BinaryOperator::PGRegexIMatch
                | BinaryOperator::PGRegexNotMatch
                | BinaryOperator::PGRegexNotIMatch => any_character(right),
                BinaryOperator::AtArrow | BinaryOperator::ArrowAt if is_short(left) && is_short(right) => {
                    // Without a list there is no answer; DataFusion takes it for an empty one. A null in it is found nowhere.
                    let known = binary(is_not_null(left), BinaryOperator::And, is_not_null(right));
                    let values = if *op == BinaryOperator::AtArrow { right } else { left };
                    let nulls = call("list_nulls", vec![(**values).clone()]);
                    let is_whole = binary(nulls, BinaryOperator::Eq, number("0"));
                    let found = nested(std::mem::replace(expr, Expr::value(Value::Null)));
                    *expr = when(known, binary(is_whole, BinaryOperator::And, found), None);
                }
                _ => {}
            },
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                if let Expr::Array(array) = right.as_mut()
                    && !array.elem.is_empty()
                {
                    let list = std::mem::take(&mut array.elem);
                    *expr = Expr::InList { expr: left.clone(), list, negated: false };
                }
            }
            // DataFusion compares with the least or the greatest element, and takes nulls among them for none.
            Expr::AnyOp { left, compare_op, right, .. } => {
                if let Some(any) = each_element(left, compare_op, right, BinaryOperator::Or) {
                    *expr = any;
                }
            }
            Expr::AllOp { left, compare_op, right } => {
                if let Some(all) = each_element(left, compare_op, right, BinaryOperator::And) {
                    *expr = all;
                }
            }
            Expr::InSubquery { .. } => {
                if let Some(value) = rows_in::value(expr) {
                    *expr = value;
                }
            }
            Expr::Function(ast::Function { args: ast::FunctionArguments::Subquery(_), .. }) => {
                if let Some(value) = arrays::value(expr) {
                    *expr = value;
                }
            }
            Expr::Function(function) => match readers::value(function) {
                Some(read) => *expr = read,
                None => {
                    aggregates::function(function);
                    if is_named(function, "regr_r2") {
                        *expr = determination(function);
                    }
                }
            },
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, .. }) = access {
                        lower_bound.get_or_insert_with(|| number("1"));
                        // The last one.
                        upper_bound.get_or_insert_with(|| Expr::UnaryOp {
                            op: UnaryOperator::Minus,
                            expr: Box::new(number("1")),
                        });
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// DataFusion takes every row of the first query that is in the second, or is not, however often it is there.
fn refuse_all(body: &SetExpr) -> ControlFlow<String> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return ControlFlow::Continue(()) };
    if matches!(op, SetOperator::Except | SetOperator::Intersect) && *set_quantifier == SetQuantifier::All {
        return ControlFlow::Break(format!(
            "{op} ALL is not supported: number equal rows with row_number() over (partition by …) on both sides, and write {op}"
        ));
    }
    refuse_all(left)?;
    refuse_all(right)
}

fn is_json(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_json(inner),
        Expr::Cast { data_type: DataType::JSON | DataType::JSONB, .. } => true,
        Expr::TypedString(typed) => matches!(typed.data_type, DataType::JSON | DataType::JSONB),
        _ => false,
    }
}

/// Says whether a collation is the order of bytes, with its schema or without.
fn is_of_bytes(collation: &ast::ObjectName) -> bool {
    let name = collation.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.as_str());
    matches!(name, Some("C" | "POSIX" | "ucs_basic" | "default"))
}

/// Gives a type the name that DataFusion knows.
fn known_type(data_type: &mut DataType) {
    match data_type {
        DataType::JSON | DataType::JSONB => *data_type = DataType::Text,
        // Up to 24 bits of precision are four bytes.
        DataType::Float(ExactNumberInfo::Precision(..=24)) => {}
        DataType::Float(_) => *data_type = DataType::DoublePrecision,
        DataType::CharacterVarying(None) | DataType::CharVarying(None) => *data_type = DataType::Varchar(None),
        _ => {}
    }
}

fn cast(expr: &mut Expr) {
    let Expr::Cast { kind, expr: inner, data_type, .. } = expr else { return };
    if let Expr::Value(value) = inner.as_mut() {
        readers::write_epoch(&mut value.value, data_type);
    }
    let is_safe = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
    let text = match inner.as_ref() {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => Some((text.clone(), true)),
            Value::SingleQuotedString(text) => Some((text.clone(), false)),
            _ => None,
        },
        _ => None,
    };
    match (&*data_type, text) {
        // As a double it would lose digits on the way.
        (DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_), Some((text, true)))
            if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            **inner = Expr::value(Value::SingleQuotedString(text));
            return;
        }
        (DataType::Bytea, Some((text, false))) => {
            if let Some(digits) = text.strip_prefix("\\x") {
                let digits = Expr::value(Value::SingleQuotedString(digits.to_owned()));
                *expr = call("decode", vec![digits, Expr::value(Value::SingleQuotedString("hex".to_owned()))]);
            }
            return;
        }
        _ => {}
    }
    let longest = match &*data_type {
        DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::CharacterVarying(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::CharVarying(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::Character(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::Char(Some(CharacterLength::IntegerLength { length, .. })) => Some(*length),
        DataType::Char(None) | DataType::Character(None) => Some(1),
        _ => None,
    };
    match longest {
        Some(length) => {
            let kind = if is_safe { CastKind::TryCast } else { CastKind::Cast };
            let text = Expr::Cast { kind, expr: inner.clone(), data_type: DataType::Text, array: false, format: None };
            *expr = call("left", vec![text, number(&length.to_string())]);
        }
        None => known_type(data_type),
    }
}

fn is_power(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::PGExp, .. })
}

/// The sign before a power is that of what is raised.
fn negated_base(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::PGExp, right } => {
            Expr::BinaryOp { left: Box::new(negated_base(*left)), op: BinaryOperator::PGExp, right }
        }
        other => Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(other) },
    }
}

/// Compares with each element of a list that is written out; `None` where it is none, or is empty.
fn each_element(left: &Expr, op: &BinaryOperator, right: &Expr, join: BinaryOperator) -> Option<Expr> {
    let Expr::Array(array) = right else { return None };
    if !is_short(left) {
        return None;
    }
    let is_single = !array.elem.iter().any(|element| matches!(element, Expr::Array(_)));
    let each = array.elem.iter().map(|element| binary(nested(left.clone()), op.clone(), nested(element.clone())));
    each.reduce(|all, one| binary(all, join.clone(), one)).filter(|_| is_single).map(nested)
}

/// `regr_r2`, which is 1 where all y are the same and not all x; DataFusion has null.
fn determination(function: &ast::Function) -> Expr {
    let of = |name: &str| {
        let name = ast::ObjectName::from(vec![ast::Ident::new(name)]);
        Expr::Function(ast::Function { name, ..function.clone() })
    };
    let varies = binary(of("regr_sxx"), BinaryOperator::Gt, number("0"));
    let is_level = binary(of("regr_syy"), BinaryOperator::Eq, number("0"));
    when(binary(varies, BinaryOperator::And, is_level), number("1.0"), Some(of("regr_r2")))
}

fn is_not_null(expr: &Expr) -> Expr {
    Expr::IsNotNull(Box::new(nested(expr.clone())))
}

/// Says whether a type is a text of some greatest length.
fn is_short_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Varchar(Some(_))
            | DataType::CharacterVarying(Some(_))
            | DataType::CharVarying(Some(_))
            | DataType::Character(_)
            | DataType::Char(_)
    )
}
