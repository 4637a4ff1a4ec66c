//! Every kind of plan, on one thread and several, in memory from far too little to plenty: it gives the same rows, or names the limit,
//! and never stands still.

use std::num::NonZeroUsize;
use std::time::Duration;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::error::DataFusionError;

use super::{Engine, EngineOptions, Leaves};

const PLANS: [&str; 13] = [
    "select n, t from texts order by t desc, n",
    "select t, count(*), min(n) from texts group by t",
    "select g, count(distinct t) from texts group by g",
    "select distinct t from texts",
    "select count(*) from (select t, row_number() over (partition by t order by n) as r from texts) where r = 1",
    "select count(*), sum(a.n), min(b.t) from texts a join texts b on a.t = b.t and a.n <= b.n",
    "select count(*) from texts a left join texts b on a.n = b.n + 100",
    "select t from texts where n < 500 union select t from texts where n > 2500",
    "select count(*), sum(x) from (select sum(n) over (partition by g) as x, t from texts)",
    "select g, array_length(array_agg(t)) from texts group by g",
    "select count(*), count(b.t) from texts a full join texts b on a.t = b.t and a.n = b.n + 5",
    "select count(*) from texts a where not exists (select 1 from texts b where b.n = a.n + 100)",
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 40) select r.n, t from r join texts on r.n = texts.n order by t",
];

/// Makes an engine for tests of limits, whose plans run in as many partitions as there are threads: so little memory would go to one partition
/// alone.
pub(super) async fn engine(threads: usize, memory_limit_bytes: usize) -> Engine {
    let engine = Engine::new(EngineOptions {
        as_of: chrono::DateTime::UNIX_EPOCH,
        time_zone: crate::zones::Tz::UTC,
        memory_limit_bytes,
        spill_limit_bytes: 1 << 30,
        temporary_folder: None,
        threads: NonZeroUsize::new(threads).unwrap(),
        leaves: Leaves::Read,
    })
    .unwrap();
    for setting in ["batch_size = 64".to_owned(), format!("target_partitions = {threads}")] {
        let set = engine.context().sql(&format!("set datafusion.execution.{setting}")).await.unwrap();
        set.collect().await.unwrap();
    }
    engine
}

/// What a session with much memory sets, so that exchanges are fed by several tasks.
const APART: &str = "set datafusion.execution.max_spill_file_size_bytes = 1";

async fn answer(engine: &Engine, sql: &str) -> Result<Vec<String>, DataFusionError> {
    let context = engine.context();
    let table = "create table texts as select value as n, value % 13 as g, \
                 repeat(md5(cast(value % 700 as text)), 20) as t from generate_series(1, 3000)";
    context.sql(table).await?.collect().await?;
    let batches = context.sql(sql).await?.collect().await?;
    let rows = pretty_format_batches(&batches)?.to_string();
    let mut rows: Vec<String> = rows.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect();
    if !sql.contains("order by t") {
        rows.sort_unstable();
    }
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_kind_of_plan_gives_the_same_rows_or_names_the_limit() {
    let (mut refused, mut answered) = (0, 0);
    for sql in PLANS {
        let all = answer(&engine(1, 1 << 30).await, sql).await.unwrap();
        for (threads, apart) in [(1, false), (2, false), (8, false), (2, true), (8, true)] {
            for limit in [1 << 12, 1 << 18, 1 << 20, 3 << 20, 12 << 20, 1 << 30] {
                let engine = engine(threads, limit).await;
                if apart {
                    engine.context().sql(APART).await.unwrap().collect().await.unwrap();
                }
                let ended = tokio::time::timeout(Duration::from_secs(60), answer(&engine, sql)).await;
                match ended.unwrap_or_else(|_| panic!("{sql} stands still with {threads} threads in {limit} bytes")) {
                    Ok(rows) => {
                        assert_eq!(rows, all, "{sql} with {threads} threads in {limit} bytes");
                        answered += 1;
                    }
                    Err(error) => {
                        let is_limit = matches!(error.find_root(), DataFusionError::ResourcesExhausted(_));
                        assert!(is_limit && limit < 1 << 30, "{sql} with {threads} threads in {limit} bytes: {error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    // Some are too small for all, and plenty is for all.
    assert!(refused > 20 && answered > 60, "{refused} refused, {answered} answered");
}
