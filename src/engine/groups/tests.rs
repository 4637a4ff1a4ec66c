//! The answers are those of DataFusion's own operator.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, StringViewArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{SortColumn, filter_record_batch};
use datafusion::arrow::compute::{cast, concat_batches, lexsort_to_indices, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, resources_err};
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation, UnboundedMemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::{FewGroups, FewGroupsExec};
use crate::engine::Execution;
use crate::engine::operators::{boxed, engine, put};

/// A row: two texts, a number, an instant, a value.
type Row = (Option<u8>, Option<u8>, Option<i8>, u8, Option<i8>);

const TEXTS: [&str; 7] =
    ["", "Phone", "twelve bytes", "thirteen byte", "a text that is longer than a view", "a text that is longer", "é"];

/// Makes the batches of rows, cut after each given number of rows; texts are entries of dictionaries, and places of their own.
fn batches(rows: &[Row], cut: usize) -> Vec<RecordBatch> {
    let text = |number: Option<u8>| number.map(|number| TEXTS[usize::from(number) % TEXTS.len()]);
    let entries: DictionaryArray<Int32Type> = rows.iter().map(|row| text(row.0)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("entry", cast(&entries, &DataType::Utf8View).unwrap()),
        ("text", Arc::new(rows.iter().map(|row| text(row.1)).collect::<StringViewArray>())),
        ("number", Arc::new(rows.iter().map(|row| row.2.map(i64::from)).collect::<Int64Array>())),
        ("day", Arc::new(rows.iter().map(|row| Some(i32::from(row.3) - 3)).collect::<Date32Array>())),
        (
            "instant",
            Arc::new(
                rows.iter()
                    .map(|row| row.2.map(|number| i64::from(number) * 1_000_000_007))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
        ("flag", Arc::new(rows.iter().map(|row| row.4.map(|value| value > 0)).collect::<BooleanArray>())),
        // Halves have exact sums in any order.
        ("value", Arc::new(rows.iter().map(|row| row.4.map(|value| f64::from(value) / 2.0)).collect::<Float64Array>())),
    ];
    let whole =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap();
    (0..rows.len()).step_by(cut).map(|from| whole.slice(from, cut.min(rows.len() - from))).collect()
}

fn session(batches: Vec<RecordBatch>, partitions: usize, batch_size: usize) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(batch_size);
    let context = SessionContext::new_with_config(config);
    let schema = batches[0].schema();
    let middle = batches.len() / 2;
    let halves = vec![batches[..middle].to_vec(), batches[middle..].to_vec()];
    context.register_table("t", Arc::new(MemTable::try_new(schema, halves).unwrap())).unwrap();
    context
}

/// Answers by DataFusion's plan and by ours, which is also returned as text.
async fn answers(sql: &str, context: &SessionContext, most: usize) -> (RecordBatch, RecordBatch, String) {
    let stock = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let ours = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let ours = put(ours, |node| {
        let groups = FewGroups::up_to(most, node)?;
        Ok(boxed(groups.map(|groups| FewGroupsExec::new(groups, node))))
    })
    .unwrap();
    let text = displayable(ours.as_ref()).indent(false).to_string();
    assert_eq!(stock.schema(), ours.schema());
    let expected = collect(stock, context.task_ctx()).await.unwrap();
    let given = collect(ours, context.task_ctx()).await.unwrap();
    (sorted(&expected), sorted(&given), text)
}

/// Returns all rows in the order of all columns.
fn sorted(batches: &[RecordBatch]) -> RecordBatch {
    let all = concat_batches(batches[0].schema_ref(), batches).unwrap();
    let columns: Vec<_> =
        all.columns().iter().map(|column| SortColumn { values: Arc::clone(column), options: None }).collect();
    take_record_batch(&all, &lexsort_to_indices(&columns, None).unwrap()).unwrap()
}

const KEYS: [&str; 9] = [
    "entry",
    "text",
    "number",
    "day",
    "instant",
    "flag",
    "text || 'd and made longer'",
    "number = 3",
    "case when number > 0 then entry end",
];
const AGGREGATES: [&str; 9] = [
    "count(*)",
    "count(value)",
    "sum(value)",
    "avg(value) filter (where number > 0)",
    "min(text)",
    "max(instant)",
    "sum(number)",
    "count(*) filter (where flag)",
    "max(day)",
];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = || prop::option::weighted(0.8, 0_u8..7);
    prop::collection::vec(
        (text(), text(), prop::option::weighted(0.9, any::<i8>()), 0_u8..6, any::<Option<i8>>()),
        2..80,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn groups_and_their_states_are_those_of_datafusion(
        rows in rows(),
        keys in prop::collection::vec(0..KEYS.len(), 1..4),
        aggregates in prop::collection::vec(0..AGGREGATES.len(), 0..4),
        cut in 1_usize..40,
        partitions in 1_usize..4,
        batch_size in 1_usize..20,
        most in prop::sample::select(vec![0_usize, 1, 5, 20, 1_000]),
    ) {
        let keys: Vec<_> = keys.iter().enumerate().map(|(n, key)| format!("{} as k{n}", KEYS[*key])).collect();
        let aggregates: Vec<_> = aggregates.iter().enumerate().map(|(n, a)| format!(", {} as a{n}", AGGREGATES[*a])).collect();
        let positions: Vec<_> = (1..=keys.len()).map(|n| n.to_string()).collect();
        let sql = format!("select {}{} from t group by {}", keys.join(", "), aggregates.join(""), positions.join(", "));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let context = session(batches(&rows, cut), partitions, batch_size);
        let (expected, given, text) = runtime.block_on(answers(&sql, &context, most));
        // In one partition there are no halves to be made.
        prop_assert!(partitions == 1 || text.contains("FewGroupsExec: gby=["), "{}", text);
        prop_assert_eq!(given, expected, "{}", sql);
    }
}

fn thousand() -> Vec<Row> {
    (0..1_000_u16)
        .map(|n| (Some((n % 5) as u8), Some((n % 7) as u8), Some((n % 100) as i8), (n % 6) as u8, None))
        .collect()
}

#[tokio::test]
async fn what_is_not_known_of_groups_is_left_alone() {
    let context = session(batches(&thousand(), 50), 2, 100);
    for select in [
        "select entry, count(distinct text), count(distinct number) from t group by entry",
        "select entry, array_agg(number order by number) from t group by entry",
        "select entry, median(value) from t group by entry",
        "select value, count(*) from t group by value",
        "select entry, text, count(*) from t group by grouping sets ((entry), (text))",
        "select count(*) from t",
        "select arrow_cast(entry, 'Dictionary(Int8, Utf8)') as k, count(*) from t group by 1",
    ] {
        let (expected, given, text) = answers(select, &context, 1_000).await;
        assert!(!text.contains("FewGroupsExec"), "{text}");
        assert_eq!(given.num_rows(), expected.num_rows(), "{select}");
    }
}

#[tokio::test]
async fn a_filter_that_makes_new_buffers_changes_nothing() {
    let whole = batches(&thousand(), 1_000).remove(0);
    let pieces: Vec<_> = (0..1_000)
        .step_by(40)
        .map(|from| {
            let piece = whole.slice(from, 40);
            let wanted: BooleanArray = (0..40).map(|row| Some(row % 3 > 0)).collect();
            let kept = filter_record_batch(&piece, &wanted).unwrap();
            // Compacted texts stand at other places in a buffer that may lie where another one was.
            let columns = kept.columns().iter().map(|column| match column.data_type() {
                DataType::Utf8View => {
                    let views: &StringViewArray = column.as_any().downcast_ref().unwrap();
                    Arc::new(views.gc()) as ArrayRef
                }
                _ => Arc::clone(column),
            });
            RecordBatch::try_new(kept.schema(), columns.collect()).unwrap()
        })
        .collect();
    let context = session(pieces, 2, 100);
    let sql = "select entry, text, count(*), min(number) from t group by entry, text";
    let (expected, given, text) = answers(sql, &context, 1_000).await;
    assert!(text.contains("FewGroupsExec"), "{text}");
    assert_eq!(given, expected);
}

/// Memory for all but our operator.
#[derive(Debug, Default)]
struct Refusing(UnboundedMemoryPool);

impl std::fmt::Display for Refusing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refusing")
    }
}

impl MemoryPool for Refusing {
    fn name(&self) -> &str {
        "refusing"
    }

    fn grow(&self, reservation: &MemoryReservation, bytes: usize) {
        self.0.grow(reservation, bytes);
    }

    fn shrink(&self, reservation: &MemoryReservation, bytes: usize) {
        self.0.shrink(reservation, bytes);
    }

    fn try_grow(&self, reservation: &MemoryReservation, bytes: usize) -> Result<()> {
        match reservation.consumer().name().starts_with("FewGroups") {
            true => resources_err!("no memory"),
            false => self.0.try_grow(reservation, bytes),
        }
    }

    fn reserved(&self) -> usize {
        self.0.reserved()
    }
}

#[tokio::test]
async fn little_memory_for_groups_leaves_them_to_the_stock_operator() {
    let context = session(batches(&thousand(), 50), 2, 100);
    let sql = "select entry, text, number, count(*), max(text) from t group by entry, text, number";
    let plan = || async {
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        put(plan, |node| FewGroupsExec::in_place_of(node).map(boxed)).unwrap()
    };
    let ample = sorted(&collect(plan().await, context.task_ctx()).await.unwrap());
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(Refusing::default())).build_arc().unwrap();
    let scarce = SessionContext::new_with_config_rt(context.copied_config(), runtime);
    let ours = plan().await;
    let given = collect(Arc::clone(&ours), scarce.task_ctx()).await.unwrap();
    assert_eq!(sorted(&given), ample);
    // What the stock operator measured shows that it took over.
    let text = DisplayableExecutionPlan::with_metrics(ours.as_ref()).indent(false).to_string();
    assert!(
        text.lines().any(|line| line.contains("FewGroupsExec") && line.contains("time_calculating_group_ids")),
        "{text}"
    );
}

#[tokio::test]
async fn sessions_group_with_our_operator() {
    for execution in [Execution::Parallel, Execution::InOrder] {
        let engine = engine(execution);
        let rows = batches(&thousand(), 500);
        let table = MemTable::try_new(rows[0].schema(), rows.into_iter().map(|batch| vec![batch]).collect()).unwrap();
        engine.context().register_table("t", Arc::new(table)).unwrap();
        let sql =
            "select date_trunc('month', instant), entry, count(*), count(number), avg(value) from t group by 1, 2";
        let plan = engine.context().sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let plan = displayable(plan.as_ref()).indent(false).to_string();
        assert!(plan.contains("FewGroupsExec"), "{plan}");
    }
}
