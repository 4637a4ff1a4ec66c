//! Answers on their way to a client: rows, up to as many as were asked for, or the lines of a COPY.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::io::AsyncWrite;

use super::commands::{CopyFormat, CopyOptions};
use super::encode::{Cells, Form};
use super::errors::{Outcome, code, coded};
use super::types::PgType;
use super::wire::{Writer, put_text};
use crate::serve::Asked;
use crate::zones::Tz;

/// Columns of an answer at most: PostgreSQL's messages count them in 16 bits.
const MOST_COLUMNS: usize = 32_767;

/// Where rows come from.
enum Source {
    /// A question of the lake.
    Asked(Box<Asked>),
    /// What is known already.
    Known(Option<RecordBatch>),
}

/// An answer that has begun.
pub struct Running {
    source: Source,
    pub columns: SchemaRef,
    zone: Tz,
    /// The batch that rows are taken from, and its next row.
    batch: Option<(RecordBatch, usize)>,
    pub is_over: bool,
}

impl Running {
    pub fn asked(asked: Asked) -> Outcome<Self> {
        let (columns, zone) = (SchemaRef::clone(&asked.columns), asked.clock.time_zone);
        if columns.fields().len() > MOST_COLUMNS {
            return coded(code::TOO_MUCH, format!("an answer has {MOST_COLUMNS} columns at most"));
        }
        Ok(Self { source: Source::Asked(Box::new(asked)), columns, zone, batch: None, is_over: false })
    }

    pub fn known(batch: RecordBatch) -> Self {
        let columns = batch.schema();
        Self { source: Source::Known(Some(batch)), columns, zone: Tz::UTC, batch: None, is_over: false }
    }

    /// Takes the next batch that has rows.
    async fn next(&mut self) -> Outcome<Option<(RecordBatch, usize)>> {
        if let Some(batch) = self.batch.take() {
            return Ok(Some(batch));
        }
        loop {
            let batch = match &mut self.source {
                Source::Asked(asked) => asked.next().await?,
                Source::Known(batch) => batch.take(),
            };
            match batch {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => return Ok(Some((batch, 0))),
                None => return Ok(None),
            }
        }
    }

    /// Counts what was written, and sends it once it is much.
    async fn written<W: AsyncWrite + Unpin>(
        &mut self,
        rows: usize,
        bytes: usize,
        writer: &mut Writer<W>,
    ) -> Outcome<()> {
        match &mut self.source {
            Source::Asked(asked) => {
                asked.sent(rows as u64, bytes as u64)?;
                if writer.is_full() {
                    asked.patiently(writer.flush()).await??;
                }
            }
            Source::Known(_) => {
                if writer.is_full() {
                    writer.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// Sends rows, as many as `most` if that is not zero, each as a message; returns how many. `is_over` says whether these were the last.
    pub async fn send<W: AsyncWrite + Unpin>(
        &mut self,
        forms: &[Form],
        most: usize,
        writer: &mut Writer<W>,
    ) -> Outcome<usize> {
        let mut sent = 0;
        while let Some((batch, first)) = self.next().await? {
            let wanted = if most == 0 { usize::MAX } else { most - sent };
            let end = batch.num_rows().min(first.saturating_add(wanted));
            let cells = Cells::of(&batch, forms, self.zone)?;
            let count = (cells.len() as i16).to_be_bytes();
            let mut from = first;
            while from < end {
                let before = writer.buffer().len();
                let until = from;
                while from < end && !(from > until && writer.is_full()) {
                    writer.message(b'D', |out| {
                        out.extend(count);
                        cells.iter().for_each(|cell| cell.put_sized(from, out));
                    });
                    from += 1;
                }
                let bytes = writer.buffer().len() - before;
                self.written(from - until, bytes, writer).await?;
            }
            sent += end - first;
            if end < batch.num_rows() {
                self.batch = Some((batch, end));
            }
            if most > 0 && sent == most {
                self.pause();
                return Ok(sent);
            }
        }
        self.is_over = true;
        Ok(sent)
    }

    /// Lets others have the turn until more rows are asked for.
    pub fn pause(&mut self) {
        if let Source::Asked(asked) = &mut self.source {
            asked.pause();
        }
    }

    /// Sends all rows as the data of a COPY; returns how many.
    pub async fn copy<W: AsyncWrite + Unpin>(
        &mut self,
        options: &CopyOptions,
        writer: &mut Writer<W>,
    ) -> Outcome<usize> {
        let forms = vec![options.form(); self.columns.fields().len()];
        let is_binary = options.format == CopyFormat::Binary;
        writer.message(b'H', |out| {
            out.push(u8::from(is_binary));
            out.extend((forms.len() as i16).to_be_bytes());
            forms.iter().for_each(|_| out.extend(i16::from(is_binary).to_be_bytes()));
        });
        // The signature, no flags, no extension. It goes with the first row, as PostgreSQL sends it: there are clients that look for it there.
        let mut signature: &[u8] = if is_binary { b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0" } else { b"" };
        if !is_binary && options.has_header {
            let names: Vec<&str> = self.columns.fields().iter().map(|field| field.name().as_str()).collect();
            writer.message(b'd', |out| {
                put_line(options, out, &names, |name, value| value.extend_from_slice(name.as_bytes()))
            });
        }
        let mut sent = 0;
        while let Some((batch, _)) = self.next().await? {
            let cells = Cells::of(&batch, &forms, self.zone)?;
            let mut row = 0;
            while row < batch.num_rows() {
                let (before, from) = (writer.buffer().len(), row);
                while row < batch.num_rows() && !(row > from && writer.is_full()) {
                    writer.message(b'd', |out| match is_binary {
                        true => {
                            out.extend_from_slice(std::mem::take(&mut signature));
                            out.extend((cells.len() as i16).to_be_bytes());
                            cells.iter().for_each(|cell| cell.put_sized(row, out));
                        }
                        false => put_row(options, out, &cells, row),
                    });
                    row += 1;
                }
                let bytes = writer.buffer().len() - before;
                self.written(row - from, bytes, writer).await?;
            }
            sent += batch.num_rows();
        }
        if is_binary {
            writer.message(b'd', |out| {
                out.extend_from_slice(signature);
                out.extend((-1_i16).to_be_bytes());
            });
        }
        writer.message(b'c', |_| {});
        self.is_over = true;
        Ok(sent)
    }
}

/// Writes what the columns of an answer are.
pub fn put_columns(columns: &SchemaRef, forms: &[Form], out: &mut Vec<u8>) {
    out.extend((columns.fields().len() as i16).to_be_bytes());
    for (index, field) in columns.fields().iter().enumerate() {
        let pg_type = PgType::of(field);
        put_text(out, field.name());
        // Of no table, and no column of one.
        out.extend(0_i32.to_be_bytes());
        out.extend(0_i16.to_be_bytes());
        out.extend(pg_type.oid.to_be_bytes());
        out.extend(pg_type.size.to_be_bytes());
        out.extend((-1_i32).to_be_bytes());
        let form = forms.get(index).copied().unwrap_or(Form::Text);
        out.extend(i16::from(form == Form::Binary).to_be_bytes());
    }
}

fn put_row(options: &CopyOptions, out: &mut Vec<u8>, cells: &[Cells], row: usize) {
    let mut value = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(options.delimiter as u8);
        }
        if cell.is_null(row) {
            out.extend_from_slice(options.null.as_bytes());
            continue;
        }
        value.clear();
        cell.put(row, &mut value);
        put_copied(options, &value, out);
    }
    out.push(b'\n');
}

fn put_line<T>(options: &CopyOptions, out: &mut Vec<u8>, values: &[T], put: impl Fn(&T, &mut Vec<u8>)) {
    for (index, from) in values.iter().enumerate() {
        if index > 0 {
            out.push(options.delimiter as u8);
        }
        let mut value = Vec::new();
        put(from, &mut value);
        put_copied(options, &value, out);
    }
    out.push(b'\n');
}

/// Writes a value of a COPY so that it is read back as it is.
fn put_copied(options: &CopyOptions, value: &[u8], out: &mut Vec<u8>) {
    let (delimiter, quote, escape) = (options.delimiter as u8, options.quote as u8, options.escape as u8);
    if options.format == CopyFormat::Csv {
        let is_special = |byte: &u8| *byte == delimiter || *byte == quote || matches!(byte, b'\n' | b'\r');
        if value != options.null.as_bytes() && value != b"\\." && !value.iter().any(is_special) {
            return out.extend_from_slice(value);
        }
        out.push(quote);
        for byte in value {
            if *byte == quote || *byte == escape {
                out.push(escape);
            }
            out.push(*byte);
        }
        return out.push(quote);
    }
    for byte in value {
        let letter = match byte {
            b'\\' => b'\\',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            byte if *byte == delimiter => delimiter,
            byte => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

/// Writes the end of a statement.
pub fn put_complete<W: AsyncWrite + Unpin>(writer: &mut Writer<W>, tag: &str) {
    writer.message(b'C', |out| put_text(out, tag));
}

/// Writes the types of parameters.
pub fn put_parameters(types: &[u32], out: &mut Vec<u8>) {
    out.extend((types.len() as u16).to_be_bytes());
    types.iter().for_each(|oid| out.extend(oid.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;
    use crate::script::pieces;
    use crate::serve::pg::commands::{Command, command};

    fn options(sql: &str) -> CopyOptions {
        match command(sql, &pieces("t", sql).unwrap()[0]).unwrap() {
            Command::CopyOut { options, .. } => options,
            other => panic!("{other:?}"),
        }
    }

    async fn copied(options: &CopyOptions) -> Vec<u8> {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a\tb\\\n,\""), Some("")]));
        let batch = RecordBatch::try_from_iter([("n", numbers), ("t,", texts)]).unwrap();
        let mut writer = Writer::new(Vec::new());
        assert_eq!(Running::known(batch).copy(options, &mut writer).await.unwrap(), 2);
        writer.flush().await.unwrap();
        let bytes = writer.into_inner();
        // The data of the messages alone.
        let mut data = Vec::new();
        let mut rest = &bytes[..];
        while let [kind, a, b, c, d, ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            if *kind == b'd' {
                data.extend_from_slice(&rest[5..=length]);
            }
            rest = &rest[length + 1..];
        }
        data
    }

    #[tokio::test]
    async fn copies_are_read_back_as_they_are() {
        let text = copied(&options("copy t to stdout")).await;
        assert_eq!(String::from_utf8(text).unwrap(), "1\ta\\tb\\\\\\n,\"\n\\N\t\n");
        let csv = copied(&options("copy t to stdout (format csv, header)")).await;
        assert_eq!(String::from_utf8(csv).unwrap(), "n,\"t,\"\n1,\"a\tb\\\n,\"\"\"\n,\"\"\n");
        let binary = copied(&options("copy t to stdout binary")).await;
        assert_eq!(&binary[..19], b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        assert_eq!(&binary[19..33], [0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(binary[binary.len() - 2..], [0xff, 0xff]);
    }

    #[tokio::test]
    async fn rows_come_in_portions() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5));
        let mut running = Running::known(RecordBatch::try_from_iter([("n", numbers)]).unwrap());
        let mut writer = Writer::new(Vec::new());
        for (most, sent, is_over) in [(2, 2, false), (2, 2, false), (2, 1, true), (2, 0, true)] {
            assert_eq!(running.send(&[], most, &mut writer).await.unwrap(), sent);
            assert_eq!(running.is_over, is_over);
        }
    }
}
