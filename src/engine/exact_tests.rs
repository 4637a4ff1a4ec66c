//! Sums and means of doubles have the same bits however rows are spread over threads, batches, exchanges and files of what was spilled.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;

use super::Engine;
use super::limits_tests::engine;

/// Doubles of which no order adds up as another: thirds of many sizes, of both signs.
const ROWS: &str = "create table rows as select value as n, value * 7919 % 40009 as many, value % 13 as few, \
                    (value * 104729 % 1000003 - 500000) / 3.0 * power(10.0, value % 9 - 4) as x \
                    from generate_series(1, 30000)";

async fn collected(engine: &Engine, sql: &str) -> Vec<RecordBatch> {
    engine.context().sql(sql).await.unwrap().collect().await.unwrap()
}

/// The key of each group with the bits of its sum and of its mean.
async fn groups(engine: &Engine, sql: &str) -> Vec<(i64, Option<u64>, Option<u64>)> {
    let mut groups = Vec::new();
    for batch in collected(engine, sql).await {
        let bits = |column: usize, row: usize| {
            let column = batch.column(column).as_primitive::<Float64Type>();
            column.iter().nth(row).flatten().map(f64::to_bits)
        };
        let keys = batch.column(0).as_primitive::<Int64Type>();
        let rows = batch.num_rows();
        groups.extend((0..rows).map(|row| (keys.value(row), bits(1, row), bits(2, row))));
    }
    groups.sort_unstable();
    groups
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sums_of_doubles_are_the_same_on_any_threads_and_in_any_memory() {
    for sql in [
        "select 0, sum(x), avg(x) from rows",
        "select few, sum(x), avg(x) filter (where n % 2 = 0) from rows group by few",
        "select few, sum(distinct round(x)), avg(distinct round(x)) from rows group by few",
        "select many, sum(x), avg(x) from rows group by many",
        "select a.few, sum(a.x + b.x), avg(b.x) from rows a join rows b on a.n = b.many group by a.few",
        "select few, sum(s), avg(s) from (select few, x as s from rows union all select many % 13, -x * 3 from rows) t group by few",
        "select n, sum(x) over (partition by few order by n rows between 5 preceding and current row), \
         avg(x) over (partition by many % 101 order by n) from rows",
    ] {
        let mut first = None;
        for (threads, limit, batch) in [(1, 1 << 30, 8192), (1, 4 << 20, 64), (3, 1 << 30, 1000), (8, 24 << 20, 256)] {
            // What windows hold cannot be spilled.
            let limit = if sql.contains(" over ") { limit.max(64 << 20) } else { limit };
            let engine = engine(threads, limit).await;
            collected(&engine, &format!("set datafusion.execution.batch_size = {batch}")).await;
            // Rows of another order.
            let order = if threads == 3 { "order by x" } else { "" };
            collected(&engine, &format!("{ROWS} {order}")).await;
            let found = groups(&engine, sql).await;
            assert_eq!(
                found,
                *first.get_or_insert_with(|| found.clone()),
                "{sql} on {threads} threads in {limit} bytes"
            );
        }
    }
}

#[tokio::test]
async fn a_session_may_ask_for_sums_as_they_come() {
    let engine = engine(1, 1 << 30).await;
    let sql = "select sum(x), avg(x) from (values (1e16), (1.0), (1.0), (-1e16)) t(x)";
    let sums = |batches: Vec<RecordBatch>| {
        [0, 1].map(|column| batches[0].column(column).as_primitive::<Float64Type>().value(0))
    };
    assert_eq!(sums(collected(&engine, sql).await), [2.0, 0.5]);
    collected(&engine, "set sessionlake.exact_sums = false").await;
    assert_ne!(sums(collected(&engine, sql).await), [2.0, 0.5]);
}
