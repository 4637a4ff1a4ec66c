//! Writes data files anew without some of their rows.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::attempts::blocking;
use super::rewrite::{Rewritten, first_started_at, may_hold, staying_rows};
use super::runs::{Liveness, Merge, Source};
use super::stage::Limits;
use crate::error::Result;
use crate::lake::{DataFile, FileWriter, Output, Table, WrittenFile, discard};
use crate::schema;

/// Writes the rows that stay of data files, each file without the rows that are named beside it, in order, running and ended sessions apart. On an error no file
/// is left behind.
///
/// # Errors
/// Storage errors, or a run stopped from outside.
pub(crate) async fn without_rows(
    table: &Table,
    files: Vec<(DataFile, Vec<u32>)>,
    limits: &Limits,
    leaf_budget: usize,
    output: Output,
) -> Result<Vec<WrittenFile>> {
    let (limits, store, runtime) = (limits.clone(), table.store(), Handle::current());
    let leaves = table.leaf_limits(leaf_budget, files.iter().filter_map(|(file, _)| file.rows).sum())?;
    let rewritten: Vec<Rewritten> = files.into_iter().map(|(file, without)| Rewritten { file, without }).collect();
    blocking(move || {
        let schema = schema::stored_schema();
        let key_column = schema.index_of("started_at")?;
        let mut written = Vec::new();
        for (liveness, prefix) in [(Liveness::Active, "active"), (Liveness::Ended, "ended")] {
            let held = rewritten.iter().filter(|rewritten| may_hold(&rewritten.file, liveness));
            let sources = held.map(|rewritten| Source {
                not_before: first_started_at(&rewritten.file),
                batches: staying_rows(&store, &runtime, rewritten, liveness),
            });
            let merge = Merge::new(sources.collect(), key_column);
            let writer = FileWriter::new(Arc::clone(&schema), output.clone(), limits.threads, prefix);
            let mut writer = writer.with_leaves(leaves.clone());
            let outcome = merge
                .into_iter()
                .try_for_each(|batch| limits.check().and_then(|()| writer.write(&batch?)))
                .and_then(|()| writer.finish());
            match outcome {
                Ok(files) => written.extend(files),
                Err(error) => {
                    discard(&output, &written);
                    return Err(error);
                }
            }
        }
        Ok(written)
    })
    .await
}
