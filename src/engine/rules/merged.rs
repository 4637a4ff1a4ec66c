//! The column that `right join … using (x)` and `full join … using (x)` make of two.
//!
//! In SQL it is the value of whichever side has one, and stands once and first in `*`. DataFusion 55.2 takes the left side's, which is null in the rows
//! that the right side alone has. Such a join is written with ON here, and the merged column, wherever the query names it without a table, as
//! `coalesce(left.x, right.x)`. What that cannot be said of without knowing the tables' columns is refused.
//!
//! In a subquery such a name may be that of a column of the subquery's own tables. DataFusion finds those, and of the outer query's merged columns it says that they are not
//! there, since two are: such a name gets a table ([`name_table`]), and the statement is planned anew.

use std::ops::{ControlFlow, Range};

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, ExceptSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderByKind, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::words::{binary, call, folded};
use super::{unnamed, visit};

/// Merges the columns of the joins of a query that is one SELECT, in its ORDER BY too.
///
/// # Errors
/// Breaks with why it cannot be done.
pub(super) fn of_query(query: &mut Query) -> ControlFlow<String> {
    let SetExpr::Select(select) = query.body.as_mut() else { return ControlFlow::Continue(()) };
    let mut merged = of_select(select)?;
    // What the query itself calls so comes first in ORDER BY.
    merged.columns.retain(|column| !select.projection.iter().any(|item| is_called(item, &column.name)));
    if let Some(order_by) = &mut query.order_by
        && let OrderByKind::Expressions(_) = &order_by.kind
        && !merged.columns.is_empty()
    {
        order_by.visit(&mut Named { merged: &merged, depth: 0 })?;
    }
    ControlFlow::Continue(())
}

/// Merges the columns of the joins of a SELECT, and says what they are.
///
/// # Errors
/// Breaks with why it cannot be done.
pub(super) fn of_select(select: &mut Select) -> ControlFlow<String, Merged> {
    let mut merged = Merged::default();
    if select.from.iter().any(|table| table.joins.iter().any(|join| is_outer(&join.join_operator))) {
        // By what the query says, and not by what is put in its place.
        unnamed::name(select);
    }
    for table in &mut select.from {
        if has_nested(&table.relation) || table.joins.iter().any(|join| has_nested(&join.relation)) {
            return ControlFlow::Break(
                "RIGHT and FULL JOIN … USING inside parentheses are not supported: write ON, and coalesce() of both columns"
                    .to_owned(),
            );
        }
        if table.joins.iter().any(|join| is_outer(&join.join_operator)) {
            merged.join(table)?;
        } else {
            let relations = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
            let tables = relations.map(|relation| table_name(relation).map(Table::of)).collect();
            merged.items.push(Item { columns: 0..0, tables });
        }
    }
    if merged.columns.is_empty() {
        return ControlFlow::Continue(Merged::default());
    }
    let mut items = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(options) => merged.all(options, &mut items)?,
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => items.push(match merged.value(&name) {
                Some(expr) => SelectItem::ExprWithAlias { expr: expr.clone(), alias: name },
                None => SelectItem::UnnamedExpr(Expr::Identifier(name)),
            }),
            other => items.push(other),
        }
    }
    select.projection = items;
    let mut named = Named { merged: &merged, depth: 0 };
    select.distinct.visit(&mut named)?;
    select.projection.visit(&mut named)?;
    select.selection.visit(&mut named)?;
    select.group_by.visit(&mut named)?;
    select.having.visit(&mut named)?;
    select.named_window.visit(&mut named)?;
    select.qualify.visit(&mut named)?;
    ControlFlow::Continue(merged)
}

/// A table of FROM, and the columns of it that are merged.
struct Table {
    name: Ident,
    merged: Vec<Ident>,
}

impl Table {
    fn of(name: Ident) -> Self {
        Self { name, merged: Vec::new() }
    }
}

/// One table of FROM with those that are joined to it; `None` stands for one whose name is not known.
struct Item {
    /// Its merged columns, among all.
    columns: Range<usize>,
    tables: Vec<Option<Table>>,
}

/// A merged column, and its value.
struct Column {
    name: Ident,
    value: Expr,
}

/// The merged columns of a FROM, and its tables in their order.
#[derive(Default)]
pub(super) struct Merged {
    columns: Vec<Column>,
    items: Vec<Item>,
}

impl Merged {
    /// Writes the joins of a table with ON.
    fn join(&mut self, table: &mut TableWithJoins) -> ControlFlow<String> {
        let unknown =
            || "RIGHT and FULL JOIN … USING of what has no name are not supported: give each table an alias".to_owned();
        let Some(first) = table_name(&table.relation) else { return ControlFlow::Break(unknown()) };
        let before = self.columns.len();
        let mut tables = vec![Table::of(first)];
        for join in &mut table.joins {
            let Some(name) = table_name(&join.relation) else { return ControlFlow::Break(unknown()) };
            let side = Side::of(&join.join_operator);
            let Some(constraint) = constraint(&mut join.join_operator) else { continue };
            let mut right = Table::of(name);
            match constraint {
                JoinConstraint::Natural => {
                    return ControlFlow::Break(
                        "NATURAL beside RIGHT and FULL JOIN is not supported: name the columns in USING".to_owned(),
                    );
                }
                JoinConstraint::Using(columns) => {
                    let mut condition: Option<Expr> = None;
                    for column in columns.iter() {
                        let [ast::ObjectNamePart::Identifier(column)] = column.0.as_slice() else { continue };
                        let of_right = qualified(&right.name, column);
                        let known = self.columns.iter().skip(before).position(|it| is_same(&it.name, column));
                        let of_left = match (known, tables.as_mut_slice()) {
                            (Some(place), _) => self.columns[before + place].value.clone(),
                            (None, [only]) => {
                                only.merged.push(column.clone());
                                qualified(&only.name, column)
                            }
                            _ => {
                                return ControlFlow::Break(format!(
                                    "USING ({column}) behind several tables, beside RIGHT and FULL JOIN, is not supported: write ON"
                                ));
                            }
                        };
                        let equal = binary(of_left.clone(), BinaryOperator::Eq, of_right.clone());
                        condition = Some(match condition {
                            Some(condition) => binary(condition, BinaryOperator::And, equal),
                            None => equal,
                        });
                        right.merged.push(column.clone());
                        let value = side.value(of_left, of_right);
                        match known {
                            Some(place) => self.columns[before + place].value = value,
                            None => self.columns.push(Column { name: column.clone(), value }),
                        }
                    }
                    if let Some(condition) = condition {
                        *constraint = JoinConstraint::On(condition);
                    }
                }
                JoinConstraint::On(condition) => condition.visit(&mut Named { merged: self, depth: 0 })?,
                JoinConstraint::None => {}
            }
            tables.push(right);
        }
        let columns = before..self.columns.len();
        self.items.push(Item { columns, tables: tables.into_iter().map(Some).collect() });
        ControlFlow::Continue(())
    }

    fn value(&self, name: &Ident) -> Option<&Expr> {
        self.columns.iter().find(|column| is_same(&column.name, name)).map(|column| &column.value)
    }

    /// Writes `*` out: the merged columns, and then what else each table has.
    fn all(&self, options: WildcardAdditionalOptions, items: &mut Vec<SelectItem>) -> ControlFlow<String> {
        if options != WildcardAdditionalOptions::default() {
            return ControlFlow::Break(
                "* with EXCLUDE, REPLACE and their like is not supported of RIGHT and FULL JOIN … USING: name the columns".to_owned(),
            );
        }
        for Item { columns, tables } in &self.items {
            for Column { name, value } in self.columns.get(columns.clone()).unwrap_or_default() {
                items.push(SelectItem::ExprWithAlias { expr: value.clone(), alias: name.clone() });
            }
            Self::others(tables, items)?;
        }
        ControlFlow::Continue(())
    }

    /// Writes the columns of tables out that are not merged.
    fn others(tables: &[Option<Table>], items: &mut Vec<SelectItem>) -> ControlFlow<String> {
        for table in tables {
            let Some(Table { name, merged }) = table else {
                return ControlFlow::Break("* of what has no name, beside RIGHT and FULL JOIN … USING, is not supported: give each table an alias".to_owned());
            };
            let except = merged.split_first().map(|(first, others)| ExceptSelectItem {
                first_element: first.clone(),
                additional_elements: others.to_vec(),
            });
            items.push(SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![name.clone()])),
                WildcardAdditionalOptions { opt_except: except, ..WildcardAdditionalOptions::default() },
            ));
        }
        ControlFlow::Continue(())
    }
}

/// Gives the name at a place of a statement, line and column, the table of a merged column of an outer query. Returns whether there is one.
pub fn name_table(statement: &mut Statement, place: (u64, u64)) -> bool {
    let mut naming = Naming { place, merged: Vec::new(), is_named: false };
    visit(statement, &mut naming);
    naming.is_named
}

/// The merged columns of the queries around a place, the innermost last.
struct Naming {
    place: (u64, u64),
    merged: Vec<Vec<Column>>,
    is_named: bool,
}

impl VisitorMut for Naming {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut merged = Vec::new();
        for table in &mut select.from {
            let left = table_name(&table.relation);
            for join in &mut table.joins {
                let (side, right) = (Side::of(&join.join_operator), table_name(&join.relation));
                let Some(JoinConstraint::Using(columns)) = constraint(&mut join.join_operator) else { continue };
                let (Some(left), Some(right)) = (&left, &right) else { continue };
                for column in columns.iter() {
                    let [ast::ObjectNamePart::Identifier(name)] = column.0.as_slice() else { continue };
                    let (left, right) = (qualified(left, name), qualified(right, name));
                    merged.push(Column { name: name.clone(), value: side.value(left, right) });
                }
            }
        }
        self.merged.push(merged);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.merged.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && (name.span.start.line, name.span.start.column) == self.place
            && let Some((_, outer)) = self.merged.split_last()
            && let Some(column) = outer.iter().rev().flatten().find(|column| is_same(&column.name, name))
        {
            *expr = column.value.clone();
            self.is_named = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Which side's value the merged column has.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Either,
}

impl Side {
    fn of(join: &JoinOperator) -> Self {
        match join {
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Self::Right,
            JoinOperator::FullOuter(_) => Self::Either,
            _ => Self::Left,
        }
    }

    fn value(self, left: Expr, right: Expr) -> Expr {
        match self {
            Self::Left => left,
            Self::Right => right,
            Self::Either => call("coalesce", vec![left, right]),
        }
    }
}

/// Says whether a join merges columns of which the left one may be null where the right one is not.
fn is_outer(join: &JoinOperator) -> bool {
    match join {
        JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => {
            matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        _ => false,
    }
}

/// The constraint of a join whose columns are all there behind it.
fn constraint(join: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

/// Says whether there is such a join inside parentheses.
fn has_nested(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => {
            has_nested(&table_with_joins.relation)
                || table_with_joins.joins.iter().any(|join| is_outer(&join.join_operator) || has_nested(&join.relation))
        }
        _ => false,
    }
}

/// What the columns of a table are named by.
fn table_name(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::TableFunction { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. } => Some(alias.name.clone()),
        TableFactor::Table { name, args: None, .. } => name.0.last()?.as_ident().cloned(),
        _ => None,
    }
}

fn is_called(item: &SelectItem, name: &Ident) -> bool {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => is_same(alias, name),
        _ => false,
    }
}

fn is_same(one: &Ident, other: &Ident) -> bool {
    folded(one) == folded(other)
}

fn qualified(table: &Ident, column: &Ident) -> Expr {
    Expr::CompoundIdentifier(vec![table.clone(), column.clone()])
}

/// Puts the values of merged columns where they are named, but for subqueries, whose own tables may have such a column.
struct Named<'m> {
    merged: &'m Merged,
    depth: usize,
}

impl VisitorMut for Named<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<String> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<String> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some(value) = self.merged.value(name)
        {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}
