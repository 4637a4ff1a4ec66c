//! Columns that are made of documents, changed in one place, and what the comparison says of it.

use arrow::array::{ArrayRef, AsArray, Int64Array, ListArray, StringViewArray};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::*;
use crate::shred::choice::choose;
use crate::shred::limits::{LeafLimits, PathRules};
use crate::shred::{FileShredder, MANIFEST_KEY};

/// A file of documents: their columns by name, with the manifest in the schema.
struct Made {
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
}

fn batch(name: &str, documents: &[Option<String>]) -> RecordBatch {
    let texts: ArrayRef = Arc::new(documents.iter().map(Option::as_deref).collect::<StringViewArray>());
    let schema = Schema::new(vec![Field::new(name, DataType::Utf8View, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![texts]).unwrap()
}

/// Shreds documents with the leaves that some of them ask for.
fn made(name: &'static str, documents: &[Option<String>], sample: usize, included: &str) -> Made {
    let all = batch(name, documents);
    let rules = Arc::new(PathRules::parse(included, "", &[name]).unwrap());
    let limits = LeafLimits { columns: 200, lake_rows: 0, rules };
    let set = choose(&[all.slice(0, sample.min(all.num_rows()))], &[name], &limits, documents.len());
    let mut fields = vec![Field::new(name, DataType::Utf8View, true)];
    fields.extend(set.fields());
    let shredder = FileShredder::new(vec![name], set);
    let mut columns: Vec<Vec<ArrayRef>> = Vec::new();
    let mut at = 0;
    while at < all.num_rows() {
        let piece = shredder.shred(&all.slice(at, all.num_rows() - at)).unwrap();
        at += piece.rows;
        columns.push(piece.arrays);
    }
    let joined = (0..fields.len() - 1).map(|column| {
        let parts: Vec<&dyn Array> = columns.iter().map(|piece| piece[column].as_ref()).collect();
        arrow::compute::concat(&parts).unwrap()
    });
    let columns = std::iter::once(Arc::clone(all.column(0))).chain(joined).collect();
    let metadata = [(MANIFEST_KEY.to_owned(), shredder.manifest().to_json())];
    Made { schema: Arc::new(Schema::new(fields).with_metadata(metadata.into())), columns }
}

impl Made {
    fn rows(&self) -> usize {
        self.columns[0].len()
    }

    fn place(&self, name: &str) -> usize {
        let known: Vec<&String> = self.schema.fields().iter().map(|field| field.name()).collect();
        self.schema.index_of(name).unwrap_or_else(|_| panic!("{name} of {known:?}"))
    }

    /// Compares the columns in batches of so many rows.
    fn told(&self, rows: usize) -> Vec<String> {
        let mut checker = Checker::new(&self.schema).unwrap();
        let schema = checker.schema();
        let columns = schema.fields().iter().map(|field| Arc::clone(&self.columns[self.place(field.name())]));
        let all = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
        for start in (0..self.rows()).step_by(rows) {
            checker.check(&all.slice(start, rows.min(self.rows() - start))).unwrap();
        }
        let valid = self.columns[0].len() - self.columns[0].null_count();
        assert_eq!(checker.documents(), valid as u64, "each document is read once");
        let told = |it: Difference| format!("{} {}{}", it.place, if it.is_element { "e" } else { "" }, it.number);
        checker.differences().into_iter().map(told).collect()
    }

    /// Changes the text of a row, and nothing beside it.
    fn with_text(&mut self, row: usize, change: impl Fn(&str) -> String) {
        let texts = self.columns[0].as_string_view().iter().enumerate();
        let texts = texts.map(|(at, text)| text.map(|text| if at == row { change(text) } else { text.to_owned() }));
        self.columns[0] = Arc::new(texts.collect::<StringViewArray>());
    }

    fn with(&mut self, name: &str, change: impl Fn(&ArrayRef) -> ArrayRef) {
        let place = self.place(name);
        self.columns[place] = change(&self.columns[place]);
    }
}

/// Documents with every kind of column: leaves of all types, a rare path, one of another type now and then, elements, addresses.
fn documents(count: usize) -> Vec<Option<String>> {
    let document = |row: usize| {
        let rare = if row % 150 == 7 { format!(r#","rare":"r{row}","note":{{"k":[{row}]}}"#) } else { String::new() };
        let odd = if row % 500 == 20 { r#""seven""# } else { "7" };
        let mail = format!("p{}@{}.example", row % 40, row % 3);
        (row % 90 != 5).then(|| {
            format!(
                r#"{{"tier":"t\u00e9{}","n":{row},"f":{}.5,"b":{},"raw":1.50,"odd":{odd},"mail":"{mail}","ev":[{{"t":"a{}"}},{{"t":"b","n":{}}}]{rare}}}"#,
                row % 3,
                row % 9,
                row.is_multiple_of(2),
                row % 4,
                row % 5
            )
        })
    };
    (0..count).map(document).collect()
}

fn usual() -> Made {
    made("data", &documents(1_500), 10, "data.n, data.f, data.b, data.raw, data.odd, data.tier, data.ev[*].*")
}

#[test]
fn what_was_written_is_what_the_text_has() {
    let made = usual();
    for rows in [1_500, 512, 1] {
        assert_eq!(made.told(rows), Vec::<String>::new());
    }
}

#[test]
fn a_value_of_any_column_that_is_another_is_found_with_its_path_and_row() {
    let change = |from: &'static str, to: &'static str| move |text: &str| text.replacen(from, to, 1);
    for (row, from, to, told) in [
        (9, r#""tier":"t\u00e90""#, r#""tier":"te0""#, "data: $.tier 9"),
        (10, r#""n":10"#, r#""n":11"#, "data: $.n 10"),
        (11, r#""f":2.5"#, r#""f":2.25"#, "data: $.f 11"),
        (12, r#""b":true"#, r#""b":false"#, "data: $.b 12"),
        (13, r#""raw":1.50"#, r#""raw":1.500"#, "data: $.raw 13"),
        (14, r#""n":14,"#, "", "data: $.n 14"),
        (15, r#""tier":"t\u00e90""#, r#""tier":null"#, "data: $.tier 15"),
        (16, r#""t":"a0""#, r#""t":"b0""#, "data: $.ev[*].t e30"),
        (17, r#",{"t":"b","n":2}]"#, "]", "data: $.ev[*].n e32"),
        (520, r#""odd":"seven""#, r#""odd":"eight""#, "data: $.odd 520"),
        (157, r#""rare":"r157""#, r#""rare":"r158""#, "data: $.rare 157"),
        (157, r#","rare":"r157""#, "", "data: $.rare 157"),
        (157, r#"{"k":[157]}"#, r#"{"k":[157,1]}"#, "data: $.note.k 157"),
        (30, r#""n":30"#, r#""n":30,"other":1"#, "data: $.other 30"),
        (31, r#""b":false"#, r#""b":"false""#, "data: $.b 31"),
        (32, r#""raw":1.50"#, r#""raw":[1.50]"#, "data: $.raw 32"),
        (33, r#""mail":"p33@0"#, r#""mail":"p33@1"#, "data: $.mail 33"),
    ] {
        let mut made = usual();
        made.with_text(row, change(from, to));
        let differences = made.told(512);
        assert!(differences.contains(&told.to_owned()), "{from} as {to}: {differences:?}");
        let path = told.rsplit_once(' ').unwrap().0;
        let others = differences.iter().filter(|told| !told.starts_with(path) && !told.contains("$.ev[*]"));
        let others: Vec<_> = others.filter(|told| !told.contains("$.note")).collect();
        assert!(others.is_empty(), "{from} as {to}: {others:?}");
    }
}

#[test]
fn a_value_that_only_a_column_has_is_found() {
    let mut made = usual();
    let place = made.columns[0].as_string_view().iter().position(|text| text.is_none()).unwrap();
    made.with("~shred/data/n#i", |numbers| {
        let numbers = numbers.as_primitive::<Int64Type>().iter().enumerate();
        Arc::new(numbers.map(|(row, number)| if row == place { Some(4) } else { number }).collect::<Int64Array>())
    });
    assert_eq!(made.told(1_000), [format!("data: $.n {place}")]);
    let mut made = usual();
    made.with("~shred/data/ev[]/t#s", |lists| {
        let lists = lists.as_list::<i32>();
        let mut valid: Vec<bool> = (0..lists.len()).map(|row| lists.is_valid(row)).collect();
        valid[40] = false;
        let DataType::List(item) = lists.data_type() else { panic!("no list") };
        let nulls = Some(valid.into());
        Arc::new(ListArray::new(Arc::clone(item), lists.offsets().clone(), Arc::clone(lists.values()), nulls))
    });
    assert!(made.told(1_500).contains(&"data: $.ev[*].t e78".to_owned()), "{:?}", made.told(1_500));
}

#[test]
fn names_of_actions_are_compared() {
    let documents: Vec<Option<String>> = (0..400).map(|row| Some(format!(r#"{{"action":"a{}"}}"#, row % 4))).collect();
    let mut made = made("action_data", &documents, 400, "");
    assert_eq!(made.told(100), Vec::<String>::new());
    made.with_text(250, |_| r#"{"type":"other"}"#.to_owned());
    assert_eq!(made.told(100)[0], "action_data: its name 250");
}

#[test]
fn what_the_manifest_does_not_name_is_found() {
    let mut made = usual();
    let manifest = made.schema.metadata()[MANIFEST_KEY].clone();
    // The path's types, but for that of texts.
    let mut changed: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    changed["columns"]["data"]["p"]["mail"]["k"] = 2.into();
    let metadata = [(MANIFEST_KEY.to_owned(), changed.to_string())];
    made.schema = Arc::new(made.schema.as_ref().clone().with_metadata(metadata.into()));
    assert_eq!(made.told(1_500), ["data: $.mail 0"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn nothing_is_found_wrong_with_what_the_shredder_writes_of_any_documents(
        texts in proptest::collection::vec(
            proptest::option::weighted(0.9, r#" ?\{("[abc]": ?(-?[0-9]{1,3}(\.[0-9]{1,3})?|"([a-é"]|\\[nu"]|\\u00e9|\\ud800){0,3}"|"[a-z]{20}"|null|true|tru|1e5|\[1,\{"a":2\}\]|\[\{"b":"x"\}(,|\])|\{("[ab]":0)?\}),? ?){0,5}\}?"#),
            1..40,
        ),
        sample in 1..40_usize,
        rows in 1..40_usize,
    ) {
        for included in ["", "data.a, data.b, data.c[*].*, data.a[*].*"] {
            let made = made("data", &texts, sample, included);
            prop_assert_eq!(made.told(rows), Vec::<String>::new(), "{:?}", texts);
        }
    }
}
