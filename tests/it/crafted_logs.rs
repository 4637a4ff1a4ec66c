//! Logs as other writers may leave them, made by hand: statistics missing, cut, of wrong types or odd, and actions of any shape. Every one
//! answers as the log of ours does, before an ingest and after.

use std::path::Path;

use serde_json::{Map, Value, json};
use sessionlake::lake::Lake;

use crate::lakes::{answers, files_in, lake_in, source, take};

/// A change of the statistics of an `add` action.
type Change = fn(&mut Value);

/// A change of the whole text of the log, as the lines of its commits.
type Rewrite = fn(Vec<Vec<Value>>) -> Vec<String>;

/// Makes a lake of five sessions in four files, and changes its log.
async fn made(folder: &Path) -> Lake {
    let lake = lake_in(folder);
    let rows = [
        "a,2026-11-20T10:00:00.000001Z,2026-11-20T10:05:00.123456Z,1.5,workflow-1\nb,2026-11-20T10:00:01Z,,,",
        "c,2026-11-20T10:04:53.080758Z,2026-11-20T10:09:00.999999Z,900.25,workflow-2-é-\u{1F600}-long-enough-to-be-cut-by-some",
        "old,1969-12-31T23:59:58.000500Z,1969-12-31T23:59:59.000500Z,1,workflow-3",
    ];
    for (index, rows) in rows.iter().enumerate() {
        let path = folder.join(format!("{index}.csv"));
        let header = "Session Id,Started At,Ended At,Time in Workflow,Workflow Id";
        std::fs::write(&path, format!("{header}\n{rows}\n")).unwrap();
        take(&lake, &[source(&path, 1)]).await;
    }
    lake
}

const QUESTIONS: [&str; 9] = [
    "select session_id, started_at, ended_at, time_in_workflow, workflow_id from workflow_sessions order by 1",
    "select count(*), count(ended_at), count(time_in_workflow), count(workflow_id), count(data) from workflow_sessions",
    "select min(started_at), max(started_at), min(time_in_workflow), max(time_in_workflow), max(workflow_id) from workflow_sessions",
    "select string_agg(session_id, ',' order by session_id) from workflow_sessions where started_at > '2026-11-20T10:04:53.080Z' or ended_at is null",
    "select count(*) from workflow_sessions where time_in_workflow > 900.2 and workflow_id >= 'workflow-2'",
    "select count(*) from workflow_sessions where time_in_workflow <= 1.5 and started_at < '2026-11-20T10:00:00.000002Z'",
    "select count(*) from active_sessions",
    "select session_id from workflow_sessions order by time_in_workflow desc nulls last limit 1",
    "select session_id from workflow_sessions order by started_at limit 1",
];

/// The commits of the log, without the checksums by which ours would know that another wrote the statistics.
fn commits(folder: &Path) -> Vec<Vec<Value>> {
    let log = folder.join("lake/workflow_sessions/_delta_log");
    let action = |line: &str| {
        let mut action: Value = serde_json::from_str(line).unwrap();
        if let Some(tags) = action.pointer_mut("/add/tags").and_then(Value::as_object_mut) {
            tags.remove("sessionlake.check").unwrap();
        }
        action
    };
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().map(action).collect();
    files_in(&log, ".json").into_iter().map(lines).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// Copies the lake, changes the log, asks, takes an export in, and asks again.
async fn assert_answers_stay(made: &Path, what: &str, expected: &[Vec<Vec<String>>; 2], lines: Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    copy(&made.join("lake"), &folder.path().join("lake"));
    let log = folder.path().join("lake/workflow_sessions/_delta_log");
    for (version, text) in lines.iter().enumerate() {
        std::fs::write(log.join(format!("{version:020}.json")), text).unwrap();
    }
    let lake = lake_in(folder.path());
    for (have, (want, question)) in answers(&lake, &QUESTIONS).await.iter().zip(expected[0].iter().zip(QUESTIONS)) {
        assert_eq!(have, want, "{what}: {question}");
    }
    let ledger = take(&lake, &[source(&made.join("later.csv"), 2)]).await;
    assert_eq!((ledger.total.updated, ledger.total.inserted), (2, 1), "{what}: {}", ledger.total);
    for (have, (want, question)) in answers(&lake, &QUESTIONS).await.iter().zip(expected[1].iter().zip(QUESTIONS)) {
        assert_eq!(have, want, "{what}, after an ingest: {question}");
    }
}

/// The answers of the log as it is, before an ingest and after.
async fn made_with_answers(folder: &Path) -> [Vec<Vec<String>>; 2] {
    let lake = made(folder).await;
    let rows = "b,2026-11-20T10:00:01Z,2026-11-20T10:30:00Z,5,workflow-9\nc,2026-11-20T10:04:53.080758Z,2026-11-20T10:10:00.000001Z,901,\nnew,2026-11-20T12:00:00Z,,,";
    let header = "Session Id,Started At,Ended At,Time in Workflow,Workflow Id";
    std::fs::write(folder.join("later.csv"), format!("{header}\n{rows}\n")).unwrap();
    let before = answers(&lake, &QUESTIONS).await;
    let after = tempfile::tempdir().unwrap();
    copy(&folder.join("lake"), &after.path().join("lake"));
    let lake = lake_in(after.path());
    let ledger = take(&lake, &[source(&folder.join("later.csv"), 2)]).await;
    assert_eq!((ledger.total.updated, ledger.total.inserted), (2, 1), "{}", ledger.total);
    [before, answers(&lake, &QUESTIONS).await]
}

fn text_of(commit: &[Value]) -> String {
    commit.iter().map(|action| format!("{action}\n")).collect()
}

/// Changes every bound.
fn each_bound(statistics: &mut Value, change: impl Fn(&str, &Value) -> Value) {
    for bounds in ["minValues", "maxValues"] {
        for (name, value) in statistics[bounds].as_object_mut().unwrap() {
            *value = change(name, value);
        }
    }
}

fn object(statistics: &mut Value) -> &mut Map<String, Value> {
    statistics.as_object_mut().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_of_any_shape_change_no_answer() {
    let changes: Vec<(&str, Change)> = vec![
        ("none", |s| *s = Value::Null),
        ("an empty object", |s| *s = json!({})),
        ("a list", |s| *s = json!([1])),
        ("a number", |s| *s = json!(3)),
        ("a text", |s| *s = json!("statistics")),
        ("no count of rows", |s| drop(object(s).remove("numRecords"))),
        ("a null for the count of rows", |s| s["numRecords"] = Value::Null),
        ("the count of rows as a text", |s| s["numRecords"] = json!("1")),
        ("a negative count of rows", |s| s["numRecords"] = json!(-1)),
        ("the count of rows as a float", |s| s["numRecords"] = json!(1.0)),
        ("a count of rows that is too large", |s| s["numRecords"] = json!(1e300)),
        ("no counts of nulls", |s| drop(object(s).remove("nullCount"))),
        ("null for the counts of nulls", |s| s["nullCount"] = Value::Null),
        ("a list for the counts of nulls", |s| s["nullCount"] = json!([])),
        ("counts of nulls as texts", |s| s["nullCount"]["ended_at"] = json!("0")),
        ("more nulls than rows", |s| s["nullCount"]["ended_at"] = json!(99)),
        ("negative counts of nulls", |s| s["nullCount"]["workflow_id"] = json!(-1)),
        ("counts of nulls in an object", |s| s["nullCount"]["data"] = json!({ "x": 1 })),
        ("counts of nulls that are null", |s| s["nullCount"]["ended_at"] = Value::Null),
        ("no least values", |s| drop(object(s).remove("minValues"))),
        ("no greatest values", |s| drop(object(s).remove("maxValues"))),
        ("bounds that are null", |s| each_bound(s, |_, _| Value::Null)),
        ("bounds as lists", |s| each_bound(s, |_, value| json!([value]))),
        ("bounds as texts", |s| {
            each_bound(s, |_, value| value.as_f64().map_or_else(|| value.clone(), |number| json!(number.to_string())));
        }),
        ("texts as numbers", |s| each_bound(s, |_, value| if value.is_string() { json!(5) } else { value.clone() })),
        ("NaN and infinity as texts", |s| {
            s["minValues"]["time_in_workflow"] = json!("NaN");
            s["maxValues"]["time_in_workflow"] = json!("Infinity");
        }),
        ("instants in another zone", |s| {
            each_bound(s, |_, value| match value.as_str().map(chrono::DateTime::parse_from_rfc3339) {
                Some(Ok(instant)) => {
                    let zone = chrono::FixedOffset::east_opt(19_800).unwrap();
                    json!(instant.with_timezone(&zone).to_rfc3339_opts(chrono::SecondsFormat::Micros, false))
                }
                _ => value.clone(),
            });
        }),
        ("instants cut to milliseconds", |s| {
            each_bound(s, |name, value| match value.as_str() {
                Some(text) if name.ends_with("_at") => json!(format!("{}Z", &text[..23])),
                _ => value.clone(),
            });
        }),
        ("instants without a zone", |s| {
            each_bound(s, |name, value| match value.as_str() {
                Some(text) if name.ends_with("_at") => json!(text.trim_end_matches('Z')),
                _ => value.clone(),
            });
        }),
        ("texts cut to their first characters", |s| {
            each_bound(s, |name, value| match value.as_str() {
                Some(text) if !name.ends_with("_at") => json!(text.chars().take(11).collect::<String>()),
                _ => value.clone(),
            });
        }),
        ("texts cut as Spark does it", |s| {
            for (name, value) in s["maxValues"].as_object_mut().unwrap() {
                if let (false, Some(text)) = (name.ends_with("_at"), value.as_str()) {
                    *value = json!(format!("{}\u{10FFFF}", text.chars().take(11).collect::<String>()));
                }
            }
        }),
        ("bounds that are not tight", |s| {
            s["tightBounds"] = json!(false);
            s["minValues"]["started_at"] = json!("1900-01-01T00:00:00.000Z");
            s["maxValues"]["started_at"] = json!("2900-01-01T00:00:00.000Z");
            s["nullCount"]["ended_at"] = json!(0);
        }),
        ("columns that no table has", |s| {
            for part in ["minValues", "maxValues", "nullCount"] {
                s[part]["nobody"] = json!(5);
                s[part]["nested"] = json!({ "inside": 7 });
            }
        }),
        ("bounds of JSON", |s| {
            s["minValues"]["data"] = json!("b");
            s["maxValues"]["data"] = json!("a");
        }),
        ("keys that nobody knows", |s| s["histogram"] = json!({ "a": [1, 2] })),
    ];
    let folder = tempfile::tempdir().unwrap();
    let expected = made_with_answers(folder.path()).await;
    for (what, change) in changes {
        let mut commits = commits(folder.path());
        for add in commits.iter_mut().flatten().filter_map(|action| action.get_mut("add")) {
            let mut statistics = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
            change(&mut statistics);
            add["stats"] = if statistics.is_null() { Value::Null } else { json!(statistics.to_string()) };
        }
        let lines = commits.iter().map(|commit| text_of(commit)).collect();
        assert_answers_stay(folder.path(), what, &expected, lines).await;
    }
}

/// Changes every action of a kind.
fn each(mut commits: Vec<Vec<Value>>, kind: &str, change: impl Fn(&mut Value)) -> Vec<String> {
    commits.iter_mut().flatten().filter_map(|action| action.get_mut(kind)).for_each(change);
    commits.iter().map(|commit| text_of(commit)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_of_any_shape_change_no_answer() {
    let rewrites: Vec<(&str, Rewrite)> = vec![
        ("statistics that are no JSON", |c| each(c, "add", |add| add["stats"] = json!("{\"numRecords\":"))),
        ("empty statistics", |c| each(c, "add", |add| add["stats"] = json!(""))),
        ("numbers that no machine holds", |c| {
            each(c, "add", |add| {
                let text = add["stats"].as_str().unwrap().replace("900.25", "1e999");
                add["stats"] = json!(text);
            })
        }),
        ("bare NaN", |c| {
            each(c, "add", |add| {
                let text = add["stats"].as_str().unwrap().replace("900.25", "NaN");
                add["stats"] = json!(text);
            })
        }),
        ("a key twice", |c| {
            each(c, "add", |add| {
                let text = add["stats"].as_str().unwrap().replacen('{', "{\"numRecords\":1,", 1);
                add["stats"] = json!(text);
            })
        }),
        ("no key of statistics", |c| each(c, "add", |add| drop(add.as_object_mut().unwrap().remove("stats")))),
        ("no tags", |c| each(c, "add", |add| drop(add.as_object_mut().unwrap().remove("tags")))),
        ("tags of others", |c| each(c, "add", |add| add["tags"] = json!({ "INSERTION_TIME": "1", "none": null }))),
        ("keys that nobody knows", |c| each(c, "add", |add| add["somethingNew"] = json!({ "a": 1 }))),
        ("an odd time of modification", |c| each(c, "add", |add| add["modificationTime"] = json!(0))),
        ("no version of writers in what a commit says", |c| each(c, "commitInfo", |info| *info = json!({}))),
        ("properties", |c| {
            each(c, "metaData", |m| m["configuration"]["delta.autoOptimize.optimizeWrite"] = json!("true"))
        }),
        ("unknown properties", |c| each(c, "metaData", |m| m["configuration"]["somebody.else"] = json!("x"))),
        ("columns with comments", |c| {
            each(c, "metaData", |m| {
                let text = m["schemaString"].as_str().unwrap().replacen(
                    "\"metadata\":{}",
                    "\"metadata\":{\"comment\":\"x\"}",
                    1,
                );
                m["schemaString"] = json!(text);
            })
        }),
        ("a column more", |c| {
            each(c, "metaData", |m| {
                let more = "\"fields\":[{\"name\":\"note\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}},";
                let text = m["schemaString"].as_str().unwrap().replacen("\"fields\":[", more, 1);
                m["schemaString"] = json!(text);
            })
        }),
        ("an old protocol", |c| each(c, "protocol", |p| *p = json!({ "minReaderVersion": 1, "minWriterVersion": 1 }))),
        ("lists of features", |c| {
            each(c, "protocol", |p| {
                *p = json!({ "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"],
                    "writerFeatures": ["timestampNtz", "appendOnly"] });
            })
        }),
        ("what commits say of themselves at their end", |mut c| {
            c.iter_mut().for_each(|commit| commit.reverse());
            c.iter().map(|commit| text_of(commit)).collect()
        }),
        ("line ends of Windows, and empty lines", |c| {
            c.iter().map(|commit| text_of(commit).replace('\n', "\r\n") + "\r\n\n").collect()
        }),
        ("no line end at the end", |c| c.iter().map(|commit| text_of(commit).trim_end().to_owned()).collect()),
        ("actions that nobody knows", |c| {
            c.iter().map(|commit| text_of(commit) + "{\"somethingNew\":{\"path\":\"x\"}}\n").collect()
        }),
        ("transactions and domains", |c| {
            let more = "{\"txn\":{\"appId\":\"spark\",\"version\":7}}\n";
            c.iter().map(|commit| text_of(commit) + more).collect()
        }),
        ("files added again with other statistics", |c| {
            let again: Vec<Value> = c
                .iter()
                .flatten()
                .filter(|action| action.get("add").is_some())
                .cloned()
                .map(|mut action| {
                    action["add"]["stats"] = json!(r#"{"numRecords":null}"#);
                    action["add"]["dataChange"] = json!(false);
                    action
                })
                .collect();
            let mut lines: Vec<String> = c.iter().map(|commit| text_of(commit)).collect();
            lines.push(text_of(&again));
            lines
        }),
        ("a file removed that never was there", |c| {
            let mut lines: Vec<String> = c.iter().map(|commit| text_of(commit)).collect();
            lines.push("{\"remove\":{\"path\":\"gone.parquet\",\"dataChange\":true}}\n".to_owned());
            lines
        }),
        ("versions that change nothing", |c| {
            let mut lines: Vec<String> = c.iter().map(|commit| text_of(commit)).collect();
            lines.extend([
                "{\"commitInfo\":{\"operation\":\"VACUUM START\"}}\n".to_owned(),
                "{\"commitInfo\":{}}\n".to_owned(),
            ]);
            lines
        }),
    ];
    let folder = tempfile::tempdir().unwrap();
    let expected = made_with_answers(folder.path()).await;
    for (what, rewrite) in rewrites {
        assert_answers_stay(folder.path(), what, &expected, rewrite(commits(folder.path()))).await;
    }
}
