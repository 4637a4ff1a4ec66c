//! What a record that is put aside needs beside itself to be read again.

use serde::{Deserialize, Serialize};

use super::converter::Converter;
use super::dialect::Declared;
use super::formats::{Encoding, InputFormat};
use super::layout::Layout;
use crate::lake::foreign::PartitionValue;

/// What a record needs beside itself to be read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Context {
    pub(super) source: String,
    pub(super) format: InputFormat,
    pub(super) encoding: Encoding,
    pub(super) time_zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delimiter: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line_end: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<Vec<String>>,
    /// The values that the log of a Delta table has of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<Vec<PartitionValue>>,
    #[serde(default, skip_serializing_if = "Declared::is_default")]
    pub(super) declared: Declared,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) no_end_days: Vec<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) header_map: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) keep_extra: bool,
    /// What the user said when the file was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exported_at_us: Option<i64>,
    /// What holds for records that do not say.
    pub(super) default_exported_at_us: i64,
}

impl Context {
    pub(super) fn of(converter: &Converter, layout: Option<&Layout>) -> Self {
        let is_csv = matches!(converter.format, InputFormat::Csv | InputFormat::Tsv);
        Self {
            source: converter.rules.source.clone(),
            format: converter.format,
            encoding: converter.encoding,
            time_zone: converter.rules.time_zone.name().to_owned(),
            delimiter: is_csv.then(|| char::from(converter.dialect.delimiter)),
            line_end: is_csv.then(|| char::from(converter.dialect.newline)),
            headers: layout.map(|layout| layout.headers.names.clone()),
            values: converter.rules.folders.told(),
            declared: converter.declared.clone(),
            no_end_days: converter.rules.no_end_days.clone(),
            header_map: converter.header_map.clone(),
            keep_extra: converter.rules.keep_extra,
            exported_at_us: converter.rules.exported_at_us,
            default_exported_at_us: converter.rules.default_exported_at_us,
        }
    }

    pub(super) fn to_json(&self) -> String {
        // Strings and numbers only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}
