//! The functions of datafusion-functions-json, with text as string views and halves of surrogate pairs as U+FFFD.
//!
//! Theirs return Utf8. All text of a session's tables is Utf8View, leaf columns too: Utf8 would cost a copy of every value, and
//! grouping by it takes three times as long. And of a document with half a surrogate pair theirs find nothing from there on, since the parser refuses it:
//! rows of which nothing was found are asked again where the document has one. All else that a call answers is theirs.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericStringArray, LargeStringArray, OffsetSizeTrait, StringArray, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::calls::{Asked, json_call};
use crate::json::without_lone_surrogates;

/// Wraps a function of datafusion-functions-json.
pub(super) fn plain(inner: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(PlainFunction { inner }))
}

/// A function of datafusion-functions-json whose Utf8 becomes Utf8View; of dictionaries it returns dictionaries, as theirs does.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PlainFunction {
    inner: Arc<ScalarUDF>,
}

impl PlainFunction {
    /// Returns the same call of mended documents, if one may answer what this one did not. Values are pieces of what was read, so
    /// that a document that answered has no half of a pair up to there, and a JSON value none at all.
    fn again(&self, args: &ScalarFunctionArgs, answer: &ColumnarValue) -> Option<ScalarFunctionArgs> {
        let unanswered = self.unanswered(answer)?;
        let mended = match args.args.first()? {
            ColumnarValue::Scalar(document) => ColumnarValue::Scalar(mended_scalar(document)?),
            ColumnarValue::Array(documents) => ColumnarValue::Array(mended(documents, unanswered.as_ref())?),
        };
        let mut args = args.clone();
        *args.args.first_mut()? = mended;
        Some(args)
    }

    /// Tells the rows for which nothing was found; `None` if there are none, and no rows if that is so of all.
    fn unanswered(&self, answer: &ColumnarValue) -> Option<Option<NullBuffer>> {
        let is_asked_whether = json_call(self.inner.name()).is_some_and(|call| call.asked == Asked::Presence);
        match answer {
            ColumnarValue::Scalar(ScalarValue::Boolean(Some(found))) if is_asked_whether => (!found).then_some(None),
            ColumnarValue::Scalar(ScalarValue::Union(value, ..)) => {
                value.as_ref().is_none_or(|(_, value)| value.is_null()).then_some(None)
            }
            ColumnarValue::Scalar(value) => value.is_null().then_some(None),
            ColumnarValue::Array(found) if is_asked_whether => {
                let found = NullBuffer::new(found.as_boolean_opt()?.values().clone());
                (found.null_count() > 0).then_some(Some(found))
            }
            ColumnarValue::Array(found) => found.logical_nulls().filter(|found| found.null_count() > 0).map(Some),
        }
    }
}

/// Mends the documents for which nothing was found; `None` if none of them has half a surrogate pair.
fn mended(documents: &ArrayRef, found: Option<&NullBuffer>) -> Option<ArrayRef> {
    match documents.data_type() {
        DataType::Utf8View => {
            let texts = documents.as_string_view();
            let mended = mended_rows(texts.len(), found, |row| texts.is_valid(row).then(|| texts.value(row)))?;
            Some(Arc::new(with_rows(texts.iter(), mended).collect::<StringViewArray>()))
        }
        DataType::Utf8 => {
            let texts = documents.as_string::<i32>();
            Some(Arc::new(with_rows(texts.iter(), of_strings(texts, found)?).collect::<StringArray>()))
        }
        DataType::LargeUtf8 => {
            let texts = documents.as_string::<i64>();
            Some(Arc::new(with_rows(texts.iter(), of_strings(texts, found)?).collect::<LargeStringArray>()))
        }
        // A value of a dictionary stands for any rows.
        DataType::Dictionary(..) => {
            let dictionary = documents.as_any_dictionary();
            Some(dictionary.with_values(mended(dictionary.values(), None)?))
        }
        // JSON values are made of documents that were read.
        _ => None,
    }
}

fn of_strings<O: OffsetSizeTrait>(
    texts: &GenericStringArray<O>,
    found: Option<&NullBuffer>,
) -> Option<Vec<(usize, String)>> {
    mended_rows(texts.len(), found, |row| texts.is_valid(row).then(|| texts.value(row)))
}

/// Mends the documents of rows for which nothing was found; `None` if there is none to mend.
fn mended_rows<'a>(
    rows: usize,
    found: Option<&NullBuffer>,
    document: impl Fn(usize) -> Option<&'a str>,
) -> Option<Vec<(usize, String)>> {
    let unanswered = (0..rows).filter(|row| found.is_none_or(|found| found.is_null(*row)));
    let mended: Vec<_> = unanswered.filter_map(|row| Some((row, without_lone_surrogates(document(row)?)?))).collect();
    (!mended.is_empty()).then_some(mended)
}

/// Puts other texts in place of those of some rows.
fn with_rows<'a>(
    texts: impl Iterator<Item = Option<&'a str>>,
    others: Vec<(usize, String)>,
) -> impl Iterator<Item = Option<String>> {
    let mut others = others.into_iter().peekable();
    texts.enumerate().map(move |(row, text)| match others.next_if(|(other, _)| *other == row) {
        Some((_, other)) => Some(other),
        None => text.map(str::to_owned),
    })
}

fn mended_scalar(document: &ScalarValue) -> Option<ScalarValue> {
    let mended = |text: &Option<String>| without_lone_surrogates(text.as_deref()?);
    Some(match document {
        ScalarValue::Utf8(text) => ScalarValue::Utf8(Some(mended(text)?)),
        ScalarValue::LargeUtf8(text) => ScalarValue::LargeUtf8(Some(mended(text)?)),
        ScalarValue::Utf8View(text) => ScalarValue::Utf8View(Some(mended(text)?)),
        ScalarValue::Dictionary(keys, value) => ScalarValue::Dictionary(keys.clone(), Box::new(mended_scalar(value)?)),
        _ => return None,
    })
}

impl ScalarUDFImpl for PlainFunction {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.inner.return_type(types)? {
            DataType::Utf8 => DataType::Utf8View,
            other => other,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.inner.return_field_from_args(args)?;
        Ok(match field.data_type() {
            DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
            _ => field,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let function = self.inner.inner();
        let mut answer = function.invoke_with_args(args.clone())?;
        if let Some(again) = self.again(&args, &answer) {
            answer = function.invoke_with_args(again)?;
        }
        Ok(match answer {
            // The views point into the array's own bytes: no text is copied but the short ones, which views hold themselves.
            ColumnarValue::Array(array) if *array.data_type() == DataType::Utf8 => {
                ColumnarValue::Array(cast(&array, &DataType::Utf8View)?)
            }
            ColumnarValue::Scalar(ScalarValue::Utf8(text)) => ColumnarValue::Scalar(ScalarValue::Utf8View(text)),
            other => other,
        })
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner.inner().placement(args)
    }
}

#[cfg(test)]
mod tests {
    use super::super::calls::by_steps;
    use super::*;
    use crate::functions::arguments::tests::run;
    use arrow::array::{AsArray, DictionaryArray, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    const DOCUMENTS: [Option<&str>; 4] =
        [Some(r#"{"a":"a text that no view holds itself"}"#), Some(r#"{"a":1.50}"#), Some("oops"), None];

    #[test]
    fn texts_are_views_whatever_the_documents_are() {
        let views = ColumnarValue::Array(Arc::new(StringViewArray::from_iter(DOCUMENTS)));
        let strings = ColumnarValue::Array(Arc::new(StringArray::from_iter(DOCUMENTS)));
        for documents in [views, strings] {
            let args = vec![documents, ColumnarValue::Scalar(ScalarValue::from("a"))];
            let values = run(by_steps(Asked::AnyText).inner().as_ref(), args);
            let values: Vec<Option<&str>> = values.as_string_view().iter().collect();
            assert_eq!(values, [Some("a text that no view holds itself"), Some("1.50"), None, None]);
        }
        let literal = vec![ColumnarValue::Scalar(ScalarValue::from(r#"["x"]"#)), ColumnarValue::Scalar(0_i64.into())];
        assert_eq!(run(by_steps(Asked::Text).inner().as_ref(), literal).as_string_view().value(0), "x");
    }

    #[test]
    fn of_dictionaries_they_return_dictionaries() {
        let documents: DictionaryArray<Int32Type> = DOCUMENTS.into_iter().collect();
        let args = vec![ColumnarValue::Array(Arc::new(documents)), ColumnarValue::Scalar(ScalarValue::from("a"))];
        let values = run(by_steps(Asked::Written).inner().as_ref(), args);
        let values = cast(&values, &DataType::Utf8View).unwrap();
        let values: Vec<Option<&str>> = values.as_string_view().iter().collect();
        assert_eq!(values, [Some(r#""a text that no view holds itself""#), Some("1.50"), None, None]);
    }
}
