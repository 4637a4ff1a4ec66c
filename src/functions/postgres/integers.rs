//! Arithmetic of integers that fails where DataFusion's wraps: `9223372036854775807 + 1` is an error in PostgreSQL.
//!
//! A block of values is computed as it wraps, and in the same pass the bits that tell of an overflow are gathered, without a branch: the
//! carry into the sign of a sum, or for products whether all values fit half of the type. Only where there may be an overflow, more is
//! looked at, and at last the kernels that check each value say which, or that it stands in the place of a null.

use std::ops::{BitAnd, BitOr, BitXor, Not};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Datum, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::numeric::{add, mul, neg, sub};
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

/// What is asked of a type of integers. What is computed comes with bits of which the uppermost is set where it overflows, and for products any
/// where it may.
trait Overflowing: Copy + Default + PartialEq {
    /// The bits of a value without its sign.
    const VALUE_BITS: u32;

    fn plus(self, other: Self) -> (Self, Self);

    fn minus(self, other: Self) -> (Self, Self);

    fn times(self, other: Self) -> (Self, Self);

    fn negated(self) -> (Self, Self);

    /// Whether a product overflows.
    fn overflows(self, other: Self) -> bool;

    fn or(self, other: Self) -> Self;

    fn has_uppermost(self) -> bool;

    /// Counts the bits that the largest of some values takes, without the sign.
    fn bits(values: &[Self]) -> u32;
}

macro_rules! overflowing {
    ($sign:literal $carry:ident: $($native:ty),*) => {$(
        impl Overflowing for $native {
            const VALUE_BITS: u32 = <$native>::BITS - $sign;

            #[inline(always)]
            fn plus(self, other: Self) -> (Self, Self) {
                let sum = self.wrapping_add(other);
                (sum, $carry(self, other, sum))
            }

            #[inline(always)]
            fn minus(self, other: Self) -> (Self, Self) {
                let rest = self.wrapping_sub(other);
                // What was taken away is what a sum would carry.
                (rest, $carry(rest, other, self))
            }

            #[inline(always)]
            fn times(self, other: Self) -> (Self, Self) {
                const HALF: u32 = <$native>::BITS / 2;
                // Moved by half of what half of the type holds, values that fit it have no bit above.
                let above = |value: Self| value.wrapping_add((1 << (HALF - 1)) * $sign) & !((1 << HALF) - 1);
                (self.wrapping_mul(other), above(self) | above(other))
            }

            #[inline(always)]
            fn negated(self) -> (Self, Self) {
                (0 as $native).minus(self)
            }

            #[inline(always)]
            fn overflows(self, other: Self) -> bool {
                self.overflowing_mul(other).1
            }

            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }

            #[inline(always)]
            fn has_uppermost(self) -> bool {
                self.leading_zeros() == 0
            }

            fn bits(values: &[Self]) -> u32 {
                // All bits of a negative number are turned around, which are as many as it takes.
                let used = values
                    .iter()
                    .fold(0 as $native, |used, value| used | (value ^ ((value >> (<$native>::BITS - 1)) * $sign)));
                <$native>::BITS - used.leading_zeros()
            }
        }
    )*};
}
overflowing!(1 carry_into_sign: i8, i16, i32, i64);
overflowing!(0 carry: u8, u16, u32, u64);

/// Of a sum that does not fit, both values have another sign than the sum.
#[inline(always)]
fn carry_into_sign<N: Copy + BitAnd<Output = N> + BitXor<Output = N>>(left: N, right: N, sum: N) -> N {
    (left ^ sum) & (right ^ sum)
}

/// The bits that a sum of two values carries.
#[inline(always)]
fn carry<N: Copy + BitAnd<Output = N> + BitOr<Output = N> + Not<Output = N>>(left: N, right: N, sum: N) -> N {
    (left & right) | ((left | right) & !sum)
}

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
        let computed = match left.get().0.data_type() {
            DataType::Int8 => self.wrapped::<Int8Type>(left, right),
            DataType::Int16 => self.wrapped::<Int16Type>(left, right),
            DataType::Int32 => self.wrapped::<Int32Type>(left, right),
            DataType::Int64 => self.wrapped::<Int64Type>(left, right),
            DataType::UInt8 => self.wrapped::<UInt8Type>(left, right),
            DataType::UInt16 => self.wrapped::<UInt16Type>(left, right),
            DataType::UInt32 => self.wrapped::<UInt32Type>(left, right),
            DataType::UInt64 => self.wrapped::<UInt64Type>(left, right),
            _ => None,
        };
        computed.map_or_else(|| self.checked(left, right), Ok)
    }

    /// Computes what wraps; `None` where a value may have overflowed, those in the places of nulls among them, or that is left to the library.
    fn wrapped<T: ArrowPrimitiveType<Native: Overflowing>>(
        self,
        left: &dyn Datum,
        right: &dyn Datum,
    ) -> Option<ArrayRef> {
        let ((left, left_is_scalar), (right, right_is_scalar)) = (left.get(), right.get());
        let (left, right) = (left.as_primitive_opt::<T>()?, right.as_primitive_opt::<T>()?);
        let are_scalars = left_is_scalar && right_is_scalar;
        let sides = match (left_is_scalar && !are_scalars, right_is_scalar && !are_scalars) {
            (true, _) if left.null_count() > 0 || left.len() != 1 => return None,
            (_, true) if right.null_count() > 0 || right.len() != 1 => return None,
            (false, false) if left.len() != right.len() => return None,
            (true, _) => Sides::ScalarAndArray(*left.values().first()?, right.values()),
            (_, true) => Sides::ArrayAndScalar(left.values(), *right.values().first()?),
            (false, false) => Sides::Arrays(left.values(), right.values()),
        };
        let nulls = match sides {
            Sides::ScalarAndArray(..) => right.nulls().cloned(),
            Sides::ArrayAndScalar(..) => left.nulls().cloned(),
            Sides::Arrays(..) => NullBuffer::union(left.nulls(), right.nulls()),
        };
        // One loop an operator, without a branch inside.
        let (values, over) = match self {
            Self::Add => sides.each(|a, b| a.plus(b)),
            Self::Subtract => sides.each(|a, b| a.minus(b)),
            Self::Multiply => sides.each(|a, b| a.times(b)),
            Self::Negate => sides.each(|a, _| a.negated()),
        };
        let overflows = match self {
            Self::Multiply => over != T::Native::default() && sides.overflow_in_product(),
            Self::Add | Self::Subtract | Self::Negate => over.has_uppermost(),
        };
        if overflows {
            return None;
        }
        Some(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)))
    }
}

/// What is computed with: values of rows, or the same for all rows.
enum Sides<'v, N> {
    Arrays(&'v [N], &'v [N]),
    ArrayAndScalar(&'v [N], N),
    ScalarAndArray(N, &'v [N]),
}

impl<N: Overflowing> Sides<'_, N> {
    /// Computes each value, and gathers the bits that tell of overflows.
    #[inline(always)]
    fn each(&self, compute: impl Fn(N, N) -> (N, N)) -> (Vec<N>, N) {
        match self {
            Self::Arrays(left, right) => gathered(left.iter().zip(*right).map(|(a, b)| compute(*a, *b))),
            Self::ArrayAndScalar(left, right) => gathered(left.iter().map(|a| compute(*a, *right))),
            Self::ScalarAndArray(left, right) => gathered(right.iter().map(|b| compute(*left, *b))),
        }
    }

    /// Says whether a product overflows: not if the bits of the largest values fit, and else as each says.
    fn overflow_in_product(&self) -> bool {
        let bits = match self {
            Self::Arrays(left, right) => N::bits(left) + N::bits(right),
            Self::ArrayAndScalar(left, right) => N::bits(left) + N::bits(&[*right]),
            Self::ScalarAndArray(left, right) => N::bits(&[*left]) + N::bits(right),
        };
        // The least number of a type with a sign has no counterpart: a bit is kept for it.
        if bits < N::VALUE_BITS {
            return false;
        }
        match self {
            Self::Arrays(left, right) => left.iter().zip(*right).fold(false, |any, (a, b)| any | a.overflows(*b)),
            Self::ArrayAndScalar(left, right) => left.iter().fold(false, |any, a| any | a.overflows(*right)),
            Self::ScalarAndArray(left, right) => right.iter().fold(false, |any, b| any | left.overflows(*b)),
        }
    }
}

/// Collects what is computed, and the bits of all that come with it. The bits are in a variable of the loop itself: in a closure that is given to `collect`
/// they would be written to memory for each value, and no values be computed side by side.
#[inline(always)]
fn gathered<N: Overflowing>(computed: impl ExactSizeIterator<Item = (N, N)>) -> (Vec<N>, N) {
    let mut values = vec![N::default(); computed.len()];
    let mut all = N::default();
    for (slot, (value, over)) in values.iter_mut().zip(computed) {
        *slot = value;
        all = all.or(over);
    }
    (values, all)
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
