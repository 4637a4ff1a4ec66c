//! Writes data files anew without some of their rows.

use tokio::runtime::Handle;

use super::attempts::blocking;
use super::parts::{Rewritten, may_hold};
use super::rewrite::{Manner, first_started_at, merged, preview, staying_rows, write_sorted};
use super::runs::{Liveness, Source};
use super::stage::Limits;
use crate::error::Result;
use crate::lake::{DataFile, FileLimits, Output, Table, WrittenFile, discard};

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
    let rewritten: Vec<Rewritten> = files.into_iter().map(|(file, without)| Rewritten { file, without }).collect();
    let policy = table.leaf_policy(leaf_budget)?;
    blocking(move || {
        let mut written = Vec::new();
        for liveness in [Liveness::Active, Liveness::Ended] {
            let held: Vec<&Rewritten> =
                rewritten.iter().filter(|rewritten| may_hold(&rewritten.file, liveness)).collect();
            let sources = held.iter().map(|rewritten| Source {
                not_before: first_started_at(&rewritten.file),
                batches: staying_rows(&store, &runtime, rewritten, liveness),
            });
            let rows: u64 = held.iter().filter_map(|rewritten| rewritten.file.rows).sum();
            let leaves = policy.limits(rows);
            let preview = match leaves.columns > 0 {
                true => preview(&held, &store, &runtime, liveness, rows)?,
                false => None,
            };
            let manner = Manner { limits: &limits, leaves, files: FileLimits::even(rows), preview, thorough: false };
            match merged(sources.collect()).and_then(|rows| write_sorted(rows, liveness, manner, output.clone())) {
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
