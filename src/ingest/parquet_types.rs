//! What the types of a Parquet file say beyond those that Arrow reads them as: instants of 96 bits, UUIDs, intervals, and VARIANT.
//!
//! INT96 has no type of its own in Arrow. It is read as an instant in microseconds: Spark, Impala and Hive write instants into it,
//! and nanoseconds, which it is read as by default, wrap round before 1677 and after 2262. UUIDs are sixteen bytes that become the text
//! that every other export has. Spark's intervals are plain integers, and only its own schema in the footer says that they count microseconds
//! or months. VARIANT is a struct of binary codes, which nobody wants in place of the value.
//!
//! Leaf columns are numbered as Parquet does, depth first, which is also the order of the leaves of the Arrow types.

use std::sync::Arc;

use ::parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use ::parquet::schema::types::{SchemaDescriptor, Type};
use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeListArray, GenericListArray, GenericListViewArray,
    MapArray, OffsetSizeTrait, StringViewArray, StringViewBuilder, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Int32Type, IntervalYearMonthType, Schema, SchemaRef, TimeUnit,
};
use serde_json::Value;

use super::mapped::Members;
use super::parquet_footer::intervals_of;
use crate::error::Result;

/// What is special of a file's leaf columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Leaves {
    /// What each leaf is; empty if all are plain.
    kinds: Arc<[Leaf]>,
    /// Where each column, at the top, has VARIANT.
    pub(super) variants: Vec<Variants>,
    /// Where the members of each column stand that is a nested one of a Delta table with mapped columns; empty for all other files.
    pub(super) members: Arc<[Members]>,
}

/// What a leaf is that its type of Arrow does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Plain,
    Uuid,
    /// An INTERVAL that is read as its bytes.
    Interval,
    /// An interval of Spark in microseconds, and one in months.
    Micros,
    Months,
}

/// Where the footer has Spark's schema.
const SPARK_SCHEMA: &str = "org.apache.spark.sql.parquet.row.metadata";

fn unless_plain(kinds: Vec<Leaf>) -> Arc<[Leaf]> {
    if kinds.iter().all(|kind| *kind == Leaf::Plain) { Arc::default() } else { kinds.into() }
}

/// Where a column has VARIANT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variants {
    /// Nowhere.
    None,
    /// It is one.
    Whole,
    /// Inside of a nested type.
    Inside,
}

/// Looks through the types of a file, of which `intervals` says which leaves are read as bytes in place of an interval. Returns what is special
/// of them, and the schema to read it with if that differs.
pub(super) fn look_through(
    schema: &Schema,
    parquet: &SchemaDescriptor,
    intervals: &[bool],
) -> (Leaves, Option<SchemaRef>) {
    let mut walk = Walk { parquet, intervals, kinds: Vec::new(), instants: false };
    let spark: Option<Value> = schema.metadata().get(SPARK_SCHEMA).and_then(|text| serde_json::from_str(text).ok());
    let fields: Fields =
        schema.fields().iter().map(|field| walk.field(field, spark_member(spark.as_ref(), field.name()))).collect();
    let variants = parquet.root_schema().get_fields().iter().map(|field| variants_of(field)).collect();
    let changed = walk.instants.then(|| Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())));
    (Leaves { kinds: unless_plain(walk.kinds), variants, members: Arc::default() }, changed)
}

struct Walk<'p> {
    parquet: &'p SchemaDescriptor,
    intervals: &'p [bool],
    kinds: Vec<Leaf>,
    instants: bool,
}

impl Walk<'_> {
    /// Looks through a field, of which Spark may say its type.
    fn field(&mut self, field: &FieldRef, spark: Option<&Value>) -> FieldRef {
        let element = spark_member(spark, "element");
        let kind = match field.data_type() {
            DataType::Struct(fields) => {
                let fields = fields.iter().map(|field| self.field(field, spark_member(spark, field.name())));
                DataType::Struct(fields.collect())
            }
            DataType::List(item) => DataType::List(self.field(item, element)),
            DataType::LargeList(item) => DataType::LargeList(self.field(item, element)),
            DataType::ListView(item) => DataType::ListView(self.field(item, element)),
            DataType::LargeListView(item) => DataType::LargeListView(self.field(item, element)),
            DataType::FixedSizeList(item, length) => DataType::FixedSizeList(self.field(item, element), *length),
            DataType::Map(entries, sorted) => DataType::Map(self.field(entries, spark), *sorted),
            other => self.leaf(field, other, spark),
        };
        if kind == *field.data_type() {
            Arc::clone(field)
        } else {
            Arc::new(field.as_ref().clone().with_data_type(kind))
        }
    }

    fn leaf(&mut self, field: &Field, kind: &DataType, spark: Option<&Value>) -> DataType {
        let column = self.parquet.columns().get(self.kinds.len());
        let logical = column.is_some_and(|column| matches!(column.logical_type_ref(), Some(LogicalType::Uuid)));
        self.kinds.push(match self.intervals.get(self.kinds.len()) {
            Some(true) => Leaf::Interval,
            _ if is_spark_interval(spark, false) && *kind == DataType::Int64 => Leaf::Micros,
            _ if is_spark_interval(spark, true) && *kind == DataType::Int32 => Leaf::Months,
            _ if logical || field.extension_type_name() == Some("arrow.uuid") => Leaf::Uuid,
            _ => Leaf::Plain,
        });
        match column {
            Some(column) if column.physical_type() == PhysicalType::INT96 => {
                self.instants = true;
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            _ => kind.clone(),
        }
    }
}

/// Returns the type of a member in a type of Spark: of a struct by its name, of a map its key or value, of an array its element.
fn spark_member<'v>(spark: Option<&'v Value>, name: &str) -> Option<&'v Value> {
    let spark = spark?;
    match (spark.get("type")?.as_str()?, name) {
        ("struct", _) => {
            let mut fields = spark.get("fields")?.as_array()?.iter();
            fields.find(|field| field.get("name").and_then(Value::as_str) == Some(name))?.get("type")
        }
        ("map", "key") => spark.get("keyType"),
        ("map", "value") => spark.get("valueType"),
        ("array", "element") => spark.get("elementType"),
        _ => None,
    }
}

/// Returns whether a type of Spark is `interval day to second` or another of its fields, or one of years and months.
fn is_spark_interval(spark: Option<&Value>, has_months: bool) -> bool {
    let name = spark.and_then(Value::as_str).and_then(|name| name.strip_prefix("interval "));
    let first = name.and_then(|fields| fields.split(' ').next());
    first.is_some_and(|first| match has_months {
        true => matches!(first, "year" | "month"),
        false => matches!(first, "day" | "hour" | "minute" | "second"),
    })
}

/// Adds for each leaf of a field, in order, whether it is a UUID.
fn push_uuids(field: &FieldRef, kinds: &mut Vec<Leaf>) {
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().for_each(|field| push_uuids(field, kinds)),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => push_uuids(item, kinds),
        _ if field.extension_type_name() == Some("arrow.uuid") => kinds.push(Leaf::Uuid),
        _ => kinds.push(Leaf::Plain),
    }
}

/// Tells where a type has VARIANT: by its logical type, or by the struct that it is stored as, which some writers do not mark.
fn variants_of(node: &Type) -> Variants {
    if matches!(node.get_basic_info().logical_type_ref(), Some(LogicalType::Variant(_))) {
        return Variants::Whole;
    }
    if node.is_primitive() {
        return Variants::None;
    }
    let binary = |name: &str| node.get_fields().iter().any(|field| field.name() == name && is_binary(field));
    let typed = node.get_fields().iter().any(|field| field.name() == "typed_value");
    let has_list = node.get_basic_info().has_repetition() && node.get_basic_info().repetition() == Repetition::REPEATED;
    if binary("metadata") && (binary("value") || typed) && !has_list {
        return Variants::Whole;
    }
    match node.get_fields().iter().all(|field| variants_of(field) == Variants::None) {
        true => Variants::None,
        false => Variants::Inside,
    }
}

/// As [`variants_of`], of a type of Arrow, which names VARIANT as an extension.
fn arrow_variants_of(field: &FieldRef) -> Variants {
    if field.extension_type_name() == Some("arrow.parquet.variant") {
        return Variants::Whole;
    }
    let is_none = |field: &FieldRef| arrow_variants_of(field) == Variants::None;
    let all_none = match field.data_type() {
        DataType::Struct(fields) => fields.iter().all(is_none),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => is_none(item),
        _ => true,
    };
    if all_none { Variants::None } else { Variants::Inside }
}

fn is_binary(node: &Type) -> bool {
    let info = node.get_basic_info();
    node.is_primitive()
        && node.get_physical_type() == PhysicalType::BYTE_ARRAY
        && info.logical_type_ref().is_none()
        && info.converted_type() == ConvertedType::NONE
}

impl Leaves {
    /// Looks through the types of a file of Arrow's own, which names UUIDs and VARIANT as extensions.
    pub(super) fn of_arrow(schema: &Schema) -> Self {
        let mut kinds = Vec::new();
        schema.fields().iter().for_each(|field| push_uuids(field, &mut kinds));
        let variants = schema.fields().iter().map(arrow_variants_of).collect();
        Self { kinds: unless_plain(kinds), variants, members: Arc::default() }
    }

    /// Keeps what is said of these columns at the top, of whose leaves `parquet` knows.
    pub(super) fn only(&self, parquet: &SchemaDescriptor, wanted: &[bool]) -> Self {
        let is_wanted = |root: usize| wanted.get(root).copied().unwrap_or(false);
        let kinds = self.kinds.iter().enumerate();
        let kinds = kinds
            .filter(|(leaf, _)| *leaf < parquet.num_columns() && is_wanted(parquet.get_column_root_idx(*leaf)))
            .map(|(_, kind)| *kind);
        let variants = self.variants.iter().enumerate().filter(|(root, _)| is_wanted(*root));
        let variants = variants.map(|(_, variants)| *variants).collect();
        Self { kinds: kinds.collect(), variants, members: Arc::default() }
    }

    /// Writes UUIDs as text and bytes of intervals as such, wherever they stand in the columns of a batch; all else stays as it is.
    pub(super) fn readable(&self, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        if self.kinds.is_empty() {
            return Ok(columns.to_vec());
        }
        let mut leaf = 0;
        columns.iter().map(|column| self.column(column, &mut leaf)).collect()
    }

    fn column(&self, array: &ArrayRef, leaf: &mut usize) -> Result<ArrayRef> {
        Ok(match array.data_type() {
            DataType::Struct(_) => self.members(array.as_struct(), leaf)?,
            DataType::List(field) => self.list(array.as_list::<i32>(), field, leaf)?,
            DataType::LargeList(field) => self.list(array.as_list::<i64>(), field, leaf)?,
            DataType::ListView(field) => self.list_view(array.as_list_view::<i32>(), field, leaf)?,
            DataType::LargeListView(field) => self.list_view(array.as_list_view::<i64>(), field, leaf)?,
            DataType::FixedSizeList(field, length) => {
                let list = array.as_fixed_size_list();
                let values = self.column(list.values(), leaf)?;
                let field = retyped(field, &values);
                Arc::new(FixedSizeListArray::try_new(field, *length, values, list.nulls().cloned())?)
            }
            DataType::Map(field, sorted) => {
                let map = array.as_map();
                let entries = self.members(map.entries(), leaf)?;
                let field = retyped(field, &entries);
                let entries = entries.as_struct().clone();
                Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, map.nulls().cloned(), *sorted)?)
            }
            kind => {
                let special = self.kinds.get(*leaf).copied().unwrap_or(Leaf::Plain);
                let is_uuid = special == Leaf::Uuid;
                *leaf += 1;
                match kind {
                    DataType::FixedSizeBinary(12) if special == Leaf::Interval => {
                        Arc::new(intervals_of(array.as_fixed_size_binary()))
                    }
                    DataType::Int64 if special == Leaf::Micros => {
                        cast(array, &DataType::Duration(TimeUnit::Microsecond))?
                    }
                    DataType::Int32 if special == Leaf::Months => {
                        Arc::new(array.as_primitive::<Int32Type>().reinterpret_cast::<IntervalYearMonthType>())
                    }
                    DataType::FixedSizeBinary(16) if is_uuid => Arc::new(texts(array.as_fixed_size_binary())?),
                    DataType::Dictionary(_, value) if is_uuid && **value == DataType::FixedSizeBinary(16) => {
                        let dictionary = array.as_any_dictionary();
                        dictionary.with_values(Arc::new(texts(dictionary.values().as_fixed_size_binary())?))
                    }
                    _ => Arc::clone(array),
                }
            }
        })
    }

    fn members(&self, array: &StructArray, leaf: &mut usize) -> Result<ArrayRef> {
        if array.num_columns() == 0 {
            return Ok(Arc::new(array.clone()));
        }
        let columns = array.columns().iter().map(|column| self.column(column, leaf)).collect::<Result<Vec<_>>>()?;
        let fields: Fields =
            array.fields().iter().zip(&columns).map(|(field, column)| retyped(field, column)).collect();
        Ok(Arc::new(StructArray::try_new(fields, columns, array.nulls().cloned())?))
    }

    fn list<O: OffsetSizeTrait>(
        &self,
        list: &GenericListArray<O>,
        field: &FieldRef,
        leaf: &mut usize,
    ) -> Result<ArrayRef> {
        let values = self.column(list.values(), leaf)?;
        let (field, offsets) = (retyped(field, &values), list.offsets().clone());
        Ok(Arc::new(GenericListArray::try_new(field, offsets, values, list.nulls().cloned())?))
    }

    fn list_view<O: OffsetSizeTrait>(
        &self,
        list: &GenericListViewArray<O>,
        field: &FieldRef,
        leaf: &mut usize,
    ) -> Result<ArrayRef> {
        let values = self.column(list.values(), leaf)?;
        let (field, offsets, sizes) = (retyped(field, &values), list.offsets().clone(), list.sizes().clone());
        Ok(Arc::new(GenericListViewArray::try_new(field, offsets, sizes, values, list.nulls().cloned())?))
    }
}

fn retyped(field: &FieldRef, array: &ArrayRef) -> FieldRef {
    match field.data_type() == array.data_type() {
        true => Arc::clone(field),
        false => Arc::new(field.as_ref().clone().with_data_type(array.data_type().clone())),
    }
}

/// Writes UUIDs as 36 lower-case characters.
fn texts(uuids: &FixedSizeBinaryArray) -> Result<StringViewArray> {
    let mut texts = StringViewBuilder::with_capacity(uuids.len());
    let mut buffer = uuid::Uuid::encode_buffer();
    for value in uuids {
        match value.and_then(|bytes| uuid::Uuid::from_slice(bytes).ok()) {
            Some(uuid) => texts.try_append_value(uuid.hyphenated().encode_lower(&mut buffer))?,
            None => texts.append_null(),
        }
    }
    Ok(texts.finish())
}
