//! The parts of a workbook: files in a zip, unpacked as they are read.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use zip::CompressionMethod;

use super::super::archive::MAX_MEMBERS;
use super::super::member::unpacked;
use super::super::parquet_rows::guarded;
use super::xml::Xml;
use crate::error::{Error, Place, Result};

/// Bytes that one part may have, unpacked: as many as a part of a plain zip can have. A sheet is read front to back, so that this is
/// a bound of time and not of memory.
const MAX_PART_BYTES: u64 = 4 << 30;

/// A zip, by the places of its parts.
pub(super) struct Package {
    file: Arc<File>,
    parts: HashMap<String, Part>,
    name: String,
}

struct Part {
    start: u64,
    packed_bytes: u64,
    bytes: u64,
    crc: u32,
    method: CompressionMethod,
    is_encrypted: bool,
}

/// A place in a file that others read too.
struct At {
    file: Arc<File>,
    at: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut file = self.file.as_ref();
        file.seek(SeekFrom::Start(self.at))?;
        let length = file.read(buffer)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// What a zip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Xlsx,
    Ods,
    /// A document of an office program that is no workbook in XML: what it is, and what to do.
    Other(&'static str, &'static str),
}

impl Package {
    /// Lists the parts.
    pub(super) fn open(file: File, name: &str) -> Result<Self> {
        let file = Arc::new(file);
        let parts = guarded(name, "zip", || {
            let broken = |error: &dyn std::fmt::Display| refused(name, format!("broken zip: {error}"));
            let copy = file.try_clone().map_err(|error| Error::storage(name, error))?;
            let mut archive = zip::ZipArchive::new(BufReader::new(copy)).map_err(|error| broken(&error))?;
            if archive.len() > MAX_MEMBERS {
                return Err(broken(&format!("{} files are inside, more than {MAX_MEMBERS}", archive.len())));
            }
            let mut parts = HashMap::new();
            for index in 0..archive.len() {
                let part = archive.by_index_raw(index).map_err(|error| broken(&error))?;
                let Some(start) = part.data_start() else { continue };
                let found = Part {
                    start,
                    packed_bytes: part.compressed_size(),
                    bytes: part.size(),
                    crc: part.crc32(),
                    method: part.compression(),
                    is_encrypted: part.encrypted(),
                };
                parts.insert(key(part.name()), found);
            }
            Ok(parts)
        })?;
        Ok(Self { file, parts, name: name.to_owned() })
    }

    /// Tells what is inside, by the names of the parts; `None` is no document of an office program.
    pub(super) fn kind(&self) -> Result<Option<Kind>> {
        let has = |part: &str| self.parts.contains_key(part);
        if has("mimetype") && has("content.xml") {
            let mut mimetype = Vec::new();
            if let Some(part) = self.content("mimetype", 4096)? {
                part.take(4096).read_to_end(&mut mimetype).map_err(|error| self.broken(&error))?;
            }
            return Ok(Some(match mimetype.strip_prefix(b"application/vnd.oasis.opendocument.") {
                Some(kind) if kind.starts_with(b"spreadsheet") => Kind::Ods,
                _ => Kind::Other("an OpenDocument file that is no spreadsheet", EXPORT),
            }));
        }
        Ok(match () {
            () if has("xl/workbook.bin") => Some(Kind::Other("an Excel workbook in binary (.xlsb)", SAVE)),
            () if has("[content_types].xml") && self.parts.keys().any(|part| part.starts_with("word/")) => {
                Some(Kind::Other("a Word document", EXPORT))
            }
            () if has("[content_types].xml") && self.parts.keys().any(|part| part.starts_with("ppt/")) => {
                Some(Kind::Other("a PowerPoint document", EXPORT))
            }
            () if has("[content_types].xml") || has("xl/workbook.xml") => Some(Kind::Xlsx),
            () if has("index/document.iwa") => {
                Some(Kind::Other("a document of Apple's Numbers, Pages or Keynote", SAVE))
            }
            () => None,
        })
    }

    /// Opens a part as XML; `None` where there is none of this name.
    pub(super) fn xml(&self, part: &str) -> Result<Option<Xml>> {
        let bytes = self.parts.get(&key(part)).map_or(0, |part| part.bytes);
        Ok(self.content(part, MAX_PART_BYTES)?.map(|content| Xml::new(content, bytes, &self.name)))
    }

    /// Opens a part that must be there and may have this many bytes, unpacked.
    pub(super) fn needed(&self, part: &str, most: u64) -> Result<Xml> {
        let content = self.content(part, most)?.ok_or_else(|| self.broken(&format!("it has no part {part:?}")))?;
        let bytes = self.parts.get(&key(part)).map_or(0, |part| part.bytes);
        Ok(Xml::new(content, bytes, &self.name))
    }

    fn content(&self, name: &str, most: u64) -> Result<Option<Box<dyn Read + Send>>> {
        let Some(part) = self.parts.get(&key(name)) else { return Ok(None) };
        if part.is_encrypted {
            return Err(super::with_password(&self.name));
        }
        let is_deflated = match part.method {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            method => return Err(self.broken(&format!("{name:?} is packed by a method that is not read ({method})"))),
        };
        if part.bytes > most.min(MAX_PART_BYTES) {
            let limit = most.min(MAX_PART_BYTES) >> 20;
            let message =
                format!("{name:?} has {} MiB unpacked, more than the {limit} MiB that are read", part.bytes >> 20);
            return Err(Error::input(Place::file(&self.name), message)
                .with_hint("if the workbook is whole, save the sheet as CSV in UTF-8 and ingest that"));
        }
        let packed = At { file: Arc::clone(&self.file), at: part.start }.take(part.packed_bytes);
        Ok(Some(unpacked(packed, part.bytes, part.crc, is_deflated)))
    }

    pub(super) fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        refused(&self.name, format!("broken workbook: {error}"))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

const EXPORT: &str = "export the sessions as CSV, JSON or Parquet";
const SAVE: &str = "save it as .xlsx, or as CSV in UTF-8, and ingest that";

fn refused(name: &str, message: String) -> Error {
    Error::input(Place::file(name), message).with_hint("nothing of this file is stored; fetch it again")
}

/// Names of parts are told apart without case, and some writers have backslashes in them.
fn key(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_lowercase()
}
