//! Arrow Flight SQL, so that clients of Arrow get answers as columns.
//!
//! The crate arrow-flight has the messages and the frame of the service; `service` answers them. A ticket names the statement with the
//! version and the instant that its description was made for, so that what is fetched is what was described.

mod errors;
mod facts;
mod lists;
mod prepared;
mod rows;
mod service;
mod ticket;

use std::io;
use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::stream::unfold;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::guests::Entry;
use super::hub::Hub;
use super::lines::{Line, LineClocks, Requests, Way};
use super::metrics::Protocol;
use crate::error::{Error, Result};
use crate::net::listening::{ENDING, each_connection, secured, stopping};
use service::Service;

/// Connections that are ready and wait to be taken.
const WAITING: usize = 16;
/// Answers that a client may fetch at once over one connection.
const STREAMS: u32 = 64;

/// Serves connections until it is told to stop, and then lets statements end for ten seconds.
///
/// # Errors
/// A listener that fails.
pub async fn listen(
    hub: Arc<Hub>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let (sender, come) = mpsc::channel(WAITING);
    tokio::spawn(take(Arc::clone(&hub), listener, tls, sender, stop.clone()));
    let incoming = unfold(come, async |mut come| come.recv().await.map(|line| (Ok::<_, io::Error>(line), come)));
    let most = hub.limits().message_bytes;
    let service = FlightServiceServer::new(Service::of(Arc::clone(&hub))).max_decoding_message_size(most);
    let (told, mut stopped) = watch::channel(false);
    let serving = Server::builder().max_concurrent_streams(STREAMS).add_service(service).serve_with_incoming_shutdown(
        incoming,
        async move {
            stopping(&mut stop).await;
            let _ = told.send(true);
        },
    );
    let late = async {
        stopping(&mut stopped).await;
        tokio::time::sleep(ENDING).await;
    };
    tokio::select! {
        served = serving => served.map_err(|error| Error::storage("Flight SQL", error)),
        () = late => Ok(()),
    }
}

/// Takes connections until the server is to stop.
async fn take(
    hub: Arc<Hub>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    sender: mpsc::Sender<Line>,
    stop: watch::Receiver<bool>,
) {
    each_connection(listener, stop, |stream| {
        let entry = Arc::new(Entry::of_guest(hub.guests()));
        // Where nobody logs in, all are users at once. A connection more than there may be is closed: there is no message for that before HTTP/2
        // begins.
        if !hub.has_users() && entry.sign_in(|| hub.admit(Protocol::Flight)).is_err() {
            return;
        }
        let (tls, sender, clocks) = (tls.clone(), sender.clone(), LineClocks::of(hub.limits()));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let is_loopback = stream.local_addr().is_ok_and(|local| local.ip().is_loopback());
            let way = Way { entry: Some(Arc::clone(&entry)), ..Way::of(is_loopback, tls.is_some()) };
            let wire = tokio::select! {
                wire = secured(stream, tls, clocks.login) => wire,
                () = entry.sent_away() => None,
            };
            let Some(wire) = wire else { return };
            let _ = sender.send(Line::new(wire, way, clocks, Requests::ManyAtOnce)).await;
        });
    })
    .await;
}

impl Connected for Line {
    type ConnectInfo = Way;

    fn connect_info(&self) -> Way {
        self.way().clone()
    }
}
