//! A folder in an object store that holds other files than tables: the outputs of reports.

use std::path::Path as FsPath;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

use tokio::io::AsyncWriteExt;

use super::history::CONCURRENT_READS;
use super::remote::Remote;
use super::table::Lake;
use super::upload::upload;
use crate::error::{Error, Result, io_error};

/// A folder in an object store.
#[derive(Debug, Clone)]
pub struct StoreFolder {
    name: String,
    store: Arc<Remote>,
}

/// The state of a file when it was read, by which it is known whether another has written it since.
#[derive(Debug, Clone)]
pub struct FileState(UpdateVersion);

impl StoreFolder {
    /// Finds a folder by its URL. Nothing is read or made.
    ///
    /// # Errors
    /// A URL that is none of an object store; an environment that lacks what its client needs.
    pub fn of(place: &Lake) -> Result<Self> {
        match place.remote()? {
            Some(store) => Ok(Self { name: place.name.clone(), store }),
            None => Err(Error::internal("a folder on this machine")),
        }
    }

    fn path(&self, name: &str) -> Result<Path> {
        let below = Path::parse(name).map_err(|e| Error::storage(self.name.clone(), e))?;
        Ok(below.parts().fold(self.store.folder().clone(), |path, part| path.join(part)))
    }

    fn failed(&self, name: &str) -> impl Fn(StoreError) -> Error {
        let context = format!("{}/{name}", self.name.trim_end_matches('/'));
        move |error| Error::storage(context.clone(), error)
    }

    /// Lists the files below the folder, by their paths from it.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn list(&self) -> Result<Vec<String>> {
        let root = self.store.folder();
        let listed: Vec<ObjectMeta> = self.store.list(Some(root)).try_collect().await.map_err(self.failed(""))?;
        let below = |meta: ObjectMeta| {
            let parts: Vec<String> = meta.location.prefix_match(root)?.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/")).filter(|name| !name.is_empty())
        };
        Ok(listed.into_iter().filter_map(below).collect())
    }

    /// Reads a file, if it is there.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn read(&self, name: &str) -> Result<Option<(Bytes, FileState)>> {
        let failed = self.failed(name);
        let found = match self.store.get(&self.path(name)?).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let state = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        Ok(Some((found.bytes().await.map_err(failed)?, FileState(state))))
    }

    /// Says whether a file is there.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn has(&self, name: &str) -> Result<bool> {
        match self.store.head(&self.path(name)?).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(name)(error)),
        }
    }

    /// Copies files into a folder of this machine, under the paths that they have below `from`, with the times that they were written at. What has gone
    /// meanwhile is left out.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn fetch(&self, names: &[String], from: &str, folder: &FsPath) -> Result<()> {
        let fetched = stream::iter(names).map(|name| async move {
            match name.strip_prefix(from) {
                Some(below) => self.fetch_one(name, &folder.join(below)).await,
                None => Ok(()),
            }
        });
        fetched.buffer_unordered(CONCURRENT_READS).try_collect().await
    }

    async fn fetch_one(&self, name: &str, path: &FsPath) -> Result<()> {
        let failed = self.failed(name);
        let found = match self.store.get(&self.path(name)?).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(io_error(parent))?;
        }
        let written_at = found.meta.last_modified;
        let mut file = tokio::fs::File::create(path).await.map_err(io_error(path))?;
        let mut parts = found.into_stream();
        while let Some(part) = parts.try_next().await.map_err(&failed)? {
            file.write_all(&part).await.map_err(io_error(path))?;
        }
        file.flush().await.map_err(io_error(path))?;
        file.into_std().await.set_modified(written_at.into()).map_err(io_error(path))
    }

    /// Puts a file of this machine into the folder.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn put(&self, name: &str, file: &FsPath) -> Result<()> {
        upload(self.store.as_ref(), file, &self.path(name)?).await.map_err(|error| match error {
            Error::Storage { message, source, .. } => {
                Error::Storage { context: format!("{}/{name}", self.name.trim_end_matches('/')), message, source }
            }
            error => error,
        })
    }

    /// Writes a file, if it is still as it was when it was read, or not there.
    ///
    /// # Errors
    /// [`Error::Conflict`] where another has written it since; storage errors.
    pub async fn replace(&self, name: &str, bytes: Vec<u8>, earlier: Option<&FileState>) -> Result<()> {
        let mode = match earlier {
            Some(FileState(state)) => PutMode::Update(state.clone()),
            None => PutMode::Create,
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.store.put_opts(&self.path(name)?, bytes.into(), options).await {
            Ok(_) => Ok(()),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                Err(Error::Conflict { message: format!("another run has written to {:?} meanwhile", self.name) })
            }
            Err(error) => Err(self.failed(name)(error)),
        }
    }

    /// Removes files. What cannot be removed stays.
    pub async fn remove(&self, names: &[String]) {
        for name in names {
            if let Ok(path) = self.path(name) {
                let _ = self.store.delete(&path).await;
            }
        }
    }
}
