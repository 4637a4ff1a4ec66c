//! The proof that one walk over a document finds what the look-ups of datafusion-functions-json find one by one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringArray, StringViewArray};
use arrow::compute::is_not_null;
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use datafusion_functions_json::udfs;
use sessionlake::shred::extract::{Extractions, MAX_PATHS, Step};

use super::documents::{PATHS, Random, documents};
use super::seeds;

/// Calls a function the way an engine does.
fn call(function: &ScalarUDF, documents: &ArrayRef, path: &[Step]) -> ArrayRef {
    let step = |step: &Step| match step {
        Step::Key(key) => ScalarValue::from(key.as_str()),
        Step::Index(index) => ScalarValue::Int64(Some(*index as i64)),
    };
    let scalars: Vec<ScalarValue> = path.iter().map(step).collect();
    let mut args = vec![ColumnarValue::Array(Arc::clone(documents))];
    args.extend(scalars.iter().cloned().map(ColumnarValue::Scalar));
    let arg_fields: Vec<_> =
        args.iter().map(|arg| Arc::new(arrow::datatypes::Field::new("arg", arg.data_type(), true))).collect();
    let scalar_arguments: Vec<Option<&ScalarValue>> = std::iter::once(None).chain(scalars.iter().map(Some)).collect();
    let return_field = function
        .return_field_from_args(ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &scalar_arguments })
        .unwrap();
    let args = ScalarFunctionArgs {
        args,
        arg_fields,
        number_rows: documents.len(),
        return_field,
        config_options: Arc::new(ConfigOptions::default()),
    };
    function.invoke_with_args(args).unwrap().into_array(documents.len()).unwrap()
}

fn path(random: &mut Random) -> Vec<Step> {
    let known = PATHS[random.below(PATHS.len())];
    let mut path: Vec<Step> = known.iter().map(|key| Step::Key((*key).to_owned())).collect();
    let steps = ["a", "b", "c", "0", "1", "-1", "k", ""].map(|key| Step::Key(key.to_owned()));
    let indexes = [0, 1, 2, -1, -2, isize::MIN].map(Step::Index);
    for _ in 0..random.below(3) {
        let at = random.below(path.len() + 1);
        let step = match random.below(3) {
            0 => indexes[random.below(indexes.len())].clone(),
            _ => steps[random.below(steps.len())].clone(),
        };
        path.insert(at, step);
    }
    path
}

#[test]
fn one_walk_finds_what_every_look_up_finds() {
    let functions = [
        udfs::json_get_str_udf(),
        udfs::json_as_text_udf(),
        udfs::json_get_json_udf(),
        udfs::json_get_int_udf(),
        udfs::json_get_float_udf(),
        udfs::json_get_bool_udf(),
        udfs::json_get_array_udf(),
        udfs::json_get_udf(),
        udfs::json_length_udf(),
        udfs::json_object_keys_udf(),
    ];
    let contains = udfs::json_contains_udf();
    let (mut compared, mut found) = (0, 0);
    for seed in seeds(12) {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9) | 1);
        let documents = documents(seed);
        let extractions = Extractions::default();
        let paths: Vec<Vec<Step>> = (0..random.below(9) + 1).map(|_| path(&mut random)).collect();
        let numbers: Vec<usize> = paths.iter().map(|path| extractions.add(path.clone()).unwrap()).collect();
        let mut rest = documents.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(rest.len().min(random.below(120) + 1));
            rest = after;
            let texts = batch.iter().map(|document| document.as_deref());
            let batch: ArrayRef = match random.below(3) {
                0 => Arc::new(texts.collect::<StringArray>()),
                _ => Arc::new(texts.collect::<StringViewArray>()),
            };
            // Some paths of the batch, some of them twice, and in any order.
            for _ in 0..random.below(paths.len() * 2) + 1 {
                let asked = random.below(paths.len());
                let values = extractions.values(&batch, numbers[asked]).unwrap();
                let function = &functions[random.below(functions.len())];
                let (alone, together) = (call(function, &batch, &paths[asked]), call(function, &values, &[]));
                assert_eq!(&alone, &together, "seed {seed}: {} at {:?}", function.name(), paths[asked]);
                let exists: ArrayRef = Arc::new(is_not_null(&values).unwrap());
                assert_eq!(&call(&contains, &batch, &paths[asked]), &exists, "seed {seed}: {:?}", paths[asked]);
                compared += batch.len();
                found += exists.as_any().downcast_ref::<BooleanArray>().unwrap().true_count();
            }
        }
    }
    assert!(compared > 10_000 && found * 50 > compared, "{found} of {compared} found");
}

#[test]
fn there_are_paths_to_which_a_column_does_not_grow() {
    let extractions = Extractions::default();
    let path = |number: usize| vec![Step::Key(format!("key{number}"))];
    for number in 0..MAX_PATHS {
        assert_eq!(extractions.add(path(number)), Some(number));
    }
    assert_eq!(extractions.add(path(MAX_PATHS)), None);
    assert_eq!(extractions.add(path(3)), Some(3));
    let documents: ArrayRef = Arc::new(StringViewArray::from_iter_values([r#"{"key63": [1, 2], "key0": 1}"#]));
    let values = extractions.values(&documents, 63).unwrap();
    assert_eq!(values.as_any().downcast_ref::<StringViewArray>().unwrap().value(0), "[1, 2]");
}
