//! Tells tables that clients print for people, and pairs of keys and values, from delimited text.
//!
//! Their values are padded or cut, and an empty text is the same as none, so that they are not read; what makes the client write a table
//! that is, is named.

use super::lists::{name_columns, name_required};
use crate::schema::{HeaderMatch, match_header};

/// What a text is, and what helps; `{file}` stands for its name.
type Told = (&'static str, &'static str);

pub(super) const PRINTED: &str = "a table that a client printed for people";
pub(super) const PRINTED_HINT: &str = "values in it may be cut, and an empty text looks like none: let the client write CSV, as with psql --csv, sqlite3 -header -csv, \
                            mariadb --batch, duckdb -csv, FORMAT CSVWithNames of ClickHouse or sqlcmd -W -s,";
const PAIRS: &str = "text of keys with their values";
const TAB_PAIRS_HINT: &str = "mlr -S --idkvp --ifs tab --ojsonl cat {file} > FILE.ndjson makes records of them";
const COMMA_PAIRS_HINT: &str = "mlr -S --idkvp --ojsonl cat {file} > FILE.ndjson makes records of them";
const LINE_PAIRS_HINT: &str = "mlr -S --ixtab --ojsonl cat {file} > FILE.ndjson makes records of them";
const YAML: &str = "YAML";
const YAML_HINT: &str = "yq -o json . {file} > FILE.json makes JSON of it";
const UNICODE: &str = "text with the signs \u{241f} and \u{241e} between fields and records";
const UNICODE_HINT: &str = "mlr -S --iusv --ojsonl cat {file} > FILE.ndjson makes records of it";

/// Lines that are looked through for names: those of a first record with some columns of its own.
const HEADS: usize = 40;

/// Says what the start of a text is, if it was printed for people.
pub(super) fn told(text: &[u8], map: &[(String, String)]) -> Option<Told> {
    let text = text.get(..text.len().min(16 * 1024))?;
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let (first, second) = (lines.next()?.trim_start(), lines.next().unwrap_or_default().trim_start());
    let starts = ["+-", "\u{250c}", "\u{250f}", "\u{256d}", "-[ RECORD ", "*************************** 1. row"];
    let is_rule = |line: &str| {
        let is_drawn = line.contains("--") || (line.starts_with('|') && line.contains('-'));
        is_drawn && line.chars().all(|c| matches!(c, '-' | '+' | '|' | ':' | ' '))
    };
    let is_vertical = first == "Row 1:" && second.starts_with('\u{2500}');
    if is_vertical || starts.iter().any(|start| first.starts_with(start)) || is_rule(second) {
        return Some((PRINTED, PRINTED_HINT));
    }
    if first.starts_with("('") || first.starts_with("(NULL,") {
        return Some((
            "a list of values in SQL",
            "run it in a database, and export the table as CSV or Parquet from there",
        ));
    }
    // Values may hold the separator; what names a column behind it is a key.
    let keys = |separator: char| -> Option<Vec<&str>> {
        let mut pairs = first.strip_prefix("tskv\t").unwrap_or(first).split(separator).peekable();
        pairs.peek().filter(|pair| pair.contains('='))?;
        Some(pairs.filter_map(|pair| Some(pair.split_once('=')?.0)).collect())
    };
    let is_named =
        |key: &&str| !matches!(match_header(key, map), Ok((HeaderMatch::Unknown | HeaderMatch::LeftOut, _)) | Err(_));
    let names = |separator| keys(separator).is_some_and(|keys| keys.len() > 1 && name_columns(&keys, map));
    // A name and its value in each line: with spaces (Miller), `=` (SQLite) or `|` (psql) between them.
    let heads: Vec<&str> = text.lines().take(HEADS).map(str::trim_start).collect();
    let in_lines = |separator: &str| {
        let keys: Vec<&str> = heads.iter().filter_map(|line| Some(line.split_once(separator)?.0.trim_end())).collect();
        keys.first().is_some_and(is_named) && name_required(&keys, map)
    };
    // One key a line, and the first of each record behind a dash.
    let is_yaml = || {
        let plain = heads.iter().map(|line| line.strip_prefix("- ").unwrap_or(line).trim_start());
        let keys: Vec<&str> = plain.filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        keys.first().is_some_and(is_named) && name_required(&keys, map)
    };
    let words: Vec<&str> = first.split_whitespace().collect();
    match () {
        () if first.contains('\u{241f}') => Some((UNICODE, UNICODE_HINT)),
        () if names('\t') => Some((PAIRS, TAB_PAIRS_HINT)),
        () if names(',') => Some((PAIRS, COMMA_PAIRS_HINT)),
        () if is_yaml() => Some((YAML, YAML_HINT)),
        () if in_lines(" = ") || in_lines("|") => Some((PRINTED, PRINTED_HINT)),
        () if in_lines(" ") => Some((PAIRS, LINE_PAIRS_HINT)),
        // Columns that are filled up with blanks.
        () if first.contains("  ") && !first.contains([',', ';', '\t', '|']) && name_required(&words, map) => {
            Some((PRINTED, PRINTED_HINT))
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_print_is_told_and_delimited_text_is_not() {
        for printed in [
            "+------------+------------+\n| session_id | started_at |\n+------------+------------+\n",
            "\u{250c}\u{2500}session_id\u{2500}\u{252c}\n",
            " session_id |  started_at \n------------+-------------\n s1 | x\n",
            "| session_id | started_at |\n|:-|:-|\n| s1 | 2026 |\n",
            "session_id  started_at\n----------  ----------\ns1  2026\n",
            "Row 1:\n\u{2500}\u{2500}\u{2500}\nsession_id: s1\n",
            "*************************** 1. row ***************************\nsession_id: s1\n",
            "-[ RECORD 1 ]\nsession_id | s1\n",
            "   session_id = s1\n   started_at = 2026-11-20\n\n",
            "data|\nsession_id|s1\nstarted_at|2026-11-20\n",
            "session_id   started_at data\ns1           2026-11-20 {}\n",
        ] {
            assert_eq!(told(printed.as_bytes(), &[]).map(|it| it.0), Some(PRINTED), "{printed}");
        }
        for (pairs, hint) in [
            ("session_id=s1\tstarted_at=2026-11-20\n", TAB_PAIRS_HINT),
            ("tskv\tsession_id=s1\tstarted_at=2026-11-20\n", TAB_PAIRS_HINT),
            ("session_id=s1,started_at=2026-11-20\n", COMMA_PAIRS_HINT),
            ("data={\"a\":1,\"b\":\"x,y\"},session_id=s1,started_at=2026-11-20\n", COMMA_PAIRS_HINT),
            ("session_id s1\ndata       {}\nstarted_at 2026-11-20\n", LINE_PAIRS_HINT),
            ("session_id\u{241f}started_at\u{241e}", UNICODE_HINT),
            ("- session_id: s1\n  started_at: 2026-11-20\n", YAML_HINT),
            ("---\n-\n  session_id: s1\n  started_at: 2026-11-20\n", YAML_HINT),
        ] {
            assert_eq!(told(pairs.as_bytes(), &[]).map(|it| it.1), Some(hint), "{pairs}");
        }
        for text in [
            "Session Id,Started At\ns1,2026-11-20\n",
            "session_id|started_at\ns1|2026-11-20\n",
            "session_id started_at\ns1 2026-11-20\n",
            "Session Id|Started At\nsession_id|started_at\n",
            "session_id,  started_at\n",
            "session_id\n-\n",
            "a=b,c=d\n",
            "session_id,a=b\n",
            "",
            "--\n",
        ] {
            assert_eq!(told(text.as_bytes(), &[]), None, "{text}");
        }
        assert!(told(b"('s1','2026'),\n", &[]).is_some());
    }
}
