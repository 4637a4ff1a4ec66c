//! Types of parameters where a function or an operator on JSON takes them.
//!
//! DataFusion puts the values of parameters into a plan that is made, and takes one whose type no operator tells for null while it makes it:
//! `data->>$key` and `unnest($list)` in a select list were errors about null. Here such a parameter is a cast of itself to the type of its value.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ParamValues;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value, VisitorMut,
};

use super::rules::visit;

/// Says the type of a parameter, by its name without the `$`.
pub(super) trait TypeOf {
    /// Returns the type, if it is known.
    fn type_of(&self, name: &str) -> Option<DataType>;

    /// Says whether a key of JSON whose type is not known is a text, as PostgreSQL takes it.
    fn guesses_keys(&self) -> bool {
        false
    }
}

impl TypeOf for ParamValues {
    fn type_of(&self, name: &str) -> Option<DataType> {
        match self {
            Self::Map(values) => values.get(name).map(|value| value.value.data_type()),
            Self::List(values) => {
                let number = name.parse::<usize>().ok()?.checked_sub(1)?;
                values.get(number).map(|value| value.value.data_type())
            }
        }
    }
}

/// The types of numbered parameters that have no values yet.
pub(super) struct Declared<'a> {
    pub named: &'a ParamValues,
    pub numbered: &'a [Option<DataType>],
}

impl TypeOf for Declared<'_> {
    fn type_of(&self, name: &str) -> Option<DataType> {
        match name.parse::<usize>() {
            Ok(number) => self.numbered.get(number.checked_sub(1)?).cloned().flatten(),
            Err(_) => self.named.type_of(name),
        }
    }

    fn guesses_keys(&self) -> bool {
        true
    }
}

/// Gives types to the parameters of a statement that are arguments of functions or keys of JSON.
pub(super) fn with_types(mut statement: Statement, types: &impl TypeOf) -> Statement {
    visit(&mut statement, &mut Parameters { types });
    statement
}

struct Parameters<'a, T> {
    types: &'a T,
}

impl<T: TypeOf> Parameters<'_, T> {
    fn give(&self, expr: &mut Expr, is_key: bool) {
        let Expr::Value(value) = &*expr else { return };
        let Value::Placeholder(name) = &value.value else { return };
        let known = self.types.type_of(name.trim_start_matches('$'));
        let known = known.or_else(|| (is_key && self.types.guesses_keys()).then_some(DataType::Utf8));
        let Some(data_type) = known.as_ref().and_then(named) else { return };
        let inner = Box::new(expr.clone());
        *expr = Expr::Cast { kind: CastKind::Cast, expr: inner, data_type, array: false, format: None };
    }
}

impl<T: TypeOf> VisitorMut for Parameters<'_, T> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { op, right, .. } if is_of_json(op) => self.give(right, true),
            Expr::Function(function) => {
                let FunctionArguments::List(list) = &mut function.args else { return ControlFlow::Continue(()) };
                let is_json = function.name.to_string().to_ascii_lowercase().starts_with("json_");
                for arg in &mut list.args {
                    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
                        self.give(arg, is_json);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_of_json(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Arrow
            | BinaryOperator::LongArrow
            | BinaryOperator::HashArrow
            | BinaryOperator::HashLongArrow
            | BinaryOperator::Question
    )
}

/// The name of a type in SQL, of those that parameters of functions have; others are told by their values alone.
fn named(data_type: &DataType) -> Option<ast::DataType> {
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ast::DataType::Text,
        DataType::Int64 => ast::DataType::BigInt(None),
        DataType::Float64 => ast::DataType::Double(ast::ExactNumberInfo::None),
        DataType::Boolean => ast::DataType::Boolean,
        DataType::List(item) => {
            let item = named(item.data_type()).filter(|_| !item.data_type().is_nested())?;
            ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(Box::new(item), None))
        }
        _ => return None,
    })
}
