//! Lakes in object stores: which URLs name one, and the client that reaches it.
//!
//! The clients are those of object_store, which the reader of the log brings anyway. They take credentials, regions and endpoints from the environment,
//! and from the machine's identity where a cloud gives it one; a URL names the bucket and the folder in it, and nothing secret.

use std::sync::{Arc, Once};
use std::time::Duration;

use deltalake::DeltaResult;
use deltalake::logstore::{
    LogStore, LogStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories,
};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{ObjectStore, RetryConfig};
use url::Url;

use super::scrub::scrubbed;
use crate::error::{Error, Result};

/// How often a request that fails is tried again, with a tenth of a second before the first time and up to twice as long before each other:
/// together some ten seconds, after which nobody waits any more for a store that is not there.
const TRIES: usize = 7;
/// How long it is tried at most.
const TRIED_FOR: Duration = Duration::from_secs(60);

/// A cloud whose stores hold lakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cloud {
    S3,
    Google,
    Azure,
}

impl Cloud {
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" | "s3a" => Some(Self::S3),
            "gs" => Some(Self::Google),
            "az" | "azure" | "abfs" | "abfss" | "adl" => Some(Self::Azure),
            _ => None,
        }
    }
}

/// Says whether a name is a URL of an object store.
pub fn is_cloud(name: &str) -> bool {
    Url::parse(name).is_ok_and(|url| Cloud::of(url.scheme()).is_some())
}

/// Refuses URLs that name no place in an object store, or say more than the place.
///
/// # Errors
/// Another scheme, a bucket that is missing, credentials or a query in the URL.
pub(super) fn check_url(url: &Url) -> Result<()> {
    let scheme = url.scheme();
    let Some(cloud) = Cloud::of(scheme) else {
        return Err(Error::usage(format!("a lake cannot be at a {scheme:?} URL"))
            .with_hint("a lake is a folder, or at s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER"));
    };
    // abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER has its container where others have a user.
    let names_user = !url.username().is_empty() && cloud != Cloud::Azure;
    if url.password().is_some() || names_user || url.query().is_some() || url.fragment().is_some() {
        return Err(Error::usage(format!("the {scheme} URL of the lake says more than where it is"))
            .with_hint("credentials are taken from the environment (docs/stores.md); the URL has a bucket and a folder and nothing else"));
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err(Error::usage(format!("the {scheme} URL of the lake names no bucket"))
            .with_hint(format!("write it as {scheme}://BUCKET/FOLDER"))),
    }
}

/// Makes the client of the bucket that a URL names. Nothing is asked of the store.
///
/// # Errors
/// An environment that lacks what the client needs, or contradicts itself.
pub(super) fn client(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig { max_retries: TRIES, retry_timeout: TRIED_FOR, ..RetryConfig::default() };
    let failed = |error: object_store::Error| {
        Error::usage(format!("{url}: {}", scrubbed(&error)))
            .with_hint("docs/stores.md has the environment variables that name credentials, region and endpoint")
    };
    let made: Arc<dyn ObjectStore> = match Cloud::of(url.scheme()) {
        Some(Cloud::S3) => {
            let builder = AmazonS3Builder::from_env().with_url(url.as_str()).with_retry(retry);
            // Commits need it, whatever the environment says; a store that has none is found by the first one.
            Arc::new(builder.with_conditional_put(S3ConditionalPut::ETagMatch).build().map_err(failed)?)
        }
        Some(Cloud::Google) => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str()).with_retry(retry);
            Arc::new(builder.build().map_err(failed)?)
        }
        Some(Cloud::Azure) => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str()).with_retry(retry);
            Arc::new(builder.build().map_err(failed)?)
        }
        None => return Err(Error::internal("a URL of no object store")),
    };
    Ok(made)
}

/// Makes the log of a table over a store that is given, whatever its scheme.
struct Logs;

impl LogStoreFactory for Logs {
    fn with_options(
        &self,
        prefixed: ObjectStoreRef,
        root: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed, root, location, options))
    }
}

/// Has deltalake take logs at the URLs of object stores, in stores of ours. Its own features for them bring a client of their own each.
pub(super) fn know_schemes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for scheme in ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"] {
            if let Ok(url) = Url::parse(&format!("{scheme}://")) {
                logstore_factories().insert(url, Arc::new(Logs));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_bucket_and_nothing_secret() {
        let checked = |text: &str| check_url(&Url::parse(text).unwrap()).map_err(|error| error.to_string());
        for fine in [
            "s3://bucket/lake",
            "s3a://bucket",
            "gs://bucket/a/b",
            "az://container/lake",
            "abfss://container@account.dfs.core.windows.net/lake",
        ] {
            assert_eq!(checked(fine), Ok(()), "{fine}");
        }
        for (wrong, says) in [
            ("ftp://host/lake", "a lake cannot be at a \"ftp\" URL"),
            ("s3:///lake", "names no bucket"),
            ("s3://key:secret@bucket/lake", "says more than where it is"),
            ("gs://key@bucket/lake", "says more than where it is"),
            ("abfss://container:secret@account.dfs.core.windows.net/lake", "says more than where it is"),
            ("az://container/lake?sv=2020&sig=secret", "says more than where it is"),
            ("s3://bucket/lake#secret", "says more than where it is"),
        ] {
            let error = checked(wrong).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{wrong}: {error}");
        }
    }

    #[test]
    fn names_of_folders_are_no_urls_of_stores() {
        assert!(is_cloud("s3://bucket/lake") && is_cloud("gs://b") && is_cloud("az://c/x"));
        assert!(!is_cloud("./lake") && !is_cloud("file:///lake") && !is_cloud("C:\\lake") && !is_cloud("s3"));
    }
}
