//! Leaf columns: a JSON path, the kind of values it holds, and the column's name.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field};

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

/// A mask bit for objects and arrays, which no leaf holds.
pub const CONTAINER: u8 = 32;
/// A mask bit for an explicit null; of a column's root: some document is NULL.
pub const NULL: u8 = 64;
/// A mask bit for a value that breaks off or is none: it is there, but no function reads it. Of a column's root: some document is
/// not sound as far as its end.
pub const BROKEN: u8 = 128;
/// All kinds that leaves hold.
pub const KINDS: [Kind; 5] = [Kind::Text, Kind::Integer, Kind::Float, Kind::Boolean, Kind::RawNumber];

impl Kind {
    /// The bit in a mask.
    pub fn bit(self) -> u8 {
        self as u8
    }

    fn letter(self) -> char {
        match self {
            Self::Text => 's',
            Self::Integer => 'i',
            Self::Float => 'f',
            Self::Boolean => 'b',
            Self::RawNumber => 'r',
        }
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

/// What the names of leaf columns start with; no column of ours or of an export does.
pub const LEAF_PREFIX: &str = "~shred/";

/// Names the column of a leaf: `~shred/<column>/<path>#<kind>`, with `~` and `/` in keys written `~0` and `~1`.
pub fn leaf_name(column: &str, path: &[impl AsRef<str>], kind: Kind) -> String {
    let mut name = format!("{LEAF_PREFIX}{column}");
    for key in path {
        name.push('/');
        name.push_str(&key.as_ref().replace('~', "~0").replace('/', "~1"));
    }
    name.push('#');
    name.push(kind.letter());
    name
}

/// Writes keys as a JSONPath of RFC 9535: `$.variables.customer_tier`, `$['a.b']`.
pub fn json_path(keys: &[impl AsRef<str>]) -> String {
    let mut path = "$".to_owned();
    for key in keys.iter().map(AsRef::as_ref) {
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        if key.starts_with(is_letter) && key.chars().all(|c| is_letter(c) || c.is_ascii_digit()) {
            path.push('.');
            path.push_str(key);
        } else {
            path.push_str("['");
            for character in key.chars() {
                match character {
                    '\'' | '\\' => path.extend(['\\', character]),
                    '\n' => path.push_str("\\n"),
                    '\r' => path.push_str("\\r"),
                    '\t' => path.push_str("\\t"),
                    control if control < ' ' => path.push_str(&format!("\\u{:04x}", u32::from(control))),
                    other => path.push(other),
                }
            }
            path.push_str("']");
        }
    }
    path
}

/// Says whether a key may stand for an index of an array: a look-up by such a key goes into arrays, where leaves do not.
pub fn is_index(key: &str) -> bool {
    key.parse::<isize>().is_ok()
}

/// One path that has leaf columns in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The JSON column.
    pub column: String,
    /// The keys from the root down; at least one.
    pub path: Vec<String>,
    /// The kinds that have a column.
    pub kinds: u8,
}

/// The leaves of one file, in the order of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafSet {
    /// The leaves, sorted by column and path.
    pub leaves: Vec<Leaf>,
}

impl LeafSet {
    /// Lists the Arrow fields of all leaf columns: leaf by leaf, kind by kind.
    pub fn fields(&self) -> Vec<Field> {
        self.columns()
            .map(|(leaf, kind)| Field::new(leaf_name(&leaf.column, &leaf.path, kind), kind.arrow_type(), true))
            .collect()
    }

    /// Lists the leaf columns.
    pub fn columns(&self) -> impl Iterator<Item = (&Leaf, Kind)> {
        self.leaves
            .iter()
            .flat_map(|leaf| KINDS.iter().filter(|kind| leaf.kinds & kind.bit() != 0).map(move |kind| (leaf, *kind)))
    }

    /// Groups the leaves by JSON column, each with its number.
    pub fn by_column(&self) -> BTreeMap<&str, Vec<(usize, &Leaf)>> {
        let mut columns: BTreeMap<&str, Vec<(usize, &Leaf)>> = BTreeMap::new();
        for (index, leaf) in self.leaves.iter().enumerate() {
            columns.entry(&leaf.column).or_default().push((index, leaf));
        }
        columns
    }
}
