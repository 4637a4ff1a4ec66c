//! The limit on the disk that spilling takes, as an error that is known by its type.
//!
//! DataFusion's own limit comes as a failed write whose text alone says what it is. Here its files are written without a limit of
//! theirs, and [`Limited`] stands before each write: it asks the manager of the files how much they take already.

use std::io::{Error, Result as IoResult, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::execution::disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;

use crate::error::SpillLimit;
use crate::lake::Costs;

/// What spilling is counted in, once that is known.
pub(super) type Counted = Arc<OnceLock<Arc<Costs>>>;

/// Returns the builder of a manager whose files take `limit` bytes of disk together at most.
///
/// # Errors
/// A folder that cannot be made.
pub(super) fn disk(folder: Option<&PathBuf>, limit: u64, counted: &Counted) -> Result<DiskManagerBuilder> {
    let mut files = DiskManagerBuilder::default().with_max_temp_directory_size(u64::MAX);
    if let Some(folder) = folder {
        files = files.with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
    }
    let limited = Limited { files: Arc::new(files.build()?), limit, counted: Arc::clone(counted) };
    // The outer one shows the limit as a setting.
    Ok(DiskManagerBuilder::default().with_max_temp_directory_size(limit).with_temp_file_factory(Arc::new(limited)))
}

/// Files of a manager without a limit, and the limit.
#[derive(Clone)]
struct Limited {
    files: Arc<DiskManager>,
    limit: u64,
    counted: Counted,
}

impl TempFileFactory for Limited {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        Ok(Arc::new(File { inner: self.files.create_tmp_file(description)?, limited: self.clone() }))
    }
}

struct File {
    inner: Arc<dyn SpillFile>,
    limited: Limited,
}

impl SpillFile for File {
    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }

    fn size(&self) -> Option<u64> {
        self.inner.size()
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        self.inner.read_stream()
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(Writer { inner: self.inner.open_writer()?, limited: self.limited.clone() }))
    }
}

struct Writer {
    inner: Box<dyn SpillWriter>,
    limited: Limited,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        // Writers at the same time may each pass by one write, which is a part of a batch.
        if self.limited.files.used_disk_space().saturating_add(bytes.len() as u64) > self.limited.limit {
            return Err(Error::other(SpillLimit));
        }
        let written = self.inner.write(bytes)?;
        if let Some(costs) = self.limited.counted.get() {
            costs.spilled(written);
        }
        Ok(written)
    }

    fn flush(&mut self) -> IoResult<()> {
        self.inner.flush()
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        self.inner.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_no_more_than_the_limit_and_give_back_what_they_took() {
        let folder = tempfile::tempdir().unwrap();
        let (counted, costs) = (Counted::default(), Arc::<Costs>::default());
        counted.set(Arc::clone(&costs)).unwrap();
        let manager = Arc::new(disk(Some(&folder.path().to_owned()), 10, &counted).unwrap().build().unwrap());
        let (first, second) = (manager.create_tmp_file("a").unwrap(), manager.create_tmp_file("b").unwrap());
        first.open_writer().unwrap().write_all(b"123456").unwrap();
        let refused = second.open_writer().unwrap().write_all(b"12345").unwrap_err();
        assert!(SpillLimit::is_behind(&refused), "{refused}");
        second.open_writer().unwrap().write_all(b"1234").unwrap();
        drop(first);
        second.open_writer().unwrap().write_all(b"123456").unwrap();
        assert_eq!((second.size(), manager.max_temp_directory_size()), (Some(10), 10));
        assert_eq!(costs.spent().bytes_spilled, 6 + 4 + 6);
        assert!(second.path().unwrap().starts_with(folder.path()));
    }
}
