//! Tests of errors through a real session: what a user sees, to the character.

use datafusion::arrow::array::{Float64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::config::Dialect;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;
use crate::script::parse;

const TABLES: [&str; 2] = ["workflow_sessions", "quarantine"];

fn session() -> SessionContext {
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("session_id", DataType::Utf8View, false),
        Field::new("workflow_id", DataType::Utf8View, true),
        Field::new("started_at", zoned, false),
        Field::new("time_in_workflow", DataType::Float64, true),
    ]));
    let batch = RecordBatch::try_new(
        schema,
        vec![
            Arc::new(StringViewArray::from(vec!["a"])),
            Arc::new(StringViewArray::from(vec!["w"])),
            Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC")),
            Arc::new(Float64Array::from(vec![1.0])),
        ],
    )
    .unwrap();
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.collect_spans = true;
    config.options_mut().sql_parser.dialect = Dialect::PostgreSQL;
    let session = SessionContext::new_with_config(config);
    session.register_batch("workflow_sessions", batch).unwrap();
    session
}

/// Runs the statements of a file and renders its first error as the command line would.
fn rendered(sql: &str) -> String {
    let error = match parse("q.sql", sql) {
        Err(error) => error,
        Ok(script) => {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let session = session();
            let failed = script.statements.iter().find_map(|statement| {
                let run = async {
                    let plan = session.state().statement_to_plan(statement.parsed.clone()).await?;
                    session.execute_logical_plan(plan).await?.collect().await
                };
                runtime.block_on(run).err().map(|error| (error, statement))
            });
            let (error, statement) = failed.expect("the file must fail");
            locate_among(error, &script, Some(statement), &TABLES)
        }
    };
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{hint}")
}

/// The same on one line, without the source: position, width of the carets, message, hint.
fn brief(sql: &str) -> String {
    let text = rendered(sql);
    let first = text.lines().next().unwrap_or_default().trim_start_matches("q.sql:");
    let carets = text.lines().find(|line| line.contains("| ") && line.trim_end().ends_with('^')).unwrap_or_default();
    let (place, message) = first.split_once(": ").unwrap_or(("", first));
    let hint = text.lines().find(|line| line.starts_with("hint: ")).unwrap_or("hint: -");
    format!("{place}+{} {message} / {}", carets.matches('^').count(), &hint[6..])
}

#[test]
fn a_misspelt_column_is_shown_in_its_place() {
    assert_eq!(
        rendered("-- title: x\nselect 1;\r\n\r\nselect workflow_id,\r\n\tsesion_id from workflow_sessions;\r\n"),
        "q.sql:5:2: no column \"sesion_id\"\n  |\n5 | \tsesion_id from workflow_sessions;\n  | \t^^^^^^^^^\nhint: did you mean \"session_id\"?"
    );
}

#[test]
fn print_all() {
    for (sql, _) in CASES {
        println!("        ({sql:?}, {:?}),", brief(sql));
    }
}

const CASES: &[(&str, &str)] = &[
    ("select w.sesion_id from workflow_sessions w", ""),
    ("select x.session_id from workflow_sessions w", ""),
    ("select nothing_like_it from workflow_sessions", ""),
    ("select \"Session Id\" from workflow_sessions", ""),
    ("select * from workflow_sessions order by nope", ""),
    ("select 'nope' from workflow_sessions /* nope */ order by nope", ""),
    ("select * from workflow_sessions w join workflow_sessions v using (nope)", ""),
    ("select sum(x) over (partition by nope) from (values (1)) t(x)", ""),
    ("select foo.bar.baz from workflow_sessions", ""),
    ("select * from workflow_sesions", ""),
    ("with recent as (select 1 as a) select * from recnt", ""),
    ("select * from elsewhere.nothing", ""),
    ("insert into nope values (1)", ""),
    ("select * from nosuch(1)", ""),
    ("select abss(1)", ""),
    ("select zzzzqqqq(1)", ""),
    ("select lag(session_id) from workflow_sessions", ""),
    ("select 'abs', abs('x', 1)", ""),
    ("select abs(session_id) from workflow_sessions", ""),
    ("select substr(1)", ""),
    ("select round()", ""),
    ("select date_trunc(started_at) from workflow_sessions", ""),
    ("select sum(session_id) from workflow_sessions", ""),
    ("select coalesce(started_at, session_id) from workflow_sessions", ""),
    ("select nullif(started_at, 5) from workflow_sessions", ""),
    ("select date_trunc('fortnight', started_at) from workflow_sessions", ""),
    ("select session_id from workflow_sessions a, workflow_sessions b", ""),
    ("select workflow_id, session_id, count(*) from workflow_sessions group by workflow_id", ""),
    ("select workflow_id, upper(session_id) from workflow_sessions group by workflow_id", ""),
    ("select * from workflow_sessions group by workflow_id", ""),
    ("select workflow_id from workflow_sessions group by workflow_id having session_id = 'x'", ""),
    ("select * from workflow_sessions where session_id = 'a' and started_at > 5", ""),
    ("select * from workflow_sessions where started_at > 5 and time_in_workflow > 1", ""),
    ("select * from workflow_sessions where started_at <> true", ""),
    ("select * from workflow_sessions where time_in_workflow > 'abc'", ""),
    ("select * from workflow_sessions where started_at > 'abc'", ""),
    ("select session_id + 1 from workflow_sessions", ""),
    ("select session_id + workflow_id from workflow_sessions", ""),
    ("select started_at + session_id from workflow_sessions", ""),
    ("select 1 as a, 2 as a", ""),
    ("select session_id, session_id from workflow_sessions", ""),
    ("select * from workflow_sessions where count(*) > 1", ""),
    ("select count(*) from workflow_sessions where sum(time_in_workflow) > 1", ""),
    ("select sum(count(*)) from workflow_sessions", ""),
    ("select cast('abc' as int)", ""),
    ("select 'abc'::date", ""),
    ("select session_id::int from workflow_sessions", ""),
    ("select date '2026-13-01'", ""),
    ("select interval 'foo'", ""),
    ("select not 5", ""),
    ("select -session_id from workflow_sessions", ""),
    ("select 1 union select 1, 2", ""),
    ("select * from workflow_sessions where session_id", ""),
    ("select * from workflow_sessions order by 9", ""),
    ("select (select session_id, workflow_id from workflow_sessions)", ""),
    ("select 1/0", ""),
    ("drop table nope", ""),
    ("select * from workflow_sessions limit 'x'", ""),
    ("select 1::nosuchtype", ""),
    ("set datafusion.nope = 1", ""),
    ("select $x + 1", ""),
    ("with a as (select 1), a as (select 2) select * from a", ""),
    ("values (1), (1,2)", ""),
    ("select * from workflow_sessions where session_id like 5", ""),
    ("select * from workflow_sessions where session_id between 1 and started_at", ""),
    ("select * from workflow_sessions where session_id ~ '('", ""),
    ("show nope", ""),
    ("select * from workflow_sessions limit $n", ""),
    ("selct 1", ""),
    ("select * form workflow_sessions", ""),
    ("select 1 +", ""),
    ("select 1 +;\nselect 2", ""),
    ("select (1", ""),
    ("select 1,\nfrom t", ""),
    ("select 'abc\n", ""),
    ("select 1 /* open", ""),
    ("select \"abc", ""),
    ("select $a$ abc", ""),
    ("select 1\nselect 2", ""),
    ("copy t", ""),
    ("select 1; \\d", ""),
    ("create external table t location 'x'", ""),
    ("explain foo", ""),
    ("select $", ""),
    ("select * from t where", ""),
    ("select E'\\u{zz}'", ""),
    ("explain (nope) select 1", ""),
    ("copy t to 'a' to 'b'", ""),
    ("select 'a' from workflow_sessions limit -1", ""),
    ("select 5 from workflow_sessions where time_in_workflow in ('x')", ""),
    ("select case workflow_id when 1 then 'a' else 2 end from workflow_sessions", ""),
    ("create table workflow_sessions as select 1", ""),
    ("select array[1, 'a']", ""),
    ("select unnest(5)", ""),
];
