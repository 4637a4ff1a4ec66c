//! Calls of the functions whose values files hold in columns of their own.

use std::sync::Arc;

use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use crate::functions::json_call;
use crate::shred::computed::{OF_STRINGS, of_column};
use crate::texts::TextFunction;

/// A call of a function whose values a file may hold.
#[derive(Debug)]
pub struct ComputedCall<'a> {
    /// The function.
    pub function: &'static TextFunction,
    /// What it is of: a JSON column, or a call that gives the text at a path.
    pub text: &'a Arc<dyn PhysicalExpr>,
}

impl<'a> ComputedCall<'a> {
    /// Takes a call for one, if it is.
    pub fn of(call: &'a ScalarFunctionExpr) -> Option<Self> {
        let [text] = call.args() else { return None };
        let function = match (text.downcast_ref::<Column>(), text.downcast_ref::<ScalarFunctionExpr>()) {
            (Some(column), _) => of_column(column.name())?,
            (None, Some(inner)) if json_call(inner.fun().name())?.asked.is_text() => OF_STRINGS,
            _ => return None,
        };
        (call.fun().name() == function.name).then_some(Self { function, text })
    }
}
