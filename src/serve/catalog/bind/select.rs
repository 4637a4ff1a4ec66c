//! Queries: WITH, set operations, SELECT with its clauses, ORDER BY, LIMIT.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, Distinct, Expr, GroupByExpr, LimitClause, OrderByKind, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, SetQuantifier,
};

use super::super::fault::{Fault, MISMATCH, NO_TABLE, Result};
use super::super::plan::{Body, Column, Condition, Cte, How, Kind, Node, Order, Query, Select};
use super::super::types::Type;
use super::super::value::Value;
use super::{Binder, Scope, Typed, at, folded, unsupported};

/// What a select is ordered by, before it is bound.
type Wanted<'q> = &'q [ast::OrderByExpr];

impl Binder<'_> {
    /// Binds a query.
    pub(super) fn query(&mut self, query: &ast::Query) -> Result<Query> {
        let (id, level) = (self.number(), self.scopes.len());
        self.reach.push(usize::MAX);
        let known = self.ctes.len();
        let bound = self.deeper(|binder| binder.whole(query, id));
        self.ctes.truncate(known);
        let reach = self.reach.pop().unwrap_or(usize::MAX);
        let mut bound = bound?;
        bound.correlated = reach < level;
        Ok(bound)
    }

    fn whole(&mut self, query: &ast::Query, id: usize) -> Result<Query> {
        let mut ctes = Vec::new();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
            ctes.push(self.cte(cte, recursive)?);
        }
        let wanted: &[ast::OrderByExpr] = match query.order_by.as_ref().map(|order| &order.kind) {
            None => &[],
            Some(OrderByKind::Expressions(wanted)) => wanted,
            Some(OrderByKind::All(_)) => return unsupported("ORDER BY ALL"),
        };
        let (body, columns, order, distinct_on) = self.body(&query.body, wanted)?;
        let (mut limit, mut offset) = (None, None);
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit: most, offset: left_out, .. }) => {
                limit = most.as_ref().map(|most| self.count(most)).transpose()?;
                offset = left_out.as_ref().map(|left_out| self.count(&left_out.value)).transpose()?;
            }
            Some(LimitClause::OffsetCommaLimit { offset: left_out, limit: most }) => {
                limit = Some(self.count(most)?);
                offset = Some(self.count(left_out)?);
            }
        }
        if let Some(fetch) = &query.fetch {
            limit = Some(match &fetch.quantity {
                Some(quantity) => self.count(quantity)?,
                None => Node::Constant(Value::Int(1)),
            });
        }
        Ok(Query { id, correlated: false, ctes, body, columns, order, distinct_on, limit, offset })
    }

    fn count(&mut self, expr: &Expr) -> Result<Node> {
        let typed = self.expr(expr)?;
        self.coerce(typed, Type::INT8)
    }

    fn cte(&mut self, cte: &ast::Cte, recursive: bool) -> Result<Cte> {
        let (name, id) = (folded(&cte.alias.name), self.number());
        let renamed: Vec<String> = cte.alias.columns.iter().map(|column| folded(&column.name)).collect();
        let rename = |columns: &mut [Column]| {
            for (column, name) in columns.iter_mut().zip(&renamed) {
                column.name.clone_from(name);
            }
        };
        if recursive
            && let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right } =
                cte.query.body.as_ref()
            && cte.query.with.is_none()
        {
            let mut query = self.branch(left)?;
            rename(&mut query.columns);
            for column in &mut query.columns {
                if column.kind == Type::UNKNOWN {
                    column.kind = Type::TEXT;
                }
            }
            self.ctes.push((name, id, query.columns.clone()));
            let mut further = self.branch(right)?;
            further.correlated = true;
            let all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
            return Ok(Cte { id, query, recursion: Some((further, all)) });
        }
        let mut query = self.query(&cte.query)?;
        rename(&mut query.columns);
        self.ctes.push((name, id, query.columns.clone()));
        Ok(Cte { id, query, recursion: None })
    }

    /// Binds a part of a set operation as a query of its own.
    fn branch(&mut self, body: &SetExpr) -> Result<Query> {
        if let SetExpr::Query(query) = body {
            return self.query(query);
        }
        let (id, level) = (self.number(), self.scopes.len());
        self.reach.push(usize::MAX);
        let bound = self.deeper(|binder| binder.body(body, &[]));
        let reach = self.reach.pop().unwrap_or(usize::MAX);
        let (body, columns, order, distinct_on) = bound?;
        let correlated = reach < level;
        Ok(Query { id, correlated, ctes: Vec::new(), body, columns, order, distinct_on, limit: None, offset: None })
    }

    #[allow(clippy::type_complexity, reason = "the parts of a query, taken apart at once")]
    fn body(
        &mut self,
        body: &SetExpr,
        wanted: Wanted<'_>,
    ) -> Result<(Body, Vec<Column>, Vec<Order>, Option<Vec<usize>>)> {
        match body {
            SetExpr::Select(select) => {
                self.scopes.push(Scope::default());
                let bound = self.select(select, wanted);
                self.scopes.pop();
                bound
            }
            SetExpr::Query(query) => {
                let query = self.query(query)?;
                let columns = query.columns.clone();
                let order = self.order_of_columns(wanted, &columns)?;
                Ok((Body::Query(Box::new(query)), columns, order, None))
            }
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                let (mut left, mut right) = (self.branch(left)?, self.branch(right)?);
                if left.columns.len() != right.columns.len() {
                    return Err(Fault::new(MISMATCH, "each side of a UNION must have the same number of columns"));
                }
                let how = match op {
                    SetOperator::Union => How::Union,
                    SetOperator::Intersect => How::Intersect,
                    SetOperator::Except | SetOperator::Minus => How::Except,
                };
                let mut columns = left.columns.clone();
                for (column, (a, b)) in columns.iter_mut().zip(left.columns.iter_mut().zip(&mut right.columns)) {
                    column.kind = Self::common([a.kind, b.kind]);
                }
                self.retype(&mut left, &columns)?;
                self.retype(&mut right, &columns)?;
                let all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
                let order = self.order_of_columns(wanted, &columns)?;
                Ok((Body::Both { how, all, left: Box::new(left), right: Box::new(right) }, columns, order, None))
            }
            SetExpr::Values(values) => {
                let mut rows = Vec::new();
                let mut kinds: Vec<Vec<Type>> = Vec::new();
                for row in &values.rows {
                    let row = row.content.iter().map(|cell| self.expr(cell)).collect::<Result<Vec<Typed>>>()?;
                    kinds.push(row.iter().map(|(_, kind)| *kind).collect());
                    rows.push(row);
                }
                let width = rows.first().map_or(0, Vec::len);
                if rows.iter().any(|row| row.len() != width) {
                    return Err(Fault::new(MISMATCH, "VALUES lists must all be the same length"));
                }
                let columns: Vec<Column> = (0..width)
                    .map(|at| Column {
                        name: format!("column{}", at + 1),
                        kind: match Self::common(kinds.iter().filter_map(|row| row.get(at).copied())) {
                            Type::UNKNOWN => Type::TEXT,
                            kind => kind,
                        },
                    })
                    .collect();
                let rows = rows
                    .into_iter()
                    .map(|row| row.into_iter().zip(&columns).map(|(cell, c)| self.coerce(cell, c.kind)).collect())
                    .collect::<Result<_>>()?;
                let order = self.order_of_columns(wanted, &columns)?;
                Ok((Body::Values(rows), columns, order, None))
            }
            SetExpr::Table(table) => {
                let (name, schema) = (table.table_name.clone(), table.schema_name.clone());
                let whole = schema.map(|schema| format!("{schema}.")).unwrap_or_default() + &name.unwrap_or_default();
                Err(Fault::new(NO_TABLE, format!("write select * from {whole}")))
            }
            other => unsupported(other),
        }
    }

    /// Gives the columns of a part of a set operation the types of the whole.
    fn retype(&mut self, query: &mut Query, columns: &[Column]) -> Result<()> {
        for (at, column) in columns.iter().enumerate() {
            let Some(own) = query.columns.get_mut(at) else { continue };
            let from = std::mem::replace(&mut own.kind, column.kind);
            if from == column.kind {
                continue;
            }
            match &mut query.body {
                Body::Select(select) => {
                    if let Some(node) = select.outputs.get_mut(at) {
                        let taken = std::mem::replace(node, Node::Constant(Value::Null));
                        *node = self.coerce((taken, from), column.kind)?;
                    }
                }
                Body::Both { left, right, .. } => {
                    let part = columns.get(..=at).unwrap_or(columns);
                    let mut kinds = left.columns.clone();
                    for (kind, column) in kinds.iter_mut().zip(part).skip(at) {
                        kind.kind = column.kind;
                    }
                    self.retype(left, &kinds)?;
                    self.retype(right, &kinds)?;
                }
                Body::Query(inner) => {
                    let mut kinds = inner.columns.clone();
                    if let Some(kind) = kinds.get_mut(at) {
                        kind.kind = column.kind;
                    }
                    self.retype(inner, &kinds)?;
                }
                Body::Values(_) => {}
            }
        }
        Ok(())
    }

    fn order_of_columns(&mut self, wanted: Wanted<'_>, columns: &[Column]) -> Result<Vec<Order>> {
        wanted
            .iter()
            .map(|wanted| match named_output(&wanted.expr, columns) {
                Some(at) => Ok(ordered(wanted, at)),
                None => unsupported("ORDER BY with an expression after a set operation"),
            })
            .collect()
    }

    #[allow(clippy::type_complexity, reason = "as above")]
    fn select(
        &mut self,
        select: &ast::Select,
        wanted: Wanted<'_>,
    ) -> Result<(Body, Vec<Column>, Vec<Order>, Option<Vec<usize>>)> {
        let mut steps = Vec::new();
        for table in &select.from {
            self.table_with_joins(table, &mut steps)?;
        }
        let mut last = Vec::new();
        if let Some(condition) = &select.selection {
            let keeps = steps.iter().rposition(|step| matches!(step.kind, Kind::Right | Kind::Full));
            for condition in self.conditions(condition)? {
                let Condition { uses, .. } = &condition;
                let from = uses
                    .iter()
                    .filter_map(|slot| {
                        steps.iter().position(|step| (step.offset..step.offset + step.width).contains(slot))
                    })
                    .max()
                    .unwrap_or(0)
                    .max(keeps.unwrap_or(0));
                match steps.get_mut(from) {
                    Some(step) => step.filter.push(condition),
                    None => last.push(condition.node),
                }
            }
        }
        let (mut outputs, mut columns): (Vec<Node>, Vec<Column>) = (Vec::new(), Vec::new());
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let (node, kind) = self.expr(expr)?;
                    outputs.push(node);
                    columns.push(Column { name: self.name_of(expr), kind });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let (node, kind) = self.expr(expr)?;
                    outputs.push(node);
                    columns.push(Column { name: folded(alias), kind });
                }
                SelectItem::Wildcard(_) => self.star(None, &mut outputs, &mut columns)?,
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let table = name.0.last().and_then(|part| part.as_ident()).map(folded);
                    let before = columns.len();
                    self.star(table.as_deref(), &mut outputs, &mut columns)?;
                    if before == columns.len() {
                        return Err(Fault::new(NO_TABLE, format!("missing FROM-clause entry for table \"{name}\"")));
                    }
                }
                other => return unsupported(other),
            }
        }
        let shown = outputs.len();
        let groups = match &select.group_by {
            GroupByExpr::Expressions(groups, _) => {
                let mut nodes = Vec::new();
                for group in groups {
                    nodes.push(self.group(group, &outputs, &columns)?);
                }
                nodes
            }
            GroupByExpr::All(_) => return unsupported("GROUP BY ALL"),
        };
        let having = match &select.having {
            Some(having) => Some(self.truth(having)?),
            None => None,
        };
        let hidden = |binder: &mut Self, outputs: &mut Vec<Node>, expr: &Expr| -> Result<usize> {
            if let Some(at) = named_output(expr, &columns) {
                return Ok(at);
            }
            outputs.push(binder.expr(expr)?.0);
            Ok(outputs.len() - 1)
        };
        let mut order = Vec::new();
        for wanted in wanted {
            order.push(ordered(wanted, hidden(self, &mut outputs, &wanted.expr)?));
        }
        let (mut distinct, mut distinct_on) = (false, None);
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => distinct = true,
            Some(Distinct::On(keys)) => {
                let keys = keys.iter().map(|key| hidden(self, &mut outputs, key)).collect::<Result<_>>()?;
                distinct_on = Some(keys);
            }
        }
        let scope = std::mem::take(self.scope()?);
        let grouped = !groups.is_empty() || having.is_some() || !scope.aggregates.is_empty();
        let select = Select {
            steps,
            width: scope.places.len(),
            last,
            groups,
            grouped,
            aggregates: scope.aggregates,
            having,
            windows: scope.windows,
            sets: scope.sets,
            outputs,
            shown,
            distinct,
        };
        Ok((Body::Select(Box::new(select)), columns, order, distinct_on))
    }

    fn star(&mut self, table: Option<&str>, outputs: &mut Vec<Node>, columns: &mut Vec<Column>) -> Result<()> {
        let places = self.scope()?.places.clone();
        let level = self.scopes.len() - 1;
        for (slot, place) in places.into_iter().enumerate() {
            if table.map_or(!place.hidden, |table| table == place.table) {
                outputs.push(self.slot(level, slot));
                columns.push(Column { name: place.name, kind: place.kind });
            }
        }
        Ok(())
    }

    fn group(&mut self, group: &Expr, outputs: &[Node], columns: &[Column]) -> Result<Node> {
        let by_name = named_output(group, columns).and_then(|at| outputs.get(at));
        match group {
            // A column of a table comes before one of the result.
            Expr::Identifier(_) => match self.expr(group) {
                Ok((node, _)) => Ok(node),
                Err(fault) => by_name.cloned().ok_or(fault),
            },
            _ => match by_name {
                Some(node) => Ok(node.clone()),
                None => Ok(self.expr(group)?.0),
            },
        }
    }

    /// Binds a condition as those that must all be true.
    pub(super) fn conditions(&mut self, expr: &Expr) -> Result<Vec<Condition>> {
        self.deeper(|binder| binder.all_conditions(expr))
    }

    fn all_conditions(&mut self, expr: &Expr) -> Result<Vec<Condition>> {
        match expr {
            Expr::Nested(inner) => self.conditions(inner),
            Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
                let mut all = self.conditions(left)?;
                all.extend(self.conditions(right)?);
                Ok(all)
            }
            Expr::BinaryOp { left, op, right } if super::expr::is_equal(op) => {
                let saved = std::mem::take(&mut self.scope()?.used);
                let left = self.expr(left)?;
                let left_uses = std::mem::take(&mut self.scope()?.used);
                let right = self.expr(right)?;
                let right_uses = std::mem::replace(&mut self.scope()?.used, saved);
                let (left, right) = self.comparable(left, right)?;
                let uses: Vec<usize> = left_uses.iter().chain(&right_uses).copied().collect();
                self.scope()?.used.extend(&uses);
                let operator = super::super::plan::Operator::Equal;
                let node = Node::Binary(operator, Box::new(left.clone()), Box::new(right.clone()));
                Ok(vec![Condition { node, uses, equal: Some([(left, left_uses), (right, right_uses)]) }])
            }
            other => {
                let saved = std::mem::take(&mut self.scope()?.used);
                let node = self.truth(other)?;
                let uses = std::mem::replace(&mut self.scope()?.used, saved);
                self.scope()?.used.extend(&uses);
                Ok(vec![Condition { node, uses, equal: None }])
            }
        }
    }

    /// Binds a condition.
    pub(super) fn truth(&mut self, expr: &Expr) -> Result<Node> {
        let typed = self.expr(expr)?;
        match typed.1 {
            Type::BOOL | Type::UNKNOWN => self.coerce(typed, Type::BOOL),
            other => Err(Fault::new(MISMATCH, format!("a condition must be of type boolean, not {}", other.name()))),
        }
    }

    /// Binds a query that stands for a value.
    pub(super) fn subquery(&mut self, query: &ast::Query) -> Result<(Arc<Query>, Type)> {
        let query = self.query(query)?;
        let kind = query.columns.first().map_or(Type::UNKNOWN, |column| column.kind);
        Ok((Arc::new(query), if kind == Type::UNKNOWN { Type::TEXT } else { kind }))
    }

    /// Returns the table of a name that is not known.
    pub(super) fn no_table<T>(name: &ast::ObjectName) -> Result<T> {
        let fault = Fault::new(NO_TABLE, format!("relation \"{name}\" does not exist")).with_hint(
            "statements about the catalog have its tables alone: ask for rows of the lake in a statement of their own",
        );
        Err(match name.0.last().and_then(|part| part.as_ident()) {
            Some(ident) => at(fault, ident),
            None => fault,
        })
    }
}

fn ordered(wanted: &ast::OrderByExpr, at: usize) -> Order {
    let descending = wanted.options.asc == Some(false);
    Order { at, descending, nulls_first: wanted.options.nulls_first.unwrap_or(descending) }
}

/// Returns the column of a result that an expression of ORDER BY or GROUP BY names, by its name or number.
fn named_output(expr: &Expr, columns: &[Column]) -> Option<usize> {
    match expr {
        Expr::Identifier(ident) => {
            let name = folded(ident);
            columns.iter().position(|column| column.name == name)
        }
        Expr::Value(value) => match &value.value {
            ast::Value::Number(number, _) => {
                number.parse::<usize>().ok()?.checked_sub(1).filter(|at| *at < columns.len())
            }
            _ => None,
        },
        Expr::Nested(inner) => named_output(inner, columns),
        Expr::Collate { expr, .. } => named_output(expr, columns),
        _ => None,
    }
}
