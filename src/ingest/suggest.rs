//! Finds flags that read a file better, by trying them.

use std::collections::BTreeSet;

use super::dates::DateFormat;
use super::detect::begins_row;
use super::dialect::{DELIMITERS, Declared, Escape};
use super::formats::{Encoding, InputFormat};
use super::guess;
use super::look::Look;
use super::printed;
use super::records_path::RecordsPath;
use super::signs::SignKind;
use super::source::ReadOptions;
use super::{Warning, day_of_date};
use crate::error::{Result, names_option};
use crate::zones::Tz;

/// Flags that are added at most; each has to help.
const ROUNDS: usize = 8;

/// Lines before a header that are looked for.
const LINES_BEFORE: u64 = 20;

/// Days that stand for no end.
const NO_ENDS: [&str; 4] = ["9999-12-31", "0001-01-01", "1900-01-01", "1970-01-01"];

/// Presets, each with what stands in no file of another dialect.
const PRESETS: [(&str, &[u8]); 15] = [
    ("postgres-text", b"\\"),
    ("mysql", b"\\"),
    ("spark", b"\\\""),
    ("mysql-csv", b"\\\""),
    ("snowflake", b"\\,"),
    ("redshift-escape", b"\\|"),
    ("sqlite-quote", b"',"),
    ("sqlite-tcl", b"\" \""),
    ("clickhouse-csv", b"\\N"),
    ("excel-de", b";"),
    ("excel-ch", b";"),
    ("excel-se", b";"),
    ("excel-us", b"/"),
    ("excel-gb", b"/"),
    ("excel-jp", b"/"),
];

/// What was found.
pub(super) struct Tried {
    /// The options with what helped.
    pub(super) options: ReadOptions,
    /// What helped: names of options in brackets, each before its value.
    pub(super) flags: Vec<Vec<String>>,
    /// What cannot be told.
    pub(super) doubts: Vec<String>,
}

/// How badly a file is read: refused, records unread, marks of another dialect, odd values, headers that are nearly those of columns. Less is better, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Score(bool, u64, u64, u64, u64);

impl Score {
    fn of(look: &Look) -> Self {
        let count = |kinds: &[Warning]| kinds.iter().filter_map(|kind| look.warnings.get(kind)).sum();
        let marks: u64 = count(&[Warning::NullMark, Warning::BackslashEscape, Warning::DayNumber]);
        let odd: u64 = count(&[
            Warning::ImplausibleTime,
            Warning::EndedBeforeStarted,
            Warning::TimeInWorkflowOff,
            Warning::InvalidJson,
        ]);
        let separators = look.signs.keys().filter(|sign| sign.kind == SignKind::Separator).count() as u64;
        Self(look.refused.is_some(), look.distance, marks + separators, odd, guess::count_nearly(look))
    }
}

/// Returns whether nothing is wrong that a flag might help.
pub(super) fn is_clean(look: &Look) -> bool {
    Score::of(look) == Score::default()
}

/// Tries one flag after the other on what `look` reads, and keeps those that help.
///
/// # Errors
/// What reading the file gives.
pub(super) fn suggest(
    mut now: Look,
    options: &ReadOptions,
    start: &[u8],
    look: impl Fn(&ReadOptions) -> Result<Look>,
) -> Result<Tried> {
    let mut tried = Tried { options: options.clone(), flags: Vec::new(), doubts: Vec::new() };
    for _ in 0..ROUNDS {
        let score = Score::of(&now);
        if score == Score::default() {
            break;
        }
        let mut next: Option<((Score, u64), Candidate, Look)> = None;
        let mut equal = Vec::new();
        for candidate in candidates(&now, &tried.options, start) {
            let then = look(&candidate.options)?;
            let reached = Score::of(&then);
            // Of two that leave nothing unread the one that reads more records counts.
            let rank = (reached, u64::MAX - (then.rows - then.bad));
            // A flag that reads fewer records hides some.
            let loses = !score.0 && then.rows - then.bad < now.rows - now.bad;
            match &next {
                _ if loses || reached >= score => {}
                Some((least, ..)) if rank > *least => {}
                Some((least, ..)) if rank == *least => equal.push((candidate, then)),
                _ => {
                    equal.clear();
                    next = Some((rank, candidate, then));
                }
            }
        }
        let Some((_, candidate, then)) = next else { break };
        if let Some((other, _)) = equal.iter().find(|(_, other)| other.first != then.first) {
            let (flag, other) = (candidate.flag.join(" "), other.flag.join(" "));
            tried.doubts.push(format!(
                "{other} reads as many records as {flag}, with other values: the file does not tell which is right"
            ));
        }
        if candidate.options.encoding != tried.options.encoding && candidate.options.encoding == Encoding::Cp1252 {
            let doubt = "cp1252 makes a letter of nearly any byte: the values show whether it is right";
            tried.doubts.push(doubt.to_owned());
        }
        tried.doubts.extend(candidate.doubt.map(str::to_owned));
        tried.flags.push(candidate.flag);
        tried.options = candidate.options;
        now = then;
    }
    Ok(tried)
}

/// A flag that may help, and the options with it.
struct Candidate {
    flag: Vec<String>,
    options: ReadOptions,
    /// What a person has to know of it.
    doubt: Option<&'static str>,
}

/// Collects candidates.
struct Candidates<'o> {
    options: &'o ReadOptions,
    list: Vec<Candidate>,
}

impl Candidates<'_> {
    fn offer(&mut self, flag: &[&str], change: impl FnOnce(&mut ReadOptions)) {
        let mut options = self.options.clone();
        change(&mut options);
        let flag = flag.iter().map(|word| (*word).to_owned()).collect();
        self.list.push(Candidate { flag, options, doubt: None });
    }

    /// As [`Self::offer`], of a flag that is guessed.
    fn offer_doubtful(&mut self, flag: &[&str], doubt: &'static str, change: impl FnOnce(&mut ReadOptions)) {
        self.offer(flag, change);
        if let Some(last) = self.list.last_mut() {
            last.doubt = Some(doubt);
        }
    }
}

fn candidates(look: &Look, options: &ReadOptions, start: &[u8]) -> Vec<Candidate> {
    let mut list = Candidates { options, list: Vec::new() };
    let holds = |part: &[u8]| memchr::memmem::find(start, part).is_some();
    if options.encoding == Encoding::Utf8 {
        if start.contains(&0) {
            list.offer(&["⟨encoding⟩", "utf-16"], |options| options.encoding = Encoding::Utf16);
        }
        // A character that the end of what is at hand cuts is none that is wrong.
        let is_utf_8 = std::str::from_utf8(start).map_or_else(|error| error.error_len().is_none(), |_| true);
        if !is_utf_8 {
            list.offer(&["⟨encoding⟩", "cp1252"], |options| options.encoding = Encoding::Cp1252);
        }
    }
    offer_hinted(look, &mut list);
    offer_names(look, options, start, &mut list);
    offer_dates(look, &mut list);
    if look.warnings.contains_key(&Warning::ImplausibleTime) {
        for day in NO_ENDS {
            if let Some(number) = day_of_date(day).filter(|number| !options.no_end_days.contains(number)) {
                list.offer(&["⟨no-end⟩", day], |options| options.no_end_days.push(number));
            }
        }
    }
    let has_numbers = look.signs.keys().any(|sign| sign.kind == SignKind::Number);
    if has_numbers && !options.declared.decimal_comma && options.declared.thousands.is_none() {
        list.offer(&["⟨decimal-mark⟩", ","], |options| options.declared.decimal_comma = true);
        for (name, mark) in [(",", ','), ("'", '\''), (" ", ' ')] {
            list.offer(&["⟨thousands-mark⟩", name], |options| options.declared.thousands = Some(mark));
        }
    } else if has_numbers && options.declared.decimal_comma {
        list.offer(&["⟨decimal-mark⟩", "."], |options| options.declared.decimal_comma = false);
    }
    let undeclared: Vec<&String> = look.marks.keys().filter(|mark| !options.declared.nulls.contains(mark)).collect();
    if !undeclared.is_empty() {
        let flag: Vec<&str> = undeclared.iter().flat_map(|mark| ["⟨null-mark⟩", mark]).collect();
        list.offer(&flag, |options| options.declared.nulls.extend(undeclared.iter().map(|mark| (*mark).clone())));
    }
    let may_be_delimited =
        matches!(look.format, None | Some(InputFormat::Csv | InputFormat::Tsv)) && !begins_json(start);
    // With a delimiter declared a table for people would be read, padding and all.
    if may_be_delimited && printed::told(start, &options.header_map).is_none() {
        offer_dialects(look, options, &holds, &mut list);
    }
    list.list
}

/// Returns whether a text begins as JSON does: with a dialect a list of names in it would be taken for a header.
fn begins_json(start: &[u8]) -> bool {
    if begins_row(start) {
        return false;
    }
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    matches!(start, [b'{', rest @ ..] if matches!(rest.trim_ascii_start().first(), Some(b'"' | b'}')))
        || matches!(start, [b'[', rest @ ..] if matches!(rest.trim_ascii_start().first(), Some(b'{' | b'[' | b'"')))
}

/// Offers what the hint of a refused file names.
fn offer_hinted(look: &Look, list: &mut Candidates<'_>) {
    let Some((_, Some(hint))) = &look.refused else { return };
    let word_behind = |flag: &str| -> Option<String> {
        let rest = hint.split_once(flag)?.1.trim_start();
        match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').map(|(word, _)| word.to_owned()),
            None => Some(rest.split([' ', ',', ';', ')']).next()?.to_owned()),
        }
    };
    if let Some(path) = word_behind("⟨records⟩ ")
        && let Ok(records) = RecordsPath::parse(&path)
    {
        list.offer(&["⟨records⟩", &path], |options| options.records = Some(records));
    }
    if let Some(name) = word_behind("⟨input-format⟩ ") {
        let format = match name.as_str() {
            "ndjson" => InputFormat::Ndjson,
            "json" => InputFormat::JsonArray,
            "pages" => InputFormat::Pages,
            "csv" => InputFormat::Csv,
            _ => return,
        };
        list.offer(&["⟨input-format⟩", &name], |options| options.format = Some(format));
    }
}

/// Offers what names columns: headers that are nearly their names, and names for records without headers.
fn offer_names(look: &Look, options: &ReadOptions, start: &[u8], list: &mut Candidates<'_>) {
    let near = guess::nearly(&look.headers);
    if !near.is_empty() {
        let maps: Vec<String> = near.iter().map(|(header, column)| format!("{header}={column}")).collect();
        let flag: Vec<&str> = maps.iter().flat_map(|map| ["⟨map⟩", map]).collect();
        let change = |options: &mut ReadOptions| {
            options.header_map.extend(near.iter().map(|(header, column)| (header.clone(), (*column).to_owned())));
        };
        list.offer_doubtful(&flag, guess::NEARLY, change);
    }
    let wants_names =
        look.refused.as_ref().is_some_and(|(_, hint)| names_option(hint.as_deref().unwrap_or(""), "columns"));
    if !wants_names || !options.declared.columns.is_empty() {
        return;
    }
    if begins_json(start) {
        if let Some(names) = guess::columns(&guess::json_records(start)) {
            let joined = names.join(",");
            list.offer_doubtful(&["⟨columns⟩", &joined], guess::DOUBT, |options| options.declared.columns = names);
        }
        return;
    }
    for (word, byte) in [(",", b','), ("tab", b'\t'), (";", b';'), ("|", b'|')] {
        let delimiter = options.declared.delimiter;
        let names = guess::columns(&guess::records(start, delimiter.unwrap_or(byte)));
        let Some(names) = names.filter(|_| delimiter.is_none_or(|known| known == byte)) else { continue };
        let joined = names.join(",");
        let mut flag = vec!["⟨columns⟩", joined.as_str()];
        // Without a header nothing else tells it.
        if delimiter.is_none() && byte != b',' {
            flag.extend(["⟨delimiter⟩", word]);
        }
        list.offer_doubtful(&flag, guess::DOUBT, |options| {
            options.declared.columns = names.clone();
            options.declared.delimiter = Some(byte);
        });
        for name in ["postgres-text", "mysql", "clickhouse-csv", "mysql-csv", "spark", "redshift", "snowflake"] {
            let preset = Declared::preset(name).filter(|(preset, _)| preset.delimiter == Some(byte));
            let Some((preset, format)) = preset.filter(|_| options.declared.is_default()) else { continue };
            list.offer_doubtful(&["⟨dialect⟩", name, "⟨columns⟩", &joined], guess::DOUBT, |options| {
                options.declared = Declared { columns: names.clone(), ..preset };
                options.dialect = Some((name.to_owned(), format));
            });
        }
    }
}

/// Offers the formats of dates that are known to read one of them.
fn offer_dates(look: &Look, list: &mut Candidates<'_>) {
    let mut names = BTreeSet::new();
    for sign in look.signs.keys().filter(|sign| sign.kind == SignKind::Date) {
        if let Some((format, zones)) = sign.flag.split_once("⟨time-zone⟩ ") {
            offer_zones(format.trim_ascii_end().trim_start_matches("⟨date-format⟩ "), zones, list);
            continue;
        }
        let (formats, _) = sign.flag.split_once(" ⟨decimal-mark⟩").unwrap_or((&sign.flag, ""));
        let formats = formats.trim_start_matches("⟨date-format⟩ ").split(" or ");
        names.extend(formats.map(|name| name.trim_matches('\'').to_owned()));
    }
    if look.warnings.contains_key(&Warning::DayNumber) {
        names.extend(["excel-serial", "julian"].map(str::to_owned));
    }
    for name in names {
        if let Ok(dates) = DateFormat::parse(&name) {
            list.offer(&["⟨date-format⟩", &name], |options| options.declared.dates = dates);
        }
    }
}

/// Offers the zones whose clocks show a time by the abbreviation that stands in the file, with the format of dates that it takes.
fn offer_zones(format: &str, zones: &str, list: &mut Candidates<'_>) {
    let format = format.trim_matches('\'');
    let dates = DateFormat::parse(format).ok();
    for name in zones.split(" or ") {
        let Some(zone) = Tz::named(name) else { continue };
        let flag = ["⟨date-format⟩", format, "⟨time-zone⟩", name];
        let flag = if dates.is_some() { &flag[..] } else { flag.get(2..).unwrap_or_default() };
        list.offer_doubtful(flag, ZONE_DOUBT, |options| {
            options.time_zone = zone;
            options.declared.dates = dates.clone().unwrap_or_else(|| options.declared.dates.clone());
        });
    }
}

/// Says what a person has to know of a zone that was found by an abbreviation.
const ZONE_DOUBT: &str = "several zones have the abbreviation that stands beside times: ⟨time-zone⟩ is right where the times are of that one";

/// Offers dialects of delimited text, part by part and by name. What was declared is not undone.
fn offer_dialects(look: &Look, options: &ReadOptions, holds: &dyn Fn(&[u8]) -> bool, list: &mut Candidates<'_>) {
    let declared = &options.declared;
    if declared.delimiter.is_none() && look.refused.is_some() {
        for (name, byte) in DELIMITERS {
            list.offer(&["⟨delimiter⟩", name], |options| options.declared.delimiter = Some(byte));
        }
    }
    if !look.has_quotes && declared.quote == b'"' && holds(b"'") {
        list.offer(&["⟨quote⟩", "'"], |options| options.declared.quote = b'\'');
    }
    if declared.comment.is_none() && holds(b"#") {
        list.offer(&["⟨comment⟩", "#"], |options| options.declared.comment = Some(b'#'));
    }
    let contradicts = look.signs.keys().any(|sign| sign.kind == SignKind::Separator);
    if declared.skip_lines == 0 && (look.refused.is_some() || contradicts) {
        for lines in 1..=LINES_BEFORE {
            list.offer(&["⟨skip-lines⟩", &lines.to_string()], |options| options.declared.skip_lines = lines);
        }
    }
    if declared.is_default() {
        for (name, sign) in PRESETS {
            if let Some((preset, format)) = Declared::preset(name).filter(|_| holds(sign)) {
                list.offer(&["⟨dialect⟩", name], |options| {
                    options.declared = preset;
                    options.dialect = Some((name.to_owned(), format));
                });
            }
        }
    }
    if declared.escape != Escape::Doubled {
        return;
    }
    if look.signs.keys().any(|sign| sign.kind == SignKind::Backslash) {
        list.offer(&["⟨escape⟩", "backslash"], |options| options.declared.escape = Escape::BackslashQuoted);
    }
    if !look.warnings.contains_key(&Warning::BackslashEscape) {
        return;
    }
    // Escapes, or raw text as of `mariadb --batch --raw`. The marks of null go with either, or the dialect that has them would be nearer.
    let marks: Vec<&String> = look.marks.keys().filter(|mark| !declared.nulls.contains(mark)).collect();
    for (flag, escape) in [
        (&["⟨escape⟩", "backslash", "⟨quote⟩", "none"][..], Escape::Backslash),
        (&["⟨quote⟩", "none"][..], Escape::Nothing),
    ] {
        let nulls = marks.iter().flat_map(|mark| ["⟨null-mark⟩", mark]);
        let flag: Vec<&str> = flag.iter().copied().chain(nulls).collect();
        list.offer(&flag, |options| {
            options.declared.escape = escape;
            options.declared.nulls.extend(marks.iter().map(|mark| (*mark).clone()));
        });
    }
}
