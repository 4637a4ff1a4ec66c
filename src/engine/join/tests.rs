//! The answers are those of DataFusion's own operator.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, DurationMicrosecondArray, Float64Array, Int32Array, Int64Array, StringViewArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::{FutureExt, StreamExt};
use proptest::prelude::*;

use super::{IntervalJoin, IntervalJoinExec};
use crate::engine::Execution;
use crate::engine::operators::{boxed, engine, put};
use crate::engine::own::{Node, Operator};

/// A row: a caller, a number that may be asked for too, an instant, a number and a span, any of which may be null or repeat.
type Row = (Option<u8>, u8, Option<i64>, Option<i8>, Option<u8>);

/// Returns the batches of rows, cut after each given number of rows.
fn batches(rows: &[Row], cut: usize) -> Vec<RecordBatch> {
    let names = ["", "a", "+12125550100", "+12125550101", "sip:9997@pbx.example.com", "sip:9998@pbx.example.com"];
    let name = |number: Option<u8>| number.map(|number| names[usize::from(number) % names.len()]);
    let floats = [0.0, -0.0, f64::NAN, -1.5];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("caller", Arc::new(rows.iter().map(|row| name(row.0)).collect::<StringViewArray>())),
        ("channel", Arc::new(rows.iter().map(|row| Some(floats[usize::from(row.1) % 4])).collect::<Float64Array>())),
        (
            "t",
            Arc::new(
                rows.iter()
                    .map(|row| row.2.map(|minutes| minutes * 60_000_000))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
        ("n", Arc::new(rows.iter().map(|row| row.3.map(i64::from)).collect::<Int64Array>())),
        ("m", Arc::new(rows.iter().map(|row| row.4.map(i32::from)).collect::<Int32Array>())),
        (
            "d",
            Arc::new(
                rows.iter().map(|row| row.4.map(|d| i64::from(d) * 60_000_000)).collect::<DurationMicrosecondArray>(),
            ),
        ),
        ("id", Arc::new((0..rows.len() as i64).collect::<Int64Array>())),
    ];
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let whole = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    (0..rows.len()).step_by(cut).map(|from| whole.slice(from, cut.min(rows.len() - from))).collect()
}

/// How a plan is made and run.
#[derive(Debug, Clone, Copy)]
struct Way {
    partitions: usize,
    batch_size: usize,
    /// Whether both sides come in partitions by key, or one is read whole.
    is_partitioned: bool,
    memory_bytes: usize,
}

const ONE_BY_ONE: Way = Way { partitions: 1, batch_size: 8, is_partitioned: false, memory_bytes: 1 << 30 };

/// A session with the tables `a` and `b`.
fn session(a: Vec<RecordBatch>, b: Vec<RecordBatch>, way: Way) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(way.partitions).with_batch_size(way.batch_size);
    let options = config.options_mut();
    options.optimizer.enable_round_robin_repartition = false;
    if way.is_partitioned {
        options.optimizer.hash_join_single_partition_threshold = 0;
        options.optimizer.hash_join_single_partition_threshold_rows = 0;
    }
    let pool: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(way.memory_bytes));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().unwrap();
    let context = SessionContext::new_with_config_rt(config, runtime);
    for (name, batches) in [("a", a), ("b", b)] {
        let table = MemTable::try_new(batches.first().unwrap().schema(), vec![batches]).unwrap();
        context.register_table(name, Arc::new(table)).unwrap();
    }
    context
}

async fn plan(context: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    context.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
}

fn text(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

/// Puts the operator into a plan.
fn with_ours(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    put(plan, |node| IntervalJoinExec::in_place_of(node).map(boxed)).unwrap()
}

/// Puts the operator into a plan, with hashes of one bit.
fn with_ours_that_collide(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let collide = |node: &Node| -> Result<Option<Node>> {
        let join = IntervalJoin::of(node)?.map(|join| join.with_hash_mask(1));
        Ok(boxed(join.map(|join| IntervalJoinExec::new(join, node))))
    };
    put(plan, collide).unwrap()
}

/// Returns the rows as lines, in the order in which they came.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let table = pretty_format_batches(batches).unwrap().to_string();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    // A table without columns has no lines.
    if batches.iter().all(|batch| batch.num_columns() == 0) {
        return vec![String::new(); rows];
    }
    table.lines().filter(|line| line.starts_with('|')).skip(1).map(str::to_owned).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// Filters with conditions that the operator knows.
const KNOWN: [&str; 14] = [
    "b.t > a.t and b.t < a.t + interval '1 hour'",
    "b.t >= a.t",
    "a.t <= b.t and a.t >= b.t - interval '7 minutes' and a.id <> b.id",
    "a.n < b.n and a.n * -1 <= b.n",
    "a.t - a.d < b.t and a.t + a.d >= b.t",
    "b.n between a.n - 3 and a.n + a.m",
    "b.t > a.t and (a.n + b.n) % 3 < 2",
    "b.t > a.t and (a.n is null or b.n > 2)",
    "cast(a.t as date) <= cast(b.t as date)",
    "a.m < b.m and a.n > b.n and a.d <= b.d",
    "a.t < b.t + b.d and b.t < a.t + a.d",
    "a.n > b.n and a.n > b.m and a.n * a.n <= b.n + 90 and a.n * a.n > b.n",
    "b.d >= a.d and b.m - 3 <= a.m",
    "abs(a.n) >= b.n and abs(a.n) < b.n + 5 and (a.caller || b.caller) <> 'aa'",
];

const KEYS: [&str; 4] = [
    "a.caller = b.caller",
    "a.caller = b.caller and a.m % 3 = b.m % 3",
    "a.id % 3 = b.id % 3",
    "substr(a.caller, 1, 4) = substr(b.caller, 1, 4) and a.m = b.m",
];

const OUTPUTS: [&str; 5] = ["*", "a.id, b.id", "b.caller, a.t, b.n", "1", "b.m, a.d, b.t, b.id, a.id, a.channel"];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::option::weighted(0.9, 0_u8..6),
        0_u8..4,
        prop::option::weighted(0.9, -50_i64..3000),
        prop::option::weighted(0.9, -9_i8..9),
        prop::option::weighted(0.9, 0_u8..90),
    );
    prop::collection::vec(row, 1..70)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn pairs_are_those_of_the_stock_operator(
        (a, b) in (rows(), rows()),
        known in 0..KNOWN.len(),
        keys in 0..KEYS.len(),
        output in 0..OUTPUTS.len(),
        cut in 1_usize..40,
        partitions in 1_usize..4,
        batch_size in 1_usize..20,
        is_partitioned in any::<bool>(),
        collide in any::<bool>(),
    ) {
        let sql = format!("select {} from a join b on {} and {}", OUTPUTS[output], KEYS[keys], KNOWN[known]);
        let way = Way { partitions, batch_size, is_partitioned, memory_bytes: 1 << 30 };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (expected, given, plan) = runtime.block_on(async {
            let context = session(batches(&a, cut), batches(&b, cut), way);
            let stock = plan(&context, &sql).await;
            let ours = plan(&context, &sql).await;
            let ours = if collide { with_ours_that_collide(ours) } else { with_ours(ours) };
            let plan = text(&ours);
            assert_eq!(stock.schema(), ours.schema());
            let expected = collect(stock, context.task_ctx()).await.unwrap();
            let given = collect(Arc::clone(&ours), context.task_ctx()).await.unwrap();
            assert!(given.iter().all(|batch| batch.schema() == ours.schema() && batch.num_rows() > 0));
            (lines(&expected), lines(&given), plan)
        });
        prop_assert!(plan.contains("IntervalJoinExec: mode="), "{} {}", sql, plan);
        prop_assert!(!plan.contains("HashJoinExec"), "{}", plan);
        // The planner may come to it by itself: slices of a batch count as large as the whole.
        let is_as_asked = plan.contains("mode=Partitioned") || !is_partitioned || partitions == 1;
        prop_assert!(is_as_asked, "{}", plan);
        prop_assert_eq!(sorted(given), sorted(expected), "{}", sql);
    }
}

/// Rows of few callers, each of many sessions.
fn many(rows: usize) -> Vec<Row> {
    let row = |row: usize| {
        let mixed = row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let instant = (!row.is_multiple_of(17)).then_some((mixed % 5000) as i64);
        (
            (!row.is_multiple_of(13)).then_some((mixed % 5) as u8),
            0,
            instant,
            Some((mixed % 15) as i8 - 7),
            Some((mixed % 90) as u8),
        )
    };
    (0..rows).map(row).collect()
}

const WITHIN: &str = "select a.id, a.caller, b.id, b.t from a join b on a.caller = b.caller \
                      where b.t > a.t and b.t < a.t + interval '1 hour'";

#[tokio::test]
async fn the_rows_of_the_other_side_stay_in_their_order() {
    let (a, b) = (batches(&many(300), 50), batches(&many(400), 70));
    let context = session(a, b, ONE_BY_ONE);
    // The planner makes the side of which no more than the filter's columns are asked for the build side.
    for id in ["a.id", "b.id"] {
        let sql = WITHIN.replace("a.id, a.caller, b.id, b.t", id).replace("1 hour", "1 day");
        let plan = plan(&context, &sql).await;
        let expected = lines(&collect(Arc::clone(&plan), context.task_ctx()).await.unwrap());
        let given = lines(&collect(with_ours(Arc::clone(&plan)), context.task_ctx()).await.unwrap());
        assert!(given.len() > 1_000, "{}", given.len());
        assert_eq!(given, expected, "{sql}");
    }
    // All columns, so that the order of the build side shows: it is the same each time.
    let plan = plan(&context, WITHIN).await;
    let given = lines(&collect(with_ours(Arc::clone(&plan)), context.task_ctx()).await.unwrap());
    assert_eq!(given, lines(&collect(with_ours(plan), context.task_ctx()).await.unwrap()));
}

#[tokio::test]
async fn pairs_in_little_memory_are_the_same_or_an_error_says_so() {
    let (a, b) = (batches(&many(1_000), 200), batches(&many(1_000), 300));
    let expected = {
        let context = session(a.clone(), b.clone(), ONE_BY_ONE);
        sorted(lines(&collect(plan(&context, WITHIN).await, context.task_ctx()).await.unwrap()))
    };
    assert!(expected.len() > 500, "{}", expected.len());
    let mut seen = [0; 3];
    for partitions in [1, 3] {
        for memory_bytes in (1..30).map(|step| step * (8 << 10)) {
            let way = Way { partitions, memory_bytes, is_partitioned: partitions > 1, batch_size: 100 };
            let context = session(a.clone(), b.clone(), way);
            let ours = with_ours(plan(&context, WITHIN).await);
            let result = collect(Arc::clone(&ours), context.task_ctx()).await;
            let is_taken_over = text_with_metrics(&ours).contains("build_input_batches");
            match result {
                Ok(batches) => {
                    assert_eq!(sorted(lines(&batches)), expected, "{memory_bytes}");
                    seen[usize::from(is_taken_over)] += 1;
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("Resources exhausted") && error.contains("Input"), "{error}");
                    seen[2] += 1;
                }
            }
            drop(ours);
            // What an error stopped is dropped when its task has its turn.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(context.runtime_env().memory_pool.reserved(), 0);
        }
    }
    assert!(seen.iter().all(|times| *times > 0), "joined, taken over, failed: {seen:?}");
}

/// A plan with what it measured.
fn text_with_metrics(plan: &Arc<dyn ExecutionPlan>) -> String {
    datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(true).to_string()
}

#[tokio::test]
async fn many_pairs_come_a_batch_at_a_time_and_others_have_their_turn() {
    let rows: Vec<Row> = (0..2_000).map(|row| (Some(1), 0, Some(row), Some(0), Some(0))).collect();
    let context = session(batches(&rows, 2_000), batches(&rows, 2_000), Way { batch_size: 64, ..ONE_BY_ONE });
    let all = with_ours(plan(&context, "select a.id, b.id from a join b on a.caller = b.caller and a.t >= b.t").await);
    let mut pairs = 0;
    let mut stream = all.execute(0, context.task_ctx()).unwrap();
    while let Some(batch) = stream.next().await {
        let batch = batch.unwrap();
        assert!(batch.num_rows() <= 64);
        pairs += batch.num_rows();
    }
    assert_eq!(pairs, 2_000 * 2_001 / 2);
    let none = "select a.id, b.id from a join b on a.caller = b.caller and a.t >= b.t and a.id + b.id < 0";
    let none = with_ours(plan(&context, none).await);
    let mut stream = none.execute(0, context.task_ctx()).unwrap();
    let mut turns = 0;
    loop {
        match stream.next().now_or_never() {
            None => turns += 1,
            Some(None) => break,
            Some(Some(batch)) => panic!("{batch:?}"),
        }
    }
    assert!(turns > 1_000, "{turns}");
}

#[tokio::test]
async fn an_expression_that_fails_where_there_is_no_pair_fails_nothing() {
    let row = |caller: u8, n: i8| (Some(caller), 0, Some(0), Some(n), Some(0));
    let (a, b) = ([row(1, 0), row(2, 5), row(2, 2)], [row(2, 1), row(2, 3), row(3, 0)]);
    let context = session(batches(&a, 2), batches(&b, 2), ONE_BY_ONE);
    let sql = "select a.id, b.id from a join b on a.caller = b.caller and 10 / a.n > 6 / b.n and a.n < b.n";
    let expected = collect(plan(&context, sql).await, context.task_ctx()).await.unwrap();
    let ours = with_ours(plan(&context, sql).await);
    assert!(text(&ours).contains("IntervalJoinExec"));
    let given = collect(ours, context.task_ctx()).await.unwrap();
    assert_eq!((lines(&given).len(), sorted(lines(&given))), (1, sorted(lines(&expected))));
    // Where a pair fails both do.
    let (a, b) = ([row(2, 0)], [row(2, 1)]);
    let context = session(batches(&a, 2), batches(&b, 2), ONE_BY_ONE);
    for plan in [plan(&context, sql).await, with_ours(plan(&context, sql).await)] {
        let error = collect(plan, context.task_ctx()).await.unwrap_err();
        assert!(error.to_string().contains("Divide by zero"), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_left_to_the_stock_operator() {
    let (a, b) = (batches(&many(50), 7), batches(&many(60), 7));
    let context = session(a, b, ONE_BY_ONE);
    let bounds = "b.t > a.t and b.t < a.t + interval '1 hour'";
    for sql in [
        format!("select * from a left join b on a.caller = b.caller and {bounds}"),
        format!("select * from a full join b on a.caller = b.caller and {bounds}"),
        format!("select * from a where exists (select 1 from b where a.caller = b.caller and {bounds})"),
        format!("select * from a where not exists (select 1 from b where a.caller = b.caller and {bounds})"),
        format!("select * from a join b on (a.caller is not distinct from b.caller) and {bounds}"),
        format!("select a.id, b.id from a join b on a.caller = b.caller and {bounds} limit 3"),
        format!("select * from a join b on [a.n] = [b.n] and {bounds}"),
        format!("select * from a join b on a.channel = b.channel and {bounds}"),
        "select * from a join b on a.caller = b.caller".to_owned(),
        "select * from a join b on a.caller = b.caller and a.t <> b.t".to_owned(),
        "select * from a join b on a.caller = b.caller and a.n + b.n > 3".to_owned(),
        "select * from a join b on a.caller = b.caller and a.channel < b.channel".to_owned(),
        "select * from a join b on a.caller = b.caller and (a.caller || 'x') < (b.caller || 'y')".to_owned(),
        "select * from a join b on a.caller = b.caller and (a.t < b.t or a.n < b.n)".to_owned(),
        "select * from a join b on a.caller = b.caller and a.t < b.t and random() < 0.1 * (a.n - b.n)".to_owned(),
    ] {
        let stock = plan(&context, &sql).await;
        let before = text(&stock);
        assert!(before.contains("HashJoinExec"), "{before}");
        assert_eq!(text(&with_ours(stock)), before);
    }
}

#[tokio::test]
async fn the_scan_of_the_other_side_leaves_out_other_keys() {
    let folder = tempfile::tempdir().unwrap();
    let context = session(batches(&many(20), 7), batches(&many(20), 7), ONE_BY_ONE);
    let path = folder.path().join("c.parquet");
    let path = path.to_str().unwrap();
    let copy = format!("copy (select * from b order by n) to '{path}'");
    context.sql(&copy).await.unwrap().collect().await.unwrap();
    for partitions in [1, 3] {
        let way = Way { partitions, is_partitioned: partitions > 1, ..ONE_BY_ONE };
        let few: Vec<Row> = many(20).into_iter().filter(|row| row.3 == Some(3)).collect();
        let context = session(batches(&few, 7), batches(&few, 7), way);
        context.state_ref().write().config_mut().options_mut().execution.parquet.pushdown_filters = true;
        context.register_parquet("c", path, ParquetReadOptions::default()).await.unwrap();
        for (keys, said) in
            [("a.n = c.n", "n@3 >= 3 AND n@3 <= 3"), ("a.n = c.n and a.m = c.m", "may_be_key(n@3, m@4)")]
        {
            let sql = format!("select a.id, c.id from a join c on {keys} and a.t <= c.t");
            let expected = collect(plan(&context, &sql).await, context.task_ctx()).await.unwrap();
            let ours = with_ours(plan(&context, &sql).await);
            let before = text(&ours);
            assert!(before.contains("IntervalJoinExec") && before.contains("DynamicFilter [ empty ]"), "{before}");
            let given = collect(Arc::clone(&ours), context.task_ctx()).await.unwrap();
            assert_eq!(sorted(lines(&given)), sorted(lines(&expected)));
            let after = text(&ours);
            assert!(after.contains(said), "{after}");
        }
    }
}

#[tokio::test]
async fn a_question_about_the_hour_after_is_planned_with_our_operator() {
    for execution in [Execution::Parallel, Execution::InOrder] {
        let engine = engine(execution);
        engine.attach_nothing().unwrap();
        let sql = "select a.communication_type as first_type, b.communication_type as second_type, count(*) as pairs \
                   from workflow_sessions a join workflow_sessions b \
                   on a.source_details_phone_number = b.source_details_phone_number \
                   where a.started_at >= timestamp '2026-11-02 00:00:00' \
                   and a.started_at < timestamp '2026-11-09 00:00:00' \
                   and b.started_at > a.started_at and b.started_at < a.started_at + interval '1 hour' \
                   and b.started_at >= timestamp '2026-11-02 00:00:00' \
                   and b.started_at < timestamp '2026-11-09 01:00:00' group by 1, 2";
        let plan = text(&plan(engine.context(), sql).await);
        let bounds = "between=[started_at@2 < started_at@2, started_at@2 + 3600000000 > started_at@2]";
        assert!(plan.contains("IntervalJoinExec: mode="), "{plan}");
        assert!(plan.contains(bounds), "{plan}");
    }
}
