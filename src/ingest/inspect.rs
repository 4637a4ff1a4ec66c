//! Says what an ingest would make of a file, and finds flags that read it better.
//!
//! The start of the file is read under the flags that were given, and again with one flag more at a time ([`suggest`]): the flag that
//! leaves the fewest records unread, and after that the fewest that are odd, is kept, until none helps. So every suggestion has been tried
//! on the file itself. Nothing of this is done by an ingest. Memory: the first MiB of the file, and a block of records.

use std::io::{Cursor, Read, Seek, Write};
use std::sync::Arc;

use arrow::array::AsArray;

use super::attempts::blocking;
use super::batch::{Block, Payload, ReadBatch};
use super::converter::Converter;
use super::csv::Fields;
use super::cut::TextBlock;
use super::delta::opened_tables;
use super::detect::PARQUET_MAGIC;
use super::dialect::{null_mark, quoted_null_mark};
use super::formats::InputFormat;
use super::gist::{keys, without_value};
use super::ipc_parts::FILE_MAGIC;
use super::kinds::{KIND_BYTES, flag as format_name, is_ipc};
use super::layout::{Layout, target_name};
use super::look::Look;
use super::packed::ByteStream;
use super::reader::Reader;
use super::signs::refusal;
use super::source::{ReadOptions, SourceFile};
use super::stage::missing_columns;
use super::suggest;
use super::{Encoding, Warning};
use crate::error::{Error, Result, io_error};
use crate::lake::ledger::add_warnings;
use crate::schema::{COLUMNS, match_headers};

/// Bytes of text that flags are tried on, decompressed.
const TRIAL_BYTES: usize = 1 << 20;

/// Bytes of a file of columns that flags are tried on at most: each try reads all of it.
const TRIED_FILE_BYTES: u64 = 256 << 20;

/// Reasons, headers and notes that are told at most: a file may have as many as it has records.
const TOLD: usize = 10;
const HEADERS: usize = 1_000;

/// What begins a zip, which a workbook is.
const ZIP_MAGIC: &[u8] = b"PK";

/// Records whose keys are looked at, and good rows that first values are looked for in.
const LOOKED_AT: usize = 1_000;

/// What [`inspect`] found.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// What becomes of the file under the options that were given.
    pub given: Look,
    /// What becomes of it with the flags suggested as well.
    pub suggested: Look,
    /// The flags suggested: names of options in brackets, as errors have them, each before its value.
    pub flags: Vec<Vec<String>>,
    /// The character set under the flags suggested.
    pub encoding: Encoding,
    /// What cannot be told from the file, a sentence each.
    pub doubts: Vec<String>,
    /// What the file is compressed by.
    pub packing: Option<&'static str>,
}

/// Looks at the first `bytes` of a file, decompressed, or of its columns where it is one of columns, and at those blocks of records that
/// begin in them. Standard input is kept in a temporary file as far as it is looked at.
///
/// # Errors
/// The file cannot be read, or the temporary one not be written.
pub async fn inspect(file: &SourceFile, options: &ReadOptions, bytes: u64) -> Result<Inspection> {
    // Of a Delta table the log says what its files are.
    let opened = opened_tables(std::slice::from_ref(file)).await;
    let options = options.clone();
    let file = opened.into_iter().next().ok_or_else(|| Error::internal("an input without a file"))?;
    blocking(move || inspect_opened(&file, &options, bytes)).await
}

fn inspect_opened(file: &SourceFile, options: &ReadOptions, bytes: u64) -> Result<Inspection> {
    if file.delta.is_some() {
        return inspect_file(file, options, bytes, false);
    }
    let is_there = file.member.is_some() || file.path.as_ref().is_some_and(|path| path.is_file());
    if is_there {
        return inspect_file(file, options, bytes, false);
    }
    let mut input: Box<dyn Read> = match &file.path {
        None => Box::new(std::io::stdin()),
        Some(path) => Box::new(std::fs::File::open(path).map_err(io_error(&file.name))?),
    };
    let failed = || io_error("temporary copy of the input");
    let mut copy = tempfile::NamedTempFile::new().map_err(failed())?;
    let mut kept = std::io::copy(&mut (&mut input).take(bytes.max(TRIAL_BYTES as u64)), &mut copy).map_err(failed())?;
    copy.flush().map_err(failed())?;
    let copied = SourceFile { path: Some(copy.path().to_owned()), ..file.clone() };
    let is_read_from_end = match copied.open() {
        Ok(mut stream) => {
            let is_one =
                |start: &[u8]| [PARQUET_MAGIC, FILE_MAGIC, ZIP_MAGIC].iter().any(|magic| start.starts_with(magic));
            stream.look_at(FILE_MAGIC.len()).is_ok_and(is_one)
        }
        Err(_) => false,
    };
    let mut more = [0];
    let mut is_cut = input.read(&mut more).map_err(io_error(&file.name))? > 0;
    if is_cut && is_read_from_end {
        copy.as_file_mut().seek(std::io::SeekFrom::End(0)).map_err(failed())?;
        copy.write_all(&more).map_err(failed())?;
        kept += 1 + std::io::copy(&mut input, &mut copy).map_err(failed())?;
        copy.flush().map_err(failed())?;
        is_cut = false;
    }
    tracing::debug!("kept {kept} bytes of {}", file.name);
    inspect_file(&copied, options, bytes, is_cut)
}

fn inspect_file(file: &SourceFile, options: &ReadOptions, bytes: u64, is_cut: bool) -> Result<Inspection> {
    let source = Source::open(file, options, is_cut)?;
    let given = source.look(options, Amount::Bytes(bytes))?;
    let mut found = Inspection {
        suggested: given.clone(),
        given,
        flags: Vec::new(),
        encoding: options.encoding,
        doubts: Vec::new(),
        packing: source.packing,
    };
    if let Some(reason) = source.untried {
        found.doubts.push(reason.to_owned());
        return Ok(found);
    }
    // What is wrong may begin behind what is tried first.
    let start = source.look(options, Amount::Trial)?;
    let amount = if suggest::is_clean(&start) { Amount::Bytes(bytes) } else { Amount::Trial };
    let from = if suggest::is_clean(&start) { found.given.clone() } else { start };
    let tried = suggest::suggest(from, options, &source.start, |options| source.look(options, amount))?;
    found.doubts.extend(source.other_sheets(&tried.options)?);
    if !tried.flags.is_empty() {
        found.suggested = source.look(&tried.options, Amount::Bytes(bytes))?;
        found.encoding = tried.options.encoding;
        found.flags = tried.flags;
        found.doubts.extend(tried.doubts);
    }
    Ok(found)
}

/// How much of a file is looked at.
#[derive(Clone, Copy)]
enum Amount {
    /// What flags are tried on.
    Trial,
    /// Blocks that begin in the first so many bytes.
    Bytes(u64),
}

/// A file that is looked at again and again.
struct Source<'f> {
    file: &'f SourceFile,
    /// The first bytes, decompressed.
    start: Arc<[u8]>,
    /// Whether there are more.
    goes_on: bool,
    /// Whether the file is only the start of one.
    is_cut: bool,
    is_text: bool,
    packing: Option<&'static str>,
    /// Why no flags are tried.
    untried: Option<&'static str>,
    /// The data files of a Delta table, as inputs.
    parts: Option<Vec<SourceFile>>,
    /// Why there are none.
    refused: Option<(String, Option<String>)>,
}

impl<'f> Source<'f> {
    fn open(file: &'f SourceFile, options: &ReadOptions, is_cut: bool) -> Result<Self> {
        let mut source = Self {
            file,
            start: Arc::new([]),
            goes_on: true,
            is_cut,
            is_text: false,
            packing: None,
            untried: Some("no flags were tried: the file cannot be opened"),
            parts: None,
            refused: None,
        };
        match file.data_files(options) {
            Ok(None) => {}
            Ok(Some(parts)) => {
                source.parts = Some(parts);
                source.untried = source.untried_for_size();
                return Ok(source);
            }
            Err(error @ Error::Input { .. }) => {
                source.refused = Some((error.to_string(), error.hint().map(str::to_owned)));
                return Ok(source);
            }
            Err(error) => return Err(error),
        }
        let mut stream = match file.open() {
            Ok(stream) => stream,
            // Told again when it is looked at.
            Err(Error::Input { .. }) => return Ok(source),
            Err(error) => return Err(error),
        };
        source.packing = stream.packing();
        let mut start = Vec::new();
        let read =
            stream.read_into(&mut start, TRIAL_BYTES).and_then(|_| stream.look_at(1).map(|more| !more.is_empty()));
        match read {
            Ok(goes_on) => source.goes_on = goes_on || is_cut,
            // The archive is damaged, or cut, behind what was read.
            Err(Error::Input { .. }) => {}
            Err(error) => return Err(error),
        }
        let is_other = [PARQUET_MAGIC, ZIP_MAGIC, b"Obj\x01"].iter().any(|magic| start.starts_with(magic));
        source.is_text = !is_other && !is_ipc(start.get(..KIND_BYTES).unwrap_or(&start));
        source.untried = source.untried_for_size();
        source.start = start.into();
        Ok(source)
    }

    fn untried_for_size(&self) -> Option<&'static str> {
        let is_large = !self.is_text && self.file.size_bytes.is_some_and(|bytes| bytes > TRIED_FILE_BYTES);
        is_large.then_some("no flags were tried: the file has more than 256 MiB")
    }

    /// Reads the file under these options.
    fn look(&self, options: &ReadOptions, amount: Amount) -> Result<Look> {
        // Extra columns have first values, too.
        let options = ReadOptions {
            keep_extra: options.keep_extra || self.is_text || self.start.starts_with(ZIP_MAGIC),
            ..options.clone()
        };
        if let Some(refused) = &self.refused {
            return Ok(Look { refused: Some(refused.clone()), ..Look::default() });
        }
        if let Some(parts) = &self.parts {
            return self.look_at_parts(parts, &options, amount);
        }
        let in_memory = self.is_text && (matches!(amount, Amount::Trial) || !self.goes_on);
        let start = || ByteStream::unpacked(Box::new(Cursor::new(Arc::clone(&self.start))), &self.file.name);
        let opened = match in_memory {
            true => start().and_then(|bytes| Reader::from_stream(bytes, self.file, &options)),
            false => Reader::open(self.file, &options),
        };
        let limit = match amount {
            Amount::Trial if in_memory => u64::MAX,
            Amount::Trial => TRIAL_BYTES as u64,
            Amount::Bytes(bytes) => bytes,
        };
        let mut look = Look { exported_at_us: options.export_time_us(self.file), ..Look::default() };
        let ends_early = if in_memory { self.goes_on } else { self.is_cut };
        match opened {
            Ok(reader) => {
                let of_archive = self.file.member.as_ref().filter(|_| in_memory).and_then(|member| member.note.clone());
                look.notes.extend(of_archive);
                look.read(reader, &options, limit, ends_early)?;
            }
            Err(error) => {
                look.refuse(error)?;
                let bytes = if in_memory { start() } else { self.file.open() };
                look.see_headers(bytes.and_then(|bytes| Reader::headers_of(bytes, self.file, &options)));
            }
        }
        if options.strict
            && look.refused.is_none()
            && let Some(reason) = refusal(&self.file.name, &look.signs, &look.warnings)
        {
            let (message, hint) = reason.split_once("\nhint: ").unwrap_or((&reason, ""));
            look.refused = Some((message.to_owned(), Some(hint.to_owned())));
        }
        Ok(look)
    }
}

impl Source<'_> {
    /// Says which other sheets of a workbook could be meant, where none is named: each was read.
    fn other_sheets(&self, options: &ReadOptions) -> Result<Vec<String>> {
        if options.sheet.is_some() || !self.start.starts_with(ZIP_MAGIC) {
            return Ok(Vec::new());
        }
        let Some(names) = Reader::open(self.file, options).ok().and_then(|reader| reader.other_sheets()) else {
            return Ok(Vec::new());
        };
        let mut told = Vec::new();
        for name in names.into_iter().take(TOLD) {
            let options = ReadOptions { sheet: Some(name.clone()), ..options.clone() };
            let look = self.look(&options, Amount::Trial)?;
            let read = look.rows - look.bad;
            if look.refused.is_none() && read > 0 {
                let (count, records) = (look.rows, if look.rows == 1 { "record" } else { "records" });
                told.push(format!(
                    "another sheet could be meant: ⟨sheet⟩ '{name}' reads {read} of its {count} {records}"
                ));
            }
        }
        Ok(told)
    }

    /// Reads the data files of a Delta table, one after the other, until they reach the limit.
    fn look_at_parts(&self, parts: &[SourceFile], options: &ReadOptions, amount: Amount) -> Result<Look> {
        let limit = match amount {
            Amount::Trial => TRIAL_BYTES as u64,
            Amount::Bytes(bytes) => bytes,
        };
        let mut look = Look {
            exported_at_us: options.export_time_us(self.file),
            notes: self.file.table_notes(),
            is_whole: true,
            ..Look::default()
        };
        for part in parts {
            if look.bytes >= limit || look.refused.is_some() {
                look.is_whole = false;
                break;
            }
            match Reader::open(part, options) {
                Ok(reader) => look.read(reader, options, limit, false)?,
                Err(error) => {
                    look.refuse(error)?;
                    let bytes = part.open();
                    look.see_headers(bytes.and_then(|bytes| Reader::headers_of(bytes, part, options)));
                }
            }
            if !look.is_whole {
                break;
            }
        }
        look.format = Some(InputFormat::Delta);
        look.format_name = format_name(InputFormat::Delta);
        Ok(look)
    }
}

impl Look {
    /// Reads blocks until they reach the limit. Of bytes that end early the last record is left out, since what it would be is not known.
    fn read(&mut self, mut reader: Reader, options: &ReadOptions, limit: u64, ends_early: bool) -> Result<()> {
        let converter = reader.converter();
        self.format = Some(reader.format());
        self.format_name = format_name(reader.format());
        self.is_text = matches!(
            self.format,
            Some(
                InputFormat::Csv | InputFormat::Tsv | InputFormat::Ndjson | InputFormat::JsonArray | InputFormat::Pages
            )
        );
        if matches!(self.format, Some(InputFormat::Csv | InputFormat::Tsv)) {
            self.delimiter = Some(converter.dialect.delimiter);
        }
        self.headers = converter.layout.iter().flat_map(|layout| headers(layout)).take(HEADERS).collect();
        self.in_folders = converter.rules.folders.slots().filter_map(|slot| Some(COLUMNS.get(slot)?.name)).collect();
        let is_plain = self.delimiter.is_some() && converter.dialect.is_plain();
        let mut waiting = None::<Block>;
        loop {
            let next = match reader.next_block() {
                Ok(next) => next,
                Err(_) if ends_early => None,
                Err(error) => return self.refuse(error),
            };
            let is_last = next.is_none();
            if let Some(mut block) = waiting.take() {
                if let (Payload::Text(text), true, true) = (&mut block.payload, is_last, ends_early) {
                    text.spans.pop();
                }
                if let Payload::Text(text) = &block.payload {
                    self.see_text(text, options, is_plain.then_some(converter.dialect.delimiter));
                }
                match converter.convert(block) {
                    Ok(read) => self.take(&read),
                    Err(error) => return self.refuse(error),
                }
            }
            match next {
                Some(block) if self.bytes < limit => {
                    self.bytes += size_of(&block);
                    waiting = Some(block);
                }
                Some(_) => {
                    self.is_whole = false;
                    break;
                }
                None => {
                    self.is_whole = !ends_early;
                    break;
                }
            }
        }
        self.missing = missing_columns(self.columns_seen);
        if self.is_whole {
            match reader.finish() {
                Ok(summary) => {
                    self.notes = [std::mem::take(&mut self.notes), summary.notes].concat();
                    self.notes.dedup();
                    self.signs.extend(summary.signs.into_iter().map(|sign| (sign, 1)));
                }
                Err(error) => return self.refuse(error),
            }
        } else {
            self.notes.extend(reader.notes().iter().cloned());
            self.signs.extend(reader.signs().iter().map(|sign| (sign.clone(), 1)));
        }
        Ok(())
    }

    /// Takes the headers of a file that is refused, if it is for them. They may be nearly those of columns.
    fn see_headers(&mut self, opened: Result<Arc<Converter>>) {
        let Ok(converter) = opened else { return };
        self.headers = converter.layout.iter().flat_map(|layout| headers(layout)).take(HEADERS).collect();
    }

    fn refuse(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Input { .. } => {
                self.refused = Some((error.to_string(), error.hint().map(str::to_owned)));
                Ok(())
            }
            error => Err(error),
        }
    }

    fn take(&mut self, read: &ReadBatch) {
        self.rows += (read.rows.num_rows() + read.rejects.len()) as u64;
        self.bad += read.rejects.len() as u64;
        self.columns_seen |= read.columns_seen;
        for reject in &read.rejects {
            // The values differ from record to record, what is wrong with them does not.
            let what = without_value(&reject.reason);
            let reason = match &reject.column {
                Some(column) => format!("{column} {what}"),
                None => what.to_owned(),
            };
            if self.reasons.len() < TOLD || self.reasons.contains_key(&reason) {
                self.reasons.entry(reason).or_insert((0, reject.line)).0 += 1;
            }
            // Columns are read in this order, and the first that cannot be read is told alone.
            self.distance += match reject.column.as_deref() {
                Some("started_at") => 4,
                Some("ended_at") => 3,
                Some("time_in_workflow") => 2,
                Some(crate::schema::EXPORTED_AT) => 1,
                _ => 8,
            };
            if let Some(sign) = reject.sign.as_deref() {
                *self.signs.entry(sign.clone()).or_default() += 1;
                if let Some(mark) = sign.mark() {
                    *self.marks.entry(mark.to_owned()).or_default() += 1;
                }
            }
        }
        // Fields of delimited text are looked at as they came.
        if self.delimiter.is_none() && read.warnings.contains_key(&Warning::NullMark) {
            let texts = read.rows.columns().iter().filter_map(|column| column.as_string_view_opt());
            for mark in texts.flat_map(|texts| texts.iter().flatten()).filter_map(null_mark) {
                *self.marks.entry(mark.to_owned()).or_default() += 1;
            }
        }
        add_warnings(&mut self.warnings, &read.warnings);
        for note in &read.notes {
            if self.notes.len() < TOLD && !self.notes.contains(note) {
                self.notes.push(note.clone());
            }
        }
        if self.first.is_none() && read.rows.num_rows() > 0 {
            self.first = Some(read.rows.slice(0, read.rows.num_rows().min(LOOKED_AT)));
        }
    }

    /// Looks for marks of null in delimited text, and for the headers of records that have their own.
    fn see_text(&mut self, block: &TextBlock, options: &ReadOptions, delimiter: Option<u8>) {
        let records =
            block.spans.iter().filter_map(|span| std::str::from_utf8(block.bytes.get(span.start..span.end)?).ok());
        if let Some(delimiter) = delimiter {
            let mut fields = Fields::default();
            for record in records {
                fields.split(record, delimiter);
                for (text, is_quoted) in fields.quoted_texts(record) {
                    self.has_quotes |= is_quoted;
                    let mark = match is_quoted {
                        false => null_mark(text).map(str::to_owned),
                        true if record.starts_with('"') => quoted_null_mark(text).map(|mark| format!("\"{mark}\"")),
                        true => None,
                    };
                    if let Some(mark) = mark {
                        *self.marks.entry(mark).or_default() += 1;
                    }
                }
            }
        } else if let Some(layout) = &block.layout {
            for (header, column) in headers(layout) {
                if self.headers.len() < HEADERS && !self.headers.iter().any(|(known, _)| *known == header) {
                    self.headers.push((header, column));
                }
            }
        } else if self.delimiter.is_none() && self.rows < LOOKED_AT as u64 {
            for key in records.take(LOOKED_AT).flat_map(keys) {
                if self.headers.len() < HEADERS && !self.headers.iter().any(|(known, _)| *known == key) {
                    let column = match_headers(&[&key], &options.header_map).ok();
                    let column = column.and_then(|found| target_name(*found.matches.first()?));
                    self.headers.push((key, column));
                }
            }
        }
    }

    /// Returns the first text that a column which is none of ours has, where extra columns were kept.
    pub fn first_extra(&self, header: &str) -> Option<String> {
        let extra = self.first.as_ref()?.column_by_name("_extra")?.as_string_view_opt()?;
        let values = extra.iter().flatten().find_map(|json| {
            let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).ok()?;
            object.remove(header)
        })?;
        Some(match values {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

fn size_of(block: &Block) -> u64 {
    match &block.payload {
        Payload::Text(block) => block.bytes.len() as u64,
        Payload::Rows(block) => block.batch.get_array_memory_size() as u64,
    }
}

fn headers(layout: &Layout) -> Vec<(String, Option<&'static str>)> {
    let matches = layout.headers.matches.iter().map(|found| target_name(*found));
    layout.headers.names.iter().cloned().zip(matches).collect()
}
