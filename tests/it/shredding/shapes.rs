//! Documents of every shape that `generate` knows: their paths are answered from columns, and as their texts answer.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use datafusion::common::ParamValues;
use sessionlake::engine::{At, Engine, Leaves};
use sessionlake::generate::{GenerateFormat, GenerateOptions, Shape, generate};

use super::answer;
use crate::lakes::{lake_in, open_with, rows_of, source, take};

/// Paths whose values only the text has: what is long, ids that no other session has, what is below keys that no other session has, and what is
/// mostly objects.
const IN_THE_TEXT: [(&str, &str); 5] = [
    ("broken", "$.notes"),
    ("ids", "$.order"),
    ("ids", "$.participants"),
    ("large", "$.transcript"),
    ("late", "$.customer"),
];

/// Of a hundred other paths, those that may be read from the text in a file of so few sessions: the footer's part of five hundred columns is as large as
/// all texts there.
const FROM_TEXT_PERCENT: [(&str, usize); 3] = [("deep", 30), ("tenants", 40), ("wide", 80)];

/// A path of a lake: the column, and the keys as SQL has them.
struct PathOf {
    column: String,
    keys: String,
}

async fn batches(engine: &Engine, statement: &str) -> Vec<RecordBatch> {
    engine.context().sql(statement).await.unwrap().collect().await.unwrap()
}

/// Lists the paths that have a scalar in some document, without those inside the elements of arrays and below keys that are ids.
async fn paths(engine: &Engine) -> Vec<PathOf> {
    let listed = "select json_column, json_path from lake_json_paths where types ~ 'string|integer|number|boolean' \
         and json_path !~ '\\[|[*]' and sessions > 0 order by 1, 2";
    let mut paths = Vec::new();
    for batch in batches(engine, listed).await {
        let (columns, told) = (batch.column(0).as_string_view(), batch.column(1).as_string_view());
        for (column, told) in columns.iter().flatten().zip(told.iter().flatten()) {
            let keys = told.trim_start_matches("$.").split('.').map(|key| format!("'{key}'"));
            let keys = keys.collect::<Vec<_>>().join(", ");
            paths.push(PathOf { column: column.to_owned(), keys });
        }
    }
    paths
}

/// Says of each path in how many files it comes from the text, and in how many from a column or from nothing. Files of running sessions are left
/// out: they have some thirty rows here, of which the text is as small as columns would be.
async fn sources(engine: &Engine, paths: &[PathOf]) -> BTreeMap<String, [usize; 2]> {
    let mut sources = BTreeMap::new();
    for paths in paths.chunks(50) {
        let calls = paths.iter().map(|path| format!("count(json_as_text({}, {}))", path.column, path.keys));
        let statement = format!(
            "explain select {} from workflow_sessions where ended_at is not null",
            calls.collect::<Vec<_>>().join(", ")
        );
        let dialect = engine.context().state().config_options().sql_parser.dialect;
        let statement = engine.context().state().sql_to_statement(&statement, &dialect).unwrap();
        let plan = engine.plan(statement, &ParamValues::Map(Default::default())).await.unwrap();
        let frame = engine.context().execute_logical_plan(plan).await.unwrap();
        let told = rows_of(&frame.collect().await.unwrap()).join("\n");
        let Some(files) = told.split("json_files=[").nth(1).and_then(|rest| rest.split(']').next()) else {
            panic!("{told}")
        };
        for part in files.split("; ") {
            // Behind the counts it may say why.
            let part = part.split(" (").next().unwrap_or_default();
            let (path, counts) = part.rsplit_once(": ").unwrap();
            let counts = counts.split(", ").map(|count| count.rsplit_once(' ').unwrap());
            let entry: &mut [usize; 2] = sources.entry(path.to_owned()).or_default();
            for (source, files) in counts {
                entry[usize::from(source != "text")] += files.parse::<usize>().unwrap();
            }
        }
    }
    sources
}

/// The calls of each path, one after the other, as questions about some paths at once.
fn questions(paths: &[PathOf]) -> Vec<String> {
    const CALLS: [&str; 6] =
        ["json_as_text", "json_get_str", "json_get_float", "json_get_int", "json_get_bool", "json_get_json"];
    let calls = paths.iter().zip(0..).map(|(path, at)| format!("{}({}, {})", CALLS[at % 6], path.column, path.keys));
    let calls: Vec<String> = calls.collect();
    let asked = |calls: &[String]| format!("select session_id, {} from workflow_sessions order by 1", calls.join(", "));
    calls.chunks(30).map(asked).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_answers_as_its_texts_do_and_from_columns() {
    for name in Shape::names() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = GenerateOptions::new(folder.path(), if name == "large" { 100 } else { 2_500 });
        options.format = GenerateFormat::Ndjson;
        options.shape = Some(Shape::named(name).unwrap());
        let made = generate(&options, &|_, _| {}).unwrap();
        let lake = lake_in(folder.path());
        take(&lake, &[source(&made.files[0].path, 1)]).await;
        let with = open_with(&lake, At::Newest, Leaves::Read).await.unwrap();
        let without = open_with(&lake, At::Newest, Leaves::Ignore).await.unwrap();
        let paths = paths(&with).await;
        let asked = &paths[..paths.len().min(90)];
        for question in questions(asked) {
            let question = [question];
            assert!(answer(&with, &question).await == answer(&without, &question).await, "{name}: {}", question[0]);
        }
        let mut files = [0, 0];
        let mut read = Vec::new();
        for (path, [text, columns]) in sources(&with, &paths).await {
            let path = path.strip_prefix("data ").unwrap_or(&path).to_owned();
            let is_below = |of: &str| {
                path.strip_prefix(of)
                    .is_some_and(|rest| rest.is_empty() || (of != "$.customer" && rest.starts_with('.')))
            };
            if !IN_THE_TEXT.iter().any(|(shape, of)| *shape == name && is_below(of)) {
                files = [files[0] + text, files[1] + columns];
                read.extend((text > 0).then_some(path));
            }
        }
        let percent = FROM_TEXT_PERCENT.iter().find(|(shape, _)| *shape == name).map_or(0, |(_, percent)| *percent);
        let [text, columns] = files;
        assert!(columns > 10 && text * 100 <= (text + columns) * percent, "{name}: {files:?} {read:?}");
    }
}
