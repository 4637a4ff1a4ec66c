//! Connections with their clocks, for protocols whose requests come over one connection: one after the other (HTTP/1.1), or many at once (HTTP/2).
//!
//! Whoever sends the first request slowly, or does not take what is sent, has the time of a handshake for it; between two requests a connection
//! may rest as long as connections may be idle. So it is with each request that has begun, where they come one after the other; of many at once
//! the protocol's own messages cannot be told from requests. While an answer is computed nothing is expected of the client: the question has a
//! limit of its own.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::guests::Entry;
use super::limits::{Limits, Seat};
use crate::error::Result;
use crate::net::listening::Wire;

/// How requests come over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    OneByOne,
    ManyAtOnce,
}

/// What HTTP/2 begins with, which is not spoken where requests come one after the other.
const OTHER_PROTOCOL: &[u8] = b"PRI ";

/// What a connection does, as those that answer its requests know it.
#[derive(Debug, Default)]
pub struct Activity {
    answering: AtomicUsize,
    answered: AtomicU64,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering(Arc<Activity>);

impl Activity {
    /// Counts a request until what it returns is dropped.
    pub fn begin(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::AcqRel);
        Answering(Arc::clone(self))
    }

    /// Counts a request that is answered at once.
    pub fn heard(&self) {
        self.answered.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::AcqRel);
        self.0.answering.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is known of the connection that a request came over.
#[derive(Debug, Clone)]
pub struct Way {
    pub activity: Arc<Activity>,
    /// How the connection is there.
    pub entry: Option<Arc<Entry>>,
    /// Whether it ends on an address of this machine alone.
    pub is_loopback: bool,
    pub is_encrypted: bool,
}

impl Way {
    pub fn of(is_loopback: bool, is_encrypted: bool) -> Self {
        Self { activity: Arc::default(), entry: None, is_loopback, is_encrypted }
    }

    /// Notes that somebody has logged in.
    ///
    /// # Errors
    /// As many connections as there may be.
    pub fn sign_in(&self, admit: impl FnOnce() -> Result<Seat>) -> Result<()> {
        self.entry.as_ref().map_or(Ok(()), |entry| entry.sign_in(admit))
    }

    fn is_of_guest(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.is_guest())
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct LineClocks {
    /// All that a guest does.
    pub login: Duration,
    /// A request that has begun, and bytes that are not taken.
    pub handshake: Duration,
    /// The time between requests.
    pub idle: Duration,
}

impl LineClocks {
    pub fn of(limits: &Limits) -> Self {
        Self { login: limits.login, handshake: limits.handshake, idle: limits.idle }
    }
}

/// A connection with its clocks.
pub struct Line {
    inner: Box<dyn Wire>,
    way: Way,
    clocks: LineClocks,
    /// Waits until the place of a guest is for another.
    leaving: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Requests that were answered when the clock of reading was set.
    answered: u64,
    /// Whether a request has begun to come.
    has_begun: bool,
    requests: Requests,
    /// Bytes up to now of what another protocol begins with; `None` once it is none.
    other: Option<usize>,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl Line {
    /// Takes a connection.
    pub fn new(inner: Box<dyn Wire>, way: Way, clocks: LineClocks, requests: Requests) -> Self {
        let leaving =
            way.entry.clone().map(|entry| Box::pin(entry.sent_away()) as Pin<Box<dyn Future<Output = ()> + Send>>);
        let (has_begun, writing) = (true, None);
        let other = (requests == Requests::OneByOne).then_some(0);
        let mut line =
            Self { inner, way, clocks, leaving, answered: 0, has_begun, requests, other, reading: None, writing };
        // The first request is expected at once.
        line.reading = Some(Box::pin(tokio::time::sleep(line.limit())));
        line
    }

    /// How long it may take until more comes.
    fn limit(&self) -> Duration {
        let limit = if self.has_begun { self.clocks.handshake } else { self.clocks.idle };
        if self.way.is_of_guest() { limit.min(self.clocks.login) } else { limit }
    }

    /// Ends the connection of a guest whose place is for another.
    fn goes(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let is_to_go = self.leaving.as_mut().is_some_and(|leaving| leaving.as_mut().poll(context).is_ready());
        if is_to_go {
            self.leaving = None;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    pub fn way(&self) -> &Way {
        &self.way
    }

    /// Ends a read for which nothing came in time.
    fn waits_to_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let activity = &self.way.activity;
        let answered = activity.answered.load(Ordering::Acquire);
        let is_answering = activity.answering.load(Ordering::Acquire) > 0;
        if is_answering || answered != self.answered {
            (self.answered, self.has_begun, self.reading) = (answered, false, None);
        }
        if is_answering {
            // Nothing is expected. It is looked at again, since nothing says when the answer is over.
            while over(&mut self.reading, self.clocks.handshake, context).is_ready() {
                self.reading = None;
            }
            return Poll::Pending;
        }
        let limit = self.limit();
        over(&mut self.reading, limit, context)
    }

    /// Sets the clock after something came.
    fn has_read(&mut self) {
        let answered = self.way.activity.answered.load(Ordering::Acquire);
        match self.requests {
            // The clock of a request runs from its first byte: later ones do not set it anew.
            Requests::OneByOne if !self.has_begun || answered != self.answered => {
                (self.answered, self.has_begun) = (answered, true);
                self.reading = Some(Box::pin(tokio::time::sleep(self.limit())));
            }
            Requests::ManyAtOnce if answered > 0 => {
                (self.answered, self.has_begun, self.reading) = (answered, false, None);
            }
            _ => {}
        }
    }

    /// Refuses a protocol that is not spoken here, by its first bytes.
    fn refuse_other(&mut self, read: &[u8]) -> io::Result<()> {
        for byte in read {
            let Some(known) = self.other else { return Ok(()) };
            self.other = (OTHER_PROTOCOL.get(known) == Some(byte)).then_some(known + 1);
            if self.other == Some(OTHER_PROTOCOL.len()) {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }
}

/// Waits for a clock, which is set where it is not; an error says that it is over.
fn over(clock: &mut Option<Pin<Box<Sleep>>>, limit: Duration, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    let clock = clock.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
    ready!(clock.as_mut().poll(context));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.goes(context)?;
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(context, buffer) {
            Poll::Pending => self.waits_to_read(context),
            Poll::Ready(done) => {
                self.has_read();
                self.refuse_other(buffer.filled().get(before..).unwrap_or_default())?;
                Poll::Ready(done)
            }
        }
    }
}

impl Line {
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Box<dyn Wire>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match write(Pin::new(&mut self.inner), context) {
            Poll::Pending => over(&mut self.writing, self.clocks.handshake, context).map(|over| match over {
                Err(error) => Err(error),
                Ok(()) => Err(io::ErrorKind::TimedOut.into()),
            }),
            Poll::Ready(done) => {
                self.writing = None;
                Poll::Ready(done)
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written(context, |inner, context| inner.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written(context, |inner, context| inner.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.written(context, |inner, context| inner.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.written(context, |inner, context| inner.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn line_of(handshake: u64, idle: u64, requests: Requests) -> (Line, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(64);
        let millis = Duration::from_millis;
        let clocks = LineClocks { login: millis(0), handshake: millis(handshake), idle: millis(idle) };
        (Line::new(Box::new(near), Way::of(true, false), clocks, requests), far)
    }

    fn line(handshake: u64, idle: u64) -> (Line, tokio::io::DuplexStream) {
        line_of(handshake, idle, Requests::OneByOne)
    }

    #[tokio::test]
    async fn many_requests_at_once_have_the_time_of_idling_after_the_first() {
        // Whatever comes is no request before one was answered.
        let (mut near, mut far) = line_of(10, 60_000, Requests::ManyAtOnce);
        far.write_all(b"PRI * ").await.unwrap();
        let mut read = [0; 6];
        near.read_exact(&mut read).await.unwrap();
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // Messages of the protocol's own set no shorter clock behind it.
        let (mut near, mut far) = line_of(10, 200, Requests::ManyAtOnce);
        near.way().activity.heard();
        far.write_u8(b'a').await.unwrap();
        near.read_u8().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), near.read_u8()).await.is_err());
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // An answer takes its time, however long.
        let (mut near, _far) = line_of(10, 20, Requests::ManyAtOnce);
        let answering = near.way().activity.begin();
        assert!(tokio::time::timeout(Duration::from_millis(100), near.read_u8()).await.is_err());
        drop(answering);
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_protocol_that_is_not_spoken_is_refused_by_its_first_bytes() {
        for (sent, is_refused) in
            [(&b"PRI * HTTP/2.0"[..], true), (b"PUT / HTTP/1.1", false), (b"GET /PRI HTTP", false)]
        {
            let (mut near, mut far) = line(1_000, 1_000);
            far.write_all(sent).await.unwrap();
            let mut read = vec![0; sent.len()];
            assert_eq!(near.read_exact(&mut read).await.is_err(), is_refused);
        }
    }

    #[tokio::test]
    async fn nothing_for_too_long_ends_a_connection() {
        // No request comes.
        let (mut near, _far) = line(10, 60_000);
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // One comes byte by byte, and never ends.
        let (mut near, mut far) = line(10, 60_000);
        let slow = tokio::spawn(async move {
            while far.write_u8(b'G').await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        while near.read_u8().await.is_ok() {}
        drop(near);
        slow.await.unwrap();
        // Nobody takes the answer.
        let (mut near, _far) = line(10, 60_000);
        assert_eq!(near.write_all(&[0; 1_000]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_answer_takes_its_time_and_the_next_request_may_be_late() {
        let (mut near, mut far) = line(10, 60_000);
        far.write_u8(b'G').await.unwrap();
        near.read_u8().await.unwrap();
        let answering = near.way().activity.begin();
        let long = Duration::from_millis(50);
        // Nothing is expected while the answer is computed.
        assert!(tokio::time::timeout(long, near.read_u8()).await.is_err());
        drop(answering);
        // Nor soon after it.
        assert!(tokio::time::timeout(long, near.read_u8()).await.is_err());
        // But that a request that has begun goes on.
        far.write_u8(b'G').await.unwrap();
        near.read_u8().await.unwrap();
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
