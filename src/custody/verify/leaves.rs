//! Compares what leaf columns, pools and computed columns of a file hold with what its text has.
//!
//! The file is read once more, in batches of as many rows as a few megabytes hold with all columns beside the text, and each document of a batch is walked
//! once ([`Checker`], which says by what walk and why). To ask queries instead, each path as every query reads it and from the text alone, cost some
//! three hundred times what the walk does: there were three questions a path, and each parsed all documents.

use futures::StreamExt;

use super::FaultKind;
use super::file::told;
use crate::error::Result;
use crate::ingest::Limits;
use crate::lake::read::read_batches;
use crate::lake::{DataFile, Table, read_footers};
use crate::shred::check::{Checker, Difference};

/// Bytes of a batch, about.
const BATCH_BYTES: usize = 16 << 20;

/// What comparing a file has come to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Documents that were walked.
    pub(super) documents: u64,
    pub(super) faults: Vec<(String, FaultKind, String)>,
}

/// Compares all columns of a file that stand beside the text.
///
/// # Errors
/// A run stopped from outside; storage errors.
pub(super) async fn compare(table: &Table, file: &DataFile, limits: &Limits) -> Result<Compared> {
    let footers = read_footers(&table.store(), std::slice::from_ref(file)).await?;
    let Some(mut checker) = footers.first().and_then(|footer| Checker::new(&footer.schema)) else {
        return Ok(Compared::default());
    };
    let (mut faults, mut is_readable) = (Vec::new(), true);
    let mut rows = read_batches(table.store(), file, checker.schema(), &[], BATCH_BYTES).await?;
    while let Some(batch) = rows.next().await.filter(|_| is_readable) {
        limits.check()?;
        match batch {
            Ok(batch) => checker.check(&batch)?,
            // Columns beside the text are read nowhere else.
            Err(error) => {
                faults.push((file.path.clone(), FaultKind::Damaged, told(error, table, file)?));
                is_readable = false;
            }
        }
    }
    let fault = |difference: Difference| {
        let place = if difference.is_element { "element" } else { "row" };
        let what =
            format!("{} is stored otherwise than the text has it in {place} {}", difference.place, difference.number);
        (file.path.clone(), FaultKind::Leaves, what)
    };
    faults.extend(checker.differences().into_iter().map(fault));
    Ok(Compared { documents: checker.documents(), faults })
}
