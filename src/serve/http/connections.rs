//! Connections of the HTTP server: counted, and encrypted where that is asked for. `lines` closes those over which nothing comes any more.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::net::listening::{PAUSE, secured, stopping};
use crate::serve::guests::Entry;
pub(super) use crate::serve::lines::{Answering, Way};
use crate::serve::lines::{Line, LineClocks, Requests};
use crate::serve::{Hub, Protocol};

/// Connections that are encrypted already and wait to be taken.
const WAITING: usize = 16;
/// What is said to whom there is no place for.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 78\r\n\r\n\
    {\"error\":{\"code\":\"busy\",\"message\":\"there are as many connections as may be\"}}\n";

impl Connected<IncomingStream<'_, Gate>> for Way {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.io().way().clone()
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
        let entry = Arc::new(Entry::of_guest(hub.guests()));
        // Where nobody logs in, all are users at once.
        if !hub.has_users() && entry.sign_in(|| hub.admit(Protocol::Http)).is_err() {
            if tls.is_none() {
                // As much as goes at once: nobody waits for a client that there is no place for.
                let _ = stream.try_write(FULL);
            }
            continue;
        }
        let (tls, sender, clocks) = (tls.clone(), sender.clone(), LineClocks::of(hub.limits()));
        tokio::spawn(async move {
            // Answers are written in pieces that are whole.
            let _ = stream.set_nodelay(true);
            let is_loopback = stream.local_addr().is_ok_and(|local| local.ip().is_loopback());
            let way = Way { entry: Some(Arc::clone(&entry)), ..Way::of(is_loopback, tls.is_some()) };
            let inner = tokio::select! {
                inner = secured(stream, tls, clocks.login) => inner,
                () = entry.sent_away() => None,
            };
            let Some(inner) = inner else { return };
            let _ = sender.send((Line::new(inner, way, clocks, Requests::OneByOne), peer)).await;
        });
    }
}
