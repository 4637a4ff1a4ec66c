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
use sessionlake::functions::interval::Part;
use sessionlake::zones::Tz;

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
