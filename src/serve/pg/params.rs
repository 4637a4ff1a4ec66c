//! Values of parameters, as clients send them: text or binary, by the number of their type.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::common::ScalarValue;

use super::encode::Form;
use super::types::{
    BOOL, DATE, DAYS_TO_2000, FLOAT4, FLOAT8, INT2, INT4, INT8, INTERVAL_TYPE, NUMERIC, OID, PgType, REGCLASS, REGPROC,
    REGTYPE, TIME, TIMESTAMP, TIMESTAMPTZ, US_TO_2000,
};
use super::wire::Body;
use crate::error::{Error, Result};
use crate::functions::interval::parse;
use crate::script::{self, Clock, ParameterType};

/// Reads the value of a parameter.
///
/// # Errors
/// Bytes or a text that are no value of the type; a usage error without a place.
pub fn value(
    bytes: Option<&[u8]>,
    form: Form,
    pg_type: PgType,
    data_type: &DataType,
    clock: &Clock,
) -> Result<ScalarValue> {
    let Some(bytes) = bytes else { return Ok(ScalarValue::try_from(data_type)?) };
    match form {
        Form::Binary => of_binary(bytes, pg_type, data_type),
        Form::Text => {
            let text = std::str::from_utf8(bytes).map_err(|_| Error::usage("the text of a parameter is not UTF-8"))?;
            of_text(text, data_type, clock)
        }
    }
}

fn of_text(text: &str, data_type: &DataType, clock: &Clock) -> Result<ScalarValue> {
    let wrong = |hint: String| Error::usage(format!("{text:?} is no {data_type}")).with_hint(hint);
    let read = |kind| script::read_value(kind, text, clock).map_err(wrong);
    match data_type {
        DataType::Timestamp(_, Some(_)) => Ok(read(ParameterType::Timestamp)?.cast_to(data_type)?),
        DataType::Date32 => read(ParameterType::Date),
        DataType::Boolean => match text.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Ok(ScalarValue::Boolean(Some(true))),
            "f" | "false" | "n" | "no" | "off" | "0" => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err(wrong("write true or false".to_owned())),
        },
        DataType::Interval(_) => {
            let found = parse(text).ok_or_else(|| wrong("write an interval, for example 1 day 02:03:04".to_owned()))?;
            Ok(ScalarValue::IntervalMonthDayNano(Some(found)))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = octets(text)
                .ok_or_else(|| wrong("write bytes as \\x and two hexadecimal digits for each".to_owned()))?;
            Ok(ScalarValue::Binary(Some(bytes)).cast_to(data_type)?)
        }
        DataType::List(item) => {
            let elements = elements(text).ok_or_else(|| wrong("write an array as {a,b,NULL}".to_owned()))?;
            let values = elements.iter().map(|element| match element {
                Some(element) => of_text(element, item.data_type(), clock),
                None => Ok(ScalarValue::try_from(item.data_type())?),
            });
            list(&values.collect::<Result<Vec<_>>>()?, item.data_type())
        }
        _ => {
            let value = ScalarValue::Utf8(Some(text.to_owned()));
            match data_type {
                DataType::Utf8 => Ok(value),
                _ => match value.cast_to(data_type) {
                    Ok(read) if !read.is_null() => Ok(read),
                    _ => Err(wrong("the value does not fit its type".to_owned())),
                },
            }
        }
    }
}

/// Reads the text of bytes, in hexadecimal digits or with octal escapes; `None` where it is neither.
fn octets(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u32> = digits
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .map(|digit| digit.to_digit(16))
            .collect::<Option<_>>()?;
        let pairs = digits.chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        });
        return pairs.collect();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', behind @ ..] => {
                bytes.push(b'\\');
                rest = behind;
            }
            [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', behind @ ..] => {
                bytes.push((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'));
                rest = behind;
            }
            [b'\\', ..] => return None,
            [byte, behind @ ..] => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
}

/// Takes the text of an array of one dimension apart; `None` where it is none.
fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    if inner.trim().is_empty() {
        return Some(elements);
    }
    let mut signs = inner.chars().peekable();
    loop {
        while signs.next_if(|c| c.is_whitespace()).is_some() {}
        let mut element = String::new();
        let is_quoted = signs.next_if_eq(&'"').is_some();
        loop {
            match signs.next() {
                Some('\\') => element.push(signs.next()?),
                Some('"') if is_quoted => break,
                Some(',') if !is_quoted => {
                    elements.push(unquoted(&element)?);
                    element.clear();
                    while signs.next_if(|c| c.is_whitespace()).is_some() {}
                    if signs.peek() == Some(&'"') {
                        break;
                    }
                }
                Some('{' | '}' | '"') if !is_quoted => return None,
                Some(other) => element.push(other),
                None if is_quoted => return None,
                None => {
                    elements.push(unquoted(&element)?);
                    return Some(elements);
                }
            }
        }
        if !is_quoted {
            continue;
        }
        elements.push(Some(element));
        while signs.next_if(|c| c.is_whitespace()).is_some() {}
        match signs.next() {
            None => return Some(elements),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// An element without quotes: NULL is none, and nothing at all is no element.
fn unquoted(element: &str) -> Option<Option<String>> {
    let element = element.trim_end();
    match element.is_empty() {
        true => None,
        false => Some((!element.eq_ignore_ascii_case("null")).then(|| element.to_owned())),
    }
}

fn list(values: &[ScalarValue], item: &DataType) -> Result<ScalarValue> {
    Ok(ScalarValue::List(ScalarValue::new_list(values, item, true)))
}

fn of_binary(bytes: &[u8], pg_type: PgType, data_type: &DataType) -> Result<ScalarValue> {
    let wrong = || Error::usage(format!("the binary value of a parameter is no {data_type}"));
    fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
        bytes.try_into().ok()
    }
    let i16 = || array(bytes).map(i16::from_be_bytes).ok_or_else(wrong);
    let i32 = || array(bytes).map(i32::from_be_bytes).ok_or_else(wrong);
    let i64 = || array(bytes).map(i64::from_be_bytes).ok_or_else(wrong);
    let value = match pg_type {
        BOOL => ScalarValue::Boolean(Some(array(bytes).is_some_and(|[byte]: [u8; 1]| byte != 0))),
        INT2 => ScalarValue::Int16(Some(i16()?)),
        INT4 | REGCLASS | REGTYPE | REGPROC => ScalarValue::Int32(Some(i32()?)),
        OID => ScalarValue::Int64(Some(i64::from(i32()?.cast_unsigned()))),
        INT8 => ScalarValue::Int64(Some(i64()?)),
        FLOAT4 => ScalarValue::Float32(Some(f32::from_bits(i32()?.cast_unsigned()))),
        FLOAT8 => ScalarValue::Float64(Some(f64::from_bits(i64()?.cast_unsigned()))),
        DATE => ScalarValue::Date32(Some(i32()?.saturating_add(DAYS_TO_2000))),
        TIME => ScalarValue::Time64Microsecond(Some(i64()?)),
        TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(i64()?.saturating_add(US_TO_2000)), None),
        TIMESTAMPTZ => ScalarValue::TimestampMicrosecond(Some(i64()?.saturating_add(US_TO_2000)), Some("UTC".into())),
        INTERVAL_TYPE => {
            let [time, days, months] = interval(bytes).ok_or_else(wrong)?;
            let (Ok(days), Ok(months), Some(nanoseconds)) =
                (days.try_into(), months.try_into(), time.checked_mul(1_000))
            else {
                return Err(wrong());
            };
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, nanoseconds)))
        }
        NUMERIC => {
            let text = numeric(bytes).ok_or_else(wrong)?;
            ScalarValue::Utf8(Some(text)).cast_to(&DataType::Decimal128(38, 10)).map_err(|_| wrong())?
        }
        other if other.element().is_some() => return of_binary_array(bytes, data_type),
        _ => match data_type {
            DataType::Binary => ScalarValue::Binary(Some(bytes.to_vec())),
            _ => {
                let text =
                    std::str::from_utf8(bytes).map_err(|_| Error::usage("the text of a parameter is not UTF-8"))?;
                ScalarValue::Utf8(Some(text.to_owned()))
            }
        },
    };
    if value.data_type() == *data_type { Ok(value) } else { value.cast_to(data_type).map_err(|_| wrong()) }
}

/// The microseconds, days and months of an interval.
fn interval(bytes: &[u8]) -> Option<[i64; 3]> {
    let time = i64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    let part = |from: usize| Some(i64::from(i32::from_be_bytes(bytes.get(from..from + 4)?.try_into().ok()?)));
    (bytes.len() == 16).then_some([time, part(8)?, part(12)?])
}

/// The text of a decimal in groups of four digits.
fn numeric(bytes: &[u8]) -> Option<String> {
    let part = |index: usize| Some(i16::from_be_bytes(bytes.get(index * 2..index * 2 + 2)?.try_into().ok()?));
    let (count, weight, sign, places) =
        (usize::try_from(part(0)?).ok()?, part(1)?, part(2)?, usize::try_from(part(3)?).ok()?);
    let is_negative = match sign {
        0 => false,
        0x4000 => true,
        _ => return None,
    };
    // What 38 digits can hold is far less than this.
    if bytes.len() != 8 + count * 2 || !(-20..=20).contains(&weight) || places > 200 {
        return None;
    }
    let group = |power: i16| -> Option<i16> {
        let index = usize::try_from(weight - power).ok()?;
        if index < count { part(4 + index).filter(|group| (0..10_000).contains(group)) } else { Some(0) }
    };
    let mut text = String::from(if is_negative { "-0" } else { "0" });
    for power in (0..=weight.max(0)).rev() {
        text.push_str(&format!("{:04}", if power > weight { 0 } else { group(power)? }));
    }
    text.push('.');
    let mut power = -1;
    let end = text.len() + places;
    while text.len() < end {
        text.push_str(&format!("{:04}", if power > weight { 0 } else { group(power)? }));
        power -= 1;
    }
    text.truncate(end);
    Some(text.trim_end_matches('.').to_owned())
}

fn of_binary_array(bytes: &[u8], data_type: &DataType) -> Result<ScalarValue> {
    let DataType::List(item) = data_type else { return Err(Error::internal("an array that is no list")) };
    let mut body = Body::of(bytes::Bytes::copy_from_slice(bytes));
    let dimensions = body.i32()?;
    let (_, oid) = (body.i32()?, body.i32()?.cast_unsigned());
    if dimensions == 0 {
        let none: ArrayRef = new_empty_array(item.data_type());
        return Ok(ScalarValue::List(Arc::new(
            datafusion::common::utils::SingleRowListArrayBuilder::new(none).build_list_array(),
        )));
    }
    if dimensions != 1 {
        return Err(Error::usage("an array of more than one dimension").with_hint("send one of one dimension"));
    }
    // As PostgreSQL has it: those of another type are not brought to the array's.
    let fits = |element: &PgType| {
        *element == PgType::of_values(item.data_type()) || element.values().as_ref() == Some(item.data_type())
    };
    let element = PgType::known(oid)
        .filter(fits)
        .ok_or_else(|| Error::usage(format!("elements of type {oid} in an array of {}", item.data_type())))?;
    let (count, _) = (body.i32()?, body.i32()?);
    let mut values = Vec::new();
    for _ in 0..count {
        let value = match body.value()? {
            Some(bytes) => of_binary(&bytes, element, item.data_type())?,
            None => ScalarValue::try_from(item.data_type())?,
        };
        values.push(value);
    }
    list(&values, item.data_type())
}

/// The type of values of a parameter that is told by where it stands.
pub fn stored(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::{self, BYTEA, TEXT};
    use super::*;
    use crate::zones::Tz;

    fn clock() -> Clock {
        Clock { as_of: chrono::DateTime::UNIX_EPOCH, time_zone: Tz::named("Europe/Berlin").unwrap() }
    }

    fn text(text: &str, pg_type: PgType) -> Result<ScalarValue> {
        value(Some(text.as_bytes()), Form::Text, pg_type, &pg_type.values().unwrap(), &clock())
    }

    #[test]
    fn texts_are_read_by_their_type() {
        assert_eq!(text("5", INT8).unwrap(), ScalarValue::Int64(Some(5)));
        assert_eq!(text("-1.5", FLOAT8).unwrap(), ScalarValue::Float64(Some(-1.5)));
        assert_eq!(text("t", BOOL).unwrap(), ScalarValue::Boolean(Some(true)));
        assert_eq!(text("2026-03-01", DATE).unwrap().to_string(), "2026-03-01");
        let instant = text("2026-07-01 12:00:00", TIMESTAMPTZ).unwrap();
        assert_eq!(instant, ScalarValue::TimestampMicrosecond(Some(1_782_900_000_000_000), Some("UTC".into())));
        assert_eq!(text("2026-07-01T10:00:00Z", TIMESTAMPTZ).unwrap(), instant);
        assert_eq!(text("12.5", NUMERIC).unwrap(), ScalarValue::Decimal128(Some(125_000_000_000), 38, 10));
        let bytes = |bytes: &[u8]| ScalarValue::Binary(Some(bytes.to_vec()));
        assert_eq!(text("\\x00 fFx", BYTEA).ok(), None);
        assert_eq!(text("\\x00 fF", BYTEA).unwrap(), bytes(b"\x00\xff"));
        assert_eq!(text("a\\\\\\377 x", BYTEA).unwrap(), bytes(b"a\\\xff x"));
        for (wrong, pg_type) in [
            ("\\x0", BYTEA),
            ("\\400", BYTEA),
            ("\\", BYTEA),
            ("x", INT8),
            ("maybe", BOOL),
            ("99999", INT2),
            ("yesterdayish", DATE),
            ("{a", types::PgType::known(1009).unwrap()),
        ] {
            assert!(text(wrong, pg_type).is_err(), "{wrong}");
        }
        assert_eq!(value(None, Form::Text, INT8, &DataType::Int64, &clock()).unwrap(), ScalarValue::Int64(None));
    }

    #[test]
    fn arrays_are_taken_apart() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(elements("{}"), Some(vec![]));
        assert_eq!(
            elements("{a,NULL, b ,\"q\\\"\", \"\"}"),
            Some(vec![some("a"), None, some("b"), some("q\""), some("")])
        );
        assert_eq!(elements("{\"a,b\",c}"), Some(vec![some("a,b"), some("c")]));
        for wrong in ["", "{", "}", "{a", "{a,}", "{,a}", "{\"a}", "{\"a\"b}", "{{a}}", "{\\"] {
            assert_eq!(elements(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn binary_values_are_read_and_no_bytes_panic() {
        let read = |bytes: &[u8], pg_type: PgType| {
            value(Some(bytes), Form::Binary, pg_type, &pg_type.values().unwrap(), &clock())
        };
        assert_eq!(read(&5_i64.to_be_bytes(), INT8).unwrap(), ScalarValue::Int64(Some(5)));
        assert_eq!(read(&1.5_f64.to_be_bytes(), FLOAT8).unwrap(), ScalarValue::Float64(Some(1.5)));
        assert_eq!(
            read(&0_i64.to_be_bytes(), TIMESTAMPTZ).unwrap(),
            ScalarValue::TimestampMicrosecond(Some(US_TO_2000), Some("UTC".into()))
        );
        let groups = |parts: [i16; 5]| parts.iter().flat_map(|part| part.to_be_bytes()).collect::<Vec<_>>();
        // 12.5, -0.005 and 10000
        let decimal = |value| ScalarValue::Decimal128(Some(value), 38, 10);
        let parts: Vec<u8> = [2_i16, 0, 0, 1, 12, 5000].iter().flat_map(|part| part.to_be_bytes()).collect();
        assert_eq!(read(&parts, NUMERIC).unwrap(), decimal(125_000_000_000));
        assert_eq!(read(&groups([1, -1, 0x4000, 3, 50]), NUMERIC).unwrap(), decimal(-50_000_000));
        assert_eq!(read(&groups([1, 1, 0, 0, 1]), NUMERIC).unwrap(), decimal(100_000_000_000_000));
        let texts = types::PgType::known(1009).unwrap();
        let mut list = Vec::new();
        for part in [1, 1, 25, 2, 1, 1] {
            list.extend(i32::to_be_bytes(part));
        }
        list.extend(b"a");
        list.extend((-1_i32).to_be_bytes());
        assert!(read(&list, texts).unwrap().to_string().starts_with("[a,"));
        // Elements of another type than the array's, which DataFusion would panic over.
        let numbers = types::PgType::known(1016).unwrap();
        assert!(read(&list, numbers).unwrap_err().to_string().contains("elements of type 25"));
        for pg_type in [
            BOOL,
            INT2,
            INT4,
            INT8,
            FLOAT4,
            FLOAT8,
            NUMERIC,
            DATE,
            TIME,
            TIMESTAMP,
            TIMESTAMPTZ,
            INTERVAL_TYPE,
            TEXT,
            texts,
        ] {
            for end in 0..=list.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut bytes = list[..end].to_vec();
                    let _ = read(&bytes, pg_type);
                    bytes.fill(byte);
                    let _ = read(&bytes, pg_type);
                }
            }
        }
    }
}
