//! Which statements are about the catalog, and what others ask of it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use arrow::array::Array;
use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, ObjectNamePart, Query, Value as Literal,
    Visit, VisitMut, Visitor, VisitorMut,
};

use super::batch::TYPE_KEY;
use super::bind;
use super::fault::{Fault, NOT_OF_TYPE, Result};
use super::functions;
use super::run::{Run, Session};
use super::store::{Catalog, has_table};
use super::types::{Held, Type};
use super::value::{self, Value};

/// Says whether a query is about the catalog: it names a table of it, or no table at all and a function or type of it.
pub fn concerns(query: &Query) -> bool {
    let mut look = Look::default();
    let _ = query.visit(&mut look);
    let is_named = |name: &Vec<String>| match name.as_slice() {
        [name] => !look.ctes.contains(name) && has_table(None, name),
        [.., schema, _] => schema == "pg_catalog" || schema == "information_schema",
        [] => false,
    };
    let is_other = |name: &Vec<String>| !matches!(name.as_slice(), [name] if look.ctes.contains(name) || functions::set(name).is_some());
    if look.tables.iter().any(|name| is_named(name) && !is_function_of_engine(name)) {
        return true;
    }
    look.asks && !look.tables.iter().any(is_other)
}

/// A table function that both know is the engine's.
fn is_function_of_engine(name: &[String]) -> bool {
    matches!(name, [schema, name] if schema == "pg_catalog" && functions::set(name).is_some() && !functions::is_of_catalog(name))
}

#[derive(Default)]
struct Look {
    ctes: HashSet<String>,
    tables: Vec<Vec<String>>,
    /// Whether a function or a type of the catalog is named.
    asks: bool,
}

fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident().map(bind::folded)).collect()
}

impl Visitor for Look {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(bind::folded(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = parts(relation);
        self.asks = self.asks || matches!(name.as_slice(), [name] if functions::is_of_catalog(name));
        self.tables.push(name);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.asks = self.asks
            || match expr {
                Expr::Function(function) => match parts(&function.name).as_slice() {
                    [.., schema, _] if schema == "pg_catalog" || schema == "information_schema" => true,
                    [name] => functions::is_of_catalog(name),
                    _ => false,
                },
                Expr::Cast { data_type, .. } => is_reference(data_type),
                Expr::TypedString(typed) => is_reference(&typed.data_type),
                Expr::Identifier(ident) => ident.quote_style.is_none() && is_word(&bind::folded(ident)),
                _ => false,
            };
        ControlFlow::Continue(())
    }
}

/// Words that are called without parentheses. They may be names of columns of the engine's tables, which have none of them.
fn is_word(name: &str) -> bool {
    matches!(name, "current_user" | "session_user" | "current_role" | "current_catalog" | "current_schema" | "user")
}

fn is_reference(data_type: &ast::DataType) -> bool {
    let is_of = |kind: Type| kind.is_reference() || kind == Type::OID;
    Type::of(data_type).is_ok_and(|kind| is_of(kind) || kind.element().is_some_and(is_of))
}

/// Writes the values of functions of sessions and catalogs into a query of the lake: `current_user`, `'…'::regclass`, `version()`. Their arguments must be
/// literals; other calls stay as they are, without `pg_catalog.` before them. Says whether anything is written.
///
/// # Errors
/// What is wrong with a call.
pub fn with_values(query: &mut Query, catalog: &Catalog, session: &mut dyn Session) -> Result<bool> {
    let mut fold = Fold { catalog, session, is_changed: false };
    match query.visit(&mut fold) {
        ControlFlow::Break(fault) => Err(fault),
        ControlFlow::Continue(()) => Ok(fold.is_changed),
    }
}

/// Says whether a query calls functions of sessions and catalogs, or names their types.
pub fn asks(query: &Query) -> bool {
    let mut look = Look::default();
    let _ = query.visit(&mut look);
    look.asks
}

struct Fold<'a> {
    catalog: &'a Catalog,
    session: &'a mut dyn Session,
    is_changed: bool,
}

impl Fold<'_> {
    /// Computes an expression that looks at no row.
    fn value(&mut self, expr: &Expr) -> Result<Expr> {
        let (node, kind) = bind::constant(self.catalog, expr)?;
        let value = Run::new(self.catalog, self.session, Vec::new()).constant(&node)?;
        let text = || value::write(&value, kind, &|oid, kind| self.catalog.reference(oid, kind));
        let literal = match &value {
            Value::Null => Literal::Null,
            Value::Bool(truth) => Literal::Boolean(*truth),
            Value::Int(number) => Literal::Number(number.to_string(), false),
            _ => Literal::SingleQuotedString(text()),
        };
        Ok(Expr::value(literal))
    }
}

impl VisitorMut for Fold<'_> {
    type Break = Fault;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Fault> {
        let is_asked = match expr {
            Expr::Function(function) => {
                if let [ObjectNamePart::Identifier(schema), _] = function.name.0.as_slice()
                    && bind::folded(schema) == "pg_catalog"
                {
                    function.name.0.remove(0);
                    self.is_changed = true;
                }
                let name = parts(&function.name);
                let is_ours = matches!(name.as_slice(), [name] if functions::is_of_catalog(name));
                is_ours && function.over.is_none() && are_literals(&function.args)
            }
            Expr::Cast { expr, data_type, .. } => matches!(expr.as_ref(), Expr::Value(_)) && is_reference(data_type),
            Expr::Identifier(ident) => ident.quote_style.is_none() && is_word(&bind::folded(ident)),
            _ => false,
        };
        if is_asked {
            match self.value(expr) {
                Ok(value) => {
                    *expr = value;
                    self.is_changed = true;
                }
                Err(fault) => return ControlFlow::Break(fault),
            }
        }
        ControlFlow::Continue(())
    }
}

fn are_literals(args: &FunctionArguments) -> bool {
    match args {
        FunctionArguments::None => true,
        FunctionArguments::Subquery(_) => false,
        FunctionArguments::List(list) => list.args.iter().all(|arg| {
            matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_)))) && list.clauses.is_empty()
        }),
    }
}

/// How a client gives a parameter of a type.
pub fn given_as(kind: Type) -> DataType {
    match kind.held() {
        Held::Bool => DataType::Boolean,
        Held::Float => DataType::Float64,
        Held::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Held::Int => match kind {
            Type::INT2 => DataType::Int16,
            Type::INT4 => DataType::Int32,
            _ if kind.is_reference() => DataType::Utf8,
            _ => DataType::Int64,
        },
        Held::List => {
            // Clients look at the type of arrays, and may know some of them only.
            let element = kind.element().unwrap_or(Type::TEXT);
            let item = Field::new_list_field(given_as(element), true);
            let item = item.with_metadata([(TYPE_KEY.to_owned(), element.0.to_string())].into());
            DataType::List(std::sync::Arc::new(item))
        }
        Held::Text | Held::Row => DataType::Utf8,
    }
}

/// Takes the value of a parameter.
///
/// # Errors
/// A value that does not fit.
pub fn given_value(given: &ScalarValue, kind: Type) -> Result<Value> {
    if given.is_null() {
        return Ok(Value::Null);
    }
    if let ScalarValue::List(list) = given {
        let element = kind.element().unwrap_or(Type::TEXT);
        let values = list.value(0);
        let items = (0..values.len()).map(|at| {
            let item = ScalarValue::try_from_array(&values, at);
            let item = item.map_err(|error| Fault::new(NOT_OF_TYPE, error.to_string()))?;
            given_value(&item, element)
        });
        return Ok(Value::list(items.collect::<Result<_>>()?));
    }
    let as_is = match (given, kind.held()) {
        (ScalarValue::Boolean(Some(truth)), Held::Bool) => Some(Value::Bool(*truth)),
        (ScalarValue::Int16(Some(number)), Held::Int) => Some(Value::Int(i64::from(*number))),
        (ScalarValue::Int32(Some(number)), Held::Int) => Some(Value::Int(i64::from(*number))),
        (ScalarValue::Int64(Some(number)), Held::Int) => Some(Value::Int(*number)),
        (ScalarValue::Float64(Some(number)), Held::Float) => Some(Value::Float(*number)),
        (ScalarValue::TimestampMicrosecond(Some(micros), _), Held::Instant) => Some(Value::Instant(*micros)),
        _ => None,
    };
    match as_is {
        Some(value) => Ok(value),
        None => {
            let text = match given {
                ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => text.clone(),
                other => other.to_string(),
            };
            if kind.is_reference() { Ok(Value::from(text)) } else { value::read(&text, kind) }
        }
    }
}
