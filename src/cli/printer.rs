//! Puts results out: to stdout or into a file, in the format that was asked for.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use clap::{Args, ValueEnum};
use futures::StreamExt;
use sessionlake::engine::Engine;
use sessionlake::format::{self, Color, FormatOptions, OutputFile, OutputFormat, ResultWriter, Written};
use sessionlake::lake::{StoreFolder, is_cloud};
use sessionlake::zones::Tz;
use sessionlake::{Error, Result};
use tempfile::TempDir;

use super::exit;
use super::shared::{Settings, Shared};
use super::shell::pager::Pager;
use super::shell::records::Records;

/// Flags of commands that print results.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// The format of results: table, csv, tsv, json, ndjson, markdown, parquet, arrow [default: table, or by the ending of -o]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<OutputFormat>,
    /// Short for --format csv
    #[arg(long, conflicts_with_all = ["format", "json"])]
    csv: bool,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Writes into this file instead of stdout; it appears whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The text of null in csv, tsv, table and markdown
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
}

/// How a ledger or a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LedgerFormat {
    /// For people
    Text,
    /// For machines
    Json,
}

/// The flag of commands that tell what they did to a lake, or found in it.
#[derive(Debug, Args)]
pub struct TellingArgs {
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: LedgerFormat,
}

impl TellingArgs {
    /// Prints a result: for people, unless it is to be quiet, in the words that it is described by.
    ///
    /// # Errors
    /// As [`print_text`].
    pub fn tell<T: serde::Serialize>(
        &self,
        quiet: bool,
        result: &T,
        describe: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        match self.format {
            LedgerFormat::Json => print_json(result),
            LedgerFormat::Text if quiet => Ok(()),
            LedgerFormat::Text => print_text(&describe(result)),
        }
    }
}

/// Prints one result after another.
pub struct Printer {
    format: OutputFormat,
    options: FormatOptions,
    file: Option<OutputFile>,
    /// Where the file goes when it is whole, if that is a store.
    stored: Option<Stored>,
    printed: usize,
    quiet: bool,
    /// Whether a table has a line for each value.
    by_value: bool,
    /// The command that shows tables page by page.
    pager: Option<String>,
}

/// How a shell shows results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The format of results.
    pub format: OutputFormat,
    /// The text of null; `None` is that of the format.
    pub null: Option<String>,
    /// Whether tables have a line for each value.
    pub by_value: bool,
    /// The command that shows tables page by page on a terminal.
    pub pager: Option<String>,
}

impl Printer {
    /// Makes a printer; the file is created beside its name at once, so that a folder that is not there is found early.
    ///
    /// # Errors
    /// An ending without a format, a file that cannot be made, binary output to a terminal.
    pub async fn new(args: &OutputArgs, shared: &Shared, settings: &Settings) -> Result<Self> {
        let format = match (args.format, &args.output, &settings.format) {
            _ if args.csv => OutputFormat::Csv,
            _ if args.json => OutputFormat::Json,
            (Some(format), ..) => format,
            (None, Some(path), _) => OutputFormat::from_path(path)?,
            (None, None, Some(name)) => name.parse()?,
            (None, None, None) => OutputFormat::Table,
        };
        let to_terminal = args.output.is_none() && io::stdout().is_terminal();
        if format.is_binary() && to_terminal {
            return Err(Error::usage(format!("{format} is binary and stdout is a terminal"))
                .with_hint("write it into a file with -o"));
        }
        let stored = match &args.output {
            Some(path) => Stored::beside(path, settings).await?,
            None => None,
        };
        let path = stored.as_ref().map(|stored| stored.copy.clone()).or_else(|| args.output.clone());
        let file = path.map(OutputFile::create).transpose()?;
        let options = FormatOptions {
            null: args.null.clone(),
            time_zone: settings.engine.time_zone,
            table_width: to_terminal.then(terminal_width).flatten(),
            color: if file.is_none() && shared.colors_stdout() { Color::Always } else { Color::Never },
            ..FormatOptions::default()
        };
        Ok(Self { format, options, file, stored, printed: 0, quiet: shared.quiet, by_value: false, pager: None })
    }

    /// Makes the printer of a shell, for its terminal or for a file.
    ///
    /// # Errors
    /// An ending without a format, a file that cannot be made.
    pub async fn of_shell(output: Option<&Path>, shared: &Shared, settings: &Settings) -> Result<Self> {
        let args = OutputArgs { output: output.map(Path::to_owned), ..OutputArgs::default() };
        Self::new(&args, shared, settings).await
    }

    /// Shows what comes next so. A file keeps the format of its name.
    pub fn set_look(&mut self, look: &Look) {
        let to_terminal = self.file.is_none() && io::stdout().is_terminal();
        if self.file.is_none() {
            self.format = look.format;
        }
        self.by_value = look.by_value && self.file.is_none();
        self.options.null.clone_from(&look.null);
        self.pager = look.pager.clone().filter(|_| to_terminal && self.format == OutputFormat::Table);
        // Who turns pages sees all columns.
        let cut = to_terminal && self.pager.is_none();
        self.options.table_width = if cut { terminal_width() } else { None };
    }

    /// The format of results.
    pub fn format(&self) -> OutputFormat {
        self.format
    }

    /// Whether results go to stdout.
    pub fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// Writes what comes next in a zone.
    pub fn set_time_zone(&mut self, time_zone: Tz) {
        self.options.time_zone = time_zone;
    }

    /// Starts the next result.
    ///
    /// # Errors
    /// A second result in a format that holds one; a column that the format cannot hold; a sink that fails.
    pub fn begin(&mut self, schema: SchemaRef) -> Result<Box<dyn ResultWriter>> {
        if self.printed > 0 {
            if self.format.is_binary() {
                return Err(Error::usage(format!("{} holds one result, and this is the second", self.format))
                    .with_hint("run one statement, or choose a text format"));
            }
            if !matches!(self.format, OutputFormat::Json | OutputFormat::Ndjson) {
                let mut sink = self.sink()?;
                sink.write_all(b"\n").and_then(|()| sink.flush()).map_err(|e| Error::storage("writing results", e))?;
            }
        }
        self.printed += 1;
        let sink = match &self.pager {
            Some(command) => Box::new(Pager::start(command)?),
            None => self.sink()?,
        };
        match self.by_value && self.format == OutputFormat::Table {
            true => Ok(Box::new(Records::new(&schema, &self.options, sink))),
            false => format::writer(self.format, &self.options, schema, sink),
        }
    }

    /// Prints a result that is at hand.
    ///
    /// # Errors
    /// As [`Printer::begin`].
    pub fn print(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut writer = self.begin(batch.schema())?;
        writer.write(batch)?;
        self.end(writer)
    }

    /// Ends a result, and says on stderr what its format could not hold.
    ///
    /// # Errors
    /// A sink that fails.
    pub fn end(&self, writer: Box<dyn ResultWriter>) -> Result<()> {
        let Written { cut_cells, .. } = writer.finish()?;
        if cut_cells > 0 && !self.quiet {
            let texts = counted(cut_cells, "text is", "texts are");
            exit::note(&format!("note: {texts} longer than a cell of {} holds, and cut; csv holds all", self.format));
        }
        Ok(())
    }

    fn sink(&self) -> Result<Box<dyn Write + Send>> {
        match &self.file {
            Some(file) => file.sink(),
            None => Ok(Box::new(io::stdout())),
        }
    }

    /// Moves the file into place.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn commit(self) -> Result<()> {
        self.file.map_or(Ok(()), OutputFile::commit)?;
        match self.stored {
            Some(stored) => stored.store.put(&stored.name, &stored.copy).await,
            None => Ok(()),
        }
    }
}

/// A file in an object store, which is written on this machine first.
struct Stored {
    store: StoreFolder,
    name: String,
    copy: PathBuf,
    _temporary: TempDir,
}

impl Stored {
    /// Readies the copy of a file that is to be in a store; the store is asked for the file, so that one that cannot be reached is found early.
    async fn beside(path: &Path, settings: &Settings) -> Result<Option<Self>> {
        let Some(url) = path.to_str().filter(|url| is_cloud(url)) else { return Ok(None) };
        let (folder, name) = url.rsplit_once('/').map_or((url, ""), |(folder, name)| (folder, name));
        if name.is_empty() || folder.ends_with("/") {
            return Err(Error::usage(format!("output {url:?} is a folder")).with_hint("name a file in it"));
        }
        let store = StoreFolder::of(&settings.place(folder)?)?;
        store.has(name).await?;
        let temporary = settings.temporary("sessionlake-output-")?;
        Ok(Some(Self { store, name: name.to_owned(), copy: temporary.path().join(name), _temporary: temporary }))
    }
}

/// Runs a query of ours and prints its result.
///
/// # Errors
/// As [`Printer::new`] and [`Printer::begin`]; storage errors.
pub async fn print_query(
    shared: &Shared,
    settings: &Settings,
    engine: &Engine,
    sql: &str,
    output: &OutputArgs,
) -> Result<()> {
    let mut printer = Printer::new(output, shared, settings).await?;
    let mut stream = engine.context().sql(sql).await?.execute_stream().await?;
    let mut writer = printer.begin(stream.schema())?;
    while let Some(batch) = stream.next().await {
        writer.write(&batch?)?;
    }
    printer.end(writer)?;
    printer.commit().await
}

/// Writes lines to stdout.
///
/// # Errors
/// Stdout that fails.
pub fn print_text(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(sessionlake::format::sink_error)
}

/// Writes a value as JSON to stdout.
///
/// # Errors
/// Stdout that fails.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(Error::internal)?;
    print_text(&format!("{text}\n"))
}

/// Writes a number with its noun.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn terminal_width() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size_of(io::stdout())?;
    // Narrower than this nothing can be read anyway.
    (columns >= 20).then_some(usize::from(columns))
}

/// Makes a result of texts.
///
/// # Errors
/// A defect of the names.
pub fn listing(names: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<RecordBatch> {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Utf8View, false)).collect();
    let columns = (0..names.len())
        .map(|index| -> ArrayRef { Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row[index]))) })
        .collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
