//! Instants that are numbers of days with a fraction: serial numbers of spreadsheets and Julian days.
//!
//! Who writes them keeps them as doubles, and often writes 15 digits of these: a Julian day of our time is then known to 40 µs, or to
//! 864 µs where it was cut to 8 decimals. Digits that are all of a double are that double, others a decimal; both are taken exactly, in
//! integers, and of the instants that they may stand for the roundest is chosen: a whole second, else a whole millisecond, else the
//! nearest microsecond. So 10:00 comes back as 10:00:00, and never as 09:59:59.999987.

use super::time::TimeFault;
use super::values::parse_number;

const DAY_US: i64 = 86_400_000_000;
const DAY_PS: i128 = 86_400_000_000 * MICROSECOND_PS;
const MICROSECOND_PS: i128 = 1_000_000;
const MILLISECOND_PS: i128 = 1_000 * MICROSECOND_PS;
const SECOND_PS: i128 = 1_000 * MILLISECOND_PS;

/// Decimals that count: the last of them is less than a picosecond.
const DECIMALS: usize = 13;

/// Digits before the point at most: the year 9999 has seven as a Julian day.
const WHOLE_DIGITS: usize = 7;

/// Digits that tell a double from all others.
const DOUBLE_DIGITS: usize = 17;

const TWO_TO_53: i128 = 1 << 53;

/// The day that numbers count from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Epoch {
    /// Its start, in microseconds since 1970-01-01 on the same clock.
    start_us: i64,
    /// Numbers of the years 1990 to 2100, by which they are known where nothing is declared.
    usual: (f64, f64),
}

impl Epoch {
    /// 1899-12-30: what spreadsheets count from, but for the first two months of 1900.
    pub(super) const EXCEL_1900: Self = Self { start_us: -25_569 * DAY_US, usual: (32_874.0, 73_416.0) };
    /// 1904-01-01.
    pub(super) const EXCEL_1904: Self = Self { start_us: -24_107 * DAY_US, usual: (31_412.0, 71_954.0) };
    /// Noon of 1 January 4713 BCE in the Julian calendar.
    pub(super) const JULIAN: Self =
        Self { start_us: -2_440_587 * DAY_US - DAY_US / 2, usual: (2_447_892.5, 2_488_434.5) };

    /// Returns whether a number is one of the years 1990 to 2100.
    pub(super) fn is_usual(self, number: f64) -> bool {
        (self.usual.0..self.usual.1).contains(&number)
    }
}

/// Reads a decimal number of days as microseconds since 1970-01-01 on the same clock; `None` for what is no number.
pub(super) fn local_of_text(text: &str, epoch: Epoch) -> Option<Result<i64, TimeFault>> {
    let text = text.trim_ascii();
    let number = parse_number(text)?;
    let unsigned = text.trim_start_matches(['-', '+']);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = whole.trim_start_matches('0');
    let kept = fraction.get(..DECIMALS).unwrap_or(fraction);
    let is_decimal = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !is_decimal || whole.len() > WHOLE_DIGITS {
        return Some(local_of_number(number, epoch));
    }
    let scale = kept.bytes().fold(1_i128, |scale, _| scale * 10);
    let unit_ps = DAY_PS / scale;
    let micros = if whole.len() + fraction.len() <= DOUBLE_DIGITS {
        // Short digits may be a whole double all the same, which is told by what it stands for.
        let half_ps = half_step_ps(number.abs());
        let is_cut = !kept.is_empty() && unit_ps / 2 > MICROSECOND_PS;
        let doubt_ps = if is_cut { unit_ps / 2 + 2 * half_ps } else { half_ps };
        roundest(value_ps(number.abs()), [doubt_ps, half_ps])
    } else {
        let digits = whole.bytes().chain(kept.bytes()).fold(0_i128, |all, digit| all * 10 + i128::from(digit - b'0'));
        roundest(nearest(digits * DAY_PS, scale), [unit_ps / 2, 0])
    };
    Some(since(epoch, number < 0.0, micros))
}

/// Reads a number of days as [`local_of_text`] does.
pub(super) fn local_of_number(number: f64, epoch: Epoch) -> Result<i64, TimeFault> {
    let absolute = number.abs();
    if !absolute.is_finite() || absolute >= 1e7 {
        return Err(TimeFault::OutOfRange);
    }
    since(epoch, number < 0.0, roundest(value_ps(absolute), [half_step_ps(absolute), 0]))
}

/// Returns a number of days in picoseconds, exactly: fractions are multiples of 2⁻⁵³, but for those of less than a day.
fn value_ps(number: f64) -> i128 {
    let parts = (number.fract() * TWO_TO_53 as f64) as i128;
    number.trunc() as i128 * DAY_PS + nearest(parts * DAY_PS, TWO_TO_53)
}

fn since(epoch: Epoch, is_negative: bool, micros: i128) -> Result<i64, TimeFault> {
    let micros = i64::try_from(micros).map_err(|_| TimeFault::OutOfRange)?;
    epoch.start_us.checked_add(if is_negative { -micros } else { micros }).ok_or(TimeFault::OutOfRange)
}

/// Half the distance from a double to the next, in days, as picoseconds: what it stands for is no farther from it.
fn half_step_ps(number: f64) -> i128 {
    ((f64::from_bits(number.to_bits() + 1) - number) * DAY_PS as f64 / 2.0).ceil() as i128
}

/// Takes the roundest instant that differs by no more than the first of these, or than the second where the first is wider than what is
/// round, in microseconds.
fn roundest(value_ps: i128, doubts_ps: [i128; 2]) -> i128 {
    for unit in [SECOND_PS, MILLISECOND_PS] {
        let round = nearest(value_ps, unit) * unit;
        let doubt_ps = doubts_ps.into_iter().find(|doubt| *doubt < unit / 2);
        if doubt_ps.is_some_and(|doubt| (round - value_ps).abs() <= doubt) {
            return round / MICROSECOND_PS;
        }
    }
    nearest(value_ps, MICROSECOND_PS)
}

fn nearest(value: i128, unit: i128) -> i128 {
    (value + unit / 2).div_euclid(unit)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, epoch: Epoch) -> Option<Result<String, TimeFault>> {
        let shown =
            |micros| DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(SecondsFormat::AutoSi, true);
        local_of_text(text, epoch).map(|read| read.map(shown))
    }

    #[test]
    fn numbers_are_the_days_that_everybody_knows() {
        for (text, epoch, instant) in [
            ("45000", Epoch::EXCEL_1900, "2023-03-15T00:00:00Z"),
            ("45000.5", Epoch::EXCEL_1900, "2023-03-15T12:00:00Z"),
            ("1.5e1", Epoch::EXCEL_1900, "1900-01-14T00:00:00Z"),
            ("4.50005E4", Epoch::EXCEL_1900, "2023-03-15T12:00:00Z"),
            ("61", Epoch::EXCEL_1900, "1900-03-01T00:00:00Z"),
            ("25569", Epoch::EXCEL_1900, "1970-01-01T00:00:00Z"),
            ("2958465.99999", Epoch::EXCEL_1900, "9999-12-31T23:59:59Z"),
            ("-1", Epoch::EXCEL_1900, "1899-12-29T00:00:00Z"),
            ("-0.25", Epoch::EXCEL_1900, "1899-12-29T18:00:00Z"),
            ("0", Epoch::EXCEL_1904, "1904-01-01T00:00:00Z"),
            ("43538", Epoch::EXCEL_1904, "2023-03-15T00:00:00Z"),
            ("2451545.0", Epoch::JULIAN, "2000-01-01T12:00:00Z"),
            ("2440587.5", Epoch::JULIAN, "1970-01-01T00:00:00Z"),
            ("1721425.5", Epoch::JULIAN, "0001-01-01T00:00:00Z"),
            // As SQLite's julianday() prints it, as Python does, and as R does with 15 digits.
            ("2461364.91666667", Epoch::JULIAN, "2026-11-20T10:00:00Z"),
            ("2461364.9166666665", Epoch::JULIAN, "2026-11-20T10:00:00Z"),
            ("2461364.91666810", Epoch::JULIAN, "2026-11-20T10:00:00.124Z"),
            // As spreadsheets save them, and the whole double.
            ("46346.4166666667", Epoch::EXCEL_1900, "2026-11-20T10:00:00Z"),
            ("46346.416666666664", Epoch::EXCEL_1900, "2026-11-20T10:00:00Z"),
            ("46346.41666809028", Epoch::EXCEL_1900, "2026-11-20T10:00:00.123Z"),
            ("46346.416668095489", Epoch::EXCEL_1900, "2026-11-20T10:00:00.123450Z"),
            ("46346.41667", Epoch::EXCEL_1900, "2026-11-20T10:00:00Z"),
            ("46346.4", Epoch::EXCEL_1900, "2026-11-20T09:36:00Z"),
            ("0046346.4000", Epoch::EXCEL_1900, "2026-11-20T09:36:00Z"),
        ] {
            assert_eq!(read(text, epoch).unwrap().as_deref(), Ok(instant), "{text}");
        }
        for text in ["", ".", "x", "1.2.3", "1e5e", "1,5", "--1", "2026-11-20", "e5", "NaN", "inf", "1 2"] {
            assert_eq!(read(text, Epoch::JULIAN), None, "{text}");
        }
        for text in ["20261120", "99999999999999999999", "1e300", "1e7"] {
            assert_eq!(read(text, Epoch::EXCEL_1900), Some(Err(TimeFault::OutOfRange)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_millisecond_comes_back_from_a_double_and_every_microsecond_of_a_serial(
            micros in 1_000_000_000_000_000_i64..3_450_000_000_000_000,
        ) {
            let days = |micros: i64, epoch: Epoch| {
                let since = micros - epoch.start_us;
                (since / DAY_US) as f64 + (since % DAY_US) as f64 / DAY_US as f64
            };
            let serial = days(micros, Epoch::EXCEL_1900);
            // Of one in a thousand the digits are few, as those of a number that was cut.
            if serial.to_string().len() > 16 {
                prop_assert_eq!(local_of_text(&serial.to_string(), Epoch::EXCEL_1900).unwrap(), Ok(micros));
            }
            prop_assert_eq!(local_of_number(serial, Epoch::EXCEL_1900), Ok(micros));
            let millis = micros / 1_000 * 1_000;
            prop_assert_eq!(local_of_number(days(millis, Epoch::JULIAN), Epoch::JULIAN), Ok(millis));
            prop_assert_eq!(local_of_number(days(millis, Epoch::EXCEL_1900), Epoch::EXCEL_1900), Ok(millis));
            let fifteen = format!("{:.10}", days(millis, Epoch::EXCEL_1900));
            prop_assert_eq!(local_of_text(&fifteen, Epoch::EXCEL_1900).unwrap(), Ok(millis));
        }
    }
}
