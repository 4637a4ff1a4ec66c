//! What is asked of any documents that leaf columns are made of, and of any manifest of a footer. The fuzz targets call it (`crate::fuzz`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};

use super::check::Checker;
use super::choice::choose;
use super::leaf::Leaf;
use super::limits::{LeafLimits, PathRules};
use super::{FileShredder, Kind, MANIFEST_KEY, Manifest};
use crate::json::elements::cut;
use crate::json::value::Value;
use crate::json::{Place, Step, look_up, without_lone_surrogates};

/// Documents at most: more show nothing that fewer do not.
const DOCUMENTS: usize = 40;
const COLUMN: &str = "data";

/// Takes lines for documents, makes leaf columns of all their paths, and compares every value with what looking it up in the text gives.
pub(crate) fn leaves(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let documents: Vec<&str> = text.lines().take(DOCUMENTS).collect();
    let schema = Arc::new(Schema::new(vec![Field::new(COLUMN, DataType::Utf8View, true)]));
    let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(&documents));
    let batch = RecordBatch::try_new(schema, vec![column]).map_err(|error| error.to_string())?;
    let rules = PathRules::parse("data.*", "", &[COLUMN])?;
    let limits = LeafLimits { columns: 100, lake_rows: 0, rules: Arc::new(rules) };
    let set = choose(std::slice::from_ref(&batch), &[COLUMN], &limits, documents.len());
    let columns: Vec<(Leaf, Kind)> = set.columns().map(|(leaf, kind)| (leaf.clone(), kind)).collect();
    let names: Vec<String> = set.fields().iter().map(|field| field.name().clone()).collect();
    let shredder = FileShredder::new(vec![COLUMN], set);
    let arrays = shredder.shred(&batch).map_err(|error| error.to_string())?.arrays;
    if arrays.len() != names.len() {
        return Err(format!("{} columns for {names:?}", arrays.len()));
    }
    let written = shredder.manifest().to_json();
    let manifest = Manifest::parse(&written).ok_or_else(|| format!("the manifest is not read: {written}"))?;
    if manifest.columns != shredder.manifest().columns {
        return Err(format!("the manifest is read as another: {written}"));
    }
    compared(&batch, &names, &arrays, &written)?;
    for (leaf, kind) in columns {
        let name = leaf.name(kind);
        let is_copy = kind == Kind::Text && leaf.copy_of.is_some();
        let place = names.iter().position(|other| *other == name).filter(|_| !is_copy);
        let Some(array) = place.and_then(|place| arrays.get(place)) else { continue };
        for (row, document) in documents.iter().enumerate() {
            let (stored, asked) = match &leaf.inside {
                None => (shown(array, row, kind), looked_up(document, &leaf.path, kind)),
                Some(inside) => (listed(array, row, kind), elements(document, &leaf.path, inside, kind)),
            };
            if stored != asked {
                return Err(format!("{name} of {document:?} is stored as {stored:?}, and the text has {asked:?}"));
            }
        }
    }
    Ok(())
}

/// Compares the columns with their text as `verify` does: nothing is wrong with them.
fn compared(texts: &RecordBatch, names: &[String], arrays: &[ArrayRef], manifest: &str) -> Result<(), String> {
    let mut columns = vec![(COLUMN, Arc::clone(texts.column(0)))];
    columns.extend(names.iter().map(String::as_str).zip(arrays.iter().cloned()));
    let fields = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let metadata = [(MANIFEST_KEY.to_owned(), manifest.to_owned())];
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()).with_metadata(metadata.into()));
    let mut checker = Checker::new(&schema).ok_or("there is nothing to compare")?;
    let wanted = checker.schema();
    let of = |name: &String| columns.iter().find(|(known, _)| known == name).map(|(_, array)| Arc::clone(array));
    let compared = wanted.fields().iter().filter_map(|field| of(field.name())).collect();
    let batch = RecordBatch::try_new(Arc::clone(&wanted), compared).map_err(|error| error.to_string())?;
    checker.check(&batch).map_err(|error| error.to_string())?;
    match checker.differences().as_slice() {
        [] => Ok(()),
        differences => Err(format!("{differences:?} of {:?}", texts.column(0))),
    }
}

/// Writes a value of a leaf column.
fn shown(array: &ArrayRef, row: usize, kind: Kind) -> Option<String> {
    array.is_valid(row).then(|| match kind {
        Kind::Text | Kind::RawNumber => array.as_string_view().value(row).to_owned(),
        Kind::Integer => array.as_primitive::<Int64Type>().value(row).to_string(),
        Kind::Float => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        Kind::Boolean => array.as_boolean().value(row).to_string(),
    })
}

/// Writes the values of a leaf column inside the elements of an array.
fn listed(array: &ArrayRef, row: usize, kind: Kind) -> Option<String> {
    let lists = array.as_list::<i32>();
    lists.is_valid(row).then(|| {
        let items = lists.value(row);
        format!("{:?}", (0..items.len()).map(|item| shown(&items, item, kind)).collect::<Vec<_>>())
    })
}

/// Looks a path up as the SQL functions do, and writes the value if it is of the kind.
fn looked_up(document: &str, path: &[String], kind: Kind) -> Option<String> {
    let mended = without_lone_surrogates(document);
    let document = mended.as_deref().unwrap_or(document);
    let value = Value::at(document, place_of(document, path)?)?;
    if value.is_string() {
        let mut text = None;
        value.with_text(|found| text = found.map(str::to_owned));
        return text.filter(|_| kind == Kind::Text);
    }
    match value.text.as_bytes().first()? {
        b't' | b'f' => value.boolean().filter(|_| kind == Kind::Boolean).map(|value| value.to_string()),
        b'{' | b'[' | b'n' => None,
        _ => {
            let mut raw = None;
            value.with_text(|found| raw = found.map(str::to_owned));
            let raw = raw?;
            match crate::json::numbers::told(&raw) {
                crate::json::numbers::Told::Integer(value) => (kind == Kind::Integer).then(|| value.to_string()),
                crate::json::numbers::Told::Float(value) => (kind == Kind::Float).then(|| format!("{value:?}")),
                crate::json::numbers::Told::Text => (kind == Kind::RawNumber).then_some(raw),
            }
        }
    }
}

/// Looks an array up, and a path in each of its elements; `None` where there is no array, or one too long for leaves.
fn elements(document: &str, path: &[String], inside: &[String], kind: Kind) -> Option<String> {
    let mended = without_lone_surrogates(document);
    let document = mended.as_deref().unwrap_or(document);
    let place = place_of(document, path)?;
    let array = document.get(place.start..place.end?)?;
    let mut ranges = Vec::new();
    if !array.starts_with('[') || cut(array, &mut ranges).is_err() || ranges.len() > super::MAX_ELEMENTS {
        return None;
    }
    let values = ranges.into_iter().map(|range| looked_up(array.get(range).unwrap_or_default(), inside, kind));
    Some(format!("{:?}", values.collect::<Vec<_>>()))
}

fn place_of(document: &str, path: &[String]) -> Option<Place> {
    let steps: Vec<Step> = path.iter().map(|key| Step::Key(key.clone())).collect();
    look_up(document, &steps)
}

/// Reads a text as the manifest of a footer: what is written of it is read as the same.
pub(crate) fn manifest(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let Some(manifest) = Manifest::parse(&text) else { return Ok(()) };
    let manifest = manifest.without_misread();
    for (column, root) in &manifest.columns {
        for key in root.children.keys() {
            let path = [key.clone()];
            let _ = (manifest.find(column, &path), manifest.pool(column, &path, true));
            let _ = (manifest.exceptions(column, &path, u8::MAX), manifest.reason(column, &path, u8::MAX));
        }
    }
    let written = manifest.to_json();
    match Manifest::parse(&written) {
        Some(read) if read.columns == manifest.columns && read.copies == manifest.copies => Ok(()),
        other => Err(format!("{written} is read as {other:?}")),
    }
}
