//! Parameters that are written `?`, as users of ADBC and JDBC write them: they are numbered, `?` becomes `$1`, `$2` and so on.
//!
//! In PostgreSQL `?` is an operator of JSON, too (`data ? 'key'`). Which of both it is is told by where it stands: behind an operand there is
//! an operator, and where an operand is expected there is a parameter. A statement has parameters of one kind, `?` or `$1`.
//!
//! Limits: places in errors are those of the statement with its numbers.

use std::borrow::Cow;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::pieces::{Word, pieces};
use crate::error::{Error, Result};

/// Operators that have a question mark.
const OPERATORS: [&str; 4] = ["?", "?|", "?&", "@?"];

/// Words behind which an operand is expected. None of them is the name of a column or of a type without quotes.
const BEFORE_OPERANDS: [&str; 28] = [
    "ALL", "AND", "ANY", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "ESCAPE", "EXCEPT", "FROM", "HAVING", "ILIKE",
    "IN", "LIKE", "LIMIT", "NOT", "OFFSET", "ON", "OR", "SELECT", "SIMILAR", "SOME", "THEN", "TO", "UNION", "WHEN",
    "WHERE",
];

/// Numbers the parameters of a text that are written `?`. A text without any stays as it is.
///
/// # Errors
/// A text that is not understood, with its place; parameters of both kinds.
pub fn with_numbers<'t>(name: &str, text: &'t str) -> Result<Cow<'t, str>> {
    if !text.contains('?') {
        return Ok(Cow::Borrowed(text));
    }
    let (mut out, mut copied, mut count, mut has_numbers) = (String::new(), 0, 0, false);
    for piece in pieces(name, text)? {
        let (mut expects, mut fetches) = (true, false);
        for word in &piece.words {
            let written = text.get(word.start..word.end).unwrap_or_default();
            has_numbers |= matches!(&word.token, Token::Placeholder(name) if name.starts_with('$'));
            if written.is_empty() || !written.chars().all(is_of_operators) {
                expects = expects_operand_after(word) || fetches && is_any(word, &["FIRST", "NEXT"]);
                fetches = is_any(word, &["FETCH"]);
                continue;
            }
            for (at, is_mark) in marks(written, &mut expects) {
                if is_mark {
                    count += 1;
                    out.push_str(text.get(copied..word.start + at).unwrap_or_default());
                    // Blanks keep the number apart from operators around it.
                    out.push_str(&format!(" ${count} "));
                    copied = word.start + at + 1;
                }
            }
        }
    }
    if count == 0 {
        return Ok(Cow::Borrowed(text));
    }
    if has_numbers {
        return Err(Error::usage("the statement has parameters of two kinds")
            .with_hint("write all of them as ?, or all of them as $1, $2 and so on"));
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(Cow::Owned(out))
}

fn is_of_operators(sign: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(sign)
}

/// Says whether a word is one of these, without quotes.
fn is_any(word: &Word, known: &[&str]) -> bool {
    let Token::Word(word) = &word.token else { return false };
    word.quote_style.is_none() && known.iter().any(|known| word.value.eq_ignore_ascii_case(known))
}

fn expects_operand_after(word: &Word) -> bool {
    match &word.token {
        Token::Word(_) => is_any(word, &BEFORE_OPERANDS),
        Token::LParen | Token::LBracket | Token::Comma | Token::SemiColon => true,
        _ => false,
    }
}

/// Finds the question marks of a run of signs, and which of them are parameters. What is expected behind the run is left in `expects`.
fn marks(written: &str, expects: &mut bool) -> Vec<(usize, bool)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = written.get(at..).filter(|rest| !rest.is_empty()) {
        if *expects {
            // Signs before an operand, such as a minus, change nothing.
            let is_mark = rest.starts_with('?');
            if is_mark {
                found.push((at, true));
            }
            (*expects, at) = (!is_mark, at + 1);
            continue;
        }
        // An operator goes up to the next parameter, or it is one that has the mark itself.
        let whole = OPERATORS.contains(&rest);
        at += if whole { rest.len() } else { rest.find('?').unwrap_or(rest.len()) };
        // Behind an operand a mark that begins no operator begins one that there is not, which the parser says.
        if !whole && rest.starts_with('?') {
            at += rest.len();
        }
        // `count(*)` and `t.*` have an operand in the place of an operator, and no parameter follows them.
        *expects = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_numbered_where_an_operand_stands() {
        for (text, expected) in [
            ("select ?", "select $1"),
            ("select ?::int, -?, (?)", "select $1::int, -$2, ($3)"),
            (
                "select a from t where b=? and c >= ? or d in (?, ?)",
                "select a from t where b=$1 and c >= $2 or d in ($3, $4)",
            ),
            ("select x||? from t limit ? offset ?", "select x||$1 from t limit $2 offset $3"),
            ("select case when a = ? then ? else ? end", "select case when a = $1 then $2 else $3 end"),
            (
                "select * from t where a between ? and ? and b like ?",
                "select * from t where a between $1 and $2 and b like $3",
            ),
            ("select data->? from t where data ? ?", "select data->$1 from t where data ? $2"),
            ("select f(?, a => ?)", "select f($1, a => $2)"),
            ("select x from t fetch first ? rows only", "select x from t fetch first $1 rows only"),
        ] {
            let numbered = with_numbers("t", text).unwrap();
            let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().concat();
            assert_eq!(plain(&numbered), plain(expected), "{text}");
            assert!(crate::script::parse("t", &numbered).is_ok(), "{numbered}");
        }
    }

    #[test]
    fn operators_texts_and_comments_stay() {
        for text in [
            "select 1",
            "select data ? 'a', data ?| array['a'], data ?& array['a'] from t",
            "select '?', \"?\", $$?$$ -- ?\n /* ? */",
            "select (data) ? 'a', x[1] ? 'a', case when true then data end ? 'a' from t",
            "select data->'a' ? 'b' from t where $1",
        ] {
            assert_eq!(with_numbers("t", text).unwrap(), text);
        }
        assert!(with_numbers("t", "select $1, ?").unwrap_err().to_string().contains("two kinds"));
        assert!(with_numbers("t", "select '?").is_err());
    }
}
