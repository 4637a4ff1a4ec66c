//! Patterns that texts are read by: those of PostgreSQL in the words of DataFusion, whose `to_timestamp` and `to_date` take chrono's.
//!
//! `to_timestamp('2026-11-20 09:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US')` is what charts filter times by. What a pattern has beside the words
//! below stays as it is, and so does a pattern with a percent sign, which is one of chrono's.

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, TimezoneInfo, Value,
};

use super::words::{call, is_named};

/// Words of PostgreSQL's patterns with chrono's, longer ones before those they begin with. Each has so many digits, or is a name.
const WORDS: &[(&str, &str)] = &[
    ("YYYY", "%Y"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("MONTH", "%B"),
    ("DDD", "%j"),
    ("MON", "%b"),
    ("HH", "%I"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("MS", "%3f"),
    ("US", "%6f"),
    ("AM", "%p"),
    ("PM", "%p"),
];

/// Brings a call into DataFusion's patterns; `None` where it is none that reads by one of PostgreSQL's.
pub(super) fn value(function: &Function) -> Option<Expr> {
    let is_date = is_named(function, "to_date");
    if !is_date && !is_named(function, "to_timestamp") {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(text)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(given))),
    ] = list.args.as_slice()
    else {
        return None;
    };
    let Value::SingleQuotedString(given) = &given.value else { return None };
    let pattern = chronos(given)?;
    let name = if is_date { "to_date" } else { "to_timestamp" };
    Some(call(name, vec![text.clone(), Expr::value(Value::SingleQuotedString(pattern))]))
}

/// Writes a pattern of PostgreSQL as one of chrono; `None` where it is none, or has words that are not known here.
fn chronos(pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(sign) = rest.chars().next() {
        let found = WORDS.iter().find(|(word, _)| {
            rest.get(..word.len())
                .is_some_and(|start| start == *word || start == word.to_lowercase() || start == titled(word))
        });
        if let Some((word, chrono)) = found {
            out.push_str(chrono);
            rest = rest.get(word.len()..)?;
        } else if sign.is_alphanumeric() || matches!(sign, '%' | '"' | '\\') {
            // Another word, or signs that would have to be read apart.
            return None;
        } else {
            out.push(sign);
            rest = rest.get(sign.len_utf8()..)?;
        }
    }
    (!out.is_empty()).then_some(out)
}

/// `Mon` and `Month`.
fn titled(word: &str) -> String {
    word.chars().take(1).chain(word.chars().skip(1).flat_map(char::to_lowercase)).collect()
}

/// Writes out the instant that PostgreSQL calls epoch, where that is a text that becomes a time.
pub(super) fn write_epoch(value: &mut Value, data_type: &DataType) {
    let Value::SingleQuotedString(text) = value else { return };
    if text.eq_ignore_ascii_case("epoch") {
        match data_type {
            DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
                *text = "1970-01-01T00:00:00Z".to_owned();
            }
            DataType::Timestamp(..) | DataType::Date => *text = "1970-01-01".to_owned(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_postgresql_become_chronos() {
        for (pattern, expected) in [
            ("YYYY-MM-DD HH24:MI:SS.US", Some("%Y-%m-%d %H:%M:%S.%6f")),
            ("yyyy-mm-dd", Some("%Y-%m-%d")),
            ("DD Mon YYYY", Some("%d %b %Y")),
            ("Month DD, YYYY HH12:MI AM", Some("%B %d, %Y %I:%M %p")),
            ("%Y-%m-%d", None),
            ("YYYY-IW", None),
            ("YYYY\"T\"HH24", None),
            ("", None),
        ] {
            assert_eq!(chronos(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
