//! Frames of windows that have no rows: `rows between 1 preceding and 2 preceding`.
//!
//! DataFusion 55.2 refuses every frame that ends before it begins. PostgreSQL refuses those that would whatever their numbers are, in its own words, and takes others
//! for frames without rows. An aggregate of no rows is one whose filter none passes, and the value of no row is null.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value, WindowFrameBound, WindowType,
};

use super::words::{is_named, when};

/// Functions of one row of the frame.
const OF_ROWS: [&str; 3] = ["first_value", "last_value", "nth_value"];

/// Functions of the place of a row, whatever the frame is.
const OF_PLACES: [&str; 8] = ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead"];

/// Rewrites a call over a frame that has no rows.
///
/// # Errors
/// Breaks with what PostgreSQL says of a frame that is none.
pub(super) fn of_call(function: &mut Function) -> ControlFlow<String> {
    use WindowFrameBound::{CurrentRow, Following, Preceding};
    let Some(WindowType::WindowSpec(spec)) = &mut function.over else { return ControlFlow::Continue(()) };
    let Some(frame) = &spec.window_frame else { return ControlFlow::Continue(()) };
    let is_empty = match (&frame.start_bound, frame.end_bound.as_ref().unwrap_or(&CurrentRow)) {
        (Following(None), _) => return ControlFlow::Break("frame start cannot be UNBOUNDED FOLLOWING".to_owned()),
        (_, Preceding(None)) => return ControlFlow::Break("frame end cannot be UNBOUNDED PRECEDING".to_owned()),
        (CurrentRow, Preceding(_)) => {
            return ControlFlow::Break("frame starting from current row cannot have preceding rows".to_owned());
        }
        (Following(_), CurrentRow) if frame.end_bound.is_none() => {
            return ControlFlow::Break("frame starting from following row cannot end with current row".to_owned());
        }
        (Following(_), Preceding(_) | CurrentRow) => {
            return ControlFlow::Break("frame starting from following row cannot have preceding rows".to_owned());
        }
        (Preceding(Some(start)), Preceding(Some(end))) => number(start).zip(number(end)).is_some_and(|(a, b)| a < b),
        (Following(Some(start)), Following(Some(end))) => number(start).zip(number(end)).is_some_and(|(a, b)| a > b),
        _ => false,
    };
    if !is_empty {
        return ControlFlow::Continue(());
    }
    spec.window_frame = None;
    if OF_ROWS.iter().any(|name| is_named(function, name)) {
        if let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first_mut()
        {
            *value = when(Expr::value(Value::Boolean(false)), value.clone(), None);
        }
    } else if !OF_PLACES.iter().any(|name| is_named(function, name)) {
        function.filter = Some(Box::new(Expr::value(Value::Boolean(false))));
    }
    ControlFlow::Continue(())
}

fn number(bound: &Expr) -> Option<f64> {
    match bound {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
