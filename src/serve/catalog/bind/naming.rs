//! The names that PostgreSQL gives columns without one.

use datafusion::sql::sqlparser::ast::{self, AccessExpr, Expr, TrimWhereField, Value as Literal};

use super::super::types::Type;
use super::{Binder, folded};

impl Binder<'_> {
    /// Returns the name that PostgreSQL gives a column without one.
    pub(super) fn name_of(&self, expr: &Expr) -> String {
        match expr {
            Expr::Identifier(ident) => folded(ident),
            Expr::CompoundIdentifier(names) => names.last().map(folded).unwrap_or_default(),
            Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
                Some(AccessExpr::Dot(Expr::Identifier(field))) => folded(field),
                _ => self.name_of(root),
            },
            Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => self.name_of(inner),
            Expr::Function(function) => {
                function.name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default()
            }
            Expr::Cast { expr, data_type, .. } => match self.name_of(expr) {
                name if name == "?column?" => Type::of(data_type).map_or(name, |kind| kind.name().to_owned()),
                name => name,
            },
            Expr::TypedString(typed) => {
                Type::of(&typed.data_type).map_or_else(|_| "?column?".into(), |t| t.name().to_owned())
            }
            Expr::Case { else_result, .. } => match else_result.as_deref().map(|other| self.name_of(other)) {
                Some(name) if name != "?column?" => name,
                _ => "case".to_owned(),
            },
            Expr::Exists { .. } => "exists".to_owned(),
            Expr::Array(_) => "array".to_owned(),
            Expr::Tuple(_) => "row".to_owned(),
            Expr::Substring { .. } => "substring".to_owned(),
            Expr::Trim { trim_where, .. } => match trim_where {
                Some(TrimWhereField::Leading) => "ltrim".to_owned(),
                Some(TrimWhereField::Trailing) => "rtrim".to_owned(),
                _ => "btrim".to_owned(),
            },
            Expr::Position { .. } => "position".to_owned(),
            Expr::Value(value) if matches!(value.value, Literal::Boolean(_)) => "bool".to_owned(),
            Expr::Subquery(query) => match query.body.as_ref() {
                ast::SetExpr::Select(select) => match select.projection.first() {
                    Some(ast::SelectItem::UnnamedExpr(expr)) => self.name_of(expr),
                    Some(ast::SelectItem::ExprWithAlias { alias, .. }) => folded(alias),
                    _ => "?column?".to_owned(),
                },
                _ => "?column?".to_owned(),
            },
            _ => "?column?".to_owned(),
        }
    }
}
