//! Compares the columns beside the text with the text, value by value: leaf columns, pools, lists of elements, and what is computed.
//!
//! Each document is read once for all paths of its file, in batches, and each value is looked for where the file's manifest says that it is. The bits of what was
//! found tell then what a column has beyond that. What a value is compared with follows from what queries ask of it (`engine::leaves`): a
//! difference counts where some question would be answered by the column and otherwise than by the text. What is left to the text (a kind that
//! came too late, a pool that was lost, a path with a value that is too long) is not compared, for no question reads it.
//!
//! The reader is not the shredder's walk. A check by the walk that wrote the columns would find what storage did to them, and would call every
//! fault of the walk right: both would have it. [`reader`] goes through documents by the parser of the SQL functions and by the rules of a
//! look-up, without the guesses, the budgets and the quick pass of the walk; only what a number is told by is the same code. How
//! queries make answers of columns is not compared here: that is code, the same for every lake, and the tests of the engine put it to the text.
//!
//! Beside the columns the manifest is compared: a path that it does not have, or a type that it does not name there, is NULL to every query.

mod columns;
mod pools;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::columns::{Column, Source, texts_of};
use self::pools::{Pooled, StoredPools};
use self::reader::{Documents, Value};
use super::computed::{OF_STRINGS, computed_name, of_column};
use super::leaf::{
    ALL_KINDS, KINDS, Kind, differs_name, element_json_path, element_leaf_name, json_path, leaf_name, list_type,
};
use super::manifest::{MANIFEST_KEY, Manifest, PathNode};
use crate::error::{Error, Result};
use crate::json::elements::cut;
use crate::texts::TextFunction;

/// Paths of a column that the manifest does not have, of which so many are told.
const TOLD_UNKNOWN: usize = 16;

/// A path whose columns are not what the text has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The JSON column and the path.
    pub place: String,
    /// The first row that shows it, from 0; of what is inside arrays, the first of all elements at the path.
    pub number: u64,
    /// Whether that is an element.
    pub is_element: bool,
}

/// Compares the columns of one file.
#[derive(Debug)]
pub struct Checker {
    fields: Fields,
    texts: Vec<Texts>,
    /// What is computed of the text of whole columns: the column's place, the function and its column, and the first row that differs.
    computed: Vec<(String, usize, &'static TextFunction, Column, Option<u64>)>,
    rows: u64,
}

/// The columns of the file that are compared, in the order in which they were asked for.
#[derive(Debug)]
struct Fields {
    file: SchemaRef,
    fields: Vec<Field>,
}

impl Fields {
    /// Returns the place of a column; `None` where the file has none.
    fn place(&mut self, name: &str, data_type: DataType) -> Option<usize> {
        if let Some(known) = self.fields.iter().position(|field| field.name() == name) {
            return Some(known);
        }
        self.file.index_of(name).ok()?;
        self.fields.push(Field::new(name, data_type, true));
        Some(self.fields.len() - 1)
    }
}

/// The documents of one JSON column.
#[derive(Debug)]
struct Texts {
    column: String,
    place: usize,
    documents: Documents,
    paths: Vec<PathCheck>,
    pools: StoredPools,
    arrays: Vec<Elements>,
    /// Paths that the manifest does not have, with the first row that does.
    unknown: BTreeMap<Vec<String>, u64>,
}

/// What is compared at one path.
#[derive(Debug, Default)]
struct PathCheck {
    path: Vec<String>,
    /// Kinds that the manifest names, and that it would have to.
    kinds: u8,
    may_have_arrays: bool,
    /// Whether a query counts on objects to be named.
    lacks_objects: bool,
    columns: [Option<Box<Column>>; 5],
    computed: Option<Box<Column>>,
    pooled: Pooled,
    elements: Option<usize>,
    /// The first row that differs.
    differs: Option<u64>,
}

/// The elements of the arrays at one path.
#[derive(Debug)]
struct Elements {
    documents: Documents,
    paths: Vec<PathCheck>,
    ranges: Vec<Range<usize>>,
    /// Elements so far.
    count: u64,
    /// The last row of the batch that has an array.
    last_row: Option<usize>,
}

impl Checker {
    /// Makes one for a file of this schema; `None` where the file has no manifest that is read.
    pub fn new(file: &SchemaRef) -> Option<Self> {
        let manifest = Manifest::parse(file.metadata().get(MANIFEST_KEY)?)?.without_misread();
        let mut fields = Fields { file: Arc::clone(file), fields: Vec::new() };
        let mut checker_computed = Vec::new();
        let mut texts = Vec::new();
        for (column, root) in &manifest.columns {
            let Some(place) = fields.place(column, DataType::Utf8View) else { continue };
            if let Some(function) = of_column(column)
                && let Some(of) = fields.place(&computed_name(column, &[] as &[&str], function), DataType::Utf8View)
            {
                let computed = Column::new(Source::Computed(of));
                checker_computed.push((column.clone(), place, function, computed, None));
            }
            texts.push(Texts::new(column, place, root, &manifest, &mut fields));
        }
        Some(Self { fields, texts, computed: checker_computed, rows: 0 })
    }

    /// The columns that batches have to have, in this order.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields.fields.clone()))
    }

    /// Counts the documents that were read; elements of arrays are parts of theirs.
    pub fn documents(&self) -> u64 {
        self.texts.iter().map(|texts| texts.documents.count()).sum()
    }

    /// Compares the next rows of the file.
    ///
    /// # Errors
    /// A batch of another schema, which is a defect.
    pub fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        for texts in &mut self.texts {
            texts.check(batch, self.rows)?;
        }
        for (_, place, function, column, differs) in &mut self.computed {
            column.begin(batch)?;
            let texts = texts_of(batch.columns().get(*place).ok_or_else(|| Error::internal("a column is missing"))?)?;
            for (row, text) in texts.iter().enumerate() {
                let value = text.and_then(|text| function.value(text));
                if value.is_some_and(|value| !column.has(row, Value::Unread, &value)) {
                    differs.get_or_insert(self.rows + row as u64);
                }
            }
            if let Some(row) = column.more() {
                differs.get_or_insert(self.rows + row as u64);
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Lists the paths that differ.
    pub fn differences(&self) -> Vec<Difference> {
        let of = |place: String, number: u64, is_element| Difference { place, number, is_element };
        let computed = self.computed.iter().filter_map(|(column, _, function, _, differs)| {
            let what = function.name.rsplit('_').next().unwrap_or(function.name);
            Some(of(format!("{column}: its {what}"), (*differs)?, false))
        });
        let mut all: Vec<Difference> = computed.collect();
        for texts in &self.texts {
            let mut rows: BTreeMap<&[String], u64> =
                texts.unknown.iter().map(|(path, row)| (path.as_slice(), *row)).collect();
            rows.extend(texts.paths.iter().filter_map(|check| Some((check.path.as_slice(), check.differs?))));
            let column = &texts.column;
            all.extend(rows.into_iter().map(|(path, row)| of(format!("{column}: {}", json_path(path)), row, false)));
            for check in &texts.paths {
                let Some(elements) = check.elements.and_then(|number| texts.arrays.get(number)) else { continue };
                all.extend(elements.paths.iter().filter_map(|inside| {
                    let path = element_json_path(&check.path, &inside.path);
                    Some(of(format!("{column}: {path}"), inside.differs?, true))
                }));
            }
        }
        all
    }
}

impl Texts {
    fn new(column: &str, place: usize, root: &PathNode, manifest: &Manifest, fields: &mut Fields) -> Self {
        let (mut paths, mut arrays) = (Vec::new(), Vec::new());
        let mut pools = StoredPools::new(column, root.lost_pools, fields);
        let documents = Documents::new(root, |number, path, node| {
            let mut check = PathCheck::new(path, node);
            if node.leaf {
                for kind in KINDS.iter().filter(|kind| node.kinds & !node.missed & kind.bit() != 0) {
                    check.put(*kind, source(column, path, *kind, manifest, fields));
                }
            }
            let computed = computed_name(column, path, OF_STRINGS);
            if let Some(place) = fields.place(&computed, DataType::Utf8View).filter(|_| !path.is_empty()) {
                check.computed = Some(Box::new(Column::new(Source::Computed(place))));
            }
            check.pooled = pools.add(number, path, node);
            check.elements = node.elements.as_deref().map(|elements| {
                arrays.push(Elements::new(column, path, elements, fields));
                arrays.len() - 1
            });
            let wants = [true, check.columns.iter().any(Option::is_some) || check.computed.is_some()];
            paths.push(check);
            wants
        });
        Self { column: column.to_owned(), place, documents, paths, pools, arrays, unknown: BTreeMap::new() }
    }

    fn check(&mut self, batch: &RecordBatch, rows: u64) -> Result<()> {
        let texts = texts_of(batch.columns().get(self.place).ok_or_else(|| Error::internal("a column is missing"))?)?;
        self.pools.begin(batch)?;
        self.paths.iter_mut().try_for_each(|check| check.begin(batch))?;
        for elements in &mut self.arrays {
            elements.last_row = None;
            elements.paths.iter_mut().try_for_each(|check| check.begin(batch))?;
        }
        let firsts: Vec<u64> = self.arrays.iter().map(|elements| elements.count).collect();
        for row in 0..batch.num_rows() {
            self.pools.read(row);
            let number = rows + row as u64;
            if texts.is_valid(row) {
                self.document(row, texts.value(row), number);
            }
            for path in self.pools.left() {
                self.paths[path].differs.get_or_insert(number);
            }
            self.arrays.iter_mut().for_each(|elements| elements.end_row(row));
        }
        for check in &mut self.paths {
            check.end(rows);
        }
        for (elements, first) in self.arrays.iter_mut().zip(firsts) {
            elements.paths.iter_mut().for_each(|check| check.end(first));
        }
        Ok(())
    }

    /// Compares what the document of a row has.
    fn document(&mut self, row: usize, text: &str, number: u64) {
        let Self { documents, paths, pools, arrays, unknown, .. } = self;
        documents.read(text);
        for met in documents.met() {
            let check = &mut paths[met.place];
            let raw = met.end.and_then(|end| text.get(met.start..end));
            let value = documents.text(text, met.value).or(raw).unwrap_or_default();
            let in_columns = check.is_named(met.value) && check.has(row, met.value, value);
            let in_pool = pools.has(row, met.place, check.pooled, met.value, raw);
            if !in_columns || !in_pool {
                check.differs.get_or_insert(number);
            }
            if let (Value::Array, Some(elements)) = (met.value, check.elements.and_then(|at| arrays.get_mut(at))) {
                elements.check(row, text.get(met.start..).unwrap_or_default());
            }
        }
        for (above, key) in documents.unknown() {
            let path: Vec<String> = paths[above].path.iter().cloned().chain([key]).collect();
            if unknown.len() < TOLD_UNKNOWN || unknown.contains_key(&path) {
                unknown.entry(path).or_insert(number);
            }
        }
    }
}

/// Says where the values of one kind are at the path of a leaf; `None` where the file does not have their column.
fn source(column: &str, path: &[String], kind: Kind, manifest: &Manifest, fields: &mut Fields) -> Option<Source> {
    let name = leaf_name(column, path, kind);
    let Some(copied) = manifest.copies.get(&name) else {
        return Some(Source::Own(kind, fields.place(&name, kind.arrow_type())?));
    };
    let differs = fields.place(&differs_name(column, path), DataType::Boolean)?;
    let texts = fields.place(&name, DataType::Utf8View)?;
    Some(Source::Copy([differs, texts, fields.place(copied, DataType::Utf8View)?]))
}

impl PathCheck {
    fn new(path: &[String], node: &PathNode) -> Self {
        Self {
            path: path.to_vec(),
            kinds: node.kinds,
            may_have_arrays: node.may_have_arrays(),
            lacks_objects: !node.has_objects && (node.pool.is_some() || node.has_arrays),
            ..Self::default()
        }
    }

    fn put(&mut self, kind: Kind, source: Option<Source>) {
        if let Some(slot) = self.columns.get_mut(kind.bit().trailing_zeros() as usize) {
            *slot = source.map(|source| Box::new(Column::new(source)));
        }
    }

    fn begin(&mut self, batch: &RecordBatch) -> Result<()> {
        self.columns.iter_mut().flatten().chain(&mut self.computed).try_for_each(|column| column.begin(batch))
    }

    /// Says whether the manifest names the type of a value, so that queries know of it.
    fn is_named(&self, value: Value) -> bool {
        self.kinds & value.kind() != 0
            && match value {
                Value::Array => self.may_have_arrays,
                Value::Object => !self.lacks_objects,
                _ => true,
            }
    }

    /// Takes note of a value; says whether the columns that ought to have it do.
    fn has(&mut self, row: usize, value: Value, text: &str) -> bool {
        let mut has = true;
        let kind = value.kind() & ALL_KINDS;
        if let Some(Some(column)) = self.columns.get_mut(kind.trailing_zeros() as usize) {
            has = column.has(row, value, text);
        }
        if let (Value::Text { .. }, Some(column)) = (value, &mut self.computed)
            && let Some(computed) = OF_STRINGS.value(text)
        {
            has &= column.has(row, value, &computed);
        }
        has
    }

    /// Ends a batch that began with this row, or element.
    fn end(&mut self, first: u64) {
        let more = self.columns.iter().flatten().chain(&self.computed).filter_map(|column| column.more()).min();
        if let Some(row) = more {
            self.differs.get_or_insert(first + row as u64);
        }
    }
}

impl Elements {
    fn new(column: &str, array: &[String], root: &PathNode, fields: &mut Fields) -> Self {
        let mut paths = Vec::new();
        let documents = Documents::new(root, |_, path, node| {
            let mut check = PathCheck::new(path, node);
            if node.leaf {
                for kind in KINDS.iter().filter(|kind| node.kinds & !node.missed & kind.bit() != 0) {
                    let name = element_leaf_name(column, array, path, *kind);
                    let place = fields.place(&name, list_type(kind.arrow_type()));
                    check.put(*kind, place.map(|place| Source::List(*kind, place)));
                }
            }
            // Of what has no leaf nothing is answered by the manifest.
            let is_wanted = node.leaf && node.missed != u8::MAX;
            paths.push(check);
            [is_wanted; 2]
        });
        Self { documents, paths, ranges: Vec::new(), count: 0, last_row: None }
    }

    /// Compares the elements of the array that a text begins with. Of one that breaks off there are none.
    fn check(&mut self, row: usize, array: &str) {
        let Self { documents, paths, ranges, count, last_row } = self;
        if cut(array, ranges).is_err() {
            return;
        }
        *last_row = Some(row);
        for check in paths.iter_mut() {
            let mut columns = check.columns.iter().flatten();
            if !columns.all(|column| column.list(row).is_some_and(|list| list.len() == ranges.len())) {
                check.differs.get_or_insert(*count);
            }
        }
        for (index, range) in ranges.iter().enumerate() {
            let element = array.get(range.clone()).unwrap_or_default();
            documents.read(element);
            for met in documents.met() {
                let check = &mut paths[met.place];
                let raw = met.end.and_then(|end| element.get(met.start..end));
                let text = documents.text(element, met.value).or(raw).unwrap_or_default();
                let kind = met.value.kind();
                let column = check.columns.get_mut((kind & ALL_KINDS).trailing_zeros() as usize);
                let has = check.kinds & kind != 0
                    && column.and_then(Option::as_mut).is_none_or(|column| {
                        let place = column.list(row).and_then(|mut list| list.nth(index));
                        place.is_some_and(|place| column.has(place, met.value, text))
                    });
                if !has {
                    check.differs.get_or_insert(*count + index as u64);
                }
            }
        }
        *count += ranges.len() as u64;
    }

    /// Ends a row: where it has no array that is whole, it must have no list.
    fn end_row(&mut self, row: usize) {
        if self.last_row == Some(row) {
            return;
        }
        for check in &mut self.paths {
            if check.columns.iter().flatten().any(|column| column.list(row).is_some()) {
                check.differs.get_or_insert(self.count);
            }
        }
    }
}
