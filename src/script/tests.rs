//! Tests of whole files: where statements begin and end, and what their parameters become.

use std::collections::BTreeMap;

use datafusion::common::{ParamValues, ScalarValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn texts(sql: &str) -> Vec<String> {
    parse("q.sql", sql).unwrap().statements.iter().map(|statement| statement.text().to_owned()).collect()
}

#[test]
fn statements_end_where_the_parser_says() {
    for (sql, statements) in [
        ("select 1", vec!["select 1"]),
        ("select 1;select 2", vec!["select 1", "select 2"]),
        (";;select 1;;\n;", vec!["select 1"]),
        ("select ';' ; select 'a''; b'", vec!["select ';'", "select 'a''; b'"]),
        ("select $$;$$; select $t$ ; $$ ; $t$", vec!["select $$;$$", "select $t$ ; $$ ; $t$"]),
        ("select 1 /* ; /* ; */ ; */ + 1; select 2", vec!["select 1 /* ; /* ; */ ; */ + 1", "select 2"]),
        ("select '--;' -- ;\n, 2; -- end;", vec!["select '--;' -- ;\n, 2"]),
        ("select E'\\';'; select 2", vec!["select E'\\';'", "select 2"]),
        ("select \"a;b\" from t; select 2", vec!["select \"a;b\" from t", "select 2"]),
        ("select 1;\r\nselect\r\n2\r\n;\r\n", vec!["select 1", "select\r\n2"]),
        ("select 1;\n-- after\n/* all */\n", vec!["select 1"]),
        ("\u{feff}select 'é😀'; select 'ß'", vec!["select 'é😀'", "select 'ß'"]),
        ("select 'a'\n'b'; select 2", vec!["select 'a'\n'b'", "select 2"]),
        ("select U&'\\0061;'; select N';'", vec!["select U&'\\0061;'", "select N';'"]),
        ("select a->>'x;', b #>> '{;}' from t;", vec!["select a->>'x;', b #>> '{;}' from t"]),
        ("explain select ';'; copy t to 'x;y'", vec!["explain select ';'", "copy t to 'x;y'"]),
    ] {
        assert_eq!(texts(sql), statements, "{sql}");
    }
}

#[test]
fn places_are_those_of_the_file() {
    let script = parse("q.sql", "\u{feff}-- é\r\nselect 'é'; select 2;\r\n\t/* x */ select 3").unwrap();
    let places: Vec<_> = script.statements.iter().map(|s| (s.line, s.column)).collect();
    assert_eq!(places, [(2, 1), (2, 13), (3, 10)]);
}

#[test]
fn a_text_without_a_statement_is_refused() {
    for (sql, message) in [
        ("", "q.sql: the file is empty"),
        (" \r\n\t", "q.sql: the file is empty"),
        ("\u{feff}", "q.sql: the file is empty"),
        ("-- title: x\n", "q.sql: the file has comments but no statement"),
        ("/* x */ ;", "q.sql: the file has comments but no statement"),
    ] {
        let error = parse("q.sql", sql).unwrap_err();
        assert!(matches!(error, Error::Usage { .. }), "{sql}");
        assert_eq!(error.to_string(), message);
        assert!(error.hint().is_some());
    }
}

#[test]
fn an_error_in_the_last_statement_is_found_first() {
    let error = parse("q.sql", "select 1;\nselect 'é', +;\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "q.sql:2:14: expected an expression, found the end of the statement\n  |\n2 | select 'é', +;\n  |              ^"
    );
}

#[test]
fn deep_nesting_and_long_chains_are_refused_without_harm() {
    let error = |sql: String| parse("q.sql", &sql).unwrap_err().to_string().lines().next().unwrap().to_owned();
    assert!(
        error(format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000))).contains("nests deeper than 50 levels")
    );
    // These the parser does not count.
    for unending in [
        "interval ",
        "explain ",
        "explain analyze verbose ",
        "explain (analyze) ",
        "1::array<array<",
        "1::array(array(",
    ] {
        for begin in ["", "select ", "select * from "] {
            let error = error(format!("{begin}{}1", unending.repeat(300)));
            assert!(error.contains("q.sql:1:"), "{error}");
        }
    }
    assert!(error(format!("select {} '1 day'", "interval ".repeat(60))).contains("nests deeper than 50 levels"));
    // The parser takes the innermost NOT for a name when it may go no deeper.
    assert!(error(format!("select {} 1", "not ".repeat(1_900))).contains("q.sql:1:"));
    assert!(error(format!("select 1{}", " + 1".repeat(200_000))).contains("chains more than 2000 operators"));
    assert!(error(format!("select 1{}", "::int".repeat(200_000))).contains("chains more than 2000 operators"));
    assert!(error(format!("select 1{}", " union select 1".repeat(200_000))).contains("chains more than 500 queries"));
    // Commas end expressions, and no chain of queries.
    let lists = format!("select 1, 2{}", " union all select 1, 2".repeat(501));
    assert!(error(lists).contains("chains more than 500 queries"));
    assert!(error(format!("select (1){}", " + (1)".repeat(200_000))).contains("chains more than 2000 operators"));
    assert!(error(format!("select 1{}", "[1]".repeat(200_000))).contains("q.sql:1:"));
    let long = format!("select 1{}", " + 1".repeat(1_999));
    assert_eq!(parse("q.sql", &long).unwrap().statements.len(), 1);
    let list = format!("select x in ({}) from t", vec!["-1"; 50_000].join(", "));
    assert_eq!(parse("q.sql", &list).unwrap().statements.len(), 1);
}

#[test]
fn nesting_does_not_take_the_parser_exponential_time() {
    // A parser without a bound would not come back from these.
    for (open, close) in [
        ("(", ")"),
        ("(select ", ")"),
        ("case when ", " then 1 end"),
        ("array[", "]"),
        ("f(", ")"),
        ("coalesce(1, ", ")"),
        ("struct(", ")"),
        ("any(", ")"),
        ("cast(", " as int)"),
        ("1 from (", ")"),
        ("1 from (select * from ", ") t"),
        ("1 from ((", ") join t)"),
        ("1 from (with a as (select ", ") select 1)"),
        ("exists(select ", ")"),
        ("x in (", ")"),
        ("sum(1) over (order by ", ")"),
        ("interval ", ""),
        ("1::array<", ">"),
        ("1::struct<a ", ">"),
        ("cast(1 as array<", ">)"),
    ] {
        for (inner, end) in [("1", ""), ("t", ""), ("1", close), ("1 1", close), ("t 1 1", close)] {
            let _ = parse("q.sql", &format!("select {}{inner}{}", open.repeat(45), end.repeat(45)));
            let _ = parse("q.sql", &format!("select * from {}{inner}{}", open.repeat(45), end.repeat(45)));
        }
    }
    assert!(parse("q.sql", &format!("select {}1{}", "f(".repeat(20), ")".repeat(20))).is_ok());
    let error = parse("q.sql", &format!("select {}1 1{}", "cast(".repeat(20), " as int)".repeat(20))).unwrap_err();
    assert!(error.to_string().contains("too deeply nested to be parsed"), "{error}");
}

#[test]
fn many_statements_on_one_line_cost_linear_time() {
    let script = parse("q.sql", &"select 1;".repeat(20_000)).unwrap();
    assert_eq!(script.statements.len(), 20_000);
    assert_eq!(script.statements[19_999].text(), "select 1");
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let error = parse("q.sql", "select '\u{1b}[31m' +").unwrap_err().to_string();
    assert!(error.contains("select '\u{fffd}[31m' +"), "{error}");
}

fn clock() -> Clock {
    Clock {
        as_of: "2026-05-13T12:30:00Z".parse().unwrap(),
        time_zone: crate::zones::Tz::named("Europe/Berlin").unwrap(),
    }
}

fn given(values: Value) -> BTreeMap<String, Value> {
    values.as_object().unwrap().clone().into_iter().collect()
}

fn value(values: &ParamValues, name: &str) -> ScalarValue {
    values.get_placeholders_with_values(&format!("${name}")).unwrap().value
}

/// Binds one parameter of a type and shows its value, or the error with its hint.
fn bound(declaration: &str, json: Value) -> Result<ScalarValue, String> {
    let script = parse("q.sql", &format!("-- param: p {declaration}\nselect $p")).unwrap();
    bind(&script, &given(json!({ "p": json })), &clock())
        .map(|values| value(&values, "p"))
        .map_err(|error| format!("{error} / {}", error.hint().unwrap_or("-")))
}

fn utc(text: &str) -> ScalarValue {
    let at: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
    ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), Some("UTC".into()))
}

fn day(text: &str) -> ScalarValue {
    let day: chrono::NaiveDate = text.parse().unwrap();
    ScalarValue::Date32(Some((day - chrono::NaiveDate::default()).num_days() as i32))
}

#[test]
fn values_are_bound_by_their_declared_type() {
    let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
    for (kind, json, scalar) in [
        ("text", json!(" a'; drop table t; -- "), text(" a'; drop table t; -- ")),
        ("text", json!(""), text("")),
        ("text", json!(null), ScalarValue::Utf8(None)),
        ("integer", json!("-7"), ScalarValue::Int64(Some(-7))),
        ("INT", json!(7), ScalarValue::Int64(Some(7))),
        ("integer", json!(null), ScalarValue::Int64(None)),
        ("float", json!("1e3"), ScalarValue::Float64(Some(1_000.0))),
        ("double", json!(1), ScalarValue::Float64(Some(1.0))),
        ("boolean", json!("Yes"), ScalarValue::Boolean(Some(true))),
        ("bool", json!(false), ScalarValue::Boolean(Some(false))),
        ("date", json!("2026-02-28"), day("2026-02-28")),
        ("date", json!("-7 days"), day("2026-05-06")),
        ("timestamp", json!("today"), utc("2026-05-12T22:00:00Z")),
        ("timestamp", json!(null), ScalarValue::TimestampMicrosecond(None, Some("UTC".into()))),
        ("duration", json!("1h30m"), ScalarValue::Float64(Some(5_400.0))),
        ("duration", json!(90), ScalarValue::Float64(Some(90.0))),
        ("duration", json!("1:30"), ScalarValue::Float64(Some(90.0))),
        ("duration", json!("250 ms"), ScalarValue::Float64(Some(0.25))),
        ("duration", json!("- 1 week"), ScalarValue::Float64(Some(-604_800.0))),
    ] {
        assert_eq!(bound(kind, json.clone()), Ok(scalar), "{kind} {json}");
    }
    assert_eq!(bound("text[]", json!("a, b")), bound("text[]", json!(["a", "b"])));
    assert_ne!(bound("text[]", json!("")), bound("text[]", json!([""])));
    assert!(bound("text[]", json!(null)).unwrap().is_null());
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_type() {
    for (kind, json, message) in [
        (
            "integer",
            json!("many"),
            "parameter \"p\" is \"many\", which is no integer / write a whole number, for example 20",
        ),
        ("integer", json!(1.5), "parameter \"p\" is 1.5, which is no integer / write a whole number, for example 20"),
        (
            "integer",
            json!("9223372036854775808"),
            "parameter \"p\" is \"9223372036854775808\", which is no integer / write a whole number, for example 20",
        ),
        ("float", json!("inf"), "parameter \"p\" is \"inf\", which is no float / write a number, for example 0.5"),
        ("boolean", json!("maybe"), "parameter \"p\" is \"maybe\", which is no boolean / write true or false"),
        ("text", json!(5), "parameter \"p\" is 5, which is no text / write a JSON string"),
        (
            "timestamp",
            json!("2026-03-29T02:30"),
            "parameter \"p\" is \"2026-03-29T02:30\", which is no timestamp / this time does not exist in Europe/Berlin, whose clocks skip it",
        ),
        (
            "duration",
            json!("1 month"),
            "parameter \"p\" is \"1 month\", which is no duration / write seconds, 1h30m, 2 days 3 hours, 01:30:00 or PT1H30M",
        ),
        ("text[]", json!([1]), "parameter \"p\" is [1], which is no text[] / write a JSON array of strings"),
    ] {
        assert_eq!(bound(kind, json), Err(message.to_owned()));
    }
    assert!(
        bound("date", json!("soon"))
            .unwrap_err()
            .starts_with("parameter \"p\" is \"soon\", which is no date / write 2026-03-01")
    );
}

#[test]
fn defaults_stand_in_and_null_is_a_default_too() {
    let sql = "-- param: since date = start of month\n-- param: who text = null\nselect $since, $who";
    let script = parse("q.sql", sql).unwrap();
    let values = bind(&script, &BTreeMap::new(), &clock()).unwrap();
    assert_eq!(value(&values, "since"), day("2026-05-01"));
    assert_eq!(value(&values, "who"), ScalarValue::Utf8(None));
    let values = bind(&script, &given(json!({ "since": "tomorrow", "who": "me" })), &clock()).unwrap();
    assert_eq!(value(&values, "since"), day("2026-05-14"));
    assert_eq!(value(&values, "who"), ScalarValue::Utf8(Some("me".to_owned())));
}

#[test]
fn the_time_zone_and_the_as_of_instant_are_always_known() {
    let as_of = ScalarValue::TimestampMicrosecond(Some(clock().as_of.timestamp_micros()), Some("UTC".into()));
    let zone = ScalarValue::Utf8(Some(clock().time_zone.name().to_owned()));
    for sql in ["select $as_of, $time_zone", "-- param: a text = x\nselect $a, $as_of; select $time_zone"] {
        let values = bind(&parse("q.sql", sql).unwrap(), &BTreeMap::new(), &clock()).unwrap();
        assert_eq!(value(&values, "as_of"), as_of);
        assert_eq!(value(&values, "time_zone"), zone);
        let values = bind_for_plan(&parse("q.sql", sql).unwrap(), &BTreeMap::new(), &clock()).unwrap();
        assert_eq!(value(&values, "as_of"), as_of);
        assert_eq!(
            refused(sql, json!({ "time_zone": "Europe/Berlin" })),
            "parameter \"time_zone\" comes from the run and cannot be given\nhint: set it with ⟨time-zone⟩"
        );
        assert!(refused(sql, json!({ "as_of": "today" })).ends_with("hint: set it with ⟨as-of⟩"));
    }
    let script = parse("q.sql", "-- param: time_zone text = Asia/Kolkata\nselect $time_zone").unwrap();
    let values = bind(&script, &BTreeMap::new(), &clock()).unwrap();
    assert_eq!(value(&values, "time_zone"), ScalarValue::Utf8(Some("Asia/Kolkata".to_owned())));
    let values = bind(&script, &given(json!({ "time_zone": "UTC" })), &clock()).unwrap();
    assert_eq!(value(&values, "time_zone"), ScalarValue::Utf8(Some("UTC".to_owned())));
}

fn refused(sql: &str, values: Value) -> String {
    let script = parse("q.sql", sql).unwrap();
    let error = bind(&script, &given(values), &clock()).unwrap_err();
    format!("{error}\nhint: {}", error.hint().unwrap_or("-"))
}

#[test]
fn missing_and_unknown_parameters_are_usage_errors() {
    let sql = "-- param: since date\nselect $since";
    assert_eq!(
        refused(sql, json!({})),
        "parameter \"since\" (date) has no value\nhint: give it with ⟨param⟩ since=2026-03-01"
    );
    assert_eq!(
        refused(sql, json!({ "since": "today", "sicne": "today" })),
        "q.sql has no parameter \"sicne\"\nhint: did you mean \"since\"?"
    );
    assert_eq!(refused("select 1", json!({ "a": 1 })), "q.sql has no parameter \"a\"\nhint: it has no parameters");
    let script = parse("q.sql", sql).unwrap();
    let values = bind_for_plan(&script, &BTreeMap::new(), &clock()).unwrap();
    assert_eq!(value(&values, "since"), ScalarValue::Date32(None));
}

#[test]
fn a_header_that_declares_must_declare_all() {
    let error = parse("q.sql", "-- param: since date\nselect '$x', $since, $sinse -- $y\n").unwrap_err();
    assert_eq!(
        format!("{error}\nhint: {}", error.hint().unwrap()),
        "q.sql:2:22: parameter $sinse is not declared\n  |\n2 | select '$x', $since, $sinse -- $y\n  |                      ^^^^^^\nhint: did you mean \"since\"?"
    );
    let script = parse("q.sql", "-- param: a text = x\n-- param: b text = x\nselect $a").unwrap();
    assert_eq!(script.unused_parameters().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn undeclared_parameters_take_text_or_their_json_type() {
    let sql = "select $a, $b, $c, $d, $e, $a";
    let script = parse("-c", sql).unwrap();
    let values = given(json!({ "a": "2026-01-01", "b": 5, "c": 0.5, "d": true, "e": null }));
    let values = bind(&script, &values, &clock()).unwrap();
    assert_eq!(value(&values, "a"), ScalarValue::Utf8(Some("2026-01-01".to_owned())));
    assert_eq!(value(&values, "b"), ScalarValue::Int64(Some(5)));
    assert_eq!(value(&values, "c"), ScalarValue::Float64(Some(0.5)));
    assert_eq!(value(&values, "d"), ScalarValue::Boolean(Some(true)));
    assert_eq!(value(&values, "e"), ScalarValue::Null);
    assert_eq!(
        refused("select\n  $who", json!({})),
        "q.sql:2:3: parameter $who has no value\n  |\n2 |   $who\n  |   ^^^^\nhint: give it with ⟨param⟩ who=…"
    );
    assert!(
        refused("select $a", json!({ "a": {} })).starts_with("parameter \"a\" is {}, which is no value of a parameter")
    );
    let all = bind_for_plan(&script, &BTreeMap::new(), &clock()).unwrap();
    assert_eq!(value(&all, "a"), ScalarValue::Null);
}

#[test]
fn bound_values_reach_a_query() {
    let sql = "-- param: who text\n-- param: top integer = 2\n-- param: any_of text[] = a, c\n\
               select x from (values ('a'), ('b'), ('c''; --')) t(x) where x = $who or x = any($any_of) order by x limit $top";
    let script = parse("q.sql", sql).unwrap();
    let values = bind(&script, &given(json!({ "who": "c'; --" })), &clock()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime
        .block_on(async {
            let session = datafusion::prelude::SessionContext::new();
            let plan = session.state().statement_to_plan(script.statements[0].parsed.clone()).await?;
            session.execute_logical_plan(plan.with_param_values(values)?).await?.collect().await
        })
        .unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let rows: Vec<&str> = shown.lines().skip(3).filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows, ["| a      |", "| c'; -- |"]);
}

#[test]
fn the_example_of_the_docs_is_a_script() {
    let page = include_str!("../../docs/sql-files.md");
    let example = page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let script = parse("stuck.sql", example).unwrap();
    assert_eq!(script.header.title.as_deref(), Some("Stuck sessions"));
    assert_eq!(script.unused_parameters().count(), 0);
    assert_eq!(script.statements[0].access(), Access::Reads);
    let values = bind(&script, &BTreeMap::new(), &clock()).unwrap();
    assert_eq!(value(&values, "longer_than"), ScalarValue::Float64(Some(14_400.0)));
}

/// Statements that hold what splitters stumble over.
fn statement() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "select 1",
        "select ';', 'it''s; --' as \"a;b\"",
        "select $$ ; $$ || $q$ -- ; $q$",
        "select E'\\'; /*' from t",
        "with a as (select ';' as x) select * from a where x <> '/* ; */'",
        "explain select data->>'a;b' from workflow_sessions",
        "values (1, '-- ;'), (2, null)",
        "copy (select ';') to 'out;put.csv'",
        "insert into t values ('é;😀')",
        "set datafusion.execution.batch_size = 100",
    ])
}

/// What may stand between two tokens.
fn gap() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![" ", "\n", "\r\n", "\t", "-- ; ' \" $$\n", "/* ; ' /* \" */ $a$ */", " -- é\r\n", ""])
}

proptest! {
    #[test]
    fn joined_statements_split_back(
        parts in prop::collection::vec((statement(), prop::collection::vec(gap(), 0..4), 1_usize..4), 1..8),
        lead in prop::collection::vec(gap(), 0..3),
    ) {
        let mut file = lead.concat();
        for (statement, gaps, semicolons) in &parts {
            file.push_str(statement);
            for number in 0..*semicolons {
                // A line comment must not swallow the next semicolon: every one of them ends its line.
                file.push_str(&gaps.iter().cycle().skip(number).take(gaps.len()).copied().collect::<String>());
                file.push(';');
            }
            file.push_str(&gaps.concat());
        }
        let script = parse("q.sql", &file).unwrap();
        prop_assert_eq!(script.statements.len(), parts.len());
        for (found, (statement, ..)) in script.statements.iter().zip(&parts) {
            prop_assert_eq!(found.text(), *statement);
            // Spans differ, which the comparison of parsed statements leaves out.
            prop_assert_eq!(&found.parsed, &parse("-c", statement).unwrap().statements[0].parsed);
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse("q.sql", &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_mix_of_sql_pieces_is_parsed_or_refused(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "select", "from", "t", "(", ")", "'", "\"", ";", "--", "/*", "*/", "$", "$$", "$a", "\\", "\n", "\r", " ", ",", "1",
                "e'", "u&'", "x'", "case", "when", "end", "create", "table", "copy", "to", "explain", "[", "]", "{", "}", ":", "::",
                "?", "@", "#", "é", "\u{0}", "\u{feff}", "-- param: ", "a date = ", "-- title: ", "with", "as", "values", "interval",
                "begin", "if", "then", "merge", "into", "using", "array", "order by", "not", "-", "+", ".", "1e", "0x", "null",
            ]),
            0..30,
        ),
        spaced in any::<bool>(),
    ) {
        let text = pieces.join(if spaced { " " } else { "" });
        if let Ok(script) = parse("q.sql", &text) {
            for statement in &script.statements {
                let _ = (statement.access(), statement.text().len());
            }
            let _ = bind(&script, &BTreeMap::new(), &clock());
        }
    }
}
