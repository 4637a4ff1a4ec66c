//! Our answers are PostgreSQL's: the statements of `tests/postgres/*.tsv` with the answers that a server gave.
//!
//! A line is a statement, PostgreSQL's answer and, where ours is other on purpose, ours and why. `tests/postgres/record.py` asks a
//! server anew. Numbers are compared as numbers, to fifteen digits; of errors only that they are some.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ParamValues;
use datafusion::sql::parser::DFParserBuilder;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use sessionlake::engine::{Engine, EngineOptions, Leaves};
use sessionlake::functions::IntervalPart as Part;
use sessionlake::zones::Tz;

use crate::support::{Desk, repository};

/// Answers one statement as psql writes it; rows separated by ` ; `, columns by ` | `.
async fn answer(engine: &Engine, sql: &str) -> datafusion::error::Result<String> {
    let mut parser = DFParserBuilder::new(sql).with_dialect(&PostgreSqlDialect {}).build()?;
    let plan = engine.plan(parser.parse_statement()?, &ParamValues::List(Vec::new())).await?;
    let batches = engine.context().execute_logical_plan(plan).await?.collect().await?;
    let options = FormatOptions::new().with_null("null").with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let mut rows = Vec::new();
    for batch in &batches {
        let mut columns = Vec::new();
        for column in batch.columns() {
            let column = match column.data_type() {
                DataType::Duration(_) | DataType::Interval(_) => written(engine, column.clone()).await?,
                _ => column.clone(),
            };
            columns.push(column);
        }
        for row in 0..batch.num_rows() {
            let mut cells = Vec::new();
            for column in &columns {
                let cell = match column.data_type() {
                    _ if column.is_null(row) => "null".to_owned(),
                    DataType::Boolean => if column.as_boolean().value(row) { "t" } else { "f" }.to_owned(),
                    DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
                    _ => ArrayFormatter::try_new(column, &options)?.value(row).to_string(),
                };
                cells.push(cell);
            }
            rows.push(cells.join(" | "));
        }
    }
    Ok(rows.join(" ; "))
}

/// Writes a column of intervals as tables show it.
async fn written(engine: &Engine, column: arrow::array::ArrayRef) -> datafusion::error::Result<arrow::array::ArrayRef> {
    let batch = arrow::record_batch::RecordBatch::try_from_iter_with_nullable([("c", column, true)])?;
    let call = Part::Text.call(vec![datafusion::prelude::col("c")]);
    let batches = engine.context().read_batch(batch)?.select(vec![call])?.collect().await?;
    Ok(batches[0].column(0).clone())
}

/// Says whether two answers are the same; cells that are numbers in both are compared as such.
fn is_same(ours: &str, theirs: &str) -> bool {
    if theirs.starts_with("error: ") {
        return ours.starts_with("error: ");
    }
    let cells = |answer: &str| {
        answer.split(" ; ").map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let (ours, theirs) = (cells(ours), cells(theirs));
    ours.len() == theirs.len()
        && ours.iter().zip(&theirs).all(|(ours, theirs)| {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| match (ours.parse::<f64>(), theirs.parse::<f64>()) {
                    (Ok(ours), Ok(theirs)) => (ours - theirs).abs() <= theirs.abs() * 1e-15,
                    _ => ours == theirs,
                })
        })
}

/// Makes a session in a zone.
fn session(time_zone: Tz) -> Engine {
    Engine::new(EngineOptions {
        as_of: "2026-11-21T00:00:00Z".parse().unwrap(),
        time_zone,
        memory_limit_bytes: 256 << 20,
        spill_limit_bytes: 1 << 30,
        temporary_folder: None,
        threads: NonZeroUsize::new(2).unwrap(),
        leaves: Leaves::Read,
    })
    .unwrap()
}

#[tokio::test]
async fn every_answer_is_that_of_postgresql() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "tsv"));
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# PostgreSQL "), "{}: the version is missing", file.display());
        let mut engine = session(Tz::UTC);
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            if let Some(zone) = line.strip_prefix("# set timezone = '") {
                engine = session(zone.trim_end_matches('\'').parse().unwrap());
            }
            if line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = line.split('\t').collect();
            let (sql, theirs) = (fields[0], fields.get(1).copied().unwrap_or_default());
            let ours = match answer(&engine, sql).await {
                Ok(ours) => ours,
                Err(error) => format!("error: {}", error.strip_backtrace().lines().next().unwrap_or_default()),
            };
            let expected = match fields.get(2) {
                Some(ours) => {
                    assert!(fields.get(3).is_some_and(|why| !why.is_empty()), "{sql}: it is not said why");
                    ours
                }
                None => theirs,
            };
            if !is_same(&ours, expected) {
                let name = file.file_name().unwrap().to_string_lossy();
                let _ = writeln!(wrong, "{name}:{}: {sql}\n  expected {expected}\n  given    {ours}", index + 1);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The cells of a row of a Markdown table, with instants as psql writes those of UTC.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{1}");
    row.split('|').map(|cell| of_psql(&cell.replace('\u{1}', "|"))).collect()
}

/// Writes `2026-11-20T12:30:15Z` inside of a cell as `2026-11-20 12:30:15`.
fn of_psql(cell: &str) -> String {
    let mut cell = cell.trim().to_owned();
    while let Some(at) = cell.match_indices('T').map(|(at, _)| at).find(|at| {
        let digits = |text: Option<&str>| text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        *at >= 10 && digits(cell.get(at - 2..*at)) && digits(cell.get(at + 1..at + 3))
    }) {
        let rest = cell.split_off(at).split_off(1);
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
        let (time, after) = rest.split_at(end);
        let after = after.strip_prefix('Z').or_else(|| after.strip_prefix("+00:00")).unwrap_or(after);
        cell = format!("{cell} {time}{after}");
    }
    cell
}

/// Says whether a cell of a Markdown table is one of psql's.
fn is_same_cell(ours: &str, theirs: &str) -> bool {
    if let (Ok(ours), Ok(theirs)) = (ours.parse::<f64>(), theirs.parse::<f64>()) {
        return ours == theirs || ours.is_nan() && theirs.is_nan() || (ours - theirs).abs() <= theirs.abs() * 1e-15;
    }
    let theirs = match theirs.strip_suffix("+00") {
        Some(instant) if instant.contains(':') => instant,
        _ => theirs,
    };
    match (ours, theirs) {
        ("true", "t") | ("false", "f") => true,
        _ if ours.starts_with('[') && theirs.starts_with(['{', '[']) => {
            let list =
                |text: &str| text.replace('{', "[").replace('}', "]").replace("NULL", "null").replace([' ', '"'], "");
            list(ours) == list(theirs)
        }
        _ => ours.trim() == theirs.trim(),
    }
}

#[test]
fn the_statements_of_the_chapters_are_answered_as_their_lines_say() {
    let desk = Desk::with_lake();
    let folder = repository("tests/postgres/chapters");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut asked = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with("# PostgreSQL "), "{}: the version is missing", file.display());
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let name = file.file_name().unwrap().to_string_lossy();
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            assert!(matches!(fields.len(), 1 | 2 | 4), "{name}:{}: two fields, or four", index + 1);
            asked.push((format!("{name}:{}", index + 1), fields));
        }
    }
    assert!(asked.len() > 500, "{}", asked.len());
    for (index, (_, fields)) in asked.iter().enumerate() {
        desk.write(&format!("asked/{index:04}.sql"), &format!("select '@@{index}@@' as mark;\n{};\n", fields[0]));
    }
    let flags = ["--format", "markdown", "--null", "null", "--as-of", "2026-11-21T00:00:00Z", "--keep-going"];
    let ran = desk.run(&[&["query"], &flags[..], &["asked"]].concat());
    let mut wrong = String::new();
    for (index, (place, fields)) in asked.iter().enumerate() {
        let answer = ran.out.split_once(&format!("@@{index}@@")).map_or("", |(_, rest)| rest);
        let answer = answer.split_once("| mark").map_or(answer, |(answer, _)| answer);
        let rows: Vec<_> = answer.lines().skip(1).filter(|line| line.starts_with('|')).skip(2).map(cells).collect();
        let file = format!("{index:04}.sql:");
        let error = ran.err.lines().find(|line| line.starts_with("error") && line.contains(&file));
        let expected = fields.get(2).or(fields.get(1)).cloned().unwrap_or_default();
        let is_right = match (expected.strip_prefix("error: "), error) {
            // PostgreSQL's errors have other words.
            (Some(message), Some(error)) => fields.len() < 4 || error.contains(message),
            (None, None) => {
                let expected: Vec<Vec<&str>> = match expected.as_str() {
                    "" => Vec::new(),
                    expected => expected.split(" ; ").map(|row| row.split(" | ").collect()).collect(),
                };
                expected.len() == rows.len()
                    && expected.iter().zip(&rows).all(|(theirs, ours)| {
                        theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(b, a)| is_same_cell(a, b))
                    })
            }
            _ => false,
        };
        if !is_right {
            let _ = writeln!(wrong, "{place}: {}\n  expected {expected}\n  given    {rows:?} {error:?}", fields[0]);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn what_plans_are_rewritten_with_is_no_function_of_queries() {
    let desk = Desk::with_lake();
    for (call, place) in [
        ("integer_negate('x')", "-c:1:8"),
        ("SESSION_ADD(1)", "-c:1:8"),
        ("abs(interval_of_rank('x'))", "-c:1:12"),
        ("similar_to_regex('a')", "-c:1:8"),
    ] {
        let ran = desk.run(&["query", "-c", &format!("select {call}")]);
        let name = call.trim_start_matches("abs(").split('(').next().unwrap();
        let expected = format!("error: {place}: no function {name:?}");
        assert!(ran.err.contains(&expected), "{call}: {}", ran.err);
        assert!(ran.err.contains("hint: sessionlake describe lists the functions"), "{}", ran.err);
    }
    // They stand in plans as before.
    let ran = desk.run(&["query", "--format", "csv", "-c", "select 'ab' similar to 'a_', -(2)::bigint"]);
    assert!(ran.out.contains("true,-2"), "{} {}", ran.out, ran.err);
}

/// Lines that hold in PostgreSQL 15.18 with the same TimeZone.
const IN_BERLIN: &str = r#"
with v(t) as (values (arrow_cast('2026-11-20T22:32:06Z', 'Timestamp(Microsecond, Some("UTC"))')))
select 1 as line, extract(hour from t) = 23 as holds from v
union all select 2, extract(epoch from (timestamptz '2026-11-21 00:00:00.5+00' - timestamptz '2026-11-20 00:00:00+00')) = 86400.5
union all select 3, (timestamptz '2026-11-21 00:00:00+00' - timestamptz '2026-11-18 00:00:00+00') > interval '2 days'
union all select 4, t >= '2026-11-20 23:32:06' from v
union all select 5, to_char(t, 'YYYY-MM-DD HH24') = '2026-11-20 23' from v
union all select 6, to_timestamp(1700000000) = timestamptz '2023-11-14 22:13:20+00'
union all select 7, count(*) = 0 from (values (1)) as a(i) where 'x' not in (select c from (values ('y'), (null)) as w(c))
union all select 8, round(cast(percentile_cont(0.9) within group (order by x desc) as numeric), 9) = 1.2 from (values (1), (2), (9)) as w(x)
union all select 9, count(*) = 1 from v where t::date = date '2026-11-20' and date_trunc('day', t) = timestamptz '2026-11-19 23:00:00+00'
order by 1"#;

#[tokio::test]
async fn a_query_of_zones_subqueries_and_percentiles_holds_line_by_line() {
    let given = answer(&session("Europe/Berlin".parse().unwrap()), IN_BERLIN).await.unwrap();
    assert_eq!(given, (1..=9).map(|line| format!("{line} | t")).collect::<Vec<_>>().join(" ; "));
}
