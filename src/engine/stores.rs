//! The stores of tables, as DataFusion finds them.

use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use url::Url;

use super::bloom::telling;
use crate::error::{Error, Result};
use crate::lake::Table;

/// Makes a table's files readable, and returns the URL that stands for its folder in this session.
///
/// # Errors
/// A defect of ours.
pub(super) fn register_store(environment: &RuntimeEnv, table: &Table) -> Result<ObjectStoreUrl> {
    // DataFusion finds a store by scheme and host alone; the hash stands for the rest of the URL.
    let hash = xxhash_rust::xxh3::xxh3_64(table.url().as_str().as_bytes());
    let url = format!("lake://{hash:016x}");
    let parsed = Url::parse(&url).map_err(Error::internal)?;
    environment.register_object_store(&parsed, table.store());
    let telling = Url::parse(&telling(&url)).map_err(Error::internal)?;
    environment.register_object_store(&telling, table.telling_store());
    Ok(ObjectStoreUrl::parse(&url)?)
}
