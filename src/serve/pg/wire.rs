//! PostgreSQL's messages, version 3: frames in, messages out.
//!
//! Written here and not taken from a library: the one that there is (pgwire 0.41) reads past the end of messages that are cut short, which
//! panics, replaces bytes that are no UTF-8 in silence, and makes a buffer for each row.
//!
//! A frame is a kind, the length of what follows with the length itself, and a body. The first of a connection has no kind.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};

use crate::error::{Error, Result};
use crate::net::listening::Wire;

/// Bytes of the first message at most, as PostgreSQL has it.
const MOST_FIRST_BYTES: usize = 10_000;
/// Bytes of a message before it is known who sends.
pub(super) const MOST_LOGIN_BYTES: usize = 16_384;

const VERSION_3: u32 = 196_608;
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum First {
    /// It asks for TLS.
    Tls,
    /// It asks for GSSAPI, which is not offered.
    Gss,
    /// It cancels what another does.
    Cancel { process: i32, secret: i32 },
    /// It says who it is and what it sets, and which minor version it speaks.
    Start { minor: u16, settings: Vec<(String, String)> },
}

/// What a statement or a portal is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Statement,
    Portal,
}

/// A message of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Front {
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind {
        portal: String,
        statement: String,
        formats: Vec<i16>,
        values: Vec<Option<Bytes>>,
        results: Vec<i16>,
    },
    Describe(Target, String),
    /// Zero rows are all.
    Execute {
        portal: String,
        rows: usize,
    },
    Close(Target, String),
    Flush,
    Sync,
    Terminate,
    Password(Bytes),
    /// Rows for a COPY, which no server of ours begins.
    Copy,
    /// A call of a function by its number, which is not offered.
    Call,
}

/// Reads frames from a connection, each up to a length.
pub struct Reader<R> {
    from: R,
    read: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub fn new(from: R) -> Self {
        Self { from, read: BytesMut::new() }
    }

    /// Goes on with what was read elsewhere.
    fn with(from: R, read: BytesMut) -> Self {
        Self { from, read }
    }

    /// Gives the connection back, with what was read and not taken.
    fn into_parts(self) -> (R, BytesMut) {
        (self.from, self.read)
    }

    /// Gives the connection back.
    ///
    /// # Errors
    /// Bytes that were read and belong to nobody: what is sent in plain text before TLS begins may come from somebody else.
    pub fn into_inner(self) -> Result<R> {
        match self.read.is_empty() {
            true => Ok(self.from),
            false => Err(broken("bytes before TLS begins")),
        }
    }

    /// Bytes that it has room for.
    pub fn held_bytes(&self) -> usize {
        self.read.capacity()
    }

    /// Waits for so many bytes; says whether the connection ended before the first.
    async fn have(&mut self, bytes: usize) -> Result<bool> {
        while self.read.len() < bytes {
            let read = self.from.read_buf(&mut self.read).await.map_err(|error| Error::storage("connection", error))?;
            if read == 0 {
                return match self.read.is_empty() {
                    true => Ok(false),
                    false => Err(broken("the connection ends within a message")),
                };
            }
        }
        Ok(true)
    }

    /// Takes a frame whose length stands behind `head` bytes: its kind, where it has one, and its body.
    async fn frame(&mut self, head: usize, most: usize) -> Result<Option<(u8, Body)>> {
        if !self.have(head + 4).await? {
            return Ok(None);
        }
        let length = self.read.get(head..head + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        let length = length.map_or(0, |length| length as usize);
        if length < 4 {
            return Err(broken("a message that is shorter than its length"));
        }
        if length > most {
            return Err(Error::Limit {
                message: format!("a message of {length} bytes, and {most} are the most"),
                hint: Some("send less at once, or raise ⟨max-message⟩".to_owned()),
            });
        }
        // The buffer grows with what comes, and not with what is announced.
        self.have(head + length).await?;
        let mut frame = self.read.split_to(head + length);
        let kind = frame.first().copied().unwrap_or_default();
        frame.advance(head + 4);
        Ok(Some((kind, Body(frame.freeze()))))
    }

    /// Reads the first message; `None` is a connection that ended.
    ///
    /// # Errors
    /// Bytes that are no such message.
    pub async fn first(&mut self) -> Result<Option<First>> {
        let Some((_, mut body)) = self.frame(0, MOST_FIRST_BYTES).await? else { return Ok(None) };
        let first = match body.u32()? {
            SSL => First::Tls,
            GSS => First::Gss,
            CANCEL => First::Cancel { process: body.i32()?, secret: body.i32()? },
            version if version & 0xffff_0000 == VERSION_3 => {
                let mut settings = Vec::new();
                loop {
                    let name = body.text()?;
                    if name.is_empty() {
                        break;
                    }
                    settings.push((name, body.text()?));
                }
                First::Start { minor: (version & 0xffff) as u16, settings }
            }
            _ => return Err(broken("a version of the protocol that is not spoken here; 3 is")),
        };
        body.end()?;
        Ok(Some(first))
    }

    /// Reads the next message; `None` is a connection that ended.
    ///
    /// # Errors
    /// Bytes that are no message; more of them than allowed.
    pub async fn next(&mut self, most: usize) -> Result<Option<Front>> {
        let Some((kind, mut body)) = self.frame(1, most).await? else { return Ok(None) };
        let message = front(kind, &mut body)?;
        body.end()?;
        Ok(Some(message))
    }
}

fn front(kind: u8, body: &mut Body) -> Result<Front> {
    Ok(match kind {
        b'Q' => Front::Query(body.text()?),
        b'P' => Front::Parse { name: body.text()?, sql: body.text()?, types: body.list(Body::u32)? },
        b'B' => Front::Bind {
            portal: body.text()?,
            statement: body.text()?,
            formats: body.list(Body::i16)?,
            values: body.list(Body::value)?,
            results: body.list(Body::i16)?,
        },
        b'D' => Front::Describe(body.target()?, body.text()?),
        b'E' => Front::Execute { portal: body.text()?, rows: usize::try_from(body.i32()?).unwrap_or(0) },
        b'C' => Front::Close(body.target()?, body.text()?),
        b'H' => Front::Flush,
        b'S' => Front::Sync,
        b'X' => Front::Terminate,
        b'p' => Front::Password(body.rest()),
        b'd' | b'c' | b'f' => {
            body.rest();
            Front::Copy
        }
        b'F' => {
            body.rest();
            Front::Call
        }
        _ => return Err(broken("a kind of message that there is not")),
    })
}

/// What is left of a body.
pub struct Body(Bytes);

impl Body {
    pub fn of(bytes: Bytes) -> Self {
        Self(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.0.get(..N).and_then(|bytes| bytes.try_into().ok()).ok_or_else(cut)?;
        self.0.advance(N);
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    /// Takes a text up to its zero byte.
    pub fn text(&mut self) -> Result<String> {
        let end = memchr::memchr(0, &self.0).ok_or_else(cut)?;
        let bytes = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(bytes.to_vec()).map_err(|_| broken("a text that is not UTF-8"))
    }

    fn target(&mut self) -> Result<Target> {
        match self.array()? {
            [b'S'] => Ok(Target::Statement),
            [b'P'] => Ok(Target::Portal),
            _ => Err(broken("neither a statement nor a portal")),
        }
    }

    pub fn value(&mut self) -> Result<Option<Bytes>> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).ok().filter(|length| *length <= self.0.len()).ok_or_else(cut)?;
                Ok(Some(self.0.split_to(length)))
            }
        }
    }

    /// Takes a list: how many stands before them, in 16 bits. Room is made for what comes, and not for what is announced.
    fn list<T>(&mut self, take: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = u16::from_be_bytes(self.array()?);
        (0..count).map(|_| take(self)).collect()
    }

    pub fn rest(&mut self) -> Bytes {
        self.0.split_to(self.0.len())
    }

    fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(broken("a message that is longer than what is in it")) }
    }
}

fn cut() -> Error {
    broken("a message that ends too early")
}

/// The error of bytes that are no message. The connection cannot go on.
pub fn broken(what: &str) -> Error {
    Error::Input {
        place: crate::error::Place::file("connection"),
        message: what.to_owned(),
        hint: Some("PostgreSQL's protocol is spoken here".to_owned()),
    }
}

/// Bytes that wait to be sent at most, before a sender waits for the client.
const MOST_WAITING_BYTES: usize = 64 << 10;

/// Messages for a client, sent in large pieces.
pub struct Writer<W> {
    to: W,
    out: Vec<u8>,
    /// How much of `out` is sent. Kept here, so that who stops waiting in the middle of a message loses nothing of it.
    sent: usize,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub fn new(to: W) -> Self {
        Self { to, out: Vec::new(), sent: 0 }
    }

    /// Adds a message, whose body is written in place.
    pub fn message(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(kind);
        sized(&mut self.out, true, body);
    }

    /// Adds bytes that are no message: the answer to a wish for TLS.
    pub fn raw(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// What waits to be sent, for those who write messages themselves.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Says whether so much waits that it should be sent.
    pub fn is_full(&self) -> bool {
        self.out.len() - self.sent >= MOST_WAITING_BYTES
    }

    /// Sends all that waits. It may be given up at any time and called again.
    ///
    /// # Errors
    /// A connection that ended.
    pub async fn flush(&mut self) -> std::io::Result<()> {
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let sent = self.to.write(rest).await?;
            if sent == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            self.sent += sent;
        }
        self.out.clear();
        self.sent = 0;
        self.to.flush().await
    }

    pub fn into_inner(self) -> W {
        self.to
    }
}

/// Writes bytes with their length before them, in 32 bits; of messages the length counts itself.
pub fn sized(out: &mut Vec<u8>, counts_itself: bool, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = out.len() - start - if counts_itself { 0 } else { 4 };
    // A value of two gigabytes does not come this far: the limit on the bytes of an answer is lower, or Arrow's own is.
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Writes a text with a zero byte behind it. A zero byte inside ends it.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().take_while(|byte| *byte != 0));
    out.push(0);
}

pub type Both = Box<dyn Wire>;
pub type From = Reader<ReadHalf<Both>>;
pub type To = Writer<WriteHalf<Both>>;

impl Reader<Both> {
    /// Parts the two ways of a connection. What was read stays with the reader.
    pub fn split(self) -> (From, To) {
        let (stream, read) = self.into_parts();
        let (from, to) = split(stream);
        (Reader::with(from, read), Writer::new(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = kind.into_iter().collect();
        sized(&mut bytes, true, |out| out.extend_from_slice(body));
        bytes
    }

    async fn next(bytes: &[u8]) -> Result<Option<Front>> {
        Reader::new(bytes).next(1_000).await
    }

    #[tokio::test]
    async fn messages_are_read_as_they_are() {
        let bind = [&b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0"[..]].concat();
        let read = next(&framed(Some(b'B'), &bind)).await.unwrap();
        let values = vec![Some(Bytes::from_static(b"ab")), None];
        let (portal, statement) = ("p".to_owned(), "s".to_owned());
        assert_eq!(read, Some(Front::Bind { portal, statement, formats: vec![1], values, results: vec![] }));
        assert_eq!(next(&framed(Some(b'Q'), b"select 1\0")).await.unwrap(), Some(Front::Query("select 1".to_owned())));
        assert_eq!(next(b"").await.unwrap(), None);
        let start = framed(None, b"\0\x03\0\0user\0ana\0\0");
        let settings = vec![("user".to_owned(), "ana".to_owned())];
        assert_eq!(Reader::new(&start[..]).first().await.unwrap(), Some(First::Start { minor: 0, settings }));
        let tls = framed(None, &SSL.to_be_bytes());
        assert_eq!(Reader::new(&tls[..]).first().await.unwrap(), Some(First::Tls));
    }

    #[tokio::test]
    async fn no_bytes_make_it_fail_otherwise_than_by_an_error() {
        let messages: Vec<Vec<u8>> = vec![
            framed(Some(b'P'), b"name\0select $1\0\0\x01\0\0\0\x17"),
            framed(Some(b'B'), b"p\0s\0\0\x01\0\x01\0\x01\0\0\0\x02ab\0\x01\0\0"),
            framed(Some(b'E'), b"p\0\0\0\0\x05"),
            framed(Some(b'D'), b"Sname\0"),
        ];
        for message in &messages {
            assert!(next(message).await.unwrap().is_some());
            // Cut short with a length that says so, and one that does not.
            for end in 5..message.len() {
                assert!(next(&message[..end]).await.is_err());
                assert!(next(&framed(Some(message[0]), &message[5..end])).await.is_err(), "{end} of {message:?}");
            }
            for place in 0..message.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut changed = message.clone();
                    changed[place] = byte;
                    let _ = next(&changed).await;
                    let _ = Reader::new(&changed[..]).first().await;
                }
            }
            assert!(next(&framed(Some(message[0]), &[&message[5..], b"x"].concat())).await.is_err());
        }
        assert!(next(b"Q\0\0\0\x03").await.is_err());
        assert!(matches!(next(b"Q\x7f\xff\xff\xff").await, Err(Error::Limit { .. })));
        assert!(next(&framed(Some(b'Q'), b"\xff\0")).await.is_err());
        assert!(next(&framed(Some(b'z'), b"")).await.is_err());
    }

    #[tokio::test]
    async fn a_message_that_was_sent_in_part_goes_on_where_it_was() {
        let (client, server) = tokio::io::duplex(4);
        let mut writer = Writer::new(server);
        writer.message(b'C', |out| put_text(out, "SELECT 1"));
        for _ in 0..3 {
            let gave_up = tokio::time::timeout(std::time::Duration::from_millis(5), writer.flush()).await;
            assert!(gave_up.is_err());
        }
        let mut client = Reader::new(client);
        let (got, sent) = tokio::join!(client.frame(1, 100), writer.flush());
        sent.unwrap();
        let (kind, mut body) = got.unwrap().unwrap();
        assert_eq!((kind, body.text().unwrap().as_str()), (b'C', "SELECT 1"));
    }
}
