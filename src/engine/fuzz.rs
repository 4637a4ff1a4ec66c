//! What is asked of the footers and bloom filters of any file. The fuzz targets call it (`crate::fuzz`).

use super::{bloom, json_paths};
use crate::lake::fuzz::{footer, stored};

/// Reads bytes as a data file: its footer, the paths of its manifest, and blocks of its bloom filters.
pub(crate) fn footers(bytes: &[u8]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let (store, file) = stored(bytes).await?;
        if let Some(footers) = footer(&store, &file).await {
            json_paths::columns(&footers);
        }
        bloom::asked_of_any(store, &file).await;
        Ok(())
    })
}
