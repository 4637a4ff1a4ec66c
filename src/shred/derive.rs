//! Derives what a JSON function returns from a path's leaf columns, where it is not simply one of them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Float64Array, Float64Builder, Int64Array, Int64Builder,
    StringViewArray, StringViewBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use jiter::{Jiter, NumberAny, NumberInt, Peek};

/// What a function asks of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// `json_get_int`
    Integer,
    /// `json_get_float`
    Float,
    /// `json_get_bool`
    Boolean,
    /// `json_as_text`, `->>`, `json_value`
    AnyText,
}

impl Asked {
    fn data_type(self) -> DataType {
        match self {
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::AnyText => DataType::Utf8View,
        }
    }
}

/// A private function of five leaf columns of one path (text, integer, float, boolean, raw number), any of them NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Derive {
    asked: Asked,
    signature: Signature,
}

impl Derive {
    /// Makes the function for what is asked.
    pub fn new(asked: Asked) -> Self {
        Self { asked, signature: Signature::any(5, Volatility::Immutable) }
    }
}

/// The leaf columns as arrays; a NULL literal is an array of nulls.
struct Columns {
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
            Ok(cast(&value.to_array(rows)?, &data_type)?)
        };
        Ok(Self {
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
            Asked::AnyText => "shredded_text",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.asked.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = Columns::of(&args.args, rows)?;
        let array: ArrayRef = match self.asked {
            Asked::Integer => {
                let mut builder = Int64Builder::with_capacity(rows);
                (0..rows).for_each(|row| builder.append_option(columns.as_integer(row)));
                Arc::new(builder.finish())
            }
            Asked::Float => {
                let mut builder = Float64Builder::with_capacity(rows);
                (0..rows).for_each(|row| builder.append_option(columns.as_float(row)));
                Arc::new(builder.finish())
            }
            Asked::Boolean => {
                let mut builder = BooleanBuilder::with_capacity(rows);
                (0..rows).for_each(|row| builder.append_option(columns.as_boolean(row)));
                Arc::new(builder.finish())
            }
            Asked::AnyText => {
                let mut builder = StringViewBuilder::with_capacity(rows);
                (0..rows).for_each(|row| columns.append_text(row, &mut builder));
                Arc::new(builder.finish())
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}

impl Columns {
    fn as_integer(&self, row: usize) -> Option<i64> {
        if self.integer.is_valid(row) {
            Some(self.integer.value(row))
        } else if self.text.is_valid(row) {
            self.text.value(row).parse().ok()
        } else if self.float.is_valid(row) {
            whole(self.float.value(row))
        } else if self.raw.is_valid(row) {
            to_integer(number(self.raw.value(row))?)
        } else {
            None
        }
    }

    fn as_float(&self, row: usize) -> Option<f64> {
        if self.float.is_valid(row) {
            Some(self.float.value(row))
        } else if self.integer.is_valid(row) {
            Some(self.integer.value(row) as f64)
        } else if self.text.is_valid(row) {
            self.text.value(row).parse().ok()
        } else if self.raw.is_valid(row) {
            Some(to_float(number(self.raw.value(row))?))
        } else {
            None
        }
    }

    fn as_boolean(&self, row: usize) -> Option<bool> {
        if self.boolean.is_valid(row) {
            Some(self.boolean.value(row))
        } else if self.text.is_valid(row) {
            self.text.value(row).parse().ok()
        } else {
            None
        }
    }

    fn append_text(&self, row: usize, builder: &mut StringViewBuilder) {
        if self.text.is_valid(row) {
            builder.append_value(self.text.value(row));
        } else if self.integer.is_valid(row) {
            builder.append_value(self.integer.value(row).to_string());
        } else if self.float.is_valid(row) {
            builder.append_value(self.float.value(row).to_string());
        } else if self.boolean.is_valid(row) {
            builder.append_value(if self.boolean.value(row) { "true" } else { "false" });
        } else if self.raw.is_valid(row) {
            builder.append_value(self.raw.value(row));
        } else {
            builder.append_null();
        }
    }
}

/// Reads a number as datafusion-functions-json does.
pub(super) fn number(raw: &str) -> Option<NumberAny> {
    let mut jiter = Jiter::new(raw.as_bytes());
    let peek: Peek = jiter.peek().ok()?;
    jiter.known_number(peek).ok()
}

/// Returns a number that is whole and within 64 bits.
pub(super) fn to_integer(number: NumberAny) -> Option<i64> {
    match number {
        NumberAny::Int(NumberInt::Int(integer)) => Some(integer),
        NumberAny::Int(NumberInt::BigInt(integer)) => i64::try_from(integer).ok(),
        NumberAny::Float(float) => whole(float),
    }
}

/// Returns a number as a float, rounded where it has more digits.
pub(super) fn to_float(number: NumberAny) -> f64 {
    match number {
        NumberAny::Int(integer) => integer.into(),
        NumberAny::Float(float) => float,
    }
}

/// Returns a float that is a whole number within 64 bits.
fn whole(float: f64) -> Option<i64> {
    let fits = float.fract() == 0.0 && float >= i64::MIN as f64 && float < -(i64::MIN as f64);
    fits.then_some(float as i64)
}
