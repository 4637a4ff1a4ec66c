//! `coalesce` of DataFusion, which computes what it looks at once.
//!
//! DataFusion makes `case when f(x) is not null then f(x) else '' end` of `coalesce(f(x), '')`, and calls `f` twice a row in a filter of a
//! scan. Here a call with a literal to fall back on stays one: both can be computed without harm, since a literal does not fail. All
//! else is DataFusion's.

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions::core::coalesce::CoalesceFunc;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, lit,
};

use super::stand_ins::stands_in;

/// The function.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Coalesce {
    inner: CoalesceFunc,
}

/// Returns a truth value, or this one where there is none.
pub(crate) fn known(value: Expr, otherwise: bool) -> Expr {
    let func = Arc::new(ScalarUDF::new_from_impl(Coalesce::default()));
    Expr::ScalarFunction(ScalarFunction { func, args: vec![value, lit(otherwise)] })
}

impl ScalarUDFImpl for Coalesce {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // A column may be a call that is on its way to the scan.
        match args.as_slice() {
            [value, Expr::Literal(..)]
                if stands_in(info.config_options(), |s| s.own_coalesce)
                    && info.nullable(value)?
                    && !value.is_volatile() =>
            {
                Ok(ExprSimplifyResult::Original(args))
            }
            _ => self.inner.simplify(args, info),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, ColumnarValue::Scalar(literal)] = args.args.as_slice() else {
            return self.inner.invoke_with_args(args);
        };
        Ok(match value {
            ColumnarValue::Scalar(value) if value.is_null() => ColumnarValue::Scalar(literal.clone()),
            ColumnarValue::Array(values) if values.logical_null_count() > 0 => {
                ColumnarValue::Array(zip(&is_not_null(values)?, values, &literal.to_scalar()?)?)
            }
            value => value.clone(),
        })
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(args)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[cfg(test)]
mod tests {
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::SessionContext;

    use super::*;

    /// Answers by DataFusion's function or by ours; the text of the plan and of the answer.
    async fn answer(sql: &str, is_ours: bool) -> (String, String) {
        let context = SessionContext::new();
        if is_ours {
            context.register_udf(ScalarUDF::new_from_impl(Coalesce::default()));
        }
        let rows = "create table t as select column1 as a, arrow_cast(column1, 'Utf8View') as v, column2 as n, column3 as w \
                    from (values ('x', 1, 1), (null, 2, null), ('a longer text than twelve', null, 3), ('', 4, null))";
        context.sql(rows).await.unwrap().collect().await.unwrap();
        let frame = context.sql(sql).await.unwrap();
        let plan = frame.clone().create_physical_plan().await.unwrap();
        let plan = displayable(plan.as_ref()).indent(false).to_string();
        (plan, pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string())
    }

    #[tokio::test]
    async fn the_answers_are_those_of_datafusion() {
        for (expression, is_eager) in [
            ("coalesce(upper(a), '')", true),
            ("coalesce(upper(v), 'none of all of these')", true),
            ("coalesce(v, 'none')", true),
            ("coalesce(n + 1, 0)", true),
            ("coalesce(n, 2.5)", true),
            ("coalesce(n > 1, false)", true),
            ("coalesce(w, null)", true),
            ("coalesce(a, v)", false),
            ("coalesce(n, w, 7)", false),
            ("coalesce(n, 1 / (n - 1))", false),
            ("coalesce(null, a)", false),
            ("coalesce(5, 6)", false),
            ("coalesce(a)", false),
            ("coalesce(coalesce(n, 3), 4)", true),
        ] {
            let sql = format!("select {expression} as c from t where coalesce(upper(a), '') not in ('X') or a = 'x'");
            let ((_, expected), (plan, given)) = (answer(&sql, false).await, answer(&sql, true).await);
            assert_eq!(given, expected, "{expression}");
            let projection = plan.lines().find(|line| line.contains(" as c]")).unwrap_or_default();
            assert_eq!(projection.contains("coalesce("), is_eager, "{expression}\n{plan}");
            let filter = plan.lines().find(|line| line.contains("FilterExec")).unwrap();
            assert_eq!(filter.matches("upper(").count(), 1, "{plan}");
        }
    }

    #[test]
    fn a_value_may_be_one_for_all_rows() {
        use arrow::datatypes::Field;
        use datafusion::common::ScalarValue;
        use datafusion::common::config::ConfigOptions;
        for (value, expected) in [(None, 7), (Some(3), 3)] {
            let field = Arc::new(Field::new("n", DataType::Int64, true));
            let args = ScalarFunctionArgs {
                args: [value, Some(7)].map(|value| ColumnarValue::Scalar(ScalarValue::Int64(value))).to_vec(),
                arg_fields: vec![Arc::clone(&field), Arc::clone(&field)],
                number_rows: 1,
                return_field: field,
                config_options: Arc::new(ConfigOptions::default()),
            };
            let result = Coalesce::default().invoke_with_args(args).unwrap();
            assert!(matches!(result, ColumnarValue::Scalar(ScalarValue::Int64(Some(given))) if given == expected));
        }
    }
}
