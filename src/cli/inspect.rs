//! `sessionlake inspect`: shows what an ingest would make of files, and the command that takes them in.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args as ClapArgs;
use sessionlake::Result;
use sessionlake::error::as_flags;
use sessionlake::format::OutputFormat;
use sessionlake::ingest::{self, Encoding, Inspection, Look, SourceFile};
use sessionlake::schema::{COLUMNS, EXPORTED_AT, Kind};
use sessionlake::zones::Tz;

use super::exit;
use super::ingest::ReadArgs;
use super::inputs::Inputs;
use super::printer::{OutputArgs, Printer, listing, print_text};
use super::profile::push_flag;
use super::shared::{Shared, parse_size};

/// Characters of a value that are shown.
const SHOWN_CHARS: usize = 60;

/// Bytes of each file that are looked at where nothing is said.
const FIRST_BYTES: u64 = 8_000_000;

/// Shows what an ingest would make of files: format, columns, times, what is odd, and the command that takes them in.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Flags that help are suggested, each tried on the file itself; an ingest takes none by itself.\n\n\
                        Examples:\n  sessionlake inspect export.csv\n  \
                        sessionlake inspect --time-zone Europe/Berlin --whole exports/"
)]
pub struct Args {
    /// Files, folders, patterns such as 'exports/*.csv.gz', or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<String>,
    /// Looks at whole files
    #[arg(long, conflicts_with = "first")]
    whole: bool,
    /// How much of each file is looked at, decompressed [default: 8MB]
    #[arg(long, value_name = "SIZE")]
    first: Option<String>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    /// Returns how exports are read.
    pub fn read_args(&mut self) -> &mut ReadArgs {
        &mut self.read
    }
}

/// Runs the command.
///
/// # Errors
/// Inputs that are not there or cannot be read.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let options = args.read.options(&settings)?;
    let bytes = match &args.first {
        Some(text) => parse_size("--first", text)?,
        None if args.whole => u64::MAX,
        None => FIRST_BYTES,
    };
    let given = [shared.given_words(), args.read.given.clone()].concat();
    let mut printer = Printer::new(&args.output, shared, &settings).await?;
    let mut code = exit::FINE;
    let Inputs { files, copies: _copies } = Inputs::find(&args.inputs, &settings).await?;
    for file in files {
        let found = ingest::inspect(&file, &options, bytes).await?;
        let look = &found.suggested;
        printer.print(&facts(&file, &found, settings.engine.time_zone)?)?;
        if !look.headers.is_empty() || !look.in_folders.is_empty() {
            printer.print(&columns(look, settings.engine.time_zone)?)?;
        }
        let odd = oddities(&found);
        if !odd.is_empty() {
            printer.print(&listing(&["records", "what is odd"], odd)?)?;
        }
        if look.refused.is_some() {
            code = exit::CHECK;
            continue;
        }
        let command = command(&given, &found, &file);
        if printer.format() == OutputFormat::Table && printer.is_stdout() {
            // A table narrows what a terminal has no room for, and this is to be pasted.
            print_text(&format!("\n{command}\n"))?;
        } else {
            printer.print(&listing(&["command"], [vec![command]])?)?;
        }
    }
    printer.commit().await?;
    Ok(code)
}

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 => "utf-8",
        Encoding::Utf16 => "utf-16",
        Encoding::Cp1252 => "cp1252",
    }
}

fn facts(file: &SourceFile, found: &Inspection, zone: Tz) -> Result<RecordBatch> {
    let look = &found.suggested;
    let mut rows = vec![vec!["file".to_owned(), file.name.clone()]];
    let mut say = |what: &str, value: String| rows.push(vec![what.to_owned(), value]);
    if look.format.is_some() {
        say("format", look.format_name.to_owned());
    }
    if let Some(packing) = found.packing {
        say("compressed by", packing.to_owned());
    }
    if look.is_text {
        say("encoding", encoding_name(found.encoding).to_owned());
    }
    if let Some(delimiter) = look.delimiter {
        say("delimiter", if delimiter == b'\t' { "tab".to_owned() } else { char::from(delimiter).to_string() });
    }
    if look.format.is_some() {
        say("exported at", instant(look.exported_at_us, zone).map_or_else(String::new, |(utc, _)| utc));
        say("looked at", if look.is_whole { "all" } else { "the start" }.to_owned());
        say("records", look.rows.to_string());
        say("of them unreadable", look.bad.to_string());
    }
    if !found.flags.is_empty() {
        say("flags that help", found.flags.iter().map(|flag| words_of(flag).join(" ")).collect::<Vec<_>>().join(" "));
        let given = &found.given;
        let without = match given.refused {
            Some(_) => "refused".to_owned(),
            None => format!("{} of {} records unreadable", given.bad, given.rows),
        };
        say("without them", without);
    }
    listing(&["what", "found"], rows)
}

/// Lists the columns of the file, then those of the documented ones that it does not have.
fn columns(look: &Look, zone: Tz) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    let mut row = |header: &str, name: &str| {
        let first = look.first.as_ref().and_then(|batch| first_value(batch, name, zone));
        let (value, local) = match first {
            Some(first) => first,
            None if name.is_empty() => (look.first_extra(header).map_or_else(String::new, shown), String::new()),
            None => Default::default(),
        };
        rows.push(vec![header.to_owned(), name.to_owned(), kind(name).to_owned(), value, local]);
    };
    for (header, column) in &look.headers {
        row(header, column.unwrap_or_default());
    }
    let has = |name: &str| look.headers.iter().any(|(_, column)| *column == Some(name));
    for column in look.in_folders.iter().filter(|name| !has(name)) {
        row("(the name of a folder)", column);
    }
    for column in COLUMNS.iter().filter(|column| !has(column.name) && !look.in_folders.contains(&column.name)) {
        row("", column.name);
    }
    let local = format!("in {zone}");
    listing(&["header", "column", "type", "first value", &local], rows)
}

fn kind(name: &str) -> &'static str {
    match COLUMNS.iter().find(|column| column.name == name).map(|column| column.kind) {
        Some(Kind::Text) => "text",
        Some(Kind::Json) => "json",
        Some(Kind::Timestamp) => "timestamp",
        Some(Kind::Seconds) => "seconds",
        None if name == EXPORTED_AT => "timestamp",
        None => "",
    }
}

/// Returns the first value of a column that is not null, and an instant in the zone as well.
fn first_value(batch: &RecordBatch, name: &str, zone: Tz) -> Option<(String, String)> {
    let column = batch.column_by_name(name)?;
    let row = (0..column.len()).find(|row| column.is_valid(*row))?;
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return instant(times.value(row), zone);
    }
    Some((shown(array_value_to_string(column, row).ok()?), String::new()))
}

/// Writes an instant in UTC and in the zone.
fn instant(micros: i64, zone: Tz) -> Option<(String, String)> {
    let instant: DateTime<Utc> = DateTime::from_timestamp_micros(micros)?;
    let local = instant.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::AutoSi, true);
    Some((instant.to_rfc3339_opts(SecondsFormat::AutoSi, true), local))
}

fn shown(text: String) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}\u{2026}", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn oddities(found: &Inspection) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut tell = |look: &Look, how: &str| {
        if let Some((message, hint)) = &look.refused {
            let hint = hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
            rows.push(vec!["all".to_owned(), format!("{how}refused: {message}{hint}")]);
        }
        for (reason, (count, line)) in &look.reasons {
            let place = line.map_or(String::new(), |line| format!(", first in line {line}"));
            rows.push(vec![count.to_string(), format!("{how}unreadable: {reason}{place}")]);
        }
        for (warning, count) in &look.warnings {
            rows.push(vec![count.to_string(), format!("{how}{warning}")]);
        }
    };
    if found.flags.is_empty() {
        tell(&found.given, "");
    } else {
        tell(&found.given, "without the flags: ");
        tell(&found.suggested, "");
    }
    let look = &found.suggested;
    let sentences = look.missing.iter().chain(&look.notes).chain(&found.doubts);
    rows.extend(sentences.map(|sentence| vec![String::new(), sentence.clone()]));
    rows.iter().map(|row| row.iter().map(|cell| as_flags(cell).into_owned()).collect()).collect()
}

/// Writes the command that takes the file in.
fn command(given: &[String], found: &Inspection, file: &SourceFile) -> String {
    let mut words = vec!["sessionlake".to_owned(), "ingest".to_owned()];
    words.extend(given.iter().map(|word| quoted(word)));
    words.extend(found.flags.iter().flat_map(|flag| words_of(flag)));
    // A member is not named by itself: its archive stands for it.
    let name = match (&file.member, &file.path) {
        (Some(_), Some(path)) => path.display().to_string(),
        _ => file.name.clone(),
    };
    if name.starts_with('-') && name != "-" {
        words.push("--".to_owned());
    }
    words.push(quoted(&name));
    words.join(" ")
}

/// Writes a flag with its values as words of a shell.
fn words_of(flag: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for pair in flag.chunks(2) {
        match pair {
            [name, value] => push_flag(&mut words, name.trim_matches(['⟨', '⟩']), value),
            _ => words.extend(pair.iter().cloned()),
        }
    }
    words.iter().map(|word| quoted(word)).collect()
}

/// Quotes a word for a shell, where it needs that.
fn quoted(word: &str) -> String {
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | ',' | '=' | '+' | '@' | '%');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("a/b-1.csv"), "a/b-1.csv");
        assert_eq!(quoted("it's; \\N"), r"'it'\''s; \N'");
        assert_eq!(quoted(""), "''");
    }
}
