//! The first bits of keys, and the order of rows by them.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::{LexicographicalComparator, SortColumn};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::arrow::datatypes::{
    Date32Type, Date64Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use datafusion::common::Result;

/// Bits of a prefix.
const BITS: u32 = 128;
/// A text takes all bits that the prefix has left, where these are at least so many: fewer tell hardly any two texts apart.
const TEXT_BITS: u32 = 16;

/// Says whether values of a type have bits that sort as they do.
pub(super) fn is_packed(data_type: &DataType) -> bool {
    width(data_type).is_some() || is_text(data_type)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Returns the bits of a type's values; `None` for types that are not packed, or have no fixed number.
fn width(data_type: &DataType) -> Option<u32> {
    use DataType::*;
    Some(match data_type {
        Boolean => 1,
        Int8 | UInt8 => 8,
        Int16 | UInt16 => 16,
        Int32 | UInt32 | Date32 => 32,
        Int64 | UInt64 | Date64 | Timestamp(..) | Float64 => 64,
        _ => return None,
    })
}

/// A row's number with its prefix, in two halves: a number of 128 bits would take 32 bytes with it, not 24.
#[derive(Clone, Copy)]
struct Key {
    high: u64,
    low: u64,
    row: u32,
}

impl Key {
    fn prefix(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    fn set(&mut self, prefix: u128) {
        (self.high, self.low) = ((prefix >> 64) as u64, prefix as u64);
    }
}

/// The prefixes of rows under construction.
struct Prefixes {
    rows: Vec<Key>,
    bits_left: u32,
    /// Whether each prefix holds the whole key so far. If it does, rows with equal prefixes have equal keys and are not compared.
    is_whole: bool,
}

impl Prefixes {
    /// Appends a column of values of some bits each, of which zero stands for null.
    fn append(&mut self, column: &SortColumn, width: u32, value: impl Fn(usize) -> u128) {
        let options = column.options.unwrap_or_default();
        let nulls = column.values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        if nulls.is_some() {
            // Nulls sort apart from values in either direction.
            self.bits_left -= 1;
        }
        let bits = width.min(self.bits_left);
        let dropped = width - bits;
        self.is_whole &= dropped == 0;
        self.bits_left -= bits;
        let ones = if bits == BITS { u128::MAX } else { (1 << bits) - 1 };
        let flip = if options.descending { ones } else { 0 };
        let room = |prefix: u128, by: u32| prefix.checked_shl(by).unwrap_or(0);
        match nulls {
            None => {
                for (row, key) in self.rows.iter_mut().enumerate() {
                    key.set(room(key.prefix(), bits) | ((value(row) >> dropped) ^ flip));
                }
            }
            Some(nulls) => {
                for (row, key) in self.rows.iter_mut().enumerate() {
                    let is_valid = nulls.is_valid(row);
                    let bits_of_value = if is_valid { (value(row) >> dropped) ^ flip } else { 0 };
                    let flag = u128::from(is_valid == options.nulls_first);
                    key.set(room(room(key.prefix(), 1) | flag, bits) | bits_of_value);
                }
            }
        }
    }

    /// Appends the first bits of texts: short ones are filled up with zeros, so equal bits say nothing.
    fn append_text<'a>(&mut self, column: &SortColumn, text: impl Fn(usize) -> &'a [u8]) {
        self.append(column, BITS, |row| {
            let text = text(row);
            match text.first_chunk::<16>() {
                Some(first) => u128::from_be_bytes(*first),
                None => {
                    let mut first = [0; 16];
                    first.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
                    u128::from_be_bytes(first)
                }
            }
        });
        self.is_whole = false;
    }

    /// Appends a column, if its type packs and there is room; else the prefixes end here.
    fn append_column(&mut self, column: &SortColumn) {
        use DataType::*;
        let values: &ArrayRef = &column.values;
        let signed = |value: i64, width: u32| u128::from((value ^ (1 << (width - 1))) as u64) & ((1 << width) - 1);
        let data_type = values.data_type();
        let has_room = match width(data_type) {
            Some(_) => self.bits_left > 1,
            None => is_text(data_type) && self.bits_left > TEXT_BITS,
        };
        if !has_room || !self.is_whole {
            self.is_whole = false;
            return;
        }
        macro_rules! signed {
            ($type:ty, $width:literal) => {{
                let values = values.as_primitive::<$type>().values();
                self.append(column, $width, |row| signed(i64::from(values[row]), $width))
            }};
        }
        macro_rules! unsigned {
            ($type:ty, $width:literal) => {{
                let values = values.as_primitive::<$type>().values();
                self.append(column, $width, |row| u128::from(values[row]))
            }};
        }
        match data_type {
            Boolean => {
                let values = values.as_boolean().values();
                self.append(column, 1, |row| u128::from(values.value(row)))
            }
            Int8 => signed!(Int8Type, 8),
            Int16 => signed!(Int16Type, 16),
            Int32 => signed!(Int32Type, 32),
            Int64 => signed!(Int64Type, 64),
            Date32 => signed!(Date32Type, 32),
            Date64 => signed!(Date64Type, 64),
            Timestamp(TimeUnit::Second, _) => signed!(TimestampSecondType, 64),
            Timestamp(TimeUnit::Millisecond, _) => signed!(TimestampMillisecondType, 64),
            Timestamp(TimeUnit::Microsecond, _) => signed!(TimestampMicrosecondType, 64),
            Timestamp(TimeUnit::Nanosecond, _) => signed!(TimestampNanosecondType, 64),
            UInt8 => unsigned!(UInt8Type, 8),
            UInt16 => unsigned!(UInt16Type, 16),
            UInt32 => unsigned!(UInt32Type, 32),
            UInt64 => unsigned!(UInt64Type, 64),
            Float64 => {
                let values = values.as_primitive::<Float64Type>().values();
                self.append(column, 64, |row| {
                    // The order of all floats: the bits of negative ones turned round.
                    let bits = values[row].to_bits() as i64;
                    signed(bits ^ (((bits >> 63) as u64) >> 1) as i64, 64)
                })
            }
            Utf8 => {
                let texts = values.as_string::<i32>();
                self.append_text(column, |row| texts.value(row).as_bytes())
            }
            LargeUtf8 => {
                let texts = values.as_string::<i64>();
                self.append_text(column, |row| texts.value(row).as_bytes())
            }
            Utf8View => {
                let texts = values.as_string_view();
                self.append_text(column, |row| texts.value(row).as_bytes())
            }
            _ => self.is_whole = false,
        }
    }
}

/// Returns the numbers of rows in the order of their keys; rows with equal keys stay in their order.
///
/// # Errors
/// Columns of types that cannot be compared.
pub(super) fn sorted(columns: &[SortColumn], rows: u32) -> Result<Vec<u32>> {
    let keys = (0..rows).map(|row| Key { high: 0, low: 0, row }).collect();
    let mut prefixes = Prefixes { rows: keys, bits_left: BITS, is_whole: true };
    for column in columns {
        prefixes.append_column(column);
    }
    let Prefixes { rows: mut keys, is_whole, .. } = prefixes;
    keys.sort_unstable_by_key(|key| (key.prefix(), key.row));
    if !is_whole {
        let comparator = LexicographicalComparator::try_new(columns)?;
        for same in keys.chunk_by_mut(|one, other| one.prefix() == other.prefix()).filter(|same| same.len() > 1) {
            same.sort_by(|one, other| comparator.compare(one.row as usize, other.row as usize));
        }
    }
    Ok(keys.iter().map(|key| key.row).collect())
}
