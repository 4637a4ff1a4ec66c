//! Names the kinds of file that are not read, by their first bytes, and says what turns them into one that is.
//!
//! A file of another kind would otherwise be told as text that is broken, and the hints for text (a character set, a header's
//! meaning) would lead from one error to the next. Most kinds begin with bytes that no text has; those that are text themselves
//! (HTML, XML, SQL) begin with words that no header has.

use super::detect::{begins_row, json_shape};
use super::formats::{Encoding, InputFormat};
use super::printed::{self, PRINTED, PRINTED_HINT};
use super::source::{ReadOptions, SourceFile};
use crate::error::{Error, Place, Result};
use crate::json::blanks;

/// How many first bytes tell a kind: a header block of tar is the longest of them.
pub(super) const KIND_BYTES: usize = 512;

/// What a hint says: where `{file}` stands in a command, the file's name comes, in quotes where a shell needs them.
type Hint = &'static str;

/// Kinds that are told by what they begin with.
const BEGINNINGS: &[(&[u8], &str, Hint)] = &[
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it (7z x {file}) and ingest the files inside"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it (unrar x {file}) and ingest the files inside"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy data", "unpack it (snzip -dk {file}) and ingest what comes out"),
    (b"LZIP\x01", "lzip data", "unpack it (lzip -dk {file}) and ingest what comes out"),
    (b"\x1f\x9d", "data packed by compress", "unpack it (gzip -dk {file}) and ingest what comes out"),
    (b"\x89LZO\x00\r\n\x1a\n", "lzop data", "unpack it (lzop -d {file}) and ingest what comes out"),
    (b"\x02\x21\x4c\x18", "lz4 data of the old kind", "unpack it (lz4 -dk {file}) and ingest what comes out"),
    (
        b"SQLite format 3\0",
        "a SQLite database",
        "write its table as CSV: sqlite3 -header -csv {file} 'select * from TABLE' > sessions.csv",
    ),
    (b"%PDF-", "a PDF document", "export the sessions as CSV, JSON or Parquet where the document was made"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "a document of an older office program (an Excel workbook, .xls, or another), or one with a password",
        "open it in a spreadsheet program and save it as .xlsx, or as CSV in UTF-8",
    ),
    (b"Obj\x01", "an Avro file, which is declared to be something else", "leave out ⟨input-format⟩"),
    (
        b"PGDMP",
        "a dump of pg_dump",
        "restore it (pg_restore) and write the table as CSV: psql -c '\\copy TABLE to sessions.csv csv header'",
    ),
    (
        b"PGCOPY\n\xff\r\n\0",
        "PostgreSQL's binary COPY format",
        "write the table as CSV: psql -c '\\copy TABLE to sessions.csv csv header'",
    ),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file",
        "write it as Parquet: python3 -c \"import pandas; pandas.read_hdf({text}).to_parquet('sessions.parquet')\"",
    ),
    (b"\x93NUMPY", "an array of NumPy", "write the table as Parquet or CSV with pandas"),
    (b"RDX2\n", RDATA, RDATA_HINT),
    (b"RDX3\n", RDATA, RDATA_HINT),
    (b"RDA2\n", RDATA, RDATA_HINT),
    (b"RDA3\n", RDATA, RDATA_HINT),
    (b"X\n\0\0\0\x02", RDS, RDS_HINT),
    (b"X\n\0\0\0\x03", RDS, RDS_HINT),
    (b"A\n2\n", RDS, RDS_HINT),
    (b"A\n3\n", RDS, RDS_HINT),
    (
        b"<stata_dta>",
        "a Stata file",
        "write it as Parquet: python3 -c \"import pandas; pandas.read_stata({text}).to_parquet('sessions.parquet')\"",
    ),
    (
        b"$FL2@(#)",
        "an SPSS file",
        "write it as Parquet: python3 -c \"import pandas; pandas.read_spss({text}).to_parquet('sessions.parquet')\"",
    ),
    (b"age-encryption.org/", "a file that age has encrypted", "decrypt it first: age -d {file} > FILE"),
    (b"Salted__", "a file that openssl has encrypted", "decrypt it first (openssl enc -d)"),
    (b"-----BEGIN PGP MESSAGE", "a message of PGP", "decrypt it first: gpg -d {file} > FILE"),
    (b"\xff\xfe\0\0", UTF_32, UTF_32_HINT),
    (b"\0\0\xfe\xff", UTF_32, UTF_32_HINT),
    (b"bplist00", "a property list of macOS", "export the sessions as CSV, JSON or Parquet"),
];

const UTF_32: &str = "text in UTF-32";
const UTF_32_HINT: Hint = "write it as UTF-8: iconv -f UTF-32 -t UTF-8 {file} > sessions.csv";
const ENCRYPTED: &str = "an encrypted Parquet file";
const ENCRYPTED_HINT: Hint = "export it without encryption, or decrypt it where its key is, as with DuckDB: duckdb -c \"pragma add_parquet_key('k', 'KEY'); \
                              copy (from read_parquet({text}, encryption_config = {footer_key: 'k'})) to 'sessions.parquet'\"";
const RDS: &str = "an R object (.rds)";
const RDS_HINT: Hint = "write it as Parquet: Rscript -e \"arrow::write_parquet(readRDS({text}), 'sessions.parquet')\"";
const RDATA: &str = "R objects (.RData)";
const RDATA_HINT: Hint =
    "load it in R and write the data frame as Parquet: arrow::write_parquet(NAME, 'sessions.parquet')";

/// Kinds whose first bytes could also begin a text, which go on as no text does.
const BINARY_BEGINNINGS: &[(&[u8], &str, Hint)] = &[
    (
        b"ORC",
        "an ORC file",
        "write it as Parquet: python3 -c \"import pyarrow.orc as o, pyarrow.parquet as p; p.write_table(o.read_table({text}), 'sessions.parquet')\"",
    ),
    (b"PARE", ENCRYPTED, ENCRYPTED_HINT),
    (b"PAR1", "a Parquet file, which is declared to be something else", "leave out ⟨input-format⟩"),
    (
        b"FEA1",
        "a Feather file of version 1",
        "write it as Parquet: python3 -c \"import pyarrow.feather as f, pyarrow.parquet as p; p.write_table(f.read_table({text}), 'sessions.parquet')\"",
    ),
];

const SPREADSHEET_HINT: Hint = "open it in a spreadsheet program and save it as .xlsx, or as CSV in UTF-8";

/// Beginnings of texts that are no table, in lower case.
const TEXTS: &[(&[u8], &str, Hint)] = &[
    (b"<!doctype html", HTML, HTML_HINT),
    (b"<html", HTML, HTML_HINT),
    (b"<table", HTML, HTML_HINT),
    (b"<head", HTML, HTML_HINT),
    (b"<tr>", HTML, HTML_HINT),
    (b"<tr ", HTML, HTML_HINT),
    (
        b")]}'",
        "JSON behind characters that keep browsers from running it",
        "leave out its first line: tail -n +2 {file} > FILE.json",
    ),
    (
        b"\x1b[",
        "text with the colours of a terminal",
        "write it without them, as with jq -M, or take them out: sed 's/\\x1b\\[[0-9;]*m//g' {file} > FILE",
    ),
    (b"id;pcalc", "a spreadsheet in SYLK", SPREADSHEET_HINT),
    (b"id;pwxl", "a spreadsheet in SYLK", SPREADSHEET_HINT),
    (b"table\r\n0,1\r\n", "a spreadsheet in DIF", SPREADSHEET_HINT),
    (b"table\n0,1\n", "a spreadsheet in DIF", SPREADSHEET_HINT),
    (b"[cols=", PRINTED, PRINTED_HINT),
    (b"[options=", PRINTED, PRINTED_HINT),
    (b"\\begin{tabular}", PRINTED, PRINTED_HINT),
    (b"\\begin{longtable}", PRINTED, PRINTED_HINT),
    (
        b"\x1e{",
        "a sequence of JSON texts, each behind the character 0x1E",
        "take the character out: tr -d '\\036' < {file} > FILE.ndjson",
    ),
    (
        b"<?xml",
        "an XML document",
        "export the sessions as CSV, JSON or Parquet; a workbook in XML can be saved as .xlsx or CSV in a spreadsheet program",
    ),
    (b"insert into ", SQL, SQL_HINT),
    (b"create table ", SQL, SQL_HINT),
    (b"-- mysql dump", SQL, SQL_HINT),
    (b"-- mariadb dump", SQL, SQL_HINT),
    (b"/*m!", SQL, SQL_HINT),
    (b"/*!", SQL, SQL_HINT),
    (b"--\n-- postgresql database", SQL, SQL_HINT),
    (b"pragma foreign_keys", SQL, SQL_HINT),
    (b"begin transaction;", SQL, SQL_HINT),
];

const HTML: &str = "an HTML page";
const HTML_HINT: Hint = "it may be an error or a log-in page of the server: look into it, and fetch the export again; a table in HTML can be saved as CSV in a spreadsheet program";
const SQL: &str = "a dump in SQL";
const SQL_HINT: Hint = "run it in a database, and export the table as CSV or Parquet from there";

/// Refuses an input of a kind that is not read, by its first bytes ([`KIND_BYTES`] or all there are).
///
/// # Errors
/// What the input is, and what to do with it.
pub(super) fn refuse_foreign(start: &[u8], name: &str, encoding: Encoding) -> Result<()> {
    if let Some((what, hint)) = told(start) {
        return Err(refused(name, what, hint));
    }
    // Every format has ASCII between its values.
    if encoding == Encoding::Utf16 && start.len() >= 64 && !start.contains(&0) {
        return Err(Error::input(Place::file(name), "is not UTF-16, as is declared: its first bytes have no zero")
            .with_hint("leave out ⟨encoding⟩, or declare another character set"));
    }
    Ok(())
}

/// As [`refuse_foreign`], for kinds that are text: `text` is decoded and without a byte order mark.
///
/// # Errors
/// What the input is, and what to do with it.
pub(super) fn refuse_foreign_text(text: &[u8], name: &str) -> Result<()> {
    // Its header would be taken, since of names only letters and digits count, and then no value would be right.
    if let Some((what, hint)) = told_utf_16(text) {
        return Err(refused(name, what, hint));
    }
    let text = text.get(blanks(text, 0)..).unwrap_or_default();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    match TEXTS.iter().find(|(beginning, _, _)| begins(beginning)) {
        Some((_, what, hint)) => Err(refused(name, what, hint)),
        None => Ok(()),
    }
}

/// Refuses delimited text that a client printed for people.
///
/// # Errors
/// What the input is, and what to do with it.
pub(super) fn refuse_printed(text: &[u8], name: &str, map: &[(String, String)]) -> Result<()> {
    match printed::told(text, map) {
        Some((what, hint)) => Err(refused(name, what, hint)),
        None => Ok(()),
    }
}

/// Refuses a Parquet file that is encrypted, although it begins as others do.
pub(super) fn refuse_encrypted(name: &str) -> Error {
    refused(name, ENCRYPTED, ENCRYPTED_HINT)
}

fn refused(name: &str, what: &str, hint: Hint) -> Error {
    Error::input(Place::file(name), format!("is {what}, which is not read")).with_hint(filled(hint, name))
}

/// Says of text whose format its name does not tell what it is not, and what it seems to be.
pub(super) fn mismatched(text: &[u8], name: &str, promised: &str) -> Error {
    if blanks(text, 0) == text.len() {
        return Error::input(Place::file(name), format!("not {promised}: the file is empty"));
    }
    if let Some((what, hint)) = no_text(text) {
        return refused(name, what, hint);
    }
    let (seems, flag) = match json_shape(text) {
        Some(format) => ("JSON", flag(format)),
        None => ("text", "csv"),
    };
    Error::input(Place::file(name), format!("not {promised}: it starts as {seems} does"))
        .with_hint(format!("if it is {seems}, read it with ⟨input-format⟩ {flag}"))
}

/// Names a format as `--input-format` takes it.
pub(super) fn flag(format: InputFormat) -> &'static str {
    match format {
        InputFormat::Ndjson => "ndjson",
        InputFormat::JsonArray => "json",
        InputFormat::Pages => "pages",
        InputFormat::Tsv => "tsv",
        InputFormat::Parquet => "parquet",
        InputFormat::Arrow => "arrow",
        InputFormat::Xlsx => "xlsx",
        InputFormat::Ods => "ods",
        InputFormat::Delta => "delta",
        InputFormat::Avro => "avro",
        InputFormat::Csv => "csv",
    }
}

/// Remembers of the start of a delimited text what its header cannot tell, for when nothing can be made of the header.
pub(super) struct Suspicion(Option<Suspected>);

enum Suspected {
    NoText(&'static str, Hint),
    Json(InputFormat),
}

impl Suspicion {
    /// Looks at the start of a text, decoded.
    pub(super) fn of(text: &[u8]) -> Self {
        Self(match no_text(text) {
            Some((what, hint)) => Some(Suspected::NoText(what, hint)),
            // A column of JSON may be the first.
            None if begins_row(text) => None,
            None => json_shape(text).map(Suspected::Json),
        })
    }

    /// Says in place of an error of the header what the file seems to be, if that is something else than delimited text.
    pub(super) fn explain(self, error: Error, file: &SourceFile, options: &ReadOptions) -> Error {
        let name = &file.name;
        match (self.0, error) {
            (Some(Suspected::NoText(what, hint)), Error::Input { .. }) => refused(name, what, hint),
            (Some(Suspected::Json(format)), Error::Input { .. }) => {
                let leave_out = if options.dialect.is_some() { ", without ⟨dialect⟩" } else { "" };
                Error::input(Place::file(name), "not delimited text: it starts as JSON does")
                    .with_hint(format!("if it is JSON, read it with ⟨input-format⟩ {}{leave_out}", flag(format)))
            }
            (_, error) => error,
        }
    }
}

fn told(start: &[u8]) -> Option<(&'static str, Hint)> {
    let listed = BEGINNINGS.iter().find(|(beginning, _, _)| start.starts_with(beginning));
    if let Some((_, what, hint)) = listed {
        return Some((what, hint));
    }
    let listed = BINARY_BEGINNINGS.iter().find(|(beginning, _, _)| start.starts_with(beginning));
    if let Some((_, what, hint)) = listed.filter(|_| start.iter().take(64).any(|byte| is_binary(*byte))) {
        return Some((what, hint));
    }
    match start {
        [b'P', b'K', 3, 4, ..] => Some(told_zip(start)),
        [b'P', b'K', 5, 6, ..] => Some(("a zip archive without files", "make it again: nothing is inside")),
        // One layer of these is unpacked already.
        [0x1f, 0x8b, 8, ..]
        | [0x28, 0xb5, 0x2f, 0xfd, ..]
        | [0xfd, b'7', b'z', b'X', b'Z', 0, ..]
        | [0x04, 0x22, 0x4d, 0x18, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..] => Some((
            "compressed data inside of compressed data",
            "it was packed twice: unpack it and ingest what comes out",
        )),
        // Five bytes of properties and eight of a length, which mostly is not known.
        [0x5d, 0, 0, _, _, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ..] => {
            Some(("lzma data", "unpack it (unlzma -k {file}) and ingest what comes out"))
        }
        _ if is_ipc(start) => {
            Some(("an Arrow IPC file, which is declared to be something else", "leave out ⟨input-format⟩"))
        }
        [0x80, 2..=5, ..] => Some((
            "a pickle of Python",
            "if you trust it, write it as Parquet: python3 -c \"import pandas; pandas.read_pickle({text}).to_parquet('sessions.parquet')\"",
        )),
        [_, _, _, _, _, _, _, _, b'D', b'U', b'C', b'K', ..] => Some((
            "a DuckDB database",
            "write its table as Parquet: duckdb -readonly {file} -c \"copy TABLE to 'sessions.parquet'\"",
        )),
        _ if is_tar(start) => Some((
            "a tar archive",
            "archives are not read from standard input or out of each other: write it into a file and name that",
        )),
        _ => None,
    }
}

fn told_zip(start: &[u8]) -> (&'static str, Hint) {
    let name = start.get(30..).unwrap_or_default();
    let mimetype = b"mimetypeapplication/vnd.oasis.opendocument.";
    if name.starts_with(mimetype) {
        return match name.get(mimetype.len()..).is_some_and(|kind| kind.starts_with(b"spreadsheet")) {
            true => ("an OpenDocument spreadsheet, which is declared to be something else", WORKBOOK_HINT),
            false => ("an OpenDocument file that is no spreadsheet", "export the sessions as CSV, JSON or Parquet"),
        };
    }
    let office: [&[u8]; 4] = [b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/"];
    if office.iter().any(|first| name.starts_with(first)) {
        return ("an Excel workbook or another Office file, which is declared to be something else", WORKBOOK_HINT);
    }
    (
        "a zip archive",
        "archives are not read from standard input or out of each other: write it into a file and name that",
    )
}

const WORKBOOK_HINT: Hint = "leave out ⟨input-format⟩";

/// Whether a file of this name makes the zip that it is in a document of an office program.
pub(super) fn is_workbook_member(name: &str) -> bool {
    matches!(name, "[Content_Types].xml" | "mimetype")
}

/// Whether a byte stands in no text of any character set but UTF-16.
fn is_binary(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1a | 0x1b)
}

/// Whether bytes begin an Arrow IPC file, or a stream: the mark of a message, and a length of some kilobytes.
pub(super) fn is_ipc(start: &[u8]) -> bool {
    matches!(start, [b'A', b'R', b'R', b'O', b'W', b'1', 0, 0, ..] | [0xff, 0xff, 0xff, 0xff, _, _, _, 0, ..])
}

/// Whether bytes begin with a header of tar: its checksum says so, also where a writer of the first kind left out the magic word.
pub(super) fn is_tar(start: &[u8]) -> bool {
    let (Some(block), Some(stored)) = (start.get(..512), start.get(148..156)) else { return false };
    let digits = std::str::from_utf8(stored).unwrap_or_default().trim_matches(['\0', ' ']);
    let Ok(stored_sum) = u64::from_str_radix(digits, 8) else { return false };
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    // The checksum counts itself as blanks.
    stored_sum > 8 * 32 && sum(block) - sum(stored) + 8 * 32 == stored_sum
}

/// Puts the file's name into the commands of a hint: as a word of the shell, and as a text inside of one in double quotes.
fn filled(hint: Hint, name: &str) -> String {
    // What came from standard input has no name to give.
    let name = if name == "-" { "FILE" } else { name };
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:=@%".contains(c);
    // A name that begins with a dash would be a flag.
    let name = if name.starts_with('-') { format!("./{name}") } else { name.to_owned() };
    let word = match name.chars().all(plain) {
        true => name.clone(),
        false => format!("'{}'", name.replace('\'', "'\\''")),
    };
    // Names that would need more than quotes in a text are left for the reader to put in.
    let text = if name.chars().all(|c| plain(c) || c == ' ') { format!("'{name}'") } else { "'FILE'".to_owned() };
    hint.replace("{file}", &word).replace("{text}", &text)
}

/// Tells text in UTF-16 that is read as another character set: ASCII has a zero in every second byte then.
fn told_utf_16(start: &[u8]) -> Option<(&'static str, Hint)> {
    let start = start.get(..start.len().min(4096))?;
    let zeros_at = |parity: usize| start.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros_at(0), zeros_at(1));
    if start.len() < 4 || even.max(odd) * 4 < start.len() || even.min(odd) * 8 > even.max(odd) {
        return None;
    }
    Some(match odd > even {
        true => ("text in UTF-16 without a byte order mark", "declare the character set with ⟨encoding⟩ utf-16"),
        false => {
            ("text in UTF-16, big endian without a byte order mark", "declare the character set with ⟨encoding⟩ utf-16")
        }
    })
}

/// Tells what stands in the place of text: text in UTF-16, or no text at all.
fn no_text(start: &[u8]) -> Option<(&'static str, Hint)> {
    let has = |byte: u8| start.contains(&byte);
    if has(0x1f) && has(0x1e) && !has(0) {
        return Some((
            "text with the characters 0x1F and 0x1E between fields and records",
            "write it as CSV where it was made, as with sqlite3 -header -csv, or mlr -S --iasv --ojsonl cat {file} > FILE.ndjson makes records of it",
        ));
    }
    // Hive separates fields by this character, lists by the next, and keys from values by the third.
    let binary = || start.iter().take(4096).any(|byte| is_binary(*byte) && !matches!(byte, 1..=3));
    told_utf_16(start).or_else(|| {
        binary().then_some((
            "binary data of a kind that is not known here",
            "if it is packed or a program's own format, unpack it or export it as CSV, JSON or Parquet",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(start: &[u8], name: &str) -> Option<(String, String)> {
        let refused = refuse_foreign(start, name, Encoding::Utf8).and_then(|()| refuse_foreign_text(start, name));
        let error = refused.err()?;
        Some((error.to_string(), error.hint().unwrap_or_default().to_owned()))
    }

    fn tar_header(magic: bool) -> Vec<u8> {
        let mut block = vec![0_u8; 512];
        block[..5].copy_from_slice(b"a.csv");
        block[100..107].copy_from_slice(b"0000644");
        block[124..135].copy_from_slice(b"00000000012");
        if magic {
            block[257..262].copy_from_slice(b"ustar");
        }
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn every_kind_is_named_with_the_command_that_helps() {
        let zip = |first: &str| [b"PK\x03\x04", [0; 26].as_slice(), first.as_bytes()].concat();
        let ods = zip("mimetypeapplication/vnd.oasis.opendocument.spreadsheet");
        for (start, what, hint) in [
            (zip("a.csv"), "a zip archive", "into a file"),
            (zip("[Content_Types].xml"), "an Excel workbook", "⟨input-format⟩"),
            (zip("xl/workbook.xml"), "an Excel workbook", "⟨input-format⟩"),
            (ods, "an OpenDocument spreadsheet", "⟨input-format⟩"),
            (tar_header(true), "a tar archive", "into a file"),
            (tar_header(false), "a tar archive", "into a file"),
            (b"BZh91AY&SY\x01".to_vec(), "compressed data inside", "packed twice"),
            (b"\xfd7zXZ\x00\x00\x04".to_vec(), "compressed data inside", "packed twice"),
            (b"\x04\x22\x4d\x18\x64".to_vec(), "compressed data inside", "packed twice"),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0".to_vec(), "lzma data", "unlzma -k x"),
            (b"\xff\x06\x00\x00sNaPpY".to_vec(), "snappy data", "snzip -dk x"),
            (b"7z\xbc\xaf\x27\x1c".to_vec(), "a 7z archive", "7z x x"),
            (b"Rar!\x1a\x07\x01".to_vec(), "a RAR archive", "unrar x x"),
            (b"ORC\n\x03\x00\x00".to_vec(), "an ORC file", "read_table('x')"),
            (b"SQLite format 3\0".to_vec(), "a SQLite database", "sqlite3 -header -csv x "),
            (b"%PDF-1.7".to_vec(), "a PDF document", "CSV, JSON or Parquet"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "a document of an older office program", "CSV in UTF-8"),
            (b"Obj\x01\x04".to_vec(), "an Avro file", "⟨input-format⟩"),
            (b"ARROW1\0\0".to_vec(), "an Arrow IPC file", "⟨input-format⟩"),
            (b"\xff\xff\xff\xff\x90\x02\0\0".to_vec(), "an Arrow IPC file", "⟨input-format⟩"),
            (b"FEA1\0\0\0\0".to_vec(), "a Feather file of version 1", "read_table('x')"),
            (b"PARE\x15\x04".to_vec(), "an encrypted Parquet file", "read_parquet('x', encryption_config"),
            (b"\x89HDF\r\n\x1a\n".to_vec(), "an HDF5 file", "read_hdf('x')"),
            (b"\x80\x05\x95".to_vec(), "a pickle of Python", "read_pickle('x')"),
            (b"X\n\0\0\0\x03".to_vec(), "an R object", "readRDS('x')"),
            (b"\0\0\0\0\0\0\0\0DUCK".to_vec(), "a DuckDB database", "duckdb -readonly x"),
            (b"PGDMP\x01".to_vec(), "a dump of pg_dump", "pg_restore"),
            (b"\x1f\x8b\x08\x00".to_vec(), "compressed data inside", "packed twice"),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), "text in UTF-32", "iconv -f UTF-32"),
            (b"PAR1\x15\x04".to_vec(), "a Parquet file", "⟨input-format⟩"),
            (b")]}',\n[{}]".to_vec(), "JSON behind characters", "tail -n +2 x"),
            (b"\x1e{\"a\":1}".to_vec(), "a sequence of JSON texts", "tr -d"),
            (b"ID;PCALCOOO32\r\n".to_vec(), "a spreadsheet in SYLK", ".xlsx"),
            (b"TABLE\r\n0,1\r\n".to_vec(), "a spreadsheet in DIF", ".xlsx"),
            (b"\x1b[1;39m{".to_vec(), "text with the colours of a terminal", "jq -M"),
            (b"\n[cols=\"l,l\",options=\"header\"]\n|===".to_vec(), PRINTED, "psql --csv"),
            (b"\n<!DOCTYPE html>".to_vec(), "an HTML page", "log-in page"),
            (b"<?xml version".to_vec(), "an XML document", "CSV"),
            (b"-- MySQL dump 10.19".to_vec(), "a dump in SQL", "CSV or Parquet"),
        ] {
            let (message, said) = refusal(&start, "x").unwrap_or_else(|| panic!("{what} is not told"));
            assert!(message.starts_with(&format!("x: is {what}")), "{message}");
            assert!(said.contains(hint), "{said}");
            assert!(!said.contains("⟨map⟩") && !said.contains("⟨encoding⟩"), "{said}");
        }
    }

    #[test]
    fn text_that_begins_like_another_kind_is_text() {
        for text in [
            "ORCHID,Started At\n",
            "PARENT Session Id,Started At\n",
            "FEA1,b\n",
            "BZh9,b\n",
            "ID;Phone;Started At\n",
            "Table\n",
            "Obj,b\n",
            "PK,b\n",
            "€uro",
            "",
            "0000644,0000000",
            "12345678DUC",
        ] {
            assert_eq!(refusal(text.as_bytes(), "x"), None, "{text}");
            assert_eq!(refusal(text.repeat(200).as_bytes(), "x"), None, "{text}");
        }
    }

    #[test]
    fn commands_take_the_name_as_the_shell_does() {
        let hint = |name: &str| refusal(b"\x80\x05\x95", name).unwrap().1;
        assert!(hint("a b.pkl").contains("read_pickle('a b.pkl')"));
        assert!(hint("it's.pkl").contains("read_pickle('FILE')"));
        assert_eq!(filled("7z x {file}", "it's"), "7z x 'it'\\''s'");
        assert_eq!(filled("7z x {file}", "-"), "7z x FILE");
        assert_eq!(filled("7z x {file}", "-x"), "7z x ./-x");
    }

    #[test]
    fn zeros_in_every_second_byte_are_utf_16() {
        let little: Vec<u8> = "Session Id,Started At\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "Session Id,Started At\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(no_text(&little).unwrap().1.contains("⟨encoding⟩ utf-16"));
        assert!(no_text(&big).unwrap().1.contains("⟨encoding⟩ utf-16"));
        assert!(no_text(&[1, 2, 3, 0, 0, 0, 7]).unwrap().0.contains("binary"));
        assert_eq!(no_text("Session Id;Größe\t\r\n".as_bytes()), None);
    }
}
