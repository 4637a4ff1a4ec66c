//! The proof that one walk over a document finds what the look-ups of datafusion-functions-json find one by one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::Field;
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use sessionlake::engine::extract::{Extractions, MAX_COLUMNS, Reading, Step};
use sessionlake::functions::{self, Asked};

use super::documents::{PATHS, Random, documents};
use super::seeds;

/// Returns a function by its name: those of datafusion-functions-json as they are registered.
fn function(name: &str) -> Arc<ScalarUDF> {
    functions::all().into_iter().find(|function| function.name() == name).unwrap()
}

/// Calls a function the way an engine does.
fn call(function: &ScalarUDF, documents: &ArrayRef, path: &[Step]) -> ArrayRef {
    let step = |step: &Step| match step {
        Step::Key(key) | Step::Name(key) => ScalarValue::from(key.as_str()),
        Step::Index(index) => ScalarValue::Int64(Some(*index as i64)),
    };
    let scalars: Vec<ScalarValue> = path.iter().map(step).collect();
    let mut args = vec![ColumnarValue::Array(Arc::clone(documents))];
    args.extend(scalars.iter().cloned().map(ColumnarValue::Scalar));
    let arg_fields: Vec<_> = args.iter().map(|arg| Arc::new(Field::new("arg", arg.data_type(), true))).collect();
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
    // What is read at once, and what functions read of the text that was found.
    let read = [
        (Reading::Answer(Asked::Text), function("json_get_str")),
        (Reading::Answer(Asked::AnyText), function("json_as_text")),
        (Reading::Answer(Asked::Integer), function("json_get_int")),
        (Reading::Answer(Asked::Float), function("json_get_float")),
        (Reading::Answer(Asked::Boolean), function("json_get_bool")),
        (Reading::Answer(Asked::Presence), function("json_contains")),
        (Reading::Elements, function("json_get_array")),
    ];
    let found = [
        function("json_get_json"),
        function("json_get_array"),
        function("json_get"),
        function("json_length"),
        function("json_object_keys"),
        function("json_get_str"),
        function("json_get_float"),
    ];
    let (mut compared, mut nulls) = (0, 0);
    for seed in seeds(25) {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9) | 1);
        let documents = documents(seed);
        let extractions = Extractions::default();
        let columns: Vec<(Vec<Step>, Reading, &ScalarUDF)> = (0..random.below(9) + 1)
            .map(|_| match random.below(3) {
                0 => {
                    let reading = [Reading::Written, Reading::Begun][random.below(2)];
                    (path(&mut random), reading, found[random.below(found.len())].as_ref())
                }
                _ => {
                    let (reading, function) = &read[random.below(read.len())];
                    (path(&mut random), *reading, function.as_ref())
                }
            })
            .collect();
        let numbers: Vec<usize> =
            columns.iter().map(|(path, reading, _)| extractions.add(path.clone(), *reading).unwrap()).collect();
        let mut rest = documents.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(rest.len().min(random.below(120) + 1));
            rest = after;
            let texts = batch.iter().map(|document| document.as_deref());
            let batch: ArrayRef = match random.below(3) {
                0 => Arc::new(texts.collect::<StringArray>()),
                _ => Arc::new(texts.collect::<StringViewArray>()),
            };
            // Some columns of the batch, some of them twice, and in any order.
            for _ in 0..random.below(columns.len() * 2) + 1 {
                let asked = random.below(columns.len());
                let (path, reading, function) = &columns[asked];
                if extractions.is_better_alone(&batch, numbers[asked]) {
                    assert_eq!(*reading, Reading::Begun);
                    continue;
                }
                let mut alone = call(function, &batch, path);
                let mut together = extractions.column(&batch, numbers[asked]).unwrap();
                if matches!(reading, Reading::Written | Reading::Begun) {
                    together = call(function, &together, &[]);
                } else if alone.data_type() != together.data_type() {
                    alone = cast(&alone, together.data_type()).unwrap();
                }
                assert_eq!(&alone, &together, "seed {seed}: {} at {path:?}", function.name());
                compared += batch.len();
                nulls += alone.logical_null_count();
            }
        }
    }
    assert!(compared > 10_000 && nulls * 200 < compared * 199, "{nulls} of {compared} are null");
}

#[test]
fn there_are_paths_to_which_a_column_does_not_grow() {
    let extractions = Extractions::default();
    let path = |number: usize| vec![Step::Key(format!("key{number}"))];
    for number in 0..MAX_COLUMNS {
        assert_eq!(extractions.add(path(number), Reading::Written), Some(number));
    }
    assert_eq!(extractions.add(path(MAX_COLUMNS), Reading::Written), None);
    assert_eq!(extractions.add(path(3), Reading::Written), Some(3));
    let documents: ArrayRef = Arc::new(StringViewArray::from_iter_values([r#"{"key63": [1, 2], "key0": 1}"#]));
    let values = extractions.column(&documents, 63).unwrap();
    assert_eq!(values.as_any().downcast_ref::<StringViewArray>().unwrap().value(0), "[1, 2]");
}

#[test]
fn a_call_looks_for_a_near_value_itself_unless_more_is_asked_of_the_documents() {
    let key = |key: &str| vec![Step::Key(key.to_owned())];
    let batch = || -> ArrayRef {
        let filler = "x".repeat(300);
        let document = format!(r#"{{"near": {{"a": 1}}, "text": "{filler}", "far": {{"b": 2}}}}"#);
        Arc::new(StringViewArray::from_iter_values(vec![document; 20]))
    };
    let alone = |extractions: &Extractions, numbers: &[usize]| -> Vec<bool> {
        let batch = batch();
        let ask = |number: &usize| {
            let is_better = extractions.is_better_alone(&batch, *number);
            if !is_better {
                extractions.column(&batch, *number).unwrap();
            }
            is_better
        };
        numbers.iter().map(ask).collect()
    };

    let extractions = Extractions::default();
    let near = extractions.add(key("near"), Reading::Begun).unwrap();
    // Where the values are is learnt from the first batch.
    assert_eq!([(); 3].map(|()| alone(&extractions, &[near])), [[false], [true], [true]]);
    let far = extractions.add(key("far"), Reading::Begun).unwrap();
    assert_eq!([(); 3].map(|()| alone(&extractions, &[far])), [[false], [false], [false]]);
    let absent = extractions.add(key("absent"), Reading::Begun).unwrap();
    assert_eq!([(); 3].map(|()| alone(&extractions, &[absent])), [[false], [false], [false]]);

    // One walk for two is less than a walk and a look-up, and that both are asked is learnt too.
    let extractions = Extractions::default();
    let near = extractions.add(key("near"), Reading::Begun).unwrap();
    let text = extractions.add(key("text"), Reading::Answer(Asked::Text)).unwrap();
    assert_eq!([(); 3].map(|()| alone(&extractions, &[near, text])), [[false, false]; 3]);
    assert_eq!([(); 3].map(|()| alone(&extractions, &[text, near])), [[false, false]; 3]);
    assert_eq!([(); 3].map(|()| alone(&extractions, &[near])), [[false], [true], [true]]);
    // No one foresaw that more would be asked of the first of these.
    assert_eq!([(); 3].map(|()| alone(&extractions, &[near, text])), [[true, false], [false, false], [false, false]]);
}
