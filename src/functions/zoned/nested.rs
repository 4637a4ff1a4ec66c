//! Casts of lists and structs with instants in them: each instant as a cast of it alone does it.
//!
//! Arrow casts what is inside by the name of a zone in a type, and its rules of zones are old.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::util::display::FormatOptions;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::session::zone;
use super::{UTC, Zoned};
use crate::functions::arguments::Call;
use crate::functions::frame::Function;
use crate::functions::nested::{children, convert, with_child, with_types};
use crate::zones::Tz;

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_local(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None))
}

/// Returns the zone that an instant of a type is seen in, where the session's is given.
fn zone_of(data_type: &DataType, session: Tz) -> Option<Tz> {
    let DataType::Timestamp(_, Some(name)) = data_type else { return None };
    let is_sessions = matches!(&**name, "UTC" | "Etc/UTC" | "+00:00" | "Z") || **name == *session.name();
    if is_sessions { Some(session) } else { Tz::named(name) }
}

/// Says whether a cast between types that hold others casts instants by the rules of a zone.
pub fn has_zoned_parts(from: &DataType, to: &DataType, session: Tz) -> bool {
    let is_zoned = |data_type: &DataType| zone_of(data_type, session).is_some_and(|zone| zone != Tz::UTC);
    match (children(from), children(to)) {
        (Some(from), Some(to)) => from.iter().any(|from| {
            let inside = to.iter().filter(|field| from.name() == field.name() || to.len() == 1);
            inside.into_iter().any(|to| match (children(from.data_type()), children(to.data_type())) {
                (None, None) => is_leaf_zoned(from.data_type(), to.data_type(), session),
                _ => has_zoned_parts(from.data_type(), to.data_type(), session),
            })
        }),
        // A list as text has the texts of its instants.
        (Some(from), None) => {
            is_text(to)
                && from
                    .iter()
                    .any(|field| is_zoned(field.data_type()) || has_zoned_parts(field.data_type(), to, session))
        }
        _ => false,
    }
}

fn is_leaf_zoned(from: &DataType, to: &DataType, session: Tz) -> bool {
    let is_zoned = |data_type: &DataType| zone_of(data_type, session).is_some_and(|zone| zone != Tz::UTC);
    match (from, to) {
        (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, Some(_))) => false,
        (DataType::Timestamp(_, Some(_)), to) => is_zoned(from) && !to.is_integer(),
        (from, to) => is_zoned(to) && (is_text(from) || is_local(from)),
    }
}

/// `session_cast(value, zone, null of a type)`: the value as that type.
pub(super) static CAST: Function = Function::new("session_cast", target_type, |call| converted(call, false));

/// The same, with null for texts that say no instant.
pub(super) static TRY_CAST: Function = Function::new("session_cast_or_null", target_type, |call| converted(call, true));

fn target_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [_, _, to] => Ok(to.clone()),
        _ => internal_err!("a cast takes 3 arguments"),
    }
}

fn converted(call: &Call<'_>, is_safe: bool) -> Result<ColumnarValue> {
    let [value, _, to] = call.args.args.as_slice() else { return internal_err!("a cast takes 3 arguments") };
    let conversion = Conversion { session: zone(call.args, 1)?, is_safe, config: &call.args.config_options };
    call.result(conversion.convert(&value.to_array(call.rows)?, &to.data_type())?)
}

/// How values are converted.
struct Conversion<'a> {
    session: Tz,
    is_safe: bool,
    config: &'a Arc<ConfigOptions>,
}

impl Conversion<'_> {
    fn cast(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let options = CastOptions { safe: self.is_safe, format_options: FormatOptions::new() };
        Ok(cast_with_options(array, to, &options)?)
    }

    fn convert(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        convert(array, to, &|array, to| self.other(array, to))
    }

    /// Converts what is no list, map or struct of the kind that it is to be.
    fn other(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let from = array.data_type();
        match (from, children(from).as_deref(), children(to).as_deref()) {
            (DataType::Dictionary(_, value), ..) => self.convert(&cast(array, value)?, to),
            // Lists of one kind from those of another: first the kind, then what is inside.
            (_, Some([inside]), Some([_])) => {
                let kind = with_child(to, Arc::clone(inside));
                if kind == *from {
                    return exec_err!("a value of type {from} cannot be cast to {to}");
                }
                self.convert(&self.cast(array, &kind)?, to)
            }
            (_, Some(_), None) if is_text(to) => self.cast(&self.convert(array, &with_texts(from))?, to),
            _ => self.leaf(array, to),
        }
    }

    /// Converts values that hold no others.
    fn leaf(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let from = array.data_type();
        if !is_leaf_zoned(from, to, self.session) {
            return self.cast(array, to);
        }
        let instant = |unit: TimeUnit| DataType::Timestamp(unit, Some(UTC.into()));
        if let Some(zone) = zone_of(from, self.session) {
            let zone = ScalarValue::from(zone.name());
            return match to {
                DataType::Date32 | DataType::Date64 => {
                    let days = self.call(Zoned::Day, array, zone, false, DataType::Date32)?;
                    self.cast(&days, to)
                }
                to if is_text(to) => self.cast(&self.call(Zoned::Text, array, zone, false, DataType::Utf8)?, to),
                _ => {
                    let DataType::Timestamp(unit, _) = from else { return internal_err!("{from} is no instant") };
                    let local = self.call(Zoned::Timezone, array, zone, true, DataType::Timestamp(*unit, None))?;
                    self.cast(&local, to)
                }
            };
        }
        let Some(zone) = zone_of(to, self.session) else { return internal_err!("{to} is no instant") };
        let zone = ScalarValue::from(zone.name());
        let made = match from {
            from if is_text(from) => {
                let read = if self.is_safe { Zoned::TryRead } else { Zoned::Read };
                self.call(read, array, zone, false, instant(TimeUnit::Microsecond))?
            }
            DataType::Timestamp(unit, None) => self.call(Zoned::Timezone, array, zone, true, instant(*unit))?,
            _ => {
                let local = self.cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                self.call(Zoned::Timezone, &local, zone, true, instant(TimeUnit::Microsecond))?
            }
        };
        self.cast(&made, to)
    }

    /// Calls a function of an array and a zone, which one of them takes first.
    fn call(
        &self,
        function: Zoned,
        array: &ArrayRef,
        zone: ScalarValue,
        zone_is_first: bool,
        returns: DataType,
    ) -> Result<ArrayRef> {
        let rows = array.len();
        let mut args = vec![ColumnarValue::Array(Arc::clone(array)), ColumnarValue::Scalar(zone)];
        if zone_is_first {
            args.reverse();
        }
        let field = |data_type: DataType| Arc::new(Field::new("value", data_type, true));
        let args = ScalarFunctionArgs {
            arg_fields: args.iter().map(|arg| field(arg.data_type())).collect(),
            args,
            number_rows: rows,
            return_field: field(returns),
            config_options: Arc::clone(self.config),
        };
        function.function().invoke_with_args(args)?.into_array(rows)
    }
}

/// A type with texts in place of instants.
fn with_texts(data_type: &DataType) -> DataType {
    let text = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, Some(_))).then_some(DataType::Utf8);
    with_types(data_type, &text).unwrap_or_else(|| data_type.clone())
}
