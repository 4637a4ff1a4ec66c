//! The statistics that the log has of a new data file, made of those in its footer.

use std::collections::BTreeSet;

use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use super::layout;
use crate::shred::leaf::LEAF_PREFIX;

/// Turns the footer's statistics into the log's: row count, bounds of the columns that have any, null counts. NaN is greater than every
/// number, and no number of JSON: a column that has it has no greatest value.
pub(super) fn log_statistics(metadata: &ParquetMetaData, rows: u64, nan: &BTreeSet<String>) -> Value {
    let (mut minimums, mut maximums, mut nulls) = (Map::new(), Map::new(), Map::new());
    let descriptor = metadata.file_metadata().schema_descr();
    for (index, column) in descriptor.columns().iter().enumerate() {
        // A leaf column may be a list, whose values have a name below its own.
        if column.path().parts().first().is_some_and(|name| name.starts_with(LEAF_PREFIX)) {
            continue;
        }
        let name = column.name();
        let groups: Option<Vec<&Statistics>> =
            metadata.row_groups().iter().map(|group| group.column(index).statistics()).collect();
        let Some(groups) = groups else { continue };
        if let Some(count) = groups.iter().map(|s| s.null_count_opt()).sum::<Option<u64>>() {
            nulls.insert(name.to_owned(), json!(count));
        }
        if let Some((minimum, maximum)) = layout::has_range(name).then(|| bounds(&groups)).flatten() {
            minimums.insert(name.to_owned(), minimum);
            if !nan.contains(name) {
                maximums.insert(name.to_owned(), maximum);
            }
        }
    }
    json!({ "numRecords": rows, "minValues": minimums, "maxValues": maximums, "nullCount": nulls })
}

fn bounds(groups: &[&Statistics]) -> Option<(Value, Value)> {
    match groups.first()? {
        Statistics::Int64(_) => {
            let all = || groups.iter().filter_map(|s| if let Statistics::Int64(s) = s { Some(s) } else { None });
            let minimum = *all().filter_map(|s| s.min_opt()).min()?;
            let maximum = *all().filter_map(|s| s.max_opt()).max()?;
            let text =
                |us| Some(chrono::DateTime::from_timestamp_micros(us)?.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
            Some((json!(text(minimum)?), json!(text(maximum)?)))
        }
        Statistics::Double(_) => {
            let all = || groups.iter().filter_map(|s| if let Statistics::Double(s) = s { Some(s) } else { None });
            let minimum = all().filter_map(|s| s.min_opt()).copied().reduce(f64::min)?;
            let maximum = all().filter_map(|s| s.max_opt()).copied().reduce(f64::max)?;
            Some((json!(minimum), json!(maximum)))
        }
        Statistics::ByteArray(_) => {
            let all = || groups.iter().filter_map(|s| if let Statistics::ByteArray(s) = s { Some(s) } else { None });
            // A bound that was cut short is still one for the footer, but other engines take the log's as values.
            let exact = all().all(|s| s.min_is_exact() && s.max_is_exact());
            let minimum = all().filter_map(|s| s.min_opt()).min_by(|a, b| a.data().cmp(b.data()))?.as_utf8().ok()?;
            let maximum = all().filter_map(|s| s.max_opt()).max_by(|a, b| a.data().cmp(b.data()))?.as_utf8().ok()?;
            let short =
                minimum.len() <= layout::STATISTICS_TEXT_BYTES && maximum.len() <= layout::STATISTICS_TEXT_BYTES;
            (exact && short).then(|| (json!(minimum), json!(maximum)))
        }
        _ => None,
    }
}
