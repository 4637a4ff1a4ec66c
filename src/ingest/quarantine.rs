//! Keeps records that could not be stored, with all that is needed to try them again.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewBuilder, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};

use super::batch::Reject;
use crate::error::{Result, as_flags};
use crate::schema;

/// Returns rejects of one file as rows of the `quarantine` table. Instants are microseconds since the Unix epoch.
///
/// # Errors
/// A defect of the schema.
pub fn batch(
    file: &str,
    rejects: &[&Reject],
    exported_at_us: i64,
    quarantined_at_us: i64,
    context: &str,
) -> Result<RecordBatch> {
    let count = rejects.len();
    let integers = |of: &dyn Fn(&Reject) -> Option<u64>| -> ArrayRef {
        Arc::new(rejects.iter().map(|r| of(r).and_then(|n| i64::try_from(n).ok())).collect::<Int64Array>())
    };
    let instants =
        |us: i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from_value(us, count).with_timezone("UTC")) };
    let repeated =
        |text: &str| -> ArrayRef { Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(text, count))) };
    let raw: StringViewArray = rejects.iter().map(|r| Some(String::from_utf8_lossy(&r.raw))).collect();
    let mut raw_bytes = BinaryViewBuilder::with_capacity(count);
    for reject in rejects {
        // Only where the text does not say it all.
        raw_bytes.append_option(std::str::from_utf8(&reject.raw).is_err().then_some(reject.raw.as_slice()));
    }
    let columns: Vec<ArrayRef> = vec![
        repeated(file),
        integers(&|r| r.line),
        integers(&|r| r.byte_offset),
        Arc::new(rejects.iter().map(|r| r.column.as_deref()).collect::<StringViewArray>()),
        Arc::new(StringViewArray::from_iter_values(rejects.iter().map(|r| as_flags(&r.reason)))),
        Arc::new(raw),
        Arc::new(raw_bytes.finish()),
        instants(exported_at_us),
        instants(quarantined_at_us),
        repeated(context),
    ];
    Ok(RecordBatch::try_new(schema::quarantine_schema(), columns)?)
}
