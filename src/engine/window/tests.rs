//! The answers are those of DataFusion's own operator.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::ShiftWindowExec;
use crate::engine::Execution;
use crate::engine::operators::{boxed, engine, put};

/// A row: a caller, a number whose partition may be asked for too, an instant that may repeat, a value.
type Row = (Option<u8>, u8, Option<i64>, Option<u8>);

/// Returns the batches of rows, cut after each given number of rows.
fn batches(rows: &[Row], cut: usize) -> Vec<RecordBatch> {
    let batch = |rows: &[Row]| {
        let names = ["", "a", "+12125550100", "+12125550101", "sip:9997@pbx.example.com", "sip:9998@pbx.example.com"];
        let name = |number: Option<u8>| number.map(|number| names[usize::from(number) % names.len()]);
        let floats = [0.0, -0.0, f64::NAN, -1.5];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("caller", Arc::new(rows.iter().map(|row| name(row.0)).collect::<StringViewArray>())),
            (
                "channel",
                Arc::new(rows.iter().map(|row| Some(floats[usize::from(row.1) % 4])).collect::<Float64Array>()),
            ),
            (
                "instant",
                Arc::new(rows.iter().map(|row| row.2).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
            ),
            ("value", Arc::new(rows.iter().map(|row| row.3.map(i64::from)).collect::<Int64Array>())),
            ("text", Arc::new(rows.iter().map(|row| name(row.3)).collect::<StringViewArray>())),
            ("id", Arc::new(rows.iter().enumerate().map(|(id, _)| id as i64).collect::<Int64Array>())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap()
    };
    let whole = batch(rows);
    (0..rows.len()).step_by(cut).map(|from| whole.slice(from, cut.min(rows.len() - from))).collect()
}

/// Plans a statement over the batches as the table `t`, by DataFusion's own rules.
async fn plan(
    sql: &str,
    batches: Vec<RecordBatch>,
    partitions: usize,
    batch_size: usize,
) -> (SessionContext, Arc<dyn ExecutionPlan>) {
    let mut config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(batch_size);
    config.options_mut().optimizer.enable_round_robin_repartition = false;
    let context = SessionContext::new_with_config(config);
    let schema = batches.first().unwrap().schema();
    context.register_table("t", Arc::new(MemTable::try_new(schema, vec![batches]).unwrap())).unwrap();
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    (context, plan)
}

/// Answers by DataFusion's plan and by ours, which is also returned as text.
async fn answers(
    sql: &str,
    rows: &[Row],
    cut: usize,
    partitions: usize,
    batch_size: usize,
) -> (RecordBatch, RecordBatch, String) {
    let (context, stock) = plan(sql, batches(rows, cut), partitions, batch_size).await;
    let (_, ours) = plan(sql, batches(rows, cut), partitions, batch_size).await;
    let ours = put(ours, |node| ShiftWindowExec::in_place_of(node).map(boxed)).unwrap();
    let text = displayable(ours.as_ref()).indent(false).to_string();
    let schema = stock.schema();
    assert_eq!(schema, ours.schema());
    let expected = collect(stock, context.task_ctx()).await.unwrap();
    let given = collect(ours, context.task_ctx()).await.unwrap();
    assert!(given.iter().all(|batch| batch.schema() == schema && batch.num_rows() > 0));
    (by_id(&expected), by_id(&given), text)
}

/// Returns all rows in the order of their ids: partitions come together in any order.
fn by_id(batches: &[RecordBatch]) -> RecordBatch {
    let all = concat_batches(batches[0].schema_ref(), batches).unwrap();
    let order = sort_to_indices(all.column_by_name("id").unwrap(), None, None).unwrap();
    take_record_batch(&all, &order).unwrap()
}

/// Functions that the operator knows.
const KNOWN: [&str; 12] = [
    "lag(value) over w",
    "lead(value) over w",
    "lag(instant, 2) over w",
    "lead(text, 3, 'nobody of all') over w",
    "lag(text, 1, 'nobody') over w",
    "lag(value, 9, 7.5) over w",
    "lead(channel, 1, 3) over w",
    "lag(value + id, 1, '12') over w",
    "lead(value, 1000) over w",
    "lag(value, -2, 0) over w",
    "row_number() over w",
    "lag(caller) over w",
];

const WINDOWS: [&str; 5] = [
    "partition by caller order by instant, id",
    "partition by caller, channel order by instant desc nulls last, id",
    "partition by channel order by id desc",
    "order by id",
    "partition by caller order by caller, id rows between unbounded preceding and unbounded following",
];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (prop::option::weighted(0.8, 0_u8..6), 0_u8..4, prop::option::of(0_i64..5), prop::option::of(0_u8..6));
    prop::collection::vec(row, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_answers_are_those_of_datafusion(
        rows in rows(),
        chosen in prop::collection::vec(0..KNOWN.len(), 1..4),
        window in 0..WINDOWS.len(),
        cut in 1_usize..40,
        partitions in 1_usize..4,
        batch_size in 1_usize..20,
    ) {
        let mut columns = String::new();
        for (number, index) in chosen.iter().enumerate() {
            columns.push_str(&format!(", {} as c{number}", KNOWN[*index]));
        }
        let sql = format!("select *{columns} from t window w as ({})", WINDOWS[window]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (expected, given, text) = runtime.block_on(answers(&sql, &rows, cut, partitions, batch_size));
        prop_assert!(text.contains("ShiftWindowExec: wdw=["), "{}", text);
        prop_assert!(!text.contains("BoundedWindowAggExec"), "{}", text);
        prop_assert_eq!(given, expected, "{}", sql);
    }
}

#[tokio::test]
async fn what_is_not_known_is_left_alone() {
    let rows: Vec<Row> =
        (0..50).map(|id| (Some(id % 5), id % 3, Some(i64::from(id) % 7), (id % 4 > 0).then_some(id))).collect();
    for function in [
        "lag(value) ignore nulls over w",
        "lead(value, 2) ignore nulls over w",
        "lag(value, 0) over w",
        "lag(value, 2000) over w",
        "lag(arrow_cast(channel, 'Dictionary(Int8, Utf8)')) over w",
        "sum(value) over w",
        "rank() over w",
        "first_value(value) over w",
        "lag(value) over w, lag(value) ignore nulls over w",
    ] {
        let sql = format!("select *, {function} from t window w as (partition by caller order by instant, id)");
        let (expected, given, text) = answers(&sql, &rows, 7, 2, 8).await;
        assert!(!text.contains("ShiftWindowExec"), "{text}");
        assert_eq!(given, expected, "{sql}");
    }
}

/// Returns the window of a plan as it would be over rows that are not sorted by its partition.
fn sorted_in_part(plan: &Arc<dyn ExecutionPlan>) -> BoundedWindowAggExec {
    let window = plan.downcast_ref::<BoundedWindowAggExec>().unwrap();
    let input = window.input().children()[0];
    BoundedWindowAggExec::try_new(window.window_expr().to_vec(), Arc::clone(input), InputOrderMode::Linear, true)
        .unwrap()
}

#[tokio::test]
async fn a_window_over_rows_sorted_in_part_is_left_alone() {
    let rows: Vec<Row> = (0..50).map(|id| (Some(id % 5), 0, Some(i64::from(id)), Some(id))).collect();
    let rows = batches(&rows, 7);
    let by_id = vec![vec![datafusion::prelude::col("id").sort(true, false)]];
    let table = MemTable::try_new(rows[0].schema(), vec![rows]).unwrap().with_sort_order(by_id);
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    context.register_table("t", Arc::new(table)).unwrap();
    let sql = "select *, lag(value) over (partition by caller order by id) from t";
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let by_nothing = sorted_in_part(&plan);
    let stock: Arc<dyn ExecutionPlan> = Arc::new(by_nothing);
    let text = displayable(stock.as_ref()).indent(false).to_string();
    assert!(text.contains("mode=[Linear]"), "{text}");
    assert!(ShiftWindowExec::in_place_of(&plan).unwrap().is_some());
    let ours = put(stock, |node| ShiftWindowExec::in_place_of(node).map(boxed)).unwrap();
    assert_eq!(displayable(ours.as_ref()).indent(false).to_string(), text);
}

#[tokio::test]
async fn a_row_number_sorts_what_is_above_it() {
    let rows: Vec<Row> = (0..50).map(|id| (None, 0, Some(i64::from(id)), Some(id))).collect();
    let sql = "select *, row_number() over (order by instant) as number from t order by number";
    let (expected, given, text) = answers(sql, &rows, 7, 1, 8).await;
    assert_eq!((given, text.matches("SortExec").count()), (expected, 1), "{text}");
}

#[tokio::test]
async fn sessions_plan_with_our_operators() {
    for execution in [Execution::Parallel, Execution::InOrder] {
        let engine = engine(execution);
        engine.attach_nothing().unwrap();
        let sql = "select lag(started_at) over (partition by workflow_id order by started_at, session_id), \
                   started_at + interval '1 hour', coalesce(action_name(action_data), '') from workflow_sessions";
        let plan = engine.context().sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let plan = displayable(plan.as_ref()).indent(false).to_string();
        for ours in ["ShiftWindowExec", "PrefixSortExec", "+ 3600000000", "coalesce(action_name("] {
            assert!(plan.contains(ours), "{ours}: {plan}");
        }
    }
}
