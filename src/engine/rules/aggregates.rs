//! What PostgreSQL means by parts of calls that DataFusion leaves out: names of windows inside a window, the order of distinct values, patterns whose
//! `.` is any character, and what is said of rows to a function that has none.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident,
    NamedWindowExpr, ObjectName, ObjectNamePart, OrderByExpr, OrderByOptions, Select, Value, VisitMut, VisitorMut,
    WindowSpec, WindowType,
};

use super::words::{any_character, folded, is_named};
use crate::functions::is_of_values;

/// Puts what a window is made of in the place of its name, inside of other windows too: `over (w order by x)`.
pub(super) fn name_windows(select: &mut Select) -> ControlFlow<String> {
    if select.named_window.is_empty() {
        return ControlFlow::Continue(());
    }
    let mut known = Windows(HashMap::new());
    for definition in &mut select.named_window {
        let spec = match &definition.1 {
            NamedWindowExpr::NamedWindow(other) => known.named(other)?.clone(),
            NamedWindowExpr::WindowSpec(spec) => known.whole(spec)?,
        };
        definition.1 = NamedWindowExpr::WindowSpec(spec.clone());
        known.0.insert(folded(&definition.0), spec);
    }
    select.projection.visit(&mut known)?;
    select.qualify.visit(&mut known)
}

struct Windows(HashMap<String, WindowSpec>);

impl Windows {
    fn named(&self, name: &Ident) -> ControlFlow<String, &WindowSpec> {
        match self.0.get(&folded(name)) {
            Some(spec) => ControlFlow::Continue(spec),
            None => ControlFlow::Break(format!("the window {:?} is not defined", name.value)),
        }
    }

    /// A window with what the one that it names brings.
    fn whole(&self, spec: &WindowSpec) -> ControlFlow<String, WindowSpec> {
        let Some(name) = &spec.window_name else { return ControlFlow::Continue(spec.clone()) };
        let named = self.named(name)?;
        let order_by = if spec.order_by.is_empty() { &named.order_by } else { &spec.order_by };
        ControlFlow::Continue(WindowSpec {
            window_name: None,
            partition_by: named.partition_by.clone(),
            order_by: order_by.clone(),
            window_frame: spec.window_frame.clone().or_else(|| named.window_frame.clone()),
        })
    }
}

impl VisitorMut for Windows {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        if let Expr::Function(function) = expr
            && let Some(WindowType::WindowSpec(spec)) = &function.over
            && spec.window_name.is_some()
        {
            function.over = Some(WindowType::WindowSpec(self.whole(spec)?));
        }
        ControlFlow::Continue(())
    }
}

/// Refuses what is said of rows behind the call of a function that has none: DataFusion leaves it out without a word.
pub(super) fn refuse_clauses(function: &Function) -> ControlFlow<String> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return ControlFlow::Continue(()) };
    let list = match &function.args {
        FunctionArguments::List(list) => Some(list),
        _ => None,
    };
    let has = |wanted: fn(&FunctionArgumentClause) -> bool| list.is_some_and(|list| list.clauses.iter().any(wanted));
    let ignores = |clause: &FunctionArgumentClause| matches!(clause, FunctionArgumentClause::IgnoreOrRespectNulls(_));
    let clause = if function.over.is_some() {
        "OVER"
    } else if function.filter.is_some() {
        "FILTER"
    } else if !function.within_group.is_empty() {
        "WITHIN GROUP"
    } else if list.is_some_and(|list| list.duplicate_treatment == Some(DuplicateTreatment::Distinct)) {
        "DISTINCT"
    } else if has(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_))) {
        "ORDER BY"
    } else if function.null_treatment.is_some() || has(ignores) {
        "IGNORE NULLS"
    } else {
        return ControlFlow::Continue(());
    };
    if !is_of_values(&name.value) {
        return ControlFlow::Continue(());
    }
    let kind = if clause == "OVER" { "a window function nor an aggregate function" } else { "an aggregate function" };
    ControlFlow::Break(format!("{clause} specified, but {} is not {kind}", name.value.to_lowercase()))
}

/// Functions that are of every equal element in PostgreSQL, and of the first here; with their names here.
const OF_ALL: [(&str, &str); 2] = [("array_remove", "array_remove_all"), ("array_replace", "array_replace_all")];

/// Aggregates whose answer depends on the order of their rows.
const ORDERED: [&str; 6] = ["array_agg", "string_agg", "listagg", "first_value", "last_value", "nth_value"];

/// Rewrites one call.
pub(super) fn function(function: &mut Function) {
    if let Some((_, all)) = OF_ALL.iter().find(|(name, _)| is_named(function, name)) {
        function.name = ObjectName::from(vec![Ident::new(*all)]);
    }
    let is_ordered_aggregate = ORDERED.iter().any(|name| is_named(function, name));
    let is_encoded = is_named(function, "encode");
    let is_gathered = is_named(function, "array_agg") || is_named(function, "string_agg");
    let is_pattern = function.name.0.len() == 1 && function.name.to_string().to_lowercase().starts_with("regexp_");
    let is_replaced = is_named(function, "regexp_replace");
    let FunctionArguments::List(list) = &mut function.args else { return };
    if is_pattern && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(pattern))) = list.args.get_mut(1) {
        any_character(pattern);
    }
    if is_replaced
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) = list.args.get_mut(2)
        && let Value::SingleQuotedString(text) = &mut value.value
    {
        // The whole match.
        *text = text.replace("\\&", "${0}");
    }
    if is_encoded
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) = list.args.get_mut(1)
        && let Value::SingleQuotedString(text) = &mut value.value
        && text.eq_ignore_ascii_case("base64")
    {
        // With the signs at its end that make it a multiple of four.
        "base64pad".clone_into(text);
    }
    if !is_ordered_aggregate {
        // It changes nothing, and DataFusion's accumulators of groups fall over it.
        list.clauses.retain(|clause| !matches!(clause, FunctionArgumentClause::OrderBy(_)));
    }
    let is_ordered = list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)));
    if is_gathered
        && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
        && !is_ordered
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first()
    {
        // PostgreSQL sorts to find what is distinct; without an order the answer would be another each time.
        let options = OrderByOptions { asc: None, nulls_first: None };
        let order = OrderByExpr { expr: value.clone(), options, with_fill: None };
        list.clauses.push(FunctionArgumentClause::OrderBy(vec![order]));
    }
}
