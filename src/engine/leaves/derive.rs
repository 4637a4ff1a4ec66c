//! Derives what a JSON function returns from a path's leaf columns, where it is not simply one of them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Float64Array, Int64Array,
    PrimitiveArray, StringViewArray, StringViewBuilder, new_empty_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, interleave, is_not_null};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float64Type, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use jiter::{NumberAny, NumberInt};

use crate::functions::Asked;
use crate::functions::frame::{Call, Function};
use crate::json::numbers::{number, whole};
use crate::shred::leaf::{KINDS, Kind};

/// A private function of five leaf columns of one path (text, integer, float, boolean, raw number), any of them NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Derive {
    asked: Asked,
    signature: Signature,
}

impl Derive {
    /// Makes the function for what is asked: a number, a truth value, or else a text.
    pub fn new(asked: Asked) -> Self {
        let asked = match asked {
            Asked::Integer | Asked::Float | Asked::Boolean => asked,
            _ => Asked::AnyText,
        };
        Self { asked, signature: Signature::any(5, Volatility::Immutable) }
    }
}

/// Calls a function of five leaf columns on those of the kinds that are there, with NULL for the others.
pub(super) fn put_together(
    function: ScalarUDF,
    there: u8,
    leaf: impl Fn(Kind) -> Option<Arc<dyn PhysicalExpr>>,
) -> Option<Arc<dyn PhysicalExpr>> {
    let column = |kind: &Kind| match there & kind.bit() {
        0 => Some(Arc::new(Literal::new(ScalarValue::try_from(&kind.arrow_type()).ok()?)) as _),
        _ => leaf(*kind),
    };
    let args = KINDS.iter().map(column).collect::<Option<Vec<_>>>()?;
    let data_type = function.return_type(&[]).ok()?;
    Some(call_of(Arc::new(function), args, data_type))
}

/// Gives what stands in for a call the type that the call returns.
pub(super) fn returned(
    expression: Arc<dyn PhysicalExpr>,
    data_type: &DataType,
    call: &ScalarFunctionExpr,
) -> Arc<dyn PhysicalExpr> {
    if data_type == call.return_type() {
        expression
    } else {
        Arc::new(CastExpr::new(expression, call.return_type().clone(), None))
    }
}

/// Makes a call of one of our private functions.
pub(super) fn call_of(
    function: Arc<ScalarUDF>,
    args: Vec<Arc<dyn PhysicalExpr>>,
    data_type: DataType,
) -> Arc<dyn PhysicalExpr> {
    let name = function.name().to_owned();
    let field = Arc::new(Field::new(&name, data_type, true));
    let options = Arc::new(ConfigOptions::default());
    Arc::new(ScalarFunctionExpr::new(&name, function, args, field, options))
}

/// A private function of a leaf that copies a column of the table: in which rows its texts differ, those texts, and the column.
pub(super) static SHREDDED_COPY: Function = Function::new("shredded_copy", |_| Ok(DataType::Utf8View), copied);

fn copied(call: &Call<'_>) -> Result<ColumnarValue> {
    let rows = call.args.number_rows;
    let [differs, texts, copied] = call.args.args.as_slice() else { return exec_err!("three columns expected") };
    let copied = cast(&copied.to_array(rows)?, &DataType::Utf8View)?;
    let differs = differs.to_array(rows)?;
    if is_without_values(&differs) {
        return Ok(ColumnarValue::Array(copied));
    }
    let texts = cast(&texts.to_array(rows)?, &DataType::Utf8View)?;
    Ok(ColumnarValue::Array(zip(differs.as_boolean(), &texts, &copied)?))
}

/// A private function of what the columns of a leaf give and of what the pool of exceptions gives: in each row one of the two at most has a value.
pub(super) static SHREDDED_EXCEPTIONS: Function =
    Function::new("shredded_exceptions", |types| Ok(types.first().cloned().unwrap_or(DataType::Null)), with_exceptions);

fn with_exceptions(call: &Call<'_>) -> Result<ColumnarValue> {
    let rows = call.args.number_rows;
    let [usual, exceptions] = call.args.args.as_slice() else { return exec_err!("two columns expected") };
    let (usual, exceptions) = (usual.to_array(rows)?, exceptions.to_array(rows)?);
    if is_without_values(&exceptions) {
        return Ok(ColumnarValue::Array(usual));
    }
    let exceptions = cast(&exceptions, usual.data_type())?;
    Ok(ColumnarValue::Array(zip(&is_not_null(&exceptions)?, &exceptions, &usual)?))
}

/// The leaf columns as arrays; one that the file does not have is empty.
struct Columns {
    rows: usize,
    text: StringViewArray,
    integer: Int64Array,
    float: Float64Array,
    boolean: BooleanArray,
    raw: StringViewArray,
}

impl Columns {
    fn of(args: &[ColumnarValue], rows: usize) -> Result<Self> {
        let [text, integer, float, boolean, raw] = args else { return exec_err!("five leaf columns expected") };
        let array = |value: &ColumnarValue, data_type: DataType| -> Result<ArrayRef> {
            Ok(match value {
                ColumnarValue::Scalar(scalar) if scalar.is_null() => new_empty_array(&data_type),
                value => cast(&value.to_array(rows)?, &data_type)?,
            })
        };
        Ok(Self {
            rows,
            text: array(text, DataType::Utf8View)?.as_string_view().clone(),
            integer: array(integer, DataType::Int64)?.as_primitive::<Int64Type>().clone(),
            float: array(float, DataType::Float64)?.as_primitive::<Float64Type>().clone(),
            boolean: array(boolean, DataType::Boolean)?.as_boolean().clone(),
            raw: array(raw, DataType::Utf8View)?.as_string_view().clone(),
        })
    }
}

impl ScalarUDFImpl for Derive {
    fn name(&self) -> &str {
        match self.asked {
            Asked::Integer => "shredded_int",
            Asked::Float => "shredded_float",
            Asked::Boolean => "shredded_bool",
            _ => "shredded_text",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.asked.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = Columns::of(&args.args, args.number_rows)?;
        Ok(ColumnarValue::Array(match self.asked {
            Asked::Integer => columns.integers(),
            Asked::Float => columns.floats(),
            Asked::Boolean => columns.booleans(),
            _ => columns.texts()?,
        }))
    }
}

/// Each row has a value in one leaf column at most. The column of the kind that is asked for has nearly all of the values. It is therefore copied as
/// a whole, and the values of the other columns are converted and put in row by row.
impl Columns {
    fn integers(&self) -> ArrayRef {
        let mut merged = Merged::of(&self.integer, self.rows);
        merged.put(&self.text, |row| self.text.value(row).parse().ok());
        merged.put(&self.float, |row| whole(self.float.value(row)));
        merged.put(&self.raw, |row| match number(self.raw.value(row))? {
            NumberAny::Int(NumberInt::Int(integer)) => Some(integer),
            NumberAny::Int(NumberInt::BigInt(integer)) => i64::try_from(integer).ok(),
            NumberAny::Float(float) => whole(float),
        });
        merged.finish()
    }

    fn floats(&self) -> ArrayRef {
        let mut merged = Merged::of(&self.float, self.rows);
        merged.put(&self.integer, |row| Some(self.integer.value(row) as f64));
        merged.put(&self.text, |row| self.text.value(row).parse().ok());
        merged.put(&self.raw, |row| match number(self.raw.value(row))? {
            NumberAny::Int(integer) => Some(integer.into()),
            NumberAny::Float(float) => Some(float),
        });
        merged.finish()
    }

    fn booleans(&self) -> ArrayRef {
        if is_without_values(&self.text) && self.boolean.len() == self.rows {
            return Arc::new(self.boolean.clone());
        }
        let mut values = BooleanBufferBuilder::new(self.rows);
        values.append_buffer(self.boolean.values());
        values.resize(self.rows);
        let mut valid = validity(&self.boolean, self.rows);
        for row in valid_rows(&self.text) {
            if let Ok(value) = self.text.value(row).parse() {
                values.set_bit(row, value);
                valid.set_bit(row, true);
            }
        }
        Arc::new(BooleanArray::new(values.finish(), Some(NullBuffer::new(valid.finish()))))
    }

    fn texts(&self) -> Result<ArrayRef> {
        let others: [&dyn Array; 4] = [&self.integer, &self.float, &self.boolean, &self.raw];
        if others.iter().all(|array| is_without_values(*array)) && self.text.len() == self.rows {
            return Ok(Arc::new(self.text.clone()));
        }
        // What is no text is written beside, and then all rows are put together from the two.
        let mut made = StringViewBuilder::with_capacity(self.rows);
        made.append_null();
        let has_texts = self.text.len() == self.rows;
        let mut places: Vec<(usize, usize)> =
            (0..self.rows).map(|row| if has_texts { (0, row) } else { (1, 0) }).collect();
        let mut put = |row: usize, text: &str| {
            places[row] = (1, made.len());
            made.append_value(text);
        };
        let mut digits = itoa::Buffer::new();
        for row in valid_rows(&self.integer) {
            put(row, digits.format(self.integer.value(row)));
        }
        for row in valid_rows(&self.float) {
            put(row, &self.float.value(row).to_string());
        }
        for row in valid_rows(&self.boolean) {
            put(row, if self.boolean.value(row) { "true" } else { "false" });
        }
        for row in valid_rows(&self.raw) {
            put(row, self.raw.value(row));
        }
        Ok(interleave(&[&self.text, &made.finish()], &places)?)
    }
}

/// A column of numbers into which values of other columns are put.
struct Merged<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    valid: BooleanBufferBuilder,
}

impl<T: ArrowPrimitiveType> Merged<T> {
    fn of(column: &PrimitiveArray<T>, rows: usize) -> Self {
        let mut values = column.values().to_vec();
        values.resize(rows, T::Native::default());
        Self { values, valid: validity(column, rows) }
    }

    fn put(&mut self, other: &dyn Array, read: impl Fn(usize) -> Option<T::Native>) {
        for row in valid_rows(other) {
            if let Some(value) = read(row) {
                self.values[row] = value;
                self.valid.set_bit(row, true);
            }
        }
    }

    fn finish(mut self) -> ArrayRef {
        let nulls = NullBuffer::new(self.valid.finish());
        Arc::new(PrimitiveArray::<T>::new(self.values.into(), Some(nulls)))
    }
}

fn is_without_values(array: &dyn Array) -> bool {
    array.null_count() == array.len()
}

/// Which rows have a value; none of those behind the end of the array.
fn validity(array: &dyn Array, rows: usize) -> BooleanBufferBuilder {
    let mut valid = BooleanBufferBuilder::new(rows);
    match array.nulls() {
        Some(nulls) => valid.append_buffer(nulls.inner()),
        None => valid.append_n(array.len(), true),
    }
    valid.resize(rows);
    valid
}

/// Lists the rows that have a value.
pub(super) fn valid_rows(array: &dyn Array) -> Box<dyn Iterator<Item = usize> + '_> {
    match array.nulls() {
        Some(nulls) => Box::new(nulls.valid_indices()),
        None => Box::new(0..array.len()),
    }
}
