//! Arithmetic of integers that fails where DataFusion's wraps: `9223372036854775807 + 1` is an error in PostgreSQL.
//!
//! A block of values is computed by the kernels that wrap. How many bits its values take says mostly that nothing can have overflowed;
//! otherwise they are looked through one by one, without a branch. Only where there is an overflow, the kernels that check each value say
//! which, or that it stands in the place of a null.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, Datum};
use arrow::compute::kernels::numeric::{add, add_wrapping, mul, mul_wrapping, neg, neg_wrapping, sub, sub_wrapping};
use arrow::datatypes::{
    DataType, FieldRef, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// An operator of integers that checks what it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checked {
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a * b`
    Multiply,
    /// `-a`
    Negate,
}

/// What is asked of a type of integers.
trait Overflowing: Copy {
    /// The bits of a value without its sign.
    const VALUE_BITS: u32;

    fn overflows(self, other: Self, operator: Checked) -> bool;

    /// Counts the bits that the largest of some values takes, without the sign.
    fn bits(values: &[Self]) -> u32;
}

macro_rules! overflowing {
    ($sign:literal: $($native:ty),*) => {$(
        impl Overflowing for $native {
            const VALUE_BITS: u32 = <$native>::BITS - $sign;

            #[inline(always)]
            fn bits(values: &[Self]) -> u32 {
                // All bits of a negative number are turned around, which are as many as it takes.
                let used = values
                    .iter()
                    .fold(0 as $native, |used, value| used | (value ^ ((value >> (<$native>::BITS - 1)) * $sign)));
                <$native>::BITS - used.leading_zeros()
            }

            #[inline(always)]
            fn overflows(self, other: Self, operator: Checked) -> bool {
                match operator {
                    Checked::Add => self.overflowing_add(other).1,
                    Checked::Subtract => self.overflowing_sub(other).1,
                    Checked::Multiply => self.overflowing_mul(other).1,
                    Checked::Negate => self.overflowing_neg().1,
                }
            }
        }
    )*};
}
overflowing!(1: i8, i16, i32, i64);
overflowing!(0: u8, u16, u32, u64);

impl Checked {
    pub(super) const ALL: [Self; 4] = [Self::Add, Self::Subtract, Self::Multiply, Self::Negate];

    /// Returns the one that stands for an operator; `None` where that cannot overflow or fails of itself.
    pub fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Add => "integer_add",
            Self::Subtract => "integer_subtract",
            Self::Multiply => "integer_multiply",
            Self::Negate => "integer_negate",
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract | Self::Negate => "-",
            Self::Multiply => "*",
        }
    }

    /// The function.
    pub fn function(self) -> Arc<ScalarUDF> {
        static ALL: LazyLock<[Arc<ScalarUDF>; 4]> = LazyLock::new(|| {
            Checked::ALL.map(|operator| {
                let arguments = if operator == Checked::Negate { 1 } else { 2 };
                let signature = Signature::any(arguments, Volatility::Immutable);
                Arc::new(ScalarUDF::new_from_impl(CheckedFunction { operator, signature }))
            })
        });
        let [add, subtract, multiply, negate] = &*ALL;
        Arc::clone(match self {
            Self::Add => add,
            Self::Subtract => subtract,
            Self::Multiply => multiply,
            Self::Negate => negate,
        })
    }

    /// Calls the function.
    pub fn call(self, args: Vec<Expr>) -> Expr {
        Expr::ScalarFunction(ScalarFunction { func: self.function(), args })
    }

    /// Says whether a function is one of these.
    pub fn is_one(function: &ScalarUDF) -> bool {
        function.inner().downcast_ref::<CheckedFunction>().is_some()
    }

    /// Returns `x` of a call that stands for `-x`; `None` for any other expression.
    pub fn negated(expr: &Expr) -> Option<&Expr> {
        let Expr::ScalarFunction(call) = expr else { return None };
        let function = call.func.inner().downcast_ref::<CheckedFunction>()?;
        call.args.first().filter(|_| function.operator == Self::Negate)
    }

    fn checked(self, left: &dyn Datum, right: &dyn Datum) -> std::result::Result<ArrayRef, ArrowError> {
        match self {
            Self::Add => add(left, right),
            Self::Subtract => sub(left, right),
            Self::Multiply => mul(left, right),
            Self::Negate => neg(left.get().0),
        }
    }

    fn compute(self, left: &dyn Datum, right: &dyn Datum) -> std::result::Result<ArrayRef, ArrowError> {
        let computed = match self {
            Self::Add => add_wrapping(left, right),
            Self::Subtract => sub_wrapping(left, right),
            Self::Multiply => mul_wrapping(left, right),
            Self::Negate => neg_wrapping(left.get().0),
        }?;
        if self.may_overflow(left, right) { self.checked(left, right) } else { Ok(computed) }
    }

    /// Says whether one of the values overflows; those in the places of nulls count too.
    fn may_overflow(self, left: &dyn Datum, right: &dyn Datum) -> bool {
        match left.get().0.data_type() {
            DataType::Int8 => self.any::<Int8Type>(left, right),
            DataType::Int16 => self.any::<Int16Type>(left, right),
            DataType::Int32 => self.any::<Int32Type>(left, right),
            DataType::Int64 => self.any::<Int64Type>(left, right),
            DataType::UInt8 => self.any::<UInt8Type>(left, right),
            DataType::UInt16 => self.any::<UInt16Type>(left, right),
            DataType::UInt32 => self.any::<UInt32Type>(left, right),
            DataType::UInt64 => self.any::<UInt64Type>(left, right),
            _ => true,
        }
    }

    fn any<T: ArrowPrimitiveType<Native: Overflowing>>(self, left: &dyn Datum, right: &dyn Datum) -> bool {
        let ((left, left_is_scalar), (right, right_is_scalar)) = (left.get(), right.get());
        let (Some(left), Some(right)) = (left.as_primitive_opt::<T>(), right.as_primitive_opt::<T>()) else {
            return true;
        };
        let bits = |values: &[T::Native]| T::Native::bits(values);
        let cannot = match self {
            Self::Add => bits(left.values()).max(bits(right.values())) < T::Native::VALUE_BITS,
            // What is less than zero does not fit a type without a sign.
            Self::Subtract => is_signed::<T>() && bits(left.values()).max(bits(right.values())) < T::Native::VALUE_BITS,
            Self::Multiply => {
                bits(left.values()) + bits(right.values()) <= T::Native::VALUE_BITS - u32::from(is_signed::<T>())
            }
            Self::Negate => is_signed::<T>() && bits(left.values()) < T::Native::VALUE_BITS,
        };
        if cannot {
            return false;
        }
        // One loop an operator, without a branch inside.
        match self {
            Self::Add => {
                fold(left.values(), left_is_scalar, right.values(), right_is_scalar, |a, b| a.overflows(b, Self::Add))
            }
            Self::Subtract => fold(left.values(), left_is_scalar, right.values(), right_is_scalar, |a, b| {
                a.overflows(b, Self::Subtract)
            }),
            Self::Multiply => fold(left.values(), left_is_scalar, right.values(), right_is_scalar, |a, b| {
                a.overflows(b, Self::Multiply)
            }),
            Self::Negate => left.values().iter().fold(false, |any, a| any | a.overflows(*a, Self::Negate)),
        }
    }
}

fn is_signed<T: ArrowPrimitiveType>() -> bool {
    T::DATA_TYPE.is_signed_integer()
}

#[inline(always)]
fn fold<N: Copy>(
    left: &[N],
    left_is_scalar: bool,
    right: &[N],
    right_is_scalar: bool,
    overflows: impl Fn(N, N) -> bool,
) -> bool {
    match (left_is_scalar, right_is_scalar, left, right) {
        (false, true, left, [right]) => left.iter().fold(false, |any, a| any | overflows(*a, *right)),
        (true, false, [left], right) => right.iter().fold(false, |any, b| any | overflows(*left, *b)),
        _ => left.iter().zip(right).fold(false, |any, (a, b)| any | overflows(*a, *b)),
    }
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedFunction {
    operator: Checked,
    signature: Signature,
}

impl ScalarUDFImpl for CheckedFunction {
    fn name(&self) -> &str {
        self.operator.name()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let symbol = self.operator.symbol();
        Ok(match args {
            [left, right] => format!("{left} {symbol} {right}"),
            [value] => format!("(- {value})"),
            _ => self.name().to_owned(),
        })
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let symbol = self.operator.symbol();
        Ok(match args {
            [left, right] => format!("{} {symbol} {}", left.schema_name(), right.schema_name()),
            [value] => format!("(- {})", value.schema_name()),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [first, rest @ ..] if first.is_integer() && rest.iter().all(|other| other == first) => Ok(first.clone()),
            _ => internal_err!("{} takes integers of one type", self.name()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(arrow::datatypes::Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (left, right) = match args.args.as_slice() {
            [left, right] => (left, right),
            [value] => (value, value),
            _ => return internal_err!("{} takes one argument or two", self.name()),
        };
        apply(left, right, |left, right| self.operator.compute(left, right))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, Int64Array, Scalar, UInt8Array, UInt64Array};

    use super::*;

    #[test]
    fn what_does_not_fit_is_an_error_that_says_the_values() {
        let left = Int64Array::from(vec![Some(1), Some(i64::MAX), None]);
        let one = Scalar::new(Int64Array::from(vec![1]));
        let error = Checked::Add.compute(&left, &one).unwrap_err();
        assert_eq!(error.to_string(), "Arithmetic overflow: Overflow happened on: 9223372036854775807 + 1");
        let least = Int64Array::from(vec![i64::MIN]);
        for (operator, left, right) in [
            (Checked::Subtract, &least as &dyn Datum, &one as &dyn Datum),
            (Checked::Subtract, &one, &Int64Array::from(vec![i64::MIN])),
            (Checked::Multiply, &left, &Int64Array::from(vec![1, 2, 1])),
            (Checked::Negate, &least, &least),
            (Checked::Subtract, &UInt64Array::from(vec![1]), &UInt64Array::from(vec![2])),
            (Checked::Add, &Int32Array::from(vec![i32::MAX]), &Int32Array::from(vec![1])),
        ] {
            assert!(operator.compute(left, right).is_err(), "{operator:?}");
        }
    }

    #[test]
    fn values_that_take_few_bits_are_not_looked_through_and_the_rest_is_right_to_the_last_one() {
        let edges =
            [i64::MIN, i64::MIN + 1, -(1 << 62) - 1, -(1 << 62), -(1 << 31), -1, 0, 1, 1 << 31, 1 << 62, i64::MAX];
        for left in edges {
            for right in edges {
                let arrays = (Int64Array::from(vec![left]), Scalar::new(Int64Array::from(vec![right])));
                for (operator, expected) in [
                    (Checked::Add, left.checked_add(right)),
                    (Checked::Subtract, left.checked_sub(right)),
                    (Checked::Multiply, left.checked_mul(right)),
                    (Checked::Negate, left.checked_neg()),
                ] {
                    let computed = operator.compute(&arrays.0, &arrays.1).ok();
                    let computed = computed.map(|array| array.as_primitive::<Int64Type>().value(0));
                    assert_eq!(computed, expected, "{left} {operator:?} {right}");
                }
            }
        }
        let edges = [0_u8, 1, 2, 15, 16, 127, 128, 255];
        for left in edges {
            for right in edges {
                let arrays = (UInt8Array::from(vec![left]), UInt8Array::from(vec![right]));
                for (operator, expected) in [
                    (Checked::Add, left.checked_add(right)),
                    (Checked::Subtract, left.checked_sub(right)),
                    (Checked::Multiply, left.checked_mul(right)),
                ] {
                    let computed = operator.compute(&arrays.0, &arrays.1).ok();
                    let computed = computed.map(|array| array.as_primitive::<UInt8Type>().value(0));
                    assert_eq!(computed, expected, "{left} {operator:?} {right}");
                }
            }
        }
    }

    #[test]
    fn what_fits_and_what_stands_in_the_place_of_a_null_is_none() {
        // The value below a null is not one.
        let left = Int64Array::new(vec![i64::MAX, 2].into(), Some(vec![false, true].into()));
        let two = Scalar::new(Int64Array::from(vec![2]));
        for (operator, expected) in
            [(Checked::Add, 4), (Checked::Subtract, 0), (Checked::Multiply, 4), (Checked::Negate, -2)]
        {
            let computed = operator.compute(&left, &two).unwrap();
            assert_eq!(computed.as_primitive::<Int64Type>(), &Int64Array::from(vec![None, Some(expected)]));
        }
    }
}
