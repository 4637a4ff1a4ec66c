//! Reads instants and lengths of time out of cells, and says of those that cannot be read which flag reads them.

use super::dates::DateFormat;
use super::day_numbers::{Epoch, local_of_number};
use super::extended::{Extended, extended};
use super::fault::Fault;
use super::lengths::{LengthFault, parse_length};
use super::numbers::Numbers;
use super::row::Cell;
use super::rules::Rules;
use super::signs::{Sign, other_weekday};
use super::time::{Instant, TimeFault, in_range, instant_of_number, parse_instant, resolve_local};
use super::values::{parse_number, quoted};

/// Reads an instant; `None` where there is none.
///
/// # Errors
/// A value that is none, in the declared format.
pub(super) fn read_time(cell: Cell<'_>, column: &'static str, rules: &Rules) -> Result<Option<Instant>, Fault> {
    let zone = rules.time_zone;
    let (result, shown) = match cell {
        Cell::Absent | Cell::Null => return Ok(None),
        Cell::Text(text) if text.trim_ascii().is_empty() => return Ok(None),
        Cell::Text(text) => {
            let instant = rules.dates.read(text, rules.numbers, zone);
            // Such rows write their own instants so.
            let is_iso = rules.iso_beside && matches!(text.as_bytes().get(10), None | Some(b'T'));
            (if is_iso { instant.or_else(|_| parse_instant(text, zone)) } else { instant }, Shown::Text(text))
        }
        Cell::Literal(text) => (rules.dates.read(text, Numbers::default(), zone), Shown::Text(text)),
        Cell::Nested(json) => {
            let instant = match extended(json) {
                Some(Extended::Plain(text)) => parse_instant(text, zone),
                Some(Extended::Milliseconds(digits)) => digits.parse().map_or(Err(TimeFault::Unreadable), milliseconds),
                None => Err(TimeFault::Unreadable),
            };
            (instant, Shown::Text(json))
        }
        Cell::Instant(micros) => {
            (in_range(micros).map(|micros| Instant { micros, ambiguous: false }), Shown::Micros(micros))
        }
        Cell::LocalInstant(micros) => (resolve_local(micros, zone), Shown::Micros(micros)),
        Cell::Number(number) => {
            let instant = match rules.dates.epoch() {
                Some(epoch) => local_of_number(number, epoch).and_then(|local_us| resolve_local(local_us, zone)),
                None => instant_of_number(number, zone),
            };
            (instant, Shown::Number(number))
        }
    };
    result.map(Some).map_err(|fault| {
        let sign = match cell {
            Cell::Text(text) | Cell::Literal(text) => Sign::of_time(text, rules),
            _ => None,
        };
        let weekday = match cell {
            Cell::Text(text) | Cell::Literal(text) if sign.is_none() => other_weekday(text, rules),
            _ => None,
        };
        shown.fault(column, &format!("{fault}{}", weekday.unwrap_or_default()), sign)
    })
}

fn milliseconds(milliseconds: i64) -> Result<Instant, TimeFault> {
    let micros = milliseconds.checked_mul(1000).ok_or(TimeFault::OutOfRange)?;
    in_range(micros).map(|micros| Instant { micros, ambiguous: false })
}

/// Returns whether an instant that cannot be one is a number by which days of our time are counted.
pub(super) fn is_day_number(cell: Cell<'_>, rules: &Rules) -> bool {
    let number = match cell {
        Cell::Text(text) | Cell::Literal(text) if rules.dates == DateFormat::Iso => parse_number(text),
        Cell::Number(number) if rules.dates.epoch().is_none() => Some(number),
        _ => None,
    };
    number.is_some_and(|number| [Epoch::EXCEL_1900, Epoch::JULIAN].iter().any(|epoch| epoch.is_usual(number)))
}

/// Reads a length of time in seconds: a number of them, or of milliseconds, or one of the spellings of [`parse_length`].
///
/// # Errors
/// A value that is none.
pub(super) fn read_seconds(
    cell: Cell<'_>,
    column: &'static str,
    rules: &Rules,
    is_milliseconds: bool,
) -> Result<Option<f64>, Fault> {
    let of_number = |number: f64| if is_milliseconds { number / 1000.0 } else { number };
    let of_text = |text: &str| match parse_number(text) {
        Some(number) => Ok(of_number(number)),
        None => parse_length(text),
    };
    let (seconds, shown) = match cell {
        Cell::Absent | Cell::Null => return Ok(None),
        Cell::Text(text) if text.trim_ascii().is_empty() => return Ok(None),
        Cell::Text(text) if !rules.numbers.are_plain() => {
            let number = rules.numbers.plain(text).as_deref().and_then(parse_number);
            (number.map_or_else(|| parse_length(text), |number| Ok(of_number(number))), Shown::Text(text))
        }
        Cell::Text(text) | Cell::Literal(text) => (of_text(text), Shown::Text(text)),
        Cell::Nested(json) => {
            let seconds = match extended(json) {
                Some(Extended::Plain(text)) => of_text(text),
                Some(Extended::Milliseconds(_)) | None => Err(LengthFault::Unreadable),
            };
            (seconds, Shown::Text(json))
        }
        Cell::Instant(micros) | Cell::LocalInstant(micros) => (Err(LengthFault::Unreadable), Shown::Micros(micros)),
        Cell::Number(number) => {
            let seconds = Some(number + 0.0).filter(|number| number.is_finite()).map(of_number);
            (seconds.ok_or(LengthFault::Unreadable), Shown::Number(number))
        }
    };
    seconds.map(Some).map_err(|fault| {
        let sign = match (cell, fault) {
            (Cell::Text(text), LengthFault::Unreadable) => Sign::of_number(text, rules.numbers),
            _ => None,
        };
        shown.fault(column, &fault.to_string(), sign)
    })
}

/// A bad value, to be quoted.
enum Shown<'a> {
    Text(&'a str),
    Micros(i64),
    Number(f64),
}

impl Shown<'_> {
    fn fault(&self, column: &'static str, what: &str, sign: Option<Sign>) -> Fault {
        let value = match self {
            Self::Text(text) => quoted(text),
            Self::Micros(micros) => format!("\"{micros} microseconds\""),
            Self::Number(number) => format!("\"{number}\""),
        };
        let reason = match &sign {
            Some(sign) => format!("{value} {what}; {} reads it", sign.flag),
            None => format!("{value} {what}"),
        };
        Fault { sign: sign.map(Box::new), ..Fault::column(column, reason) }
    }
}
