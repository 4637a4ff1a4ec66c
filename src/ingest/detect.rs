//! Tells the format of an input by its name and its first bytes.

use super::formats::InputFormat;
use super::pages::looks_like_pages;
use crate::json::{Scanner, blanks};

/// The first bytes of every Parquet file.
pub(super) const PARQUET_MAGIC: &[u8] = b"PAR1";

/// What the ending of a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Csv,
    Tsv,
    JsonLines,
    Json,
    Parquet,
    Arrow,
    Xlsx,
    Ods,
    Avro,
    Unknown,
}

/// Endings of compressed files.
const PACKED: [&str; 7] = [".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".lz4"];

fn ending(name: &str) -> Ending {
    let lower = name.to_ascii_lowercase();
    let unpacked = PACKED.iter().find_map(|packed| lower.strip_suffix(packed)).unwrap_or(&lower);
    match unpacked.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv") => Ending::Csv,
        Some("tsv" | "tab") => Ending::Tsv,
        Some("ndjson" | "jsonl") => Ending::JsonLines,
        Some("json") => Ending::Json,
        Some("parquet" | "pq") => Ending::Parquet,
        Some("arrow" | "arrows" | "feather" | "ipc") => Ending::Arrow,
        Some("xlsx" | "xlsm") => Ending::Xlsx,
        Some("ods") => Ending::Ods,
        Some("avro") => Ending::Avro,
        _ => Ending::Unknown,
    }
}

/// Returns whether a name promises JSON.
pub(super) fn is_json_name(name: &str) -> bool {
    matches!(ending(name), Ending::Json | Ending::JsonLines)
}

/// Returns whether files of this name are read when their folder is.
pub(super) fn is_known_name(name: &str) -> bool {
    ending(name) != Ending::Unknown
}

/// Returns whether files of this name are archives: zip, or tar in any compression.
pub(super) fn is_archive_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let unpacked = PACKED.iter().find_map(|packed| lower.strip_suffix(packed)).unwrap_or(&lower);
    let is_zip = lower.ends_with(".zip");
    is_zip || [".tar", ".tgz", ".tbz2", ".tbz", ".txz", ".tzst"].iter().any(|ending| unpacked.ends_with(ending))
}

/// Tells the format of an input, or returns `None` where its name promises another. `text` is as much of its start as is at hand, decompressed and
/// decoded. Parquet's first bytes win over the name; otherwise the name decides, and the text between the shapes of JSON.
pub(super) fn detect(name: &str, text: &[u8]) -> Option<InputFormat> {
    if text.starts_with(PARQUET_MAGIC) {
        return Some(InputFormat::Parquet);
    }
    match ending(name) {
        Ending::Csv => Some(InputFormat::Csv),
        Ending::Tsv => Some(InputFormat::Tsv),
        Ending::Parquet | Ending::Arrow | Ending::Xlsx | Ending::Ods | Ending::Avro => None,
        Ending::JsonLines => Some(json_shape(text).unwrap_or(InputFormat::Ndjson)),
        Ending::Json if blanks(text, 0) == text.len() => Some(InputFormat::Ndjson),
        Ending::Json => json_shape(text),
        Ending::Unknown if begins_row(text) => Some(InputFormat::Csv),
        Ending::Unknown => Some(json_shape(text).unwrap_or(InputFormat::Csv)),
    }
}

/// Says what the name of a file that is none promises.
pub(super) fn promised(name: &str) -> &'static str {
    match ending(name) {
        Ending::Parquet => "a Parquet file",
        Ending::Arrow => "an Arrow file",
        Ending::Xlsx => "an XLSX workbook",
        Ending::Ods => "an OpenDocument spreadsheet",
        Ending::Avro => "an Avro file",
        _ => "JSON",
    }
}

/// Returns whether a text begins with an object and goes on in its line as no JSON does: a column of JSON may be the first.
pub(super) fn begins_row(text: &[u8]) -> bool {
    let text = text.get(blanks(text, 0)..).unwrap_or_default();
    let end = Scanner::default().feed(text).filter(|_| text.first() == Some(&b'{'));
    // Objects may stand in lines that end with commas, or behind each other with commas between.
    let rest = end.and_then(|end| text.get(end..)).unwrap_or_default();
    matches!(rest, [b'\t' | b'|' | b';', ..])
        || matches!(rest, [b',', next, ..] if !matches!(next, b'{' | b' ' | b'\t' | b'\r' | b'\n'))
}

/// Tells the shapes of JSON apart, or returns `None` for text that is none of them.
pub(super) fn json_shape(text: &[u8]) -> Option<InputFormat> {
    if looks_like_pages(text) {
        return Some(InputFormat::Pages);
    }
    let text = text.get(blanks(text, 0)..)?;
    match text.first()? {
        b'[' => Some(InputFormat::JsonArray),
        b'{' => {
            let line_end = memchr::memchr(b'\n', text).unwrap_or(text.len());
            let first_line = text.get(..line_end)?.trim_ascii_end();
            // An object that goes on behind its line is one of several that do not keep to lines, unless the line looks whole
            // and is only broken.
            // Lines may end with CR alone.
            let end = Scanner::default().feed(text).unwrap_or(text.len());
            let on_one_line = matches!(text.get(end..end + 2), Some([b'\r', next]) if *next != b'\n');
            let one_line = !on_one_line
                && (Scanner::default().feed(first_line).is_some()
                    || first_line.last() == Some(&b'}')
                    || line_end == text.len());
            Some(if one_line { InputFormat::Ndjson } else { InputFormat::JsonArray })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides_and_the_text_between_shapes_of_json() {
        use InputFormat::{Csv, JsonArray, Ndjson, Pages, Parquet, Tsv};
        for (name, text, format) in [
            ("a.csv", "{", Csv),
            ("a.CSV.gz", "a,b", Csv),
            ("a.tsv.zst", "a\tb", Tsv),
            ("a.tsv.bz2", "a\tb", Tsv),
            ("a.ndjson.xz", "", Ndjson),
            ("a.ndjson.lz4", "", Ndjson),
            ("a.ndjson", "{\"a\":1}\n", Ndjson),
            ("a.jsonl", "", Ndjson),
            ("a.json", "", Ndjson),
            ("a.json", " [\n{\"a\":1}]", JsonArray),
            ("a.json", "{\"a\":1}\n{\"a\":2}", Ndjson),
            ("a.json", "{\n \"a\":1\n}", JsonArray),
            ("a.json", "{\"a\":\"x}\n{\"a\":2}", Ndjson),
            ("a.json", "{\"pagination\":{}, \"columnHeaders\":[", Pages),
            ("a.json", "[{\"records\":[[", Pages),
            ("a.jsonl", "{\"columnHeaders\":[]}", Pages),
            ("a.json", "{\"records\":7}", Ndjson),
            ("-", "Session Id,Started At\n", Csv),
            ("-", "\n{\"a\":1}", Ndjson),
            ("a.csv", "PAR1\u{15}", Parquet),
            ("export", "", Csv),
            ("export", "{\"a\":1}\ts1\t2026-11-20\n", Csv),
            ("export", "{\"a\":1},s1,2026-11-20\n", Csv),
            ("export", "{\"a\":1},\n{\"a\":2},\n", Ndjson),
            ("a.ndjson", "{\"a\":1}\r{\"a\":2}\r", JsonArray),
            ("a.ndjson", "{\"a\":1}\r\n{\"a\":2}\r\n", Ndjson),
        ] {
            assert_eq!(detect(name, text.as_bytes()), Some(format), "{name} {text:?}");
        }
        assert_eq!(detect("a.parquet", b"PK"), None);
        assert_eq!(detect("a.json", b"<html>"), None);
    }
}
