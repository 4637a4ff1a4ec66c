//! Binds a parsed statement to the catalog: names become places, types are found, functions are chosen.
//!
//! The rules are PostgreSQL's as far as clients lean on them: a text without a type takes that of its other side, a parameter that of
//! where it stands. What is not known is refused by name with PostgreSQL's SQLSTATE.

mod calls;
mod expr;
mod from;
mod naming;
mod select;

use datafusion::sql::sqlparser::ast::{self, Ident};

use super::fault::{AMBIGUOUS, Fault, NO_COLUMN, NOT_SUPPORTED, Result};
use super::plan::{Aggregate, Column, Node, Query, Set, Window};
use super::store::Catalog;
use super::types::{Held, Type};
use super::value::{self, Value};

/// A statement that is bound.
#[derive(Debug)]
pub struct Bound {
    /// The query.
    pub query: Query,
    /// The types of its parameters.
    pub parameters: Vec<Type>,
}

/// Binds a query; `declared` are the types of parameters that the client has said, 0 for none.
///
/// # Errors
/// Names that are not there, types that do not go together, what is not supported.
pub fn bind(catalog: &Catalog, query: &ast::Query, declared: &[u32]) -> Result<Bound> {
    let parameters = declared.iter().map(|oid| (*oid != 0 && *oid != Type::UNKNOWN.0).then_some(Type(*oid))).collect();
    let mut binder =
        Binder { catalog, scopes: Vec::new(), ctes: Vec::new(), parameters, reach: Vec::new(), next: 0, depth: 0 };
    let mut query = binder.query(query)?;
    for column in &mut query.columns {
        if column.kind == Type::UNKNOWN {
            column.kind = Type::TEXT;
        }
    }
    let parameters = binder.parameters.into_iter().map(|kind| kind.unwrap_or(Type::TEXT)).collect();
    Ok(Bound { query, parameters })
}

/// Binds an expression that looks at no row.
///
/// # Errors
/// As [`bind`].
pub fn constant(catalog: &Catalog, expr: &ast::Expr) -> Result<(Node, Type)> {
    Binder {
        catalog,
        scopes: Vec::new(),
        ctes: Vec::new(),
        parameters: Vec::new(),
        reach: Vec::new(),
        next: 0,
        depth: 0,
    }
    .expr(expr)
}

/// How deep expressions and queries may be inside of each other.
const MOST_DEPTH: usize = 4_000;

/// What binds.
pub(super) struct Binder<'a> {
    catalog: &'a Catalog,
    /// The selects around, the innermost last.
    scopes: Vec<Scope>,
    /// Queries with a name: name, number, columns.
    ctes: Vec<(String, usize, Vec<Column>)>,
    parameters: Vec<Option<Type>>,
    /// For every query that is being bound the outermost select that it looks at.
    reach: Vec<usize>,
    next: usize,
    /// How many expressions and queries there are around what is bound now.
    depth: usize,
}

/// A column of the joined row of a select.
#[derive(Debug, Clone)]
struct Place {
    table: String,
    schema: String,
    name: String,
    kind: Type,
    /// The oid of the table, for its system columns.
    relation: u32,
    /// Whether `*` leaves it out, because USING has brought it together with another.
    hidden: bool,
}

/// A select that is being bound.
#[derive(Default)]
struct Scope {
    places: Vec<Place>,
    /// Places that were asked for since this was last emptied.
    used: Vec<usize>,
    aggregates: Vec<Aggregate>,
    windows: Vec<Window>,
    sets: Vec<Set>,
    /// Whether the select's columns can be seen, which those of FROM cannot be without LATERAL.
    opaque: bool,
}

/// An expression with its type.
pub(super) type Typed = (Node, Type);

/// An identifier as it names things: in lower case, unless it is quoted.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Adds the place of an identifier to a fault.
fn at(mut fault: Fault, ident: &Ident) -> Fault {
    let start = ident.span.start;
    if start.line > 0 {
        fault.place.get_or_insert((start.line, start.column));
    }
    fault
}

/// Says that something is not supported.
fn unsupported<T>(what: impl std::fmt::Display) -> Result<T> {
    Err(Fault::new(NOT_SUPPORTED, format!("{what} is not supported in statements about the catalog")))
}

impl<'a> Binder<'a> {
    /// Counts what is bound inside of something.
    fn deeper<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MOST_DEPTH {
            return Err(Fault::new("54001", format!("the statement is more than {MOST_DEPTH} levels deep")));
        }
        self.depth += 1;
        let bound = bind(self);
        self.depth -= 1;
        bound
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn scope(&mut self) -> Result<&mut Scope> {
        self.scopes.last_mut().ok_or_else(|| Fault::new(NOT_SUPPORTED, "this expression stands outside of a select"))
    }

    /// Notes that a place of a select is looked at.
    fn slot(&mut self, level: usize, at: usize) -> Node {
        let up = self.scopes.len() - 1 - level;
        if let Some(scope) = self.scopes.get_mut(level) {
            scope.used.push(at);
        }
        for reach in &mut self.reach {
            *reach = (*reach).min(level);
        }
        Node::Slot { up, at }
    }

    /// Finds a column, by its name and those before it.
    fn column(&mut self, names: &[Ident]) -> Result<Typed> {
        let Some((last, qualifiers)) = names.split_last() else { return unsupported("an empty name") };
        let name = folded(last);
        let qualifiers: Vec<String> = qualifiers.iter().map(folded).collect();
        let (schema, table) = match qualifiers.as_slice() {
            [] => (None, None),
            [table] => (None, Some(table)),
            [schema, table] => (Some(schema), Some(table)),
            [_, schema, table] => (Some(schema), Some(table)),
            _ => return unsupported("a name of so many parts"),
        };
        let is_of = |place: &Place| {
            table.is_none_or(|table| *table == place.table) && schema.is_none_or(|schema| *schema == place.schema)
        };
        for level in (0..self.scopes.len()).rev() {
            let Some(scope) = self.scopes.get(level).filter(|scope| !scope.opaque) else { continue };
            let mut found = scope
                .places
                .iter()
                .enumerate()
                .filter(|(_, place)| place.name == name && is_of(place) && !(table.is_none() && place.hidden));
            if let Some((slot, place)) = found.next() {
                let kind = place.kind;
                if found.next().is_some() {
                    return Err(at(Fault::new(AMBIGUOUS, format!("column reference \"{name}\" is ambiguous")), last));
                }
                return Ok((self.slot(level, slot), kind));
            }
            if let Some(table) = table
                && let Some(place) = scope.places.iter().find(|place| place.table == *table && is_of(place))
                && place.relation != 0
            {
                let relation = place.relation;
                match name.as_str() {
                    "tableoid" => return Ok((Node::Constant(Value::from(relation)), Type::OID)),
                    "xmin" | "xmax" => return Ok((Node::Constant(Value::Int(1)), Type::XID)),
                    "ctid" => return Ok((Node::Constant(Value::text("(0,1)")), Type::TEXT)),
                    _ => {}
                }
            }
            // The name of a table stands for its row.
            if table.is_none() {
                let slots: Vec<usize> = (0..scope.places.len())
                    .filter(|slot| scope.places.get(*slot).is_some_and(|place| place.table == name))
                    .collect();
                match slots.as_slice() {
                    [] => {}
                    // A function of one column is its value.
                    [slot] if scope.places.get(*slot).is_some_and(|place| place.name == name) => {}
                    slots => {
                        let row = slots.iter().copied().map(|slot| self.slot(level, slot)).collect();
                        return Ok((Node::Row(row), Type::RECORD));
                    }
                }
            }
        }
        let whole = names.iter().map(folded).collect::<Vec<_>>().join(".");
        Err(at(Fault::new(NO_COLUMN, format!("column \"{whole}\" does not exist")), last))
    }

    /// Brings an expression to a type, as it is done without being asked for.
    fn coerce(&mut self, (node, kind): Typed, to: Type) -> Result<Node> {
        if kind == to || to == Type::UNKNOWN {
            return Ok(node);
        }
        if kind == Type::UNKNOWN {
            return match node {
                Node::Constant(Value::Text(text)) => Ok(Node::Constant(self.literal(&text, to)?)),
                Node::Parameter(number) => {
                    // What names an object is given as its name.
                    let given = if to.is_reference() { Type::TEXT } else { to };
                    if let Some(known) = self.parameters.get_mut(number) {
                        *known = Some(given);
                    }
                    let node = Node::Parameter(number);
                    Ok(if given == to { node } else { Node::Cast(Box::new(node), given, to) })
                }
                Node::Constant(_) => Ok(node),
                // What a query or a CASE gives that has no type.
                other if to.held() == Held::Text => Ok(other),
                other => Ok(Node::Cast(Box::new(other), Type::TEXT, to)),
            };
        }
        if kind.held() == to.held()
            && !(kind.is_reference() ^ to.is_reference() && to.held() != Held::Int)
            && to.held() != Held::List
        {
            return Ok(node);
        }
        Ok(Node::Cast(Box::new(node), kind, to))
    }

    /// Reads a literal as a value of a type.
    fn literal(&self, text: &str, to: Type) -> Result<Value> {
        if to.is_reference() {
            return self.catalog.referred(text, to);
        }
        value::read(text, to)
    }

    /// Finds the type that expressions have together.
    fn common(kinds: impl IntoIterator<Item = Type>) -> Type {
        let mut common = Type::UNKNOWN;
        for kind in kinds {
            common = match (common, kind) {
                (common, Type::UNKNOWN) => common,
                (Type::UNKNOWN, kind) => kind,
                (common, kind) if common == kind => common,
                (common, kind) => match (common.held(), kind.held()) {
                    (Held::Int, Held::Float) => kind,
                    (Held::Int, Held::Int) => wider(common, kind),
                    (Held::Text, Held::Text) if kind == Type::TEXT => kind,
                    _ => common,
                },
            };
        }
        common
    }

    /// Brings expressions to one type.
    fn alike(&mut self, typed: Vec<Typed>) -> Result<(Vec<Node>, Type)> {
        let common = match Self::common(typed.iter().map(|(_, kind)| *kind)) {
            Type::UNKNOWN => Type::TEXT,
            common => common,
        };
        let nodes = typed.into_iter().map(|typed| self.coerce(typed, common)).collect::<Result<_>>()?;
        Ok((nodes, common))
    }
}

/// Returns the type of a calculation with two whole numbers.
fn wider(left: Type, right: Type) -> Type {
    let rank = |kind| match kind {
        Type::INT2 => 0,
        Type::INT4 => 1,
        Type::INT8 => 2,
        Type::OID => 3,
        _ => 4,
    };
    match (left, right) {
        (a, b) if a.is_reference() || b.is_reference() => Type::OID,
        (a, b) if rank(a) >= rank(b) => a,
        (_, b) => b,
    }
}
