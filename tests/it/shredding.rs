//! The proof that leaf columns are invisible: every question gets the same answer with them and without.
//!
//! Files of nasty and random documents are written with leaves, and asked the same questions twice: once reading leaves, once
//! parsing the text by datafusion-functions-json alone.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray, new_null_array};
use arrow::util::pretty::pretty_format_batches;
use chrono::DateTime;
use chrono_tz::Tz;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::local::LocalFileSystem;
use sessionlake::engine::{Engine, EngineOptions, LakeTable, Leaves};
use sessionlake::lake::write::FileLimits;
use sessionlake::lake::{DataFile, FileWriter, Output};
use sessionlake::schema;
use url::Url;

/// Documents that are odd in one way each.
const NASTY: &[&str] = &[
    r#"{"a":"x","b":{"c":1},"d":1.5}"#,
    r#"{"a":"y","b":{"c":2},"d":2.5,"e":true}"#,
    r#"{"a":"","b":{"c":-1},"d":0.1,"e":false}"#,
    r#"{"a":null,"b":null,"d":null,"e":null}"#,
    r#"{}"#,
    r#""#,
    r#" "#,
    r#"null"#,
    r#"true"#,
    r#"12"#,
    r#""text""#,
    r#"[1,2,{"a":"in array"}]"#,
    r#"end"#,
    r#"{"a":1,"b":{"c":"three"},"d":"4.5","e":"true"}"#,
    r#"{"a":1.0,"b":{"c":3.0},"d":1e5,"e":"false"}"#,
    r#"{"a":1.50,"b":{"c":1e400},"d":-0,"e":"TRUE"}"#,
    r#"{"a":-0.0,"b":{"c":-0},"d":123456789012345678901234567890,"e":1}"#,
    r#"{"a":9223372036854775807,"b":{"c":-9223372036854775808},"d":9223372036854775808,"e":0}"#,
    r#"{"a":[1,2],"b":[{"c":9}],"d":{"x":1},"e":[]}"#,
    r#"{"a":{"z":{}},"b":{"c":{"deep":1}},"d":[[]],"e":{}}"#,
    r#"{"a":"first","a":"second","b":{"c":1,"c":2},"b":{"c":3}}"#,
    r#"{"b":5,"b":{"c":6}}"#,
    r#"{"b":{"x":1},"b":{"c":7}}"#,
    r#"{"a":"\u00e9\n\t\"\\\/","b":{"c":"\ud83d\ude00"},"d":"\u0000"}"#,
    r#"{"a":"\ud800","b":{"c":1}}"#,
    r#"{"a":"\q","b":{"c":8},"d":3}"#,
    r#"{"d":1,"a":"\u12","b":{"c":8}}"#,
    "{\"a\":\"raw\u{1}control\",\"b\":{\"c\":10}}",
    r#"{"a":"cut"#,
    r#"{"a":"cut","b":{"c":11"#,
    r#"{"a":"cut","b":{"c":12},"#,
    r#"{"a":"cut","b":{"c":13},}"#,
    r#"{"a":"junk","b":{"c":14}} trailing"#,
    r#"{"a":"junk" "b":{"c":15}}"#,
    r#"{"a":01,"b":{"c":16}}"#,
    r#"{"a":+1,"b":{"c":17}}"#,
    r#"{"a":1.,"b":{"c":18}}"#,
    r#"{"a":.5,"b":{"c":19}}"#,
    r#"{"a":1e,"b":{"c":20}}"#,
    r#"{"a":-,"b":{"c":21}}"#,
    r#"{"a":NaN,"b":{"c":22},"d":Infinity}"#,
    r#"{"a":-Infinity,"b":{"c":23}}"#,
    r#"{"a":tru,"b":{"c":24}}"#,
    r#"{"e":tru,"b":{"c":24}}"#,
    r#"{"a":'single',"b":{"c":25}}"#,
    r#"{a:1,"b":{"c":26}}"#,
    "\u{feff}{\"a\":\"bom\",\"b\":{\"c\":27}}",
    r#"  {  "a"  :  "spaces"  ,  "b" : { "c" : 28 } }  "#,
    r#"{"a.b":"dot","a/b":"slash","a~b":"tilde","a#b":"hash","":"empty","0":"zero","-1":"minus","b":{"":{"c":1}}}"#,
    r#"{"0":{"c":"index"},"b":{"0":"zero","c":29}}"#,
    r#"{"a":"12","b":{"c":" 12"},"d":"1e3","e":"yes"}"#,
    r#"{"a":"+1","b":{"c":"0x10"},"d":"NaN","e":"no"}"#,
    r#"{"a":"inf","b":{"c":"1_000"},"d":"-0","e":"null"}"#,
    r#"{"b":{"c":"{\"inner\":1}"},"a":"[1]"}"#,
    r#"{"d":{"skip":"\q"},"a":"after a bad escape that is skipped","b":{"c":30}}"#,
    r#"{"unknown":"\q","a":"after","b":{"c":31},"d":7}"#,
    r#"{"b":{"unknown":"\ud800\u","c":32},"a":"later"}"#,
];

/// Keys that paths are made of; all documents use some of them.
const PATHS: &[&[&str]] = &[
    &["a"],
    &["b"],
    &["d"],
    &["e"],
    &["b", "c"],
    &["b", "c", "deep"],
    &["a", "z"],
    &["a.b"],
    &["a/b"],
    &["a~b"],
    &["a#b"],
    &[""],
    &["0"],
    &["b", "0"],
    &["nowhere"],
    &["b", "nowhere"],
    &["unknown"],
    &["k", "k", "k", "k", "k", "k", "k", "k", "k"],
];

/// A small generator of numbers, so that cases are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn value(&mut self, depth: usize) -> String {
        const SCALARS: &[&str] = &[
            "1",
            "0",
            "-3",
            "2.5",
            "-0",
            "1.50",
            "1e3",
            "true",
            "false",
            "null",
            "\"\"",
            "\"x\"",
            "\"12\"",
            "\"true\"",
            "\"é\\n\"",
            "12345678901234567890",
            "\"long text that is not so very short at all, really\"",
        ];
        match self.below(if depth > 9 { 8 } else { 11 }) {
            0..=7 => self.pick(SCALARS).to_owned(),
            8 => {
                let items: Vec<_> = (0..self.below(3)).map(|_| self.value(depth + 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => self.object(depth + 1),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        const KEYS: &[&str] = &["a", "b", "c", "d", "e", "a.b", "a/b", "", "0", "z", "deep", "unknown", "k"];
        let members: Vec<_> =
            (0..self.below(6)).map(|_| format!("\"{}\":{}", self.pick(KEYS), self.value(depth))).collect();
        format!("{{{}}}", members.join(if self.below(9) == 0 { " , " } else { "," }))
    }

    fn mutated(&mut self, document: &str) -> String {
        let mut bytes = document.as_bytes().to_vec();
        if bytes.is_empty() {
            return String::new();
        }
        let at = self.below(bytes.len());
        match self.below(4) {
            0 => bytes.truncate(at),
            1 => bytes[at] = b"{}[]\",:\\ x0-"[self.below(12)],
            2 => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, b"{}[]\",:\\ x0-"[self.below(12)]),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn documents(seed: u64) -> Vec<Option<String>> {
    let mut random = Random(seed | 1);
    let mut documents: Vec<Option<String>> = NASTY.iter().map(|d| Some((*d).to_owned())).collect();
    documents.push(None);
    for levels in [7, 8, 9, 120, 199, 200, 201, 260] {
        documents.push(Some(format!("{}1{}", "{\"k\":".repeat(levels), "}".repeat(levels))));
        documents.push(Some(format!(
            "{{\"z\":{}{},\"a\":\"behind\",\"b\":{{\"c\":1}}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )));
    }
    for index in 0..200 {
        let document = random.object(0);
        documents.push(Some(if index % 3 == 0 { random.mutated(&document) } else { document }));
    }
    // The order decides what a sample sees, and which row group a kind is met in.
    for index in (1..documents.len()).rev() {
        documents.swap(index, random.below(index + 1));
    }
    documents
}

fn batch(documents: &[Option<String>]) -> RecordBatch {
    let schema = schema::stored_schema();
    let rows = documents.len();
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| -> ArrayRef {
            match field.name().as_str() {
                "session_id" => Arc::new(StringViewArray::from_iter_values((0..rows).map(|row| format!("{row:05}")))),
                "started_at" => {
                    Arc::new(TimestampMicrosecondArray::from_iter_values(0..rows as i64).with_timezone("UTC"))
                }
                "data" => Arc::new(documents.iter().map(|d| d.as_deref()).collect::<StringViewArray>()),
                schema::CONTENT_HASH => Arc::new(Int64Array::from_iter_values(0..rows as i64)),
                _ => new_null_array(field.data_type(), rows),
            }
        })
        .collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

/// Writes the documents as data files, with several row groups to a file.
fn write(folder: &Path, documents: &[Option<String>], budget: usize, limits: FileLimits) -> Vec<DataFile> {
    let mut writer =
        FileWriter::new(schema::stored_schema(), Output::Folder(folder.to_owned()), NonZeroUsize::MIN, "ended")
            .with_limits(limits)
            .with_leaves(budget);
    for chunk in documents.chunks(37) {
        writer.write(&batch(chunk)).unwrap();
    }
    let file = |written: sessionlake::lake::WrittenFile| DataFile {
        path: written.path,
        size_bytes: written.size_bytes,
        rows: Some(written.rows),
        columns: Default::default(),
    };
    writer.finish().unwrap().into_iter().map(file).collect()
}

fn engine(folder: &Path, files: &[DataFile], leaves: Leaves) -> Engine {
    let options = EngineOptions {
        as_of: DateTime::UNIX_EPOCH,
        time_zone: Tz::UTC,
        memory_limit_bytes: 1 << 30,
        spill_limit_bytes: 1 << 30,
        temporary_folder: None,
        threads: NonZeroUsize::MIN,
        leaves,
    };
    let engine = Engine::new(options).unwrap();
    let url = Url::parse("lake://test").unwrap();
    let store = LocalFileSystem::new_with_prefix(folder).unwrap();
    engine.context().runtime_env().register_object_store(&url, Arc::new(store));
    let store = ObjectStoreUrl::parse("lake://test").unwrap();
    let table = LakeTable::new("t", 1, store, schema::stored_schema(), Arc::new(files.to_vec()), leaves);
    engine.context().register_table("t", Arc::new(table)).unwrap();
    engine
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Every function over every path, each in several shapes of query.
fn questions() -> Vec<String> {
    let mut questions = vec!["select session_id, data from t order by 1".to_owned()];
    for path in PATHS {
        let keys: Vec<_> = path.iter().map(|key| literal(key)).collect();
        let keys = keys.join(", ");
        let arrows = |last: &str| {
            let (end, start) = path.split_last().unwrap();
            let start: String = start.iter().map(|key| format!("->{}", literal(key))).collect();
            format!("data{start}{last}{}", literal(end))
        };
        let json_path: String = path.iter().map(|key| format!("[{}]", serde_json::to_string(key).unwrap())).collect();
        let json_path = literal(&format!("${json_path}"));
        let calls = [
            format!("json_get_str(data, {keys})"),
            format!("json_get_int(data, {keys})"),
            format!("json_get_float(data, {keys})"),
            format!("json_get_bool(data, {keys})"),
            format!("json_as_text(data, {keys})"),
            format!("json_contains(data, {keys})"),
            format!("json_length(data, {keys})"),
            format!("json_get_json(data, {keys})"),
            format!("json_value(data, {json_path})"),
            format!("json_query(data, {json_path})"),
            format!("json_exists(data, {json_path})"),
            arrows("->>"),
            format!("({})::int", arrows("->")),
            format!("({})::double", arrows("->")),
            format!("({})::text", arrows("->")),
        ];
        for call in &calls {
            questions.push(format!("select session_id, {call} as v from t order by 1"));
            questions.push(format!("select {call} as v, count(*) from t group by 1 order by 1 nulls first, 2"));
            questions.push(format!("select min({call}), max({call}), count({call}) from t"));
            questions.push(format!("select session_id from t where {call} is not null order by {call}, 1 limit 50"));
        }
        for call in [&calls[0], &calls[4], &calls[8], &calls[11]] {
            for wanted in ["x", "12", "true", "1.50", "", "second"] {
                questions.push(format!("select session_id from t where {call} = {} order by 1", literal(wanted)));
            }
            questions.push(format!(
                "select session_id from t where {call} in ('x', '1', 'cut') or {call} like 'l%' order by 1"
            ));
        }
        for call in [&calls[1], &calls[2], &calls[12]] {
            questions.push(format!("select session_id from t where {call} > 1 and {call} <= 12 order by 1"));
        }
        let (text, integer) = (&calls[4], &calls[1]);
        questions.push(format!("with q as (select session_id, {text} as v from t) select v, count(*) from q where v > 'a' group by v order by v"));
        questions.push(format!(
            "select a.session_id, b.session_id from t a join t b on {} = {} order by 1, 2 limit 200",
            text.replace("data", "a.data"),
            text.replace("data", "b.data")
        ));
        questions.push(format!("select session_id, lag({text}) over (order by session_id) as v from t order by 1"));
        questions.push(format!(
            "select distinct case when {integer} > 1 then {text} else 'small' end as v from t order by 1"
        ));
        questions.push(format!("select count(*) filter (where {integer} > 0), sum({integer}) from t"));
    }
    questions
}

async fn answer(engine: &Engine, question: &str) -> String {
    let batches = match engine.context().sql(question).await {
        Ok(frame) => frame.collect().await,
        Err(error) => Err(error),
    };
    match batches {
        Ok(batches) => pretty_format_batches(&batches).unwrap().to_string(),
        Err(error) => format!("error: {}", error.strip_backtrace()),
    }
}

/// Asks one question in `every`, which ones depends on the seed, and returns how many were asked and what differed.
async fn differences(seed: u64, budget: usize, limits: FileLimits, every: usize) -> (usize, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents(seed), budget, limits);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    let (mut asked, mut found) = (0, Vec::new());
    for question in questions().into_iter().skip(seed as usize % every).step_by(every) {
        let (left, right) = (answer(&with, &question).await, answer(&without, &question).await);
        asked += 1;
        if left != right {
            found.push(format!("seed {seed}, budget {budget}: {question}\nwith leaves:\n{left}\nwithout:\n{right}"));
        }
    }
    (asked, found)
}

/// Runs on a few seeds; `SESSIONLAKE_SHRED_SEEDS=100` asks every question on a hundred.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_the_same_with_leaves_and_without() {
    let seeds: Option<u64> = std::env::var("SESSIONLAKE_SHRED_SEEDS").ok().map(|text| text.parse().unwrap());
    let every = if seeds.is_some() { 1 } else { 6 };
    let one_file = FileLimits { file_rows: 100_000, row_group_rows: 100_000 };
    let many_groups = FileLimits { file_rows: 150, row_group_rows: 20 };
    let cases = (1..=seeds.unwrap_or(2)).map(|seed| match seed % 3 {
        0 => (seed, 3, one_file),
        1 => (seed, 200, one_file),
        _ => (seed, 12, many_groups),
    });
    let tasks: Vec<_> =
        cases.map(|(seed, budget, limits)| tokio::spawn(differences(seed, budget, limits, every))).collect();
    let mut found = Vec::new();
    for task in tasks {
        let (asked, differences) = task.await.unwrap();
        assert!(asked > 250, "{asked}");
        found.extend(differences);
    }
    assert!(found.is_empty(), "{} differences, the first:\n{}", found.len(), found[0]);
}

/// Leaves are read at all: without this the test above could compare text with text.
#[tokio::test]
async fn a_plan_reads_leaves_in_place_of_text() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents(1), 200, FileLimits { file_rows: 10_000, row_group_rows: 10_000 });
    let question =
        "select count(*) from t where json_get_str(data, 'e') = 'yes' or json_get_str(data, 'nowhere') = 'x'";
    let mut read = Vec::new();
    for leaves in [Leaves::Read, Leaves::Ignore] {
        let engine = engine(folder.path(), &files, leaves);
        let plan = engine.context().sql(question).await.unwrap().create_physical_plan().await.unwrap();
        datafusion::physical_plan::collect(Arc::clone(&plan), engine.context().task_ctx()).await.unwrap();
        let mut bytes = 0;
        plan.apply(|node| {
            let metric = node.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
            bytes += metric.map_or(0, |metric| metric.as_usize());
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
        read.push(bytes);
    }
    assert!(read[0] * 5 < read[1], "{read:?} bytes read with leaves and without");
}
