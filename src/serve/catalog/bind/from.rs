//! FROM: tables of the catalog, queries, functions that give rows, joins.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor,
};

use super::super::fault::{Fault, NO_COLUMN, NO_FUNCTION, Result};
use super::super::functions;
use super::super::plan::{Column, Condition, Kind, Node, Operator, Set, Source, Step};
use super::super::types::Type;
use super::{Binder, Place, Typed, folded, unsupported};

impl Binder<'_> {
    /// Binds a table and what is joined to it.
    pub(super) fn table_with_joins(&mut self, table: &ast::TableWithJoins, steps: &mut Vec<Step>) -> Result<()> {
        let step = self.factor(&table.relation, Kind::Inner)?;
        steps.push(step);
        for join in &table.joins {
            let (kind, constraint) = match &join.join_operator {
                JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => (Kind::Inner, on),
                JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (Kind::Left, on),
                JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (Kind::Right, on),
                JoinOperator::FullOuter(on) => (Kind::Full, on),
                _ => return unsupported("this kind of join"),
            };
            let before = self.scope()?.places.len();
            let mut step = self.factor(&join.relation, kind)?;
            step.on = match constraint {
                JoinConstraint::On(on) => self.conditions(on)?,
                JoinConstraint::None => Vec::new(),
                JoinConstraint::Using(names) => {
                    let names =
                        names.iter().filter_map(|name| name.0.last()?.as_ident().map(folded)).collect::<Vec<_>>();
                    self.using(&names, before, kind)?
                }
                JoinConstraint::Natural => {
                    let places = &self.scope()?.places;
                    let (left, right) = places.split_at(before.min(places.len()));
                    let names = right.iter().filter(|r| left.iter().any(|l| l.name == r.name && !l.hidden));
                    let names: Vec<String> = names.map(|place| place.name.clone()).collect();
                    self.using(&names, before, kind)?
                }
            };
            steps.push(step);
        }
        Ok(())
    }

    /// Makes the conditions of columns that both sides have; those of one side are hidden from then on.
    fn using(&mut self, names: &[String], before: usize, kind: Kind) -> Result<Vec<Condition>> {
        let level = self.scopes.len() - 1;
        let mut conditions = Vec::new();
        for name in names {
            let scope = self.scope()?;
            let find = |from: usize, to: usize| {
                (from..to).find(|slot| scope.places.get(*slot).is_some_and(|p| p.name == *name && !p.hidden))
            };
            let (Some(left), Some(right)) = (find(0, before), find(before, scope.places.len())) else {
                return Err(Fault::new(
                    NO_COLUMN,
                    format!("column \"{name}\" specified in USING does not exist on both sides"),
                ));
            };
            let kinds = [left, right].map(|slot| scope.places.get(slot).map_or(Type::TEXT, |place| place.kind));
            // What a RIGHT JOIN shows is the column of the right.
            let hidden = if kind == Kind::Right { left } else { right };
            if let Some(place) = scope.places.get_mut(hidden) {
                place.hidden = true;
            }
            let (a, b) = (self.slot(level, left), self.slot(level, right));
            let [a_kind, b_kind] = kinds;
            let (a, b) = self.comparable((a, a_kind), (b, b_kind))?;
            let node = Node::Binary(Operator::Equal, Box::new(a.clone()), Box::new(b.clone()));
            conditions.push(Condition {
                node,
                uses: vec![left, right],
                equal: Some([(a, vec![left]), (b, vec![right])]),
            });
        }
        Ok(conditions)
    }

    fn factor(&mut self, factor: &TableFactor, kind: Kind) -> Result<Step> {
        let offset = self.scope()?.places.len();
        let saved = std::mem::take(&mut self.scope()?.used);
        let source = self.source(factor);
        let scope = self.scope()?;
        let used = std::mem::replace(&mut scope.used, saved);
        let width = scope.places.len() - offset;
        // A group may use its own columns.
        let lateral = used.iter().any(|slot| *slot < offset);
        scope.used.extend(used);
        Ok(Step { source: source?, kind, offset, width, lateral, on: Vec::new(), filter: Vec::new() })
    }

    fn source(&mut self, factor: &TableFactor) -> Result<Source> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => self.table(name, alias.as_ref()),
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                self.function(name, &args.args, alias.as_ref(), *with_ordinality)
            }
            TableFactor::Function { name, args, alias, with_ordinality, .. } => {
                self.function(name, args, alias.as_ref(), *with_ordinality)
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                let typed = array_exprs.iter().map(|expr| self.expr(expr)).collect::<Result<Vec<_>>>()?;
                let mut sets = Vec::new();
                let mut columns = Vec::new();
                for typed in typed {
                    let (set, gives) = self.set("unnest", vec![typed])?;
                    sets.push(set);
                    columns.extend(gives);
                }
                self.rows_of_functions("unnest", sets, columns, alias.as_ref(), *with_ordinality)
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let seen = std::mem::replace(&mut self.scope()?.opaque, !*lateral);
                let query = self.query(subquery);
                self.scope()?.opaque = seen;
                let query = query?;
                self.add(query.columns.clone(), "", alias.as_ref(), 0)?;
                Ok(Source::Query(Arc::new(query)))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                let mut steps = Vec::new();
                self.table_with_joins(table_with_joins, &mut steps)?;
                Ok(Source::Group(steps))
            }
            other => unsupported(other),
        }
    }

    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<Source> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident().map(folded)).collect();
        if let [table] = parts.as_slice()
            && let Some((_, id, columns)) = self.ctes.iter().rev().find(|(known, ..)| known == table).cloned()
        {
            self.add(columns, table, alias, 0)?;
            return Ok(Source::Cte(id));
        }
        let found = match parts.as_slice() {
            [table] => self.catalog.table("pg_catalog", table),
            [schema, table] => self.catalog.table(schema, table),
            [database, schema, table] if *database == self.catalog.facts().database => {
                self.catalog.table(schema, table)
            }
            _ => None,
        };
        let Some((number, relation)) = found else { return Self::no_table(name) };
        let columns = relation.columns.iter().map(|column| Column { name: column.name.clone(), kind: column.kind });
        let (schema, table, oid) = (relation.schema, relation.name.clone(), relation.oid);
        let from = self.scope()?.places.len();
        self.add(columns.collect(), &table, alias, oid)?;
        if alias.is_none() {
            for place in self.scope()?.places.iter_mut().skip(from) {
                schema.clone_into(&mut place.schema);
            }
        }
        Ok(Source::Table(number))
    }

    /// Adds the columns of a table of FROM to the row.
    fn add(&mut self, columns: Vec<Column>, name: &str, alias: Option<&TableAlias>, relation: u32) -> Result<()> {
        let table = alias.map_or_else(|| name.to_owned(), |alias| folded(&alias.name));
        let renamed: Vec<String> =
            alias.iter().flat_map(|alias| &alias.columns).map(|column| folded(&column.name)).collect();
        let scope = self.scope()?;
        for (number, column) in columns.into_iter().enumerate() {
            scope.places.push(Place {
                table: table.clone(),
                schema: String::new(),
                name: renamed.get(number).cloned().unwrap_or(column.name),
                kind: if column.kind == Type::UNKNOWN { Type::TEXT } else { column.kind },
                relation,
                hidden: false,
            });
        }
        Ok(())
    }

    fn function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
        with_ordinality: bool,
    ) -> Result<Source> {
        let called = name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default();
        let mut exprs: Vec<&Expr> = Vec::new();
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                other => return unsupported(other),
            }
        }
        let (set, columns) = if functions::set(&called).is_some() {
            let typed = exprs.into_iter().map(|expr| self.expr(expr)).collect::<Result<Vec<_>>>()?;
            self.set(&called, typed)?
        } else {
            // Any function gives one row of its value.
            let typed = exprs.into_iter().map(|expr| self.expr(expr)).collect::<Result<Vec<_>>>()?;
            let (node, kind) = self.call(&called, typed)?;
            (Set { routine: None, arguments: vec![node], width: 1 }, vec![Column { name: called.clone(), kind }])
        };
        self.rows_of_functions(&called, vec![set], columns, alias, with_ordinality)
    }

    fn rows_of_functions(
        &mut self,
        name: &str,
        sets: Vec<Set>,
        mut columns: Vec<Column>,
        alias: Option<&TableAlias>,
        with_ordinality: bool,
    ) -> Result<Source> {
        // A function of one column names it after its table.
        if let ([column], Some(alias)) = (columns.as_mut_slice(), alias)
            && column.name == name
        {
            column.name = folded(&alias.name);
        }
        if with_ordinality {
            columns.push(Column { name: "ordinality".to_owned(), kind: Type::INT8 });
        }
        self.add(columns, name, alias, 0)?;
        Ok(Source::Functions(sets, with_ordinality))
    }

    /// Binds a call of a function that gives rows, and says which columns these have.
    pub(super) fn set(&mut self, name: &str, typed: Vec<Typed>) -> Result<(Set, Vec<Column>)> {
        let Some(routine) = functions::set(name) else {
            return Err(Fault::new(NO_FUNCTION, format!("function {name} does not exist")));
        };
        let kinds: Vec<Type> = typed.iter().map(|(_, kind)| *kind).collect();
        let columns: Vec<Column> = (routine.columns)(&kinds);
        let mut arguments = Vec::new();
        for (number, typed) in typed.into_iter().enumerate() {
            let to = routine.takes.get(number).copied().unwrap_or(Type::UNKNOWN);
            arguments.push(if typed.1 == Type::UNKNOWN { self.coerce(typed, to)? } else { typed.0 });
        }
        Ok((Set { routine: Some(routine), arguments, width: columns.len() }, columns))
    }
}
