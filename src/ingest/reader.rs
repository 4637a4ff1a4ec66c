//! Reads one input file as a sequence of blocks, which a [`Converter`] turns into batches.
//!
//! Reading is sequential and cheap, converting is where the time goes: the caller reads on one thread, converts on several,
//! and takes the batches in order. What is wrong with the file as a whole (a truncated archive, a header without a session
//! id, an array that does not end) is an error from opening, reading or finishing, and the caller then drops what it has of
//! the file; what is wrong with a record is a [`Reject`] beside the good rows.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use super::applies::check;
use super::avro::{self, AvroInput};
use super::batch::{Block, FileSummary, Payload};
use super::converter::Converter;
use super::csv::CsvSplitter;
use super::cut::{BLOCK_BYTES, Cutter, Splitter, Window};
use super::detect::{PARQUET_MAGIC, detect, is_json_name, promised};
use super::dialect::Dialect;
use super::folders::FolderColumns;
use super::formats::{Encoding, InputFormat};
use super::header::read_header;
use super::ipc::IpcInput;
use super::ipc_parts::FILE_MAGIC;
use super::json::{ArraySplitter, LineSplitter};
use super::json_rows::Extra;
use super::kinds::{KIND_BYTES, Suspicion, is_ipc, mismatched, refuse_foreign, refuse_foreign_text, refuse_printed};
use super::layout::Layout;
use super::lists;
use super::packed::ByteStream;
use super::pages::PageSplitter;
use super::parquet_rows::ParquetInput;
use super::places;
use super::rules::Rules;
use super::sheets::{self, SheetInput};
use super::signs::Sign;
use super::source::{ReadOptions, SourceFile, content_hash};
use super::stream::TextStream;
use super::wrapped::WrappedSplitter;
use crate::error::{Error, Place, Result, io_error};
use crate::schema::match_headers;

/// What begins a zip, which a workbook is.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";

/// What begins the container that older office programs, and encrypted workbooks, are in.
const CONTAINER_MAGIC: [u8; 8] = *b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Bytes before the list of streams of such a container that are looked at.
const MAX_CONTAINER_BYTES: usize = 64 << 20;

/// Reads one input.
pub struct Reader {
    input: Input,
    converter: Arc<Converter>,
    notes: Vec<String>,
    signs: Vec<Sign>,
}

enum Input {
    Text(Box<Cutter>),
    Parquet { input: Box<ParquetInput>, summary: FileSummary },
    Arrow(Box<IpcInput>),
    Sheet { input: Box<SheetInput>, summary: FileSummary },
    Avro(Box<AvroInput>),
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("converter", &self.converter).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens an input: tells its compression and format, and matches its headers.
    ///
    /// # Errors
    /// The file cannot be read, is not what it claims to be, or has no column for a session id or a start.
    pub fn open(file: &SourceFile, options: &ReadOptions) -> Result<Self> {
        if let Some(live) = file.live() {
            live.require(&file.name)?;
        } else if file.delta.is_some() {
            return Err(Error::input(Place::file(&file.name), "is a Delta table, a folder of files"));
        }
        let mut reader = Self::from_stream(file.open()?, file, options)?;
        reader.notes.extend(file.member.iter().filter_map(|member| member.note.clone()));
        Ok(reader)
    }

    pub(super) fn from_stream(bytes: ByteStream, file: &SourceFile, options: &ReadOptions) -> Result<Self> {
        Self::with_converter(bytes, file, options, converter(file, options)?)
    }

    /// Returns what converts the records of a file whether its headers name the required columns or not, for the sake of those headers.
    ///
    /// # Errors
    /// The file cannot be opened for another reason.
    pub(super) fn headers_of(bytes: ByteStream, file: &SourceFile, options: &ReadOptions) -> Result<Arc<Converter>> {
        let mut converter = converter(file, options)?;
        converter.rules.folders = converter.rules.folders.with_required();
        Self::with_converter(bytes, file, options, converter).map(|reader| reader.converter())
    }

    fn with_converter(
        mut bytes: ByteStream,
        file: &SourceFile,
        options: &ReadOptions,
        mut converter: Converter,
    ) -> Result<Self> {
        // A broken --map is an error even for inputs without a single header.
        match_headers::<&str>(&[], &options.header_map)?;
        let is_live = file.live().is_some();
        if options.format == Some(InputFormat::Delta) && !is_live {
            return Err(Error::input(Place::file(&file.name), "is no Delta table, as is declared")
                .with_hint("name the folder that has a _delta_log, or leave out ⟨input-format⟩"));
        }
        let is_parquet = bytes.look_at(PARQUET_MAGIC.len())? == PARQUET_MAGIC;
        if is_live {
            if is_parquet {
                return Self::open_parquet(bytes, file, options, converter);
            }
            refuse_foreign(bytes.look_at(KIND_BYTES)?, &file.name, Encoding::Utf8)?;
            return Err(mismatched(bytes.look_at(KIND_BYTES)?, &file.name, "a Parquet file"));
        }
        if matches!(options.format, None | Some(InputFormat::Parquet)) && is_parquet {
            let notes = check(InputFormat::Parquet, options, &file.name)?;
            return Self::open_parquet(bytes, file, options, converter).map(|reader| reader.noting(notes));
        }
        if matches!(options.format, None | Some(InputFormat::Arrow)) && is_ipc(bytes.look_at(KIND_BYTES)?) {
            let notes = check(InputFormat::Arrow, options, &file.name)?;
            return Self::open_arrow(bytes, file, options, converter).map(|reader| reader.noting(notes));
        }
        if matches!(options.format, None | Some(InputFormat::Avro)) && bytes.look_at(avro::MAGIC.len())? == avro::MAGIC
        {
            let notes = check(InputFormat::Avro, options, &file.name)?;
            let input = AvroInput::open(bytes, &file.name, options, &converter.rules.folders, converter.extra)?;
            converter.format = InputFormat::Avro;
            converter.rules.iso_beside = true;
            converter.layout = Some(input.layout());
            return Ok(Self {
                input: Input::Avro(Box::new(input)),
                converter: Arc::new(converter),
                notes,
                signs: Vec::new(),
            });
        }
        let start = bytes.look_at(KIND_BYTES)?.to_vec();
        if matches!(options.format, None | Some(InputFormat::Xlsx | InputFormat::Ods)) && start.starts_with(ZIP_MAGIC) {
            return Self::open_sheet(bytes, &start, file, options, converter);
        }
        refuse_container(&mut bytes, &start, &file.name)?;
        refuse_foreign(&start, &file.name, options.encoding)?;
        let mut window = Window::open(TextStream::new(bytes, options.encoding))?;
        skip_byte_order_mark(&mut window, options.encoding, &file.name)?;
        refuse_foreign_text(window.unread(), &file.name)?;
        // A dialect by name is of delimited text, unless the name of the file says otherwise.
        let preset = options.dialect.as_ref().filter(|_| !is_json_name(&file.name)).map(|(_, format)| *format);
        let declared = options.format.or(preset);
        let may_be_wrapped = matches!(declared, None | Some(InputFormat::Ndjson | InputFormat::JsonArray));
        if options.records.is_none()
            && may_be_wrapped
            && let Some(shape) = places::find(&mut window, &options.header_map, options.max_record_bytes)?
        {
            return Err(shape.refuse(&file.name));
        }
        converter.format = match declared {
            Some(InputFormat::Parquet) => return Err(mismatched(window.unread(), &file.name, "a Parquet file")),
            Some(InputFormat::Arrow) => return Err(mismatched(window.unread(), &file.name, "an Arrow file")),
            Some(InputFormat::Xlsx) => return Err(mismatched(window.unread(), &file.name, "an XLSX workbook")),
            Some(InputFormat::Ods) => {
                return Err(mismatched(window.unread(), &file.name, "an OpenDocument spreadsheet"));
            }
            Some(InputFormat::Avro) => return Err(mismatched(window.unread(), &file.name, "an Avro file")),
            Some(format) => format,
            None => detect(&file.name, window.unread())
                .ok_or_else(|| mismatched(window.unread(), &file.name, promised(&file.name)))?,
        };
        let mut notes = check(converter.format, options, &file.name)?;
        let mut signs = Vec::new();
        let max = options.max_record_bytes;
        let lists = match converter.format {
            InputFormat::Ndjson | InputFormat::JsonArray if options.records.is_none() => {
                lists::open(&mut window, &converter, file)?
            }
            _ => None,
        };
        let splitter: Box<dyn Splitter> = match converter.format {
            _ if let Some(lists) = lists => {
                converter.format = lists.format;
                converter.layout = Some(Arc::new(lists.layout));
                lists.splitter
            }
            format if options.records.is_some() => {
                converter.format = InputFormat::JsonArray;
                wrapped_splitter(format, file, options, &converter.rules.folders)?
            }
            InputFormat::Csv | InputFormat::Tsv => {
                if options.format.is_none() && options.declared.is_default() {
                    refuse_printed(window.unread(), &file.name, &options.header_map)?;
                }
                let suspicion = Suspicion::of(window.unread());
                let header = read_header(&mut window, &converter, file)
                    .map_err(|error| suspicion.explain(error, file, options))?;
                converter.dialect = header.dialect;
                converter.layout = Some(Arc::new(header.layout));
                notes.extend(header.note);
                signs.extend(header.sign);
                Box::new(CsvSplitter::new(converter.dialect, max))
            }
            InputFormat::Ndjson => Box::new(LineSplitter::new(max)),
            InputFormat::JsonArray => Box::new(ArraySplitter::new(max)),
            InputFormat::Pages => {
                Box::new(PageSplitter::new(&file.name, &options.header_map, &converter.rules.folders, max))
            }
            InputFormat::Parquet
            | InputFormat::Arrow
            | InputFormat::Xlsx
            | InputFormat::Ods
            | InputFormat::Avro
            | InputFormat::Delta => {
                return Err(Error::internal("columns read as text"));
            }
        };
        let cutter = Cutter::new(window, splitter, converter.layout.clone(), &file.name);
        Ok(Self { input: Input::Text(Box::new(cutter)), converter: Arc::new(converter), notes, signs })
    }

    fn open_parquet(
        bytes: ByteStream,
        file: &SourceFile,
        options: &ReadOptions,
        mut converter: Converter,
    ) -> Result<Self> {
        let (input, layout) = match file.live() {
            None => {
                let (handle, summary) = seekable(bytes, file)?;
                let (input, stored) = ParquetInput::open(handle, &file.name, &|_| true)?;
                let headers: Vec<String> = stored.into_iter().map(|column| column.name).collect();
                let layout =
                    Layout::new(&headers, &options.header_map, &converter.rules.folders, Place::file(&file.name))?;
                ((input, summary), layout)
            }
            Some(live) => {
                let handle = File::open(&live.file.path).map_err(io_error(&file.name))?;
                let bytes = handle.metadata().map_err(io_error(&file.name))?.len();
                let (mut input, stored) = ParquetInput::open(handle, &file.name, &|it| live.column(it).is_some())?;
                let mut headers: Vec<String> =
                    stored.iter().filter_map(|column| live.column(column)).map(str::to_owned).collect();
                headers.extend(live.missing(&headers));
                input.add_null_columns(&headers, stored.len());
                input.name_members(stored.iter().map(|column| live.members(column)).collect());
                if let Some(deleted) = live.deleted(&file.name)? {
                    input.leave_out(deleted)?;
                }
                let mut layout =
                    Layout::new(&headers, &options.header_map, &converter.rules.folders, Place::file(&file.name))?;
                if let (Some(name), Extra::Keep) = (live.spliced(), converter.extra) {
                    layout.splice(name);
                }
                ((input, FileSummary { bytes, ..FileSummary::default() }), layout)
            }
        };
        let (input, summary) = input;
        converter.format = InputFormat::Parquet;
        converter.layout = Some(Arc::new(layout));
        let input = Input::Parquet { input: Box::new(input), summary };
        Ok(Self { input, converter: Arc::new(converter), notes: Vec::new(), signs: Vec::new() })
    }

    fn open_arrow(
        mut bytes: ByteStream,
        file: &SourceFile,
        options: &ReadOptions,
        mut converter: Converter,
    ) -> Result<Self> {
        let (input, headers) = if bytes.look_at(FILE_MAGIC.len())? == FILE_MAGIC {
            let (handle, summary) = seekable(bytes, file)?;
            IpcInput::open_file(handle, summary, &file.name)?
        } else {
            IpcInput::open_stream(bytes, &file.name)?
        };
        let layout = Layout::new(&headers, &options.header_map, &converter.rules.folders, Place::file(&file.name))?;
        converter.format = InputFormat::Arrow;
        converter.layout = Some(Arc::new(layout));
        let input = Input::Arrow(Box::new(input));
        Ok(Self { input, converter: Arc::new(converter), notes: Vec::new(), signs: Vec::new() })
    }

    fn open_sheet(
        bytes: ByteStream,
        start: &[u8],
        file: &SourceFile,
        options: &ReadOptions,
        mut converter: Converter,
    ) -> Result<Self> {
        let (handle, summary) = seekable(bytes, file)?;
        let Some((input, format)) = SheetInput::open(handle, &file.name, options, &converter.rules.folders)? else {
            refuse_foreign(start, &file.name, options.encoding)?;
            return Err(Error::internal("a zip that is none"));
        };
        converter.format = format;
        converter.rules.iso_beside = true;
        converter.layout = Some(input.layout());
        Ok(Self {
            input: Input::Sheet { input: Box::new(input), summary },
            converter: Arc::new(converter),
            notes: check(format, options, &file.name)?,
            signs: Vec::new(),
        })
    }

    fn noting(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Returns what converts the blocks of this file; any number of threads may share it.
    pub fn converter(&self) -> Arc<Converter> {
        Arc::clone(&self.converter)
    }

    /// Returns the format that was declared or told.
    pub fn format(&self) -> InputFormat {
        self.converter.format
    }

    /// Returns the next records, or `None` at the end.
    ///
    /// # Errors
    /// The file ends early or is not what it claims to be: nothing of it should be stored then.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        Ok(match &mut self.input {
            Input::Text(cutter) => cutter.next_block()?.map(|block| Block { payload: Payload::Text(block) }),
            Input::Parquet { input, .. } => input.next_block()?.map(|block| Block { payload: Payload::Rows(block) }),
            Input::Arrow(input) => input.next_block()?.map(|block| Block { payload: Payload::Rows(block) }),
            Input::Avro(input) => input.next_block()?.map(|block| Block { payload: Payload::Text(block) }),
            Input::Sheet { input, .. } => input.next_block()?.map(|block| Block { payload: Payload::Text(block) }),
        })
    }

    /// Lists the sheets of a workbook beside the one that is read; `None` for other inputs.
    pub(super) fn other_sheets(&self) -> Option<Vec<String>> {
        match &self.input {
            Input::Sheet { input, .. } => Some(input.others()),
            _ => None,
        }
    }

    /// Returns what is known so far that a person should know of the file as a whole.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns what is known so far of the file as a whole that another dialect would explain.
    pub(super) fn signs(&self) -> &[Sign] {
        &self.signs
    }

    /// Returns how many bytes of the file have been read, as stored; for Parquet a share by rows.
    pub fn bytes_read(&self) -> u64 {
        match &self.input {
            Input::Text(cutter) => cutter.stored_bytes(),
            Input::Arrow(input) => input.stored_bytes(),
            Input::Avro(input) => input.stored_bytes(),
            Input::Parquet { input, summary } => (summary.bytes as f64 * input.progress()) as u64,
            Input::Sheet { input, summary } => (summary.bytes as f64 * input.progress()) as u64,
        }
    }

    /// Ends reading, and returns length and hash of the whole file; what was not read yet is read for the hash only.
    ///
    /// # Errors
    /// The rest of the file cannot be read.
    pub fn finish(mut self) -> Result<FileSummary> {
        let mut summary = match self.input {
            Input::Text(cutter) => {
                let (bytes, content_hash) = cutter.finish()?;
                FileSummary { bytes, content_hash, ..FileSummary::default() }
            }
            Input::Parquet { summary, .. } => summary,
            Input::Arrow(input) => input.finish()?,
            Input::Avro(input) => {
                let (bytes, content_hash) = input.finish()?;
                FileSummary { bytes, content_hash, ..FileSummary::default() }
            }
            Input::Sheet { input, summary } => {
                self.notes.extend(input.notes());
                summary
            }
        };
        let unknown = self.converter.layout.iter().flat_map(|layout| layout.headers.unknown());
        summary.unknown_columns = unknown.map(str::to_owned).collect();
        summary.notes.append(&mut self.notes);
        summary.signs = self.signs;
        Ok(summary)
    }
}

/// Makes a file of an input that is read from its end: what is not a plain file is first copied into a temporary one.
fn seekable(mut bytes: ByteStream, file: &SourceFile) -> Result<(File, FileSummary)> {
    if let Some(path) = &file.path
        && bytes.is_plain()
        && path.is_file()
        && file.member.is_none()
    {
        let content_hash = content_hash(path)?;
        let handle = File::open(path).map_err(io_error(&file.name))?;
        let bytes = handle.metadata().map_err(io_error(&file.name))?.len();
        return Ok((handle, FileSummary { bytes, content_hash, ..FileSummary::default() }));
    }
    let failed = || io_error("temporary copy of a file that is read from its end");
    let mut copy = tempfile::tempfile().map_err(failed())?;
    let mut buffer = Vec::new();
    while bytes.read_into(&mut buffer, BLOCK_BYTES)? > 0 {
        copy.write_all(&buffer).map_err(failed())?;
        buffer.clear();
    }
    copy.rewind().map_err(failed())?;
    let (bytes, content_hash) = bytes.finish()?;
    Ok((copy, FileSummary { bytes, content_hash, ..FileSummary::default() }))
}

/// Says what stands in the container of older office programs: its list of streams is where its start says.
fn refuse_container(bytes: &mut ByteStream, start: &[u8], name: &str) -> Result<()> {
    let (Some(shift), Some(sector)) = (start.get(30), start.get(48..52).and_then(<[u8]>::first_chunk)) else {
        return Ok(());
    };
    if !start.starts_with(&CONTAINER_MAGIC) || !matches!(*shift, 9 | 12) {
        return Ok(());
    }
    let at = (u64::from(u32::from_le_bytes(*sector)) + 1) << *shift;
    let Some(at) = usize::try_from(at).ok().filter(|at| *at <= MAX_CONTAINER_BYTES) else { return Ok(()) };
    let directory = bytes.look_at(at + 4096)?.get(at..).unwrap_or_default();
    match sheets::told_container(directory) {
        Some("password") => Err(sheets::with_password(name)),
        Some(what) => Err(Error::input(Place::file(name), format!("is {what}, which is not read"))
            .with_hint("open it in a spreadsheet program and save it as .xlsx, or as CSV in UTF-8")),
        None => Ok(()),
    }
}

fn converter(file: &SourceFile, options: &ReadOptions) -> Result<Converter> {
    Ok(Converter {
        format: InputFormat::Csv,
        encoding: options.encoding,
        dialect: Dialect::of(&options.declared),
        declared: options.declared.clone(),
        layout: None,
        rules: Rules {
            time_zone: options.time_zone,
            exported_at_us: options.exported_at_us,
            default_exported_at_us: file.modified_us.unwrap_or(options.fallback_exported_at_us),
            source: file.name.clone(),
            folders: match file.live() {
                Some(live) => live.constants(&file.name, &options.header_map)?,
                None => FolderColumns::of(&file.name, &options.header_map)?,
            },
            keep_extra: options.keep_extra,
            numbers: options.declared.numbers(),
            dates: options.declared.dates.clone(),
            iso_beside: false,
            no_end_days: options.no_end_days.clone(),
        },
        header_map: options.header_map.clone(),
        extra: if options.keep_extra { Extra::Keep } else { Extra::Drop },
        max_record_bytes: options.max_record_bytes,
    })
}

/// Returns what cuts documents with their records inside.
fn wrapped_splitter(
    format: InputFormat,
    file: &SourceFile,
    options: &ReadOptions,
    folders: &FolderColumns,
) -> Result<Box<dyn Splitter>> {
    match (&options.records, format) {
        (Some(path), InputFormat::Ndjson | InputFormat::JsonArray | InputFormat::Pages) => {
            Ok(Box::new(WrappedSplitter::new(path, &file.name, options, folders)))
        }
        _ => Err(Error::internal("places of records in what is no JSON")),
    }
}

fn skip_byte_order_mark(window: &mut Window, encoding: Encoding, name: &str) -> Result<()> {
    let text = window.unread();
    if encoding == Encoding::Utf8 && matches!(text, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return Err(Error::input(Place::file(name), "starts with the byte order mark of UTF-16, but is read as UTF-8")
            .with_hint("declare the character set with ⟨encoding⟩ utf-16"));
    }
    if text.starts_with(&[0xef, 0xbb, 0xbf]) {
        window.consume(3);
    }
    Ok(())
}
