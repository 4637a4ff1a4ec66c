//! Leaf columns: a JSON path, the kind of values it holds, and the column's name and type.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

use super::computed::Computed;
use super::pools::Pools;
pub use crate::json::kinds::{ALL_KINDS, BROKEN, CONTAINER, KINDS, Kind, NULL};

/// What the names of leaf columns start with; no column of ours or of an export does.
pub const LEAF_PREFIX: &str = "~shred/";

/// What stands for all elements of an array in a path.
const EACH: &str = "[*]";

/// The letter of a kind in the names of columns.
fn letter(kind: Kind) -> char {
    match kind {
        Kind::Text => 's',
        Kind::Integer => 'i',
        Kind::Float => 'f',
        Kind::Boolean => 'b',
        Kind::RawNumber => 'r',
    }
}

/// Names the column of a leaf: `~shred/<column>/<path>#<kind>`, with `~`, `/` and `[` in keys written `~0`, `~1` and `~2`.
pub fn leaf_name(column: &str, path: &[impl AsRef<str>], kind: Kind) -> String {
    let mut name = place_name(column, path);
    name.extend(['#', letter(kind)]);
    name
}

/// Names the column of a leaf inside the elements of an array: `~shred/<column>/<path>[]/<path inside>#<kind>`.
pub fn element_leaf_name(column: &str, path: &[impl AsRef<str>], inside: &[impl AsRef<str>], kind: Kind) -> String {
    let mut name = place_name(column, path);
    name.push_str("[]");
    push_keys(&mut name, inside);
    name.extend(['#', letter(kind)]);
    name
}

/// Names the column that says in which rows a leaf's text is not that of the column it copies: `~shred/<column>/<path>#x`.
pub fn differs_name(column: &str, path: &[impl AsRef<str>]) -> String {
    place_name(column, path) + "#x"
}

/// Names the column of a pool: `~shred/<column>#p<number>`.
pub fn pool_name(column: &str, pool: u8) -> String {
    format!("{LEAF_PREFIX}{column}#p{pool}")
}

/// Names a path among the keys of a pool's documents: `/variables/court_date`, with `~` and `/` in keys written `~0` and `~1`.
pub fn pool_key(path: &[impl AsRef<str>]) -> String {
    path.iter().fold(String::new(), |name, key| below(&name, key.as_ref()))
}

/// Names a path that was chosen for a pool, by its number; the names of all others begin otherwise.
pub fn coded_pool_key(code: u32) -> String {
    format!("{code:x}~")
}

/// Says whether a column is a pool.
pub fn is_pool(name: &str) -> bool {
    name.starts_with(LEAF_PREFIX) && name.rsplit('#').next().is_some_and(|kind| kind.starts_with('p'))
}

/// Names the path of a key below another in a pool's documents.
pub fn below(name: &str, key: &str) -> String {
    format!("{name}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// What the names of all columns of a path begin with: `~shred/<column>/<path>`.
pub(super) fn place_name(column: &str, path: &[impl AsRef<str>]) -> String {
    let mut name = format!("{LEAF_PREFIX}{column}");
    push_keys(&mut name, path);
    name
}

fn push_keys(name: &mut String, keys: &[impl AsRef<str>]) {
    for key in keys {
        name.push('/');
        name.push_str(&key.as_ref().replace('~', "~0").replace('/', "~1").replace('[', "~2"));
    }
}

/// Writes keys as a JSONPath of RFC 9535: `$.variables.customer_tier`, `$['a.b']`.
pub fn json_path(keys: &[impl AsRef<str>]) -> String {
    let mut path = "$".to_owned();
    push_steps(&mut path, keys);
    path
}

/// Writes keys inside the elements of an array as a JSONPath: `$.variables.events[*].type`.
pub fn element_json_path(keys: &[impl AsRef<str>], inside: &[impl AsRef<str>]) -> String {
    let mut path = json_path(keys);
    path.push_str(EACH);
    push_steps(&mut path, inside);
    path
}

fn push_steps(path: &mut String, keys: &[impl AsRef<str>]) {
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
    /// Where the path leads to arrays, the keys from each element down; at least one. A column then holds a list a row.
    pub inside: Option<Vec<String>>,
    /// The kinds that have a column.
    pub kinds: u8,
    /// The column of the table that holds nearly all of the texts already: stored are those that differ, and which rows these are.
    pub copy_of: Option<String>,
}

impl Leaf {
    /// Names the column of a kind.
    pub fn name(&self, kind: Kind) -> String {
        match &self.inside {
            Some(inside) => element_leaf_name(&self.column, &self.path, inside, kind),
            None => leaf_name(&self.column, &self.path, kind),
        }
    }

    /// Returns the type of the column of a kind.
    pub fn arrow_type(&self, kind: Kind) -> DataType {
        match self.inside {
            Some(_) => list_type(kind.arrow_type()),
            None => kind.arrow_type(),
        }
    }
}

/// Returns the type of a list with an entry for each element of an array.
pub fn list_type(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// The leaves of one file, in the order of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafSet {
    /// The leaves, sorted by column, path and path inside.
    pub leaves: Vec<Leaf>,
    /// The pools of each JSON column, whose columns come behind those of all leaves.
    pub pools: BTreeMap<String, Pools>,
    /// What functions give of texts, in the order of the columns, which come last.
    pub computed: Vec<Computed>,
}

impl LeafSet {
    /// Lists the Arrow fields of all columns beside the text: leaf by leaf, kind by kind, then pool by pool, then what is computed.
    pub fn fields(&self) -> Vec<Field> {
        let leaves = self.columns().flat_map(|(leaf, kind)| {
            let is_copy = kind == Kind::Text && leaf.copy_of.is_some();
            let differs = is_copy.then(|| Field::new(differs_name(&leaf.column, &leaf.path), DataType::Boolean, true));
            std::iter::once(Field::new(leaf.name(kind), leaf.arrow_type(kind), true)).chain(differs)
        });
        let pools = self.pools.iter().flat_map(|(column, pools)| {
            (0..pools.count).map(|pool| Field::new(pool_name(column, pool), DataType::Utf8View, true))
        });
        let computed = self.computed.iter().map(|computed| Field::new(computed.name(), DataType::Utf8View, true));
        leaves.chain(pools).chain(computed).collect()
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
