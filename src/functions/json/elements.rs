//! Private functions of the elements of arrays, which only the optimizer calls.
//!
//! `json_elements_str(json, n, key…, key…)` is the list of what `json_get_str(element, inside…)` gives for each element of
//! `json_get_array(json, path…)`: the first `n` keys are the path, the others are inside. So what is asked of unnested elements becomes a
//! call of a column and literals, which the scan can answer from leaf columns. Both functions are called as they are; in place
//! of a document, a scan hands in the elements that it has cut already.

use std::hash::Hash;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::calls::{Asked, CALLS, JsonCall, by_steps};
use crate::functions::arguments::leaf_placement;

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let function = |call: &'static JsonCall| {
        let (name, getter) = (call.of_elements?, Arc::clone(&call.function));
        let signature = Signature::variadic_any(Volatility::Immutable);
        Some(Arc::new(ScalarUDF::new_from_impl(Elements { name, getter, signature })))
    };
    CALLS.iter().filter_map(function).collect()
});

/// Returns the function that calls a getter, such as `json_get_str`, on each element of an array.
pub fn elements_function(getter: &str) -> Option<Arc<ScalarUDF>> {
    let calls = |function: &&Arc<ScalarUDF>| {
        function.inner().downcast_ref::<Elements>().is_some_and(|elements| elements.getter.name() == getter)
    };
    FUNCTIONS.iter().find(calls).cloned()
}

/// What a getter gives for each element of an array.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Elements {
    name: &'static str,
    getter: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for Elements {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        let item = self.getter.return_type(&[DataType::Utf8, DataType::Utf8])?;
        Ok(DataType::List(Arc::new(Field::new_list_field(item, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [documents, ColumnarValue::Scalar(ScalarValue::Int64(Some(path_keys))), keys @ ..] = args.args.as_slice()
        else {
            return exec_err!("{}: a document, a number of keys and keys expected", self.name);
        };
        let Some((path, inside)) = usize::try_from(*path_keys).ok().and_then(|count| keys.split_at_checked(count))
        else {
            return exec_err!("{}: {path_keys} keys of {} are the path", self.name, keys.len());
        };
        let documents = documents.to_array(args.number_rows)?;
        let arrays = match documents.data_type() {
            DataType::List(_) => documents,
            _ => call(by_steps(Asked::Array), documents, path, &args.config_options)?,
        };
        let arrays = arrays.as_list::<i32>();
        let values = call(&self.getter, Arc::clone(arrays.values()), inside, &args.config_options)?;
        let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let lists = ListArray::try_new(item, arrays.offsets().clone(), values, arrays.nulls().cloned())?;
        Ok(ColumnarValue::Array(Arc::new(lists)))
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        leaf_placement(args)
    }
}

/// Calls a function of documents and keys.
fn call(
    function: &ScalarUDF,
    documents: ArrayRef,
    keys: &[ColumnarValue],
    config_options: &Arc<ConfigOptions>,
) -> Result<ArrayRef> {
    let number_rows = documents.len();
    let args: Vec<ColumnarValue> =
        std::iter::once(ColumnarValue::Array(documents)).chain(keys.iter().cloned()).collect();
    let arg_fields: Vec<_> =
        args.iter().map(|arg| Arc::new(Field::new(function.name(), arg.data_type(), true))).collect();
    let scalar = |arg: &ColumnarValue| match arg {
        ColumnarValue::Scalar(scalar) => Some(scalar.clone()),
        ColumnarValue::Array(_) => None,
    };
    let scalars: Vec<Option<ScalarValue>> = args.iter().map(scalar).collect();
    let scalar_arguments: Vec<Option<&ScalarValue>> = scalars.iter().map(Option::as_ref).collect();
    let return_field = function
        .return_field_from_args(ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &scalar_arguments })?;
    let config_options = Arc::clone(config_options);
    let args = ScalarFunctionArgs { args, arg_fields, number_rows, return_field, config_options };
    function.invoke_with_args(args)?.into_array(number_rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::run;
    use arrow::array::StringViewArray;
    use arrow::datatypes::Int64Type;

    fn lists(getter: &str, path_keys: i64, keys: &[&str]) -> ListArray {
        let documents = StringViewArray::from_iter([
            Some(r#"{"v":{"e":[{"t":"menu","n":1},{"t":2},"t",{"n":"3"}]}}"#),
            Some(r#"{"v":{"e":[]}}"#),
            Some(r#"{"v":{"e":{"t":"no array"}}}"#),
            Some(r#"{"v":{"e":[{"t":"breaks off"},"#),
            Some(r#"[{"t":"root"}]"#),
            None,
        ]);
        let literals = keys.iter().map(|key| ScalarValue::from(*key));
        let mut args = vec![ColumnarValue::Array(Arc::new(documents)), ColumnarValue::Scalar(path_keys.into())];
        args.extend(literals.map(ColumnarValue::Scalar));
        run(elements_function(getter).unwrap().inner().as_ref(), args).as_list::<i32>().clone()
    }

    #[test]
    fn a_list_has_an_entry_for_each_element_and_is_null_without_an_array() {
        let texts = lists("json_get_str", 2, &["v", "e", "t"]);
        assert_eq!((0..6).map(|row| texts.is_valid(row)).collect::<Vec<_>>(), [true, true, false, false, false, false]);
        let first: Vec<Option<String>> =
            texts.value(0).as_string_view().iter().map(|text| text.map(str::to_owned)).collect();
        assert_eq!(first, [Some("menu".to_owned()), None, None, None]);
        assert!(texts.value(1).is_empty());
        let numbers = lists("json_get_int", 2, &["v", "e", "n"]);
        assert_eq!(
            numbers.value(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
            [Some(1), None, None, Some(3)]
        );
    }

    #[test]
    fn without_a_path_the_document_is_the_array() {
        let texts = lists("json_as_text", 0, &["t"]);
        assert_eq!(texts.null_count(), 5);
        assert_eq!(texts.value(4).as_string_view().value(0), "root");
        assert!(elements_function("json_length").is_none());
    }
}
