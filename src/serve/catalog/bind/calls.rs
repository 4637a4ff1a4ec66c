//! Calls: functions, aggregates, window functions, and functions that give rows.

use datafusion::sql::sqlparser::ast::{
    self, DuplicateTreatment, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, WindowType,
};

use super::super::fault::{Fault, NO_FUNCTION, Result};
use super::super::functions::{self, Gives};
use super::super::plan::{Aggregate, Gather, Key, Node, Rank, Window};
use super::super::types::{Held, Type, sql_name};
use super::super::value::Value;
use super::{Binder, Typed, at, folded, unsupported};

impl Binder<'_> {
    /// Binds what is written as a call.
    pub(super) fn function_call(&mut self, function: &ast::Function) -> Result<Typed> {
        let Some(ident) = function.name.0.last().and_then(|part| part.as_ident()) else {
            return unsupported(&function.name);
        };
        let name = folded(ident);
        let list = match &function.args {
            FunctionArguments::Subquery(query) if name == "array" => {
                let (query, kind) = self.subquery(query)?;
                return Ok((Node::Collected(query), kind.array().unwrap_or(Type::TEXTS)));
            }
            FunctionArguments::Subquery(query) => {
                let (query, kind) = self.subquery(query)?;
                return self.call(&name, vec![(Node::Scalar(query), kind)]);
            }
            FunctionArguments::None => None,
            FunctionArguments::List(list) => Some(list),
        };
        let args = list.map(|list| list.args.as_slice()).unwrap_or_default();
        let mut exprs: Vec<&Expr> = Vec::new();
        let mut is_star = false;
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => is_star = true,
                // Arguments by name are taken by place.
                FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. } => exprs.push(expr),
                other => return unsupported(other),
            }
        }
        if let Some(over) = &function.over {
            return self.window(&name, over, &exprs, function);
        }
        if functions::set(&name).is_some() {
            let typed = exprs.into_iter().map(|expr| self.expr(expr)).collect::<Result<Vec<_>>>()?;
            let (set, columns) = self.set(&name, typed)?;
            let kind = match columns.as_slice() {
                [column] => column.kind,
                _ if name == "_pg_expandarray" => Type::NUMBERED,
                _ => Type::RECORD,
            };
            let scope = self.scope()?;
            scope.sets.push(set);
            return Ok((Node::Set(scope.sets.len() - 1), kind));
        }
        if is_star || is_aggregate(&name) {
            let (aggregate, kind) = self.aggregate(&name, &exprs, function)?;
            let scope = self.scope()?;
            scope.aggregates.push(aggregate);
            return Ok((Node::Aggregate(scope.aggregates.len() - 1), kind));
        }
        let typed = exprs.into_iter().map(|expr| self.expr(expr)).collect::<Result<Vec<_>>>()?;
        self.call(&name, typed).map_err(|fault| at(fault, ident))
    }

    fn keys(&mut self, order: &[ast::OrderByExpr]) -> Result<Vec<Key>> {
        order
            .iter()
            .map(|order| {
                let descending = order.options.asc == Some(false);
                let nulls_first = order.options.nulls_first.unwrap_or(descending);
                Ok(Key { node: self.expr(&order.expr)?.0, descending, nulls_first })
            })
            .collect()
    }

    fn aggregate(&mut self, name: &str, exprs: &[&Expr], function: &ast::Function) -> Result<(Aggregate, Type)> {
        let mut typed = exprs.iter().map(|expr| self.expr(expr)).collect::<Result<Vec<_>>>()?;
        let kind = typed.first().map_or(Type::UNKNOWN, |(_, kind)| *kind);
        let kind = if kind == Type::UNKNOWN { Type::TEXT } else { kind };
        let (how, gives) = match name {
            "count" => (Gather::Count, Type::INT8),
            "sum" => (Gather::Sum, if kind.held() == Held::Float { kind } else { Type::INT8 }),
            "avg" => (Gather::Average, Type::FLOAT8),
            "min" => (Gather::Least, kind),
            "max" => (Gather::Greatest, kind),
            "array_agg" => (Gather::List, kind.array().unwrap_or(Type::TEXTS)),
            "string_agg" => {
                typed = typed
                    .into_iter()
                    .map(|typed| Ok((self.coerce(typed, Type::TEXT)?, Type::TEXT)))
                    .collect::<Result<_>>()?;
                (Gather::Text, Type::TEXT)
            }
            "bool_and" | "every" => (Gather::All, Type::BOOL),
            "bool_or" => (Gather::Any, Type::BOOL),
            "json_agg" | "jsonb_agg" => (Gather::Json(kind), Type::JSON),
            _ => return Err(Fault::new(NO_FUNCTION, format!("function {name} does not exist"))),
        };
        let (mut distinct, mut order) = (false, Vec::new());
        if let FunctionArguments::List(list) = &function.args {
            distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
            for clause in &list.clauses {
                match clause {
                    FunctionArgumentClause::OrderBy(by) => order = self.keys(by)?,
                    other => return unsupported(other),
                }
            }
        }
        let filter = function.filter.as_ref().map(|filter| self.truth(filter)).transpose()?;
        let arguments = typed.into_iter().map(|(node, _)| node).collect();
        Ok((Aggregate { how, arguments, distinct, order, filter }, gives))
    }

    fn window(&mut self, name: &str, over: &WindowType, exprs: &[&Expr], function: &ast::Function) -> Result<Typed> {
        let WindowType::WindowSpec(spec) = over else { return unsupported("a window with a name") };
        let (how, kind) = match name {
            "row_number" => (Rank::Number, Type::INT8),
            "rank" => (Rank::First, Type::INT8),
            "dense_rank" => (Rank::Dense, Type::INT8),
            _ => {
                let (aggregate, kind) = self.aggregate(name, exprs, function)?;
                (Rank::Aggregate(aggregate), kind)
            }
        };
        let partition = spec.partition_by.iter().map(|expr| Ok(self.expr(expr)?.0)).collect::<Result<_>>()?;
        let order = self.keys(&spec.order_by)?;
        let scope = self.scope()?;
        scope.windows.push(Window { how, partition, order });
        Ok((Node::Window(scope.windows.len() - 1), kind))
    }

    /// Binds a call of a function that gives one value.
    pub(super) fn call(&mut self, name: &str, typed: Vec<Typed>) -> Result<Typed> {
        match name {
            "coalesce" => {
                let (nodes, kind) = self.alike(typed)?;
                return Ok((Node::Coalesce(nodes), kind));
            }
            "greatest" | "least" => {
                let (nodes, kind) = self.alike(typed)?;
                let routine = functions::scalar(name, nodes.len());
                let Some(routine) = routine else { return no_function(name, &[]) };
                return Ok((Node::Call(routine, nodes), kind));
            }
            "nullif" => {
                let [a, b] = <[Typed; 2]>::try_from(typed).or_else(|_| no_function(name, &[]))?;
                let kind = if a.1 == Type::UNKNOWN { b.1 } else { a.1 };
                let (a, b) = self.comparable(a, b)?;
                let same = Node::Not(Box::new(Node::Differ(Box::new(a.clone()), Box::new(b))));
                let kind = if kind == Type::UNKNOWN { Type::TEXT } else { kind };
                return Ok((Node::Case(vec![(same, Node::Constant(Value::Null))], Box::new(a)), kind));
            }
            "pg_typeof" => {
                let kind = typed.first().map_or(Type::UNKNOWN, |(_, kind)| *kind);
                return Ok((Node::Constant(Value::from(kind.0)), Type::REGTYPE));
            }
            _ => {}
        }
        let kinds: Vec<Type> = typed.iter().map(|(_, kind)| *kind).collect();
        let Some(routine) = functions::scalar(name, typed.len()) else {
            // The name of a type is a cast to it.
            if let (Some(to), [one]) = (super::super::types::named(name), kinds.as_slice()) {
                let one = *one;
                let node = typed.into_iter().next().map_or(Node::Constant(Value::Null), |(node, _)| node);
                return self.cast((node, one), to);
            }
            return no_function(name, &kinds);
        };
        let mut nodes = Vec::new();
        for (number, typed) in typed.into_iter().enumerate() {
            let to = routine.takes.get(number.min(routine.takes.len().saturating_sub(1))).copied();
            nodes.push(match to {
                None | Some(Type::UNKNOWN) if typed.1.is_reference() => {
                    Node::Cast(Box::new(typed.0), typed.1, Type::TEXT)
                }
                None | Some(Type::UNKNOWN) => typed.0,
                // The name of an object is looked up only where its number is wanted.
                Some(to) => self.coerce(typed, to)?,
            });
        }
        let first = kinds.first().copied().unwrap_or(Type::UNKNOWN);
        let kind = match routine.gives {
            Gives::This(kind) => kind,
            Gives::First => first,
            Gives::Second => kinds.get(1).copied().unwrap_or(Type::UNKNOWN),
        };
        Ok((Node::Call(routine, nodes), kind))
    }
}

fn no_function<T>(name: &str, kinds: &[Type]) -> Result<T> {
    let kinds: Vec<String> = kinds.iter().map(|kind| sql_name(kind.0, None)).collect();
    Err(Fault::new(NO_FUNCTION, format!("function {name}({}) does not exist", kinds.join(", ")))
        .with_hint("statements about the catalog know the functions of sessions and catalogs alone"))
}

/// Whether a name is that of an aggregate.
fn is_aggregate(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "sum"
            | "avg"
            | "min"
            | "max"
            | "array_agg"
            | "string_agg"
            | "bool_and"
            | "bool_or"
            | "every"
            | "json_agg"
            | "jsonb_agg"
    )
}
