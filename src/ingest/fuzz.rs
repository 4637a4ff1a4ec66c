//! What is asked of any bytes that are read as an export: records balance, what is put aside is read again, and no error is ours. The fuzz targets
//! call it (`crate::fuzz`).
//!
//! The first three bytes of most inputs choose the format, the dialect or character set, and the longest record; the rest is the export.

use std::io::{Cursor, Write};

use tempfile::NamedTempFile;

use super::archive::members;
use super::packed::ByteStream;
use super::{
    DateFormat, Declared, Encoding, Escape, InputFormat, PRESETS, ReadOptions, Reader, RecordsPath, SourceFile, replay,
};
use crate::error::Error;
use crate::zones::Tz;

/// Records that are put aside of which each is read again.
const REPLAYED: usize = 50;
/// Files inside of an archive of which each is read.
const MEMBERS: usize = 20;
/// Records after which an input is left: a small one that unpacks to millions shows no more.
const RECORDS: usize = 20_000;

/// What is read without anything declared.
pub(super) fn options() -> ReadOptions {
    ReadOptions {
        format: None,
        encoding: Encoding::Utf8,
        time_zone: Tz::UTC,
        header_map: Vec::new(),
        keep_extra: false,
        max_record_bytes: 1 << 20,
        exported_at_us: None,
        fallback_exported_at_us: 1_893_456_000_000_007,
        dialect: None,
        declared: Declared::default(),
        no_end_days: Vec::new(),
        records: None,
        sheet: None,
        zone_is_declared: false,
        strict: false,
        profile: None,
    }
}

/// Takes the bytes that choose, as numbers, off the export.
fn chosen(bytes: &[u8]) -> ([usize; 3], &[u8]) {
    match bytes.split_first_chunk::<3>() {
        Some((chosen, rest)) => (chosen.map(usize::from), rest),
        None => ([0; 3], bytes),
    }
}

fn any<T: Clone>(of: &[T], number: usize) -> Option<T> {
    of.get(number % of.len().max(1)).cloned()
}

/// The longest record, by a byte: mostly the usual one.
fn longest(number: usize) -> usize {
    if number < 200 { 1 << 20 } else { number - 199 }
}

/// Reads bytes as delimited text of any dialect.
pub(crate) fn delimited(bytes: &[u8]) -> Result<(), String> {
    let ([format, dialect, other], export) = chosen(bytes);
    let mut options = options();
    let format = any(&[InputFormat::Csv, InputFormat::Tsv], format);
    if let Some((name, _)) = any(&PRESETS, dialect).filter(|_| dialect < 128)
        && let Some((declared, _)) = Declared::preset(name)
    {
        options.declared = declared;
    }
    let escapes = [
        Escape::Doubled,
        Escape::BackslashQuote,
        Escape::BackslashQuoted,
        Escape::Octal,
        Escape::Backslash,
        Escape::Nothing,
    ];
    if dialect >= 128 {
        options.declared.escape = any(&escapes, dialect).unwrap_or_default();
        options.declared.delimiter = any(&[None, Some(b','), Some(b';'), Some(b'|'), Some(1)], dialect / 8).flatten();
        options.declared.decimal_comma = dialect % 2 == 1;
        options.declared.comment = (dialect % 3 == 1).then_some(b'#');
        options.declared.dates = if dialect % 5 == 1 { DateFormat::DayFirst } else { DateFormat::Iso };
        options.declared.nulls = if dialect % 7 == 1 { vec!["\\N".to_owned()] } else { Vec::new() };
    }
    options.encoding =
        any(&[Encoding::Utf8, Encoding::Utf8, Encoding::Utf16, Encoding::Cp1252], other).unwrap_or_default();
    options.keep_extra = other % 2 == 1;
    options.max_record_bytes = longest(other);
    read(export, ReadOptions { format, ..options })
}

/// Reads bytes as JSON of any shape: lines, arrays, pages, a document with records in it.
pub(crate) fn json_exports(bytes: &[u8]) -> Result<(), String> {
    let ([format, path, other], export) = chosen(bytes);
    let formats = [Some(InputFormat::Ndjson), Some(InputFormat::JsonArray), Some(InputFormat::Pages), None];
    let records = any(&["", "", "$.records", "$.a.b"], path).and_then(|path| RecordsPath::parse(path).ok());
    let options = ReadOptions { keep_extra: other % 2 == 1, max_record_bytes: longest(other), records, ..options() };
    read(export, ReadOptions { format: any(&formats, format).flatten(), ..options })
}

/// Reads bytes as Parquet, Arrow or Avro.
pub(crate) fn columnar(bytes: &[u8]) -> Result<(), String> {
    let ([format, other, _], export) = chosen(bytes);
    let format = any(&[InputFormat::Parquet, InputFormat::Arrow, InputFormat::Avro], format);
    read(export, ReadOptions { format, keep_extra: other % 2 == 1, ..options() })
}

/// Reads bytes as a workbook.
pub(crate) fn sheets(bytes: &[u8]) -> Result<(), String> {
    let ([format, sheet, _], export) = chosen(bytes);
    let format = any(&[InputFormat::Xlsx, InputFormat::Ods], format);
    let sheet = any(&[None, None, Some("1".to_owned()), Some("Sheet1".to_owned())], sheet).flatten();
    read(export, ReadOptions { format, sheet, ..options() })
}

/// Reads bytes as they come, packed or not, in the format that they speak of.
pub(crate) fn packed(bytes: &[u8]) -> Result<(), String> {
    read(bytes, options())
}

/// Reads bytes as a file that may be an archive, and what is inside of it: what is listed can be opened or is refused by its name, and names can be shown.
pub(crate) fn archives(bytes: &[u8]) -> Result<(), String> {
    let no_file = |error: std::io::Error| format!("no temporary file: {error}");
    let mut stored = NamedTempFile::new().map_err(no_file)?;
    stored.write_all(bytes).map_err(no_file)?;
    let archive = SourceFile { path: Some(stored.path().to_owned()), ..source() };
    let inside = match members(&archive, stored.path()) {
        Ok(inside) => inside.unwrap_or_default(),
        Err(error) => return judged(Err(error)),
    };
    for file in inside.iter().take(MEMBERS) {
        if !file.name.starts_with("fuzz") || file.name.chars().any(char::is_control) {
            return Err(format!("{:?} is the name of a member", file.name));
        }
        let options = options();
        judged(Reader::open(file, &options).and_then(|reader| records(reader, &options)))?;
    }
    Ok(())
}

fn read(bytes: &[u8], options: ReadOptions) -> Result<(), String> {
    let stream = ByteStream::new(Box::new(Cursor::new(bytes.to_vec())), "fuzz");
    let reader = stream.and_then(|stream| Reader::from_stream(stream, &source(), &options));
    judged(reader.and_then(|reader| records(reader, &options)))
}

/// Errors say what the user does about it; an internal one is a mistake of ours.
fn judged(told: crate::error::Result<Result<(), String>>) -> Result<(), String> {
    match told {
        Ok(told) => told,
        Err(Error::Internal(what)) => Err(format!("an internal error: {what}")),
        Err(error) if error.to_string().is_empty() => Err("an error without words".to_owned()),
        Err(_) => Ok(()),
    }
}

fn source() -> SourceFile {
    SourceFile { name: "fuzz".to_owned(), path: None, size_bytes: None, modified_us: None, member: None, delta: None }
}

fn records(mut reader: Reader, options: &ReadOptions) -> crate::error::Result<Result<(), String>> {
    let converter = reader.converter();
    let (mut read, mut replayed) = (0, 0);
    while let Some(block) = reader.next_block()? {
        let records = block.record_count();
        let batch = converter.convert(block)?;
        if batch.rows.num_rows() + batch.rejects.len() != records || records == 0 {
            let (rows, rejects) = (batch.rows.num_rows(), batch.rejects.len());
            return Ok(Err(format!("{records} records are {rows} rows and {rejects} rejects")));
        }
        for reject in batch.rejects.iter().take(REPLAYED - replayed.min(REPLAYED)) {
            replayed += 1;
            let again = match replay(&batch.context, &reject.raw, options) {
                Ok(again) => again,
                Err(error) => return Ok(Err(format!("a record that was put aside is not read again: {error}"))),
            };
            if again.rows.num_rows() + again.rejects.len() != 1 {
                return Ok(Err("a record that was put aside is not one when it is read again".to_owned()));
            }
        }
        read += records;
        if read > RECORDS {
            return Ok(Ok(()));
        }
    }
    reader.finish().map(|_| Ok(()))
}
