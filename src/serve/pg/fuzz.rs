//! What is checked of any bytes that a client of PostgreSQL's protocol sends, as messages and as values (`crate::fuzz`).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use chrono::DateTime;
use datafusion::common::ScalarValue;
use futures::executor::block_on;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::{Semaphore, watch};

use super::encode::{Cells, Form};
use super::types::PgType;
use super::wire::{First, Reader, sized};
use super::{MOST_BESIDE, Shared, login, params};
use crate::error::Error;
use crate::script::Clock;
use crate::serve::Hub;
use crate::serve::guests::Entry as Guest;
use crate::zones::Tz;

/// Bytes of a message at most.
const MOST_BYTES: usize = 10_000;
/// Bytes that a reader may hold beyond those that have come.
const SLACK_BYTES: usize = 64 << 10;

/// Bytes that come in pieces.
struct Pieces<'b> {
    rest: &'b [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = self.size.min(self.rest.len()).min(buffer.remaining());
        let (now, later) = self.rest.split_at(count);
        buffer.put_slice(now);
        self.rest = later;
        Poll::Ready(Ok(()))
    }
}

/// Reads all messages; the last line is how they end.
async fn read(bytes: &[u8], size: usize) -> Result<Vec<String>, String> {
    let mut reader = Reader::new(Pieces { rest: bytes, size });
    let mut told = Vec::new();
    let mut has_begun = false;
    let end = loop {
        let one = match has_begun {
            true => reader.next(MOST_BYTES).await.map(|message| message.map(|message| format!("{message:?}"))),
            false => reader.first().await.map(|first| {
                has_begun = matches!(first, Some(First::Start { .. }));
                first.map(|first| format!("{first:?}"))
            }),
        };
        if reader.held_bytes() > bytes.len() + SLACK_BYTES {
            return Err(format!("{} bytes are held of {}", reader.held_bytes(), bytes.len()));
        }
        match one {
            Ok(Some(message)) => told.push(message),
            Ok(None) => break "the end".to_owned(),
            Err(error @ (Error::Input { .. } | Error::Limit { .. })) => break error.to_string(),
            Err(error) => return Err(format!("another error than of the client: {error}")),
        }
    };
    told.push(end);
    Ok(told)
}

/// Reads bytes as a client's: every error is one of the client, memory is held for what came and not for what is announced, and messages are the
/// same in whatever pieces they come.
pub(crate) fn messages(bytes: &[u8]) -> Result<(), String> {
    let whole = block_on(read(bytes, usize::MAX))?;
    for size in [1, 7] {
        let pieces = block_on(read(bytes, size))?;
        if pieces != whole {
            return Err(format!("in pieces of {size}: {pieces:?}, and at once {whole:?}"));
        }
    }
    Ok(())
}

/// The last number of a type that is looked at.
const LAST_TYPE: u32 = 5_000;

/// The types of parameters, with those of their values.
static TYPES: LazyLock<Vec<(PgType, DataType)>> = LazyLock::new(|| {
    let known = (0..LAST_TYPE).filter_map(PgType::known);
    known.filter_map(|pg_type| pg_type.values().map(|data_type| (pg_type, data_type))).collect()
});

/// Reads bytes as the value of a parameter, whose type and form the first byte chooses: the value is of the type, and what is written of it is read
/// as the same, or, where a text says what no parameter says, refused.
pub(crate) fn values(bytes: &[u8]) -> Result<(), String> {
    let (chosen, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let types = &*TYPES;
    let (index, form) = (usize::from(chosen >> 1), if chosen % 2 == 0 { Form::Text } else { Form::Binary });
    let Some((pg_type, data_type)) = types.get(index % types.len().max(1)) else { return Ok(()) };
    let clock = Clock {
        as_of: DateTime::from_timestamp_micros(1_795_219_200_000_000).unwrap_or_default(),
        time_zone: "Europe/Berlin".parse().unwrap_or(Tz::UTC),
    };
    let read = |bytes: &[u8], form, pg_type| params::value(Some(bytes), form, pg_type, data_type, &clock);
    let value = match read(bytes, form, *pg_type) {
        Ok(value) => value,
        Err(Error::Internal(what)) => return Err(format!("an internal error: {what}")),
        Err(_) => return Ok(()),
    };
    if value.data_type() != *data_type {
        return Err(format!("{value:?} is of type {}, and not {data_type}", value.data_type()));
    }
    // What answers with such values are sent as, which have no names of objects.
    let column = Field::new("a", data_type.clone(), true);
    let sent_type = PgType::of(&column);
    for form in [Form::Binary, Form::Text] {
        let sent = written(&value, &column, form, clock.time_zone).map_err(|error| error.to_string())?;
        let Some(sent) = sent else { continue };
        let again = match read(&sent, form, sent_type) {
            Err(Error::Usage { .. }) if form == Form::Text => continue,
            Err(error) => return Err(format!("{value:?} is written as b\"{}\": {error}", sent.escape_ascii())),
            Ok(again) => again,
        };
        // There are numbers that are none of many kinds, and intervals of less than a microsecond, which are not written.
        if again != value && written(&again, &column, form, clock.time_zone).ok().flatten().as_ref() != Some(&sent) {
            return Err(format!("{value:?} is written as b\"{}\", and read as {again:?}", sent.escape_ascii()));
        }
    }
    Ok(())
}

/// Writes a value as an answer has it; `None` for one that is null.
fn written(value: &ScalarValue, column: &Field, form: Form, zone: Tz) -> crate::error::Result<Option<Vec<u8>>> {
    let schema = Arc::new(Schema::new(vec![column.clone()]));
    let batch = RecordBatch::try_new(schema, vec![value.to_array()?]).map_err(Error::internal)?;
    let mut cells = Cells::of(&batch, &[form], zone)?;
    let mut out = Vec::new();
    Ok(cells.pop().filter(|cells| !cells.is_null(0)).map(|cells| {
        cells.put(0, &mut out);
        out
    }))
}

/// Serves a client that sends these bytes, takes what is answered, and ends; returns the kinds of the messages that came back.
///
/// # Errors
/// A panic; bytes that are no messages.
pub async fn talk(hub: &Arc<Hub>, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (stop, stopped) = watch::channel(false);
    let beside = Arc::new(Semaphore::new(MOST_BESIDE));
    let shared = Shared { hub: Arc::clone(hub), tls: None, cancels: Arc::default(), beside, stop: stopped };
    let (near, far) = duplex(4 << 10);
    let entry = Arc::new(Guest::of_guest(shared.hub.guests()));
    let serving = tokio::spawn(login::serve(Arc::new(shared), Box::new(near), entry));
    let (mut from, mut to) = tokio::io::split::<DuplexStream>(far);
    let send = async {
        // A server may have closed before all was sent.
        let _ = to.write_all(bytes).await;
        let _ = to.shutdown().await;
    };
    let take = async {
        let mut answered = Vec::new();
        let _ = from.read_to_end(&mut answered).await;
        answered
    };
    let ((), answered) = tokio::join!(send, take);
    let ended = serving.await;
    drop(stop);
    ended.map_err(|error| format!("the server: {error}"))?;
    kinds(&answered)
}

/// Takes the kinds of a server's messages; one that says yes or no to encryption comes alone.
fn kinds(mut answered: &[u8]) -> Result<Vec<u8>, String> {
    let mut kinds = Vec::new();
    while let [kind, rest @ ..] = answered {
        if *kind == b'N' && !matches!(rest, [0, ..]) {
            answered = rest;
            continue;
        }
        let length = rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes) as usize);
        let behind = length.filter(|length| *length >= 4).and_then(|length| rest.get(length..));
        answered =
            behind.ok_or_else(|| format!("no message of a server: {:?}", answered.escape_ascii().to_string()))?;
        kinds.push(*kind);
    }
    Ok(kinds)
}

/// Puts a message of a client together; without a kind it is one that begins a connection.
pub fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = kind.into_iter().collect();
    sized(&mut bytes, true, |out| out.extend_from_slice(body));
    bytes
}
