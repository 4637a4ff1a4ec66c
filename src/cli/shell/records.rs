//! Results with a line for each value: `\x`.

use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use sessionlake::Result;
use sessionlake::format::{Cells, FormatOptions, ResultWriter, Written, sink_error};
use sessionlake::zones::Tz;
use unicode_width::UnicodeWidthStr;

/// Columns that the line above a record has at least.
const RULE: usize = 40;

/// Writes each row as lines of names and values.
pub struct Records {
    names: Vec<String>,
    width: usize,
    null: String,
    time_zone: Tz,
    sink: Box<dyn Write + Send>,
    written: Written,
}

impl Records {
    /// Makes a writer of results of this schema.
    pub fn new(schema: &SchemaRef, options: &FormatOptions, sink: Box<dyn Write + Send>) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|field| printable(field.name())).collect();
        let width = names.iter().map(|name| name.width()).max().unwrap_or_default();
        let null = options.null.clone().unwrap_or_else(|| "NULL".to_owned());
        Self { names, width, null, time_zone: options.time_zone, sink, written: Written::default() }
    }

    fn put(&mut self, text: &str) -> Result<()> {
        self.written.bytes += text.len() as u64;
        self.sink.write_all(text.as_bytes()).map_err(sink_error)
    }
}

impl ResultWriter for Records {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns: Vec<Cells<'_>> =
            batch.columns().iter().map(|column| Cells::for_people(column.as_ref(), self.time_zone)).collect();
        for row in 0..batch.num_rows() {
            self.written.rows += 1;
            let mut text = format!("-[ {} ]", self.written.rows);
            let rule = RULE.saturating_sub(text.len());
            text.push_str(&"-".repeat(rule));
            text.push('\n');
            for (name, cells) in self.names.iter().zip(&columns) {
                let value = cells.text(row);
                let value = value.as_deref().map_or_else(|| self.null.clone(), printable);
                text.push_str(&format!("{name}{} | {value}\n", " ".repeat(self.width - name.width())));
            }
            self.put(&text)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        let rows = self.written.rows;
        self.put(&format!("({rows} {})\n", if rows == 1 { "row" } else { "rows" }))?;
        self.sink.flush().map_err(sink_error)?;
        Ok(self.written)
    }
}

/// Writes what would move the cursor as escapes, but for the line breaks and tabs of a value.
fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let written = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(written).collect()
}
