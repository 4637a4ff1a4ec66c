//! The table of JSON functions: which there are, and what a call asks of the value at its path.
//!
//! Whoever treats JSON calls by their kind asks this table, and nobody lists them by name: what is registered, the rewrites that make one
//! call of several (`rewrite`, `operators`), the functions of whole arrays (`elements`), and the scan, which answers calls from leaf
//! columns or reads several values in one walk (`engine::leaves`). A new function is a row here; a test finds those that have none.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use datafusion_functions_json::udfs;

use super::json_exists::JSON_EXISTS;
use super::json_query::JSON_QUERY;
use super::json_valid::JSON_VALID;
use super::json_value::JSON_VALUE;
use super::objects::OBJECT_ONLY;
use super::plain::plain;
use crate::json::kinds::{ALL_KINDS, BROKEN, CONTAINER, Kind, NULL};

/// What a call asks of the value at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// The text of a string.
    Text,
    /// The text of any value: a string decoded, all else as the document writes it.
    AnyText,
    /// The text of any value but objects and arrays.
    ScalarText,
    /// A whole number; a string may spell it.
    Integer,
    /// A number; a string may spell it.
    Float,
    /// true or false; a string may spell it.
    Boolean,
    /// The value as the document writes it.
    Written,
    /// The value as a JSON value: a union of Arrow's types.
    Union,
    /// The elements of an array.
    Array,
    /// What an object or array has: its length, its keys.
    Container,
    /// Whether there is a value.
    Presence,
    /// Nothing at a path: the function is of the whole document, or makes one.
    Whole,
}

/// How a call says where its value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By keys and indexes, an argument each.
    Steps,
    /// By a JSONPath.
    JsonPath,
    /// Not at all.
    None,
}

/// A JSON function.
#[derive(Debug)]
pub struct JsonCall {
    /// What it asks of the value at the path.
    pub asked: Asked,
    /// How the path is given.
    pub form: Form,
    /// Whether it gives null for a null or broken document, where others that ask the same give false.
    pub is_null_without_json: bool,
    /// The function itself.
    pub function: LazyLock<Arc<ScalarUDF>>,
    /// The function of what this one gives for each element of an array, which the optimizer alone calls.
    pub of_elements: Option<&'static str>,
    origin: Origin,
}

/// Whose function it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Of datafusion-functions-json.
    Stock,
    /// Ours, for queries.
    Ours,
    /// Ours, for plans alone.
    Hidden,
}

const fn row(asked: Asked, form: Form, origin: Origin, function: fn() -> Arc<ScalarUDF>) -> JsonCall {
    let function = LazyLock::new(function);
    JsonCall { asked, form, is_null_without_json: false, function, of_elements: None, origin }
}

/// Makes a row for a function of datafusion-functions-json that reads a value by steps.
const fn stock(asked: Asked, function: fn() -> Arc<ScalarUDF>) -> JsonCall {
    row(asked, Form::Steps, Origin::Stock, function)
}

/// Adds the function of what this one gives for each element of an array.
const fn with_elements(mut call: JsonCall, of_elements: &'static str) -> JsonCall {
    call.of_elements = Some(of_elements);
    call
}

/// Says that the function gives null for a null or broken document.
const fn null_without_json(mut call: JsonCall) -> JsonCall {
    call.is_null_without_json = true;
    call
}

/// All JSON functions; those of one origin in the order in which they are listed.
pub(super) static CALLS: [JsonCall; 18] = [
    with_elements(stock(Asked::AnyText, || plain(udfs::json_as_text_udf())), "json_elements_text"),
    with_elements(stock(Asked::Text, || plain(udfs::json_get_str_udf())), "json_elements_str"),
    stock(Asked::Written, || plain(udfs::json_get_json_udf())),
    with_elements(stock(Asked::Integer, || plain(udfs::json_get_int_udf())), "json_elements_int"),
    with_elements(stock(Asked::Float, || plain(udfs::json_get_float_udf())), "json_elements_float"),
    with_elements(stock(Asked::Boolean, || plain(udfs::json_get_bool_udf())), "json_elements_bool"),
    stock(Asked::Array, || plain(udfs::json_get_array_udf())),
    stock(Asked::Union, || plain(udfs::json_get_udf())),
    stock(Asked::Presence, || plain(udfs::json_contains_udf())),
    stock(Asked::Container, || plain(udfs::json_length_udf())),
    stock(Asked::Container, || plain(udfs::json_object_keys_udf())),
    row(Asked::Whole, Form::None, Origin::Stock, udfs::json_from_scalar_udf),
    row(Asked::Whole, Form::None, Origin::Stock, udfs::json_union_to_text_udf),
    row(Asked::ScalarText, Form::JsonPath, Origin::Ours, || JSON_VALUE.udf()),
    row(Asked::Written, Form::JsonPath, Origin::Ours, || JSON_QUERY.udf()),
    null_without_json(row(Asked::Presence, Form::JsonPath, Origin::Ours, || JSON_EXISTS.udf())),
    row(Asked::Whole, Form::None, Origin::Ours, || JSON_VALID.udf()),
    row(Asked::Whole, Form::None, Origin::Hidden, || OBJECT_ONLY.udf()),
];

/// Lists all JSON functions but those of elements.
#[cfg(test)]
pub fn json_calls() -> impl Iterator<Item = &'static JsonCall> {
    CALLS.iter()
}

/// Returns what is known of a function; `None` for one that is no JSON function, and for those of elements.
pub fn json_call(name: &str) -> Option<&'static JsonCall> {
    // Most functions are none, and their names are told apart here.
    if !name.starts_with("json_") {
        return None;
    }
    CALLS.iter().find(|call| call.name() == name)
}

/// Returns what is called on each element by the function of whole arrays that has this name.
pub fn call_of_elements(name: &str) -> Option<&'static JsonCall> {
    CALLS.iter().find(|call| call.of_elements == Some(name))
}

/// Returns the first function that asks this by steps.
pub(super) fn by_steps(asked: Asked) -> &'static Arc<ScalarUDF> {
    let is_it = |call: &&JsonCall| call.asked == asked && call.form == Form::Steps;
    // The table has one for all that is asked.
    let call = CALLS.iter().find(is_it).unwrap_or(&CALLS[0]);
    &call.function
}

/// Lists the functions of datafusion-functions-json.
pub(crate) fn stock_functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    of_origin(Origin::Stock)
}

/// Lists our own functions that queries call.
pub(crate) fn our_functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    of_origin(Origin::Ours)
}

fn of_origin(origin: Origin) -> impl Iterator<Item = Arc<ScalarUDF>> {
    CALLS.iter().filter(move |call| call.origin == origin).map(|call| Arc::clone(&call.function))
}

impl JsonCall {
    /// The name of the function.
    pub fn name(&self) -> &str {
        self.function.name()
    }

    /// Says whether a `json_get` that is the first argument can be drawn into a call: `json_get_int(json_get(d, 'a'), 'b')` is
    /// `json_get_int(d, 'a', 'b')`.
    pub(super) fn draws_in(&self) -> bool {
        self.form == Form::Steps
            && !matches!(self.asked, Asked::Array | Asked::Container | Asked::Presence | Asked::Whole)
    }
}

impl Asked {
    /// Returns what to ask in place of a JSON value that is to be cast to a type.
    pub(super) fn in_place_of_a_cast(to: &DataType) -> Option<Self> {
        Some(match to {
            DataType::Boolean => Self::Boolean,
            DataType::Int64 | DataType::Int32 | DataType::Int16 | DataType::Int8 => Self::Integer,
            DataType::Float64 | DataType::Float32 | DataType::Decimal128(..) | DataType::Decimal256(..) => Self::Float,
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Self::AnyText,
            // Of a text these are read.
            DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Interval(_) => Self::AnyText,
            _ => return None,
        })
    }

    /// The kinds of values for which the answer is not null; [`Asked::text_only`] has those that are not in leaves.
    pub fn reads(self) -> u8 {
        match self {
            Self::Text => Kind::Text.bit(),
            Self::Boolean => Kind::Boolean.bit() | Kind::Text.bit(),
            Self::Integer | Self::Float => ALL_KINDS & !Kind::Boolean.bit(),
            Self::AnyText | Self::ScalarText | Self::Written | Self::Union | Self::Presence => ALL_KINDS,
            Self::Array | Self::Container | Self::Whole => 0,
        }
    }

    /// What is met at a path that no leaf holds, and that the answer depends on: then the text must be parsed.
    pub fn text_only(self, may_have_arrays: bool) -> u8 {
        match self {
            Self::AnyText | Self::Container => CONTAINER,
            Self::Written => Kind::Text.bit() | NULL | CONTAINER,
            Self::Presence => NULL | CONTAINER | BROKEN,
            Self::Array if may_have_arrays => CONTAINER,
            Self::Array | Self::Text | Self::ScalarText | Self::Integer | Self::Float | Self::Boolean => 0,
            Self::Union | Self::Whole => u8::MAX,
        }
    }

    /// The kind whose leaf is the answer where no other kind that is read is there.
    pub fn usual_kind(self) -> Option<Kind> {
        match self {
            Self::Text | Self::AnyText | Self::ScalarText => Some(Kind::Text),
            Self::Integer => Some(Kind::Integer),
            Self::Float => Some(Kind::Float),
            Self::Boolean => Some(Kind::Boolean),
            Self::Written | Self::Union | Self::Array | Self::Container | Self::Presence | Self::Whole => None,
        }
    }

    /// Says whether the answer can be made of leaves, where these have all that was met.
    pub fn is_of_leaves(self) -> bool {
        !matches!(self, Self::Union | Self::Whole)
    }

    /// Says whether an object at the path makes a difference, beside that there is something.
    pub fn is_of_objects(self) -> bool {
        matches!(self, Self::AnyText | Self::Written | Self::Union | Self::Container | Self::Presence)
    }

    /// The type of an answer that is made of leaves, or that the scan reads of the text.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean | Self::Presence => DataType::Boolean,
            _ => DataType::Utf8View,
        }
    }

    /// Says whether the answer is the text of a value.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::AnyText | Self::ScalarText)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::FunctionRegistry;
    use datafusion::logical_expr::ExpressionPlacement;

    use super::*;
    use crate::functions;

    #[test]
    fn every_json_function_is_in_the_table() {
        let all = functions::all();
        for function in all.iter().filter(|function| function.name().starts_with("json")) {
            assert!(json_call(function.name()).is_some(), "{} is not in the table of JSON functions", function.name());
        }
        // What a release of datafusion-functions-json adds must come into the table too.
        let mut context = datafusion::prelude::SessionContext::new();
        datafusion_functions_json::register_all(&mut context).unwrap();
        for name in context.udfs().iter().filter(|name| name.starts_with("json")) {
            let name = context.udf(name).unwrap().name().to_owned();
            assert!(json_call(&name).is_some(), "{name} is not in the table of JSON functions");
        }
        let names: std::collections::BTreeSet<&str> = CALLS.iter().map(JsonCall::name).collect();
        assert_eq!(names.len(), CALLS.len());
    }

    #[test]
    fn calls_of_a_column_by_literals_are_computed_at_the_scan() {
        let args = [ExpressionPlacement::Column, ExpressionPlacement::Literal];
        for call in CALLS.iter().filter(|call| call.form != Form::None) {
            let placement = call.function.inner().placement(&args);
            assert_eq!(placement, ExpressionPlacement::MoveTowardsLeafNodes, "{}", call.name());
        }
        for call in CALLS.iter().filter(|call| call.of_elements.is_some()) {
            let function = super::super::elements_function(call.name()).unwrap();
            assert_eq!(call_of_elements(function.name()).unwrap().name(), call.name());
            assert_eq!(function.inner().placement(&args), ExpressionPlacement::MoveTowardsLeafNodes);
        }
    }

    #[test]
    fn what_is_asked_by_steps_has_its_function() {
        for (asked, name) in [
            (Asked::Text, "json_get_str"),
            (Asked::AnyText, "json_as_text"),
            (Asked::Integer, "json_get_int"),
            (Asked::Float, "json_get_float"),
            (Asked::Boolean, "json_get_bool"),
            (Asked::Written, "json_get_json"),
            (Asked::Union, "json_get"),
            (Asked::Array, "json_get_array"),
            (Asked::Presence, "json_contains"),
        ] {
            assert_eq!(by_steps(asked).name(), name);
        }
        let drawn: Vec<&str> = CALLS.iter().filter(|call| call.draws_in()).map(JsonCall::name).collect();
        let expected = [
            "json_as_text",
            "json_get_str",
            "json_get_json",
            "json_get_int",
            "json_get_float",
            "json_get_bool",
            "json_get",
        ];
        assert_eq!(drawn, expected);
    }
}
