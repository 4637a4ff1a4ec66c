//! What listeners of all protocols share: bytes both ways, encrypted or not, and how a server stops.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How long statements may still run when a server is to stop.
pub const ENDING: Duration = Duration::from_secs(10);
/// How long nothing is accepted after the system refused to, as it does without free file descriptors.
pub const PAUSE: Duration = Duration::from_millis(100);

/// Bytes both ways, encrypted or not.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Encrypts a connection where that is asked for; `None` is one that does not get so far in time.
pub async fn secured(stream: TcpStream, tls: Option<TlsAcceptor>, handshake: Duration) -> Option<Box<dyn Wire>> {
    match tls {
        None => Some(Box::new(stream)),
        Some(tls) => Some(Box::new(tokio::time::timeout(handshake, tls.accept(stream)).await.ok()?.ok()?)),
    }
}

/// Takes connections until the server is to stop.
pub async fn each_connection(listener: TcpListener, mut stop: watch::Receiver<bool>, mut take: impl FnMut(TcpStream)) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping(&mut stop) => return,
        };
        match accepted {
            Ok((stream, _)) => take(stream),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Waits until the server is to stop. A sender that is gone has the same meaning.
pub async fn stopping(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
