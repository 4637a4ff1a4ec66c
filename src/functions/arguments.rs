//! Takes a SQL function's arguments apart: checks their kinds while planning, hands out typed values while running.
//!
//! Every function of ours declares `variadic_any` and checks its arguments here. DataFusion's own coercion would wrap a column
//! in a cast, which hides it from the rules that move JSON functions to the scan, would fail a query over one unreadable
//! text, and would answer a wrong call with a list of signatures instead of the name of the argument.
//!
//! Limits: dictionaries are unpacked, so a function runs once a row and not once a distinct value.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, IntervalMonthDayNanoArray, PrimitiveArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float64Type, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, Signature, Volatility,
};

use crate::texts;

/// Text that a bad cell turns into null rather than into an error.
const SAFE_CAST: CastOptions<'static> =
    CastOptions { safe: true, format_options: arrow::util::display::FormatOptions::new() };

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Utf8, LargeUtf8 or Utf8View.
    Text,
    /// A timestamp of any unit, with or without zone (then UTC), a date (its midnight in UTC), or text that reads as one.
    Instant,
    /// Any integer, float or decimal.
    Number,
    /// Text such as `15 minutes`, or an SQL interval.
    Interval,
}

impl Kind {
    fn accepts(self, data_type: &DataType) -> bool {
        let is_text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        match (self, data_type) {
            (_, DataType::Null) => true,
            (_, DataType::Dictionary(_, value)) => self.accepts(value),
            (Self::Text, _) => is_text,
            (Self::Instant, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) => true,
            (Self::Interval, DataType::Interval(_)) => true,
            (Self::Instant | Self::Interval, _) => is_text,
            (Self::Number, _) => data_type.is_numeric(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Instant => "a timestamp",
            Self::Number => "a number",
            Self::Interval => "an interval",
        }
    }
}

/// The parameters of a function: name and kind in order, and how many must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Name and kind of each.
    pub(crate) all: &'static [(&'static str, Kind)],
    /// The first so many must be given.
    pub(crate) required: usize,
}

impl Parameters {
    /// Declares parameters that must all be given.
    pub(crate) const fn required(all: &'static [(&'static str, Kind)]) -> Self {
        Self { all, required: all.len() }
    }

    /// Checks the number and the types of arguments.
    ///
    /// # Errors
    /// A planning error that names the function, and the argument by number and name.
    pub(crate) fn check(&self, function: &str, types: &[DataType]) -> Result<()> {
        if types.len() < self.required || types.len() > self.all.len() {
            let names: Vec<&str> = self.all.iter().map(|(name, _)| *name).collect();
            let expected = if self.required == self.all.len() {
                self.required.to_string()
            } else {
                format!("{} to {}", self.required, self.all.len())
            };
            return plan_err!("{function} takes {expected} arguments ({}), got {}", names.join(", "), types.len());
        }
        for (index, (data_type, (name, kind))) in types.iter().zip(self.all).enumerate() {
            if !kind.accepts(data_type) {
                let hint = match (kind, data_type) {
                    (Kind::Text, DataType::Union(..)) => "; hint: ->> gives text where -> gives a JSON value",
                    _ => "",
                };
                return plan_err!(
                    "{function}: argument {} ({name}) must be {}, got {data_type}{hint}",
                    index + 1,
                    kind.name()
                );
            }
        }
        Ok(())
    }
}

/// Returns the signature that all our functions share.
pub(crate) fn signature(volatility: Volatility) -> Signature {
    Signature::variadic_any(volatility)
}

/// Returns the text of an argument that is a literal while planning.
pub(crate) fn literal_text<'a>(args: &ReturnFieldArgs<'a>, index: usize) -> Option<&'a str> {
    args.scalar_arguments.get(index).copied().flatten().and_then(scalar_text)
}

/// Returns the text of a scalar, if it is one and not null.
pub(crate) fn scalar_text(scalar: &ScalarValue) -> Option<&str> {
    scalar.try_as_str().flatten()
}

/// Returns the types of the arguments of a call.
pub(crate) fn types(args: &ReturnFieldArgs<'_>) -> Vec<DataType> {
    args.arg_fields.iter().map(|field| field.data_type().clone()).collect()
}

/// Places a function that reads JSON: a call over one column and literals belongs at the scan, where a file that holds the
/// answer as a column of its own need not read the text.
pub(crate) fn leaf_placement(args: &[ExpressionPlacement]) -> ExpressionPlacement {
    match args {
        [ExpressionPlacement::Column, rest @ ..]
            if rest.iter().all(|placement| *placement == ExpressionPlacement::Literal) =>
        {
            ExpressionPlacement::MoveTowardsLeafNodes
        }
        _ => ExpressionPlacement::KeepInPlace,
    }
}

/// Places a function of what a JSON function reads: where that belongs at the scan, so does this, for a file may hold its values.
pub(crate) fn outer_placement(args: &[ExpressionPlacement]) -> ExpressionPlacement {
    match args {
        [ExpressionPlacement::MoveTowardsLeafNodes] => ExpressionPlacement::MoveTowardsLeafNodes,
        _ => ExpressionPlacement::KeepInPlace,
    }
}

/// The values of one argument: a column, or one value for all rows.
#[derive(Debug, Clone)]
pub(crate) struct Argument<A> {
    array: A,
    is_constant: bool,
}

impl<A: Array> Argument<A> {
    fn index(&self, row: usize) -> usize {
        if self.is_constant { 0 } else { row }
    }
}

impl Argument<StringViewArray> {
    /// Returns the text of a row; `None` is null.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        let index = self.index(row);
        self.array.is_valid(index).then(|| self.array.value(index))
    }
}

impl<T: ArrowPrimitiveType> Argument<PrimitiveArray<T>> {
    /// Returns the value of a row; `None` is null.
    pub(crate) fn get(&self, row: usize) -> Option<T::Native> {
        let index = self.index(row);
        self.array.is_valid(index).then(|| self.array.value(index))
    }
}

/// The arguments of a running call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// As DataFusion gives them.
    pub(crate) args: &'a ScalarFunctionArgs,
    /// Rows to compute: 1 if every argument is constant.
    pub(crate) rows: usize,
}

impl<'a> Call<'a> {
    /// Takes the arguments of a call.
    pub(crate) fn new(args: &'a ScalarFunctionArgs) -> Self {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        Self { args, rows: if is_constant { 1 } else { args.number_rows } }
    }

    /// Returns how many arguments were given.
    pub(crate) fn len(&self) -> usize {
        self.args.args.len()
    }

    /// Returns an argument of any type: a value for each of [`Call::rows`].
    pub(crate) fn given(&self, index: usize) -> Result<ArrayRef> {
        match self.args.args.get(index) {
            Some(value) => value.to_array(self.rows),
            None => internal_err!("argument {index} of {} is missing", self.args.args.len()),
        }
    }

    /// Returns an argument that is text.
    pub(crate) fn text(&self, index: usize) -> Result<Argument<StringViewArray>> {
        let (array, is_constant) = self.array(index)?;
        let array = cast_with_options(&array, &DataType::Utf8View, &SAFE_CAST)?;
        Ok(Argument { array: array.as_string_view().clone(), is_constant })
    }

    /// Maps the argument, which is the only one, text by text; what is made of one text is repeated for its next occurrence.
    pub(crate) fn map_text(&self, read: impl for<'t> FnMut(&'t str) -> Option<Cow<'t, str>>) -> Result<ColumnarValue> {
        self.result(Arc::new(texts::map(&self.text(0)?.array, read)?))
    }

    /// Returns an argument that is a number.
    pub(crate) fn numbers(&self, index: usize) -> Result<Argument<Float64Array>> {
        let (array, is_constant) = self.array(index)?;
        let array = cast_with_options(&array, &DataType::Float64, &SAFE_CAST)?;
        Ok(Argument { array: array.as_primitive::<Float64Type>().clone(), is_constant })
    }

    /// Returns an argument that is an instant, in microseconds since the Unix epoch.
    pub(crate) fn instants(&self, index: usize) -> Result<Argument<TimestampMicrosecondArray>> {
        let (mut array, is_constant) = self.array(index)?;
        if let DataType::Dictionary(_, value) = array.data_type() {
            array = cast_with_options(&array, &value.clone(), &SAFE_CAST)?;
        }
        // Without a zone the cast must not name one either: it would take the values for local times of that zone.
        let zone: Option<Arc<str>> = match array.data_type() {
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 | DataType::Null => None,
            _ => Some("UTC".into()),
        };
        let array = cast_with_options(&array, &DataType::Timestamp(TimeUnit::Microsecond, zone), &SAFE_CAST)?;
        Ok(Argument { array: array.as_primitive().clone(), is_constant })
    }

    /// Returns an argument that is an SQL interval, or `None` where it is text.
    pub(crate) fn intervals(&self, index: usize) -> Result<Option<Argument<IntervalMonthDayNanoArray>>> {
        let (array, is_constant) = self.array(index)?;
        if !matches!(array.data_type(), DataType::Interval(_)) {
            return Ok(None);
        }
        let array = cast_with_options(&array, &DataType::Interval(IntervalUnit::MonthDayNano), &SAFE_CAST)?;
        Ok(Some(Argument { array: array.as_primitive().clone(), is_constant }))
    }

    /// Wraps a computed array as the result: one value for all rows if every argument was constant.
    pub(crate) fn result(&self, array: ArrayRef) -> Result<ColumnarValue> {
        let is_constant = self.args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        if is_constant {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
        } else {
            Ok(ColumnarValue::Array(array))
        }
    }

    fn array(&self, index: usize) -> Result<(ArrayRef, bool)> {
        match self.args.args.get(index) {
            Some(ColumnarValue::Array(array)) => Ok((Arc::clone(array), false)),
            Some(ColumnarValue::Scalar(scalar)) => Ok((scalar.to_array()?, true)),
            None => internal_err!("argument {index} of {} is missing", self.args.args.len()),
        }
    }
}

/// Something read out of a text argument (a path, a zone, an interval): once if the argument is constant, else once for each
/// distinct text. `None` is text that cannot be read, or null.
#[derive(Debug)]
pub(crate) struct Parsed<'a, V> {
    texts: &'a Argument<StringViewArray>,
    read: fn(&str) -> Option<V>,
    constant: Option<V>,
    seen: HashMap<String, Option<V>>,
}

/// Distinct texts that [`Parsed`] remembers before it starts anew, so that a column of garbage stays in bounded memory.
const REMEMBERED_TEXTS: usize = 256;

impl<'a, V> Parsed<'a, V> {
    /// Reads a constant at once, a column as it is asked for.
    pub(crate) fn new(texts: &'a Argument<StringViewArray>, read: fn(&str) -> Option<V>) -> Self {
        let constant = if texts.is_constant { texts.get(0).and_then(read) } else { None };
        Self { texts, read, constant, seen: HashMap::new() }
    }

    /// Returns what the text of a row says.
    pub(crate) fn get(&mut self, row: usize) -> Option<&mut V> {
        if self.texts.is_constant {
            return self.constant.as_mut();
        }
        let text = self.texts.get(row)?;
        if !self.seen.contains_key(text) {
            if self.seen.len() >= REMEMBERED_TEXTS {
                self.seen.clear();
            }
            self.seen.insert(text.to_owned(), (self.read)(text));
        }
        self.seen.get_mut(text)?.as_mut()
    }
}

/// Returns the documentation of a function, built from its parts; the group is a label of [`super::reference`].
pub(crate) fn document(
    group: &'static str,
    syntax: &str,
    description: &str,
    arguments: &[(&str, &str)],
    example: &str,
) -> Documentation {
    let section = datafusion::logical_expr::DocSection { include: true, label: group, description: None };
    let mut builder = Documentation::builder(section, description, syntax).with_sql_example(example);
    for (name, meaning) in arguments {
        builder = builder.with_argument(*name, *meaning);
    }
    builder.build()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use datafusion::config::ConfigOptions;
    use datafusion::logical_expr::ScalarUDFImpl;

    /// Runs a function over columns and literals, and returns one value a row.
    pub(crate) fn run(function: &dyn ScalarUDFImpl, args: Vec<ColumnarValue>) -> ArrayRef {
        let number_rows = args
            .iter()
            .find_map(|a| match a {
                ColumnarValue::Array(array) => Some(array.len()),
                ColumnarValue::Scalar(_) => None,
            })
            .unwrap_or(1);
        let arg_fields: Vec<_> =
            args.iter().enumerate().map(|(i, a)| Arc::new(Field::new(format!("a{i}"), a.data_type(), true))).collect();
        let scalars: Vec<Option<ScalarValue>> = args
            .iter()
            .map(|a| match a {
                ColumnarValue::Scalar(scalar) => Some(scalar.clone()),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let scalars: Vec<Option<&ScalarValue>> = scalars.iter().map(Option::as_ref).collect();
        let return_field = function
            .return_field_from_args(ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &scalars })
            .unwrap();
        let result = function
            .invoke_with_args(ScalarFunctionArgs {
                args,
                arg_fields,
                number_rows,
                return_field: Arc::clone(&return_field),
                config_options: Arc::new(ConfigOptions::default()),
            })
            .unwrap();
        assert_eq!(&result.data_type(), return_field.data_type());
        result.into_array(number_rows).unwrap()
    }

    /// Runs a function over one text column and text literals, and returns its text results.
    pub(crate) fn run_text(
        function: &dyn ScalarUDFImpl,
        column: &[Option<&str>],
        literals: &[&str],
    ) -> Vec<Option<String>> {
        let mut args = vec![ColumnarValue::Array(Arc::new(StringViewArray::from_iter(column.iter().copied())))];
        args.extend(literals.iter().map(|text| ColumnarValue::Scalar(ScalarValue::from(*text))));
        run(function, args).as_string_view().iter().map(|text| text.map(str::to_owned)).collect()
    }

    const TEXT: Parameters = Parameters::required(&[("json", Kind::Text), ("path", Kind::Text)]);

    #[test]
    fn a_wrong_number_of_arguments_names_them() {
        let error = TEXT.check("f", &[DataType::Utf8]).unwrap_err().strip_backtrace();
        assert_eq!(error, "Error during planning: f takes 2 arguments (json, path), got 1");
        let optional = Parameters { required: 1, ..TEXT };
        assert!(optional.check("f", &[DataType::Utf8]).is_ok());
        let error = optional.check("f", &[]).unwrap_err().strip_backtrace();
        assert!(error.ends_with("f takes 1 to 2 arguments (json, path), got 0"), "{error}");
    }

    #[test]
    fn a_wrong_type_names_the_argument() {
        let error = TEXT.check("f", &[DataType::Utf8View, DataType::Int64]).unwrap_err().strip_backtrace();
        assert_eq!(error, "Error during planning: f: argument 2 (path) must be text, got Int64");
    }

    #[test]
    fn every_string_type_null_and_dictionaries_are_text() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        for data_type in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, DataType::Null, dictionary] {
            assert!(Kind::Text.accepts(&data_type), "{data_type}");
        }
        assert!(!Kind::Text.accepts(&DataType::Binary));
    }

    #[test]
    fn instants_of_every_type_are_the_same_instant() {
        let scalars = [
            ScalarValue::TimestampSecond(Some(1_700_000_000), None),
            ScalarValue::TimestampMillisecond(Some(1_700_000_000_000), Some("Europe/Berlin".into())),
            ScalarValue::TimestampMicrosecond(Some(1_700_000_000_000_000), Some("UTC".into())),
            ScalarValue::TimestampNanosecond(Some(1_700_000_000_000_000_000), None),
            ScalarValue::from("2023-11-14T22:13:20Z"),
            ScalarValue::from("2023-11-14 23:13:20+01:00"),
            ScalarValue::from("2023-11-14T22:13:20"),
        ];
        for scalar in scalars {
            let args = ScalarFunctionArgs {
                args: vec![ColumnarValue::Scalar(scalar.clone())],
                arg_fields: Vec::new(),
                number_rows: 3,
                return_field: Arc::new(Field::new("f", DataType::Null, true)),
                config_options: Arc::new(ConfigOptions::default()),
            };
            let call = Call::new(&args);
            assert_eq!(call.rows, 1);
            assert_eq!(call.instants(0).unwrap().get(0), Some(1_700_000_000_000_000), "{scalar:?}");
        }
    }

    #[test]
    fn only_calls_over_a_column_and_literals_move_to_the_scan() {
        use ExpressionPlacement::{Column, KeepInPlace, Literal, MoveTowardsLeafNodes};
        assert_eq!(leaf_placement(&[Column]), MoveTowardsLeafNodes);
        assert_eq!(leaf_placement(&[Column, Literal]), MoveTowardsLeafNodes);
        for args in [&[Column, Column][..], &[Literal, Literal], &[KeepInPlace, Literal], &[]] {
            assert_eq!(leaf_placement(args), KeepInPlace);
        }
    }

    #[test]
    fn parsed_texts_are_read_once_and_forgotten_when_there_are_too_many() {
        let texts: Vec<String> = (0..1_000).map(|i| (i % 400).to_string()).chain(["x".to_owned()]).collect();
        let argument = Argument { array: StringViewArray::from_iter_values(&texts), is_constant: false };
        let mut parsed = Parsed::new(&argument, |text| text.parse::<i32>().ok());
        for (row, text) in texts.iter().enumerate() {
            assert_eq!(parsed.get(row).copied(), text.parse().ok());
            assert!(parsed.seen.len() <= REMEMBERED_TEXTS);
        }
    }
}
