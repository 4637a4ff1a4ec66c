//! Leaves out files that have a text nowhere, by a few bytes of each of their bloom filters.
//!
//! DataFusion reads the whole bloom filter of a row group, a quarter of a megabyte, in every file that a look-up touches. A Parquet bloom filter
//! is split into blocks of 32 bytes, and the hash of a text selects the one block that has its bits. This module reads that block of each filter
//! alone. A file in none of whose row groups the block has the bits is left out: nothing but its footer, which the session caches, and these
//! blocks was read. Session ids are asked of the table's index first ([`SessionIndex`]), which knows all files at once. For the files that remain, DataFusion prunes row groups with the whole filters.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{Guarantee, LiteralGuarantee};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt, stream};
use object_store::ObjectStore;
use parquet::bloom_filter::{BITSET_MIN_LENGTH, Sbbf};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use xxhash_rust::xxh64::xxh64;

use super::readers::partitioned;
use crate::lake::footer::unless_it_panics;
use crate::lake::layout::BLOOM_COLUMNS;
use crate::lake::{DataFile, SessionIndex, session_hash, short_hash};

/// Texts that are looked up so; of more the whole filter is the smaller part.
const MAX_TEXTS: usize = 16;
/// Bytes in which a file tells of its session ids up to which it is asked for those: of some 12,000 sessions. They are one read, where a footer and a
/// filter are two or three, and a footer with its leaf columns takes 40 to 60 kB.
const SHORT_IDS: u64 = 32 << 10;
/// Files that are asked at once.
const FILES_AT_ONCE: usize = 32;
/// Bits of a filter at most, in bytes: four times what those of our row groups have.
const MAX_FILTER_BYTES: usize = 1 << 20;
/// Bytes of a block of a filter.
const BLOCK_BYTES: u64 = BITSET_MIN_LENGTH as u64;

/// Returns the files in which a row may be for which the predicate is true, as far as bloom filters tell. A file that cannot be read
/// is among them, so that the scan says what is wrong with it.
///
/// # Errors
/// A store that is not known.
pub(super) async fn prune<'a>(
    files: Vec<&'a DataFile>,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    store: &ObjectStoreUrl,
    index: Option<&SessionIndex>,
    state: &dyn Session,
) -> Result<Vec<&'a DataFile>> {
    let guarantees = predicate.map(LiteralGuarantee::analyze).unwrap_or_default();
    let wanted: Vec<Wanted> = guarantees.iter().filter_map(Wanted::of).collect();
    // One file is asked by the scan itself.
    if wanted.is_empty() || files.len() < 2 {
        return Ok(files);
    }
    let runtime = state.runtime_env();
    let footers = runtime.cache_manager.get_file_metadata_cache();
    let filters = Filters {
        readers: CachedParquetFileReaderFactory::new(runtime.object_store(store)?, footers),
        footer_hint: state.config_options().execution.parquet.metadata_size_hint,
        headers: Mutex::default(),
    };
    let ids = Ids::of(&wanted, store, state);
    // What the index says of a file is as near as what the file would say.
    let indexed = match (index, ids.as_ref()) {
        (Some(index), Some(ids)) => index.may_have_sessions(&files, &ids.hashes).await,
        _ => vec![None; files.len()],
    };
    let may_hold = async |(file, indexed): (&&DataFile, &Option<bool>)| match ids.as_ref() {
        _ if indexed.is_some() => *indexed,
        Some(ids) if ids.are_shorter(file) => match ids.may_hold(file).await {
            None => filters.may_hold(file, &wanted).await,
            told => told,
        },
        _ => filters.may_hold(file, &wanted).await,
    };
    let asked: Vec<_> = files.iter().zip(&indexed).map(may_hold).collect();
    let told: Vec<Option<bool>> = stream::iter(asked).buffered(FILES_AT_ONCE).collect().await;
    let kept = told.into_iter().map(|told| told.unwrap_or(true));
    Ok(files.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(file, _)| file).collect())
}

/// Names the store through which the files of a table are asked for their ids, by the URL of the table's store.
pub(super) fn telling(store: &str) -> String {
    store.replacen("lake://", "lake-ids://", 1)
}

/// Session ids that are looked for, and where files tell of theirs.
struct Ids {
    /// The short hashes, in order.
    hashes: Vec<u64>,
    store: Arc<dyn ObjectStore>,
}

impl Ids {
    fn of(wanted: &[Wanted], store: &ObjectStoreUrl, state: &dyn Session) -> Option<Self> {
        let ids = wanted.iter().find(|wanted| wanted.column == "session_id")?;
        let store = ObjectStoreUrl::parse(telling(store.as_str())).ok()?;
        let store = state.runtime_env().object_store(&store).ok()?;
        let mut hashes: Vec<u64> = ids.texts.iter().map(|id| short_hash(session_hash(id))).collect();
        hashes.sort_unstable();
        Some(Self { hashes, store })
    }

    /// Says whether a file tells of its ids in less than its footer takes.
    fn are_shorter(&self, file: &DataFile) -> bool {
        file.ids_bytes().is_some_and(|bytes| bytes <= SHORT_IDS)
    }

    async fn may_hold(&self, file: &DataFile) -> Option<bool> {
        file.may_have_sessions(self.store.as_ref(), &self.hashes).await
    }
}

/// Asks the filters of one file for ids, for the fuzz target: whatever they are, nothing but an answer comes.
pub(super) async fn asked_of_any(store: Arc<dyn ObjectStore>, file: &DataFile) -> Option<bool> {
    let filters = Filters {
        readers: CachedParquetFileReaderFactory::new(
            store,
            RuntimeEnv::default().cache_manager.get_file_metadata_cache(),
        ),
        footer_hint: None,
        headers: Mutex::default(),
    };
    let texts = vec!["a".to_owned(), "028d".to_owned()];
    filters.may_hold(file, &[Wanted { column: "session_id".to_owned(), texts }]).await
}

/// Texts of which a column must have one.
struct Wanted {
    column: String,
    texts: Vec<String>,
}

impl Wanted {
    fn of(guarantee: &LiteralGuarantee) -> Option<Self> {
        let LiteralGuarantee { column, guarantee, literals } = guarantee;
        if *guarantee != Guarantee::In || !BLOOM_COLUMNS.contains(&column.name()) || literals.len() > MAX_TEXTS {
            return None;
        }
        let texts = literals.iter().map(|literal| literal.try_as_str()?.map(str::to_owned));
        Some(Self { column: column.name().to_owned(), texts: texts.collect::<Option<_>>()? })
    }

    /// Says whether one of the texts may be in a filter of which these blocks were read.
    fn may_be_in(&self, blocks: &[Bytes]) -> bool {
        // A filter of one block has any text in that block.
        self.texts.iter().zip(blocks).any(|(text, block)| Sbbf::new(block).check(text.as_str()))
    }
}

/// Reads filters of files.
struct Filters {
    readers: CachedParquetFileReaderFactory,
    footer_hint: Option<usize>,
    /// The headers of filters as our writer has them, by the bytes of header and bits together.
    headers: Mutex<HashMap<usize, Option<Bytes>>>,
}

impl Filters {
    /// Says whether a file may have a row group with a wanted text in every column; `None` where that cannot be told.
    async fn may_hold(&self, file: &DataFile, wanted: &[Wanted]) -> Option<bool> {
        let file = partitioned(file);
        let mut reader = self.readers.create_reader(0, file, self.footer_hint, &ExecutionPlanMetricsSet::new()).ok()?;
        let footer = unless_it_panics(reader.get_metadata(None)).await.ok()?.ok()?;
        let filters = self.of(&footer, wanted)?;
        let ranges = filters.iter().zip(wanted.iter().cycle()).flat_map(|(filter, wanted)| filter.ranges(wanted));
        let read = reader.get_byte_ranges(ranges.collect()).await.ok()?;
        let mut read = read.as_slice();
        let mut may_hold = false;
        for group in filters.chunks(wanted.len()) {
            let mut may_group = true;
            for (filter, wanted) in group.iter().zip(wanted) {
                let (header, rest) = read.split_first()?;
                let (blocks, rest) = rest.split_at_checked(wanted.texts.len())?;
                // With another header the bits may mean something else.
                if *header != filter.header {
                    return None;
                }
                may_group &= wanted.may_be_in(blocks);
                read = rest;
            }
            may_hold |= may_group;
        }
        Some(may_hold)
    }

    /// Returns the filters of each row group, those of all wanted columns together; `None` where one is missing or not as ours are.
    fn of(&self, footer: &ParquetMetaData, wanted: &[Wanted]) -> Option<Vec<Filter>> {
        let columns = footer.file_metadata().schema_descr().columns();
        let index =
            |wanted: &Wanted| columns.iter().position(|column| column.path().parts() == [wanted.column.as_str()]);
        let indices: Vec<usize> = wanted.iter().map(index).collect::<Option<_>>()?;
        let groups = footer.row_groups().iter();
        groups.flat_map(|group| indices.iter().map(|index| self.filter(group.column(*index)))).collect()
    }

    fn filter(&self, column: &ColumnChunkMetaData) -> Option<Filter> {
        let offset = u64::try_from(column.bloom_filter_offset()?).ok()?;
        let bytes = usize::try_from(column.bloom_filter_length()?).ok()?;
        let header = {
            let mut known = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(bytes).or_insert_with(|| written_header(bytes)).clone()?
        };
        Some(Filter { offset, blocks: (bytes - header.len()) as u64 / BLOCK_BYTES, header })
    }
}

/// Where a bloom filter is: its header, and the bits behind it.
struct Filter {
    offset: u64,
    header: Bytes,
    blocks: u64,
}

impl Filter {
    /// The bytes of the header and of the block of each text.
    fn ranges(&self, wanted: &Wanted) -> Vec<Range<u64>> {
        let bits = self.offset + self.header.len() as u64;
        let block = |text: &String| {
            // Parquet's specification, "Bloom Filter": the upper half of a hash is scaled to the number of blocks.
            let number = ((xxh64(text.as_bytes(), 0) >> 32) * self.blocks) >> 32;
            let start = bits + number * BLOCK_BYTES;
            start..start + BLOCK_BYTES
        };
        std::iter::once(self.offset..bits).chain(wanted.texts.iter().map(block)).collect()
    }
}

/// Writes an empty filter of so many bytes and returns its header. The bits are a power of two; headers are shorter than any.
fn written_header(bytes: usize) -> Option<Bytes> {
    let bits = 1_usize.checked_shl(bytes.checked_ilog2()?).filter(|bits| *bits <= MAX_FILTER_BYTES)?;
    let mut written = Vec::new();
    Sbbf::new_with_num_of_bytes(bits).write(&mut written).ok()?;
    let header = written.len().checked_sub(bits)?;
    written.truncate(header);
    (header + bits == bytes).then(|| Bytes::from(written))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::path::Path;

    use arrow::array::{ArrayRef, RecordBatch, StringViewArray, new_null_array};
    use datafusion::common::{DFSchema, ScalarValue};
    use datafusion::logical_expr::{Expr, col, lit};
    use datafusion::prelude::SessionContext;
    use object_store::local::LocalFileSystem;

    use super::*;
    use crate::lake::write::FileLimits;
    use crate::lake::{FileWriter, Output};
    use crate::schema::stored_schema;

    const FILES: usize = 5;
    const FILE_ROWS: usize = 300;

    fn id(row: usize) -> String {
        format!("{row:05}{:x}", (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn phone(row: usize) -> Option<String> {
        (!row.is_multiple_of(3)).then(|| format!("+1{}", row / FILE_ROWS * 1_000 + row % 7))
    }

    /// Writes files with several row groups each.
    fn write(folder: &Path) -> Vec<DataFile> {
        let limits = FileLimits { file_rows: FILE_ROWS, row_group_rows: 110 };
        let mut writer =
            FileWriter::new(stored_schema(), Output::Folder(folder.to_owned()), NonZeroUsize::MIN, "ended")
                .with_limits(limits);
        let rows = FILES * FILE_ROWS;
        let schema = stored_schema();
        let column = |field: &arrow::datatypes::FieldRef| -> ArrayRef {
            match field.name().as_str() {
                "session_id" => Arc::new((0..rows).map(|row| Some(id(row))).collect::<StringViewArray>()),
                "source_details_phone_number" => Arc::new((0..rows).map(phone).collect::<StringViewArray>()),
                _ => new_null_array(field.data_type(), rows),
            }
        };
        let columns: Vec<ArrayRef> = schema.fields().iter().map(column).collect();
        writer.write(&RecordBatch::try_new(schema, columns).unwrap()).unwrap();
        let file = |written: crate::lake::WrittenFile| DataFile {
            path: written.path,
            size_bytes: written.size_bytes,
            rows: Some(written.rows),
            ..DataFile::default()
        };
        writer.finish().unwrap().into_iter().map(file).collect()
    }

    /// A literal as a planned query has it, of the column's own type.
    fn text(text: impl Into<String>) -> Expr {
        lit(ScalarValue::Utf8View(Some(text.into())))
    }

    async fn kept(folder: &Path, files: &[DataFile], filter: Expr) -> Result<Vec<String>> {
        let context = SessionContext::new();
        let schema = DFSchema::try_from(stored_schema())?;
        let predicate = context.create_physical_expr(filter, &schema)?;
        let store = ObjectStoreUrl::parse("lake://test")?;
        let folder = Arc::new(LocalFileSystem::new_with_prefix(folder)?);
        context.runtime_env().register_object_store(store.as_ref(), folder);
        let kept = prune(files.iter().collect(), Some(&predicate), &store, None, &context.state()).await?;
        Ok(kept.into_iter().map(|file| file.path.clone()).collect())
    }

    #[tokio::test]
    async fn only_files_that_may_have_a_text_are_left() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let files = write(folder.path());
        assert_eq!(files.len(), FILES);
        let has_id = |row: usize| col("session_id").eq(text(id(row)));
        let (mut kept_in_vain, mut asked) = (0, 0);
        for row in (0..FILES * FILE_ROWS).step_by(17) {
            let paths = kept(folder.path(), &files, has_id(row)).await?;
            assert!(paths.contains(&files[row / FILE_ROWS].path), "row {row}: {paths:?}");
            kept_in_vain += paths.len() - 1;
            kept_in_vain += kept(folder.path(), &files, has_id(row + 1_000_000)).await?.len();
            asked += 2;
        }
        assert!(kept_in_vain * 4 < asked * FILES, "{kept_in_vain} files for {asked} ids");

        // One of several, and both of two columns, which may be in different row groups.
        let paths = kept(folder.path(), &files, has_id(5).or(has_id(FILE_ROWS * 4))).await?;
        assert!([0, 4].iter().all(|file| paths.contains(&files[*file].path)), "{paths:?}");
        let has_phone = col("source_details_phone_number").eq(text("+12001"));
        let paths = kept(folder.path(), &files, has_phone.clone()).await?;
        assert!(paths.contains(&files[2].path) && paths.len() < FILES, "{paths:?}");
        let paths = kept(folder.path(), &files, has_phone.and(has_id(5))).await?;
        assert!(paths.is_empty(), "{paths:?}");

        // What filters do not tell of, and too many texts.
        let all = |paths: Vec<String>| assert_eq!(paths.len(), FILES);
        all(kept(folder.path(), &files, col("session_id").gt(text("0"))).await?);
        all(kept(folder.path(), &files, has_id(5).or(col("workflow_id").eq(text("w")))).await?);
        all(kept(folder.path(), &files, col("session_id").not_eq(text(id(5)))).await?);
        let many = (0..=MAX_TEXTS).map(|row| text(id(row))).collect();
        all(kept(folder.path(), &files, col("session_id").in_list(many, false)).await?);
        Ok(())
    }

    #[tokio::test]
    async fn files_whose_filters_are_not_known_are_left() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let files = write(folder.path());
        let absent = || col("session_id").eq(text("nowhere"));
        assert!(kept(folder.path(), &files, absent()).await?.is_empty());
        // Filters with another header, a file that is no Parquet, and one that is not there.
        let path = |file: usize| folder.path().join(&files[file].path);
        let mut bytes = std::fs::read(path(0))?;
        let sizes = (5..18).flat_map(|power| (10..32).map(move |header| (1 << power) + header));
        let known: Vec<Bytes> = sizes.filter_map(written_header).collect();
        for header in known {
            let places: Vec<usize> =
                (0..bytes.len() - header.len()).filter(|at| bytes[*at..].starts_with(&header)).collect();
            places.into_iter().for_each(|at| bytes[at + header.len() - 2] ^= 1);
        }
        std::fs::write(path(0), bytes)?;
        let length = std::fs::metadata(path(1))?.len() as usize;
        std::fs::write(path(1), vec![b'x'; length])?;
        std::fs::remove_file(path(2))?;
        let expected: Vec<&str> = files[..3].iter().map(|file| file.path.as_str()).collect();
        assert_eq!(kept(folder.path(), &files, absent()).await?, expected);
        Ok(())
    }

    #[test]
    fn a_block_says_what_the_whole_filter_says() {
        for texts in [1, 30, 1_000, 20_000] {
            let mut filter = Sbbf::new_with_ndv_fpp(texts as u64, 0.05).unwrap();
            (0..texts).for_each(|row| filter.insert(id(row).as_str()));
            let mut written = Vec::new();
            filter.write(&mut written).unwrap();
            let header = written_header(written.len()).unwrap();
            assert!(written.starts_with(&header));
            let blocks = (written.len() - header.len()) as u64 / BLOCK_BYTES;
            let placed = Filter { offset: 0, header, blocks };
            for row in 0..texts * 2 {
                let wanted = Wanted { column: "session_id".to_owned(), texts: vec![id(row)] };
                let ranges = placed.ranges(&wanted);
                let block = Bytes::copy_from_slice(&written[ranges[1].start as usize..ranges[1].end as usize]);
                assert_eq!(wanted.may_be_in(&[block]), filter.check(id(row).as_str()), "{row} of {texts}");
            }
        }
    }
}
