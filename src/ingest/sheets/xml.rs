//! The XML of a workbook's part, event by event and within bounds.

use std::io::{BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::error::{Error, Place, Result};

/// Bytes that one piece of XML, a text or a tag, may have: cells hold 32,767 characters.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// Bytes that are unpacked at once.
const READ_BYTES: usize = 64 * 1024;

/// A part under way.
pub(super) struct Xml {
    reader: Reader<BufReader<Metered>>,
    buffer: Vec<u8>,
    left: Arc<AtomicUsize>,
    /// Bytes of the part that have been read, and those that it has.
    read: Arc<AtomicU64>,
    bytes: u64,
    name: String,
}

/// Lets no single piece of XML fill the memory.
struct Metered {
    content: Box<dyn Read + Send>,
    left: Arc<AtomicUsize>,
    read: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(std::io::Error::other(format!("one piece of XML has more than {} MiB", MAX_EVENT_BYTES >> 20)));
        }
        let length = self.content.read(buffer)?;
        self.left.store(left.saturating_sub(length), Ordering::Relaxed);
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

impl Xml {
    pub(super) fn new(content: Box<dyn Read + Send>, bytes: u64, name: &str) -> Self {
        let left = Arc::new(AtomicUsize::new(MAX_EVENT_BYTES));
        let read = Arc::new(AtomicU64::new(0));
        let metered = Metered { content, left: Arc::clone(&left), read: Arc::clone(&read) };
        let mut reader = Reader::from_reader(BufReader::with_capacity(READ_BYTES, metered));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        // A list of open elements would grow as deep as they nest.
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        Self { reader, buffer: Vec::new(), left, read, bytes, name: name.to_owned() }
    }

    /// Returns the part of the bytes that has been read, from 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        self.read.load(Ordering::Relaxed) as f64 / self.bytes.max(1) as f64
    }

    /// Reads the next event; an empty element is a start and an end.
    pub(super) fn next(&mut self) -> Result<Event<'_>> {
        self.buffer.clear();
        self.left.store(MAX_EVENT_BYTES, Ordering::Relaxed);
        let name = &self.name;
        self.reader.read_event_into(&mut self.buffer).map_err(|error| broken(name, &error))
    }

    /// Reads on to the end of an element whose start was the last event.
    pub(super) fn skip(&mut self, element: &[u8]) -> Result<()> {
        let mut depth: u64 = 1;
        while depth > 0 {
            match self.next()? {
                Event::Start(start) if start.local_name().as_ref() == element => depth += 1,
                Event::End(end) if end.local_name().as_ref() == element => depth -= 1,
                Event::Eof => return Err(self.broken(&"it ends early")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the text of an element whose start was the last event, without that of elements inside.
    pub(super) fn text(&mut self, element: &[u8]) -> Result<String> {
        let mut text = String::new();
        let mut inside: u64 = 0;
        loop {
            match self.next()? {
                Event::End(end) if inside == 0 && end.local_name().as_ref() == element => return Ok(text),
                Event::Start(_) => inside += 1,
                Event::End(_) => inside = inside.saturating_sub(1),
                Event::Eof => return Err(self.broken(&"it ends early")),
                event if inside == 0 => push_text(&mut text, &event),
                _ => {}
            }
        }
    }

    pub(super) fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        broken(&self.name, error)
    }
}

fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::input(Place::file(name), format!("broken workbook: {error}"))
        .with_hint("nothing of this file is stored; fetch it again")
}

/// Adds what an event has of text.
pub(super) fn push_text(text: &mut String, event: &Event<'_>) {
    match event {
        Event::Text(part) => text.push_str(&part.xml10_content().unwrap_or_default()),
        Event::CData(part) => text.push_str(&part.xml10_content().unwrap_or_default()),
        Event::GeneralRef(reference) => push_reference(text, reference),
        _ => {}
    }
}

fn push_reference(text: &mut String, reference: &BytesRef<'_>) {
    let bytes: &[u8] = reference;
    match (reference.resolve_char_ref(), bytes) {
        (Ok(Some(character)), _) => text.push(character),
        (_, b"lt") => text.push('<'),
        (_, b"gt") => text.push('>'),
        (_, b"amp") => text.push('&'),
        (_, b"quot") => text.push('"'),
        (_, b"apos") => text.push('\''),
        (_, other) => text.push_str(&format!("&{};", String::from_utf8_lossy(other))),
    }
}

/// Returns the value of an attribute, whatever the prefix of its name.
pub(super) fn attribute(element: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    attributes(element).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Lists the attributes by their names without prefixes.
pub(super) fn attributes(element: &BytesStart<'_>) -> Vec<(Vec<u8>, String)> {
    let mut all = element.attributes();
    all.with_checks(false);
    let read = all.flatten().filter_map(|attribute| {
        let value = attribute.unescape_value().ok()?;
        Some((attribute.key.local_name().as_ref().to_vec(), value.into_owned()))
    });
    read.collect()
}
