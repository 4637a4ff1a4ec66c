//! Connections of the HTTP server: counted, encrypted where that is asked for, and closed where nothing comes any more.
//!
//! Whoever sends a request slowly, or does not take an answer, has the time of a handshake for it; between two requests a connection may rest
//! as long as connections may be idle. While an answer is computed nothing is expected of the client: the question has a limit of its own.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use crate::net::listening::{PAUSE, Wire, secured, stopping};
use crate::serve::{Hub, Protocol, Seat};

/// Connections that are encrypted already and wait to be taken.
const WAITING: usize = 16;
/// What is said to whom there is no place for.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 78\r\n\r\n\
    {\"error\":{\"code\":\"busy\",\"message\":\"there are as many connections as may be\"}}\n";

/// What a connection does, as those that answer its requests know it.
#[derive(Debug, Default)]
pub(super) struct Activity {
    answering: AtomicUsize,
    answered: AtomicU64,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Activity {
    /// Counts a request until what it returns is dropped.
    pub fn begin(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::AcqRel);
        Answering(Arc::clone(self))
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
pub(super) struct Way {
    pub activity: Arc<Activity>,
    /// Whether it ends on an address of this machine alone.
    pub is_loopback: bool,
    pub is_encrypted: bool,
}

impl Connected<IncomingStream<'_, Gate>> for Way {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.io().way.clone()
    }
}

/// Where connections come in.
pub(super) struct Gate {
    come: mpsc::Receiver<(Line, SocketAddr)>,
    local: SocketAddr,
}

impl Gate {
    /// Takes connections until `stop` turns true.
    pub fn open(
        hub: Arc<Hub>,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let local = listener.local_addr()?;
        let (sender, come) = mpsc::channel(WAITING);
        tokio::spawn(take(hub, listener, tls, sender, stop));
        Ok(Self { come, local })
    }
}

impl Listener for Gate {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        match self.come.recv().await {
            Some(come) => come,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

async fn take(
    hub: Arc<Hub>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    sender: mpsc::Sender<(Line, SocketAddr)>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping(&mut stop) => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(seat) = hub.admit(Protocol::Http) else {
            if tls.is_none() {
                // As much as goes at once: nobody waits for a client that there is no place for.
                let _ = stream.try_write(FULL);
            }
            continue;
        };
        let (tls, sender) = (tls.clone(), sender.clone());
        let (handshake, idle) = (hub.limits().handshake, hub.limits().idle);
        tokio::spawn(async move {
            // Answers are written in pieces that are whole.
            let _ = stream.set_nodelay(true);
            let is_loopback = stream.local_addr().is_ok_and(|local| local.ip().is_loopback());
            let way = Way { activity: Arc::default(), is_loopback, is_encrypted: tls.is_some() };
            let Some(inner) = secured(stream, tls, handshake).await else { return };
            let _ = sender.send((Line::new(inner, way, seat, handshake, idle), peer)).await;
        });
    }
}

/// A connection with its clocks.
pub(super) struct Line {
    inner: Box<dyn Wire>,
    way: Way,
    handshake: Duration,
    idle: Duration,
    /// Requests that were answered when the clock of reading was set.
    answered: u64,
    /// Whether a request has begun to come.
    has_begun: bool,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
    _seat: Option<Seat>,
}

impl Line {
    fn new(inner: Box<dyn Wire>, way: Way, seat: impl Into<Option<Seat>>, handshake: Duration, idle: Duration) -> Self {
        // The first request is expected at once.
        let reading = Some(Box::pin(tokio::time::sleep(handshake)));
        let (has_begun, writing) = (true, None);
        Self { inner, way, handshake, idle, answered: 0, has_begun, reading, writing, _seat: seat.into() }
    }

    /// Ends a read for which nothing came in time.
    fn waits_to_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let activity = &self.way.activity;
        let answered = activity.answered.load(Ordering::Acquire);
        if activity.answering.load(Ordering::Acquire) > 0 || answered != self.answered {
            (self.answered, self.has_begun, self.reading) = (answered, false, None);
        }
        if activity.answering.load(Ordering::Acquire) > 0 {
            return Poll::Pending;
        }
        let limit = if self.has_begun { self.handshake } else { self.idle };
        over(&mut self.reading, limit, context)
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
        match Pin::new(&mut self.inner).poll_read(context, buffer) {
            Poll::Pending => self.waits_to_read(context),
            Poll::Ready(done) => {
                let answered = self.way.activity.answered.load(Ordering::Acquire);
                if !self.has_begun || answered != self.answered {
                    // The clock of a request runs from its first byte: later ones do not set it anew.
                    (self.answered, self.has_begun) = (answered, true);
                    self.reading = Some(Box::pin(tokio::time::sleep(self.handshake)));
                }
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
            Poll::Pending => over(&mut self.writing, self.handshake, context).map(|over| match over {
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

    fn line(handshake: u64, idle: u64) -> (Line, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(64);
        let way = Way { activity: Arc::default(), is_loopback: true, is_encrypted: false };
        let millis = Duration::from_millis;
        (Line::new(Box::new(near), way, None, millis(handshake), millis(idle)), far)
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
        let answering = near.way.activity.begin();
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
