//! Every JSON function of the table is answered from leaves where that can be, and looked up together with others where not.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;

use super::ShredAdapterFactory;
use crate::functions::{Asked, Form, JsonCall, elements_function, json_calls};
use crate::shred::MANIFEST_KEY;
use crate::shred::leaf::{KINDS, element_leaf_name, leaf_name, list_type};

/// Under `leaf` there is a value of every kind, and a leaf of each; under `text` a string or an object, and no leaf; under `array`
/// arrays of objects with such a `leaf`. Nothing is under `absent`.
const MANIFEST: &str = r#"{"v":4,"columns":{"data":{"n":9,"p":{
    "leaf":{"n":9,"k":31,"l":true},
    "text":{"n":9,"k":33},
    "array":{"n":9,"k":32,"a":true,"e":{"n":9,"p":{"leaf":{"n":9,"k":31,"l":true}}}}
}}}}"#;

fn table() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("data", DataType::Utf8View, true)]))
}

fn file() -> SchemaRef {
    let mut fields = vec![Field::new("data", DataType::Utf8View, true)];
    for kind in KINDS {
        fields.push(Field::new(leaf_name("data", &["leaf"], kind), kind.arrow_type(), true));
        let name = element_leaf_name("data", &["array"], &["leaf"], kind);
        fields.push(Field::new(name, list_type(kind.arrow_type()), true));
    }
    let metadata = HashMap::from([(MANIFEST_KEY.to_owned(), MANIFEST.to_owned())]);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Returns what a call of `data` and literals becomes in the file.
fn rewritten(function: &Arc<ScalarUDF>, literals: Vec<ScalarValue>) -> Arc<dyn PhysicalExpr> {
    let document: Arc<dyn PhysicalExpr> = Arc::new(Column::new("data", 0));
    let literals = literals.into_iter().map(|value| Arc::new(Literal::new(value)) as Arc<dyn PhysicalExpr>);
    let args = std::iter::once(document).chain(literals).collect();
    let options = Arc::new(ConfigOptions::default());
    let call = ScalarFunctionExpr::try_new(Arc::clone(function), args, &table(), options).unwrap();
    ShredAdapterFactory.create(table(), file()).unwrap().rewrite(Arc::new(call)).unwrap()
}

fn reads_text(expression: &Arc<dyn PhysicalExpr>) -> bool {
    collect_columns(expression).iter().any(|column| column.name() == "data")
}

fn of_key(call: &JsonCall, key: &str) -> Arc<dyn PhysicalExpr> {
    let path = match call.form {
        Form::JsonPath => format!("$.{key}"),
        _ => key.to_owned(),
    };
    rewritten(&call.function, vec![ScalarValue::from(path)])
}

#[test]
fn every_call_is_answered_without_the_text_where_leaves_have_all_of_it() {
    for call in json_calls().filter(|call| call.form != Form::None) {
        let (name, can_be) = (call.name(), call.asked.is_of_leaves());
        assert_eq!(!reads_text(&of_key(call, "absent")), can_be, "{name}");
        let needs_text = KINDS.iter().any(|kind| kind.bit() & call.asked.text_only(false) != 0);
        assert_eq!(!reads_text(&of_key(call, "leaf")), can_be && !needs_text, "{name}");
    }
}

#[test]
fn every_call_that_needs_the_text_is_looked_up_with_others() {
    let mut looked_up = 0;
    for call in json_calls().filter(|call| call.form != Form::None && !call.is_null_without_json) {
        let expression = of_key(call, "text");
        if reads_text(&expression) {
            assert!(expression.to_string().contains("extract("), "{}: {expression}", call.name());
            looked_up += 1;
        }
    }
    assert!(looked_up >= 9, "{looked_up}");
}

#[test]
fn every_call_on_all_elements_is_read_from_lists() {
    let arguments = |keys: &[&str]| -> Vec<ScalarValue> {
        std::iter::once(ScalarValue::from(1_i64)).chain(keys.iter().map(|key| ScalarValue::from(*key))).collect()
    };
    let mut functions = 0;
    for call in json_calls() {
        let Some(function) = elements_function(call.name()) else { continue };
        assert!(!reads_text(&rewritten(&function, arguments(&["array", "leaf"]))), "{}", call.name());
        assert!(!reads_text(&rewritten(&function, arguments(&["leaf", "leaf"]))), "{}", call.name());
        let other = rewritten(&function, arguments(&["array", "other"]));
        assert!(other.to_string().contains("extract("), "{}: {other}", call.name());
        functions += 1;
    }
    assert_eq!(functions, 5);
    assert!(json_calls().any(|call| call.asked == Asked::Array));
}
