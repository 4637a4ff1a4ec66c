//! Deletion vectors: which rows of a data file of a Delta table are deleted.
//!
//! We read them and make none: a file whose rows change is rewritten without the deleted ones. Row numbers outside of this module are those of the
//! rows that are left.
//!
//! Delta's protocol has them as 64-bit roaring bitmaps in their portable form, behind a magic number: in the log itself, in base 85, or in a file beside the
//! data files, with a length before and a checksum behind them. The kernel of the library for Delta reads whole files of them and panics over
//! some that are damaged, so that what stands around the bitmaps is read here.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake::kernel::LogicalFileView;
use flate2::Crc;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::arrow::async_reader::AsyncFileReader;
use roaring::RoaringTreemap;

use super::read::StoredFile;
use super::snapshot::DataFile;
use crate::error::{self, Error};

/// What begins a bitmap in its portable form, little endian.
const PORTABLE: u32 = 1_681_511_377;

/// The version of files of deletion vectors.
const FILE_VERSION: u8 = 1;

/// Characters that a file's name has in base 85.
const NAME_CHARACTERS: usize = 20;

/// A deletion vector, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionVector {
    place: Place,
    /// Bytes of the bitmap with its magic number.
    size_bytes: u64,
    /// Rows that it deletes.
    rows: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Inline(Vec<u8>),
    File { path: PathBuf, offset: u64 },
}

/// The deleted rows of a data file, by their numbers from 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeletedRows(RoaringTreemap);

impl DeletedRows {
    /// Returns whether a row is deleted.
    pub fn contains(&self, row: u64) -> bool {
        self.0.contains(row)
    }

    /// Returns the last of the rows.
    pub fn last(&self) -> Option<u64> {
        self.0.max()
    }
}

impl DeletionVector {
    /// Makes a deletion vector of its parts in the log; `placed` finds a file by its path from the table's folder.
    ///
    /// # Errors
    /// What cannot be one, in words that go behind its name.
    pub(super) fn of_log(
        storage: &str,
        text: &str,
        offset: Option<i32>,
        (size_bytes, rows): (i32, i64),
        placed: impl Fn(&str) -> Result<PathBuf, String>,
    ) -> Result<Self, String> {
        let size_bytes = u64::try_from(size_bytes).map_err(|_| "has a negative size".to_owned())?;
        let rows = u64::try_from(rows).map_err(|_| "has a negative number of rows".to_owned())?;
        let decoded = |text: &[u8]| z85::decode(text).map_err(|_| "is not in base 85".to_owned());
        let file = |path: PathBuf| -> Result<Place, String> {
            let offset = u64::try_from(offset.unwrap_or(1)).map_err(|_| "has a negative offset".to_owned())?;
            Ok(Place::File { path, offset })
        };
        let place = match storage {
            "i" => Place::Inline(decoded(text.as_bytes())?),
            "p" => file(placed(text)?)?,
            "u" => {
                let (folder, name) = text
                    .len()
                    .checked_sub(NAME_CHARACTERS)
                    .and_then(|at| text.split_at_checked(at))
                    .ok_or_else(|| "has no whole name".to_owned())?;
                let id = decoded(name.as_bytes())?;
                let id = uuid::Uuid::from_slice(&id).map_err(|_| "has no whole name".to_owned())?;
                let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
                file(placed(&format!("{folder}deletion_vector_{id}.bin"))?)?
            }
            other => return Err(format!("is stored in a way that is not known ({other:?})")),
        };
        Ok(Self { place, size_bytes, rows })
    }

    /// Reads the deletion vector of a file from the log, if it has one; `placed` finds a file by its path from the table's folder.
    ///
    /// # Errors
    /// What cannot be one, in words that go behind its name.
    pub(super) fn of_view(
        view: &LogicalFileView,
        placed: impl Fn(&str) -> Result<PathBuf, String>,
    ) -> Result<Option<Self>, String> {
        // The library panics over kinds that it does not know.
        let vector = catch_unwind(AssertUnwindSafe(|| view.deletion_vector_descriptor()))
            .map_err(|_| "is of an unknown kind".to_owned())?;
        let Some(vector) = vector else { return Ok(None) };
        let counts = (vector.size_in_bytes, vector.cardinality);
        let storage = vector.storage_type.to_string();
        Self::of_log(&storage, &vector.path_or_inline_dv, vector.offset, counts, placed).map(Some)
    }

    /// Returns how many rows it deletes.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns what makes it this one, for telling versions of a table apart.
    pub(super) fn identity(&self) -> String {
        format!("{self:?}")
    }

    /// Reads which rows are deleted.
    ///
    /// # Errors
    /// One that is not there, or damaged, in words that go behind its name.
    pub fn read(&self) -> Result<DeletedRows, String> {
        let bytes = match &self.place {
            Place::Inline(bytes) => {
                let length = usize::try_from(self.size_bytes).unwrap_or(usize::MAX);
                bytes.get(..length).ok_or_else(|| "is shorter than the log says".to_owned())?.to_vec()
            }
            Place::File { path, offset } => {
                self.read_file(path, *offset).map_err(|error| format!("in {} {error}", path.display()))?
            }
        };
        self.rows_of(&bytes)
    }

    fn rows_of(&self, bytes: &[u8]) -> Result<DeletedRows, String> {
        let (magic, bitmap) = bytes.split_first_chunk::<4>().ok_or_else(|| "is empty".to_owned())?;
        if u32::from_le_bytes(*magic) != PORTABLE {
            return Err("is of a kind that is not known".to_owned());
        }
        let rows = RoaringTreemap::deserialize_from(bitmap).map_err(|error| format!("is damaged: {error}"))?;
        match rows.len() == self.rows {
            true => Ok(DeletedRows(rows)),
            false => Err(format!("deletes {} rows where the log says {}", rows.len(), self.rows)),
        }
    }

    /// Reads the vector of a lake's file, whose path is from the lake's folder, as [`Self::read`] does.
    async fn read_stored(&self, store: &Arc<dyn ObjectStore>) -> Result<DeletedRows, String> {
        let Place::File { path, offset } = &self.place else { return self.read() };
        let location = path.to_str().and_then(|path| StorePath::parse(path).ok()).ok_or("has a name that is none")?;
        let range = *offset..offset.saturating_add(self.size_bytes).saturating_add(8);
        let read = store.get_range(&location, range).await.map_err(|error| format!("cannot be read: {error}"))?;
        self.rows_of(self.unframed(&read).map_err(|error| format!("in {} {error}", path.display()))?)
    }

    fn read_file(&self, path: &Path, offset: u64) -> Result<Vec<u8>, String> {
        let told = |error: std::io::Error| format!("cannot be read: {error}");
        let mut file = File::open(path).map_err(told)?;
        let length = file.metadata().map_err(told)?.len();
        if offset.saturating_add(self.size_bytes).saturating_add(8) > length {
            return Err("ends early".to_owned());
        }
        let mut version = [0];
        file.read_exact(&mut version).map_err(told)?;
        if version != [FILE_VERSION] {
            return Err(format!("is of version {}, which is not known", version.first().copied().unwrap_or_default()));
        }
        file.seek(SeekFrom::Start(offset)).map_err(told)?;
        let mut bytes = Vec::new();
        file.take(self.size_bytes.saturating_add(8)).read_to_end(&mut bytes).map_err(told)?;
        self.unframed(&bytes).map(<[u8]>::to_vec)
    }

    /// Takes the bitmap out of what a file has of the vector: the size, the bitmap and its checksum, numbers with the upper byte first.
    fn unframed<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or("ends early")?;
        let (bitmap, checksum) = rest.split_last_chunk::<4>().ok_or("ends early")?;
        if u64::from(u32::from_be_bytes(*size)) != self.size_bytes || bitmap.len() as u64 != self.size_bytes {
            return Err("has another size than the log says".to_owned());
        }
        let mut sum = Crc::new();
        sum.update(bitmap);
        match sum.sum() == u32::from_be_bytes(*checksum) {
            true => Ok(bitmap),
            false => Err("is damaged: its checksum is not right".to_owned()),
        }
    }
}

/// Returns the rows of a lake's file that are deleted, in order.
///
/// # Errors
/// A vector that is not there or damaged; storage errors.
pub async fn deleted_rows(store: &Arc<dyn ObjectStore>, file: &DataFile) -> error::Result<Vec<u32>> {
    let Some(deletion) = &file.deletion else { return Ok(Vec::new()) };
    let failed = |what: String| Error::storage(file.path.clone(), format!("its deletion vector {what}"));
    let rows = deletion.read_stored(store).await.map_err(failed)?;
    rows.0.into_iter().map(|row| u32::try_from(row).map_err(|_| failed(format!("has the row {row}")))).collect()
}

/// Returns which rows of a lake's file are left, or `None` if none is deleted.
///
/// # Errors
/// A vector that is not there or damaged; a file whose footer cannot be read; storage errors.
pub async fn live_rows(store: &Arc<dyn ObjectStore>, file: &DataFile) -> error::Result<Option<RowSelection>> {
    let deleted = deleted_rows(store, file).await?;
    if deleted.is_empty() {
        return Ok(None);
    }
    let failed = |error| Error::storage(file.path.clone(), error);
    let mut stored = StoredFile { store: Arc::clone(store), path: file.location(), size_bytes: file.size_bytes };
    let footer = stored.get_metadata(None).await.map_err(failed)?;
    let rows = usize::try_from(footer.file_metadata().num_rows()).unwrap_or_default();
    let mut left = Vec::new();
    let mut next = 0;
    for row in deleted.into_iter().map(|row| row as usize).take_while(|row| *row < rows) {
        if row > next {
            left.push(next..row);
        }
        next = row + 1;
    }
    if next < rows {
        left.push(next..rows);
    }
    Ok(Some(RowSelection::from_consecutive_ranges(left.into_iter(), rows)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes a bitmap as a deletion vector, behind its magic number.
    fn bitmap(rows: &[u64]) -> Vec<u8> {
        let mut bytes = PORTABLE.to_le_bytes().to_vec();
        rows.iter().copied().collect::<RoaringTreemap>().serialize_into(&mut bytes).unwrap();
        bytes
    }

    /// Writes a file of one deletion vector.
    fn file(bitmap: &[u8]) -> Vec<u8> {
        let mut sum = Crc::new();
        sum.update(bitmap);
        [&[FILE_VERSION][..], &(bitmap.len() as u32).to_be_bytes(), bitmap, &sum.sum().to_be_bytes()].concat()
    }

    /// Writes bytes in base 85, filled up to a whole number of words.
    fn base_85(bytes: &[u8]) -> String {
        let mut whole = bytes.to_vec();
        whole.resize(bytes.len().next_multiple_of(4), 0);
        z85::encode(whole)
    }

    #[tokio::test]
    async fn a_vector_of_a_lake_is_read_from_its_store() {
        let store: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        let bits = bitmap(&[3, 4, 29]);
        let whole = file(&bits);
        let name = StorePath::from("ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
        let relative = |path: &str| Ok(PathBuf::from(path));
        let counts = (bits.len() as i32, 3);
        let vector = DeletionVector::of_log("u", "ab^-aqEH.-t@S}K{vb[*k^", Some(1), counts, relative).unwrap();
        assert!(vector.read_stored(&store).await.unwrap_err().starts_with("cannot be read"));
        store.put(&name, whole.clone().into()).await.unwrap();
        let rows = vector.read_stored(&store).await.unwrap();
        assert_eq!(rows.0.into_iter().collect::<Vec<_>>(), [3, 4, 29]);
        for at in 1..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            store.put(&name, damaged.into()).await.unwrap();
            vector.read_stored(&store).await.unwrap_err();
        }
    }

    fn nowhere(path: &str) -> Result<PathBuf, String> {
        Ok(PathBuf::from("/nowhere").join(path))
    }

    fn inline(bytes: &[u8], rows: i64) -> Result<DeletedRows, String> {
        DeletionVector::of_log("i", &base_85(bytes), None, (bytes.len() as i32, rows), nowhere)?.read()
    }

    #[test]
    fn what_other_programs_write_is_read() {
        let text = "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L";
        let rows = DeletionVector::of_log("i", text, None, (44, 6), nowhere).unwrap().read().unwrap();
        assert_eq!((0..40).filter(|row| rows.contains(*row)).collect::<Vec<_>>(), [3, 4, 7, 11, 18, 29]);
        // The other form of bitmaps, which the protocol shows and nobody writes.
        let native = "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L";
        let told = DeletionVector::of_log("i", native, None, (40, 6), nowhere).unwrap().read().unwrap_err();
        assert_eq!(told, "is of a kind that is not known");
        // And its file by a prefix and an id in base 85.
        let vector = DeletionVector::of_log("u", "ab^-aqEH.-t@S}K{vb[*k^", Some(4), (40, 6), nowhere).unwrap();
        let path = PathBuf::from("/nowhere/ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
        assert_eq!(vector.place, Place::File { path, offset: 4 });
    }

    #[test]
    fn damaged_ones_are_told() {
        let good = bitmap(&[1, 5, 1 << 40]);
        assert_eq!(inline(&good, 3).unwrap().last(), Some(1 << 40));
        assert_eq!(inline(&good, 2).unwrap_err(), "deletes 3 rows where the log says 2");
        assert!(inline(&good[..good.len() - 4], 3).unwrap_err().starts_with("is damaged"));
        assert_eq!(inline(b"\0\0\0\0\0\0\0\0", 0).unwrap_err(), "is of a kind that is not known");
        assert_eq!(inline(b"", 0).unwrap_err(), "is empty");
        for (storage, text, offset, counts) in [
            ("x", "", None, (1, 1)),
            ("u", "short", None, (1, 1)),
            ("u", "ää-aqEH.-t@S}K{vb[*é", None, (1, 1)),
            ("i", "no", None, (1, 1)),
            ("i", "", None, (-1, 1)),
            ("i", "", None, (1, -1)),
            ("p", "x", Some(-1), (1, 1)),
        ] {
            assert!(DeletionVector::of_log(storage, text, offset, counts, nowhere).is_err(), "{storage} {text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let whole = file(&good);
        let read = |bytes: &[u8], offset: i32| {
            std::fs::write(folder.path().join("x"), bytes).unwrap();
            let placed = |name: &str| Ok(folder.path().join(name));
            DeletionVector::of_log("p", "x", Some(offset), (good.len() as i32, 3), placed).unwrap().read()
        };
        assert!(read(&whole, 1).unwrap().contains(5));
        let second = [whole.as_slice(), &whole[1..]].concat();
        assert!(read(&second, whole.len() as i32).unwrap().contains(1));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            read(&changed, 1).unwrap_err();
            read(&whole[..at], 1).unwrap_err();
        }
        let missing = DeletionVector::of_log("p", "gone", None, (1, 1), nowhere).unwrap().read().unwrap_err();
        assert!(missing.starts_with("in /nowhere/gone cannot be read"), "{missing}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), rows in 0..5_i64) {
            let _ = inline(&[&PORTABLE.to_le_bytes()[..], &bytes].concat(), rows);
        }
    }
}
