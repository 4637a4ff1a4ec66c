//! The formats and character sets of inputs.

/// The format of an input, after decompression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFormat {
    /// Comma-separated, RFC 4180.
    Csv,
    /// Tab-separated, quoted as CSV is.
    Tsv,
    /// One JSON object a line.
    Ndjson,
    /// An array of JSON objects, or JSON objects after each other that need not keep to lines.
    JsonArray,
    /// `{columnHeaders:[…], records:[[…]]}`, one page or many after each other.
    Pages,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, as a file (Feather of version 2 too) or as a stream.
    Arrow,
    /// A workbook of Excel 2007 and later.
    Xlsx,
    /// An OpenDocument spreadsheet.
    Ods,
    /// A folder with a Delta table, whose data files are Parquet.
    Delta,
    /// An Avro object container file.
    Avro,
}

/// The character set of a text input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    Utf8,
    /// UTF-16; the byte order mark decides, or else the zero of the first character, which is ASCII. Byte offsets then count the text as UTF-8.
    Utf16,
    /// Windows code page 1252. Byte offsets then count the text as UTF-8.
    Cp1252,
}
