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

/// Files of a manager without a limit, and the limit.
#[derive(Clone)]
pub(super) struct Limited {
    files: Arc<DiskManager>,
    limit: u64,
    counted: Counted,
}

impl Limited {
    /// Makes files that take `limit` bytes of disk together at most.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn within(folder: Option<&PathBuf>, limit: u64, counted: &Counted) -> Result<Self> {
        let mut files = DiskManagerBuilder::default().with_max_temp_directory_size(u64::MAX);
        if let Some(folder) = folder {
            files = files.with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
        }
        Ok(Self { files: Arc::new(files.build()?), limit, counted: Arc::clone(counted) })
    }

    /// The same files under the same limit, counted for somebody else.
    pub fn counting(&self, costs: &Arc<Costs>) -> Self {
        Self { counted: Arc::new(OnceLock::from(Arc::clone(costs))), ..self.clone() }
    }

    /// The builder of a manager that makes such files.
    pub fn builder(&self) -> DiskManagerBuilder {
        let files = Arc::new(self.clone());
        // The manager shows the limit as a setting.
        DiskManagerBuilder::default().with_max_temp_directory_size(self.limit).with_temp_file_factory(files)
    }
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
        let limited = Limited::within(Some(&folder.path().to_owned()), 10, &counted).unwrap();
        let manager = Arc::new(limited.builder().build().unwrap());
        let (first, second) = (manager.create_tmp_file("a").unwrap(), manager.create_tmp_file("b").unwrap());
        first.open_writer().unwrap().write_all(b"123456").unwrap();
        let refused = second.open_writer().unwrap().write_all(b"12345").unwrap_err();
        assert!(SpillLimit::is_behind(&refused), "{refused}");
        second.open_writer().unwrap().write_all(b"1234").unwrap();
        // Whoever they are counted for, the limit is that of all.
        let others = Arc::<Costs>::default();
        let of_others = Arc::new(limited.counting(&others).builder().build().unwrap()).create_tmp_file("c").unwrap();
        assert!(of_others.open_writer().unwrap().write_all(b"1").is_err());
        drop(first);
        of_others.open_writer().unwrap().write_all(b"1").unwrap();
        assert_eq!(others.spent().bytes_spilled, 1);
        drop(of_others);
        second.open_writer().unwrap().write_all(b"123456").unwrap();
        assert_eq!((second.size(), manager.max_temp_directory_size()), (Some(10), 10));
        assert_eq!(costs.spent().bytes_spilled, 6 + 4 + 6);
        assert!(second.path().unwrap().starts_with(folder.path()));
    }
}
