//! Puts a file of this machine into a store.

use std::path::Path as FsPath;

use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use tokio::io::AsyncReadExt;

use crate::error::{Error, Result, io_error};

/// Bytes of one part of an upload.
const UPLOAD_PART_BYTES: u64 = 8 << 20;
/// Parts of one upload under way at once.
const UPLOAD_CONCURRENCY: usize = 4;

/// Uploads a file: a small one with one request, a large one in parts. Parts of an upload that fails are given up, so that none stays to be paid for.
pub(super) async fn upload(store: &dyn ObjectStore, path: &FsPath, location: &object_store::path::Path) -> Result<()> {
    let failed = |e: object_store::Error| Error::storage(location.to_string(), e);
    let size_bytes = tokio::fs::metadata(path).await.map_err(io_error(path))?.len();
    if size_bytes <= UPLOAD_PART_BYTES {
        let bytes = tokio::fs::read(path).await.map_err(io_error(path))?;
        return store.put(location, bytes.into()).await.map(drop).map_err(failed);
    }
    let mut upload = store.put_multipart(location).await.map_err(failed)?;
    let uploaded = match upload_parts(upload.as_mut(), path, &failed).await {
        Ok(()) => upload.complete().await.map(drop).map_err(failed),
        error => error,
    };
    if uploaded.is_err() {
        let _ = upload.abort().await;
    }
    uploaded
}

async fn upload_parts(
    upload: &mut dyn MultipartUpload,
    path: &FsPath,
    failed: &impl Fn(object_store::Error) -> Error,
) -> Result<()> {
    let mut file = tokio::fs::File::open(path).await.map_err(io_error(path))?;
    let mut under_way = FuturesUnordered::new();
    loop {
        let mut part = Vec::new();
        (&mut file).take(UPLOAD_PART_BYTES).read_to_end(&mut part).await.map_err(io_error(path))?;
        if part.is_empty() {
            break;
        }
        under_way.push(upload.put_part(part.into()));
        if under_way.len() >= UPLOAD_CONCURRENCY {
            under_way.next().await.transpose().map_err(failed)?;
        }
    }
    under_way.try_collect::<()>().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures::stream::BoxStream;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, ObjectMeta, PutMultipartOptions, PutOptions, PutPayload,
        PutResult, UploadPart,
    };

    use super::*;

    /// A store whose uploads in parts fail at a part, or where they are completed.
    #[derive(Debug)]
    struct Failing {
        inner: InMemory,
        /// Counts from 0; one more than there are parts is the end.
        at: usize,
        given_up: Arc<AtomicUsize>,
    }

    impl fmt::Display for Failing {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Failing")
        }
    }

    #[derive(Debug)]
    struct FailingUpload {
        inner: Box<dyn MultipartUpload>,
        left: usize,
        given_up: Arc<AtomicUsize>,
    }

    fn failure() -> object_store::Error {
        object_store::Error::Generic { store: "Failing", source: "a fault of the test".into() }
    }

    #[async_trait]
    impl MultipartUpload for FailingUpload {
        fn put_part(&mut self, data: PutPayload) -> UploadPart {
            match self.left {
                0 => Box::pin(async { Err(failure()) }),
                _ => {
                    self.left -= 1;
                    self.inner.put_part(data)
                }
            }
        }

        async fn complete(&mut self) -> object_store::Result<PutResult> {
            match self.left {
                0 => Err(failure()),
                _ => self.inner.complete().await,
            }
        }

        async fn abort(&mut self) -> object_store::Result<()> {
            self.given_up.fetch_add(1, Ordering::Relaxed);
            self.inner.abort().await
        }
    }

    #[async_trait]
    impl ObjectStore for Failing {
        async fn put_opts(
            &self,
            location: &Path,
            payload: PutPayload,
            opts: PutOptions,
        ) -> object_store::Result<PutResult> {
            self.inner.put_opts(location, payload, opts).await
        }

        async fn put_multipart_opts(
            &self,
            location: &Path,
            opts: PutMultipartOptions,
        ) -> object_store::Result<Box<dyn MultipartUpload>> {
            let inner = self.inner.put_multipart_opts(location, opts).await?;
            Ok(Box::new(FailingUpload { inner, left: self.at, given_up: Arc::clone(&self.given_up) }))
        }

        async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
            self.inner.get_opts(location, options).await
        }

        fn delete_stream(
            &self,
            locations: BoxStream<'static, object_store::Result<Path>>,
        ) -> BoxStream<'static, object_store::Result<Path>> {
            self.inner.delete_stream(locations)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
            self.inner.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
            self.inner.list_with_delimiter(prefix).await
        }

        async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
            self.inner.copy_opts(from, to, options).await
        }
    }

    #[tokio::test]
    async fn an_upload_is_whole_or_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..UPLOAD_PART_BYTES * 2 + 5).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let location = Path::from("a/b.parquet");
        // The first part, the last one, the end; then none.
        for (at, given_up) in [(0, 1), (2, 1), (3, 1), (4, 0)] {
            let store = Failing { inner: InMemory::new(), at, given_up: Arc::default() };
            let outcome = upload(&store, &path, &location).await;
            assert_eq!((outcome.is_err(), store.given_up.load(Ordering::Relaxed)), (given_up == 1, given_up), "{at}");
            match outcome {
                Ok(()) => assert!(store.get(&location).await.unwrap().bytes().await.unwrap() == bytes),
                Err(error) => {
                    assert!(error.to_string().contains("a/b.parquet"), "{error}");
                    assert!(store.get(&location).await.is_err());
                }
            }
        }
        // A small file is one request.
        std::fs::write(&path, "small").unwrap();
        let store = Failing { inner: InMemory::new(), at: 0, given_up: Arc::default() };
        upload(&store, &path, &location).await.unwrap();
        assert_eq!(store.get(&location).await.unwrap().bytes().await.unwrap(), "small");
    }
}
