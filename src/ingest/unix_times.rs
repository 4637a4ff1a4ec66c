//! Instants that are numbers: Unix times in their units, and what .NET, Windows and Chrome count in.
//!
//! The unit follows from the size. All digits are read, and what is finer than microseconds is cut as it is of dates and times: nothing goes
//! through a float. Only digits that are a float written out in full (`1763632800.123456955` for `1763632800.123457`) stand for the
//! microsecond that the float is nearest to. Limits: ticks, file times and WebKit's times are known by the years 1990 to 2100, in which
//! sessions are; as Unix times the same digits would be of 1973, 1974, 1990 and of years after 2350.

/// A number as an instant, in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberTime {
    /// An instant.
    Universal(i128),
    /// The same on a local clock.
    Local(i128),
}

/// More than any instant has.
const TOO_LATE: NumberTime = NumberTime::Universal(i128::MAX);

/// Digits before the point that no instant has.
const TOO_MANY_DIGITS: i64 = 40;

/// 1970-01-01 minus 0001-01-01 and minus 1601-01-01, in microseconds.
const SINCE_YEAR_1: i128 = 719_162 * 86_400_000_000;
const SINCE_YEAR_1601: i128 = 134_774 * 86_400_000_000;

/// 1990-01-01 and 2101-01-01 in microseconds since the Unix epoch.
const USUAL: std::ops::Range<i128> = 7_305 * 86_400_000_000..47_847 * 86_400_000_000;

/// Reads a number; `None` for text that is not purely one.
pub(super) fn time_of_digits(text: &str) -> Option<NumberTime> {
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (number, exponent) = match unsigned.find(['e', 'E']) {
        None => (unsigned, 0),
        Some(at) => (unsigned.get(..at)?, exponent_of(unsigned.get(at + 1..)?)?),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !is_number {
        return None;
    }
    if exponent == 0 {
        return Some(scaled(is_negative, whole, fraction));
    }
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()?.saturating_add(exponent);
    if digits.bytes().all(|digit| digit == b'0') || point < -TOO_MANY_DIGITS {
        return Some(NumberTime::Universal(0));
    }
    if point > i64::try_from(digits.len()).ok()?.max(TOO_MANY_DIGITS) {
        return Some(TOO_LATE);
    }
    Some(match usize::try_from(point) {
        Ok(point) if point >= digits.len() => scaled(is_negative, &format!("{digits:0<point$}"), ""),
        Ok(point) => {
            let (whole, fraction) = digits.split_at_checked(point)?;
            scaled(is_negative, whole, fraction)
        }
        Err(_) => {
            let zeros = usize::try_from(-point).ok()?;
            scaled(is_negative, "0", &format!("{:0<zeros$}{digits}", ""))
        }
    })
}

/// Reads an exponent, of which more than four digits are as good as any number.
fn exponent_of(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(sign * if digits.len() > 4 { 10_000 } else { digits.parse().unwrap_or(0) })
}

fn scaled(is_negative: bool, whole: &str, fraction: &str) -> NumberTime {
    let number = number_of(whole);
    if !is_negative
        && fraction.bytes().all(|digit| digit == b'0')
        && let Some(time) = counted_by_others(number)
    {
        return time;
    }
    // How many digits of the fraction are microseconds.
    let decimals: usize = match number.unsigned_abs() {
        0..100_000_000_000 => 6,
        100_000_000_000..100_000_000_000_000 => 3,
        100_000_000_000_000..100_000_000_000_000_000 => 0,
        _ => {
            let rest = number % 1000 != 0 || fraction.bytes().any(|digit| digit != b'0');
            return signed(is_negative, number / 1000, rest);
        }
    };
    let kept = fraction.get(..decimals).unwrap_or(fraction);
    let unit = 10_i128.pow(u32::try_from(decimals).unwrap_or(0));
    let micros = number.saturating_mul(unit).saturating_add(number_of(&format!("{kept:0<decimals$}")));
    let has_more = fraction.bytes().skip(decimals).any(|digit| digit != b'0');
    if has_more && is_float_of(micros.saturating_add(1), unit, decimals, whole, fraction) {
        return signed(is_negative, micros.saturating_add(1), false);
    }
    signed(is_negative, micros, has_more)
}

/// Cuts what is below microseconds, which makes an instant before 1970 earlier, as it does of dates and times.
fn signed(is_negative: bool, micros: i128, has_more: bool) -> NumberTime {
    NumberTime::Universal(if is_negative { -micros - i128::from(has_more) } else { micros })
}

/// Saturating: a number of forty digits is out of range whatever its digits.
fn number_of(digits: &str) -> i128 {
    digits.bytes().fold(0_i128, |number, digit| number.saturating_mul(10).saturating_add(i128::from(digit - b'0')))
}

/// Returns whether digits are those of the float that a whole microsecond is nearest to.
fn is_float_of(micros: i128, unit: i128, decimals: usize, whole: &str, fraction: &str) -> bool {
    let text = format!("{}.{fraction}", whole.trim_start_matches('0'));
    let Ok(float) = text.parse::<f64>() else { return false };
    let round = format!("{}.{:0decimals$}", micros / unit, micros % unit);
    round.parse() == Ok(float) && format!("{float:.*}", fraction.len()).trim_start_matches('0') == text
}

/// Reads ticks of .NET (100 ns since the year 1, mostly on a local clock), file times of Windows (100 ns since 1601) and times of Chrome
/// (microseconds since 1601).
fn counted_by_others(number: i128) -> Option<NumberTime> {
    let usual = |micros: i128| USUAL.contains(&micros).then_some(micros);
    let local = usual(number / 10 - SINCE_YEAR_1).map(NumberTime::Local);
    let universal = || usual(number / 10 - SINCE_YEAR_1601).or_else(|| usual(number - SINCE_YEAR_1601));
    local.or_else(|| universal().map(NumberTime::Universal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_digits_are_read_and_cut_below_microseconds() {
        for (text, micros) in [
            ("1763632800.1234567", 1_763_632_800_123_456),
            ("1763632800.1234569", 1_763_632_800_123_456),
            ("1.7636328001234567e9", 1_763_632_800_123_456),
            ("17636328001234567e-7", 1_763_632_800_123_456),
            ("1763632800123.4567", 1_763_632_800_123_456),
            ("1.7636328001234567E+12", 1_763_632_800_123_456),
            ("1763632800123456.7", 1_763_632_800_123_456),
            ("1763632800123456789", 1_763_632_800_123_456),
            ("1.763632800123456789e18", 1_763_632_800_123_456),
            // A float written out in full is the microsecond that it stands for.
            ("1763632800.123456955", 1_763_632_800_123_457),
            ("1763632800.1234569549560546875", 1_763_632_800_123_457),
            ("1763632800123.4570312500", 1_763_632_800_123_457),
            ("01763632800.123456955", 1_763_632_800_123_457),
            ("1763632800.123456956", 1_763_632_800_123_456),
            ("-1.5", -1_500_000),
            ("-1.1234567", -1_123_457),
            ("1e-300", 0),
            ("0e9999999999", 0),
            ("25e-1", 2_500_000),
            ("2e-7", 0),
        ] {
            assert_eq!(time_of_digits(text), Some(NumberTime::Universal(micros)), "{text}");
        }
        for text in ["", "-", ".", ".5", "1.2.3", "1e", "1e+", "1e5e", "1 2", "+-1", "0x10", "e5"] {
            assert_eq!(time_of_digits(text), None, "{text}");
        }
        assert_eq!(time_of_digits("1e99999999999999999999"), Some(TOO_LATE));
    }

    #[test]
    fn numbers_that_others_count_by_are_known_by_their_size() {
        let at_ten = 1_795_168_800_000_000;
        for (text, time) in [
            ("639307656000000000", NumberTime::Local(at_ten)),
            ("639307656001234567", NumberTime::Local(at_ten + 123_456)),
            ("134396424000000000", NumberTime::Universal(at_ten)),
            ("13439642400123456", NumberTime::Universal(at_ten + 123_456)),
            ("639307656000000000.0", NumberTime::Local(at_ten)),
            ("6.39307656e17", NumberTime::Local(at_ten)),
            // Unix times of sessions are none of them.
            ("1795168800000000000", NumberTime::Universal(at_ten)),
            ("1795168800000000", NumberTime::Universal(at_ten)),
            ("946684800000000000", NumberTime::Universal(946_684_800_000_000)),
        ] {
            assert_eq!(time_of_digits(text), Some(time), "{text}");
        }
    }
}
