//! The order is that of comparing column by column, also where rows do not fit into memory.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int8Array, Int64Array, LargeStringArray, StringArray,
    StringViewArray, TimestampMicrosecondArray, UInt16Array, UInt64Array,
};
use datafusion::arrow::compute::{LexicographicalComparator, SortColumn, SortOptions, concat_batches};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::PrefixSortExec;
use super::prefix::sorted;
use crate::engine::operators::{boxed, put};

/// Returns values as a column of one of the types; few values, so that many are equal.
fn column(kind: u8, values: &[Option<u8>]) -> ArrayRef {
    let texts =
        ["", "\0", "a", "a\0", "+12125550100", "sip:9997@pbx.example.com", "sip:9997@pbx.exampl\u{e9}", "\u{10ffff}"];
    let floats = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-300, -2.5];
    let integers = [0, 1, -1, i64::MIN, i64::MAX, 1 << 33, -(1 << 33), 255];
    let values = values.iter().map(|value| value.map(|value| usize::from(value) % 8));
    let text = values.clone().map(|value| value.map(|value| texts[value]));
    let integer = values.clone().map(|value| value.map(|value| integers[value]));
    match kind % 11 {
        0 => Arc::new(text.collect::<StringViewArray>()),
        1 => Arc::new(text.collect::<StringArray>()),
        2 => Arc::new(text.collect::<LargeStringArray>()),
        3 => Arc::new(integer.collect::<Int64Array>()),
        4 => Arc::new(integer.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        5 => Arc::new(integer.map(|value| value.map(|value| value as i8)).collect::<Int8Array>()),
        6 => Arc::new(integer.map(|value| value.map(|value| value as i32)).collect::<Date32Array>()),
        7 => Arc::new(integer.map(|value| value.map(|value| value as u16)).collect::<UInt16Array>()),
        8 => Arc::new(integer.map(|value| value.map(|value| value as u64)).collect::<UInt64Array>()),
        9 => Arc::new(values.map(|value| value.map(|value| floats[value])).collect::<Float64Array>()),
        _ => Arc::new(values.map(|value| value.map(|value| value > 3)).collect::<BooleanArray>()),
    }
}

proptest! {
    #[test]
    fn rows_are_in_the_order_of_their_columns(
        rows in prop::collection::vec((prop::option::weighted(0.8, 0_u8..8), 0_u8..8, prop::option::of(0_u8..8)), 0..60),
        kinds in (0_u8..11, 0_u8..11, 0_u8..11),
        options in prop::collection::vec((any::<bool>(), any::<bool>()), 3),
        columns in 1_usize..4,
        from in 0_usize..10,
    ) {
        let all = [
            column(kinds.0, &rows.iter().map(|row| row.0).collect::<Vec<_>>()),
            column(kinds.1, &rows.iter().map(|row| Some(row.1)).collect::<Vec<_>>()),
            column(kinds.2, &rows.iter().map(|row| row.2).collect::<Vec<_>>()),
        ];
        let from = from.min(rows.len());
        let len = rows.len() - from;
        let columns: Vec<SortColumn> = all.iter().zip(&options).take(columns).map(|(values, (descending, nulls_first))| SortColumn {
            values: values.slice(from, len),
            options: Some(SortOptions { descending: *descending, nulls_first: *nulls_first }),
        }).collect();
        let comparator = LexicographicalComparator::try_new(&columns).unwrap();
        let mut expected: Vec<u32> = (0..len as u32).collect();
        expected.sort_by(|one, other| comparator.compare(*one as usize, *other as usize));
        prop_assert_eq!(sorted(&columns, len as u32).unwrap(), expected);
    }
}

/// A table of rows in no order, of a known number of bytes in memory.
fn table() -> Arc<MemTable> {
    let batches: Vec<RecordBatch> = (0..40_u64)
        .map(|batch| {
            let rows = || (batch * 500..(batch + 1) * 500).map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let caller = rows().map(|row| (row % 7 > 0).then(|| format!("+1{:09}", row % 997)));
            let columns: [(&str, ArrayRef); 2] = [
                ("caller", Arc::new(caller.collect::<StringViewArray>())),
                ("id", Arc::new(rows().map(|row| row as i64).collect::<Int64Array>())),
            ];
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
        })
        .collect();
    Arc::new(MemTable::try_new(batches[0].schema(), vec![batches]).unwrap())
}

/// Sorts the table with a pool of some bytes, by the stock operator or by ours; the rows, the plan, the bytes left
/// reserved, and how often was spilled.
async fn sort(sql: &str, limit_bytes: usize, is_ours: bool) -> (RecordBatch, String, usize, usize) {
    let pool: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(limit_bytes));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool)).build_arc().unwrap();
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(512);
    config.options_mut().execution.sort_spill_reservation_bytes = 64 << 10;
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.register_table("t", table()).unwrap();
    let mut plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    if is_ours {
        plan = put(plan, |node| PrefixSortExec::in_place_of(node).map(boxed)).unwrap();
    }
    let text = displayable(plan.as_ref()).indent(false).to_string();
    let schema = plan.schema();
    let batches = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    let metrics = plan.metrics().unwrap();
    let spills = metrics.spill_count().unwrap_or(0);
    assert!(!is_ours || metrics.output_rows().is_none_or(|rows| rows == 20_000 || sql.contains("limit")));
    assert!(batches.iter().all(|batch| batch.num_rows() <= 512));
    (concat_batches(&schema, &batches).unwrap(), text, pool.reserved(), spills)
}

#[tokio::test]
async fn the_rows_are_those_of_the_stock_operator_in_little_memory_too() {
    let sql = "select * from t order by caller desc nulls last, id";
    let (expected, _, _, _) = sort(sql, 1 << 30, false).await;
    for limit_bytes in [1 << 30, 700 << 10] {
        let (given, plan, reserved, spills) = sort(sql, limit_bytes, true).await;
        assert!(plan.contains("PrefixSortExec: expr=[caller@0 DESC NULLS LAST, id@1 ASC NULLS LAST]"), "{plan}");
        assert_eq!((given, reserved, spills > 0), (expected.clone(), 0, limit_bytes < 1 << 20), "{limit_bytes}");
    }
}

#[tokio::test]
async fn rows_with_equal_keys_stay_in_their_order() {
    let (given, _, _, _) = sort("select id, caller is null as n from t order by n", 1 << 30, true).await;
    let (all, _, _, _) = sort("select id, caller is null as n from t", 1 << 30, true).await;
    let ids = |rows: &RecordBatch, null: bool| -> Vec<i64> {
        let (id, n) = (rows.column(0), rows.column(1));
        let id = datafusion::common::cast::as_int64_array(id).unwrap();
        let n = datafusion::common::cast::as_boolean_array(n).unwrap();
        (0..rows.num_rows()).filter(|row| n.value(*row) == null).map(|row| id.value(row)).collect()
    };
    for null in [false, true] {
        assert_eq!(ids(&given, null), ids(&all, null));
    }
}

#[tokio::test]
async fn limits_and_other_types_are_left_to_the_stock_operator() {
    for sql in [
        "select * from t order by id limit 3",
        "select *, [id] as l from t order by l",
        "select * from t order by 1 + 1",
    ] {
        let (_, plan, _, _) = sort(sql, 1 << 30, true).await;
        assert!(!plan.contains("PrefixSortExec"), "{plan}");
    }
}
