//! Documents with their records inside: what is read of them, its places, and what is said where there is none.

use arrow::array::AsArray;

use super::format_tests::{options, read_with};
use super::records_path::RecordsPath;
use super::{ReadOptions, replay};
use crate::error::Error;

fn at(path: &str) -> ReadOptions {
    ReadOptions { records: Some(RecordsPath::parse(path).unwrap()), ..options() }
}

fn ids(text: &str, options: &ReadOptions) -> Vec<String> {
    let outcome = read_with("a.json", text.as_bytes(), options).unwrap();
    assert!(outcome.rejects.is_empty(), "{:?}", outcome.rejects);
    let ids = outcome.rows.column_by_name("session_id").unwrap();
    ids.as_string_view().iter().map(|id| id.unwrap().to_owned()).collect()
}

fn refused(text: &str, options: &ReadOptions) -> (String, String) {
    let error = read_with("a.json", text.as_bytes(), options).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

#[test]
fn a_record_of_each_document_or_object_is_named_and_read() {
    let source = |record: &str| format!(r#"{{"_index":"s","_id":"x","_score":1.0,"_source":{record}}}"#);
    let (one, two) = (source(RECORD), source(OTHER));
    for (path, text) in [
        ("$.hits.hits[*]._source", format!(r#"{{"took":3,"hits":{{"total":{{"value":2}},"hits":[{one},{two}]}}}}"#)),
        ("$._source", format!("{one}\n{two}\n")),
        (
            "$.payload.after",
            format!(r#"{{"payload":{{"before":{OTHER},"after":{RECORD},"op":"u"}}}}{{"payload":{{"after":{OTHER}}}}}"#),
        ),
        ("$.row", format!("{{\"row\":{RECORD}}}\n{{\"row\":{OTHER}}}\n")),
        (
            "$.data.sessions.edges[*].node",
            format!(r#"{{"data":{{"sessions":{{"edges":[{{"node":{RECORD},"cursor":"a"}},{{"node":{OTHER}}}]}}}}}}"#),
        ),
        (
            "$.rows[*].doc",
            format!(
                r#"{{"total_rows":2,"rows":[{{"id":"w1","key":"w1","doc":{RECORD}}},{{"id":"w2","doc":{OTHER}}}]}}"#
            ),
        ),
    ] {
        let (said, hint) = refused(&text, &options());
        assert!(said.contains(path) && hint == format!("read them with ⟨records⟩ '{path}'"), "{said} {hint}");
        assert_eq!(ids(&text, &at(path)), ["w1", "w2"], "{path}");
    }
    // What tells how a query gets on holds no record; that it failed is an error.
    let progress = r#"{"progress":{"read_rows":"2","read_bytes":"16"}}"#;
    let meta = r#"{"meta":[{"name":"session_id","type":"String"}]}"#;
    let text = format!("{meta}\n{progress}\n{{\"row\":{RECORD}}}\n{progress}\n{{\"row\":{OTHER}}}\n{progress}\n");
    let (said, hint) = refused(&text, &options());
    assert!(said.contains("$.row") && hint == "read them with ⟨records⟩ '$.row'", "{said} {hint}");
    assert_eq!(ids(&text, &at("$.row")), ["w1", "w2"]);
    let (said, _) = refused(&format!("{text}{{\"exception\":\"Code: 241\"}}\n"), &at("$.row"));
    assert!(said.contains("nothing stands at $.row; there is $.exception"), "{said}");
    let (said, _) = refused(progress, &at("$.data"));
    assert!(said.contains("nothing stands at $.data; there is $.progress"), "{said}");
    // An answer that tells of an error is no session.
    let (said, _) = refused(r#"{"data":{"error":"no"}}"#, &at("$.data"));
    assert!(said.contains("$.data is an object without a session id or a start and no list"), "{said}");
    // What cannot be read of one record costs it alone.
    let text = format!(r#"{{"hits":[{one},{}]}}"#, source("{\"session_id\":\"w3\"}"));
    let outcome = read_with("a.json", text.as_bytes(), &at("$.hits[*]._source")).unwrap();
    assert_eq!((outcome.rows.num_rows(), outcome.rejects.len()), (1, 1));
    let small = ReadOptions { max_record_bytes: 80, ..at("$.hits[*]._source") };
    let text = format!(r#"{{"hits":[{},{two}]}}"#, source(&RECORD.replace("[1]", &format!("{:?}", "x".repeat(90)))));
    let outcome = read_with("a.json", text.as_bytes(), &small).unwrap();
    assert_eq!((outcome.rows.num_rows(), outcome.rejects.len()), (1, 1), "{:?}", outcome.rejects);
}

#[test]
fn other_ways_to_hold_records_are_named_with_what_makes_records_of_them() {
    let ids = r#""session_id":["w1","w2"],"started_at":["2026-11-20","2026-11-20"]"#;
    for (text, words, program) in [
        (format!("{{{ids}}}"), "columns with the values of all sessions", "map_values(.[$row])"),
        (
            r#"{"columns":[{"name":"session_id","datatype":"String","values":["w1"]},{"name":"started_at","values":[1]}]}"#.to_owned(),
            "each with its name and the values of all sessions, not records ($.columns)",
            ".values[$row]",
        ),
        (
            r#"{"schema":{"fields":[{"name":"session_id"},{"name":"started_at"}]},"rows":[{"f":[{"v":"w1"},{"v":"1"}]}]}"#.to_owned(),
            "rows of cells without names",
            ".schema.fields[].name",
        ),
        (format!(r#"{{"hits":{{"hits":[{{"_id":"x","fields":{{{ids}}}}}]}}}}"#), "in a list of its own ($.hits.hits[*].fields)", ".hits.hits[].fields"),
        (
            r#"{"Item":{"session_id":{"S":"w1"},"started_at":{"N":"1"}}}"#.to_owned(),
            "each value of the records stands beside its type",
            ".Item | map_values",
        ),
        (format!(r#"{{"1":{RECORD},"2":{OTHER}}}"#), "each under a key of its own ($)", ". | .[]"),
        (format!(r#"{{"0":{RECORD}}}"#), "each under a key of its own ($)", ". | .[]"),
        (
            format!(r#"{{"body":{}}}"#, serde_json::to_string(&format!("[{RECORD}]")).unwrap()),
            "in a text with JSON inside of it ($.body)",
            ".body | fromjson",
        ),
    ] {
        let (said, hint) = refused(&text, &options());
        assert!(said.contains(words) && hint.contains(program), "{text}: {said} {hint}");
    }
    // A column that is longer than what is looked at first, and than a record.
    let long = format!(r#"{{"action_data":["{}"],{ids}}}"#, "x".repeat(1 << 21));
    let large = ReadOptions { max_record_bytes: 1 << 23, ..options() };
    assert!(refused(&long, &large).0.contains("columns with the values"));
    let small = ReadOptions { max_record_bytes: 1 << 20, ..options() };
    assert!(refused(&long, &small).0.contains("columns with the values"));
    let record = format!(r#"{{"note":"{}","session_id":"w1","started_at":"2026-11-20"}}"#, "x".repeat(1 << 21));
    assert_eq!(self::ids(&record, &large), ["w1"]);
}

const RECORD: &str = r#"{"session_id":"w1","started_at":"2026-11-20T10:00:00Z","data":{"a":[1]}}"#;
const OTHER: &str = r#"{"session_id":"w2","started_at":"2026-11-20T11:00:00Z"}"#;

#[test]
fn a_path_is_read_and_written_the_same() {
    for (text, written) in [
        ("$.data", "$.data"),
        ("data", "$.data"),
        ("$.result.items", "$.result.items"),
        ("result['my items']", "$.result[\"my items\"]"),
        ("$[\"a.b\"].c", "$[\"a.b\"].c"),
        ("$['say \"hi\"']", "$['say \"hi\"']"),
        ("$.data[*].rows", "$.data[*].rows"),
        ("a[*]['b c'][*].d", "$.a[*][\"b c\"][*].d"),
        ("$.data[*]", "$.data"),
        ("$[*].data", "$.data"),
    ] {
        let path = RecordsPath::parse(text).unwrap();
        assert_eq!(path.to_string(), written, "{text}");
        assert_eq!(RecordsPath::parse(written).unwrap(), path);
    }
    for text in ["", "$", "$.", "$.a..b", "$.a[0]", "$.a[*][*]", "$[*]", "$.*", "$a", "$['a", "$['a'"] {
        assert!(RecordsPath::parse(text).is_err(), "{text}");
    }
}

#[test]
fn records_are_read_where_they_are() {
    for text in [
        format!(r#"{{"meta":{{"data":[7]}},"data":[{RECORD},{OTHER}],"next":""}}"#),
        format!(" {{ \"rows\" : 2 ,\n \"data\" :\n [\n {RECORD} ,\n {OTHER} ]\n}}\n"),
        // Pages: after each other, one a line, in an array.
        format!(r#"{{"data":[{RECORD}],"x":1}}{{"data":[]}} {{"x":"]","data":[{OTHER}]}}"#),
        format!(r#"[{{"data":[{RECORD}]}},{{"data":[{OTHER}]}}]"#),
        // What pandas writes for orient=table.
        format!(r#"{{"schema":{{"fields":[{{"name":"index","type":"integer"}}]}},"data":[{RECORD},{OTHER}]}}"#),
    ] {
        assert_eq!(ids(&text, &at("$.data")), ["w1", "w2"], "{text}");
    }
    let deep =
        format!(r#"{{"a":{{"result":[]}},"result":{{"x":{{}},"my items":[{RECORD},{OTHER}],"y":[]}},"z":"}}"}}"#);
    assert_eq!(ids(&deep, &at("$.result['my items']")), ["w1", "w2"]);
    assert_eq!(ids(r#"{"data":[]}"#, &at("$.data")).len(), 0);
}

#[test]
fn lists_of_values_have_the_names_that_stand_before_them() {
    for (text, path) in [
        (
            r#"{"meta":[{"name":"session_id","type":"String"},{"name":"started_at","type":"String"}],
            "data":[["w1","2026-11-20T10:00:00Z"],["w2","2026-11-20T11:00:00Z"]],"rows":2}"#,
            "$.data",
        ),
        (
            r#"{"columns":["session_id","started_at"],"index":[0,1],"data":[["w1",1800000000000],["w2",1800000000000]]}"#,
            "$.data",
        ),
        (r#"{"r":{"columns":["started_at","id"],"rows":[[1800000000000,"w1"],[1800000000000,"w2"]]}}"#, "$.r.rows"),
    ] {
        assert_eq!(ids(text, &at(path)), ["w1", "w2"], "{text}");
    }
    // In the first list, or declared.
    let text =
        r#"{"range":"A1:B3","values":[ ["Session Id","Started At"], ["w1",1800000000000],["w2",1800000000000]]}"#;
    assert_eq!(ids(text, &at("$.values")), ["w1", "w2"]);
    let (message, hint) = refused(text, &options());
    assert!(message.ends_with("in a list at $.values") && hint.contains("'$.values'"), "{message}");
    let mut named = at("$.values");
    named.declared.columns = vec!["session_id".to_owned(), "started_at".to_owned()];
    assert_eq!(ids(r#"{"values":[["w1",1800000000000],["w2",1800000000000]]}"#, &named), ["w1", "w2"]);
    let (message, _) = refused(r#"{"data":[["w1",1]],"columns":["session_id","started_at"]}"#, &at("$.data"));
    assert!(message.contains("the records at $.data are lists, and no list of their names"), "{message}");
}

#[test]
fn a_path_may_lead_through_lists() {
    for (text, path) in [
        (
            format!(
                r#"{{"pages":[{{"n":1,"rows":[{RECORD}]}}, {{"rows":[],"n":2}},{{"rows":[{OTHER}]}}],"x":[{{}}]}}"#
            ),
            "$.pages[*].rows",
        ),
        (
            format!(r#"{{"a":[{{"b":[{{"c":{{"d":[{RECORD}]}}}}]}},{{"b":[]}},{{"b":[{{"c":{{"d":[{OTHER}]}}}}]}}]}}"#),
            "$.a[*].b[*].c.d",
        ),
        (format!(r#"[{{"a":[{{"b":[{RECORD}]}}]}},{{"a":[{{"b":[{OTHER}]}}]}}]"#), "$[*].a[*].b[*]"),
        (r#"{"a":[{"columns":["id","started_at"],"b":[["w1",5],["w2",5]]}]}"#.to_owned(), "$.a[*].b"),
    ] {
        assert_eq!(ids(&text, &at(path)), ["w1", "w2"], "{text}");
        let (message, hint) = refused(&text, &options());
        let place = RecordsPath::parse(path).unwrap().to_string();
        assert!(message.ends_with(&format!("in a list at {place}")), "{message}");
        assert_eq!(hint, format!("read them with ⟨records⟩ '{place}'"));
    }
    assert_eq!(ids(r#"{"pages":[]}"#, &at("$.pages[*].rows")).len(), 0);
    for (text, message) in [
        (format!(r#"{{"a":[{{"b":[{RECORD}]}},{{"c":1}}]}}"#), "nothing stands at $.a[*].b; there is $.a[*].c"),
        (r#"{"a":[{"b":null}]}"#.to_owned(), r#"$.a[*].b is "null" and no list"#),
        (r#"{"a":{"b":[]}}"#.to_owned(), "$.a is an object and no list"),
        (r#"{"a":[7]}"#.to_owned(), r#""7" stands in the list $.a, which is of objects"#),
        (r#"{"c":[7]}"#.to_owned(), "nothing stands at $.a; there is $.c"),
        (r#"{"a":[{"b":[]}"#.to_owned(), "the document ends early"),
    ] {
        let (said, _) = refused(&text, &at("$.a[*].b"));
        assert!(said.ends_with(message), "{text}: {said}");
    }
}

#[test]
fn a_place_that_has_no_list_is_an_error_that_says_what_is_there() {
    for (text, path, message) in [
        (r#"{"meta":1,"rows":[],"a b":2}"#, "$.data", r#"nothing stands at $.data; there is $.meta, $.rows, $["a b"]"#),
        ("{}", "$.data", "nothing stands at $.data; there is nothing"),
        (
            r#"{"data":{"items":[],"n":1},"x":1}"#,
            "$.data.rows",
            "nothing stands at $.data.rows; there is $.data.items, $.data.n",
        ),
        (r#"{"data":null}"#, "$.data", r#"$.data is "null" and no list"#),
        (r#"{"data":{"error":"no"}}"#, "$.data", "$.data is an object without a session id or a start and no list"),
        (r#"{"data":"x"}"#, "$.data", r#"$.data is "\"x\"" and no list"#),
        (r#"{"data":[]}"#, "$.data.items", "$.data is a list and no object"),
        ("7", "$.data", "no JSON object with $.data in it starts here"),
        (r#"{"data":[{}"#, "$.data", "the document ends early"),
        (r#"{"data":[{}]"#, "$.data", "the document ends early"),
        (r#"{"x":"abc"#, "$.data", "the document ends early"),
        (r#"{"data":[{} {}]}"#, "$.data", "the document is not JSON here"),
    ] {
        let (said, _) = refused(text, &ReadOptions { format: Some(super::InputFormat::Ndjson), ..at(path) });
        assert!(said.ends_with(message), "{text}: {said}");
    }
}

#[test]
fn without_the_place_the_error_names_it() {
    for (text, place) in [
        (format!(r#"{{"meta":{{"total":2}},"data":[{RECORD}],"next":""}}"#), "$.data"),
        (format!("{{\n\"data\": [\n{RECORD}]}}"), "$.data"),
        (format!(r#"{{"records":[{RECORD}]}}"#), "$.records"),
        (format!(r#"[{{"items":[{RECORD}]}}]"#), "$.items"),
        (format!(r#"{{"a":{{"b":{{"list of":[{RECORD}]}}}}}}"#), r#"$.a.b["list of"]"#),
        (r#"{"columns":["session_id","started_at"],"index":[0],"data":[["w1",5]]}"#.to_owned(), "$.data"),
        (r#"{"meta":[{"name":"session_id"}],"data":[["w1"]]}"#.to_owned(), "$.data"),
    ] {
        let (message, hint) = refused(&text, &options());
        assert!(message.ends_with(&format!("in a list at {place}")), "{message}");
        assert_eq!(hint, format!("read them with ⟨records⟩ '{place}'"));
    }
    // The window of the first megabyte may end inside of the list.
    let long = format!(r#"{{"data":[{}]}}"#, vec![RECORD; 20_000].join(","));
    assert!(refused(&long, &options()).0.ends_with("$.data"));
}

#[test]
fn documents_of_columns_and_of_keyed_records_are_named() {
    let columns = r#"{"session_id":{"0":"w1"},"started_at":{"0":"2026-11-20"}}"#;
    let (message, hint) = refused(columns, &options());
    assert!(message.contains("columns with the values of all sessions"), "{message}");
    assert!(hint.contains("keys_unsorted[]") && hint.starts_with("jq -c '. | "), "{hint}");
    let (_, hint) = refused(r#"{"session_id":["w1"],"started_at":["2026-11-20"]}"#, &options());
    assert!(hint.contains("range(first(.[]) | length)"), "{hint}");
    let (_, hint) = refused(r#"{"meta":[],"data":{"session_id":["w1"],"started_at":["x"]}}"#, &options());
    assert!(hint.starts_with("jq -c '.data | "), "{hint}");
    let (message, hint) = refused(&format!(r#"{{"0":{RECORD},"1":{OTHER}}}"#), &options());
    assert!(message.contains("each under a key of its own"), "{message}");
    assert_eq!(hint, "jq -c '. | .[]' FILE > FILE.ndjson makes records of them");
}

#[test]
fn what_may_be_a_record_is_read_as_one() {
    for text in [
        RECORD.to_owned(),
        format!("{RECORD}\n{OTHER}"),
        format!("[{RECORD},{OTHER}]"),
        format!(r#"{{"session_id":"x","data":[{RECORD}]}}"#),
        r#"{"started_at":{"$date":5},"session_id":{"$oid":"5"}}"#.to_owned(),
        r#"{"data":[{"a":1}],"source":{}}"#.to_owned(),
        r#"{"data":[[1]]}"#.to_owned(),
        r#"{"records":[["w1",5]],"columnHeaders":["session_id","started_at"]}"#.to_owned(),
    ] {
        assert!(read_with("a.json", text.as_bytes(), &options()).is_ok(), "{text}");
    }
}

#[test]
fn records_have_their_places_and_can_be_replayed() {
    let text = format!("{{\"x\":{{}},\n\"data\":[{RECORD},\n  {{\"session_id\":\"w3\"}},\n{OTHER}]}}");
    let outcome = read_with("a.json", text.as_bytes(), &at("$.data")).unwrap();
    let reject = &outcome.rejects[0];
    assert_eq!((reject.line, reject.raw.as_slice()), (Some(3), br#"{"session_id":"w3"}"#.as_slice()));
    assert_eq!(reject.byte_offset, text.find("{\"session_id\":\"w3\"}").map(|at| at as u64));
    let mapped = ReadOptions { header_map: vec![("begin".into(), "started_at".into())], ..options() };
    let raw = br#"{"session_id":"w3","begin":"2026-11-20"}"#;
    assert_eq!(replay(&outcome.contexts[0], raw, &mapped).unwrap().rows.num_rows(), 1);

    let text = r#"{"columns":["session_id","begun"],"data":[["w1",1800000000000],["w2",null]]}"#;
    let mapped = ReadOptions { header_map: vec![("begun".into(), "started_at".into())], ..at("$.data") };
    let outcome = read_with("a.json", text.as_bytes(), &mapped).unwrap();
    assert_eq!((outcome.rows.num_rows(), outcome.rejects.len()), (1, 1));
    assert_eq!(replay(&outcome.contexts[0], br#"["w2",1800000000000]"#, &mapped).unwrap().rows.num_rows(), 1);
}

#[test]
fn a_quarantined_record_with_half_a_surrogate_pair_is_replayed() {
    let record = r#"{"session_id":"w1","begun":"2026-11-20","data":{"a":"\ud83d"},"version_id":"x\udc00"}"#;
    let list = r#"["w1","2026-11-20",{"a":"\ud83d"},"x\udc00"]"#;
    let names = r#"["session_id","started_at","data","version_id"]"#;
    let mapped = ReadOptions { header_map: vec![("begun".into(), "started_at".into())], ..options() };
    let soon = list.replace("2026-11-20", "soon");
    for (text, raw) in [
        (record.to_owned(), record),
        (format!("[{record}]"), record),
        (format!("{names}\n{soon}"), list),
        (format!("[{names},{soon}]"), list),
    ] {
        let outcome = read_with("a.json", text.as_bytes(), &options()).unwrap();
        assert_eq!((outcome.rows.num_rows(), outcome.rejects.len()), (0, 1), "{text}");
        if raw == record {
            assert_eq!(outcome.rejects[0].raw, raw.as_bytes(), "it is kept as it came");
        }
        let again = replay(&outcome.contexts[0], raw.as_bytes(), &mapped).unwrap();
        assert!(again.rejects.is_empty(), "{text}: {:?}", again.rejects);
        let text_of = |name: &str| again.rows.column_by_name(name).unwrap().as_string_view().value(0).to_owned();
        assert_eq!((text_of("data").as_str(), text_of("version_id").as_str()), (r#"{"a":"\ud83d"}"#, "x\u{fffd}"));
        assert_eq!(again.warnings.get(&super::Warning::LoneSurrogate), Some(&1));
    }
}

#[test]
fn a_long_record_costs_itself_and_what_stands_beside_the_list_may_be_long() {
    let long = format!(r#"{{"session_id":"x","started_at":5,"data":"{}"}}"#, "]}".repeat(3_000_000));
    let beside = "\\\"]}".repeat(1_000_000);
    let text = format!(r#"{{"x":"{beside}","data":[{RECORD},{long},{OTHER}],"y":["{beside}"]}}"#);
    let outcome = read_with("a.json", text.as_bytes(), &at("$.data")).unwrap();
    assert_eq!((outcome.rows.num_rows(), outcome.rejects.len()), (2, 1));
    assert!(outcome.rejects[0].truncated);
}

#[test]
fn the_place_of_records_is_refused_for_what_is_no_json() {
    for (name, text) in [("a.csv", "session_id,started_at\n"), ("a.json", "PAR1xxxxPAR1")] {
        let error = read_with(name, text.as_bytes(), &at("$.data")).unwrap_err();
        assert!(error.to_string().contains("⟨records⟩ says where in a JSON document"), "{error}");
    }
}
