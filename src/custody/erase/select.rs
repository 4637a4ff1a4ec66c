//! Which sessions are erased: by id, phone number, e-mail address, condition or start.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, Schema, TimestampMicrosecondType};
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use futures::StreamExt;
use regex::Regex;

use super::{Chosen, EraseOptions};
use crate::engine::{At, Engine};
use crate::error::{Error, Result};
use crate::ingest::{Limits, session_hash};
use crate::lake::read::read_rows;
use crate::lake::{DataFile, Lake, Table};
use crate::schema::{self, CONTENT_HASH};

/// The columns whose texts may hold numbers and addresses.
const TEXTS: [&str; 4] = ["data", "source_details", "action_data", "_extra"];
/// Digits that a number has at least, so that it is looked for inside of texts.
const LEAST_DIGITS: usize = 6;

/// Which sessions are erased: all that one of these finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those with these ids.
    pub session_ids: Vec<String>,
    /// Those with these phone numbers, however they are written.
    pub phones: Vec<String>,
    /// Those whose texts hold these e-mail addresses.
    pub emails: Vec<String>,
    /// Those that a condition of SQL holds for.
    pub conditions: Vec<String>,
    /// Those that started before.
    pub before: Option<DateTime<Utc>>,
    /// Whether numbers are looked for inside of JSON texts too.
    pub anywhere: bool,
}

impl Selection {
    /// Says whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.session_ids, &self.phones, &self.emails, &self.conditions];
        lists.iter().all(|list| list.is_empty()) && self.before.is_none()
    }

    /// Counts what is asked for.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let lists = [
            ("session_ids", self.session_ids.len()),
            ("phones", self.phones.len()),
            ("emails", self.emails.len()),
            ("conditions", self.conditions.len()),
            ("before", usize::from(self.before.is_some())),
        ];
        lists.iter().filter(|(_, count)| *count > 0).map(|(name, count)| ((*name).to_owned(), *count as u64)).collect()
    }

    /// Writes the condition of all sessions that are chosen. `numbers` are the digits of the phone numbers, with the country's code if known.
    fn condition(&self, numbers: &[String]) -> String {
        let mut parts: Vec<String> = Vec::new();
        if !self.session_ids.is_empty() {
            let ids: Vec<String> = self.session_ids.iter().map(|id| quoted(id)).collect();
            parts.push(format!("session_id in ({})", ids.join(", ")));
        }
        const NUMBER: &str = "source_details_phone_number";
        for phone in &self.phones {
            parts.push(format!("{NUMBER} = {}", quoted(phone)));
            parts.push(format!("phone_e164({NUMBER}) = phone_e164({})", quoted(phone)));
        }
        for digits in numbers {
            parts.push(format!("regexp_replace({NUMBER}, '[^0-9]', '', 'g') = {}", quoted(digits)));
        }
        for pattern in self.patterns(numbers) {
            for text in TEXTS {
                parts.push(format!("regexp_like({text}, {})", quoted(&pattern)));
            }
        }
        // A comment may end a condition that somebody wrote.
        parts.extend(self.conditions.iter().map(|condition| format!("(\n{condition}\n)")));
        if let Some(before) = self.before {
            parts.push(format!("started_at < '{}'", before.format("%Y-%m-%dT%H:%M:%S%.6fZ")));
        }
        // What one part does not know, another may.
        parts.join(" or ")
    }

    /// Returns the patterns of numbers and addresses inside of texts.
    pub(super) fn patterns(&self, numbers: &[String]) -> Vec<String> {
        let mut patterns: Vec<String> = self.emails.iter().map(|email| email_pattern(email)).collect();
        if self.anywhere {
            patterns.extend(
                numbers.iter().filter(|digits| digits.len() >= LEAST_DIGITS).map(|digits| number_pattern(digits)),
            );
        }
        patterns
    }

    /// Returns the patterns of whatever is in the record of a session that is chosen, whether or not the lake has the session.
    pub(super) fn record_patterns(&self, numbers: &[String]) -> Result<Vec<Regex>> {
        let everywhere = Self { anywhere: true, ..self.clone() };
        let patterns = everywhere.patterns(numbers);
        patterns.iter().map(|pattern| Regex::new(pattern).map_err(Error::internal)).collect()
    }
}

/// The pattern of a character of JSON text: itself, or its escape, of a letter in both cases.
fn character(c: char) -> String {
    let escape =
        |c: char| -> String { c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\\\+u{unit:04x}")).collect() };
    let other = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    format!("(?:{}|(?i:{}|{}))", regex::escape(&c.to_string()), escape(c), escape(other))
}

/// The pattern of what stands before a number or an address, or behind it: an end of the text, a character that is none of these, or the escape of
/// one that is no letter and no digit of ASCII.
fn edge(ends: char, none_of: &str) -> String {
    let escaped = r"\\u(?i:[1-9a-f][0-9a-f]{3}|0[1-9a-f][0-9a-f]{2}|00[0189a-f][0-9a-f]|002[0-9a-f]|003[a-f]|00[46]0|00[57][b-f])";
    // What a backslash begins may be the escape of a digit.
    format!("(?:{ends}|[^\\\\{none_of}]|\\\\[^u]|{escaped})")
}

/// The pattern of all that stands before a number. The text is gone through from its start, escape by escape, for the digits that an escape ends with
/// are none of the text: `\u00e9493012345` has no 9 before the 4. JSON inside of JSON has several backslashes where one is meant, and text that is no JSON
/// half an escape, or a backslash before a digit.
fn before_number() -> String {
    let hex = "[0-9A-Fa-f]";
    let half = format!(r"(?:\\+u{hex}{{0,3}})+");
    let any = format!(r"[^\\]|\\+[^u\\]|\\+u{hex}{{4}}|{half}(?:[^0-9A-Fa-f\\]|\\+[^u\\]|\\+u{hex}{{4}})");
    let escaped = r"\\+u(?i:[1-9a-f][0-9a-f]{3}|0[1-9a-f][0-9a-f]{2}|00[0-24-9a-f][0-9a-f]|003[a-f])";
    let no_digit = format!(r"[^\\0-9]|\\+[^u0-9\\]?|{escaped}|{half}(?:[^0-9A-Fa-f\\]|\\+[^u0-9\\]|{escaped})");
    format!("^(?:(?:{any})*?(?:{no_digit}))?")
}

/// The pattern of what stands behind a number.
fn behind_number() -> String {
    let escaped = r"\\+u(?i:[1-9a-f][0-9a-f]{3}|0[1-9a-f][0-9a-f]{2}|00[0-24-9a-f][0-9a-f]|003[a-f]|[0-9a-f]{0,3}(?:[^0-9a-f]|$))";
    format!(r"(?:$|[^\\0-9]|\\+(?:[^u\\]|$)|{escaped})")
}

/// The pattern of an address in any case, which is no part of a longer one.
fn email_pattern(email: &str) -> String {
    let address: String = email.trim().chars().map(character).collect();
    format!("(?i){}{address}{}", edge('^', "a-z0-9._%+-"), edge('$', "a-z0-9-"))
}

/// The pattern of a number: its digits, with what people write in between, which is no part of a longer number.
fn number_pattern(digits: &str) -> String {
    let digits: Vec<String> = digits.chars().map(character).collect();
    let between = r#"(?:[^0-9A-Za-z"\\]|\\[/t]|\\u(?i:002[0-9a-f]|003a|00a0|2010|2011|2013)){0,3}"#;
    let (zero, one) = (character('0'), character('1'));
    let (before, number, behind) = (before_number(), digits.join(between), behind_number());
    format!("{before}(?:{zero}{zero}|{zero}{one}{one})?{number}{behind}")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the digits of phone numbers: with the country's code where it is known, and as they were given.
async fn digits(engine: &Engine, phones: &[String]) -> Result<Vec<String>> {
    let mut numbers = Vec::new();
    for phone in phones {
        let sql = format!("select phone_e164({})", quoted(phone));
        let mut spellings = vec![phone.clone()];
        for batch in engine.context().sql(&sql).await?.collect().await? {
            let column = cast(batch.column(0), &DataType::Utf8View)?;
            spellings.extend(column.as_string_view().iter().flatten().map(str::to_owned));
        }
        numbers.extend(spellings.iter().map(|text| text.chars().filter(char::is_ascii_digit).collect::<String>()));
    }
    numbers.retain(|digits| !digits.is_empty());
    numbers.sort();
    numbers.dedup();
    Ok(numbers)
}

/// Returns what the digits of the phone numbers are that are chosen by.
pub(super) async fn numbers(options: &EraseOptions) -> Result<Vec<String>> {
    if options.selection.phones.is_empty() {
        return Ok(Vec::new());
    }
    let engine = Engine::new(options.engine.clone())?;
    digits(&engine, &options.selection.phones).await
}

/// Finds the sessions in the loaded version of the table.
pub(super) async fn choose(lake: &Lake, table: &Table, options: &EraseOptions) -> Result<Chosen> {
    let engine = Engine::new(options.engine.clone())?;
    engine.attach(lake, At::Version(table.version())).await?;
    let numbers = digits(&engine, &options.selection.phones).await?;
    let condition = options.selection.condition(&numbers);
    let sql = format!("select session_id, started_at, {CONTENT_HASH} from stored_sessions where {condition}");
    // A range that nothing is in, until a session is found.
    let mut chosen = Chosen { starts: Some((i64::MAX, i64::MIN)), ..Chosen::default() };
    // Ids that are asked for count whether or not the lake has them yet.
    options.selection.session_ids.iter().for_each(|id| chosen.take_id(id));
    let planned = match engine.context().sql(&sql).await {
        Ok(rows) => rows.execute_stream().await,
        Err(error) => Err(error),
    };
    let mut rows = planned.map_err(|error| match options.selection.conditions.is_empty() {
        true => Error::from(error),
        false => Error::usage(format!("⟨where⟩: {}", error.strip_backtrace().lines().next().unwrap_or_default()))
            .with_hint("write a condition on the columns of stored_sessions, such as workflow_id = 'pilot'"),
    })?;
    let mut has_unknown_start = false;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let ids = cast(batch.column(0), &DataType::Utf8View)?;
        ids.as_string_view().iter().flatten().for_each(|id| chosen.take_id(id));
        let starts = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        has_unknown_start |= starts.null_count() > 0;
        for start in starts.iter().flatten() {
            chosen.starts = chosen.starts.map(|(first, last)| (first.min(start), last.max(start)));
        }
        chosen.contents.extend(batch.column(2).as_primitive::<Int64Type>().iter().flatten());
    }
    if has_unknown_start {
        chosen.starts = None;
    }
    Ok(chosen)
}

impl Chosen {
    fn take_id(&mut self, id: &str) {
        self.sessions.insert(session_hash(id));
        if !id.bytes().all(is_of_token) {
            self.odd_ids.push(id.to_owned());
        }
    }

    /// Says whether a file may hold a session, by its starts.
    pub(super) fn may_be_in(&self, file: &DataFile) -> bool {
        let Some((first, last)) = self.starts else { return true };
        let Some(starts) = file.columns.get("started_at") else { return true };
        let micros = |value: Option<ScalarValue>| match value {
            Some(ScalarValue::TimestampMicrosecond(us, _)) => us,
            _ => None,
        };
        micros(starts.lower_bound()).is_none_or(|least| least <= last)
            && micros(starts.upper_bound()).is_none_or(|greatest| greatest >= first)
    }

    /// Says whether a record has the id of a session.
    pub(super) fn is_named_in(&self, record: &[u8]) -> bool {
        let has = |token: &[u8]| {
            std::str::from_utf8(token)
                .is_ok_and(|token| !token.is_empty() && self.sessions.contains(&session_hash(token)))
        };
        // Ids end at what no id has, or what hardly one has.
        record.split(|byte| !is_of_token(*byte)).any(has)
            || record.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-' && *byte != b'_').any(has)
            || self.odd_ids.iter().any(|id| memchr::memmem::find(record, id.as_bytes()).is_some())
    }
}

/// Says whether an id may have this byte and be told from what stands around it.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'@' | b'/')
}

/// Finds the rows of chosen sessions in a file.
pub(super) async fn rows_in(table: &Table, file: &DataFile, chosen: &Chosen, limits: &Limits) -> Result<Vec<u32>> {
    let stored = schema::stored_schema();
    let schema = Arc::new(Schema::new(vec![stored.field_with_name("session_id")?.clone()]));
    let mut batches = read_rows(table.store(), file, schema, &[]).await?;
    let (mut rows, mut first) = (Vec::new(), 0_u32);
    while let Some(batch) = batches.next().await {
        limits.check()?;
        let batch = batch?;
        for (row, id) in batch.column(0).as_string_view().iter().enumerate() {
            if id.is_some_and(|id| chosen.sessions.contains(&session_hash(id))) {
                rows.push(first + row as u32);
            }
        }
        first += batch.num_rows() as u32;
    }
    match file.rows {
        Some(rows) if rows != u64::from(first) => {
            Err(Error::storage(file.path.clone(), format!("the file has {first} rows where the log says {rows}")))
        }
        _ => Ok(rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_as_people_write_them_and_not_inside_of_longer_ones() {
        let pattern = Regex::new(&number_pattern("493012345")).unwrap();
        for text in ["+493012345", "{\"n\":\"+49 30 12345\"}", "0049 (30) 123-45", "493012345", "tel:+49-30/12345;x"] {
            assert!(pattern.is_match(text), "{text}");
        }
        for text in [
            r#"{"n":"\u0034\u0039\u0033\u0030\u0031\u0032\u0033\u0034\u0035"}"#,
            r#"{"n":"\u002b49\u002030\/123\u00345"}"#,
            r#"{"n":"\u00fc493012345\u00fc","m":"\n493012345\n"}"#,
        ] {
            assert!(pattern.is_match(text), "{text}");
        }
        for text in [r"\u0031493012345", r"493012345\u0036", r"493\u006112345"] {
            assert!(!pattern.is_match(text), "{text}");
        }
        for text in [r"C:\users\493012345", r"\u00 493012345", r"\\493012345", r"cut \u00e9493012345", r"u493012345"] {
            assert!(pattern.is_match(text), "{text}");
        }
        // The last digits of an escape are no digits of the text.
        for (number, text) in [
            ("9493012345", r"caf\u00e9493012345"),
            ("11493012345", r"\u2011493012345"),
            ("31493012345", r"\u0031493012345"),
            ("52493012345", r"\\\u20ac\ud83d\ude52493012345"),
            ("31493012345", r#"{\"n\":\"\\u0031493012345\"}"#),
            ("493012345", r#"{\"n\":\"493012345\\u0036\"}"#),
        ] {
            assert!(!Regex::new(&number_pattern(number)).unwrap().is_match(text), "{number} in {text}");
        }
        for (number, text) in [
            ("1493012345", r"\u0031493012345"),
            ("31493012345", r"u0031493012345"),
            ("1493012345", r#"{\"n\":\"\\u0031493012345\"}"#),
            ("493012345", r#"{\"n\":\"\\u0034\\u00393012345\\u00e9\"}"#),
            ("493012345", r"\u00\u00 493012345"),
            ("493012345", "493012345\\"),
            ("493012345", r"493012345\u12"),
        ] {
            assert!(Regex::new(&number_pattern(number)).unwrap().is_match(text), "{number} in {text}");
        }
        for text in ["4930123456", "1493012345", "49301234", "49 30 \"12345\"", "49a3012345"] {
            assert!(!pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn addresses_are_found_in_any_case_and_not_inside_of_longer_ones() {
        let pattern = Regex::new(&email_pattern("Ann.Lee@example.org")).unwrap();
        for text in [
            "ann.lee@example.org",
            "<ANN.LEE@EXAMPLE.ORG>",
            "\"mail\":\"Ann.Lee@example.org\"",
            "to ann.lee@example.org.",
            r"\u0061nn.lee\u0040example\u002Eorg",
            r"to:\nann.lee@example.org\u00e9",
        ] {
            assert!(pattern.is_match(text), "{text}");
        }
        for text in ["joann.lee@example.org", "x+ann.lee@example.org", "ann.lee@example.orgs", "ann-lee@example.org"] {
            assert!(!pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn ids_are_found_in_records_of_any_format() {
        let mut chosen = Chosen::default();
        ["028d0111", "a:b/c", "with blank"].iter().for_each(|id| chosen.take_id(id));
        for record in ["x,028d0111,2026", "{\"id\":\"028d0111\"}", "028d0111.", "\ta:b/c\t", "id=with blank;"] {
            assert!(chosen.is_named_in(record.as_bytes()), "{record}");
        }
        for record in ["028d01110", "x028d0111", "a:b", "with", ""] {
            assert!(!chosen.is_named_in(record.as_bytes()), "{record}");
        }
    }

    #[test]
    fn a_condition_of_somebody_cannot_hide_the_others() {
        let selection = Selection {
            session_ids: vec!["o'neil".to_owned()],
            conditions: vec!["workflow_id = 'x' -- why".to_owned()],
            ..Selection::default()
        };
        let expected = "session_id in ('o''neil') or (\nworkflow_id = 'x' -- why\n)";
        assert_eq!(selection.condition(&[]), expected);
    }
}
