//! Puts the engine's names of types and literals into the words of SQL: `Utf8View` is text, `Int64(5)` is 5.

/// Rewrites a message or an expression that the engine printed.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word_end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if word_end == 0 {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let Some((word, after)) = rest.split_at_checked(word_end) else { break };
        rest = after;
        let Some(name) = type_name(word) else {
            out.push_str(word);
            continue;
        };
        match parenthesized(after) {
            Some((inside, following)) => {
                rest = following;
                match word {
                    "Utf8" | "Utf8View" | "LargeUtf8" => {
                        match inside.strip_prefix('"').and_then(|s| s.strip_suffix('"')) {
                            Some(value) => out.push_str(&format!("'{value}'")),
                            None => out.push_str("null"),
                        }
                    }
                    "Boolean" => out.push_str(inside),
                    _ if is_number(word) => out.push_str(if inside == "NULL" { "null" } else { inside }),
                    _ => out.push_str(name),
                }
            }
            None => out.push_str(name),
        }
    }
    // The engine counts rows by counting a literal.
    out.replace("count(1)", "count(*)")
}

fn is_number(word: &str) -> bool {
    (word.starts_with("Int") || word.starts_with("UInt") || word.starts_with("Float"))
        && word.ends_with(|c: char| c.is_ascii_digit())
}

fn type_name(word: &str) -> Option<&'static str> {
    Some(match word {
        "Utf8" | "Utf8View" | "LargeUtf8" | "String" => "text",
        "Int8" | "Int16" | "Int32" | "Int64" | "UInt8" | "UInt16" | "UInt32" | "UInt64" | "Integer" => "integer",
        "Float16" | "Float32" | "Float64" => "float",
        "Numeric" => "number",
        "Decimal" | "Decimal32" | "Decimal64" | "Decimal128" | "Decimal256" => "decimal",
        "Boolean" => "boolean",
        "Date32" | "Date64" => "date",
        "Time32" | "Time64" => "time",
        "Timestamp" => "timestamp",
        "Interval" => "interval",
        "Duration" => "duration",
        "Binary" | "LargeBinary" | "BinaryView" => "bytes",
        "List" | "LargeList" | "FixedSizeList" | "ListView" => "list",
        "Struct" => "struct",
        "Map" => "map",
        "Null" => "null",
        _ => return None,
    })
}

/// Takes `(…)` from the start of a text, minding quotes and inner parentheses.
fn parenthesized(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some((text.get(1..at)?, text.get(at + 1..)?));
                }
            }
            _ => {}
        }
        if depth == 0 {
            return None;
        }
    }
    None
}

/// Says how to write what is compared with a number; `None` where nothing is that is written as a text.
pub(super) fn written(left: &str, right: &str) -> Option<&'static str> {
    let kind = match (left, right) {
        (kind, "integer" | "float" | "decimal") | ("integer" | "float" | "decimal", kind) => kind,
        _ => return None,
    };
    match kind {
        "date" => Some("dates are written '2026-11-20', in quotes"),
        "time" => Some("times are written '12:30:15', in quotes"),
        "timestamp" => Some(
            "instants are written '2026-11-20T09:00:00Z', in quotes; to_timestamp(x) is that of x seconds after 1970",
        ),
        "duration" | "interval" => Some(
            "lengths of time are written interval '5 minutes'; extract(epoch from x) is one in seconds, as a number",
        ),
        _ => None,
    }
}

/// Says what is added to a time and taken from it; `None` where neither side is one, or the other is a time too.
pub(super) fn moved(left: &str, right: &str) -> Option<&'static str> {
    let is_time = |kind: &str| matches!(kind, "timestamp" | "date" | "time");
    let is_amount = |kind: &str| matches!(kind, "integer" | "float" | "decimal" | "text");
    ((is_time(left) && is_amount(right)) || (is_amount(left) && is_time(right)))
        .then_some("what is added to a time is an interval, as in + interval '1 day'")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types_and_literals_become_sql() {
        for (engine, ours) in [
            ("abs(Utf8View, Int64)", "abs(text, integer)"),
            ("Timestamp(µs, \"UTC\") > Int64", "timestamp > integer"),
            ("t.a = Utf8(\"x)\")", "t.a = 'x)'"),
            ("count(Int64(1))", "count(*)"),
            ("Float64(1.5) + Int64(NULL)", "1.5 + null"),
            ("round(Numeric(1))", "round(number)"),
            ("my_Utf8 Int64x", "my_Utf8 Int64x"),
            ("Struct(\"c0\": Int64, \"c1\": non-null List(Utf8)) + Int64", "struct + integer"),
            ("Boolean(true) Utf8", "true text"),
            ("Utf8(", "text("),
        ] {
            assert_eq!(plain(engine), ours);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_rewritten(text in "(Utf8|Int64|Timestamp|\\(|\\)|\"|\\\\|µ|.){0,12}") {
            let _ = plain(&text);
        }
    }
}
