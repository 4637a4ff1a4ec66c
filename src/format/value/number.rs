//! Prints numbers: exact, and the shortest text that reads back as the same value.

use std::fmt::{Debug, Display, Write};

use super::Form;

/// Appends an integer. In JSON those beyond 2^53 are numbers too: the text is exact, whatever a reader makes of it.
pub(super) fn push_integer(value: impl Display, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a float with a point or an exponent, so that it stays a float when read back. JSON knows no NaN and no infinity:
/// they become null there, `NaN`, `inf` and `-inf` elsewhere.
pub(super) fn push_float(value: impl Debug, finite: bool, form: Form, out: &mut String) {
    if finite || form != Form::Json {
        let _ = write!(out, "{value:?}");
    } else {
        out.push_str("null");
    }
}

/// Appends a decimal with all digits of its scale. Arrow's own printer drops digits beyond the declared precision, which sums
/// can reach.
pub(super) fn push_decimal(unscaled: impl Display, scale: i8, out: &mut String) {
    let start = out.len();
    let _ = write!(out, "{unscaled}");
    let digits = if out[start..].starts_with('-') { start + 1 } else { start };
    let count = out.len() - digits;
    let places = usize::from(scale.unsigned_abs());
    if scale > 0 {
        if count <= places {
            out.insert_str(digits, &"0".repeat(places + 1 - count));
        }
        out.insert(out.len() - places, '.');
    } else if &out[digits..] != "0" {
        out.extend(std::iter::repeat_n('0', places));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(unscaled: i128, scale: i8) -> String {
        let mut out = "x".to_owned();
        push_decimal(unscaled, scale, &mut out);
        out.split_off(1)
    }

    #[test]
    fn decimals_keep_every_digit() {
        assert_eq!(decimal(12345, 2), "123.45");
        assert_eq!(decimal(-12345, 2), "-123.45");
        assert_eq!(decimal(5, 3), "0.005");
        assert_eq!(decimal(-5, 3), "-0.005");
        assert_eq!(decimal(0, 2), "0.00");
        assert_eq!(decimal(100, 2), "1.00");
        assert_eq!(decimal(7, 0), "7");
        assert_eq!(decimal(7, -3), "7000");
        assert_eq!(decimal(0, -3), "0");
        assert_eq!(decimal(i128::MIN, 38), "-1.70141183460469231731687303715884105728");
    }

    proptest! {
        #[test]
        fn a_decimal_without_its_point_is_the_unscaled_number(value in any::<i128>(), scale in 1_i8..40) {
            let text = decimal(value, scale);
            let (_, fraction) = text.split_once('.').unwrap();
            prop_assert_eq!(fraction.len(), scale as usize);
            prop_assert_eq!(text.replace('.', "").parse::<i128>().unwrap(), value);
        }

        #[test]
        fn a_float_reads_back_the_same_and_stays_a_float(value in any::<f64>()) {
            let mut out = String::new();
            push_float(value, value.is_finite(), Form::Text, &mut out);
            prop_assert_eq!(out.parse::<f64>().unwrap().to_bits() & !(1 << 63), value.to_bits() & !(1 << 63));
            prop_assert!(!value.is_finite() || out.contains(['.', 'e']), "{}", out);
        }
    }
}
