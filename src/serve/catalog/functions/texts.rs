//! Functions of texts, arrays and numbers, as far as statements about the catalog use them.

use super::super::fault::{Fault, MOST_BYTES, OUT_OF_RANGE, Result, fitting_text};
use super::super::run::Run;
use super::super::store::{names, quoted};
use super::super::types::{Held, Type as T};
use super::super::value::{self, Value};
use super::{Gives, Routine};

const ANY: T = T::UNKNOWN;

const fn r(name: &'static str, takes: &'static [T], gives: T, run: super::Computation) -> Routine {
    Routine::new(name, takes, gives, run)
}

fn text(args: &[Value], at: usize) -> &str {
    args.get(at).and_then(Value::as_text).unwrap_or_default()
}

fn int(args: &[Value], at: usize) -> i64 {
    args.get(at).and_then(Value::as_int).unwrap_or_default()
}

fn items(args: &[Value], at: usize) -> &[Value] {
    args.get(at).and_then(Value::as_list).map(|list| list.items.as_slice()).unwrap_or_default()
}

/// Writes a value whose type is not known any more, as it is in a list or an argument of any type.
fn plain(value: &Value) -> Result<String> {
    fitting_text(value.weight())?;
    Ok(value::write(value, T::TEXT, &|oid, _| oid.to_string()))
}

fn length(text: &str) -> Value {
    Value::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
}

fn part(text: &str, from: i64, length: Option<i64>) -> Value {
    let end = length.map_or(i64::MAX, |length| from.saturating_add(length.max(0)));
    let numbered = (1_i64..).zip(text.chars()).filter(|(at, _)| *at >= from && *at < end);
    Value::from(numbered.map(|(_, character)| character).collect::<String>())
}

fn substring(run: &Run<'_>, args: &[Value]) -> Result<Value> {
    let whole = text(args, 0);
    let Some(Value::Int(from)) = args.get(1) else {
        // The first group of a pattern, or all that it finds.
        let pattern = run.pattern(text(args, 1), false)?;
        let found = pattern.captures(whole).and_then(|groups| groups.get(1).or_else(|| groups.get(0)));
        return Ok(Value::of(found.map(|found| found.as_str())));
    };
    Ok(part(whole, *from, args.get(2).and_then(Value::as_int)))
}

fn trim(args: &[Value], start: bool, end: bool) -> Value {
    let set: Vec<char> = if args.len() > 1 { text(args, 1).chars().collect() } else { vec![' '] };
    let mut trimmed = text(args, 0);
    if start {
        trimmed = trimmed.trim_start_matches(set.as_slice());
    }
    if end {
        trimmed = trimmed.trim_end_matches(set.as_slice());
    }
    Value::text(trimmed)
}

fn joined(items: &[Value], between: &str, nulls: Option<&str>) -> Result<Value> {
    let mut text = String::new();
    let mut is_first = true;
    for item in items {
        let piece = match (item, nulls) {
            (Value::Null, None) => continue,
            (Value::Null, Some(nulls)) => nulls.to_owned(),
            (item, _) => plain(item)?,
        };
        text.push_str(if is_first { "" } else { between });
        text.push_str(&piece);
        is_first = false;
        fitting_text(text.len())?;
    }
    Ok(Value::from(text))
}

/// Refuses to replace where what comes of it could be very long.
fn replaceable(whole: &str, with: &str) -> Result<()> {
    let is_long = with.len() > 1 && (whole.len() + 1).saturating_mul(with.len()) > 64 * MOST_BYTES;
    if is_long { fitting_text(usize::MAX) } else { Ok(()) }
}

fn bounds(args: &[Value]) -> Option<(i64, i64)> {
    let list = args.first()?.as_list()?;
    let is_there = int(args, 1) == 1 && !list.items.is_empty();
    is_there.then(|| (list.first, list.first + i64::try_from(list.items.len()).unwrap_or(i64::MAX) - 1))
}

fn position(args: &[Value]) -> Value {
    let first = args.first().and_then(Value::as_list).map_or(1, |list| list.first);
    let wanted = args.get(1).cloned().unwrap_or(Value::Null);
    let at = items(args, 0).iter().position(|item| *item == wanted);
    Value::of(at.and_then(|at| i64::try_from(at).ok()).map(|at| at + first))
}

fn format(args: &[Value]) -> Result<Value> {
    let (mut written, mut values) = (String::new(), args.iter().skip(1));
    let mut characters = text(args, 0).chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            written.push(character);
            continue;
        }
        match characters.next() {
            Some('%') => written.push('%'),
            Some(kind @ ('s' | 'I' | 'L')) => {
                let value = values.next().unwrap_or(&Value::Null);
                let value = (!value.is_null()).then(|| plain(value)).transpose()?;
                match (kind, value) {
                    ('I', Some(value)) => written.push_str(&quoted(&value)),
                    ('L', Some(value)) => written.push_str(&literal(&value)),
                    ('L', None) => written.push_str("NULL"),
                    (_, value) => written.push_str(&value.unwrap_or_default()),
                }
                fitting_text(written.len())?;
            }
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(Fault::new("22023", format!("unrecognized format() type specifier {other:?}")));
            }
        }
    }
    Ok(Value::from(written))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Writes a pattern of LIKE whose characters are escaped by another sign with backslashes.
fn escaped(pattern: &str, sign: &str) -> String {
    let sign = sign.chars().next();
    let (mut written, mut characters) = (String::new(), pattern.chars());
    while let Some(character) = characters.next() {
        match character {
            _ if Some(character) == sign => {
                written.push('\\');
                written.extend(characters.next());
            }
            // Where another sign escapes, a backslash is a character like others.
            '\\' => written.push_str("\\\\"),
            other => written.push(other),
        }
    }
    written
}

fn best(args: &[Value], greatest: bool) -> Value {
    let known = args.iter().filter(|value| !value.is_null());
    if greatest { known.max() } else { known.min() }.cloned().unwrap_or(Value::Null)
}

fn number(args: &[Value], whole: fn(i64) -> Option<i64>, float: fn(f64) -> f64) -> Result<Value> {
    match args.first() {
        Some(Value::Int(number)) => {
            whole(*number).map(Value::Int).ok_or_else(|| Fault::new(OUT_OF_RANGE, "bigint out of range"))
        }
        Some(Value::Float(number)) => Ok(Value::Float(float(*number))),
        _ => Ok(Value::Null),
    }
}

/// Writes a value as JSON behind a text.
///
/// # Errors
/// A text that becomes too long.
pub fn push_json(out: &mut String, value: &Value, kind: T) -> Result<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) if kind.held() == Held::Int || kind == ANY => out.push_str(&number.to_string()),
        Value::Float(number) if number.is_finite() => out.push_str(&value::float_text(*number)),
        Value::Text(text) if kind == T::JSON || kind == T::JSONB => out.push_str(text),
        Value::List(list) => {
            let element = kind.element().unwrap_or(ANY);
            out.push('[');
            for (at, item) in list.items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                push_json(out, item, element)?;
            }
            out.push(']');
        }
        other => push_string(out, &plain(other)?),
    }
    fitting_text(out.len())
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn object(args: &[Value]) -> Result<Value> {
    let mut text = String::from("{");
    for pair in args.chunks(2) {
        text.push_str(if text.len() > 1 { ", " } else { "" });
        push_string(&mut text, &pair.first().map(plain).transpose()?.unwrap_or_default());
        text.push_str(" : ");
        push_json(&mut text, pair.get(1).unwrap_or(&Value::Null), ANY)?;
    }
    Ok(Value::from(text + "}"))
}

/// The functions.
pub(super) const ROUTINES: &[Routine] = &[
    r("length", &[T::TEXT], T::INT4, |_, a| Ok(length(text(a, 0)))),
    r("char_length", &[T::TEXT], T::INT4, |_, a| Ok(length(text(a, 0)))),
    r("character_length", &[T::TEXT], T::INT4, |_, a| Ok(length(text(a, 0)))),
    r("lower", &[T::TEXT], T::TEXT, |_, a| Ok(Value::from(text(a, 0).to_lowercase()))),
    r("upper", &[T::TEXT], T::TEXT, |_, a| Ok(Value::from(text(a, 0).to_uppercase()))),
    r("btrim", &[T::TEXT, T::TEXT], T::TEXT, |_, a| Ok(trim(a, true, true))).from(1),
    r("ltrim", &[T::TEXT, T::TEXT], T::TEXT, |_, a| Ok(trim(a, true, false))).from(1),
    r("rtrim", &[T::TEXT, T::TEXT], T::TEXT, |_, a| Ok(trim(a, false, true))).from(1),
    r("substring", &[T::TEXT, ANY, T::INT4], T::TEXT, substring).from(2),
    r("substr", &[T::TEXT, T::INT4, T::INT4], T::TEXT, substring).from(2),
    r("left", &[T::TEXT, T::INT4], T::TEXT, |_, a| {
        let (whole, wanted) = (text(a, 0), int(a, 1));
        let all = i64::try_from(whole.chars().count()).unwrap_or(i64::MAX);
        Ok(part(whole, 1, Some(if wanted < 0 { all + wanted } else { wanted })))
    }),
    r("right", &[T::TEXT, T::INT4], T::TEXT, |_, a| {
        let (whole, wanted) = (text(a, 0), int(a, 1));
        let all = i64::try_from(whole.chars().count()).unwrap_or(i64::MAX);
        let left_out = if wanted < 0 { wanted.saturating_neg() } else { (all - wanted).max(0) };
        Ok(part(whole, left_out.saturating_add(1), None))
    }),
    r("strpos", &[T::TEXT, T::TEXT], T::INT4, |_, a| {
        let (whole, wanted) = (text(a, 0), text(a, 1));
        let before = whole.find(wanted).and_then(|at| whole.get(..at));
        Ok(before.map_or(Value::Int(0), |before| match length(before) {
            Value::Int(at) => Value::Int(at + 1),
            other => other,
        }))
    }),
    r("replace", &[T::TEXT, T::TEXT, T::TEXT], T::TEXT, |_, a| {
        let wanted = text(a, 1);
        replaceable(text(a, 0), text(a, 2))?;
        Ok(if wanted.is_empty() {
            Value::text(text(a, 0))
        } else {
            Value::from(text(a, 0).replace(wanted, text(a, 2)))
        })
    }),
    r("split_part", &[T::TEXT, T::TEXT, T::INT4], T::TEXT, |_, a| {
        let at = usize::try_from(int(a, 2)).ok().and_then(|at| at.checked_sub(1));
        Ok(Value::text(at.and_then(|at| text(a, 0).split(text(a, 1)).nth(at)).unwrap_or_default()))
    }),
    r("starts_with", &[T::TEXT, T::TEXT], T::BOOL, |_, a| Ok(Value::Bool(text(a, 0).starts_with(text(a, 1))))),
    r("regexp_replace", &[T::TEXT, T::TEXT, T::TEXT, T::TEXT], T::TEXT, |run, a| {
        let flags = text(a, 3);
        replaceable(text(a, 0), text(a, 2))?;
        let pattern = run.pattern(text(a, 1), flags.contains('i'))?;
        let with = text(a, 2).replace('$', "$$").replace("\\1", "${1}").replace("\\2", "${2}").replace("\\&", "${0}");
        let times = if flags.contains('g') { 0 } else { 1 };
        Ok(Value::text(pattern.replacen(text(a, 0), times, with.as_str())))
    })
    .from(3),
    r("regexp_match", &[T::TEXT, T::TEXT], T::TEXTS, |run, a| {
        let pattern = run.pattern(text(a, 1), false)?;
        Ok(pattern.captures(text(a, 0)).map_or(Value::Null, |groups| {
            let skipped = usize::from(groups.len() > 1);
            let groups = groups.iter().skip(skipped).map(|group| Value::of(group.map(|group| group.as_str())));
            Value::list(groups.collect())
        }))
    }),
    r("concat", &[ANY], T::TEXT, |_, a| joined(a, "", None)).many().lenient(),
    r("concat_ws", &[T::TEXT, ANY], T::TEXT, |_, a| {
        if a.first().is_none_or(Value::is_null) {
            return Ok(Value::Null);
        }
        joined(a.get(1..).unwrap_or_default(), text(a, 0), None)
    })
    .many()
    .lenient(),
    r("format", &[T::TEXT, ANY], T::TEXT, |_, a| format(a)).from(1).many().lenient(),
    r("like_escape", &[T::TEXT, T::TEXT], T::TEXT, |_, a| Ok(Value::from(escaped(text(a, 0), text(a, 1))))),
    r("parse_ident", &[T::TEXT, T::BOOL], T::TEXTS, |_, a| {
        let parts = names(text(a, 0)).ok_or_else(|| Fault::new("22023", "the string is no valid identifier"))?;
        Ok(Value::list(parts.into_iter().map(Value::from).collect()))
    })
    .from(1),
    r("quote_ident", &[T::TEXT], T::TEXT, |_, a| Ok(Value::from(quoted(text(a, 0))))),
    r("quote_literal", &[T::TEXT], T::TEXT, |_, a| Ok(Value::from(literal(text(a, 0))))),
    r("quote_nullable", &[T::TEXT], T::TEXT, |_, a| {
        Ok(Value::from(a.first().and_then(Value::as_text).map_or_else(|| "NULL".to_owned(), literal)))
    })
    .lenient(),
    r("chr", &[T::INT4], T::TEXT, |_, a| {
        let character = u32::try_from(int(a, 0)).ok().and_then(char::from_u32);
        Ok(Value::of(character.map(String::from)))
    }),
    r("ascii", &[T::TEXT], T::INT4, |_, a| {
        Ok(Value::Int(text(a, 0).chars().next().map_or(0, |character| i64::from(u32::from(character)))))
    }),
    r("array_to_string", &[ANY, T::TEXT, T::TEXT], T::TEXT, |_, a| match (a.first(), a.get(1)) {
        (Some(Value::List(list)), Some(Value::Text(between))) => {
            joined(&list.items, between, a.get(2).and_then(Value::as_text))
        }
        _ => Ok(Value::Null),
    })
    .from(2)
    .lenient(),
    r("string_to_array", &[T::TEXT, T::TEXT], T::TEXTS, |_, a| {
        let (whole, between) = (text(a, 0), text(a, 1));
        Ok(Value::list(match (whole, between) {
            ("", _) => Vec::new(),
            (whole, "") => vec![Value::text(whole)],
            (whole, between) => whole.split(between).map(Value::text).collect(),
        }))
    }),
    r("array_length", &[ANY, T::INT4], T::INT4, |_, a| Ok(Value::of(bounds(a).map(|(from, to)| to - from + 1)))),
    r("array_upper", &[ANY, T::INT4], T::INT4, |_, a| Ok(Value::of(bounds(a).map(|(_, to)| to)))),
    r("array_lower", &[ANY, T::INT4], T::INT4, |_, a| Ok(Value::of(bounds(a).map(|(from, _)| from)))),
    r("array_ndims", &[ANY], T::INT4, |_, a| Ok(if items(a, 0).is_empty() { Value::Null } else { Value::Int(1) })),
    r("cardinality", &[ANY], T::INT4, |_, a| Ok(Value::Int(i64::try_from(items(a, 0).len()).unwrap_or(i64::MAX)))),
    r("array_position", &[ANY, ANY], T::INT4, |_, a| Ok(position(a))).lenient(),
    r("array_remove", &[ANY, ANY], ANY, |_, a| {
        let wanted = a.get(1).cloned().unwrap_or(Value::Null);
        Ok(Value::list(items(a, 0).iter().filter(|item| **item != wanted).cloned().collect()))
    })
    .lenient()
    .giving(Gives::First),
    r("array_append", &[ANY, ANY], ANY, |_, a| Ok(Value::list(items(a, 0).iter().chain(a.get(1)).cloned().collect())))
        .lenient()
        .giving(Gives::First),
    r("array_prepend", &[ANY, ANY], ANY, |_, a| {
        Ok(Value::list(a.first().into_iter().chain(items(a, 1)).cloned().collect()))
    })
    .lenient()
    .giving(Gives::Second),
    r("array_cat", &[ANY, ANY], ANY, |_, a| Ok(Value::list(items(a, 0).iter().chain(items(a, 1)).cloned().collect())))
        .lenient()
        .giving(Gives::First),
    r("greatest", &[ANY], ANY, |_, a| Ok(best(a, true))).many().lenient().giving(Gives::First),
    r("least", &[ANY], ANY, |_, a| Ok(best(a, false))).many().lenient().giving(Gives::First),
    r("abs", &[ANY], ANY, |_, a| number(a, i64::checked_abs, f64::abs)).giving(Gives::First),
    r("floor", &[ANY], ANY, |_, a| number(a, Some, f64::floor)).giving(Gives::First),
    r("ceil", &[ANY], ANY, |_, a| number(a, Some, f64::ceil)).giving(Gives::First),
    r("round", &[ANY], ANY, |_, a| number(a, Some, f64::round)).giving(Gives::First),
    r("json_build_object", &[ANY], T::JSON, |_, a| object(a)).from(0).many().lenient(),
    r("jsonb_build_object", &[ANY], T::JSON, |_, a| object(a)).from(0).many().lenient(),
    r("to_json", &[ANY], T::JSON, |_, a| {
        let mut text = String::new();
        push_json(&mut text, a.first().unwrap_or(&Value::Null), ANY)?;
        Ok(Value::from(text))
    }),
    r("age", &[ANY], T::INT4, |_, _| Ok(Value::Int(1))),
];
