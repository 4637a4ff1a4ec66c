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
    let url = url_of(table.url().as_str());
    let parsed = Url::parse(&url).map_err(Error::internal)?;
    environment.register_object_store(&parsed, table.store());
    let telling = Url::parse(&telling(&url)).map_err(Error::internal)?;
    environment.register_object_store(&telling, table.telling_store());
    Ok(ObjectStoreUrl::parse(&url)?)
}

/// Returns the URL that stands for a table's folder in the session of a process that is told of its files.
///
/// # Errors
/// A defect of ours.
pub(super) fn told_url(lake: &str, table: &str) -> Result<ObjectStoreUrl> {
    Ok(ObjectStoreUrl::parse(url_of(&format!("{lake}/{table}")))?)
}

/// DataFusion finds a store by scheme and host alone; a hash stands for the rest of the URL.
fn url_of(place: &str) -> String {
    format!("lake://{:016x}", xxhash_rust::xxh3::xxh3_64(place.as_bytes()))
}
