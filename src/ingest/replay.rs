//! Reads quarantined records again.
//!
//! A record that was put aside comes back with the context it was read in, and under the options of now: a header map, a
//! character set or a longest record may have been the reason. What is not declared now is as it was declared then, and so is the zone:
//! one that the environment or a configuration names is no declaration for these records. Line ends are always those of then.

use std::sync::Arc;

use super::batch::{Block, Payload, ReadBatch};
use super::context::Context;
use super::converter::Converter;
use super::csv::cut;
use super::cut::{KEPT_BYTES, Span, TextBlock};
use super::dialect::Dialect;
use super::ends::Cut;
use super::folders::FolderColumns;
use super::formats::{Encoding, InputFormat};
use super::json_rows::Extra;
use super::layout::Layout;
use super::rules::Rules;
use super::source::ReadOptions;
use super::stream::decode_record;
use crate::error::{Error, Place, Result};
use crate::schema::normalise;

/// Reads one quarantined record again, with the context it was stored with and under the options of now.
///
/// Of the options the header map, the character set (for a record that was read as UTF-8 and is not), `keep_extra`, what is declared, a zone that is,
/// `max_record_bytes` and `exported_at_us` count before those of then. The batch has one row or one reject.
///
/// # Errors
/// The context is not one of ours, or its headers do not have the required columns under the header map.
pub fn replay(context: &str, raw: &[u8], options: &ReadOptions) -> Result<ReadBatch> {
    let context: Context = serde_json::from_str(context)
        .map_err(|error| Error::input(Place::file("quarantine"), format!("broken context of a record: {error}")))?;
    let place = Place::file(&context.source);
    let time_zone = match options.zone_is_declared {
        true => options.time_zone,
        false => context
            .time_zone
            .parse()
            .map_err(|_| Error::input(place.clone(), format!("unknown time zone {:?}", context.time_zone)))?,
    };
    let mut header_map = context.header_map;
    header_map.retain(|(theirs, _)| !options.header_map.iter().any(|(now, _)| normalise(now) == normalise(theirs)));
    header_map.extend(options.header_map.iter().cloned());
    let keep_extra = options.keep_extra || context.keep_extra;
    let folders = match context.values {
        Some(values) => FolderColumns::of_values(&context.source, values, &header_map)?,
        None => FolderColumns::of(&context.source, &header_map)?,
    };
    let named = &options.declared.columns;
    let may_be_named = match context.format {
        InputFormat::Csv | InputFormat::Tsv => true,
        // Lists of values, which objects are not.
        InputFormat::Ndjson | InputFormat::JsonArray => context.headers.is_some(),
        _ => false,
    };
    let headers = if may_be_named && !named.is_empty() { Some(named) } else { context.headers.as_ref() };
    let layout = match (headers, context.format) {
        // A row of Parquet or Arrow comes back as an object, which has its headers in itself.
        (Some(headers), _) => Some(Arc::new(Layout::new(headers, &header_map, &folders, place)?)),
        (None, InputFormat::Ndjson | InputFormat::JsonArray | InputFormat::Parquet | InputFormat::Arrow) => {
            crate::schema::match_headers::<&str>(&[], &header_map)?;
            None
        }
        (None, _) => return Err(Error::input(place, "the context of a record has no headers")),
    };
    let byte = |character: Option<char>, usual: u8| character.and_then(|c| u8::try_from(c).ok()).unwrap_or(usual);
    // What is declared now counts, part by part.
    let declared = options.declared.clone().over(context.declared);
    let no_end_days = if options.no_end_days.is_empty() { context.no_end_days } else { options.no_end_days.clone() };
    let converter = Converter {
        format: context.format,
        encoding: context.encoding,
        dialect: Dialect {
            delimiter: options.declared.delimiter.unwrap_or(byte(context.delimiter, b',')),
            newline: byte(context.line_end, b'\n'),
            ..Dialect::of(&declared)
        },
        layout,
        rules: Rules {
            time_zone,
            exported_at_us: options.exported_at_us.or(context.exported_at_us),
            default_exported_at_us: context.default_exported_at_us,
            source: context.source,
            folders,
            keep_extra,
            numbers: declared.numbers(),
            dates: declared.dates.clone(),
            iso_beside: matches!(
                context.format,
                InputFormat::Parquet | InputFormat::Arrow | InputFormat::Xlsx | InputFormat::Ods | InputFormat::Avro
            ),
            no_end_days,
        },
        declared,
        header_map,
        extra: if keep_extra { Extra::Keep } else { Extra::Drop },
        max_record_bytes: options.max_record_bytes,
    };
    // What was read in another character set was stored as UTF-8.
    let bytes = match context.encoding {
        Encoding::Utf8 if std::str::from_utf8(raw).is_err() => decode_record(raw, options.encoding),
        _ => raw.to_vec(),
    };
    let fault = fault_of(&converter, &bytes, raw.len());
    let spans = vec![Span { start: 0, end: bytes.len(), line: 1, fault, truncated: raw.len() == KEPT_BYTES }];
    converter.convert(Block { payload: Payload::Text(TextBlock { bytes, spans, offset: 0, layout: None }) })
}

/// Does for one record what cutting does for a file.
fn fault_of(converter: &Converter, record: &[u8], stored_bytes: usize) -> Option<String> {
    if record.len() > converter.max_record_bytes {
        return Some(format!("the record has {} bytes, more than a record may have", record.len()));
    }
    if !matches!(converter.format, InputFormat::Csv | InputFormat::Tsv) {
        return None;
    }
    // The start of a long line may look like a whole record; JSON that was cut never does.
    if stored_bytes == KEPT_BYTES {
        return Some("the record was cut when it was put aside; ingest its file again".to_owned());
    }
    match cut(record, true, converter.dialect) {
        Cut::Record { fault: Some(fault), .. } => Some(fault.to_owned()),
        Cut::Record { next, .. } if next < record.len() => Some("more than one record".to_owned()),
        Cut::Record { .. } | Cut::More => None,
    }
}
