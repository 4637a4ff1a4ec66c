//! What the footer of a Parquet file says and the library does not read: intervals as a whole, and whether columns are encrypted.
//!
//! An INTERVAL has three numbers, of months, days and milliseconds; read as a type of Arrow it loses the months or the others. It is read as
//! its bytes in place of that. Of an encrypted file whose footer is plain the library says that it is broken.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, Repetition, Type as PhysicalType};
use ::parquet::errors::Result;
use ::parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow::array::{FixedSizeBinaryArray, IntervalMonthDayNanoArray};
use arrow::datatypes::IntervalMonthDayNano;

/// Bytes of a footer that is looked through at most.
const MAX_FOOTER_BYTES: u64 = 256 << 20;

/// Structs of a footer nest no deeper than this.
const MAX_DEPTH: usize = 32;

/// The field of the footer that says how the file is encrypted.
const ENCRYPTION_ALGORITHM: i64 = 8;

/// Says of each leaf column whether it is an INTERVAL; empty if none is.
pub(super) fn intervals(parquet: &SchemaDescriptor) -> Vec<bool> {
    let intervals: Vec<bool> =
        parquet.columns().iter().map(|column| column.converted_type() == ConvertedType::INTERVAL).collect();
    if intervals.contains(&true) { intervals } else { Vec::new() }
}

/// Describes a file as one that has bytes in place of intervals.
pub(super) fn without_intervals(metadata: &ParquetMetaData) -> Result<ParquetMetaData> {
    let file = metadata.file_metadata();
    let schema = Arc::new(SchemaDescriptor::new(plain(&file.schema_descr().root_schema_ptr())?));
    let described = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        schema,
        file.column_orders().cloned(),
    );
    Ok(ParquetMetaDataBuilder::new(described).set_row_groups(metadata.row_groups().to_vec()).build())
}

fn plain(node: &TypePtr) -> Result<TypePtr> {
    let info = node.get_basic_info();
    let id = info.has_id().then(|| info.id());
    let repetition = if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED };
    if node.is_primitive() {
        if info.converted_type() != ConvertedType::INTERVAL {
            return Ok(Arc::clone(node));
        }
        let bytes = Type::primitive_type_builder(info.name(), PhysicalType::FIXED_LEN_BYTE_ARRAY).with_length(12);
        return Ok(Arc::new(bytes.with_repetition(repetition).with_id(id).build()?));
    }
    let fields = node.get_fields().iter().map(plain).collect::<Result<Vec<_>>>()?;
    let group = Type::group_type_builder(info.name())
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_fields(fields)
        .with_id(id);
    let group = if info.has_repetition() { group.with_repetition(repetition) } else { group };
    Ok(Arc::new(group.build()?))
}

/// Reads the bytes of intervals.
pub(super) fn intervals_of(bytes: &FixedSizeBinaryArray) -> IntervalMonthDayNanoArray {
    let number = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let interval = |bytes: &[u8]| {
        let nanoseconds = i64::from(number(bytes, 8)) * 1_000_000;
        IntervalMonthDayNano::new(whole(number(bytes, 0)), whole(number(bytes, 4)), nanoseconds)
    };
    bytes.iter().map(|bytes| bytes.map(interval)).collect()
}

/// Says whether a file's columns are encrypted, as far as its footer can be read.
pub(super) fn is_encrypted(file: &mut File) -> bool {
    read_footer(file).is_some_and(|footer| Thrift { left: &footer }.has_field(ENCRYPTION_ALGORITHM) == Some(true))
}

fn read_footer(file: &mut File) -> Option<Vec<u8>> {
    let length = file.seek(SeekFrom::End(0)).ok()?;
    file.seek(SeekFrom::Start(length.checked_sub(8)?)).ok()?;
    let mut trailer = [0; 8];
    file.read_exact(&mut trailer).ok()?;
    let footer_bytes = u64::from(u32::from_le_bytes(*trailer.first_chunk()?));
    let start = length.checked_sub(8)?.checked_sub(footer_bytes).filter(|_| footer_bytes <= MAX_FOOTER_BYTES)?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut footer = vec![0; usize::try_from(footer_bytes).ok()?];
    file.read_exact(&mut footer).ok()?;
    Some(footer)
}

/// Bytes of Thrift's compact protocol, which are skipped until a field is found.
struct Thrift<'a> {
    left: &'a [u8],
}

impl Thrift<'_> {
    /// Says whether a struct has a field at its top; `None` where it cannot be read.
    fn has_field(&mut self, wanted: i64) -> Option<bool> {
        let mut field = 0;
        loop {
            let Some(kind) = self.next_field(&mut field)? else { return Some(false) };
            if field == wanted {
                return Some(true);
            }
            self.skip(kind, 0)?;
        }
    }

    /// Reads the beginning of a field: its type, and its number into `field`. The inner `None` ends a struct.
    fn next_field(&mut self, field: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *field = match byte >> 4 {
            0 => {
                let number = self.number()?;
                i64::try_from(number >> 1).ok()? ^ -i64::from((number & 1) as u8)
            }
            more => field.checked_add(i64::from(more))?,
        };
        Some(Some(byte & 15))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            // Truth values of fields are in their types.
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.number()?),
            7 => self.take(8)?,
            8 => {
                let length = usize::try_from(self.number()?).ok()?;
                self.take(length)?;
            }
            9 | 10 => {
                let byte = self.byte()?;
                let count = if byte >> 4 == 15 { self.number()? } else { u64::from(byte >> 4) };
                for _ in 0..count {
                    match byte & 15 {
                        1 | 2 => drop(self.byte()?),
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
            }
            12 => {
                let mut field = 0;
                while let Some(kind) = self.next_field(&mut field)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn take(&mut self, count: usize) -> Option<()> {
        self.left = self.left.get(count..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.left.split_first()?;
        self.left = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_field_is_found_behind_others_of_every_type() {
        // Numbers, a truth value, a text, a list of structs, a list of truth values, a double.
        let fields = [
            0x15, 0x04, 0x11, 0x18, 2, b'a', b'b', 0x19, 0x2c, 0x15, 0x02, 0x00, 0x00, 0x19, 0x21, 1, 2, 0x17, 0, 0, 0,
            0, 0, 0, 0, 0,
        ];
        let with = |end: &[u8]| Thrift { left: &[&fields, end].concat() }.has_field(ENCRYPTION_ALGORITHM);
        assert_eq!(with(&[0x2c, 0x1c, 0x00, 0x00, 0x00]), Some(true));
        // Numbered in full: zigzag of 8, and of 9.
        assert_eq!(with(&[0x0c, 16, 0x00, 0x00]), Some(true));
        assert_eq!(with(&[0x0c, 18, 0x00, 0x00]), Some(false));
        assert_eq!(with(&[0]), Some(false));
        assert_eq!(with(&[]), None);
        assert_eq!(Thrift { left: &[0x1c; 100] }.has_field(ENCRYPTION_ALGORITHM), None);
    }

    #[test]
    fn intervals_have_their_months() {
        let bytes = [[1_u32, 2, 3000], [0, 0, u32::MAX]].map(|parts| parts.map(u32::to_le_bytes).concat());
        let read = intervals_of(&FixedSizeBinaryArray::try_from_iter(bytes.into_iter()).unwrap());
        assert_eq!(read.value(0), IntervalMonthDayNano::new(1, 2, 3_000_000_000));
        assert_eq!(read.value(1).nanoseconds, i64::from(u32::MAX) * 1_000_000);
    }

    proptest! {
        #[test]
        fn any_footer_is_survived(footer in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Thrift { left: &footer }.has_field(ENCRYPTION_ALGORITHM);
        }
    }
}
