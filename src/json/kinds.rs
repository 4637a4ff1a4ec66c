//! The kinds of JSON values, as bits of a mask.

use arrow::datatypes::DataType;

/// The kind of a JSON value, as a bit of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A string, unescaped.
    Text = 1,
    /// An integer in 64 bits whose text is the usual one.
    Integer = 2,
    /// A float whose text is the shortest that reads back.
    Float = 4,
    /// true or false.
    Boolean = 8,
    /// Any other number, as the text of the document: 1.50, 1e5, -0, more digits than 64 bits hold.
    RawNumber = 16,
}

/// The mask bit of objects and arrays. No leaf column holds them.
pub const CONTAINER: u8 = 32;
/// The mask bit of a JSON null. In the mask of a column's root it says that the column is NULL in some row.
pub const NULL: u8 = 64;
/// The mask bit of a value that the parser refuses, as `tru` or a string without its end. The key is there, so that `json_contains` finds the
/// path, but no function reads the value. In the mask of a column's root it says that some document is not sound to its end.
pub const BROKEN: u8 = 128;
/// All kinds that leaves hold.
pub const KINDS: [Kind; 5] = [Kind::Text, Kind::Integer, Kind::Float, Kind::Boolean, Kind::RawNumber];
/// The mask of all kinds that leaves hold.
pub const ALL_KINDS: u8 = 31;

impl Kind {
    /// The bit in a mask.
    pub const fn bit(self) -> u8 {
        self as u8
    }

    /// The Arrow type of a leaf of this kind.
    pub fn arrow_type(self) -> DataType {
        match self {
            Self::Text | Self::RawNumber => DataType::Utf8View,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_has_the_bit_of_another() {
        let bits: Vec<u8> = KINDS.iter().map(|kind| kind.bit()).chain([CONTAINER, NULL, BROKEN]).collect();
        assert_eq!(bits.iter().fold(0, |mask, bit| mask | bit), u8::MAX);
        assert_eq!(bits.iter().map(|bit| u32::from(*bit)).sum::<u32>(), 255);
        assert_eq!(KINDS.iter().fold(0, |mask, kind| mask | kind.bit()), ALL_KINDS);
    }
}
