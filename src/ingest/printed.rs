//! Tells tables that clients print for people, and pairs of keys and values, from delimited text.
//!
//! Their values are padded or cut, and an empty text is the same as none, so that they are not read; what makes the client write a table
//! that is, is named.

use super::lists::name_columns;

/// What a text is, and what helps; `{file}` stands for its name.
type Told = (&'static str, &'static str);

const PRINTED: &str = "a table that a client printed for people";
const PRINTED_HINT: &str = "values in it may be cut, and an empty text looks like none: let the client write CSV, as with psql --csv, sqlite3 -header -csv, \
                            mariadb --batch, duckdb -csv, FORMAT CSVWithNames of ClickHouse or sqlcmd -W -s,";
const PAIRS: &str = "text of keys with their values";
const TAB_PAIRS_HINT: &str = "mlr -S --idkvp --ifs tab --ojsonl cat {file} > FILE.ndjson makes records of them";
const COMMA_PAIRS_HINT: &str = "mlr -S --idkvp --ojsonl cat {file} > FILE.ndjson makes records of them";

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
    let keys = |separator: char| -> Option<Vec<&str>> {
        let pairs = first.strip_prefix("tskv\t").unwrap_or(first).split(separator);
        pairs.map(|pair| Some(pair.split_once('=')?.0)).collect()
    };
    let names = |separator| keys(separator).is_some_and(|keys| keys.len() > 1 && name_columns(&keys, map));
    match () {
        () if names('\t') => Some((PAIRS, TAB_PAIRS_HINT)),
        () if names(',') => Some((PAIRS, COMMA_PAIRS_HINT)),
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
        ] {
            assert_eq!(told(printed.as_bytes(), &[]).map(|it| it.0), Some(PRINTED), "{printed}");
        }
        for (pairs, hint) in [
            ("session_id=s1\tstarted_at=2026-11-20\n", TAB_PAIRS_HINT),
            ("tskv\tsession_id=s1\tstarted_at=2026-11-20\n", TAB_PAIRS_HINT),
            ("session_id=s1,started_at=2026-11-20\n", COMMA_PAIRS_HINT),
        ] {
            assert_eq!(told(pairs.as_bytes(), &[]).map(|it| it.1), Some(hint), "{pairs}");
        }
        for text in [
            "Session Id,Started At\ns1,2026-11-20\n",
            "session_id|started_at\ns1|2026-11-20\n",
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
