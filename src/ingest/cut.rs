//! Cuts a text input into blocks of whole records.
//!
//! This part is sequential, so it does as little as it can: it finds where records end, and leaves everything inside them to
//! the converter. A format says where the next record ends ([`Splitter`]); reading, growing the window, counting lines and
//! getting past records that are too long is the same for all.
//!
//! Memory: a block of 1 MiB, or twice the longest record where that is more. Of records of a few bytes a block has fewer bytes: what is said of a
//! record that cannot be read takes far more than the record.
//!
//! Where a record ends depends on the bytes from its start on, and never on how many of them a read happened to return. The same input is
//! therefore cut into the same records each time.

use std::sync::Arc;

use super::layout::Layout;
use super::stream::TextStream;
use crate::error::{Error, Place, Result};

/// Size of a block in bytes; it is exceeded by the part of one record at most.
pub(super) const BLOCK_BYTES: usize = 1024 * 1024;

/// Records of a block at most. With 262,000 bad lines of four bytes to a block an ingest of a million of them took 643 MB.
const BLOCK_RECORDS: usize = 32_768;

/// How much of a record that is too long is kept, in bytes.
pub(super) const KEPT_BYTES: usize = 64 * 1024;

/// One record in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// First byte, in the block.
    pub(super) start: usize,
    /// Past the last byte, in the block; line ends are outside.
    pub(super) end: usize,
    /// Line of the first byte, from 1.
    pub(super) line: u64,
    /// Why the record cannot be read, if cutting it already told.
    pub(super) fault: Option<String>,
    /// Whether bytes of the record are missing from the block.
    pub(super) truncated: bool,
}

/// Whole records of a text input.
#[derive(Debug)]
pub(super) struct TextBlock {
    pub(super) bytes: Vec<u8>,
    pub(super) spans: Vec<Span>,
    /// Offset of the block in the decompressed, decoded input.
    pub(super) offset: u64,
    /// The headers of these records, where the input has headers.
    pub(super) layout: Option<Arc<Layout>>,
}

/// What stands next in a window.
#[derive(Debug)]
pub(super) enum Step {
    /// A record; the next one starts at or after `next`.
    Record { start: usize, end: usize, next: usize, fault: Option<String> },
    /// No record up to here.
    Skip(usize),
    /// The records from here on have these headers.
    Layout(Arc<Layout>, usize),
    /// Not to be told without more bytes.
    More,
    /// A record that is longer than records may be starts here; the format then is asked to [`Splitter::skip`] it.
    TooLong { start: usize },
    /// The input is at its proper end.
    End,
    /// The input is not what it claims to be.
    Broken { at: usize, message: String },
}

/// Knows where the records of a format end.
pub(super) trait Splitter: Send {
    /// Says what stands at the start of the window, which begins where the last step ended. At the end of the input a window
    /// holds all that is left, and [`Step::More`] is no answer then.
    fn step(&mut self, window: &[u8], at_end: bool) -> Result<Step>;

    /// Goes on in a record that is too long; returns how many of these bytes are its last.
    fn skip(&mut self, bytes: &[u8]) -> Option<usize>;

    /// The byte that ends lines.
    fn newline(&self) -> u8 {
        b'\n'
    }
}

/// The part of a text input that is in memory.
pub(super) struct Window {
    stream: TextStream,
    buffer: Vec<u8>,
    /// Start of the bytes that no block has yet.
    start: usize,
    /// Start of the unread bytes; those from `start` to here are the next block's.
    at: usize,
    at_end: bool,
    /// Offset of the buffer in the input.
    offset: u64,
    /// Line of the byte at `counted`.
    line: u64,
    counted: usize,
}

impl Window {
    pub(super) fn open(stream: TextStream) -> Result<Self> {
        let mut window =
            Self { stream, buffer: Vec::new(), start: 0, at: 0, at_end: false, offset: 0, line: 1, counted: 0 };
        window.fill()?;
        Ok(window)
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    pub(super) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Reads at least as many bytes again as are unread, so that looking at a growing window costs linear time.
    pub(super) fn fill(&mut self) -> Result<()> {
        // The line of what goes away is counted by the caller, who knows what ends lines.
        let wanted = BLOCK_BYTES.max(self.unread().len());
        self.at_end = !self.stream.read_into(&mut self.buffer, wanted)?;
        Ok(())
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.at = (self.at + length).min(self.buffer.len());
    }

    /// Counts lines up to an offset from the start of the unread bytes; offsets must not go back.
    pub(super) fn line_at(&mut self, ahead: usize, newline: u8) -> u64 {
        let position = self.at + ahead;
        let between = self.buffer.get(self.counted..position).unwrap_or_default();
        self.line += memchr::memchr_iter(newline, between).count() as u64;
        self.counted = self.counted.max(position.min(self.buffer.len()));
        self.line
    }

    fn offset_at(&self, ahead: usize) -> u64 {
        self.offset + (self.at + ahead) as u64
    }

    /// Returns how many bytes are consumed that no block has yet.
    fn taken(&self) -> usize {
        self.at - self.start
    }

    /// Hands out the consumed bytes and keeps the unread ones; returns the offset of the former.
    ///
    /// The shorter of the two is copied. Behind a quote that is never closed the unread bytes are a whole longest record, out of which blocks of
    /// few bytes are cut: copying those 16 MiB for each block took longer than all else.
    fn split(&mut self, newline: u8) -> (Vec<u8>, u64) {
        self.line_at(0, newline);
        let offset = self.offset + self.start as u64;
        if self.taken() < self.unread().len() {
            let bytes = self.buffer.get(self.start..self.at).unwrap_or_default().to_vec();
            self.start = self.at;
            return (bytes, offset);
        }
        let mut rest = Vec::with_capacity(BLOCK_BYTES + self.unread().len());
        rest.extend_from_slice(self.unread());
        let mut bytes = std::mem::replace(&mut self.buffer, rest);
        bytes.truncate(self.at);
        bytes.drain(..self.start);
        self.offset += self.at as u64;
        self.start = 0;
        self.at = 0;
        self.counted = 0;
        (bytes, offset)
    }

    /// Lets go of the consumed bytes.
    pub(super) fn discard(&mut self, newline: u8) {
        self.line_at(0, newline);
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.start = 0;
        self.at = 0;
        self.counted = 0;
    }
}

/// Cuts one text input.
pub(super) struct Cutter {
    window: Window,
    splitter: Box<dyn Splitter>,
    layout: Option<Arc<Layout>>,
    name: String,
    /// Whether the unread bytes begin with a record that is too long.
    skipping: bool,
    done: bool,
}

impl Cutter {
    pub(super) fn new(window: Window, splitter: Box<dyn Splitter>, layout: Option<Arc<Layout>>, name: &str) -> Self {
        Self { window, splitter, layout, name: name.to_owned(), skipping: false, done: false }
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.window.stream.stored_bytes()
    }

    pub(super) fn finish(self) -> Result<(u64, u128)> {
        self.window.stream.finish()
    }

    /// Returns the next block, which has one record at least, or `None` at the end.
    pub(super) fn next_block(&mut self) -> Result<Option<TextBlock>> {
        if std::mem::take(&mut self.skipping) {
            return self.skip_record().map(Some);
        }
        let newline = self.splitter.newline();
        let mut spans = Vec::new();
        let is_full =
            |spans: &[Span], at: usize| !spans.is_empty() && (at >= BLOCK_BYTES || spans.len() >= BLOCK_RECORDS);
        while !self.done && !is_full(&spans, self.window.taken()) {
            match self.splitter.step(self.window.unread(), self.window.at_end)? {
                Step::Record { start, end, next, fault } => {
                    let line = self.window.line_at(start, newline);
                    let base = self.window.taken();
                    spans.push(Span { start: base + start, end: base + end, line, fault, truncated: false });
                    self.window.consume(next);
                }
                Step::Skip(next) => {
                    self.window.consume(next);
                }
                Step::Layout(layout, next) => {
                    if self.layout.as_ref().is_some_and(|known| Arc::ptr_eq(known, &layout)) || spans.is_empty() {
                        self.layout = Some(layout);
                        self.window.consume(next);
                        continue;
                    }
                    self.window.consume(next);
                    let block = self.block(spans);
                    self.layout = Some(layout);
                    return Ok(Some(block));
                }
                Step::TooLong { start } => {
                    self.window.consume(start);
                    if spans.is_empty() {
                        return self.skip_record().map(Some);
                    }
                    // The splitter has moved on to skipping; the next call starts there.
                    self.skipping = true;
                    break;
                }
                Step::More if self.window.at_end => {
                    return Err(Error::internal("a splitter asks for more at the end of its input"));
                }
                Step::More if !spans.is_empty() => break,
                Step::More => {
                    self.window.discard(newline);
                    self.window.fill()?;
                }
                Step::End => self.done = true,
                Step::Broken { at, message } => {
                    let line = self.window.line_at(at, newline);
                    let place = Place {
                        file: self.name.clone(),
                        line: Some(line),
                        column: None,
                        byte_offset: Some(self.window.offset_at(at)),
                    };
                    return Err(Error::input(place, message).with_hint("nothing of this file is stored"));
                }
            }
        }
        Ok(if spans.is_empty() { None } else { Some(self.block(spans)) })
    }

    fn block(&mut self, spans: Vec<Span>) -> TextBlock {
        let (bytes, offset) = self.window.split(self.splitter.newline());
        TextBlock { bytes, spans, offset, layout: self.layout.clone() }
    }

    /// Reads past a record that is too long, keeping its start and its length.
    fn skip_record(&mut self) -> Result<TextBlock> {
        let newline = self.splitter.newline();
        self.window.discard(newline);
        let line = self.window.line_at(0, newline);
        let offset = self.window.offset_at(0);
        let mut kept = Vec::new();
        let mut length: u64 = 0;
        loop {
            let unread = self.window.unread();
            let found = self.splitter.skip(unread);
            let part = unread.get(..found.unwrap_or(unread.len())).unwrap_or_default();
            let room = KEPT_BYTES.saturating_sub(kept.len());
            kept.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
            length += part.len() as u64;
            let consumed = part.len();
            self.window.consume(consumed);
            if found.is_some() || self.window.at_end {
                break;
            }
            self.window.discard(newline);
            self.window.fill()?;
        }
        let fault = Some(format!("the record has {length} bytes, more than a record may have"));
        let spans = vec![Span { start: 0, end: kept.len(), line, fault, truncated: true }];
        Ok(TextBlock { bytes: kept, spans, offset, layout: self.layout.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::csv::CsvSplitter;
    use super::super::dialect::{Declared, Dialect};
    use super::super::formats::Encoding;
    use super::super::packed::ByteStream;
    use super::*;

    fn blocks_of(text: &[u8], max_record_bytes: usize) -> Vec<TextBlock> {
        let bytes = ByteStream::new(Box::new(Cursor::new(text.to_vec())), "x.csv").unwrap();
        let window = Window::open(TextStream::new(bytes, Encoding::Utf8)).unwrap();
        let splitter = CsvSplitter::new(Dialect::of(&Declared::default()), max_record_bytes);
        let mut cutter = Cutter::new(window, Box::new(splitter), None, "x.csv");
        std::iter::from_fn(|| cutter.next_block().unwrap()).collect()
    }

    #[test]
    fn what_stands_behind_a_quote_that_is_never_closed_is_copied_a_few_times_at_most() {
        let text = [b"a,\"b\n".to_vec(), b"c,d\n".repeat(3 << 18), b"e,f".to_vec()].concat();
        let blocks = blocks_of(&text, 2 << 20);
        let spans = || blocks.iter().flat_map(|block| block.spans.iter().map(move |span| (block, span)));
        assert!(blocks.len() > 20 && spans().count() == 2 + (3 << 18));
        for (number, (block, span)) in spans().enumerate() {
            let start = block.offset as usize + span.start;
            assert_eq!(block.bytes[span.start..span.end], text[start..start + span.end - span.start]);
            assert_eq!((span.line, start), (number as u64 + 1, number * 4 + usize::from(number > 0)));
            assert_eq!(span.fault.is_some(), number == 0);
        }
        // What was made room for, since a block is copied into it.
        let room: usize = blocks.iter().map(|block| block.bytes.capacity()).sum();
        assert!(room < 4 * text.len(), "{room}");
    }
}
